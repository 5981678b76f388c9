"""A quality score, and what it is made of."""

from dataclasses import dataclass, fields


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreParts:
    """The four criteria of the quality label, 0 to 10 each, and the rule that made the score 0.

    Seed-Coder, section A.2.1: readability, modularity, clarity, reusability, and a policy of zero
    for configuration, data, what has almost no logic, and what a program wrote. `zero_rule` is
    empty, or says why the score is 0 whatever the criteria say.
    """

    readability: float
    modularity: float
    clarity: float
    reusability: float
    zero_rule: str = ""


SCORE_PARTS = tuple(field.name for field in fields(ScoreParts))
"""The names of the criteria, and of the rule behind them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """What a scorer says of one document: `score` is 0 to 1, None where it cannot judge."""

    score: float | None
    parts: ScoreParts | None = None
