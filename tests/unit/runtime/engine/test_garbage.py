"""Cycles are searched for seldom while documents go through, and as before afterwards."""

import gc

import pytest

from gristmill.runtime.engine.garbage import seldom_searched


def test_searches_are_seldom_and_then_as_before() -> None:
    before = gc.get_threshold()
    with seldom_searched():
        assert gc.get_threshold() > before
        assert gc.get_freeze_count() > 0
        assert gc.isenabled()
    assert gc.get_threshold() == before
    assert gc.get_freeze_count() == 0


def test_a_failure_leaves_nothing_behind() -> None:
    before = gc.get_threshold()
    with pytest.raises(ValueError, match="planted"), seldom_searched():
        raise ValueError("planted")
    assert gc.get_threshold() == before
