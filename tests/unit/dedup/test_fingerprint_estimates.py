"""Fingerprints: how well signatures estimate, against exact similarities and another MinHash.

All texts are drawn from fixed seeds, so what holds once holds for ever; bounds are in standard
errors of the binomial law that independent permutations follow.
"""

from dataclasses import dataclass
from functools import cache
from math import sqrt

import numpy as np
import pytest
from datasketch import MinHash

from gristmill.dedup.fingerprint import SHINGLE_TOKENS, shingle_hashes, sign
from gristmill.runtime.ports.index import BANDS, PERMUTATIONS, ROWS

LEVELS = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95)


@dataclass(frozen=True)
class Pairs:
    """Pairs of texts: their exact similarities, and which rows of their signatures are equal."""

    texts: list[tuple[bytes, bytes]]
    similarity: np.ndarray
    equal: np.ndarray

    @property
    def estimate(self) -> np.ndarray:
        return self.equal.mean(axis=1)

    @property
    def error(self) -> np.ndarray:
        return self.estimate - self.similarity

    @property
    def variance(self) -> np.ndarray:
        """What the errors' squares should be on average."""
        return self.similarity * (1 - self.similarity) / PERMUTATIONS


def text_of(words: np.ndarray) -> bytes:
    return " ".join(map(str, words.tolist())).encode()


def jaccard(one: bytes, other: bytes) -> float:
    ours, theirs = shingle_hashes(one), shingle_hashes(other)
    common = len(np.intersect1d(ours, theirs, assume_unique=True))
    return common / (len(ours) + len(theirs) - common)


@cache
def pairs(level: float, count: int, size: int) -> Pairs:
    """Draw pairs of about this similarity: the second is the first with some words replaced.

    Each word replaced costs its five shingles, unless they were gone already.
    """
    chance = np.random.default_rng([int(100 * level), count, size])
    changed = (1 - level) / (1 + level)  # of the shingles, so that the rest over all is `level`
    share = 1 - (1 - changed) ** (1 / SHINGLE_TOKENS)
    texts = []
    for _ in range(count):
        words = chance.integers(0, 1 << 30, size)
        edited = np.where(chance.random(size) < share, chance.integers(0, 1 << 30, size), words)
        if (edited == words).all():
            edited[size // 2] = -1  # between equal texts an error would have no scale
        texts.append((text_of(words), text_of(edited)))
    rows = sign([text for pair in texts for text in pair]).rows
    similarity = np.array([jaccard(*pair) for pair in texts])
    return Pairs(texts, similarity, rows[::2] == rows[1::2])


def test_the_estimate_is_right_on_average() -> None:
    for level in LEVELS:
        drawn = pairs(level, 200, 400)
        assert abs(drawn.similarity.mean() - level) < 0.02
        standard_error = sqrt(drawn.variance.mean() / 200)
        assert abs(drawn.error.mean()) < 3 * standard_error, level


def test_the_errors_are_as_large_as_112_independent_permutations_make_them() -> None:
    for level in LEVELS:
        drawn = pairs(level, 200, 400)
        ratio = (drawn.error**2).mean() / drawn.variance.mean()
        assert abs(ratio - 1) < 3.5 * sqrt(2 / 200), level
    drawn_all = [pairs(level, 200, 400) for level in LEVELS]
    scaled = np.concatenate([drawn.error / np.sqrt(drawn.variance) for drawn in drawn_all])
    assert abs((scaled**2).mean() - 1) < 3.5 * sqrt(2 / len(scaled))
    assert np.abs(scaled).max() < 4.5


def test_the_errors_are_as_large_as_those_of_datasketch() -> None:
    errors: dict[str, list[float]] = {"ours": [], "theirs": []}
    for level in LEVELS:
        drawn = pairs(level, 200, 400)
        for at in range(60):
            sketches = []
            for text in drawn.texts[at]:
                sketch = MinHash(num_perm=PERMUTATIONS)
                sketch.update_batch([one.tobytes() for one in shingle_hashes(text)])
                sketches.append(sketch)
            scale = sqrt(drawn.variance[at])
            estimate = sketches[0].jaccard(sketches[1])
            errors["theirs"].append((estimate - drawn.similarity[at]) / scale)
            errors["ours"].append(drawn.error[at] / scale)
    ours, theirs = (float(np.square(errors[name]).mean()) for name in ("ours", "theirs"))
    assert abs(ours / theirs - 1) < 3.5 * sqrt(4 / len(errors["ours"]))


def test_every_permutation_agrees_as_often_as_the_texts_are_alike() -> None:
    for level in (0.5, 0.7, 0.9):
        drawn = pairs(level, 2000, 120)
        standard_error = sqrt((drawn.similarity * (1 - drawn.similarity)).mean() / 2000)
        off = np.abs(drawn.equal.mean(axis=0) - drawn.similarity.mean()) / standard_error
        assert off.max() < 4.5, level
        assert sqrt((off**2).mean()) < 1.3, level


def test_no_two_permutations_agree_together() -> None:
    drawn = pairs(0.7, 2000, 120)
    residue = drawn.equal - drawn.similarity[:, None]
    correlation = np.corrcoef(residue, rowvar=False)
    np.fill_diagonal(correlation, 0)
    assert np.abs(correlation).max() < 5 / sqrt(2000)
    assert abs(correlation.mean()) < 0.005


def test_the_values_of_a_row_are_spread_over_all_16_bits() -> None:
    chance = np.random.default_rng(1)
    rows = sign([text_of(chance.integers(0, 1 << 30, 60)) for _ in range(3000)]).rows
    counts = np.stack([np.bincount(rows[:, p] >> 12, minlength=16) for p in range(PERMUTATIONS)])
    squares = ((counts - 3000 / 16) ** 2 / (3000 / 16)).sum(axis=1)
    assert squares.max() < 50  # chi-square with 15 degrees: beyond 50 once in 90,000
    assert abs(squares.mean() - 15) < 2


@pytest.mark.parametrize("level", [0.5, 0.6, 0.7, 0.8, 0.9])
def test_lsh_curve(level: float) -> None:
    """A pair becomes a candidate with the probability that 16 bands of 7 rows promise."""
    drawn = pairs(level, 2000, 120)
    met = drawn.equal.reshape(-1, BANDS, ROWS).all(axis=2).any(axis=1)
    promised = 1 - (1 - drawn.similarity**ROWS) ** BANDS
    assert abs(met.mean() - promised.mean()) < 0.03


def test_the_bands_promise_what_is_documented() -> None:
    promised = {level: 1 - (1 - level**ROWS) ** BANDS for level in (0.5, 0.6, 0.7, 0.8, 0.9)}
    rounded = {level: round(100 * share) for level, share in promised.items()}
    assert rounded == {0.5: 12, 0.6: 37, 0.7: 75, 0.8: 98, 0.9: 100}


# --- large texts ----------------------------------------------------------------------------------

NUM_LARGE = 150_000


def test_large_texts_with_nothing_in_common_look_so() -> None:
    chance = np.random.default_rng(2)
    texts = [text_of(chance.integers(0, 1 << 40, NUM_LARGE)) for _ in range(4)]
    made = sign(texts)
    assert (made.num_shingles > 0.9999 * NUM_LARGE).all()  # equal by chance in 32 bits, a few
    for one in range(4):
        for other in range(one):
            assert (made.rows[one] == made.rows[other]).mean() <= 0.03


def test_large_texts_are_estimated_as_well_as_small_ones() -> None:
    drawn = pairs(0.8, 12, NUM_LARGE)
    assert np.abs(drawn.error / np.sqrt(drawn.variance)).max() < 4


def test_a_small_text_inside_a_large_one_is_not_like_it() -> None:
    chance = np.random.default_rng(3)
    words = chance.integers(0, 1 << 40, NUM_LARGE)
    made = sign([text_of(words), text_of(words[5000:5500])])
    assert (made.rows[0] == made.rows[1]).mean() <= 0.05
