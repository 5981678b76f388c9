"""Budgets from files: the least share of errors that rejects few enough of the sound ones.

A budget is one of a few steps. It is 0 unless the sound files of a language ask for more, so a
budget says that a grammar lags behind its language, never that errors are welcome. What no step
can save does not count for it: it only says whether the grammar may judge at all.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from gristmill.syntax.budgets import Measured, Point, Table
from gristmill.syntax.cfamily.directives import without_directives
from gristmill.syntax.cfamily.tokens import tokenize

STEPS: Final = (0.0, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1)
"""Budgets there are."""
MOST_REJECTED: Final = 0.02
"""The share of sound files that a budget may reject."""
_FEW: Final = 20
"""With fewer sound files there is no share to speak of, and no budget above the next figure."""
_MOST_FOR_FEW: Final = 0.01
_ASIDE: Final = 0.5
"""A trusted file with more than this under errors is in another language, or a template."""

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
    """Return the table that the files ask for; its version grows if a budget changed."""
    rows = {name: _measured(found) for name, found in shares.items() if found.sound()}
    curve = [point for name in CURVE if name in rows for point in _curve(name, shares[name])]
    budgets = {name: row.budget for name, row in rows.items()}
    changed = budgets != {name: row.budget for name, row in before.languages.items()}
    return Table(version=before.version + changed, languages=rows, curve=curve)


def budget_of(sound: Sequence[float]) -> float:
    """Return the least step that rejects few enough of the sound files that a step can save.

    >>> budget_of([0.0] * 97 + [0.004] * 3)
    0.005
    """
    steps = STEPS if len(sound) >= _FEW else [step for step in STEPS if step <= _MOST_FOR_FEW]
    lost = _above(sound, steps[-1])
    most = MOST_REJECTED * len(sound)
    return next(step for step in steps if _above(sound, step) - lost <= most)


def damaged(text: str) -> str | None:
    """Return a text of the C family less one bracket or semicolon; None without one.

    Which one goes depends on the text alone.
    """
    bare = without_directives(text, cplusplus=True)
    tokens = tokenize(bare)
    places = [at for at in range(len(tokens)) if tokens.texts[at] in ";(){}[]"]
    if not places:
        return None
    drawn = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8])
    at = places[drawn % len(places)]
    return text[: tokens.starts[at]] + text[tokens.ends[at] :]


def _measured(found: Shares) -> Measured:
    sound = found.sound()
    budget = budget_of(sound)
    return Measured(
        budget=budget,
        sound=len(sound),
        rejected=_above(sound, budget),
        broken=len(found.broken),
        missed=len(found.broken) - _above(found.broken, budget),
        aside=len(found.labelled) + len(found.trusted) - len(sound),
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
