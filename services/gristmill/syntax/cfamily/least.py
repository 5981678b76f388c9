"""The errors of a C or C++ text that no reading of its macros explains.

A text without errors is parsed once. One with errors is parsed again without its directives, and
then the declarations with errors, with one on each side, a few times without what looks like macros
there; the reading with the fewest errors counts.
A `.h` may be C, C++ or Objective-C whatever its name says, so each of them is tried.
"""

import re
from collections.abc import Sequence
from typing import Final

from gristmill.syntax.cfamily.directives import without_directives
from gristmill.syntax.cfamily.macros import without_macros
from gristmill.syntax.cfamily.pieces import pieces_around
from gristmill.syntax.parse import Errors, errors_in, errors_under, parser_for

GRAMMARS: Final = ("c", "cpp")
"""The grammars whose texts are read in this way."""

_MOST_ROUNDS: Final = 4
_LARGE: Final = 60_000
"""Bytes above which a text is read in the likeliest language only, and without its macros once:
each reading is a parse."""
_MOST_IN_PIECES: Final = 0.7
"""Share of a text above which its declarations with errors are not read apart from the others."""
# Words that C does not have, and lines that only Objective-C has.
_IS_CPLUSPLUS: Final = re.compile(
    r"\b(?:class|namespace|template|typename|public|private|protected|using|constexpr)\b|::"
)
_IS_OBJECTIVE_C: Final = re.compile(
    r"^[ \t]*@(?:interface|class|protocol|end|implementation|import)\b", re.MULTILINE
)


def least_error_bytes(grammar: str, source: bytes, errors: Errors, *, enough: int = 0) -> int:
    """Return the bytes under errors in the best reading of a text; `errors` are those as it is.

    The first reading with no more than `enough` of them is good enough.
    """
    if errors.num_bytes <= enough:
        return errors.num_bytes
    # One character a byte, so that places in the text and in the parse are the same.
    readable = source.decode("latin-1")
    least = errors.num_bytes
    for kin in _kin(grammar, readable)[: 1 if len(source) > _LARGE else None]:
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
    least = errors.num_bytes
    if least <= enough:
        return least
    bare = without_directives(text, cplusplus=grammar == "cpp")
    tree = parser_for(grammar).parse(bare.encode("latin-1"))
    errors = errors_under(tree.root_node)
    least = min(least, errors.num_bytes)
    if least <= enough:
        return least
    pieces = pieces_around(tree, errors.spans)
    if sum(end - begin for begin, end in pieces) <= _MOST_IN_PIECES * len(bare):
        return min(least, _least_in_pieces(grammar, bare, errors, pieces, enough))
    return min(least, _without_macros(grammar, bare, errors, enough))


def _least_in_pieces(
    grammar: str, text: str, errors: Errors, pieces: Sequence[tuple[int, int]], enough: int
) -> int:
    left = errors.num_bytes
    for begin, end in pieces:
        inside = _inside(errors, begin, end)
        others = left - inside.num_bytes
        most = max(0, enough - others)
        left = others + _without_macros(grammar, text[begin:end], inside, most)
        if left > enough + others:
            break
    return left


def _inside(errors: Errors, begin: int, end: int) -> Errors:
    """Return the errors that begin in a piece of a text, as in the piece alone."""
    spans = [(first - begin, last - begin) for first, last in errors.spans if begin <= first < end]
    return Errors(sum(max(1, last - first) for first, last in spans), tuple(spans))


def _without_macros(grammar: str, text: str, errors: Errors, enough: int) -> int:
    """Return the bytes under errors when what looks like macros is taken out, a few times."""
    least = errors.num_bytes
    for _ in range(_MOST_ROUNDS if len(text) < _LARGE else 1):
        if least <= enough:
            break
        better = _better(grammar, text, errors, cplusplus=grammar == "cpp")
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
