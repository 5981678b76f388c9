"""The one truth about a worker's health: what its own loop says, and how long ago.

It asks nothing of the outside world: a broker that is away makes no worker unhealthy, a loop that
stands still does. It serves nothing either; that is for `health_servers`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from threading import Lock

from gristmill.runtime.ports import Clock


class State(StrEnum):
    """Where a worker is in its life; only SERVING is ready."""

    STARTING = "starting"
    SERVING = "serving"
    WAITING = "waiting"
    STALLED = "stalled"
    DRAINING = "draining"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class HealthReport:
    """The truth at one moment; `detail` is a sentence for people."""

    state: State
    live: bool
    detail: str

    @property
    def ready(self) -> bool:
        """Whether the worker takes work."""
        return self.state is State.SERVING


class Health:
    """Told by the worker's loop, asked by anybody, from any thread.

    What tells it takes no lock, so that a signal handler may; and nothing undoes a drain, so that
    a worker which is told to end while it starts does not become ready after all.
    """

    def __init__(self, *, clock: Clock, stall_seconds: float) -> None:
        if not stall_seconds > 0:
            raise ValueError("stall_seconds must be above 0")
        self._clock = clock
        self._stall_seconds = stall_seconds
        self._beaten = clock.monotonic()
        # One flag a step: a signal between any two instructions can then lose nothing.
        self._serving = False
        self._waiting = False
        self._draining = False
        self._stopped = False
        self._log_is_away = False
        self._listeners: tuple[Callable[[], object], ...] = ()
        self._changing = Lock()

    def beat(self) -> None:
        """Say that the loop went round once more; also while it starts and while it drains."""
        now = self._clock.monotonic()
        late = not self.liveness(now)
        self._beaten = now
        if late:
            self._tell()

    def set_serving(self) -> None:
        """Say that the worker takes work from now on, and beat."""
        self.beat()
        self._serving = True
        self._waiting = False
        self._tell()

    def set_waiting(self) -> None:
        """Say that a worker that served takes no work for now: it is out of its group."""
        self._waiting = True
        self._tell()

    def set_log_away(self, is_away: bool) -> None:  # noqa: FBT001  # it says nothing else
        """Say whether the log can be reached: some calls cannot be answered without."""
        if is_away != self._log_is_away:
            self._log_is_away = is_away
            self._tell()

    def set_draining(self) -> None:
        """Say that the worker takes nothing new and ends what it has; SIGTERM says it."""
        self._draining = True
        self._tell()

    def set_stopped(self) -> None:
        """Say that the loop has ended."""
        self._stopped = True
        self._tell()

    @property
    def ends(self) -> bool:
        """Whether the worker was told to end, or has ended."""
        return self._draining or self._stopped

    @property
    def answers(self) -> bool:
        """Whether calls are answered, whatever the worker beside them waits for."""
        return self.liveness() and not self.ends

    @property
    def log_is_away(self) -> bool:
        """Whether the log could not be reached when somebody looked last."""
        return self._log_is_away

    def last_beat(self) -> float:
        """Return when the loop last beat, on the steady clock."""
        return self._beaten

    def liveness(self, now: float | None = None) -> bool:
        """Tell whether the loop has beaten lately, on the steady clock."""
        if now is None:
            now = self._clock.monotonic()
        return now - self._beaten <= self._stall_seconds

    def report(self) -> HealthReport:
        """Return the truth of this moment."""
        now = self._clock.monotonic()
        live = self.liveness(now)
        detail = f"the loop beat {max(0.0, now - self._beaten):.1f} seconds ago"
        if not live:
            detail += f", more than {self._stall_seconds:g}"
        if self._stopped:
            return HealthReport(State.STOPPED, live, "the loop has ended")
        if self._draining:
            return HealthReport(State.DRAINING, live, detail)
        if not live:
            return HealthReport(State.STALLED, live, detail)
        if not self._serving:
            return HealthReport(State.STARTING, live, detail)
        if self._waiting:
            return HealthReport(State.WAITING, live, f"out of its group for now; {detail}")
        return HealthReport(State.SERVING, live, detail)

    def subscribe(self, listener: Callable[[], object]) -> None:
        """Call `listener` whenever the state may have changed, except for a stall: nothing happens.

        It is called in whatever thread, or signal handler, makes the change: it must not block.
        """
        with self._changing:
            self._listeners = (*self._listeners, listener)

    def unsubscribe(self, listener: Callable[[], object]) -> None:
        """Call it no more."""
        with self._changing:
            self._listeners = tuple(one for one in self._listeners if one != listener)

    def _tell(self) -> None:
        for listener in self._listeners:
            listener()
