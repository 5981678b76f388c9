"""The errors of a C or C++ text that no reading of its macros explains.

A text without errors is parsed once. One with errors is parsed again without its directives, and
then the declarations with errors, with one on each side, a few times without what looks like macros
there; the reading with the fewest errors counts.
A `.h` may be C, C++ or Objective-C whatever its name says, so each of them is tried.
"""

import re
from collections.abc import Sequence
from typing import Final

from tree_sitter import Tree

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
_OF_CPLUSPLUS: Final = re.compile(
    "|".join(
        rf"{word}(?<!\w{word})\b"  # words that C does not have; begun by a letter, found by it
        for word in (
            "class", "constexpr", "namespace", "private", "protected", "public", "template",
            "typename", "using",
        )
    )
    + "|::"
)  # fmt: skip
_OF_OBJECTIVE_C: Final = re.compile(r"@(?:interface|class|protocol|end|implementation|import)\b")


def least_errors(grammar: str, source: bytes, tree: Tree, *, enough: int = 0) -> Errors:
    """Return the errors in the best reading of a text; `tree` is the text's as it is.

    The first reading with no more than `enough` bytes under them is good enough. Readings differ
    from the text in blanks, so that what is at a place in one is there in the other.
    """
    least = errors_under(tree.root_node)
    if least.num_bytes <= enough:
        return least
    # One character a byte, so that places in the text and in the parse are the same.
    readable = source.decode("latin-1")
    for kin in _kin(grammar, readable):
        as_it_is = tree if kin == grammar else parser_for(kin).parse(source)
        least = _better_of(least, _least_of(kin, readable, as_it_is, enough))
        if least.num_bytes <= enough:
            break
    return least


def _kin(grammar: str, text: str) -> list[str]:
    """Return the grammars to try, in turn; of a large text the likeliest one."""
    if grammar != "c":
        return [grammar]
    is_objective_c = _OF_OBJECTIVE_C.search(text) is not None
    if len(text) > _LARGE:
        return ["objc" if is_objective_c else "cpp" if _OF_CPLUSPLUS.search(text) else "c"]
    return ["objc", "c", "cpp"] if is_objective_c else ["c", "cpp"]


def _better_of(one: Errors, other: Errors) -> Errors:
    return min(one, other, key=lambda errors: errors.num_bytes)


def _least_of(grammar: str, text: str, tree: Tree, enough: int) -> Errors:
    least = errors_under(tree.root_node)
    if least.num_bytes <= enough:
        return least
    bare = without_directives(text, cplusplus=grammar == "cpp")
    tree = parsed_again(grammar, tree, text, bare)
    errors = errors_under(tree.root_node)
    least = _better_of(least, errors)
    if least.num_bytes <= enough:
        return least
    pieces = pieces_around(tree, errors.spans)
    if sum(end - begin for begin, end in pieces) <= _MOST_IN_PIECES * len(bare):
        return _better_of(least, _least_in_pieces(grammar, bare, errors, pieces, enough))
    return _better_of(least, _without_macros(grammar, bare, errors, enough))


def parsed_again(grammar: str, tree: Tree, before: str, text: str) -> Tree:
    """Return the tree of a text that differs from another in blanks: only there it is parsed.

    Once in some thousand texts with errors they are a few bytes more or fewer than in a fresh tree.
    """
    old = tree.copy()
    at = 0
    for row, (line, other) in enumerate(zip(before.split("\n"), text.split("\n"), strict=True)):
        end = at + len(line)
        if line != other:
            old.edit(at, end, end, (row, 0), (row, len(line)), (row, len(line)))
        at = end + 1
    return parser_for(grammar).parse(text.encode("latin-1"), old)


def _least_in_pieces(
    grammar: str, text: str, errors: Errors, pieces: Sequence[tuple[int, int]], enough: int
) -> Errors:
    left = errors.num_bytes
    spans: list[tuple[int, int]] = []
    for begin, end in pieces:
        inside = _inside(errors, begin, end)
        others = left - inside.num_bytes
        most = max(0, enough - others)
        found = _without_macros(grammar, text[begin:end], inside, most)
        left = others + found.num_bytes
        spans += [(begin + first, begin + last) for first, last in found.spans]
        if left > enough + others:
            spans += [span for span in errors.spans if span[0] >= end]
            break
    return Errors(left, tuple(spans))


def _inside(errors: Errors, begin: int, end: int) -> Errors:
    """Return the errors that begin in a piece of a text, as in the piece alone."""
    spans = [(first - begin, last - begin) for first, last in errors.spans if begin <= first < end]
    return Errors(sum(max(1, last - first) for first, last in spans), tuple(spans))


def _without_macros(grammar: str, text: str, errors: Errors, enough: int) -> Errors:
    """Return the errors that are left when what looks like macros is taken out, a few times."""
    for _ in range(_MOST_ROUNDS if len(text) < _LARGE else 1):
        if errors.num_bytes <= enough:
            break
        better = _better(grammar, text, errors, cplusplus=grammar == "cpp")
        if better is None:
            break
        text, errors = better
    return errors


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
