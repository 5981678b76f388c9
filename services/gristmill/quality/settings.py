"""The settings of the quality stage."""

from dataclasses import dataclass, fields


@dataclass(frozen=True, slots=True, kw_only=True)
class QualitySettings:
    """How much each criterion counts. A score made by other weights is another scorer's."""

    readability: float = 1.0
    """Weight of names, lines, layout and documentation."""

    modularity: float = 1.0
    """Weight of short functions that hold most of the code."""

    clarity: float = 1.0
    """Weight of little repetition, no code in comments, few debug prints."""

    reusability: float = 1.0
    """Weight of little hard-coded data, something defined, nothing unfinished."""

    def __post_init__(self) -> None:
        weights = [getattr(self, field.name) for field in fields(self)]
        if min(weights) < 0 or sum(weights) <= 0:
            raise ValueError("the weights must not be negative, and one must be above 0")
