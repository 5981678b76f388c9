"""The port DedupIndex: one suite for the index in memory and the embedded one."""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import lmdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from gristmill.runtime.adapters.lmdb_index import LmdbIndex, Table
from gristmill.runtime.adapters.memory_index import MemoryIndex
from gristmill.runtime.model import BadInput, Fatal, Kind, Position
from gristmill.runtime.ports import Admission, DedupIndex, Duplicate, Fingerprint, Kept, Resubmitted

UUID = "00000000-0000-0000-0000-000000000001"
MAP_BYTES = 1 << 24
REBUILD = "gristmill dedup rebuild"

Fresh = Callable[[], AbstractContextManager[DedupIndex]]
"""Opens an index that nobody has written to."""


def mark(
    offset: int, content: str, who: str = "", *, source: str = "s", kind: Kind = Kind.FILE
) -> Fingerprint:
    """Return the fingerprint of document `who` (default: one of its own) with `content`."""
    name = who or f"{source}/{offset}"
    return Fingerprint(
        document_id=hashlib.sha256(f"{kind} {name} {content}".encode()).hexdigest()[:32],
        kind=kind,
        content_sha256=hashlib.sha256(content.encode()).hexdigest(),
        position=Position(source=source, offset=offset),
    )


def exact(of: Fingerprint) -> Duplicate:
    return Duplicate(of=of.document_id, similarity=1.0, match="exact")


def table(positions: Mapping[str, int] | None = None, num_documents: int = 0) -> Table:
    return Table(uuid=UUID, positions=positions or {}, num_documents=num_documents)


@contextmanager
def opened(
    path: Path | str, beside: Table | None = None, *, map_bytes: int = MAP_BYTES
) -> Iterator[LmdbIndex]:
    index = LmdbIndex(str(path), beside or table(), map_bytes=map_bytes)
    try:
        yield index
    finally:
        index.close()


@pytest.fixture(params=["memory", "lmdb"], scope="module")
def fresh(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Fresh:
    @contextmanager
    def in_memory() -> Iterator[DedupIndex]:
        yield MemoryIndex()

    def embedded() -> AbstractContextManager[DedupIndex]:
        return opened(tmp_path_factory.mktemp("index"))

    return in_memory if request.param == "memory" else embedded


# --- both ---------------------------------------------------------------------------------------


def test_the_first_document_of_a_content_is_kept(fresh: Fresh) -> None:
    with fresh() as index:
        assert list(index.admit([mark(0, "a"), mark(1, "b")])) == [Kept(), Kept()]


def test_a_copy_is_a_duplicate_of_the_first_kept_however_many_there_are(fresh: Fresh) -> None:
    first = mark(0, "a")
    with fresh() as index:
        index.admit([first])
        assert list(index.admit([mark(1, "a"), mark(2, "a")])) == [exact(first), exact(first)]
        assert list(index.admit([mark(3, "a")])) == [exact(first)]


def test_the_same_document_at_a_later_position_is_resubmitted(fresh: Fresh) -> None:
    with fresh() as index:
        index.admit([mark(0, "a", "me")])
        assert list(index.admit([mark(1, "a", "me")])) == [Resubmitted()]


def test_the_same_document_from_another_source_is_resubmitted(fresh: Fresh) -> None:
    with fresh() as index:
        index.admit([mark(0, "a", "me", source="one")])
        assert list(index.admit([mark(0, "a", "me", source="two")])) == [Resubmitted()]


def test_a_replay_is_answered_as_the_first_time_three_times_over(fresh: Fresh) -> None:
    first = mark(0, "a", "me")
    batch = [first, mark(1, "a", "you"), mark(2, "a", "me"), mark(3, "b")]
    with fresh() as index:
        verdicts = [list(index.admit(batch)) for _ in range(4)]
    assert verdicts[0] == [Kept(), exact(first), Resubmitted(), Kept()]
    assert verdicts == [verdicts[0]] * 4


def test_inside_a_batch_the_order_given_decides(fresh: Fresh) -> None:
    one, two = mark(0, "a", "one"), mark(1, "a", "two")
    with fresh() as index:
        assert list(index.admit([one, two])) == [Kept(), exact(one)]
    with fresh() as index:
        assert list(index.admit([two, one])) == [Kept(), exact(two)]


def test_an_empty_batch_is_answered_by_nothing(fresh: Fresh) -> None:
    with fresh() as index:
        assert list(index.admit([])) == []
        assert index.watermarks() == {}


def test_kinds_do_not_share_claims(fresh: Fresh) -> None:
    batch = [mark(offset, "a", kind=kind) for offset, kind in enumerate(Kind)]
    with fresh() as index:
        assert list(index.admit(batch)) == [Kept()] * len(Kind)
        again = mark(9, "a", kind=Kind.COMMIT)
        (owner,) = (mark for mark in batch if mark.kind is Kind.COMMIT)
        assert list(index.admit([again])) == [exact(owner)]


def test_watermarks_stand_behind_the_last_position_decided_dropped_or_kept(fresh: Fresh) -> None:
    with fresh() as index:
        index.admit([mark(4, "a"), mark(7, "a"), mark(2, "b", source="other")])
        assert index.watermarks() == {"s": 8, "other": 3}


def test_watermarks_never_go_back(fresh: Fresh) -> None:
    with fresh() as index:
        index.admit([mark(0, "a"), mark(9, "b")])
        index.admit([mark(0, "a")])
        assert index.watermarks() == {"s": 10}


def test_a_duplicate_alone_moves_the_watermark(fresh: Fresh) -> None:
    with fresh() as index:
        index.admit([mark(0, "a")])
        index.admit([mark(5, "a")])
        assert index.watermarks() == {"s": 6}


def test_what_watermarks_returns_is_the_callers_own(fresh: Fresh) -> None:
    with fresh() as index:
        index.admit([mark(0, "a")])
        dict(index.watermarks()).clear()
        copy = index.watermarks()
        assert isinstance(copy, dict)
        copy["s"] = 99
        assert index.watermarks() == {"s": 1}


def test_closing_twice_is_harmless(fresh: Fresh) -> None:
    with fresh() as index:
        index.close()
        index.close()


def test_an_offset_may_use_all_63_bits(fresh: Fresh) -> None:
    last = 2**63 - 1
    with fresh() as index:
        assert list(index.admit([mark(last, "a", "me")])) == [Kept()]
        assert list(index.admit([mark(last, "a", "me")])) == [Kept()]
        assert index.watermarks() == {"s": 2**63}


_STREAM = st.lists(
    st.tuples(st.sampled_from("abc"), st.sampled_from("xyz"), st.sampled_from(("s", "t"))),
    max_size=16,
)


@settings(max_examples=40)
@given(drawn=_STREAM, cuts=st.sets(st.integers(0, 16)))
def test_how_a_stream_is_cut_into_batches_changes_no_verdict(
    fresh: Fresh, drawn: list[tuple[str, str, str]], cuts: set[int]
) -> None:
    stream = [
        mark(offset, content, who, source=source)
        for offset, (content, who, source) in enumerate(drawn)
    ]
    bounds = sorted({0, *cuts, len(stream)})
    with fresh() as whole, fresh() as cut:
        expected = list(whole.admit(stream))
        answered: list[Admission] = []
        for begin, end in pairwise(bounds):
            answered.extend(cut.admit(stream[begin:end]))
        assert answered == expected
        assert cut.watermarks() == whole.watermarks()


# --- against an oracle -------------------------------------------------------------------------


class Oracle:
    """The rule itself, by looking at every owner."""

    def __init__(self) -> None:
        self.owners: list[Fingerprint] = []

    def admit(self, batch: Sequence[Fingerprint]) -> list[Admission]:
        return [self._one(fingerprint) for fingerprint in batch]

    def _one(self, new: Fingerprint) -> Admission:
        for owner in self.owners:
            if (owner.kind, owner.content_sha256) == (new.kind, new.content_sha256):
                if owner.document_id != new.document_id:
                    return exact(owner)
                return Kept() if owner.position == new.position else Resubmitted()
        self.owners.append(new)
        return Kept()


_NEWS = st.lists(
    st.tuples(
        st.sampled_from("abcd"),
        st.sampled_from("xyz"),
        st.sampled_from(("s", "t")),
        st.sampled_from((Kind.FILE, Kind.COMMIT)),
        st.integers(0, 2),
    ),
    min_size=1,
    max_size=6,
)


class IndexMachine(RuleBasedStateMachine):
    """Admits new batches and replays old ones; every verdict must be the oracle's."""

    fresh: Fresh

    def __init__(self) -> None:
        super().__init__()
        self.oracle = Oracle()
        self.history: list[list[Fingerprint]] = []
        self.next: dict[str, int] = {}

    @initialize()
    def open(self) -> None:
        self.context = self.fresh()
        self.index = self.context.__enter__()

    @rule(drawn=_NEWS)
    def admit(self, drawn: list[tuple[str, str, str, Kind, int]]) -> None:
        batch = []
        for content, who, source, kind, gap in drawn:
            offset = self.next.get(source, 0) + gap
            self.next[source] = offset + 1
            batch.append(mark(offset, content, who, source=source, kind=kind))
        self.history.append(batch)
        assert list(self.index.admit(batch)) == self.oracle.admit(batch)

    @precondition(lambda self: self.history)
    @rule(choice=st.integers(0, 99))
    def replay(self, choice: int) -> None:
        batch = self.history[choice % len(self.history)]
        assert list(self.index.admit(batch)) == self.oracle.admit(batch)

    @precondition(lambda self: self.history)
    @rule(choice=st.integers(0, 99))
    def replay_all_from(self, choice: int) -> None:
        start = choice % len(self.history)
        batch = [fingerprint for batch in self.history[start:] for fingerprint in batch]
        assert list(self.index.admit(batch)) == self.oracle.admit(batch)

    @invariant()
    def the_watermarks_stand_behind_all(self) -> None:
        assert self.index.watermarks() == self.next

    def teardown(self) -> None:
        self.context.__exit__(None, None, None)


class EmbeddedMachine(IndexMachine):
    """Also closes and opens again, with tables that hold all or only the beginning."""

    make_path: Callable[[], str]

    @initialize()
    def open(self) -> None:
        self.path = self.make_path()
        self._open(table())

    def _open(self, beside: Table) -> None:
        self.context = opened(self.path, beside)
        self.index = self.context.__enter__()

    @rule()
    def reopen(self) -> None:
        self.context.__exit__(None, None, None)
        self._open(table(self.next, len(self.oracle.owners)))

    @rule(share=st.integers(0, 10))
    def reopen_with_tables_that_lag(self, share: int) -> None:
        """What a kill between index and tables leaves: the tables hold a head of the stream."""
        self.context.__exit__(None, None, None)
        stream = [fingerprint for batch in self.history for fingerprint in batch]
        head = stream[: len(stream) * share // 10]
        positions: dict[str, int] = {}
        for fingerprint in head:
            positions[fingerprint.position.source] = fingerprint.position.offset + 1
        self.oracle = Oracle()
        self.oracle.admit(head)
        self.history = [head] if head else []
        self.next = {source: positions.get(source, 0) for source in self.next}
        self._open(table(positions, len(self.oracle.owners)))

    @invariant()
    def it_holds_what_the_oracle_holds(self) -> None:
        assert isinstance(self.index, LmdbIndex)
        assert len(self.index) == len(self.oracle.owners)


def test_the_index_in_memory_answers_as_the_oracle_does() -> None:
    @contextmanager
    def in_memory() -> Iterator[DedupIndex]:
        yield MemoryIndex()

    class Machine(IndexMachine):
        fresh = staticmethod(in_memory)

    run_state_machine_as_test(Machine, settings=settings(max_examples=40, stateful_step_count=20))


def test_the_embedded_index_answers_as_the_oracle_does_over_reopening(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    class Machine(EmbeddedMachine):
        make_path = staticmethod(lambda: str(tmp_path_factory.mktemp("machine")))

    run_state_machine_as_test(Machine, settings=settings(max_examples=40, stateful_step_count=15))


# --- the embedded index alone -------------------------------------------------------------------


def fill(path: Path, batches: Sequence[Sequence[Fingerprint]]) -> None:
    with opened(path) as index:
        for batch in batches:
            assert list(index.admit(batch)) == [Kept()] * len(batch)


def test_reopening_keeps_claims_watermarks_and_count(tmp_path: Path) -> None:
    a, b = mark(0, "a", "me"), mark(3, "b", source="t", kind=Kind.WEB_PAGE)
    fill(tmp_path, [[a], [b]])
    with opened(tmp_path, table({"s": 1, "t": 4}, 2)) as index:
        assert len(index) == 2
        assert index.watermarks() == {"s": 1, "t": 4}
        later = mark(9, "b", source="t", kind=Kind.WEB_PAGE)
        assert list(index.admit([a, b, later, mark(8, "a", "me")])) == [
            Kept(),
            Kept(),
            exact(b),
            Resubmitted(),
        ]


def test_an_index_that_was_closed_in_the_middle_of_a_source_goes_on(tmp_path: Path) -> None:
    fill(tmp_path, [[mark(0, "a")]])
    with opened(tmp_path, table({"s": 1}, 1)) as index:
        assert list(index.admit([mark(1, "b"), mark(0, "c", source="new")])) == [Kept(), Kept()]
    with opened(tmp_path, table({"s": 2, "new": 1}, 3)) as index:
        assert len(index) == 3
        assert index.watermarks() == {"s": 2, "new": 1}


_CHILD = """
import hashlib, sys
from gristmill.runtime.adapters.lmdb_index import LmdbIndex, Table
from gristmill.runtime.model import Kind, Position
from gristmill.runtime.ports import Fingerprint

index = LmdbIndex(sys.argv[1], Table(uuid=sys.argv[2], positions={}, num_documents=0))
size = int(sys.argv[3])
for number in range(1_000_000):
    index.admit([
        Fingerprint(
            document_id=hashlib.sha256(b"id %d" % offset).hexdigest()[:32],
            kind=Kind.FILE,
            content_sha256=hashlib.sha256(b"content %d" % offset).hexdigest(),
            position=Position(source="s", offset=offset),
        )
        for offset in range(number * size, number * size + size)
    ])
    print(number, flush=True)
"""


@pytest.mark.parametrize("num_read", [1, 7, 20])
def test_after_kill_9_no_acknowledged_batch_is_lost_and_none_is_halved(
    tmp_path: Path, num_read: int
) -> None:
    size = 50
    command = [sys.executable, "-c", _CHILD, str(tmp_path), UUID, str(size)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        acknowledged = [child.stdout.readline() for _ in range(num_read)]
        child.kill()
        acknowledged += child.stdout.readlines()
    num_acknowledged = sum(line.endswith("\n") and line.strip().isdigit() for line in acknowledged)
    assert num_acknowledged >= num_read
    beside = table({"s": 10**9}, num_acknowledged * size)
    with opened(tmp_path, beside, map_bytes=1 << 38) as index:
        assert len(index) in {num_acknowledged * size, (num_acknowledged + 1) * size}
        assert index.watermarks() == {"s": len(index)}
        stored = [
            Fingerprint(
                document_id=hashlib.sha256(b"id %d" % offset).hexdigest()[:32],
                kind=Kind.FILE,
                content_sha256=hashlib.sha256(b"content %d" % offset).hexdigest(),
                position=Position(source="s", offset=offset),
            )
            for offset in range(len(index))
        ]
        count = len(index)
        assert set(index.admit(stored)) == {Kept()}
        assert len(index) == count, "all of them were there"


def test_a_full_map_is_fatal_and_leaves_the_index_as_before_the_batch(tmp_path: Path) -> None:
    small = 256 << 10
    a = mark(0, "a", "me")
    huge = [mark(offset, f"content {offset}", source="huge") for offset in range(6000)]
    with opened(tmp_path, map_bytes=small) as index:
        index.admit([a])
        for _ in range(3):
            with pytest.raises(Fatal, match="its largest size") as caught:
                index.admit([*huge, mark(1, "a")])
            assert not isinstance(caught.value, BadInput)
            assert len(index) == 1
            assert index.watermarks() == {"s": 1}
        # Nothing of the batch is claimed: another document may have its content.
        other = mark(1, "content 17", "somebody else")
        assert list(index.admit([a, other, mark(2, "a")])) == [Kept(), Kept(), exact(a)]
        assert list(index.admit(huge[:1])) == [Kept()], "a source first met in the lost batch"
    with opened(tmp_path, table({"s": 3, "huge": 1}, 3), map_bytes=small) as index:
        assert len(index) == 3
        assert index.watermarks() == {"s": 3, "huge": 1}
        assert list(index.admit([a, other, huge[17]])) == [Kept(), Kept(), exact(other)]
        assert list(index.admit(huge[:3])) == [Kept()] * 3


def test_a_map_too_small_to_begin_with_is_fatal_and_can_be_opened_again(tmp_path: Path) -> None:
    with pytest.raises(Fatal) as caught:
        LmdbIndex(str(tmp_path), table(), map_bytes=8 << 10)
    with opened(tmp_path) as index:
        assert list(index.admit([mark(0, "a")])) == [Kept()]
    assert caught.value.exit_code == 1


def refused(path: Path, beside: Table) -> str:
    """Open, twice: it must be refused both times, in the same words, naming the way out."""
    sentences = set()
    for _ in range(2):
        with pytest.raises(BadInput) as caught:
            LmdbIndex(str(path), beside, map_bytes=MAP_BYTES)
        sentences.add(str(caught.value))
    (sentence,) = sentences
    assert f"{REBUILD} {path.parent}" in sentence
    return sentence


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return where the index of a directory lies."""
    return tmp_path / "index"


def test_an_index_of_other_tables_is_refused(path: Path) -> None:
    fill(path, [[mark(0, "a")]])
    foreign = Table(uuid=UUID[:-1] + "2", positions={"s": 1}, num_documents=1)
    assert "other tables" in refused(path, foreign)
    with opened(path, table({"s": 1}, 1)) as index:
        assert len(index) == 1, "the refusal changed nothing"


def test_a_missing_index_beside_tables_that_hold_documents_is_refused(path: Path) -> None:
    assert "is missing" in refused(path, table({"s": 1}, 1))


def test_an_index_that_knows_fewer_documents_than_the_tables_is_refused(path: Path) -> None:
    fill(path, [[mark(0, "a"), mark(1, "b")]])
    assert "fewer documents" in refused(path, table({"s": 9}, 3))


def test_a_refused_index_has_given_nothing_back(path: Path) -> None:
    fill(path, [[mark(0, "a"), mark(1, "b")]])
    refused(path, table({"s": 1}, 2))
    with opened(path, table({"s": 2}, 2)) as index:
        assert len(index) == 2
        assert index.watermarks() == {"s": 2}


def test_an_index_of_another_format_is_refused(path: Path) -> None:
    fill(path, [[mark(0, "a")]])
    with (
        lmdb.open(str(path), map_size=MAP_BYTES, max_dbs=3) as environment,
        environment.begin(write=True) as transaction,
    ):
        meta = environment.open_db(b"meta", txn=transaction)
        stored = transaction.get(b"about", db=meta)
        assert stored is not None
        about = json.loads(stored)
        about["format"] += 1
        transaction.put(b"about", json.dumps(about).encode(), db=meta)
    assert "another version" in refused(path, table({"s": 1}, 1))


@pytest.mark.parametrize(
    "garbage",
    [b"garbage", b"\xff" * 4096, b"\x00" * 65536, bytes(range(256)) * 256],
    ids=["few bytes", "a page of ones", "pages of zeros", "pages of anything"],
)
def test_garbage_in_place_of_the_index_is_refused(path: Path, garbage: bytes) -> None:
    fill(path, [[mark(0, "a")]])
    (path / "data.mdb").write_bytes(garbage)
    refused(path, table({"s": 1}, 1))


def test_an_emptied_index_is_a_missing_one(path: Path) -> None:
    fill(path, [[mark(0, "a")]])
    os.truncate(path / "data.mdb", 0)
    assert "is missing" in refused(path, table({"s": 1}, 1))


def test_meta_data_that_is_no_json_is_refused(path: Path) -> None:
    fill(path, [[mark(0, "a")]])
    with (
        lmdb.open(str(path), map_size=MAP_BYTES, max_dbs=3) as environment,
        environment.begin(write=True) as transaction,
    ):
        meta = environment.open_db(b"meta", txn=transaction)
        transaction.put(b"about", b"\xff{", db=meta)
    refused(path, table({"s": 1}, 1))


def test_records_of_a_wrong_length_are_refused(path: Path) -> None:
    fill(path, [[mark(0, "a")]])
    with (
        lmdb.open(str(path), map_size=MAP_BYTES, max_dbs=3) as environment,
        environment.begin(write=True) as transaction,
    ):
        log = environment.open_db(b"log", txn=transaction)
        transaction.put((0).to_bytes(8, "big"), b"short", db=log)
    refused(path, table({"s": 1}, 1))


# --- giving back what the tables never took in --------------------------------------------------


@dataclass(frozen=True)
class Lag:
    """A log of batches, what the tables hold of it, and how many claims stay."""

    batches: tuple[tuple[Fingerprint, ...], ...]
    positions: Mapping[str, int]
    num_kept: int


_A, _B = [tuple(mark(n, f"{s}{n}", source=s) for n in range(6)) for s in ("one", "two")]
_LAGS = {
    "all of it": Lag((_A[:3], _A[3:]), {}, 0),
    "the last batch": Lag((_A[:3], _A[3:]), {"one": 3}, 3),
    "the middle of the last batch": Lag((_A[:3], _A[3:]), {"one": 5}, 5),
    "the middle of the first batch": Lag((_A[:3], _A[3:5], _A[5:]), {"one": 1}, 1),
    "nothing": Lag((_A[:3], _A[3:]), {"one": 6}, 6),
    "the second source": Lag((_A, _B), {"one": 6}, 6),
    "the tail of the second source": Lag((_A, _B[:2], _B[2:]), {"one": 6, "two": 3}, 9),
    "both sources": Lag((_A[:4], _A[4:] + _B[:3], _B[3:]), {"one": 2}, 2),
    "one source in a shared batch": Lag((_A[:4], _A[4:] + _B[:3], _B[3:]), {"one": 6}, 6),
    "both in a shared batch": Lag((_A[:4], (_A[4], _B[0], _A[5])), {"one": 4}, 4),
}


@pytest.mark.parametrize("name", _LAGS)
def test_claims_beyond_the_tables_are_given_back_at_open(path: Path, name: str) -> None:
    lag = _LAGS[name]
    fill(path, lag.batches)
    for _ in range(2):  # giving back is durable, and again changes nothing
        with opened(path, table(lag.positions, lag.num_kept)) as index:
            assert len(index) == lag.num_kept
            for source, watermark in index.watermarks().items():
                assert watermark == lag.positions.get(source, 0)


@pytest.mark.parametrize("name", _LAGS)
def test_what_was_given_back_is_admitted_anew(path: Path, name: str) -> None:
    lag = _LAGS[name]
    fill(path, lag.batches)
    stream = [fingerprint for batch in lag.batches for fingerprint in batch]
    beyond = [f for f in stream if f.position.offset >= lag.positions.get(f.position.source, 0)]
    held = [f for f in stream if f not in beyond]
    # Another document takes the content: a claim that was left would call it a duplicate.
    strangers = [
        Fingerprint(
            document_id=hashlib.sha256(f.document_id.encode()).hexdigest()[:32],
            kind=f.kind,
            content_sha256=f.content_sha256,
            position=Position(source="three", offset=offset),
        )
        for offset, f in enumerate(beyond)
    ]
    with opened(path, table(lag.positions, lag.num_kept)) as index:
        assert list(index.admit(held)) == [Kept()] * len(held)
        assert list(index.admit(strangers)) == [Kept()] * len(strangers)
        expected = [exact(stranger) for stranger in strangers]
        assert list(index.admit(beyond)) == expected
    positions = {"one": 6, "two": 6, "three": len(strangers)}
    with opened(path, table(positions, len(stream))) as index:
        assert list(index.admit(beyond)) == expected


# --- releasing what a later stage dropped ---------------------------------------------------------


def test_released_claims_are_free_for_others_now_and_after_reopening(path: Path) -> None:
    batches = (_A[:3], _A[3:], _B[:2])
    fill(path, batches)
    written = {_A[0].document_id, _A[2].document_id, *(b.document_id for b in _B[:2])}
    beside = table({"one": 6, "two": 2}, len(written))
    with opened(path, beside) as index:
        index.release(written, set())
        assert len(index) == 4
        assert index.watermarks() == {"one": 6, "two": 2}
    with opened(path, beside) as index:
        assert len(index) == 4
        assert list(index.admit([_A[0], _A[2], *_B[:2]])) == [Kept()] * 4
        stranger = Fingerprint(
            document_id="f" * 32,
            kind=_A[1].kind,
            content_sha256=_A[1].content_sha256,
            position=Position(source="three", offset=0),
        )
        assert list(index.admit([stranger, _A[1]])) == [Kept(), exact(stranger)]


def test_the_claims_of_a_current_source_are_not_released(path: Path) -> None:
    fill(path, (_A[:3], _B[:3]))
    with opened(path, table({"one": 3, "two": 3}, 1)) as index:
        index.release({_A[0].document_id}, {"two"})
        assert len(index) == 4
        assert list(index.admit(_B[:3])) == [Kept()] * 3


def test_what_is_admitted_after_a_release_can_still_be_given_back(path: Path) -> None:
    fill(path, (_A[:3], _A[3:]))
    with opened(path, table({"one": 6}, 3)) as index:
        index.release({a.document_id for a in _A[:3]}, set())  # leaves a batch of nothing
        assert list(index.admit(_B[:3])) == [Kept()] * 3
        assert list(index.admit(_B[3:])) == [Kept()] * 3
    with opened(path, table({"one": 6, "two": 1}, 4)) as index:
        assert len(index) == 4
        assert index.watermarks() == {"one": 6, "two": 1}
    with opened(path, table({"one": 6}, 3)) as index:
        assert len(index) == 3
