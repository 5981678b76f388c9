"""How seldom Python looks for cycles while documents go through a process.

Documents and decisions hold no cycles, are made by the hundred thousand, and are kept until they
are written: each search went over all of them again, for a twentieth of a run's CPU seconds.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

_THRESHOLDS = 100_000, 20, 100
"""New objects before a search among them, and searches before one among older ones."""


@contextmanager
def seldom_searched() -> Iterator[None]:
    """Search seldom until the block ends, and never among what is there already."""
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(*_THRESHOLDS)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
