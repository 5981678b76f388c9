"""CPU seconds by stage, counted where the work is done and read by the parent, in a shared page.

One look at the clock for each document and stage: less than a microsecond beside the milliseconds
that a parse takes. It is the clock of the thread that works: while a process has a CPU limit, the
kernel moves the process's own on by ticks alone. The page is written once for a group of answers.
"""

import mmap
import struct
import time
from collections.abc import Iterator

_OFFSET = 64  # what lies before says what is at work
_SECONDS = struct.Struct("=d")
_SLOTS = 200  # of a segment: reading, then its stages; two segments fit a page
_SEGMENTS = 2

BEFORE_STAGES = -1
"""In place of a stage: the reading of a record."""


class Stopwatch:
    """Counts one segment's work of this process; what it adds to a page stays when it dies."""

    def __init__(self, page: mmap.mmap, segment: int, num_stages: int) -> None:
        self._page = page
        self._base = _OFFSET + segment * _SLOTS * _SECONDS.size
        self._spent = [0.0] * min(_SLOTS, num_stages + 1)
        self._at: int | None = None
        self._since = 0.0

    def start(self, stage: int) -> None:
        """Count what follows for a stage, what came before for the one before."""
        now = time.thread_time()
        if self._at is not None:
            self._spent[self._at] += now - self._since
        self._at = min(stage + 1, len(self._spent) - 1)
        self._since = now

    def stop(self) -> None:
        """Count no more until the next start, and write down what was counted."""
        self.start(BEFORE_STAGES)
        self._at = None
        for slot, seconds in enumerate(self._spent):
            if seconds:
                at = self._base + slot * _SECONDS.size
                (before,) = _SECONDS.unpack_from(self._page, at)
                _SECONDS.pack_into(self._page, at, before + seconds)
                self._spent[slot] = 0.0


def counted(page: mmap.mmap) -> Iterator[tuple[tuple[int, int], float]]:
    """Yield (segment, stage) and the CPU seconds that were counted for them, where any were."""
    for number in range(_SEGMENTS * _SLOTS):
        (seconds,) = _SECONDS.unpack_from(page, _OFFSET + number * _SECONDS.size)
        if seconds:
            segment, slot = divmod(number, _SLOTS)
            yield (segment, slot - 1), seconds
