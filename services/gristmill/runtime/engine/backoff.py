"""Waiting between tries while something outside does not answer."""

from gristmill.runtime.ports import Clock

_DELAYS_SECONDS = (0.5, 1.0, 2.0, 5.0, 10.0)


class Backoff:
    """Longer and longer pauses after failures in a row. Nothing sleeps: it is asked."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._failures = 0
        self._until = float("-inf")

    def fail(self) -> None:
        """Begin a pause."""
        delay = _DELAYS_SECONDS[min(self._failures, len(_DELAYS_SECONDS) - 1)]
        self._failures += 1
        self._until = self._clock.monotonic() + delay

    def succeed(self) -> None:
        """Let the next pause be the shortest again."""
        self._failures = 0

    @property
    def is_failing(self) -> bool:
        """Whether the last try failed."""
        return self._failures > 0

    @property
    def is_pausing(self) -> bool:
        """Whether the pause is still on."""
        return self._clock.monotonic() < self._until
