"""Ends a worker that stands still, or does not end in time when it is told to.

A restart is the cure for what nobody foresaw: a lock, a client library that hangs, a call that
never returns. It is not for slow work: the limits are far beyond any batch. A loop that keeps the
interpreter to itself stops this thread, too; then the liveness probe is left.
"""

import os
import sys
import threading
from collections.abc import Callable
from threading import Event, Thread
from typing import Self

from gristmill.runtime.ports import Clock, EventLog

_LOG_SECONDS = 2.0  # a log that nobody reads may be why the worker stands still
_MOST_FRAMES = 12


class Watchdog:
    """Ends the process with EXIT_CODE when the loop stands still, or goes round for nothing.

    `last_beat` returns when the loop last beat, on the steady clock. `progress` returns anything
    that changes when records are read or committed (compared by ==), `lag` how many records wait,
    or None when nobody knows: without lag there is nothing to do, so nothing is amiss. All three
    are called from the watchdog's thread: they return what the loop has noted, and never block.
    """

    EXIT_CODE = os.EX_SOFTWARE

    def __init__(
        self,
        *,
        clock: Clock,
        log: EventLog,
        last_beat: Callable[[], float],
        progress: Callable[[], object],
        lag: Callable[[], int | None],
        stall_seconds: float,
        no_progress_seconds: float,
        check_seconds: float = 1.0,
        end: Callable[[int], object] = os._exit,
    ) -> None:
        if not (stall_seconds > 0 and no_progress_seconds > 0 and check_seconds > 0):
            raise ValueError("a watchdog's times must be above 0")
        self._clock = clock
        self._log = log
        self._last_beat = last_beat
        self._progress = progress
        self._lag = lag
        self._stall_seconds = stall_seconds
        self._no_progress_seconds = no_progress_seconds
        self._check_seconds = check_seconds
        self._end = end
        now = clock.monotonic()
        self._looked = now
        self._woke = now
        self._moved = now
        self._seen: object = None
        self._closing = Event()
        self._thread: Thread | None = None

    def start(self) -> None:
        """Look every `check_seconds` from now on; the process may have slept before."""
        self._looked = self._woke = self._moved = self._clock.monotonic()
        self._thread = Thread(target=self._watch, name="watchdog", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Look no more; twice is harmless."""
        self._closing.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()
            self._thread = None

    def check(self) -> bool:
        """Look once; False when the process was to end (and `end` came back)."""
        now = self._clock.monotonic()
        if now - self._looked > self._check_seconds + self._stall_seconds / 2:
            # It was not the loop alone that stood still: the machine or container was frozen.
            self._woke = self._moved = now
        self._looked = now
        still = now - max(self._last_beat(), self._woke)
        if still > self._stall_seconds:
            self._end_process("worker stalled", still_seconds=still, limit=self._stall_seconds)
            return False
        progress, lag = self._progress(), self._lag()
        if not lag or progress != self._seen:
            self._seen, self._moved = progress, now
        still = now - self._moved
        if still > self._no_progress_seconds:
            limit = self._no_progress_seconds
            self._end_process("worker makes no progress", still_seconds=still, limit=limit, lag=lag)
            return False
        return True

    def _watch(self) -> None:
        try:
            while not self._closing.wait(self._check_seconds):
                if not self.check():
                    return
        except BaseException as error:  # a worker that nobody watches is worse than a restart
            self._end_process("watchdog failed", error=error)
            raise

    def _end_process(self, event: str, **fields: object) -> None:
        _tell(self._log, event, exit_code=self.EXIT_CODE, **fields)
        self._end(self.EXIT_CODE)


class LastCall:
    """Ends a process that was told to end and has not, so many seconds later.

    Whatever it waits for then, a broker that is away or a call that never returns, what it left is
    as after any other death: the next start goes on at what is committed.
    """

    EXIT_CODE = os.EX_TEMPFAIL

    def __init__(
        self,
        *,
        clock: Clock,
        log: EventLog,
        told_at: Callable[[], float | None],
        seconds: float,
        check_seconds: float = 0.2,
        end: Callable[[int], object] = os._exit,
    ) -> None:
        """Take what says when the process was told to end, on the steady clock; None until then."""
        self._clock = clock
        self._log = log
        self._told_at = told_at
        self._seconds = seconds
        self._check_seconds = check_seconds
        self._end = end
        self._closing = Event()
        self._thread = Thread(target=self._wait, name="last call", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        self._thread.join()

    def _wait(self) -> None:
        while not self._closing.wait(self._check_seconds):
            told_at = self._told_at()
            if told_at is not None and self._clock.monotonic() - told_at >= self._seconds:
                limit = {"exit_code": self.EXIT_CODE, "limit": self._seconds}
                _tell(self._log, "worker did not end in time", **limit)
                self._end(self.EXIT_CODE)
                return


def _tell(log: EventLog, event: str, **fields: object) -> None:
    """Log where the loop is now, but wait for the log no longer than a moment."""

    def tell() -> None:
        log.error(event, loop_at=_main_thread_at(), **fields)

    telling = Thread(target=tell, name="watchdog log", daemon=True)
    telling.start()
    telling.join(_LOG_SECONDS)


def _main_thread_at() -> list[str]:
    """Say where the main thread, which runs the loop, is now; the innermost call first."""
    frame = sys._current_frames().get(threading.main_thread().ident or 0)
    places: list[str] = []
    while frame is not None and len(places) < _MOST_FRAMES:
        name = frame.f_globals.get("__name__", "?")
        places.append(f"{name}:{frame.f_lineno} {frame.f_code.co_name}")
        frame = frame.f_back
    return places
