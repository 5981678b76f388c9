"""Pure stages in the engine's own process: for those that only annotate, and cost next to nothing.

To hand a document to a worker would cost a hundred times what they take.
"""

import mmap
from collections.abc import Sequence
from concurrent.futures import Future

from gristmill.runtime.engine.passage import NamedStage, Passage, Record, pass_through
from gristmill.runtime.engine.stopwatch import Stopwatch, counted


class Here:
    """A segment of the route that is passed at once, where it is asked for; its time is counted."""

    def __init__(self, segment: int, stages: Sequence[NamedStage]) -> None:
        """Take the stages; `segment` is the number that their time is counted under."""
        self._stages = stages
        self._page = mmap.mmap(-1, mmap.PAGESIZE)
        self._watch = Stopwatch(self._page, segment, len(stages))

    def submit(self, records: Sequence[Record]) -> "Future[list[Passage]]":
        """Take records through the stages; the future is done already."""
        future: Future[list[Passage]] = Future()
        mark = self._watch.start
        future.set_result([pass_through(self._stages, record, mark=mark) for record in records])
        self._watch.stop()
        return future

    def spent(self) -> dict[tuple[int, int], float]:
        """Return CPU seconds by segment and stage."""
        return dict(counted(self._page))
