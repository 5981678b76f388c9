"""Time and throughput: what the last runs took, and what each step of the newest cost.

Runs write down what they took (`DIR/runs`); the documents and bytes of a step are those of the
ledger's decisions that were written meanwhile. A directory that workers behind a log feed has no
runs: there the decisions' own times say how many came when.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from gristmill.cli.run_record import OTHER, READING

_LEAST_BINS, _MOST_BINS = 3, 60
_STEPS_SECONDS = (1, 5, 10, 30, 60, 300, 600, 1800, 3600, 21600, 86400)

# Any: a record is what JSON holds.
Record = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Step:
    """What one step of a run took; None where it was not measured."""

    name: str
    documents: int | None
    size_bytes: int | None
    cpu_seconds: float
    wall_seconds: float | None


@dataclass(frozen=True, slots=True)
class Run:
    """One run; what a killed one has left unsaid is None."""

    number: int
    began: datetime
    wall_seconds: float | None
    cpu_seconds: float | None
    workers: int
    documents: int
    size_bytes: int
    added: int | None
    state: str


@dataclass(frozen=True, slots=True)
class Pace:
    """Documents by time, in bins of equal width."""

    began: datetime
    bin_seconds: int
    counts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Timing:
    """Everything about time; empty where nothing was recorded."""

    runs: tuple[Run, ...]
    num_runs: int
    steps: tuple[Step, ...]
    pace: Pace | None


def timing_of(
    ledger: pa.Table, stages: Sequence[str], records: Sequence[Record], num_runs: int, *, live: bool
) -> Timing:
    """Return what the records, the newest first, and the decisions' times say."""
    if not stages:
        return Timing((), num_runs, (), None)
    pace = _pace(ledger.filter(pc.equal(ledger["stage"], stages[0]))) if live else None
    bounded = list(_bounded(records))
    runs = [run for record in bounded if (run := _run(record, ledger, stages[0])) is not None]
    newest = next((record for record in bounded if record.get("steps")), None)
    steps = tuple(_steps(newest, ledger, stages[0])) if newest else ()
    return Timing(tuple(runs), num_runs, steps, pace)


def _bounded(records: Sequence[Record]) -> Iterator[Record]:
    """Yield records with `until`: when each ended, or when the next one began at the latest."""
    following: str | None = None
    for record in records:
        yield {**record, "until": record.get("ended") or following}
        following = record.get("began")


def _run(record: Record, ledger: pa.Table, first_stage: str) -> Run | None:
    with suppress(LookupError, TypeError, ValueError):
        meanwhile = _meanwhile(ledger, record)
        documents, size_bytes = _seen(meanwhile, first_stage)
        cpu = record.get("cpu_seconds")
        return Run(
            number=record["run"],
            began=datetime.fromisoformat(record["began"]),
            wall_seconds=record.get("wall_seconds"),
            cpu_seconds=sum(cpu.values()) if cpu else None,
            workers=record["workers"],
            documents=documents,
            size_bytes=size_bytes,
            added=record.get("added"),
            state=_state(record),
        )
    return None


def _state(record: Record) -> str:
    if record.get("ended") is None:
        return "not ended in order"
    return "interrupted" if record.get("interrupted") else "done"


def _meanwhile(ledger: pa.Table, record: Record) -> pa.Table:
    """Return the decisions that were written in a run."""
    began = datetime.fromisoformat(record["began"])
    chosen = pc.greater_equal(ledger["decided_at"], _at(began))
    if record["until"]:
        until = datetime.fromisoformat(record["until"])
        chosen = pc.and_(chosen, pc.less_equal(ledger["decided_at"], _at(until)))
    return ledger.filter(chosen)


def _at(moment: datetime) -> pa.Scalar:
    return pa.scalar(moment.astimezone(UTC), pa.timestamp("us", tz="UTC"))


def _seen(decisions: pa.Table, stage: str) -> tuple[int, int]:
    rows = decisions.filter(pc.equal(decisions["stage"], stage))
    return rows.num_rows, int(pc.sum(rows["size_bytes"]).as_py() or 0)


def _steps(record: Record, ledger: pa.Table, first_stage: str) -> Iterator[Step]:
    meanwhile = _meanwhile(ledger, record)
    charged = 0.0
    for one in record["steps"]:
        stage = first_stage if one["step"] == READING else one["step"]
        documents, size_bytes = _seen(meanwhile, stage)
        charged += one["cpu_seconds"]
        yield Step(one["step"], documents, size_bytes, one["cpu_seconds"], one["wall_seconds"])
    rest = sum(record["cpu_seconds"].values()) - charged
    yield Step(OTHER, None, None, max(0.0, rest), None)


def _pace(decisions: pa.Table) -> Pace | None:
    """Return how many documents were decided when; nothing where that is no more than a moment."""
    if not decisions.num_rows:
        return None
    ends = pc.min_max(decisions["decided_at"]).as_py()
    span = (ends["max"] - ends["min"]).total_seconds()
    width = next((s for s in _STEPS_SECONDS if span / s < _MOST_BINS), None)
    if width is None:
        width = 86400 * (1 + int(span / 86400 / _MOST_BINS))
    first = int(ends["min"].timestamp()) // width
    seconds = pc.divide(decisions["decided_at"].cast(pa.int64()), 1_000_000 * width)
    counts = {row["values"]: row["counts"] for row in pc.value_counts(seconds).to_pylist()}
    last = max(counts)
    if last - first + 1 < _LEAST_BINS:
        return None
    return Pace(
        began=datetime.fromtimestamp(first * width, UTC),
        bin_seconds=width,
        counts=tuple(counts.get(n, 0) for n in range(first, last + 1)),
    )
