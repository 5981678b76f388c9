"""Counting a ledger, and what a cut accepts of it."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from gristmill.cli.reading import accepted_ids, count, summarize
from gristmill.runtime.adapters.cuts import add_cut
from gristmill.runtime.adapters.iceberg import IcebergTables, local_catalog
from gristmill.runtime.adapters.iceberg_schemas import TABLES
from gristmill.runtime.model.cut import Bar, Cut
from gristmill.runtime.ports import Span

ROUTE = ("ingestion", "shards")
NOW = datetime(2026, 1, 1, tzinfo=UTC)
CUT = Cut(name="c", scorer="static-1", made_at=NOW, bars={None: Bar(threshold=0.5)})


def filled(table: str, rows: list[dict[str, Any]]) -> dict[str, list[Any]]:
    """Return columns with something in all that must have a value."""
    something = {"sequence": 0, "size_bytes": 10, "decided_at": NOW, "version": "1"}
    columns = {}
    for column in TABLES[table].columns:
        default = something.get(column.name, "x" if column.required else None)
        columns[column.name] = [row.get(column.name, default) for row in rows]
    return columns


@pytest.fixture
def tables(tmp_path: Path) -> IcebergTables:
    """Two sources; of the first a document is kept, of the second two are, one has no score."""
    (tmp_path / "out").mkdir()
    tables = IcebergTables(local_catalog(str(tmp_path / "out")))
    tables.create()
    kept = {"a": 0.4, "b": 0.6, "c": None}
    files = [
        {"document_id": name, "score": score, "scorer": None if score is None else "static-1"}
        for name, score in kept.items()
    ]
    decisions = [
        {"document_id": name, "stage": stage, "outcome": "keep", "path": f"{name}.py",
         "position_source": "s1" if name == "a" else "s2", "position_offset": at}
        for at, name in enumerate(kept)
        for stage in ROUTE
    ]  # fmt: skip
    fallen = {**decisions[0], "document_id": "d", "position_offset": 9, "outcome": "drop",
              "reason": "binary", "path": "d"}  # fmt: skip
    tables.commit("files", {"s": Span(0, 1)}, lambda _: filled("files", files))
    tables.commit("ledger", {"s": Span(0, 1)}, lambda _: filled("ledger", [*decisions, fallen]))
    return tables


def test_without_a_cut_all_that_is_kept_is_accepted(tables: IcebergTables) -> None:
    found = summarize(tables, ROUTE)
    assert (found.documents, found.kept, found.accepted, found.below_cut) == (4, 3, 3, None)


def test_what_is_kept_and_not_accepted_is_below_the_cut(tables: IcebergTables) -> None:
    add_cut(tables, CUT)
    found = summarize(tables, ROUTE)
    assert (found.documents, found.kept, found.accepted, found.below_cut) == (4, 3, 1, 2)


@pytest.mark.parametrize(("source", "counts"), [("s1", (1, 0, 1)), ("s2", (2, 1, 1))])
def test_of_some_sources_their_own_documents_count(
    tables: IcebergTables, source: str, counts: tuple[int, int, int]
) -> None:
    add_cut(tables, CUT)
    found = summarize(tables, ROUTE, [source])
    assert (found.kept, found.accepted, found.below_cut) == counts


def test_files_that_the_ledger_lacks_do_not_count(tables: IcebergTables) -> None:
    add_cut(tables, CUT)
    ledger = tables.load("ledger").scan().to_arrow()
    found = count(ledger.slice(0, 0), ROUTE, accepted_ids(tables))
    assert (found.kept, found.accepted, found.below_cut) == (0, 0, 0)
    assert accepted_ids(tables) == pa.chunked_array([["b"]], pa.large_string())
