"""How many tokens a corpus has: estimated from a sample, by language, with a margin.

A document's chance to be in the sample grows with its size, since a few large ones hold much of a
corpus; whether it is in says its id, a hash: the same documents in any order, with any number of
workers, in every run. What is counted is a ratio, tokens per byte, of each language.
"""

import heapq
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil, fsum, sqrt
from statistics import fmean, variance
from typing import Any, TypeVar

from gristmill.cli.reading import UNKNOWN

Named = TypeVar("Named", str, tuple[int, int])

SHARE = 0.01
LEAST, MOST = 200, 4_000
"""Documents that a sample has at least, where there are so many, and at most."""
_FEWEST = 10
"""Documents of a language in the sample that give it a ratio of its own."""
_MARGIN = 1.96
"""Standard errors on either side that hold 95 % of a normal distribution."""
_PIECES, _PIECE_CHARS = 4, 2_048
_PLACES = 2.0**52
"""Places of a hash: as many as a float tells apart."""


def sample_size(documents: int) -> int:
    """Return how many of so many documents are counted.

    >>> [sample_size(documents) for documents in (30, 5_000, 39_044, 10**9)]
    [30, 200, 391, 4000]
    """
    return min(documents, MOST, max(LEAST, ceil(documents * SHARE)))


def priority(document_id: str, size_bytes: int) -> float:
    """Return what ranks a document: its size over a number from 0 to 1 that its id gives."""
    return size_bytes / ((int(document_id[:13], 16) + 1) / _PLACES)


def highest(ranked: Iterable[tuple[float, Named]]) -> list[tuple[float, Named]]:
    """Return what a sample may hold, and one document more, the highest priority first."""
    return heapq.nlargest(MOST + 1, ranked)


def tokens_of(text: str, count: Callable[[str], int]) -> tuple[float, float]:
    """Return the tokens of a text and the variance of that number, 0 where all were counted.

    Of a text longer than 8,192 characters four pieces are counted, each in the middle of a quarter:
    one document costs no more than that, whatever its length.
    """
    quarter = len(text) // _PIECES
    if quarter <= _PIECE_CHARS:
        return count(text), 0.0
    begins = [number * quarter + (quarter - _PIECE_CHARS) // 2 for number in range(_PIECES)]
    counts = [count(text[begin : begin + _PIECE_CHARS]) for begin in begins]
    times = len(text) / _PIECE_CHARS
    unseen = 1 - _PIECES / times
    return fmean(counts) * times, variance(counts) / _PIECES * times**2 * unseen


@dataclass(frozen=True, slots=True)
class Counted:
    """A document of the sample; its size as delivered, at least one byte.

    `variance` is that of its tokens, where not all of them were counted.
    """

    language: str
    size_bytes: int
    tokens: float
    variance: float = 0.0


@dataclass(frozen=True, slots=True)
class Estimate:
    """Tokens, and the margin on either side that holds the true number 19 times in 20."""

    tokens: int
    margin: int

    def __str__(self) -> str:
        """Return it for people."""
        return f"~ {human_tokens(self.tokens)} ± {human_tokens(self.margin)}"

    def as_json(self) -> dict[str, int]:
        """Return it for a machine."""
        return {"estimate": self.tokens, "margin": self.margin}


@dataclass(frozen=True, slots=True)
class _Ratio:
    """Tokens per byte, and the variances of that and of a single byte's document."""

    per_byte: float
    variance: float
    spread: float


class TokenRatios:
    """Tokens per byte by language, out of a sample by priority.

    This is priority sampling (Duffield, Lund and Thorup, 2007): of the documents that are larger
    than the highest priority left out, `bound`, none is missing, and each of the others stands for
    `bound` bytes. A language of few documents takes the ratio of all, unless all its bytes were
    seen. The order of the sample changes nothing, to the last token: sums are exact before they
    are rounded.
    """

    def __init__(self, sample: Sequence[Counted], bound: float, sizes: Mapping[str, int]) -> None:
        """Take a sample, not empty, its bound, and the bytes by language it was drawn from."""
        self._bound = bound
        by_language: defaultdict[str, list[Counted]] = defaultdict(list)
        for one in sample:
            by_language[one.language].append(one)
        # What has no language is mostly no text: that says nothing of a language.
        named = [one for one in sample if one.language != UNKNOWN]
        self._of_named, self._of_all = self._ratio(named or sample), self._ratio(sample)
        self._own = {
            language: self._ratio(counted)
            for language, counted in by_language.items()
            if len(counted) >= _FEWEST
        }
        for language, counted in by_language.items():
            seen = sum(one.size_bytes for one in counted)
            if seen == sizes.get(language):
                per_byte = fsum(one.tokens for one in counted) / seen
                inside = fsum(one.variance for one in counted) / seen**2
                self._own[language] = _Ratio(per_byte, inside, inside)

    def _ratio(self, counted: Sequence[Counted]) -> _Ratio:
        bound = self._bound
        ratios = [(one.size_bytes, one.tokens / one.size_bytes) for one in counted]
        weight = fsum(max(size, bound) for size, _ in ratios)
        mean = fsum(max(size, bound) * ratio for size, ratio in ratios) / weight
        if len(ratios) < 2:
            return _Ratio(mean, mean**2, mean**2)
        spread = fsum(max(size, bound) * (ratio - mean) ** 2 for size, ratio in ratios) / weight
        squares = fsum(
            bound * max(0.0, bound - size) * (ratio - mean) ** 2 for size, ratio in ratios
        )
        between = squares * len(ratios) / (len(ratios) - 1)
        inside = fsum(
            one.variance * (max(one.size_bytes, bound) / one.size_bytes) ** 2 for one in counted
        )
        return _Ratio(mean, (between + inside) / weight**2, spread)

    def estimate(self, sizes: Mapping[str, int]) -> Estimate:
        """Return the tokens of so many bytes by language."""
        parts = [(size, *self._part(language)) for language, size in sizes.items()]
        tokens = fsum(size * per_byte for size, per_byte, _ in parts)
        squares = fsum(size**2 * variance for size, _, variance in parts)
        return Estimate(round(tokens), ceil(_MARGIN * sqrt(squares)))

    def _part(self, language: str) -> tuple[float, float]:
        """Return tokens per byte and the variance of it.

        For a language that nobody looked at, that is as uncertain as one document.
        """
        if (own := self._own.get(language)) is not None:
            return own.per_byte, own.variance
        rough = self._of_all if language == UNKNOWN else self._of_named
        return rough.per_byte, rough.spread


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """The tokens of a directory, by whose count, and of how many documents that is known.

    `stages` is what each stage let through, by the ratios of what was kept at the end.
    """

    tokenizer: str
    sampled: int
    documents: int
    kept: Estimate
    accepted: Estimate
    by_language: Mapping[str, Estimate]
    stages: Mapping[str, int]

    @property
    def basis(self) -> str:
        """What the figures rest on, in words."""
        if self.sampled == self.documents:
            return f"by {self.tokenizer}, all {self.documents:,} kept documents counted"
        return f"by {self.tokenizer}, from {self.sampled:,} of {self.documents:,} kept documents"

    def as_json(self) -> dict[str, Any]:
        """Return it for a machine."""
        return {
            "tokenizer": self.tokenizer,
            "sampled": self.sampled,
            "documents": self.documents,
            "kept": self.kept.as_json(),
            "accepted": self.accepted.as_json(),
            "by_language": {name: one.as_json() for name, one in self.by_language.items()},
            "stages": dict(self.stages),
        }


def human_tokens(count: float) -> str:
    """Return a number of tokens for people, as an estimate is: with three digits.

    >>> [human_tokens(count) for count in (0, 999, 1_234, 96_123_456, 1.2e12)]
    ['0', '999', '1.23 k', '96.1 M', '1.2 T']
    """
    units = ("", " k", " M", " B", " T")
    at = 0
    while count >= 999.5 and at < len(units) - 1:
        count, at = count / 1000, at + 1
    return f"{count:,.0f}{units[at]}" if count >= 999.5 or not at else f"{count:.3g}{units[at]}"
