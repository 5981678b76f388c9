"""Settings that no worker could work with are refused before it starts."""

import pytest

from gristmill.runtime.engine.stream_settings import StreamSettings


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("batch_records", 0),
        ("batch_bytes", 0),
        ("inflight_bytes", 0),
        ("commit_bytes", 0),
        ("stall_seconds", 0),
        ("drain_seconds", 0),
        ("drain_seconds", float("inf")),
        ("max_dead_share", 7),
    ],
)
def test_a_value_that_stops_all_work_is_refused_by_its_name(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=name):
        StreamSettings(**{name: value})  # type: ignore[arg-type]
