"""The port Tables: one suite for the tables in memory and in Iceberg."""

import errno
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.exceptions import CommitFailedException
from pyiceberg.table import Transaction
from pyiceberg.table.update.snapshot import ExpireSnapshots

from gristmill.runtime.adapters.iceberg import (
    COMMIT_NUMBER,
    SETTINGS,
    IcebergTables,
    local_catalog,
    newest_own_snapshot,
    snapshot_property,
)
from gristmill.runtime.adapters.iceberg_recovery import recover, remove_orphans
from gristmill.runtime.adapters.iceberg_schemas import TABLES
from gristmill.runtime.adapters.memory_tables import MemoryTables
from gristmill.runtime.model import BadInput, Fatal, Stale
from gristmill.runtime.ports import Columns, Span, Tables, Takedowns

Rows = Callable[[Takedowns], Columns]
MakeTables = Callable[[], IcebergTables]

_FILE = {
    "content": "text",
    "content_sha256": "0" * 64,
    "encoding": "utf-8",
    "source": "s",
    "repository": "r",
    "path": "p.py",
}


def columns_of(*ids: str, **given: Sequence[Any]) -> Columns:
    """Return columns of `files`, one row for each id; columns not given have a usual value."""
    names = [column.name for column in TABLES["files"].columns if column.name != "sequence"]
    usual = {name: [_FILE.get(name)] * len(ids) for name in names}
    return {**usual, "document_id": ids, **given}


def rows_of(*ids: str, **given: Sequence[Any]) -> Rows:
    return lambda takedowns: columns_of(*ids, **given)


@pytest.fixture
def make_iceberg(tmp_path: Path) -> Iterator[MakeTables]:
    """Return a maker of instances over one place: each has a catalog connection of its own."""
    catalogs: list[SqlCatalog] = []

    def make() -> IcebergTables:
        catalog = local_catalog(str(tmp_path))
        assert isinstance(catalog, SqlCatalog)
        catalogs.append(catalog)
        return IcebergTables(catalog, settings_fingerprint="0badf00d")

    make().create()
    yield make
    for catalog in catalogs:
        catalog.engine.dispose()


@pytest.fixture
def iceberg(make_iceberg: MakeTables) -> IcebergTables:
    return make_iceberg()


@pytest.fixture(params=["memory", "iceberg"])
def tables(request: pytest.FixtureRequest) -> Tables:
    if request.param == "memory":
        return MemoryTables()
    made: IcebergTables = request.getfixturevalue("iceberg")
    return made


def ids_in(tables: Tables, table: str = "files") -> list[str]:
    """Return the ids of all rows, in no order that means anything."""
    if isinstance(tables, MemoryTables):
        return sorted(row["document_id"] for row in tables.rows.get(table, []))
    assert isinstance(tables, IcebergTables)
    return sorted(tables.load(table).scan().to_arrow()["document_id"].to_pylist())


# --- both ---------------------------------------------------------------------------------------


def test_new_tables_stand_nowhere(tables: Tables) -> None:
    assert dict(tables.positions("files")) == {}
    assert dict(tables.positions("ledger")) == {}


def test_a_commit_adds_rows_and_moves_the_vector(tables: Tables) -> None:
    assert tables.commit("files", {"s": Span(0, 7)}, rows_of("a", "b")) == 2
    assert dict(tables.positions("files")) == {"s": 7}
    assert tables.commit("files", {"s": Span(7, 8)}, rows_of("c")) == 1
    assert dict(tables.positions("files")) == {"s": 8}
    assert ids_in(tables) == ["a", "b", "c"]


def test_each_table_has_a_vector_of_its_own(tables: Tables) -> None:
    tables.commit("files", {"s": Span(0, 7)}, rows_of("a"))
    assert dict(tables.positions("ledger")) == {}


@pytest.mark.parametrize("span", [Span(0, 9), Span(4, 9), Span(6, 9)], ids=str)
def test_a_span_that_does_not_begin_where_the_table_stands_writes_nothing(
    tables: Tables, span: Span
) -> None:
    tables.commit("files", {"s": Span(0, 5)}, rows_of("a"))
    with pytest.raises(Stale):
        tables.commit("files", {"s": span}, rows_of("b"))
    assert ids_in(tables) == ["a"]
    assert dict(tables.positions("files")) == {"s": 5}


def test_one_stale_span_of_two_holds_the_whole_batch_back(tables: Tables) -> None:
    tables.commit("files", {"s": Span(0, 5)}, rows_of("a"))
    with pytest.raises(Stale):
        tables.commit("files", {"new": Span(0, 3), "s": Span(0, 5)}, rows_of("b"))
    assert dict(tables.positions("files")) == {"s": 5}
    assert ids_in(tables) == ["a"]


def test_rows_are_not_asked_of_a_stale_batch(tables: Tables) -> None:
    def rows(takedowns: Takedowns) -> Columns:
        raise AssertionError("nobody should ask")

    with pytest.raises(Stale):
        tables.commit("files", {"s": Span(1, 5)}, rows)


def test_an_empty_batch_moves_the_vector_and_adds_no_row(tables: Tables) -> None:
    assert tables.commit("files", {"s": Span(0, 5)}, rows_of()) == 0
    assert dict(tables.positions("files")) == {"s": 5}
    assert ids_in(tables) == []
    assert tables.commit("files", {"s": Span(5, 6)}, rows_of("a")) == 1
    assert tables.commit("files", {"s": Span(6, 9)}, rows_of()) == 0
    assert dict(tables.positions("files")) == {"s": 9}
    assert ids_in(tables) == ["a"]


def test_two_sources_share_one_vector(tables: Tables) -> None:
    tables.commit("files", {"s": Span(0, 5), "t": Span(0, 2)}, rows_of("a"))
    tables.commit("files", {"t": Span(2, 3)}, rows_of("b"))
    assert dict(tables.positions("files")) == {"s": 5, "t": 3}


def test_an_offset_may_use_all_63_bits(tables: Tables) -> None:
    tables.commit("files", {"s": Span(0, 2**63 - 1)}, rows_of("a"))
    assert dict(tables.positions("files")) == {"s": 2**63 - 1}


def test_what_rows_raises_comes_out_and_nothing_is_written(tables: Tables) -> None:
    def rows(takedowns: Takedowns) -> Columns:
        raise BadInput("the caller's own")

    with pytest.raises(BadInput, match="the caller's own"):
        tables.commit("files", {"s": Span(0, 5)}, rows)
    assert dict(tables.positions("files")) == {}


def test_rows_are_given_the_takedowns(tables: Tables) -> None:
    wanted = Takedowns(document_ids=frozenset({"x", "y"}), content_sha256s=frozenset({"f" * 64}))
    take_down(tables, ["x", None, "y"], [None, "f" * 64, None])
    seen: list[Takedowns] = []

    def rows(takedowns: Takedowns) -> Columns:
        seen.append(takedowns)
        return columns_of("a")

    tables.commit("files", {"s": Span(0, 1)}, rows)
    assert seen == [wanted]


def take_down(tables: Tables, ids: Sequence[str | None], hashes: Sequence[str | None]) -> None:
    if isinstance(tables, MemoryTables):
        tables.takedowns = Takedowns(
            document_ids=frozenset(filter(None, ids)),
            content_sha256s=frozenset(filter(None, hashes)),
        )
        return
    assert isinstance(tables, IcebergTables)
    schema = TABLES["takedowns"].arrow_schema()
    moments = pa.array([0] * len(ids), type=schema.field("requested_at").type)
    nothing = pa.nulls(len(ids), pa.string())
    columns = [pa.array(ids, pa.string()), pa.array(hashes, pa.string()), nothing, moments]
    tables.load("takedowns").append(pa.Table.from_arrays(columns, schema=schema))


# --- Iceberg: other writers ----------------------------------------------------------------------


def test_making_the_tables_again_changes_nothing(make_iceberg: MakeTables) -> None:
    make_iceberg().commit("files", {"s": Span(0, 1)}, rows_of("a"))
    again = make_iceberg()
    again.create()
    assert dict(again.positions("files")) == {"s": 1}
    assert again.num_rows("files") == 1


def test_columns_that_came_later_are_added_to_older_tables(make_iceberg: MakeTables) -> None:
    tables = make_iceberg()
    tables.commit("files", {"s": Span(0, 1)}, rows_of("a"))
    names = [column.name for column in TABLES["files"].columns]
    with tables.load("files").update_schema() as update:  # as an earlier version made them
        for name in names[names.index("checker") :]:
            update.delete_column(name)
    tables.create()
    tables.commit("files", {"s": Span(1, 2)}, rows_of("b", checker=["json"]))
    rows = tables.load("files").scan().to_arrow().sort_by("document_id")
    assert rows["checker"].to_pylist() == [None, "json"]
    assert rows.column_names == names


def meddling(rows: Rows, meddle: Callable[[], object], *, times: int = 1) -> tuple[Rows, list[int]]:
    """Return rows that let another writer commit first, `times` times, and the calls so far."""
    calls: list[int] = []

    def asked(takedowns: Takedowns) -> Columns:
        calls.append(len(calls))
        if len(calls) <= times:
            meddle()
        return rows(takedowns)

    return asked, calls


def test_a_commit_that_meets_one_of_the_same_source_is_stale_at_the_second_look(
    make_iceberg: MakeTables,
) -> None:
    ours, theirs = make_iceberg(), make_iceberg()
    rows, calls = meddling(
        rows_of("ours"), lambda: theirs.commit("files", {"s": Span(0, 1)}, rows_of("theirs"))
    )
    with pytest.raises(Stale):
        ours.commit("files", {"s": Span(0, 1)}, rows)
    assert len(calls) == 1
    assert ids_in(ours) == ["theirs"]
    assert dict(ours.positions("files")) == {"s": 1}


def test_a_commit_that_meets_one_of_another_source_succeeds_at_the_next_attempt(
    make_iceberg: MakeTables,
) -> None:
    ours, theirs = make_iceberg(), make_iceberg()
    rows, calls = meddling(
        rows_of("a", "b"), lambda: theirs.commit("files", {"t": Span(0, 4)}, rows_of("c"))
    )
    assert ours.commit("files", {"s": Span(0, 2)}, rows) == 2
    assert len(calls) == 2
    assert ids_in(ours) == ["a", "b", "c"]
    assert dict(ours.positions("files")) == {"s": 2, "t": 4}
    assert sequences(ours) == [("a", 2, 0), ("b", 2, 1), ("c", 1, 0)]


def test_takedowns_are_read_anew_at_every_attempt(make_iceberg: MakeTables) -> None:
    ours, theirs = make_iceberg(), make_iceberg()

    def rows(takedowns: Takedowns) -> Columns:
        if not takedowns.document_ids:
            take_down(theirs, ["a"], [None])
            theirs.commit("files", {"t": Span(0, 4)}, rows_of("c"))
        return columns_of(*({"a", "b"} - takedowns.document_ids))

    assert ours.commit("files", {"s": Span(0, 2)}, rows) == 1
    assert ids_in(ours) == ["b", "c"]


def test_endless_conflicts_end_in_a_fatal_error(
    iceberg: IcebergTables, monkeypatch: pytest.MonkeyPatch
) -> None:
    def append(self: Transaction, *args: Any, **kwargs: Any) -> None:
        raise CommitFailedException("somebody was there")

    monkeypatch.setattr(Transaction, "append", append)
    with pytest.raises(Fatal, match="another writer"):
        iceberg.commit("files", {"s": Span(0, 1)}, rows_of("a"))


def append_as_another_engine(tables: IcebergTables, *ids: str) -> None:
    """Append as Spark would, knowing nothing of positions."""
    schema = TABLES["files"].arrow_schema()
    columns = {**columns_of(*ids), "sequence": range(len(ids))}
    arrays = [pa.array(columns[field.name], type=field.type) for field in schema]
    tables.load("files").append(pa.Table.from_arrays(arrays, schema=schema))


def test_snapshots_of_another_engine_do_not_lose_the_vector(iceberg: IcebergTables) -> None:
    append_as_another_engine(iceberg, "foreign 1")
    assert dict(iceberg.positions("files")) == {}
    iceberg.commit("files", {"s": Span(0, 3)}, rows_of("a"))
    for number in range(2, 4):
        append_as_another_engine(iceberg, f"foreign {number}")
    assert dict(iceberg.positions("files")) == {"s": 3}
    with pytest.raises(Stale):
        iceberg.commit("files", {"s": Span(0, 3)}, rows_of("a"))
    iceberg.commit("files", {"s": Span(3, 4), "t": Span(0, 1)}, rows_of("b"))
    assert dict(iceberg.positions("files")) == {"s": 4, "t": 1}
    assert ids_in(iceberg) == ["a", "b", "foreign 1", "foreign 2", "foreign 3"]
    assert iceberg.num_rows("files") == 5
    newest = newest_own_snapshot(iceberg.load("files"))
    assert snapshot_property(newest, COMMIT_NUMBER) == "2"


def test_a_vector_that_expired_is_an_error_and_not_a_new_beginning(
    iceberg: IcebergTables,
) -> None:
    iceberg.commit("files", {"s": Span(0, 3)}, rows_of("a"))
    ours = iceberg.load("files").current_snapshot()
    assert ours is not None
    append_as_another_engine(iceberg, "foreign")
    iceberg.load("files").maintenance.expire_snapshots().by_id(ours.snapshot_id).commit()
    for look in (
        lambda: iceberg.positions("files"),
        lambda: iceberg.commit("files", {"s": Span(0, 3)}, rows_of("a")),
    ):
        with pytest.raises(Fatal, match="expired"):
            look()
    assert ids_in(iceberg) == ["a", "foreign"]


def test_a_snapshot_of_another_engine_in_between_is_no_conflict_of_ours(
    make_iceberg: MakeTables,
) -> None:
    ours, theirs = make_iceberg(), make_iceberg()
    rows, _ = meddling(rows_of("a"), lambda: append_as_another_engine(theirs, "foreign"))
    assert ours.commit("files", {"s": Span(0, 2)}, rows) == 1
    assert ids_in(ours) == ["a", "foreign"]
    assert dict(ours.positions("files")) == {"s": 2}


_CHILD = """
import sys
from gristmill.runtime.adapters.iceberg import IcebergTables, local_catalog
from gristmill.runtime.adapters.iceberg_schemas import TABLES
from gristmill.runtime.model import Stale
from gristmill.runtime.ports import Span

directory, name, mode = sys.argv[1:]
tables = IcebergTables(local_catalog(directory))
names = [column.name for column in TABLES["ledger"].columns]
texts = ["kind", "source", "repository", "path", "stage", "outcome", "version"]
source, number = (name, 10) if mode == "own" else ("shared", 30)
print("ready", flush=True)
sys.stdin.readline()
while (at := tables.positions("ledger").get(source, 0)) < number:
    columns = {name: [None] for name in names}
    columns |= {name: ["x"] for name in texts}
    columns |= {"document_id": [f"{source} {at:02}"], "size_bytes": [1]}
    columns |= {"position_source": [source], "position_offset": [at], "decided_at": [0]}
    try:
        tables.commit("ledger", {source: Span(at, at + 1)}, lambda takedowns: columns)
    except Stale:
        assert mode == "shared", "nobody else writes this source"
"""


@pytest.mark.parametrize(
    ("mode", "sources"),
    [("own", {"w0": 10, "w1": 10, "w2": 10}), ("shared", {"shared": 30})],
    ids=["each its own source", "all three the same source"],
)
def test_three_processes_that_commit_at_once_write_every_row_once(
    iceberg: IcebergTables, tmp_path: Path, mode: str, sources: dict[str, int]
) -> None:
    children = [
        subprocess.Popen(
            [sys.executable, "-c", _CHILD, str(tmp_path), f"w{number}", mode],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(3)
    ]
    for child in children:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
    for child in children:
        assert child.stdin is not None
        child.stdin.write("go\n")
        child.stdin.flush()
    for child in children:
        child.communicate()
    assert [child.returncode for child in children] == [0, 0, 0]
    expected = [f"{source} {at:02}" for source, end in sources.items() for at in range(end)]
    assert ids_in(iceberg, "ledger") == sorted(expected)
    assert dict(iceberg.positions("ledger")) == sources


# --- Iceberg: what lies in the tables -------------------------------------------------------------


def sequences(tables: IcebergTables) -> list[tuple[str, int, int]]:
    """Return (id, commit number, row) of each row of `files`, by id."""
    found = tables.load("files").scan().to_arrow()
    pairs = zip(found["document_id"].to_pylist(), found["sequence"].to_pylist(), strict=True)
    return sorted((name, number >> 32, number % 2**32) for name, number in pairs)


def test_rows_of_a_commit_are_sorted_by_language_and_repository(iceberg: IcebergTables) -> None:
    languages = ["Python", "C", "Python", None, "C"]
    repositories = ["b", "z", "a", "c", "y"]
    rows = rows_of("0", "1", "2", "3", "4", language=languages, repository=repositories)
    iceberg.commit("files", {"s": Span(0, 5)}, rows)
    (task,) = iceberg.load("files").scan().plan_files()
    import pyarrow.parquet as pq

    stored = pq.read_table(task.file.file_path.removeprefix("file://"))
    assert stored["document_id"].to_pylist() == ["3", "4", "1", "2", "0"]
    assert stored["sequence"].to_pylist() == [(1 << 32) + row for row in range(5)]
    assert stored["language"].to_pylist() == [None, "C", "C", "Python", "Python"]


def test_sequence_is_commit_number_and_row_and_strictly_grows(iceberg: IcebergTables) -> None:
    iceberg.commit("files", {"s": Span(0, 2)}, rows_of("a", "b"))
    iceberg.commit("files", {"s": Span(2, 3)}, rows_of())
    append_as_another_engine(iceberg)
    iceberg.commit("files", {"s": Span(3, 5)}, rows_of("c", "d"))
    assert sequences(iceberg) == [("a", 1, 0), ("b", 1, 1), ("c", 3, 0), ("d", 3, 1)]


def test_every_snapshot_of_ours_carries_the_settings(iceberg: IcebergTables) -> None:
    iceberg.commit("files", {"s": Span(0, 2)}, rows_of("a"))
    snapshot = newest_own_snapshot(iceberg.load("files"))
    assert snapshot_property(snapshot, SETTINGS) == "0badf00d"


def test_a_null_in_a_required_column_is_not_written(iceberg: IcebergTables) -> None:
    with pytest.raises(ValueError, match="null"):
        iceberg.commit("files", {"s": Span(0, 2)}, rows_of("a", content=[None]))
    assert dict(iceberg.positions("files")) == {}


LEAST, AGE = "history.expire.min-snapshots-to-keep", "history.expire.max-snapshot-age-ms"


def commit_many(iceberg: IcebergTables, count: int, properties: dict[str, str]) -> None:
    """Set properties of `files` and add a row each in many commits."""
    with iceberg.load("files").transaction() as transaction:
        transaction.set_properties(properties)
    for number in range(count):
        iceberg.commit("files", {"s": Span(number, number + 1)}, rows_of(f"{number:03}"))


def manifest_lists(directory: Path) -> set[str]:
    return {path.name for path in (directory / "warehouse/gristmill/files/metadata").glob("snap-*")}


def test_snapshots_that_are_old_and_many_are_forgotten_and_no_row_is(
    iceberg: IcebergTables, tmp_path: Path
) -> None:
    first = iceberg.load("files").current_snapshot()
    assert first is not None
    iceberg.load("files").manage_snapshots().create_tag(first.snapshot_id, "begin").commit()
    commit_many(iceberg, 15, {LEAST: "5", AGE: "0"})
    gone = iceberg.load("files").snapshots()[1].manifest_list
    Path(gone.removeprefix("file://")).unlink()  # another engine was there: no fault of the commit
    for number in range(15, 30):
        iceberg.commit("files", {"s": Span(number, number + 1)}, rows_of(f"{number:03}"))
    table = iceberg.load("files")
    assert 5 < len(table.snapshots()) < 5 + 20 + 1
    assert table.snapshot_by_id(first.snapshot_id) is not None
    assert {Path(one.manifest_list).name for one in table.snapshots()} == manifest_lists(tmp_path)
    assert ids_in(iceberg) == [f"{number:03}" for number in range(30)]
    assert dict(iceberg.positions("files")) == {"s": 30}
    assert remove_orphans(iceberg) == 0
    with pytest.raises(Stale):
        iceberg.commit("files", {"s": Span(3, 4)}, rows_of("again"))


@pytest.mark.parametrize(
    "limits",
    [
        {LEAST: "5"},  # none of them is half an hour old
        {AGE: "0"},  # a hundred stay
    ],
    ids=str,
)
def test_snapshots_that_are_new_or_few_stay(iceberg: IcebergTables, limits: dict[str, str]) -> None:
    before = len(iceberg.load("files").snapshots())
    commit_many(iceberg, 30, limits)
    assert len(iceberg.load("files").snapshots()) == before + 30


def test_a_writer_that_is_quicker_does_not_stop_a_commit_that_forgets(
    iceberg: IcebergTables, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lose(*_: object) -> None:
        raise CommitFailedException("another writer")

    monkeypatch.setattr(ExpireSnapshots, "commit", lose)
    commit_many(iceberg, 30, {LEAST: "1", AGE: "0"})
    assert len(ids_in(iceberg)) == 30


def test_manifests_of_many_commits_become_one(iceberg: IcebergTables) -> None:
    commit_many(iceberg, 12, {"commit.manifest.min-count-to-merge": "5"})
    table = iceberg.load("files")
    snapshot = table.current_snapshot()
    assert snapshot is not None
    assert len(snapshot.manifests(table.io)) < 6
    assert ids_in(iceberg) == [f"{number:03}" for number in range(12)]
    assert remove_orphans(iceberg) == 0
    assert len(ids_in(iceberg)) == 12


def test_a_table_of_an_earlier_version_learns_to_forget(
    make_iceberg: MakeTables, iceberg: IcebergTables
) -> None:
    known = LEAST, "commit.manifest-merge.enabled"
    with iceberg.load("files").transaction() as transaction:
        transaction.remove_properties(known[0])
        transaction.set_properties({known[1]: "false"})
    make_iceberg().create()
    properties = iceberg.load("files").properties
    assert [properties[name] for name in known] == ["100", "false"]


def test_old_metadata_is_trimmed(iceberg: IcebergTables, tmp_path: Path) -> None:
    for at in range(25):
        iceberg.commit("files", {"s": Span(at, at + 1)}, rows_of())
    (folder,) = tmp_path.glob("warehouse/**/files/metadata")
    # The present one and the twenty before it, as the tables' properties ask.
    assert len(list(folder.glob("*.metadata.json"))) == 21


def data_files(directory: Path) -> set[Path]:
    return set(directory.glob("warehouse/**/data/**/*.parquet"))


def test_what_reached_files_alone_is_rolled_back_to_where_the_ledger_stands(
    iceberg: IcebergTables, tmp_path: Path
) -> None:
    iceberg.commit("files", {"s": Span(0, 3)}, rows_of("a"))
    nothing = {column.name: () for column in TABLES["ledger"].columns}
    iceberg.commit("ledger", {"s": Span(0, 3)}, lambda takedowns: nothing)
    iceberg.commit("files", {"s": Span(3, 5)}, rows_of("b", "c"))
    before = len(data_files(tmp_path))
    assert recover(iceberg) == 1
    assert dict(iceberg.positions("files")) == {"s": 3}
    assert ids_in(iceberg) == ["a"]
    assert len(data_files(tmp_path)) == before - 1
    assert recover(iceberg) == 0
    iceberg.commit("files", {"t": Span(0, 9)}, rows_of("d"))
    # A number that readers may have seen is not given again.
    assert sorted(number for _, number, _ in sequences(iceberg)) == [
        1,
        3,
    ]  # a number that readers may have seen is not given again


def test_a_rollback_keeps_what_another_engine_did_before(iceberg: IcebergTables) -> None:
    append_as_another_engine(iceberg, "foreign")
    iceberg.commit("files", {"s": Span(0, 3)}, rows_of("a"))
    recover(iceberg)
    assert ids_in(iceberg) == ["foreign"]


def test_nothing_is_taken_back_under_what_another_engine_wrote(iceberg: IcebergTables) -> None:
    iceberg.commit("files", {"s": Span(0, 3)}, rows_of("a"))
    append_as_another_engine(iceberg, "foreign")
    recover(iceberg)
    assert ids_in(iceberg) == ["a", "foreign"]


def test_a_table_that_was_never_made_is_bad_input(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="run it again"):
        IcebergTables(local_catalog(str(tmp_path))).load("files")


def test_the_very_first_commit_can_be_rolled_back(iceberg: IcebergTables) -> None:
    iceberg.commit("files", {"s": Span(0, 3)}, rows_of("a"))
    assert recover(iceberg) == 1
    assert ids_in(iceberg) == []
    assert dict(iceberg.positions("files")) == {}


def test_orphans_go_and_what_any_snapshot_holds_stays(
    iceberg: IcebergTables, tmp_path: Path
) -> None:
    for at, name in enumerate("abc"):
        iceberg.commit("files", {"s": Span(at, at + 1)}, rows_of(name))
    # One file that only an older snapshot holds.
    iceberg.load("files").delete("document_id == 'b'")
    known = data_files(tmp_path)
    data = next(iter(known)).parent
    orphans = {data / "killed.parquet", data / "deep" / "killed.parquet"}
    for orphan in orphans:
        orphan.parent.mkdir(exist_ok=True)
        orphan.write_bytes(b"half a file")
    assert remove_orphans(iceberg) == 2
    assert data_files(tmp_path) == known
    assert ids_in(iceberg) == ["a", "c"]
    assert remove_orphans(iceberg) == 0


def test_what_a_lost_race_left_is_an_orphan(make_iceberg: MakeTables, tmp_path: Path) -> None:
    ours, theirs = make_iceberg(), make_iceberg()
    rows, _ = meddling(
        rows_of("ours"), lambda: theirs.commit("files", {"t": Span(0, 1)}, rows_of("theirs"))
    )
    ours.commit("files", {"s": Span(0, 1)}, rows)
    num_files = len(data_files(tmp_path))
    assert num_files - remove_orphans(ours) == 2
    assert ids_in(ours) == ["ours", "theirs"]


@pytest.mark.parametrize("name", ["a b ü", "50%41", "a#b", "what?x=1", "a+b&c"])
def test_tables_may_lie_in_a_directory_of_any_name(tmp_path: Path, name: str) -> None:
    directory = tmp_path / name
    directory.mkdir()
    catalog = local_catalog(str(directory))
    assert isinstance(catalog, SqlCatalog)
    try:
        tables = IcebergTables(catalog)
        tables.create()
        tables.commit("files", {"s": Span(0, 1)}, rows_of("a"))
        assert ids_in(tables) == ["a"]
        assert len(data_files(directory)) == 1
        assert remove_orphans(tables) == 0
        assert len(data_files(directory)) == 1
        assert [path.name for path in tmp_path.iterdir()] == [name]
        assert {path.name for path in directory.iterdir()} == {"catalog.db", "warehouse"}
    finally:
        catalog.engine.dispose()


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        OSError("[Errno 28] Error writing bytes to file. Detail: No space left on device"),
    ],
    ids=["from the system", "from Arrow"],
)
def test_a_full_disk_is_one_clear_fatal_error(
    iceberg: IcebergTables, monkeypatch: pytest.MonkeyPatch, error: OSError
) -> None:
    def append(self: Transaction, *args: Any, **kwargs: Any) -> None:
        raise error

    with monkeypatch.context() as patched:
        patched.setattr(Transaction, "append", append)
        with pytest.raises(Fatal, match="the disk is full"):
            iceberg.commit("files", {"s": Span(0, 1)}, rows_of("a"))
    assert dict(iceberg.positions("files")) == {}
    assert iceberg.commit("files", {"s": Span(0, 1)}, rows_of("a")) == 1


def test_any_other_failure_to_write_is_fatal_with_its_own_words(
    iceberg: IcebergTables, monkeypatch: pytest.MonkeyPatch
) -> None:
    def append(self: Transaction, *args: Any, **kwargs: Any) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Transaction, "append", append)
    with pytest.raises(Fatal, match="Permission denied"):
        iceberg.commit("files", {"s": Span(0, 1)}, rows_of("a"))
