"""The words of a declaration before a name's bracket, and which of them can only be macros.

A declaration has a type and a name. `API int f(` has a word too many, and so has `int API f(`.
"""

from dataclasses import dataclass, field
from typing import Final

from gristmill.syntax.cfamily.places import Places
from gristmill.syntax.cfamily.words import KEYWORDS, RESERVED, TAGS, TYPES

_BEHIND_TRAILING: Final = frozenset((";", "=", ",", ")"))
_BEHIND: Final = frozenset("(;=,)[{:")


@dataclass(slots=True, eq=False)
class Item:
    """One word, with its qualifiers, template arguments or macro arguments."""

    first: int
    last: int
    has_arguments: bool = False
    before_type: bool = False
    is_trailing: bool = False
    """Whether nothing but macros stands there up to the end of the declaration."""


@dataclass(slots=True)
class Run:
    """Words up to `end`, which is not part of it."""

    names: list[Item] = field(default_factory=list)
    has_type: bool = False
    has_tag: bool = False
    end: int = 0


def gather(places: Places, at: int) -> Run:
    """Return the run of words that begins there."""
    tokens = places.tokens
    run = Run()
    while True:
        word = tokens.text(at)
        if word in ("*", "&", "&&") or (word == "::" and not run.names):
            at += 1
        elif not tokens.is_word(at) or word in KEYWORDS:
            break
        elif word in RESERVED:
            is_type = word != "const" or tokens.text(at + 1) in TYPES | TAGS
            if run.names and run.names[-1].last == at - 1 and is_type:
                run.names[-1].before_type = True
            run.has_type |= word in TYPES
            run.has_tag |= word in TAGS
            at += 1
        else:
            run.names.append(_trailing(places, at, run) or _item(places, at, run))
            at = run.names[-1].last + 1
    run.end = at
    return run


def _trailing(places: Places, at: int, run: Run) -> Item | None:
    """Return the macros behind a declared name as one item."""
    if not run.names or not places.is_macro(at) or not places.tokens.is_word(at - 1):
        return None
    end = places.behind_macros(at)
    if places.tokens.text(end) not in _BEHIND_TRAILING:
        return None
    return Item(at, end - 1, is_trailing=True)


def _item(places: Places, first: int, run: Run) -> Item:
    tokens = places.tokens
    at = first + 1
    begins = not (run.names or run.has_type)
    if tokens.text(at) == "(" and places.is_argument_list(first, begins=begins):
        return Item(first, tokens.partner[at], has_arguments=True)
    while True:
        if tokens.text(at) == "::" and tokens.is_word(at + 1):
            at += 2
            continue
        end = places.behind_angle(at) if places.cplusplus and tokens.text(at) == "<" else -1
        if end < 0:
            return Item(first, at - 1)
        at = end


def macros_of(places: Places, run: Run, *, is_near: bool) -> list[Item] | None:
    """Return the words that are too many; None where no declaration goes on behind the run.

    Words spelled like macros go first. Near an error others may go, but never the last one.
    """
    behind = places.tokens.text(run.end)
    if behind and behind not in _BEHIND and behind != "operator":
        return None
    excess = len(run.names) - _allowed(places, run, behind)
    if excess <= 0:
        return []
    spelled = [one for one in run.names if one.has_arguments or places.is_macro(one.first)]
    spelled.sort(key=lambda one: not one.is_trailing)
    taken = set(spelled)
    is_told = behind in ("(", ")", ",") or any(one.is_trailing for one in run.names)
    others = [
        one
        for one in run.names[:-1]
        if one not in taken and (one.before_type or (is_near and is_told))
    ]
    return sorted((spelled + others)[:excess], key=lambda one: one.first)


def _allowed(places: Places, run: Run, behind: str) -> int:
    """Return how many names a declaration has that goes on like this."""
    is_tag_alone = run.has_tag and behind in ("{", ":")
    allowed = 1 if is_tag_alone or (run.has_type and not run.has_tag) else 2
    is_abstract = behind in (")", ",") and places.tokens.text(run.end - 1) in ("*", "&", "&&")
    is_pointer = behind == "(" and places.tokens.text(run.end + 1) == "*"
    if behind == "operator" or is_abstract or is_pointer:
        return allowed - 1
    if behind == "(" and len(run.names) == 2:
        last = run.names[-1]
        allowed -= places.is_constructor(places.tokens.texts[last.last], last.first)
    return allowed
