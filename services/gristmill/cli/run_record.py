"""What a run was told and what it took, kept beside its tables for `gristmill report`.

`DIR/runs/<n>.json` is written when a run begins and again when it ends. One that was killed has no
end. Nothing reads it to go on: the tables alone say how far a run came.
"""

import resource
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from gristmill.cli.versions import versions
from gristmill.runtime.adapters.run_directory import RunDirectory
from gristmill.runtime.adapters.settings import Setting
from gristmill.runtime.engine.runner import RunReport
from gristmill.runtime.engine.stopwatch import BEFORE_STAGES
from gristmill.runtime.ports import Listing

READING, OTHER = "reading", "other"
"""Steps that are no stages: reading documents, and what no step was charged with."""

# Any: what JSON holds.
Json = dict[str, Any]


@dataclass(slots=True, kw_only=True)
class RunRecord:
    """One run; `segments` are its pure stages, those in order, and the pure ones behind them."""

    segments: tuple[Sequence[str], Sequence[str], Sequence[str]]
    sink: str
    sources: Sequence[Listing]
    settings: Sequence[Setting]
    settings_fingerprint: str
    workers: int
    limit: int | None
    listing_seconds: float
    result: Json = field(default_factory=dict)

    def begun(self, now: datetime) -> Json:
        """Return what is known at the start."""
        before, here, after = self.segments
        return {
            "began": now.isoformat(),
            "ended": None,
            "route": [*before, *here, *after, self.sink],
            "workers": self.workers,
            "limit": self.limit,
            "sources": [
                {"id": one.source, "name": one.name, "listed": one.num_entries,
                 "bytes": one.total_bytes}
                for one in self.sources
            ],
            "settings_fingerprint": self.settings_fingerprint,
            "settings": [
                {"section": one.section, "name": one.name, "value": str(one.value),
                 "default": str(one.default), "origin": one.origin}
                for one in self.settings
            ],
            "versions": versions(),
        }  # fmt: skip

    def done(self, report: RunReport, spent: Mapping[tuple[int, int], float]) -> None:
        """Take in what the run did, and the CPU seconds of pure stages by segment and stage."""
        before, here, after = self.segments
        steps: list[Json] = []
        for segment, stages in ((0, before), (1, after)):
            read = spent.get((segment, BEFORE_STAGES), 0.0)
            if segment == 0:
                steps.append(_step(READING, read))
            for number, stage in enumerate(stages):
                steps.append(_step(stage, spent.get((segment, number), 0.0)))
            if segment == 0:
                steps += [
                    _step(name, report.admission.cpu_seconds, report.admission.wall_seconds)
                    for name in here
                ]
        steps.append(_step(self.sink, report.writing.cpu_seconds, report.writing.wall_seconds))
        self.result = {
            "interrupted": report.interrupted,
            "documents": report.documents,
            "kept": report.kept,
            "dead": report.dead,
            "added": report.added,
            "steps": steps,
        }


def _step(name: str, cpu_seconds: float, wall_seconds: float | None = None) -> Json:
    wall = None if wall_seconds is None else round(wall_seconds, 4)
    return {"step": name, "cpu_seconds": round(cpu_seconds, 4), "wall_seconds": wall}


@contextmanager
def recorded(directory: RunDirectory, record: RunRecord) -> Iterator[RunRecord]:
    """Keep the record of what happens meanwhile; of what raises only the beginning stays."""
    began = datetime.now(UTC)
    used = _cpu_seconds()
    about = record.begun(began)
    number = directory.new_run()
    directory.save_run(number, about)
    yield record
    ended = datetime.now(UTC)
    own, workers = (now - then for now, then in zip(_cpu_seconds(), used, strict=True))
    directory.save_run(
        number,
        {
            **about,
            "ended": ended.isoformat(),
            "wall_seconds": round((ended - began).total_seconds(), 3),
            "listing_seconds": round(record.listing_seconds, 3),
            "cpu_seconds": {"main": round(own, 3), "workers": round(workers, 3)},
            **record.result,
        },
    )


def _cpu_seconds() -> tuple[float, float]:
    """Return what this process has used, and what its ended children have."""
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    own, children = (one.ru_utime + one.ru_stime for one in used)
    return own, children
