"""A cut: which documents a reader accepts by their score. Making one rewrites no document.

Accepted is what was scored by the cut's scorer, reaches the threshold of its language, and is in
the sample. A sample is taken by a document's id, so that it is the same for every reader.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

BELOW_CUT = "below_cut"
"""What is kept and not accepted, among the reasons of a funnel; it is in no row."""
BELOW_CUT_EXPLANATION = "is kept, and the newest cut does not accept it"
_ID_DIGITS = 8
_ID_VALUES = 16**_ID_DIGITS


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """What a document of one language must reach: a score, 0 to 1, and a place in the sample."""

    threshold: float
    sampling_rate: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """One version of the cut; `bars` by language, the one under None for all others."""

    name: str
    scorer: str
    made_at: datetime
    bars: Mapping[str | None, Bar] = field(default_factory=dict)

    def bar_of(self, language: str | None) -> Bar | None:
        """Return what documents of a language must reach, None where the cut says nothing."""
        found = self.bars.get(language) if language else None
        return found or self.bars.get(None)

    def accepts(
        self, *, document_id: str, language: str | None, scorer: str | None, score: float | None
    ) -> bool:
        """Tell whether a document is accepted."""
        bar = self.bar_of(language)
        if bar is None or score is None or scorer != self.scorer:
            return False
        return score >= bar.threshold and is_sampled(document_id, bar.sampling_rate)


def is_sampled(document_id: str, rate: float) -> bool:
    """Tell whether a document, by the first 8 hex digits of its id, is in a sample."""
    return bool(int(document_id[:_ID_DIGITS], 16) < rate * _ID_VALUES)


def threshold_for(scores: Sequence[float], drop: float) -> float:
    """Return the threshold below which the share of scores is nearest to `drop`, 0 to 1.

    Of two that are as near the one that drops less. Equal scores fall together.

    >>> threshold_for([0.0, 0.0, 0.3, 0.6, 0.9], 0.4)
    0.3
    """
    ordered = sorted(scores)
    if not ordered:
        return 0.0
    best, nearest = ordered[0], abs(drop)
    for number, score in enumerate(ordered):
        if number and score != ordered[number - 1]:
            distance = abs(number / len(ordered) - drop)
            if distance < nearest:
                best, nearest = score, distance
    return best
