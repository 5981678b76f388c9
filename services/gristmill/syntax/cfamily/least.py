"""The errors of a C or C++ text that no reading of its macros explains.

A text without errors is parsed once. One with errors is parsed again without its directives, and
then, a few times, without what looks like macros there; the reading with the fewest errors counts.
A `.h` may be C, C++ or Objective-C whatever its name says, so each of them is tried.
"""

import re
from typing import Final

from gristmill.syntax.cfamily.directives import without_directives
from gristmill.syntax.cfamily.macros import without_macros
from gristmill.syntax.parse import Errors, errors_in

GRAMMARS: Final = ("c", "cpp")
"""The grammars whose texts are read in this way."""

_MOST_ROUNDS: Final = 4
_LARGE: Final = 200_000
"""Bytes above which a text is read without its macros once only: each reading is a parse."""
# Words that C does not have, and lines that only Objective-C has.
_IS_CPLUSPLUS: Final = re.compile(
    r"\b(?:class|namespace|template|typename|public|private|protected|using|constexpr)\b|::"
)
_IS_OBJECTIVE_C: Final = re.compile(
    r"^[ \t]*@(?:interface|class|protocol|end|implementation|import)\b", re.MULTILINE
)


def least_error_bytes(grammar: str, text: str, *, enough: int = 0) -> int:
    """Return the bytes under errors in the best reading of a text.

    The first reading with no more than `enough` of them is good enough.
    """
    source = text.encode()
    errors = errors_in(grammar, source)
    if errors.num_bytes <= enough:
        return errors.num_bytes
    # One character a byte, so that places in the text and in the parse are the same.
    readable = source.decode("latin-1")
    least = errors.num_bytes
    for kin in _kin(grammar, readable):
        seen = errors if kin == grammar else _errors(kin, readable)
        least = min(least, _least_of(kin, readable, seen, enough))
        if least <= enough:
            break
    return least


def _kin(grammar: str, text: str) -> list[str]:
    if grammar != "c":
        return [grammar]
    kin = ["cpp", "c"] if _IS_CPLUSPLUS.search(text) else ["c", "cpp"]
    return ["objc", *kin] if _IS_OBJECTIVE_C.search(text) else kin


def _least_of(grammar: str, text: str, errors: Errors, enough: int) -> int:
    cplusplus = grammar == "cpp"
    least = errors.num_bytes
    bare = without_directives(text, cplusplus=cplusplus)
    if bare != text and least > enough:
        text, errors = bare, _errors(grammar, bare)
        least = min(least, errors.num_bytes)
    for _ in range(_MOST_ROUNDS if len(text) < _LARGE else 1):
        if least <= enough:
            break
        better = _better(grammar, text, errors, cplusplus=cplusplus)
        if better is None:
            break
        text, errors = better
        least = min(least, errors.num_bytes)
    return least


def _better(
    grammar: str, text: str, errors: Errors, *, cplusplus: bool
) -> tuple[str, Errors] | None:
    """Return the text without macros and its errors, None if they are no fewer."""
    for everywhere in (True, False) if len(text) < _LARGE else (True,):
        other = without_macros(text, errors.spans, cplusplus=cplusplus, everywhere=everywhere)
        if other != text:
            found = _errors(grammar, other)
            if found.num_bytes < errors.num_bytes:
                return other, found
    return None


def _errors(grammar: str, text: str) -> Errors:
    return errors_in(grammar, text.encode("latin-1"))
