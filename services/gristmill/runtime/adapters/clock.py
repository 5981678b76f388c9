"""The machine's clocks."""

import time
from datetime import UTC, datetime


class SystemClock:
    """Wall time in UTC, the steady clock, and the CPU time of a thread."""

    def now(self) -> datetime:
        """Return the current time in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return seconds that never go back."""
        return time.monotonic()

    def cpu(self) -> float:
        """Return the CPU seconds that this thread has used."""
        return time.thread_time()
