"""What is exported, read back by the readers that it is for."""

import json
import random
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import datasets
import pyarrow.parquet as pq
import pytest
import zstandard

from gristmill.cli.exporting import Done, export
from gristmill.runtime.adapters.iceberg import IcebergTables, local_catalog
from gristmill.runtime.adapters.iceberg_schemas import TABLES
from gristmill.runtime.model import BadInput
from gristmill.runtime.ports import Span

TEN_MB = 10 << 20  # from the first so many the loader takes the types
LAST = {
    "revision": "b" * 40, "licence": "MIT", "error_share": 0.25, "score": 0.5, "scorer": "s",
    "tokens": 7, "checker": "c", "dialect": "Python 2", "readability": 1.5, "modularity": 2.5,
    "clarity": 3.5, "reusability": 4.5, "zero_rule": "generated", "language": "Zig",
    "fetched_at": datetime(2026, 1, 1, tzinfo=UTC),
}  # fmt: skip


@pytest.fixture
def tables(tmp_path: Path) -> IcebergTables:
    (tmp_path / "tables").mkdir()
    tables = IcebergTables(local_catalog(str(tmp_path / "tables")))
    tables.create()
    return tables


def add(tables: IcebergTables, rows: list[dict[str, Any]]) -> None:
    """Add rows, each with an id of its own and something in all that must have a value."""
    begin = tables.num_rows("files")
    needed = {column.name: "x" for column in TABLES["files"].columns if column.required}
    whole = [
        needed | {"sequence": 0, "document_id": f"{begin + at:032x}"} | row
        for at, row in enumerate(rows)
    ]
    columns = {
        column.name: [row.get(column.name) for row in whole] for column in TABLES["files"].columns
    }
    tables.commit("files", {"s": Span(begin, begin + len(rows))}, lambda _: columns)


def exported(tables: IcebergTables, out: Path, format_: str) -> Done:
    return export(tables, None, str(out), format_, lambda _: None)


def loaded(out: Path, cache: Path) -> datasets.Dataset:
    files = sorted(str(one) for one in out.iterdir())
    return datasets.load_dataset("json", data_files=files, split="train", cache_dir=str(cache))


def long_text() -> str:
    return random.Random(0).randbytes(250_000).hex()


def test_columns_that_begin_with_megabytes_of_nulls_are_loaded(
    tables: IcebergTables, tmp_path: Path
) -> None:
    long = {"content": long_text(), "language": "C"}
    add(tables, [long] * (TEN_MB // 500_000 + 2) + [{"language": "Zig"}, LAST])
    done = exported(tables, tmp_path / "out", "jsonl.zst")
    rows = loaded(tmp_path / "out", tmp_path / "cache")
    assert rows.num_rows == done.written == done.kept == tables.num_rows("files")
    assert len(set(rows["document_id"])) == rows.num_rows
    (full,) = (row for row in rows if row["dialect"] is not None)
    assert {name: full[name] for name in LAST if name != "fetched_at"} == {
        name: value for name, value in LAST.items() if name != "fetched_at"
    }
    assert full["fetched_at"] == "2026-01-01T00:00:00.000000+00:00"
    assert sum(row["error_share"] is None for row in rows) == rows.num_rows - 1


def test_texts_that_look_like_times_do_not_make_a_column_one(
    tables: IcebergTables, tmp_path: Path
) -> None:
    dated = {"content": long_text(), "language": "C", "revision": "2026-01-01"}
    last = {"language": "Zig", "revision": "main"}
    add(tables, [dated] * (TEN_MB // 500_000 + 2) + [last])
    exported(tables, tmp_path / "out", "jsonl.zst")
    rows = loaded(tmp_path / "out", tmp_path / "cache")
    assert rows.features["revision"] == datasets.Value("string")
    assert "main" in rows["revision"]


def test_a_place_that_cannot_be_made_is_named_as_it_was_given(tables: IcebergTables) -> None:
    with pytest.raises(BadInput, match=r"^/proc/x cannot be made: no such file or directory$"):
        exported(tables, Path("/proc/x"), "parquet")


def test_parquet_keeps_the_order_of_the_table(tables: IcebergTables, tmp_path: Path) -> None:
    add(tables, [{"language": "C"}, {"language": "D"}, LAST])
    exported(tables, tmp_path / "out", "parquet")
    found = pq.read_table(tmp_path / "out" / "part-00000.parquet")
    assert found["language"].to_pylist() == ["C", "D", "Zig"]
    assert found["dialect"].to_pylist() == [None, None, "Python 2"]


def test_json_lines_hold_each_row_once_the_fullest_first(
    tables: IcebergTables, tmp_path: Path
) -> None:
    add(tables, [{"language": "C"}, {"language": "D"}, LAST])
    exported(tables, tmp_path / "out", "jsonl.zst")
    with zstandard.open(tmp_path / "out" / "part-00000.jsonl.zst", "rt") as lines:
        found = [json.loads(line)["language"] for line in lines]
    assert sorted(found) == ["C", "D", "Zig"]
    assert found[-1] == "D"


def test_of_no_documents_parquet_keeps_the_columns(tables: IcebergTables, tmp_path: Path) -> None:
    done = exported(tables, tmp_path / "out", "parquet")
    assert (done.written, done.parts) == (0, 1)
    found = pq.read_table(tmp_path / "out" / "part-00000.parquet")
    assert found.num_rows == 0
    assert {"content", "score", "zero_rule"} <= set(found.column_names)


def test_of_no_documents_json_lines_are_a_part_without_lines(
    tables: IcebergTables, tmp_path: Path
) -> None:
    done = exported(tables, tmp_path / "out", "jsonl.zst")
    assert (done.written, done.parts) == (0, 1)
    with zstandard.open(tmp_path / "out" / "part-00000.jsonl.zst", "rt") as lines:
        assert lines.read() == ""


def test_the_schema_is_that_of_rows_read_as_a_stream(tables: IcebergTables, tmp_path: Path) -> None:
    exported(tables, tmp_path / "none", "parquet")
    add(tables, [LAST])
    exported(tables, tmp_path / "one", "parquet")
    schemas = [pq.read_schema(tmp_path / name / "part-00000.parquet") for name in ("none", "one")]
    assert schemas[0].equals(schemas[1])
    assert pq.read_table(tmp_path / "one").num_rows == 1
