"""Telling bad data from an outage by how much is set aside."""

from collections import deque

from gristmill.runtime.engine.stream_settings import StreamSettings
from gristmill.runtime.model import TooMuchAside


class DeadGate:
    """Stops a worker that sets too much aside: everything failing is an outage, not bad data."""

    _WINDOW = 1000

    def __init__(self, settings: StreamSettings) -> None:
        self._settings = settings
        self._seen: deque[tuple[int, int]] = deque()

    def check(self, records: int, dead: int) -> None:
        """Raise TooMuchAside when these records, with those before, are too many."""
        seen = records + sum(count for count, _ in self._seen)
        total = dead + sum(count for _, count in self._seen)
        most = max(self._settings.dead_allowed, self._settings.max_dead_share * seen)
        if dead and total > most:
            raise TooMuchAside(
                f"{total} of the last {seen} records were to be set aside: that is a fault, not "
                "bad data; this batch is not committed. If it is bad data all the same, let more "
                "of it be set aside: stream.dead_allowed, GRISTMILL_STREAM_DEAD_ALLOWED"
            )

    def add(self, records: int, dead: int) -> None:
        """Count a batch that was committed."""
        self._seen.append((records, dead))
        while sum(count for count, _ in self._seen) - self._seen[0][0] >= self._WINDOW:
            self._seen.popleft()
