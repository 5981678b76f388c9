"""The watchdog: ends what stands still, and nothing else. Time is the test's own."""

import threading
from datetime import UTC, datetime
from typing import Any

import pytest

from gristmill.runtime.adapters.watchdog import LastCall, Watchdog


class Clock:
    def __init__(self) -> None:
        self.seconds = 1000.0
        self.step = 0.0

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.seconds, UTC)

    def monotonic(self) -> float:
        self.seconds += self.step
        return self.seconds


class Log:
    def __init__(self) -> None:
        self.events: list[tuple[str, dict[str, object]]] = []

    def info(self, event: str, /, **fields: object) -> None:
        raise AssertionError(event)

    def warning(self, event: str, /, **fields: object) -> None:
        raise AssertionError(event)

    def error(self, event: str, /, **fields: object) -> None:
        self.events.append((event, fields))


class Loop:
    """A worker's loop under a watchdog, second by second."""

    def __init__(self, **changed: Any) -> None:
        self.clock = Clock()
        self.log = Log()
        self.ended: list[int] = []
        self.beaten = self.clock.seconds
        self.position = 0
        self.lag: int | None = 100
        self.watchdog = Watchdog(
            **{
                "clock": self.clock,
                "log": self.log,
                "last_beat": lambda: self.beaten,
                "progress": lambda: {"position": self.position},
                "lag": lambda: self.lag,
                "stall_seconds": 60,
                "no_progress_seconds": 300,
                "end": self.ended.append,
                **changed,
            }
        )

    def run(self, seconds: int, *, beats: bool = True, moves: bool = True) -> bool:
        for _ in range(seconds):
            self.clock.seconds += 1
            if beats:
                self.beaten = self.clock.seconds
            self.position += moves
            if not self.watchdog.check():
                return False
        return True


def test_a_loop_that_works_is_left_alone() -> None:
    loop = Loop()
    assert loop.run(1000)
    assert loop.ended == []


def test_a_loop_that_does_not_beat_is_ended() -> None:
    loop = Loop()
    assert loop.run(100)
    assert loop.run(60, beats=False)
    assert not loop.run(1, beats=False)
    assert loop.ended == [70]
    [(event, fields)] = loop.log.events
    assert event == "worker stalled"
    assert (fields["still_seconds"], fields["limit"], fields["exit_code"]) == (61, 60, 70)
    where = fields["loop_at"]
    assert isinstance(where, list)
    assert any("test_a_loop_that_does_not_beat_is_ended" in place for place in where)
    assert len(where) <= 12


def test_a_loop_that_goes_round_for_nothing_is_ended() -> None:
    loop = Loop()
    assert loop.run(100)
    assert loop.run(300, moves=False)
    assert not loop.run(1, moves=False)
    assert loop.ended == [70]
    assert loop.log.events[0][0] == "worker makes no progress"
    assert loop.log.events[0][1]["lag"] == 100


@pytest.mark.parametrize("lag", [0, None])
def test_without_lag_there_is_nothing_to_do(lag: int | None) -> None:
    loop = Loop()
    loop.lag = lag
    assert loop.run(1000, moves=False)
    loop.lag = 5
    assert loop.run(300, moves=False)
    assert not loop.run(1, moves=False)


def test_progress_now_and_then_is_progress() -> None:
    loop = Loop()
    for _ in range(5):
        assert loop.run(290, moves=False)
        assert loop.run(1)


def test_a_frozen_machine_is_no_stall() -> None:
    """After SIGSTOP or a snapshot, the watchdog may run before the loop does."""
    loop = Loop()
    assert loop.run(10)
    loop.clock.seconds += 100_000
    assert loop.watchdog.check()
    assert loop.run(60, beats=False)
    assert not loop.run(1, beats=False)


def test_the_process_ends_although_its_log_is_stuck(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gristmill.runtime.adapters.watchdog._LOG_SECONDS", 0.02)
    free = threading.Event()

    class StuckLog(Log):
        def error(self, event: str, /, **fields: object) -> None:
            free.wait(30)

    loop = Loop(log=StuckLog())
    try:
        assert not loop.run(61, beats=False)
        assert loop.ended == [70]
    finally:
        free.set()


def test_its_thread_ends_the_process() -> None:
    ended = threading.Event()
    codes: list[int] = []

    def end(code: int) -> None:
        codes.append(code)
        ended.set()

    loop = Loop(end=end, check_seconds=0.001)
    loop.clock.step = 1.0
    loop.watchdog.start()
    assert ended.wait(10)
    loop.watchdog.close()
    loop.watchdog.close()
    assert codes == [70]


def test_its_thread_is_closed() -> None:
    loop = Loop(check_seconds=600)
    loop.watchdog.start()
    loop.watchdog.close()
    assert not any(thread.name == "watchdog" for thread in threading.enumerate())
    assert loop.ended == []


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_watchdog_that_fails_ends_the_process_too() -> None:
    ended = threading.Event()

    def broken() -> int:
        raise KeyError("partition")

    loop = Loop(lag=broken, check_seconds=0.001, end=lambda code: ended.set())
    loop.watchdog.start()
    assert ended.wait(10)
    loop.watchdog.close()
    [(event, fields)] = loop.log.events
    assert event == "watchdog failed"
    assert isinstance(fields["error"], KeyError)


@pytest.mark.parametrize("name", ["stall_seconds", "no_progress_seconds", "check_seconds"])
def test_times_must_be_above_zero(name: str) -> None:
    with pytest.raises(ValueError, match="above 0"):
        Loop(**{name: 0})


def test_a_process_that_does_not_end_in_time_is_ended() -> None:
    ended = threading.Event()
    codes: list[int] = []
    clock, log = Clock(), Log()
    told_at = clock.seconds

    def end(code: int) -> None:
        codes.append(code)
        ended.set()

    call = LastCall(
        clock=clock, log=log, told_at=lambda: told_at, seconds=20, check_seconds=0.001, end=end
    )
    with call:
        assert not ended.wait(0.05)
        clock.seconds += 20
        assert ended.wait(10)
    assert codes == [75]
    [(event, fields)] = log.events
    assert (event, fields["limit"]) == ("worker did not end in time", 20)


def test_a_process_that_was_not_told_to_end_or_ends_in_time_is_left_alone() -> None:
    told_at: list[float] = []
    clock, log = Clock(), Log()
    codes: list[int] = []
    call = LastCall(
        clock=clock,
        log=log,
        told_at=lambda: told_at[0] if told_at else None,
        seconds=20,
        check_seconds=0.001,
        end=codes.append,
    )
    with call:
        clock.seconds += 1000
        threading.Event().wait(0.02)
        told_at.append(clock.seconds)
        clock.seconds += 19
        threading.Event().wait(0.02)
    clock.seconds += 1000
    assert (codes, log.events) == ([], [])
