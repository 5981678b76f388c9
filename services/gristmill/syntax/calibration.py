"""Budgets from files: the least share of errors that rejects few enough of the sound ones.

A budget is one of a few steps. It is 0 unless the sound files of a language ask for more, so a
budget says that a grammar lags behind its language, never that errors are welcome. What no step
can save does not count for it: it only says whether the grammar may judge at all.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from tree_sitter import Query, QueryCursor, Tree

from gristmill.syntax.budgets import Measured, Point, Table
from gristmill.syntax.cfamily.directives import without_directives
from gristmill.syntax.cfamily.least import GRAMMARS
from gristmill.syntax.cfamily.tokens import tokenize
from gristmill.syntax.parse import parser_for

STEPS: Final = (0.0, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1)
"""Budgets there are."""
MOST_REJECTED_BY_BUDGET: Final = 0.02
"""The share of sound files that a budget may reject."""
MOST_REJECTED_WITH_MACROS: Final = 0.03
"""The same for C and C++, where each step up costs most of what the check finds."""
_FEW: Final = 20
"""With fewer sound files there is no share to speak of, and no budget above the next figure."""
_MOST_FOR_FEW: Final = 0.01
_ASIDE: Final = 0.5
"""A trusted file with more than this under errors is in another language, or a template."""

_SIGNS: Final = tuple(";(){}[]")
_SIGNS_OF_MARKUP: Final = ("<", "</", ">", "/>")
"""What damage takes where a text has none of the others."""

CURVE: Final = ("C", "C++")
"""Languages whose macros make a budget a choice: what each step does is written down."""


@dataclass(slots=True)
class Shares:
    """The shares of errors of a language's files."""

    labelled: list[float] = field(default_factory=list)
    """Of files known to be sound."""
    trusted: list[float] = field(default_factory=list)
    """Of files of released packages."""
    broken: list[float] = field(default_factory=list)
    damaged: list[float] = field(default_factory=list)

    def sound(self) -> list[float]:
        """Return the shares of what counts as sound."""
        return self.labelled + [one for one in self.trusted if one <= _ASIDE]


def calibrate(shares: Mapping[str, Shares], before: Table) -> Table:
    """Return the table that the files ask for; its version grows if verdicts may change."""
    rows = {
        name: _measured(name, found)
        for name, found in shares.items()
        if found.labelled or found.trusted
    }
    curve = [point for name in CURVE if name in rows for point in _curve(name, shares[name])]
    changed = _deciding(rows) != _deciding(before.languages)
    return Table(version=before.version + changed, languages=rows, curve=curve)


def _deciding(rows: Mapping[str, Measured]) -> dict[str, tuple[float, bool]]:
    """Return what a verdict goes by: each budget, and whether the grammar may judge at all."""
    return {name: (row.budget, row.is_fit) for name, row in rows.items()}


def budget_of(sound: Sequence[float], most_rejected: float = MOST_REJECTED_BY_BUDGET) -> float:
    """Return the least step that rejects few enough of the sound files that a step can save.

    >>> budget_of([0.0] * 97 + [0.004] * 3)
    0.005
    """
    steps = STEPS if len(sound) >= _FEW else [step for step in STEPS if step <= _MOST_FOR_FEW]
    lost = _above(sound, steps[-1])
    most = most_rejected * len(sound)
    return next(step for step in steps if _above(sound, step) - lost <= most)


def damaged(grammar: str, text: str) -> str | None:
    """Return a text less one bracket or semicolon of its code; None without one.

    Which one goes depends on the text alone.
    """
    source = text.encode()
    places = _signs_of_c(source) if grammar in GRAMMARS else _signs(grammar, source)
    if not places:
        return None
    drawn = int.from_bytes(hashlib.sha256(source).digest()[:8])
    start, end = places[drawn % len(places)]
    return (source[:start] + source[end:]).decode()


def _signs_of_c(source: bytes) -> list[tuple[int, int]]:
    """Return where signs stand that are in no directive, comment or string."""
    # A character of Latin-1 is a byte, so places are those of the bytes.
    tokens = tokenize(without_directives(source.decode("latin-1"), cplusplus=True))
    at = [at for at in range(len(tokens)) if tokens.texts[at] in _SIGNS]
    return [(tokens.starts[one], tokens.ends[one]) for one in at]


def _signs(grammar: str, source: bytes) -> list[tuple[int, int]]:
    """Return where the tree has signs as tokens of their own."""
    tree = parser_for(grammar).parse(source)
    return _places(tree, _SIGNS) or _places(tree, _SIGNS_OF_MARKUP)


def _places(tree: Tree, signs: Sequence[str]) -> list[tuple[int, int]]:
    grammar = tree.language
    known = [
        sign
        for sign in signs
        if grammar.id_for_node_kind(sign, False) is not None  # noqa: FBT003 - C, by position alone
    ]
    if not known:
        return []
    names = " ".join(f'"{sign}"' for sign in known)
    query = Query(grammar, f"[{names}] @sign")
    found = QueryCursor(query).captures(tree.root_node).get("sign", [])
    return sorted((node.start_byte, node.end_byte) for node in found if not node.is_missing)


def _measured(language: str, found: Shares) -> Measured:
    sound = found.sound()
    most = MOST_REJECTED_WITH_MACROS if language in CURVE else MOST_REJECTED_BY_BUDGET
    budget = budget_of(sound, most)
    return Measured(
        budget=budget,
        sound=len(sound),
        rejected=_above(sound, budget),
        broken=len(found.broken),
        missed=len(found.broken) - _above(found.broken, budget),
        aside=len(found.labelled) + len(found.trusted) - len(sound),
        damaged=len(found.damaged),
        unnoticed=len(found.damaged) - _above(found.damaged, budget),
    )


def _curve(language: str, found: Shares) -> Iterator[Point]:
    sound = found.sound()
    for step in STEPS:
        yield Point(
            language=language,
            budget=step,
            sound=len(sound),
            rejected=_above(sound, step),
            broken=len(found.broken),
            missed=len(found.broken) - _above(found.broken, step),
            damaged=len(found.damaged),
            unnoticed=len(found.damaged) - _above(found.damaged, step),
        )


def _above(shares: Sequence[float], budget: float) -> int:
    return sum(share > budget for share in shares)
