"""Cycles are searched for seldom while documents go through, and as before afterwards."""

import gc
import weakref

import pytest

from gristmill.runtime.engine.garbage import Sweeper, seldom_searched


class Circle:
    """Holds itself."""

    def __init__(self) -> None:
        self.itself = self


def test_searches_are_seldom_and_then_as_before() -> None:
    before = gc.get_threshold()
    with seldom_searched():
        assert gc.get_threshold() > before
        assert gc.get_freeze_count() > 0
        assert gc.isenabled()
    assert gc.get_threshold() == before
    assert gc.get_freeze_count() == 0


def test_blocks_that_overlap_leave_everything_as_it_was() -> None:
    before = gc.get_threshold()
    one, other = seldom_searched(), seldom_searched()
    one.__enter__()
    other.__enter__()
    one.__exit__(None, None, None)
    assert gc.get_threshold() > before
    other.__exit__(None, None, None)
    assert gc.get_threshold() == before
    assert gc.get_freeze_count() == 0


def test_what_is_new_is_searched_once_a_second() -> None:
    seconds = 0.0
    sweeper = Sweeper(lambda: seconds)
    with seldom_searched():
        circle = Circle()
        held = weakref.ref(circle)
        del circle
        seconds = 0.9
        sweeper.sweep()
        assert held() is not None
        seconds = 1.0
        sweeper.sweep()
        assert held() is None


def test_a_failure_leaves_nothing_behind() -> None:
    before = gc.get_threshold()
    with pytest.raises(ValueError, match="planted"), seldom_searched():
        raise ValueError("planted")
    assert gc.get_threshold() == before
