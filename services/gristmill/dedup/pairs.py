"""Every pair of similar texts, with its exact Jaccard similarity: the truth that dedup is held to.

The search is far wider than the index's own: 256 permutations, in bands that datasketch chooses for
the level asked for (at 0.5: 64 bands of 4 rows, which miss 1.6 % of the pairs at 0.5, 0.01 % at 0.6
and none above). What it finds is then compared exactly, shingle by shingle.

Where more than 1,000 texts share a band each is compared with the first 1,000 of them: all pairs of
a hundred thousand texts that are alike would never end.
"""

import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from datasketch import MinHashLSH
from numpy.typing import NDArray

from gristmill.dedup.fingerprint import shingle_hashes, sign
from gristmill.runtime.compiled import compiled
from gristmill.runtime.ports.index import PERMUTATIONS

_PERMUTATIONS = 256
_BATCH = 500  # texts signed at a time
_MARGIN = 0.1  # an estimate so far below the level is never at it: three standard deviations
_MOST_COMPARED = 1000  # texts of one band that all others of it are compared with
_HIGHEST_LEVEL = 0.9  # bands for more would be too few for datasketch
_WEIGHTS = (0.02, 0.98)  # a missed pair weighs more than a comparison in vain

_Array = NDArray[Any]
_Scalar = Any
_M1, _M2 = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9)
_S29 = np.uint64(29)


@dataclass(frozen=True, slots=True)
class Pairs:
    """Pairs of texts by their numbers, `first` < `second`, and how alike they are, 0 to 1."""

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    jaccard: NDArray[np.float64]


class Comparison:
    """Texts made comparable: 520 bytes of memory each, their shingles in a temporary file."""

    def __init__(self, texts: Iterable[bytes]) -> None:
        """Take the texts in, once and in order; they are numbered from 0."""
        rows = [np.empty((0, _PERMUTATIONS), np.uint16)]
        ends = [0]
        iterator = iter(texts)
        with tempfile.TemporaryFile() as file:  # what is mapped outlives it
            while batch := list(islice(iterator, _BATCH)):
                rows.append(sign(batch, num_permutations=_PERMUTATIONS).rows)
                for text in batch:
                    hashes = shingle_hashes(text)
                    file.write(hashes.tobytes())
                    ends.append(ends[-1] + len(hashes))
            file.flush()
            self._hashes: _Array = (
                np.memmap(file, np.uint64, "r") if ends[-1] else np.empty(0, np.uint64)
            )
        self._rows = np.concatenate(rows)
        self._ends = np.array(ends, np.int64)

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def signatures(self) -> NDArray[np.uint16]:
        """The texts' signatures as the index has them: its permutations are our first ones."""
        return self._rows[:, :PERMUTATIONS]

    def similar(self, at_least: float) -> Pairs:
        """Return the pairs whose exact similarity is `at_least` and more, in order."""
        level = min(at_least, _HIGHEST_LEVEL)
        bands = MinHashLSH(threshold=level, num_perm=_PERMUTATIONS, weights=_WEIGHTS)
        signed = np.flatnonzero(np.diff(self._ends))  # without shingles nothing is alike
        rows = np.ascontiguousarray(self._rows[signed])
        keys = _band_keys(rows, bands.b, bands.r)
        least = int((at_least - _MARGIN) * _PERMUTATIONS)
        found = [
            _colliding(rows, keys, band, *_runs(keys[:, band]), least) for band in range(bands.b)
        ]
        first, second = (signed[np.concatenate(side)] for side in zip(*found, strict=True))
        order = np.lexsort((second, first))
        first, second = first[order], second[order]
        jaccard = self.jaccard(first, second)
        close = jaccard >= at_least
        return Pairs(first[close], second[close], jaccard[close])

    def jaccard(self, first: NDArray[np.int64], second: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the exact similarity of the texts of each pair; 0 where there are no shingles."""
        return _jaccard(self._hashes, self._ends, first, second)


def similar_pairs(texts: Iterable[bytes], at_least: float) -> Pairs:
    """Return the pairs of texts whose exact similarity is `at_least` and more."""
    return Comparison(texts).similar(at_least)


def _runs(keys: NDArray[np.uint64]) -> tuple[_Array, _Array]:
    """Return an order of the keys and where, in it, runs of equal keys begin (and the end)."""
    order = np.argsort(keys, kind="stable")
    changes = np.flatnonzero(np.diff(keys[order])) + 1
    return order, np.concatenate(([0], changes, [len(keys)]))


# --- kernels --------------------------------------------------------------------------------------


@compiled
def _band_keys(rows: _Array, bands: int, width: int) -> _Array:
    keys = np.empty((rows.shape[0], bands), np.uint64)
    for at in range(rows.shape[0]):
        for band in range(bands):
            key = np.uint64(band + 1)
            for row in range(band * width, (band + 1) * width):
                key = (key + np.uint64(rows[at, row]) + np.uint64(1)) * _M1
                key = (key ^ key >> _S29) * _M2
            keys[at, band] = key
    return keys


@compiled
def _colliding(  # noqa: PLR0917
    rows: _Array, keys: _Array, band: int, order: _Array, starts: _Array, least: int
) -> tuple[_Array, _Array]:
    """Return the pairs that meet in this band and in none before, and look alike enough."""
    capacity, count = 1024, 0
    first, second = np.empty(capacity, np.int64), np.empty(capacity, np.int64)
    for run in range(starts.shape[0] - 1):
        for i in range(starts[run], min(starts[run] + _MOST_COMPARED, starts[run + 1])):
            for j in range(i + 1, starts[run + 1]):
                a, b = order[i], order[j]
                if _met_before(keys, a, b, band) or _equal_rows(rows, a, b) < least:
                    continue
                if count == capacity:
                    capacity *= 2
                    longer, other = np.empty(capacity, np.int64), np.empty(capacity, np.int64)
                    longer[:count], other[:count] = first, second
                    first, second = longer, other
                first[count], second[count] = min(a, b), max(a, b)
                count += 1
    return first[:count], second[:count]


@compiled
def _met_before(keys: _Array, a: int, b: int, band: int) -> bool:
    for earlier in range(band):  # noqa: SIM110  # the compiler knows no any()
        if keys[a, earlier] == keys[b, earlier]:
            return True
    return False


@compiled
def _equal_rows(rows: _Array, a: int, b: int) -> _Scalar:
    equal: _Scalar = 0
    for row in range(rows.shape[1]):
        equal += np.int64(rows[a, row] == rows[b, row])
    return equal


@compiled
def _jaccard(hashes: _Array, ends: _Array, first: _Array, second: _Array) -> _Array:
    similarities = np.zeros(first.shape[0], np.float64)
    for pair in range(first.shape[0]):
        i, i_end = ends[first[pair]], ends[first[pair] + 1]
        j, j_end = ends[second[pair]], ends[second[pair] + 1]
        total = i_end - i + j_end - j
        common: _Scalar = 0
        while i < i_end and j < j_end:
            common += np.int64(hashes[i] == hashes[j])
            step = hashes[i] <= hashes[j]
            j += np.int64(hashes[j] <= hashes[i])
            i += np.int64(step)
        if total > common:
            similarities[pair] = common / (total - common)
    return similarities
