"""Time, injected: the engine asks it, stages never do."""

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """Wall time for what is stored, steady time for what is measured."""

    def now(self) -> datetime:
        """Return the current time in UTC."""
        ...

    def monotonic(self) -> float:
        """Return seconds that never go back."""
        ...

    def cpu(self) -> float:
        """Return the CPU seconds that this thread has used."""
        ...
