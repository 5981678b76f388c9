"""The truth about a worker: its states, its liveness, and who is told of a change."""

from datetime import UTC, datetime

import pytest

from gristmill.runtime.adapters.health import Health, State


class Clock:
    def __init__(self) -> None:
        self.seconds = 1000.0

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.seconds, UTC)

    def monotonic(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def health(clock: Clock) -> Health:
    return Health(clock=clock, stall_seconds=60)


def test_a_life(health: Health) -> None:
    def now() -> tuple[State, bool, bool]:
        report = health.report()
        return report.state, report.live, report.ready

    assert now() == ("starting", True, False)
    health.set_serving()
    assert now() == ("serving", True, True)
    health.set_draining()
    assert now() == ("draining", True, False)
    health.set_stopped()
    assert now() == ("stopped", True, False)


def test_a_loop_that_does_not_beat_is_neither_live_nor_ready(health: Health, clock: Clock) -> None:
    health.set_serving()
    clock.seconds += 60
    assert health.liveness()
    assert health.report().ready
    clock.seconds += 0.5
    report = health.report()
    assert (report.state, report.live, report.ready) == ("stalled", False, False)
    assert "60.5 seconds ago, more than 60" in report.detail
    assert health.liveness(clock.seconds - 1)
    health.beat()
    assert health.report().ready


@pytest.mark.parametrize("serving", [True, False])
def test_beats_are_wanted_from_the_start_to_the_end(
    health: Health, clock: Clock, *, serving: bool
) -> None:
    if serving:
        health.set_serving()
        health.set_draining()
    clock.seconds += 61
    assert not health.liveness()
    assert health.report().state == ("draining" if serving else "stalled")
    health.beat()
    assert health.liveness()


def test_out_of_its_group_a_worker_is_live_and_not_ready(health: Health) -> None:
    health.set_waiting()
    assert health.report().state is State.STARTING
    health.set_serving()
    health.set_waiting()
    told = health.report()
    assert (told.state, told.live, told.ready) == (State.WAITING, True, False)
    health.set_serving()
    assert health.report().ready


def test_nothing_undoes_a_drain(health: Health) -> None:
    health.set_draining()
    health.set_serving()
    health.beat()
    assert health.report().state == "draining"
    health.set_stopped()
    health.set_draining()
    assert health.report().state == "stopped"


def test_listeners_are_told_of_changes_not_of_beats(health: Health, clock: Clock) -> None:
    told: list[State] = []

    def listen() -> None:
        told.append(health.report().state)

    health.subscribe(listen)
    for _ in range(5):
        health.beat()
    health.set_serving()
    clock.seconds += 61
    health.beat()
    health.set_draining()
    health.set_stopped()
    assert told == ["serving", "serving", "draining", "stopped"]
    health.unsubscribe(listen)
    health.unsubscribe(listen)
    health.set_stopped()
    assert len(told) == 4


@pytest.mark.parametrize("seconds", [0, -1, float("nan")])
def test_a_limit_must_be_one(clock: Clock, seconds: float) -> None:
    with pytest.raises(ValueError, match="stall_seconds"):
        Health(clock=clock, stall_seconds=seconds)


def test_a_method_that_unsubscribes_is_called_no_more(health: Health) -> None:
    class Listener:
        num_calls = 0

        def hear(self) -> None:
            self.num_calls += 1

    one, other = Listener(), Listener()
    health.subscribe(one.hear)
    health.subscribe(other.hear)
    health.set_serving()
    health.unsubscribe(one.hear)
    health.set_draining()
    assert (one.num_calls, other.num_calls) == (1, 2)
