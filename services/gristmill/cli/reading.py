"""Reading a finished directory: what the ledger says, counted or document by document."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyiceberg.expressions import (
    AlwaysTrue,
    And,
    BooleanExpression,
    EqualTo,
    In,
    Reference,
    StartsWith,
)

from gristmill.runtime.adapters.cuts import COLUMNS, accepted, cuts_of
from gristmill.runtime.adapters.iceberg import IcebergTables, local_catalog
from gristmill.runtime.adapters.run_directory import RunDirectory
from gristmill.runtime.model import BadInput, Reason
from gristmill.runtime.model.languages import LANGUAGES, find_language, language_of_path

UNKNOWN = "unknown"
_POSITION = ["position_source", "position_offset"]
COUNTED = (
    "document_id", "stage", "outcome", "reason", "language", "path", "size_bytes", "checker",
    "decided_at", *_POSITION,
)  # fmt: skip
"""The ledger's columns that a summary is made of."""


@dataclass(slots=True)
class StageCount:
    """What one stage decided, in documents."""

    kept: int = 0
    dropped: dict[str, int] = field(default_factory=dict)
    dead: dict[str, int] = field(default_factory=dict)

    @property
    def seen(self) -> int:
        """How many documents the stage decided about."""
        return self.kept + sum(self.dropped.values()) + sum(self.dead.values())


@dataclass(slots=True, kw_only=True)
class Summary:
    """The ledger counted: `stages` in the order given, `languages` with (documents, kept)."""

    documents: int
    size_bytes: int
    kept: int
    dropped: dict[str, int]
    dead: int
    languages: dict[str, tuple[int, int]]
    stages: dict[str, StageCount]
    quarantined: dict[str, int]
    """By grammar: documents that it was too much for, where their language is known."""
    below_cut: int | None = None
    """Kept documents that the newest cut does not accept; None where there is no cut."""

    @property
    def accepted(self) -> int:
        """How many kept documents the newest cut accepts; without one, all."""
        return self.kept - (self.below_cut or 0)


# pyiceberg's expressions are pydantic models whose positional arguments mypy does not see.
def equal(column: str, value: str) -> BooleanExpression:
    """Return the condition that a column equals a value."""
    return EqualTo(Reference(column), value)  # type: ignore[call-arg,arg-type]


def one_of(column: str, values: Iterable[str]) -> BooleanExpression:
    """Return the condition that a column holds one of the values."""
    return In(Reference(column), set(values))  # type: ignore[call-arg,arg-type]


def starts_with(column: str, beginning: str) -> BooleanExpression:
    """Return the condition that a column's text begins so."""
    return StartsWith(Reference(column), beginning)  # type: ignore[call-arg,arg-type]


def both(one: BooleanExpression, other: BooleanExpression) -> BooleanExpression:
    """Return the condition that two conditions hold."""
    return And(one, other)


def open_tables(path: str) -> IcebergTables:
    """Open the tables of a finished directory for reading."""
    return IcebergTables(local_catalog(RunDirectory(path).path))


def scan(
    tables: IcebergTables,
    table: str,
    columns: Sequence[str],
    where: BooleanExpression | None = None,
) -> pa.Table:
    """Return columns of a table as Arrow; null where an older table has none of that name."""
    condition = where if where is not None else AlwaysTrue()
    loaded = tables.load(table)
    known = {field.name for field in loaded.schema().fields}
    there = tuple(name for name in columns if name in known)
    rows = loaded.scan(row_filter=condition, selected_fields=there).to_arrow()
    for name in columns:
        if name not in known:
            rows = rows.append_column(name, pa.nulls(rows.num_rows, pa.large_string()))
    return rows


def stream(tables: IcebergTables, table: str, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Yield columns of a table, in that order, batch by batch: a table may not fit into memory."""
    rows = tables.load(table).scan(selected_fields=tuple(columns)).to_arrow_batch_reader()
    for batch in rows:
        yield batch.select(list(columns))


def summarize(
    tables: IcebergTables, route: Sequence[str], sources: Sequence[str] | None = None
) -> Summary:
    """Count the ledger, of the given deliveries or of all; `route` orders the stages."""
    return count(decisions(tables, COUNTED, sources), route, accepted_ids(tables))


def accepted_ids(tables: IcebergTables) -> pa.ChunkedArray | None:
    """Return the ids of the files that the newest cut accepts; None where there is no cut."""
    cuts = cuts_of(tables)
    if not cuts:
        return None
    files = scan(tables, "files", COLUMNS)
    return files.filter(accepted(files, cuts[-1]))["document_id"]


def decisions(
    tables: IcebergTables, columns: Sequence[str], sources: Sequence[str] | None = None
) -> pa.Table:
    """Return columns of the ledger, `COUNTED` among them, without decisions that were replaced."""
    where = one_of("position_source", sources) if sources is not None else None
    return standing(scan(tables, "ledger", columns, where))


def count(ledger: pa.Table, route: Sequence[str], taken: pa.ChunkedArray | None = None) -> Summary:
    """Count decisions; `route` orders the stages, `taken` has the ids that a cut accepts."""
    stages = _stages(ledger, route)
    first = ledger.filter(pc.equal(ledger["stage"], route[0]))
    dropped: dict[str, int] = {}
    for stage in stages.values():
        for reason, count in stage.dropped.items():
            dropped[reason] = dropped.get(reason, 0) + count
    return Summary(
        documents=first.num_rows,
        size_bytes=pc.sum(first["size_bytes"]).as_py() or 0,
        kept=stages[route[-1]].kept,
        dropped=dict(sorted(dropped.items())),
        dead=sum(sum(stage.dead.values()) for stage in stages.values()),
        languages=_languages(ledger, last=route[-1]),
        stages=stages,
        quarantined=_quarantined(ledger),
        below_cut=None if taken is None else _without(_kept(ledger, route[-1]), taken),
    )


def _kept(ledger: pa.Table, last: str) -> pa.ChunkedArray:
    """Return the ids of what the last stage of a route keeps."""
    kept = pc.and_(pc.equal(ledger["stage"], last), pc.equal(ledger["outcome"], "keep"))
    return ledger.filter(kept)["document_id"]


def _without(ids: pa.ChunkedArray, others: pa.ChunkedArray) -> int:
    return len(ids) - int(pc.sum(pc.is_in(ids, value_set=others)).as_py() or 0)


def _quarantined(ledger: pa.Table) -> dict[str, int]:
    rows = ledger.filter(pc.equal(ledger["reason"], Reason.PARSER_LIMIT.value))
    counts = Counter(one.rpartition(":")[2] for one in rows["checker"].to_pylist() if one)
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def standing(ledger: pa.Table) -> pa.Table:
    """Return the ledger without the decisions on dead letters that were replayed since.

    The same stage decided about the same delivery once more, later.
    """
    set_aside = pc.is_in(ledger["outcome"], pa.array(["reject", "dead"]))
    offsets = ledger.filter(set_aside)["position_offset"]
    if not len(offsets):
        return ledger
    keys = ["stage", *_POSITION]
    again = ledger.filter(pc.is_in(ledger["position_offset"], pc.unique(offsets)))
    last = {
        tuple(row[key] for key in keys): row["decided_at_max"]
        for row in again.group_by(keys).aggregate([("decided_at", "max")]).to_pylist()
    }
    names = [*keys, "decided_at"]
    rows = zip(set_aside.to_pylist(), *(ledger[n].to_pylist() for n in names), strict=True)
    stays = [not is_dead or at == last[tuple(key)] for is_dead, *key, at in rows]
    return ledger.filter(pa.array(stays))


def count_documents(tables: IcebergTables, first_stage: str, sources: Iterable[str]) -> int:
    """Return how many documents of the sources the ledger holds."""
    ledger = scan(tables, "ledger", ["stage"], one_of("position_source", sources))
    return int(pc.sum(pc.equal(ledger["stage"], first_stage)).as_py() or 0)


def _stages(ledger: pa.Table, route: Sequence[str]) -> dict[str, StageCount]:
    stages = {name: StageCount() for name in route}
    groups = ledger.group_by(["stage", "outcome", "reason"]).aggregate([([], "count_all")])
    for row in groups.to_pylist():
        stage, count = stages.setdefault(row["stage"], StageCount()), row["count_all"]
        if row["outcome"] in {"keep", "split"}:
            stage.kept += count
        else:
            into = stage.dropped if row["outcome"] == "drop" else stage.dead
            into[row["reason"]] = into.get(row["reason"], 0) + count
    return stages


def _languages(ledger: pa.Table, last: str) -> dict[str, tuple[int, int]]:
    """Return (documents, kept) by language: the last that a stage named, else that of the path."""
    kept = pc.and_(pc.equal(ledger["stage"], last), pc.equal(ledger["outcome"], "keep"))
    table = ledger.append_column("kept", kept)
    documents = table.group_by(_POSITION).aggregate(
        [("language", "max"), ("path", "max"), ("kept", "max")]
    )
    counts: dict[str, tuple[int, int]] = {}
    columns = (documents[name].to_pylist() for name in ("language_max", "path_max", "kept_max"))
    for language, path, is_kept in zip(*columns, strict=True):
        name = language or language_by_path(path)
        seen, held = counts.get(name, (0, 0))
        counts[name] = (seen + 1, held + bool(is_kept))
    return dict(sorted(counts.items(), key=lambda item: (-item[1][0], item[0])))


def language_named(name: str) -> str:
    """Return the language of a name or alias in any case. Raises BadInput where there is none."""
    found = find_language(name)
    if found is None and name != UNKNOWN:
        known = [language.name for language in LANGUAGES]
        near = get_close_matches(name, known, 3)
        hint = f": {' or '.join(near)}?" if near else ""
        raise BadInput(f"no language {name!r} is known{hint}")
    return found.name if found else UNKNOWN


def of_language(files: pa.Table, language: str) -> pa.Table:
    """Return the rows of `files` in a language; UNKNOWN are those without one."""
    named = files["language"]
    return files.filter(pc.is_null(named) if language == UNKNOWN else pc.equal(named, language))


def language_by_path(path: str) -> str:
    """Return the language that a path alone gives away."""
    found = language_of_path(path)
    return found.name if found else UNKNOWN


def table_facts(tables: IcebergTables, name: str) -> dict[str, Any]:
    """Return rows, data files, bytes and snapshot of a table."""
    snapshot = tables.load(name).current_snapshot()
    summary: Mapping[str, str] = (
        dict(snapshot.summary.additional_properties) if snapshot and snapshot.summary else {}
    )
    return {
        "rows": int(summary.get("total-records", 0)),
        "data_files": int(summary.get("total-data-files", 0)),
        "bytes": int(summary.get("total-files-size", 0)),
        "snapshot": snapshot.snapshot_id if snapshot else None,
    }
