"""CPU seconds by stage, in a page that the process leaves behind."""

import mmap
from collections.abc import Iterator

import pytest

from gristmill.runtime.engine import stopwatch
from gristmill.runtime.engine.stopwatch import BEFORE_STAGES, Stopwatch, counted


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    """What the clock will say, one look after the other."""
    looks: list[float] = []
    monkeypatch.setattr(stopwatch.time, "thread_time", lambda: looks.pop(0))
    yield looks
    assert not looks


def test_what_happens_between_two_looks_goes_to_the_stage_before(clock: list[float]) -> None:
    page = mmap.mmap(-1, mmap.PAGESIZE)
    watch = Stopwatch(page, 0, 2)
    clock += [10.0, 11.0, 13.0, 17.0, 20.0, 20.5]
    for stage in (BEFORE_STAGES, 0, 1):
        watch.start(stage)
    assert not dict(counted(page))  # nothing is written for every document
    watch.stop()
    assert dict(counted(page)) == {(0, -1): 1.0, (0, 0): 2.0, (0, 1): 4.0}
    watch.start(BEFORE_STAGES)  # what happened since the stop is nobody's
    watch.stop()
    assert dict(counted(page)) == {(0, -1): 1.5, (0, 0): 2.0, (0, 1): 4.0}


def test_processes_that_follow_one_another_add_to_one_page(clock: list[float]) -> None:
    page = mmap.mmap(-1, mmap.PAGESIZE)
    for segment in (0, 1, 1):
        watch = Stopwatch(page, segment, 1)
        clock += [0.0, 2.0]
        watch.start(0)
        watch.stop()
    assert dict(counted(page)) == {(0, 0): 2.0, (1, 0): 4.0}


def test_what_the_page_has_no_room_for_is_counted_together(clock: list[float]) -> None:
    page = mmap.mmap(-1, mmap.PAGESIZE)
    watch = Stopwatch(page, 1, 1000)
    clock += [0.0, 1.0, 3.0]
    watch.start(500)
    watch.start(999)
    watch.stop()
    assert dict(counted(page)) == {(1, 198): 3.0}
    assert page[:64] == bytes(64)  # it says what is at work
