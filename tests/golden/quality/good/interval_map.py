"""A mapping from half-open integer intervals to values.

The map never stores overlapping intervals.  Assigning to a range overwrites
whatever was there before, splitting neighbours when the new range only covers
part of them::

    >>> shifts = IntervalMap()
    >>> shifts.assign(8, 16, "early")
    >>> shifts.assign(12, 20, "late")
    >>> list(shifts)
    [(8, 12, 'early'), (12, 20, 'late')]
    >>> shifts.get(12)
    'late'
"""

from bisect import bisect_right
from typing import Generic, Iterator, List, Optional, Tuple, TypeVar

V = TypeVar("V")


class IntervalMap(Generic[V]):
    """Ordered, non-overlapping intervals ``[start, end)`` with a value each.

    Lookups are ``O(log n)``.  Assignments are ``O(n)`` in the worst case
    because the backing lists have to shift, which is fine for the few
    thousand intervals this structure is meant to hold.
    """

    def __init__(self) -> None:
        self._starts: List[int] = []
        self._ends: List[int] = []
        self._values: List[V] = []

    def __len__(self) -> int:
        return len(self._starts)

    def __iter__(self) -> Iterator[Tuple[int, int, V]]:
        return iter(zip(self._starts, self._ends, self._values))

    def get(self, point: int, default: Optional[V] = None) -> Optional[V]:
        """Return the value covering ``point``, or ``default`` if none does."""
        index = bisect_right(self._starts, point) - 1
        if index >= 0 and point < self._ends[index]:
            return self._values[index]
        return default

    def assign(self, start: int, end: int, value: V) -> None:
        """Map every point of ``[start, end)`` to ``value``.

        Adjacent intervals that end up with an equal value are merged, so the
        representation stays canonical no matter in which order ranges arrive.

        :raises ValueError: if the interval is empty or reversed.
        """
        self._clear(start, end)
        index = bisect_right(self._starts, start)
        self._insert(index, start, end, value)
        self._merge_with_next(index)
        if index > 0:
            self._merge_with_next(index - 1)

    def remove(self, start: int, end: int) -> None:
        """Leave every point of ``[start, end)`` unmapped."""
        self._clear(start, end)

    def gaps(self, start: int, end: int) -> Iterator[Tuple[int, int]]:
        """Yield the maximal unmapped ranges inside ``[start, end)``."""
        cursor = start
        for left, right, _ in self:
            if right <= cursor:
                continue
            if left >= end:
                break
            if left > cursor:
                yield cursor, left
            cursor = right
        if cursor < end:
            yield cursor, end

    def _clear(self, start: int, end: int) -> None:
        if start >= end:
            raise ValueError(f"empty interval: [{start}, {end})")

        kept = []
        for left, right, value in self:
            if right <= start or left >= end:
                kept.append((left, right, value))
                continue
            if left < start:
                kept.append((left, start, value))
            if right > end:
                kept.append((end, right, value))

        self._starts = [left for left, _, _ in kept]
        self._ends = [right for _, right, _ in kept]
        self._values = [value for _, _, value in kept]

    def _insert(self, index: int, start: int, end: int, value: V) -> None:
        self._starts.insert(index, start)
        self._ends.insert(index, end)
        self._values.insert(index, value)

    def _merge_with_next(self, index: int) -> None:
        following = index + 1
        if following >= len(self):
            return
        touching = self._ends[index] == self._starts[following]
        if touching and self._values[index] == self._values[following]:
            self._ends[index] = self._ends[following]
            del self._starts[following], self._ends[following], self._values[following]
