"""Time: what runs recorded, held together with the decisions that were written meanwhile."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa

from gristmill.cli.report.timing import Step, timing_of

STAGES = ("ingestion", "shards")
START = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)


def ledger(*rows: tuple[str, float, int]) -> pa.Table:
    """Decisions: the stage, seconds behind the start, bytes."""
    return pa.table(
        {
            "stage": [stage for stage, _, _ in rows],
            "decided_at": pa.array(
                [START + timedelta(seconds=at) for _, at, _ in rows], pa.timestamp("us", tz="UTC")
            ),
            "size_bytes": [size for _, _, size in rows],
        }
    )


DECISIONS = ledger(
    ("ingestion", 5, 100), ("shards", 5, 100),
    ("ingestion", 105, 10), ("ingestion", 106, 20), ("shards", 106, 20),
)  # fmt: skip


def record(number: int, begin: float, end: float | None, **more: Any) -> dict[str, Any]:
    ended = None if end is None else (START + timedelta(seconds=end)).isoformat()
    began = (START + timedelta(seconds=begin)).isoformat()
    return {"run": number, "began": began, "ended": ended, "workers": 2, **more}


def finished(number: int, begin: float, end: float) -> dict[str, Any]:
    steps = [
        {"step": "reading", "cpu_seconds": 1.0, "wall_seconds": None},
        {"step": "ingestion", "cpu_seconds": 2.0, "wall_seconds": None},
        {"step": "shards", "cpu_seconds": 3.0, "wall_seconds": 4.0},
    ]
    return record(
        number, begin, end, wall_seconds=end - begin, cpu_seconds={"main": 4.0, "workers": 5.0},
        added=1, interrupted=False, steps=steps,
    )  # fmt: skip


def test_steps_and_runs_have_the_documents_of_their_own_time() -> None:
    found = timing_of(DECISIONS, STAGES, [finished(2, 100, 110), finished(1, 0, 10)], 7, live=False)
    newest, first = found.runs
    assert (newest.documents, newest.size_bytes, newest.cpu_seconds) == (2, 30, 9.0)
    assert (first.documents, first.size_bytes, first.state) == (1, 100, "done")
    assert found.steps == (
        Step("reading", 2, 30, 1.0, None),
        Step("ingestion", 2, 30, 2.0, None),
        Step("shards", 1, 20, 3.0, 4.0),
        Step("other", None, None, 3.0, None),
    )
    assert found.num_runs == 7
    assert found.pace is None


def test_a_run_without_an_end_ends_where_the_next_began() -> None:
    records = [record(2, 100, None), record(1, 0, None)]
    found = timing_of(DECISIONS, STAGES, records, 2, live=False)
    assert [(run.documents, run.wall_seconds) for run in found.runs] == [(2, None), (1, None)]
    assert {run.state for run in found.runs} == {"not ended in order"}
    assert found.steps == ()


def test_nothing_was_recorded() -> None:
    found = timing_of(DECISIONS, STAGES, [], 0, live=False)
    assert (found.runs, found.steps, found.pace) == ((), (), None)
    assert timing_of(ledger(), (), [], 0, live=True).pace is None


def test_records_of_another_form_are_passed_over() -> None:
    odd: list[dict[str, Any]] = [
        {"run": 4}, record(3, 0, None, workers=None, began=5), {"run": 2, "began": "yesterday"},
    ]  # fmt: skip
    assert timing_of(DECISIONS, STAGES, odd, 3, live=False).runs == ()


def test_the_pace_of_a_mill_in_bins_without_gaps() -> None:
    pace = timing_of(DECISIONS, STAGES, [], 0, live=True).pace
    assert pace is not None
    assert pace.bin_seconds == 5
    assert pace.began == START + timedelta(seconds=5)
    assert pace.counts == (1, *[0] * 19, 2)
    assert timing_of(ledger(("ingestion", 0, 1)), STAGES, [], 0, live=True).pace is None
    days = ledger(*(("ingestion", 86400.0 * day, 1) for day in range(0, 400, 100)))
    wide = timing_of(days, STAGES, [], 0, live=True).pace
    assert wide is not None
    assert len(wide.counts) <= 60
    assert sum(wide.counts) == 4
