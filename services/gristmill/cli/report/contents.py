"""What a report says, read from a directory: every list is bounded, nothing is written.

Tables that grow meanwhile are fine: each is read as it stands when its turn comes, and a document
that one has and the other has not yet is shown as far as it is known.
"""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from gristmill.cli.kept_tokens import LEDGER_COLUMNS, tokens_in
from gristmill.cli.reading import (
    COUNTED,
    StageCount,
    Summary,
    accepted_ids,
    count,
    decisions,
    open_tables,
    table_facts,
)
from gristmill.cli.report.duplicates import Clusters, Duplicates
from gristmill.cli.report.flow import SINK, Flow, flow_of, route_of
from gristmill.cli.report.samples import Drawn, Group, excerpt_of_dropped
from gristmill.cli.report.scores import Histogram, histograms
from gristmill.cli.report.sourcecode import Excerpt
from gristmill.cli.report.texts import Place, dropped_texts, kept_texts, place_of
from gristmill.cli.report.timing import Timing, timing_of
from gristmill.cli.tokens import Tokens
from gristmill.runtime.adapters.iceberg import (
    SETTINGS,
    IcebergTables,
    newest_own_snapshot,
    snapshot_property,
)
from gristmill.runtime.adapters.iceberg_schemas import TABLES
from gristmill.runtime.adapters.run_directory import LOG, RunDirectory

_COLUMNS = (
    *COUNTED, "source", "repository", "content_sha256", "matched_id", "similarity", "error_share",
    "threshold", "detail", "version",
)  # fmt: skip
_MOST_RUNS = 10
_MOST_SETTINGS = 200
_MOST_VERSIONS = 20


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting of the newest run, and where it came from."""

    name: str
    value: str
    default: str
    origin: str


@dataclass(frozen=True, slots=True)
class Rules:
    """What decided: the rules of each stage, and what the newest run said of itself, or nothing."""

    by_stage: Mapping[str, tuple[str, ...]]
    fingerprint: str
    run: int | None = None
    settings: tuple[Setting, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Everything on the page."""

    directory: str
    is_live: bool
    as_of: datetime | None
    summary: Summary
    tables: Mapping[str, Mapping[str, Any]]
    flow: Flow
    scores: tuple[Histogram, ...]
    duplicates: Duplicates
    groups: tuple[Group, ...]
    timing: Timing
    rules: Rules
    tokens: Tokens | None = None
    """None where nothing is kept."""


def read_report(directory: str) -> Report:
    """Read a directory. Raises BadInput where there is none of a run or of a mill."""
    about = RunDirectory(directory)
    tables = open_tables(directory)
    ledger = decisions(tables, sorted({*_COLUMNS, *LEDGER_COLUMNS}))
    seen = _seen(ledger)
    route = route_of({SINK: 0} | seen) if seen else ()
    taken = accepted_ids(tables)
    summary = count(ledger, route, taken) if route else _nothing()
    records = about.load_runs(_MOST_RUNS)
    is_live = about.fed_by == LOG
    duplicates, groups = _with_texts(
        directory, tables, Clusters(ledger), Drawn(ledger, route[-1] if route else "", taken)
    )
    return Report(
        directory=about.path,
        is_live=is_live,
        as_of=pc.max(ledger["decided_at"]).as_py(),
        summary=summary,
        tables={name: table_facts(tables, name) for name in TABLES if tables.has(name)},
        flow=flow_of(ledger, summary.stages, summary.below_cut or 0),
        scores=histograms(tables),
        duplicates=duplicates,
        groups=groups,
        timing=timing_of(ledger, route, records, about.num_runs, live=is_live),
        rules=_rules(tables, ledger, records[0] if records else None),
        tokens=tokens_in(tables, ledger, route, taken),
    )


def _seen(ledger: pa.Table) -> dict[str, int]:
    return {row["values"]: row["counts"] for row in pc.value_counts(ledger["stage"]).to_pylist()}


def _nothing() -> Summary:
    stages: dict[str, StageCount] = {}
    return Summary(
        documents=0, size_bytes=0, kept=0, dropped={}, dead=0, languages={}, stages=stages,
        quarantined={},
    )  # fmt: skip


def _with_texts(
    directory: str, tables: IcebergTables, clusters: Clusters, drawn: Drawn
) -> tuple[Duplicates, tuple[Group, ...]]:
    """Read all texts that are shown, each source and table once."""
    kept = kept_texts(tables, clusters.kept_ids | drawn.kept_ids)
    paired = {place_of(row) for row in clusters.chosen}
    sampled = {place_of(row): row for row in drawn.dropped}
    texts: dict[Place, str] = {}
    excerpts: dict[Place, Excerpt] = {}
    for place, text in dropped_texts(directory, [*clusters.chosen, *sampled.values()]):
        if place in paired:
            texts[place] = text
        if place in sampled:
            excerpts[place] = excerpt_of_dropped(sampled[place], text)
    return clusters.shown(kept, texts), drawn.shown(kept, excerpts)


def _rules(tables: IcebergTables, ledger: pa.Table, record: Mapping[str, Any] | None) -> Rules:
    found: dict[str, set[str]] = {}
    for stage, version in _distinct(ledger):
        found.setdefault(stage, set()).add(version)
    fingerprint = snapshot_property(newest_own_snapshot(tables.load("ledger")), SETTINGS)
    by_stage = {
        stage: tuple(sorted(versions)[:_MOST_VERSIONS]) for stage, versions in sorted(found.items())
    }
    rules = Rules(by_stage, fingerprint or "")
    if record is not None:
        with suppress(LookupError, TypeError, AttributeError):  # written by another version
            settings = tuple(
                Setting(f"{one['section']}.{one['name']}", one["value"], one["default"],
                        one["origin"])
                for one in record["settings"][:_MOST_SETTINGS]
            )  # fmt: skip
            versions = dict(list(record["versions"].items())[:_MOST_SETTINGS])
            rules = replace(rules, run=record["run"], settings=settings, versions=versions)
    return rules


def _distinct(ledger: pa.Table) -> Iterator[tuple[str, str]]:
    for row in ledger.group_by(["stage", "version"]).aggregate([]).to_pylist():
        yield row["stage"], row["version"]
