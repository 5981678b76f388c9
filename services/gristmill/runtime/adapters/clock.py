"""The machine's clocks."""

import time
from datetime import UTC, datetime


class SystemClock:
    """Wall time in UTC, and the steady clock."""

    def now(self) -> datetime:
        """Return the current time in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return seconds that never go back."""
        return time.monotonic()
