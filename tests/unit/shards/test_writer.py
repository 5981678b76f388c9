"""The table writer over tables in memory: replays, crashes between two tables, takedowns."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gristmill.runtime.adapters.memory_tables import MemoryTables
from gristmill.runtime.model import (
    Decision,
    Document,
    Drop,
    FileText,
    Keep,
    Kind,
    Origin,
    Outcome,
    Position,
    Reason,
    Stale,
)
from gristmill.runtime.model.decision import decision_on
from gristmill.runtime.model.document import document_id, sha256_hex
from gristmill.runtime.ports import Arrived, Batch, Columns, Decided, Span, Takedowns
from gristmill.shards.stage import NAME, VERSION
from gristmill.shards.writer import TableWriter

NOW = datetime(2024, 5, 6, tzinfo=UTC)
EARLIER = datetime(2024, 5, 5, tzinfo=UTC)  # when earlier stages decided


class Crash(Exception):
    """Stands for the process's end."""


class CrashingTables(MemoryTables):
    """Tables whose process dies before the commit to `dies_before`, once."""

    dies_before: str | None = None

    def commit(
        self, table: str, spans: Mapping[str, Span], rows: Callable[[Takedowns], Columns]
    ) -> int:
        if table == self.dies_before:
            self.dies_before = None
            raise Crash
        return super().commit(table, spans, rows)


def document(offset: int, source: str = "s", text: str = "") -> Document:
    origin = Origin(source="crawl", repository="r", path=f"{source}/{offset}.py")
    content = text or f"x = {offset}\n"
    sha256 = sha256_hex(content.encode())
    return Document(
        id=document_id(Kind.FILE, origin, sha256),
        kind=Kind.FILE,
        origin=origin,
        position=Position(source=source, offset=offset),
        body=FileText(content=content, encoding="utf-8"),
        content_sha256=sha256,
        size_bytes=len(content),
    )


def decided(record: Document, outcome: Outcome | None = None) -> Decision:
    return decision_on(record, outcome or Keep(record), stage="dedup", version="dedup-1")


def batch_of(
    documents: Sequence[Document], spans: Mapping[str, Span], dropped: Sequence[Document] = ()
) -> Batch:
    decisions = [
        *map(decided, documents),
        *(decided(d, Drop(Reason.EXACT_DUPLICATE)) for d in dropped),
    ]
    return Batch(
        spans=spans,
        documents=[Arrived(d.position, d) for d in documents],
        decisions=[Decided(d.position, d, EARLIER) for d in decisions],
    )


def ids(tables: MemoryTables, table: str = "files", **having: object) -> list[str]:
    return [
        row["document_id"]
        for row in tables.rows.get(table, [])
        if all(row[name] == value for name, value in having.items())
    ]


THREE = [document(offset) for offset in range(3)]
WHOLE = batch_of(THREE, {"s": Span(0, 4)}, dropped=[document(3)])


def test_documents_and_all_decisions_are_written_with_the_writer_s_own() -> None:
    tables = MemoryTables()
    assert TableWriter(tables).write(WHOLE, NOW) == 3
    assert ids(tables) == [d.id for d in THREE]
    assert sorted(ids(tables, "ledger", stage="dedup")) == sorted(
        d.id for d in [*THREE, document(3)]
    )
    own = [row for row in tables.rows["ledger"] if row["stage"] == NAME]
    assert [row["document_id"] for row in own] == [d.id for d in THREE]
    assert {(row["outcome"], row["version"]) for row in own} == {("keep", VERSION)}
    assert {row["decided_at"] for row in own} == {NOW}
    others = [row for row in tables.rows["ledger"] if row["stage"] != NAME]
    assert {row["decided_at"] for row in others} == {EARLIER}


def test_positions_are_where_both_tables_stand() -> None:
    tables = MemoryTables()
    writer = TableWriter(tables)
    assert dict(writer.positions()) == {}
    writer.write(WHOLE, NOW)
    assert dict(writer.positions()) == {"s": 4}
    writer.write(batch_of([], {"s": Span(4, 9), "t": Span(0, 2)}), NOW)
    assert dict(writer.positions()) == {"s": 9, "t": 2}


def test_a_replay_adds_nothing_however_often() -> None:
    tables = MemoryTables()
    writer = TableWriter(tables)
    writer.write(WHOLE, NOW)
    rows = {name: list(table) for name, table in tables.rows.items()}
    for _ in range(3):
        assert writer.write(WHOLE, NOW) == 0
    assert tables.rows == rows
    assert dict(writer.positions()) == {"s": 4}


def test_a_replay_of_an_early_batch_moves_no_table_back() -> None:
    tables = MemoryTables()
    writer = TableWriter(tables)
    early = batch_of(THREE[:1], {"s": Span(0, 1)})
    writer.write(early, NOW)
    writer.write(batch_of(THREE[1:], {"s": Span(1, 4)}), NOW)
    assert writer.write(early, NOW) == 0
    assert dict(tables.positions("files")) == dict(tables.positions("ledger")) == {"s": 4}
    assert ids(tables) == [d.id for d in THREE]


def test_of_a_batch_that_overlaps_only_what_is_new_is_written() -> None:
    tables = MemoryTables()
    writer = TableWriter(tables)
    writer.write(batch_of(THREE[:2], {"s": Span(0, 2)}), NOW)
    assert writer.write(WHOLE, NOW) == 1
    assert ids(tables) == [d.id for d in THREE]
    assert ids(tables, "ledger", stage=NAME) == [d.id for d in THREE]
    assert len(ids(tables, "ledger")) == 7


def test_a_batch_behind_a_gap_is_stale_and_writes_nothing() -> None:
    tables = MemoryTables()
    writer = TableWriter(tables)
    writer.write(batch_of(THREE[:1], {"s": Span(0, 1)}), NOW)
    with pytest.raises(Stale):
        writer.write(batch_of([document(5)], {"s": Span(5, 6)}), NOW)
    assert ids(tables) == [THREE[0].id]
    assert dict(writer.positions()) == {"s": 1}


def test_a_batch_without_documents_moves_both_tables() -> None:
    tables = MemoryTables()
    writer = TableWriter(tables)
    assert writer.write(batch_of([], {"s": Span(0, 4)}, dropped=[document(3)]), NOW) == 0
    assert dict(tables.positions("files")) == dict(tables.positions("ledger")) == {"s": 4}
    assert ids(tables) == []
    assert ids(tables, "ledger") == [document(3).id]


def test_each_source_has_a_span_of_its_own() -> None:
    tables = MemoryTables()
    writer = TableWriter(tables)
    writer.write(batch_of(THREE, {"s": Span(0, 3)}), NOW)
    mixed = batch_of(
        [*THREE, document(0, "t"), document(1, "t")], {"s": Span(0, 3), "t": Span(0, 2)}
    )
    assert writer.write(mixed, NOW) == 2
    assert ids(tables, source="crawl") == [
        d.id for d in [*THREE, document(0, "t"), document(1, "t")]
    ]
    assert dict(writer.positions()) == {"s": 3, "t": 2}


def test_what_a_span_holds_goes_by_places_and_not_by_positions() -> None:
    """From the log, a record's place is in the topic read; its position is where it was found."""
    tables = MemoryTables()
    place = Position(source="topic/0", offset=0)
    one = document(9, "elsewhere")
    batch = Batch(
        spans={"topic/0": Span(0, 1)},
        documents=[Arrived(place, one)],
        decisions=[Decided(place, decided(one), EARLIER)],
    )
    assert TableWriter(tables).write(batch, NOW) == 1
    assert ids(tables) == [one.id]
    assert len(ids(tables, "ledger")) == 2
    assert {row["position_source"] for row in tables.rows["ledger"]} == {"elsewhere"}
    assert dict(tables.positions("files")) == {"topic/0": 1}


def test_what_lies_outside_every_span_is_not_written() -> None:
    tables = MemoryTables()
    batch = batch_of([*THREE, document(7), document(0, "other")], {"s": Span(0, 3)})
    assert TableWriter(tables).write(batch, NOW) == 3
    assert ids(tables) == [d.id for d in THREE]


# --- crashes -------------------------------------------------------------------------------------


def test_a_crash_between_files_and_ledger_is_healed_by_writing_again() -> None:
    tables = CrashingTables()
    tables.dies_before = "ledger"
    with pytest.raises(Crash):
        TableWriter(tables).write(WHOLE, NOW)
    assert ids(tables) == [d.id for d in THREE]
    assert ids(tables, "ledger") == []

    writer = TableWriter(tables)
    assert dict(writer.positions()) == {}, "a restart begins where the ledger lacks"
    assert writer.write(WHOLE, NOW) == 0
    assert ids(tables) == [d.id for d in THREE]
    assert len(ids(tables, "ledger")) == 7
    assert dict(writer.positions()) == {"s": 4}


def test_a_crash_before_anything_is_written_leaves_nothing() -> None:
    tables = CrashingTables()
    tables.dies_before = "files"
    with pytest.raises(Crash):
        TableWriter(tables).write(WHOLE, NOW)
    assert tables.rows == {}
    assert TableWriter(tables).write(WHOLE, NOW) == 3


def test_after_a_crash_a_known_source_begins_where_the_slower_table_stands() -> None:
    tables = CrashingTables()
    writer = TableWriter(tables)
    writer.write(batch_of(THREE[:1], {"s": Span(0, 1)}), NOW)
    tables.dies_before = "ledger"
    with pytest.raises(Crash):
        writer.write(batch_of(THREE[1:], {"s": Span(1, 4)}), NOW)
    assert dict(writer.positions()) == {"s": 1}


def test_files_that_stand_behind_the_ledger_are_filled_up_alone() -> None:
    """A table of files that was restored to an older state."""
    tables = MemoryTables()
    TableWriter(tables).write(WHOLE, NOW)
    restored = MemoryTables()
    restored.rows["ledger"] = list(tables.rows["ledger"])
    restored.commit("ledger", {"s": Span(0, 4)}, lambda takedowns: {})
    restored.commit("files", {"s": Span(0, 1)}, lambda takedowns: {"document_id": [THREE[0].id]})
    writer = TableWriter(restored)
    assert dict(writer.positions()) == {"s": 1}
    assert writer.write(WHOLE, NOW) == 2
    assert ids(restored) == [d.id for d in THREE]
    assert restored.rows["ledger"] == tables.rows["ledger"]


_CUTS = st.lists(st.integers(1, 5), max_size=8)


@given(
    kept=st.lists(st.booleans(), min_size=1, max_size=16),
    before=_CUTS,
    after=_CUTS,
    crash=st.integers(0, 20),
    table=st.sampled_from(["files", "ledger"]),
)
def test_a_run_that_dies_anywhere_and_goes_on_in_other_batches_writes_the_same_rows(
    kept: list[bool], before: list[int], after: list[int], crash: int, table: str
) -> None:
    stream = [document(offset) for offset in range(len(kept))]

    def run(tables: CrashingTables, cuts: list[int], crash: int | None) -> None:
        writer = TableWriter(tables)
        begin, number = writer.positions().get("s", 0), 0
        while begin < len(stream):
            end = min(begin + (cuts[number % len(cuts)] if cuts else 3), len(stream))
            tables.dies_before = table if number == crash else None
            span = range(begin, end)
            batch = batch_of(
                [stream[n] for n in span if kept[n]],
                {"s": Span(begin, end)},
                dropped=[stream[n] for n in span if not kept[n]],
            )
            writer.write(batch, NOW)
            begin, number = end, number + 1

    whole, broken = CrashingTables(), CrashingTables()
    run(whole, [len(stream)], None)
    try:
        run(broken, before, crash)
    except Crash:
        run(broken, after, None)
    assert ids(broken) == ids(whole)
    for stage in ("dedup", NAME):
        assert sorted(ids(broken, "ledger", stage=stage)) == sorted(
            ids(whole, "ledger", stage=stage)
        )
    assert broken.positions("files") == broken.positions("ledger") == whole.positions("files")


# --- takedowns -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "takedowns",
    [
        Takedowns(document_ids=frozenset({THREE[1].id})),
        Takedowns(content_sha256s=frozenset({THREE[1].content_sha256})),
    ],
    ids=["by id", "by content"],
)
def test_blocked_is_what_was_taken_down_and_it_has_no_row(takedowns: Takedowns) -> None:
    tables = MemoryTables()
    tables.takedowns = takedowns
    assert TableWriter(tables).write(WHOLE, NOW) == 2
    assert ids(tables) == [THREE[0].id, THREE[2].id]
    own = {row["document_id"]: row for row in tables.rows["ledger"] if row["stage"] == NAME}
    assert own[THREE[1].id]["outcome"] == "drop"
    assert own[THREE[1].id]["reason"] == Reason.BLOCKED.value
    assert {own[d.id]["outcome"] for d in (THREE[0], THREE[2])} == {"keep"}
    # What earlier stages decided stays on record.
    assert ids(tables, "ledger", stage="dedup", outcome="keep") == [d.id for d in THREE]


def test_a_takedown_by_content_blocks_every_document_that_has_it() -> None:
    tables = MemoryTables()
    twin = replace(document(1, text="x = 0\n"), position=Position(source="s", offset=3))
    tables.takedowns = Takedowns(content_sha256s=frozenset({THREE[0].content_sha256}))
    assert TableWriter(tables).write(batch_of([*THREE, twin], {"s": Span(0, 4)}), NOW) == 2
    assert ids(tables, "ledger", reason="blocked") == [THREE[0].id, twin.id]


def test_a_takedown_between_two_batches_closes_the_door_for_the_second() -> None:
    tables = MemoryTables()
    writer = TableWriter(tables)
    writer.write(batch_of(THREE[:1], {"s": Span(0, 1)}), NOW)
    tables.takedowns = Takedowns(document_ids=frozenset({THREE[0].id, THREE[2].id}))
    assert writer.write(batch_of(THREE[1:], {"s": Span(1, 3)}), NOW) == 1
    assert ids(tables) == [THREE[0].id, THREE[1].id]
