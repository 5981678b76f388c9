"""How seldom Python looks for cycles while documents go through a process.

Documents and decisions hold no cycles, are made by the hundred thousand, and are kept until they
are written: each search went over all of them again, for a twentieth of a run's CPU seconds.
"""

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock

_THRESHOLDS = 100_000, 20, 100
"""New objects before a search among them, and searches before one among older ones."""


_SWEEP_SECONDS = 1.0


class Sweeper:
    """Has what is new searched once a second, where few objects may hold much.

    A poll of kafka-python that nothing answers leaves an exception in a circle with its frames, and
    these hold what is fetched next: megabytes, and a few dozen objects.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._swept = monotonic()

    def sweep(self) -> None:
        """Search now, if it is time."""
        if (now := self._monotonic()) - self._swept >= _SWEEP_SECONDS:
            self._swept = now
            gc.collect(0)


class _Seldom:
    """Has cycles searched for seldom from the first block's beginning to the last one's end."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._num_blocks = 0
        self._before = gc.get_threshold()

    def begin(self) -> None:
        """Begin a block."""
        with self._lock:
            if not self._num_blocks:
                self._before = gc.get_threshold()
                gc.freeze()
                gc.set_threshold(*_THRESHOLDS)
            self._num_blocks += 1

    def end(self) -> None:
        """End a block."""
        with self._lock:
            self._num_blocks -= 1
            if not self._num_blocks:
                gc.set_threshold(*self._before)
                gc.unfreeze()


_SELDOM = _Seldom()  # the collector is the process's, whichever thread runs


@contextmanager
def seldom_searched() -> Iterator[None]:
    """Search seldom until the block ends, and never among what is there already.

    Blocks of several threads may overlap.
    """
    _SELDOM.begin()
    try:
        yield
    finally:
        _SELDOM.end()
