"""Forms of C++ that its grammar does not know, by their first token."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Gap:
    """Tokens behind a first one, and the part of the whole that something else is put for."""

    behind: tuple[str, ...]
    first: int
    last: int
    put: str = ""


_TYPENAME: Final = (Gap(("typename",), 1, 1),)
_OPERATOR_CALL: Final = (
    Gap(("operator", "*", "(", ")"), 1, 4, "f()"),
    Gap(("operator", "+", "+", "(", ")"), 1, 5, "f()"),
)
GAPS: Final[Mapping[str, Sequence[Gap]]] = {
    "=": (
        Gap(("{", "}", ","), 0, 2),
        Gap(("{", "}", ")"), 0, 2),
        Gap(("delete", ";"), 0, 1),
        Gap(("default", ";"), 0, 1),
        Gap(("const",), 1, 1),
        *_TYPENAME,
    ),
    "*": (
        Gap(("[",), 0, 0),
        Gap((">",), 0, 0),
        Gap(("=", "nullptr"), 0, 0, "*x"),
        Gap(("=", "0"), 0, 0, "*x"),
    ),
    "&": (Gap((",", "typename"), 0, 0), *_OPERATOR_CALL),
    ";": _OPERATOR_CALL,
    "->": (Gap(("*",), 1, 1),),
    "(": (*_TYPENAME, *_OPERATOR_CALL),
    "return": (*_TYPENAME, *_OPERATOR_CALL),
    "enum": (Gap((":",), 0, 0, "enum x"),),
    "extern": (Gap(("template",), 0, 0),),
    "const": (Gap(("::",), 1, 1),),
    "new": (Gap(("const",), 1, 1),),
    "unsigned": (Gap(("(",), 0, 0, "f"),),
    "long": (Gap(("(",), 0, 0, "f"),),
    "short": (Gap(("(",), 0, 0, "f"),),
}
GAPS_OF_WORDS: Final = (Gap(("::", "*"), 0, 1),)
"""The same for forms that begin with any word."""
