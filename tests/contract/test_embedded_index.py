"""The embedded index alone: what is durable, which index is refused, how claims are given up."""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from gristmill.runtime.adapters.claims_kernel import RECORD
from gristmill.runtime.adapters.lmdb_index import LmdbIndex, Table, seal
from gristmill.runtime.model import BadInput, Fatal, Kind, Position
from gristmill.runtime.ports import Duplicate, Fingerprint, Kept, Resubmitted

Mark = Callable[..., Fingerprint]
Exact = Callable[[Fingerprint], Duplicate]


def test_reopening_keeps_claims_watermarks_and_count(store: Any, mark: Mark, exact: Exact) -> None:
    a, b = mark(0, "a", "me"), mark(3, "b", source="t", kind=Kind.WEB_PAGE)
    store.fill([a], [b])
    with store.opened({"s": 1, "t": 4}, 2) as index:
        assert len(index) == 2
        assert index.watermarks() == {"s": 1, "t": 4}
        later = mark(9, "b", source="t", kind=Kind.WEB_PAGE)
        assert list(index.admit([a, b, later, mark(8, "a", "me")])) == [
            Kept(),
            Kept(),
            exact(b),
            Resubmitted(),
        ]


def test_an_index_that_was_closed_in_the_middle_of_a_source_goes_on(store: Any, mark: Mark) -> None:
    store.fill([mark(0, "a")])
    with store.opened({"s": 1}, 1) as index:
        assert list(index.admit([mark(1, "b"), mark(0, "c", source="new")])) == [Kept(), Kept()]
    with store.opened({"s": 2, "new": 1}, 3) as index:
        assert len(index) == 3
        assert index.watermarks() == {"s": 2, "new": 1}


_CHILD = """
import hashlib, sys
from gristmill.runtime.adapters.lmdb_index import LmdbIndex, Table, seal
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
    store: Any, num_read: int
) -> None:
    size = 50
    command = [sys.executable, "-c", _CHILD, str(store.path), store.uuid, str(size)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        acknowledged = [child.stdout.readline() for _ in range(num_read)]
        child.kill()
        acknowledged += child.stdout.readlines()
    num_acknowledged = sum(line.endswith("\n") and line.strip().isdigit() for line in acknowledged)
    assert num_acknowledged >= num_read
    with store.opened({"s": 10**9}, num_acknowledged * size, map_bytes=1 << 38) as index:
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


def test_a_full_map_is_fatal_and_leaves_the_index_as_before_the_batch(
    store: Any, mark: Mark, exact: Exact
) -> None:
    small = 256 << 10
    a = mark(0, "a", "me")
    huge = [mark(offset, f"content {offset}", source="huge") for offset in range(6000)]
    with store.opened(map_bytes=small) as index:
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
    with store.opened({"s": 3, "huge": 1}, 3, map_bytes=small) as index:
        assert len(index) == 3
        assert index.watermarks() == {"s": 3, "huge": 1}
        assert list(index.admit([a, other, huge[17]])) == [Kept(), Kept(), exact(other)]
        assert list(index.admit(huge[:3])) == [Kept()] * 3


def test_a_map_too_small_to_begin_with_is_fatal_and_can_be_opened_again(
    store: Any, mark: Mark
) -> None:
    with pytest.raises(Fatal) as caught:
        LmdbIndex(
            str(store.path),
            Table(uuid=store.uuid, positions={}, num_documents=0),
            map_bytes=8 << 10,
        )
    with store.opened() as index:
        assert list(index.admit([mark(0, "a")])) == [Kept()]
    assert caught.value.exit_code == 1


# --- what is refused ------------------------------------------------------------------------------


def test_an_index_of_other_tables_is_refused(store: Any, mark: Mark) -> None:
    store.fill([mark(0, "a")])
    assert "other tables" in store.refused({"s": 1}, 1, uuid=store.uuid[:-1] + "2")
    with store.opened({"s": 1}, 1) as index:
        assert len(index) == 1, "the refusal changed nothing"


def test_a_missing_index_beside_tables_that_hold_documents_is_refused(store: Any) -> None:
    assert "is missing" in store.refused({"s": 1}, 1)


def test_an_index_that_knows_fewer_documents_than_the_tables_is_refused(
    store: Any, mark: Mark
) -> None:
    store.fill([mark(0, "a"), mark(1, "b")])
    assert "fewer documents" in store.refused({"s": 9}, 3)


def test_a_refused_index_has_given_nothing_back(store: Any, mark: Mark) -> None:
    store.fill([mark(0, "a"), mark(1, "b")])
    store.refused({"s": 1}, 2)
    with store.opened({"s": 2}, 2) as index:
        assert len(index) == 2
        assert index.watermarks() == {"s": 2}


@pytest.mark.parametrize(
    ("name", "other", "told"),
    [
        ("format", 1, "another version"),
        ("format", None, "another version"),
        ("scheme", "5-token-minhash-112x16-v0", "another scheme"),
        ("scheme", None, "another scheme"),
    ],
)
def test_an_index_of_another_format_or_scheme_is_refused(
    store: Any, mark: Mark, name: str, other: Any, told: str
) -> None:
    store.fill([mark(0, "a")])
    with store.transaction(b"meta") as (transaction, meta):
        about = json.loads(transaction.get(b"about", db=meta))
        assert about[name] != other
        about[name] = other
        transaction.put(b"about", json.dumps(about).encode(), db=meta)
    assert told in store.refused({"s": 1}, 1)


@pytest.mark.parametrize(
    "garbage",
    [b"garbage", b"\xff" * 4096, b"\x00" * 65536, bytes(range(256)) * 256],
    ids=["few bytes", "a page of ones", "pages of zeros", "pages of anything"],
)
def test_garbage_in_place_of_the_index_is_refused(store: Any, mark: Mark, garbage: bytes) -> None:
    store.fill([mark(0, "a")])
    (store.path / "data.mdb").write_bytes(garbage)
    store.refused({"s": 1}, 1)


def test_an_emptied_index_is_a_missing_one(store: Any, mark: Mark) -> None:
    store.fill([mark(0, "a")])
    os.truncate(store.path / "data.mdb", 0)
    assert "is missing" in store.refused({"s": 1}, 1)


def test_meta_data_that_is_no_json_is_refused(store: Any, mark: Mark) -> None:
    store.fill([mark(0, "a")])
    with store.transaction(b"meta") as (transaction, meta):
        transaction.put(b"about", b"\xff{", db=meta)
    store.refused({"s": 1}, 1)


def test_records_of_a_wrong_length_are_refused(store: Any, mark: Mark) -> None:
    store.fill([mark(0, "a")])
    with store.transaction(b"log") as (transaction, log):
        transaction.put((0).to_bytes(8, "big"), b"short", db=log)
    store.refused({"s": 1}, 1)


def test_a_record_of_which_one_bit_has_changed_is_refused(store: Any, mark: Mark) -> None:
    store.fill([mark(0, "a"), mark(1, "b")])
    with store.transaction(b"log") as (transaction, log):
        key = (0).to_bytes(8, "big")
        packed = bytearray(transaction.get(key, db=log))
        packed[300] ^= 1
        transaction.put(key, bytes(packed), db=log)
    assert "a record is damaged" in store.refused({"s": 2}, 2)


def test_a_file_that_was_cut_off_is_refused(store: Any, families: Any) -> None:
    with store.opened() as index:
        index.admit(families(2000))
    file = store.path / "data.mdb"
    os.truncate(file, file.stat().st_size // 2)
    assert "cannot be read" in store.refused({"s": 2000}, 1)


@pytest.mark.parametrize("name", ["kind", "source", "domain"])
def test_a_record_with_a_number_out_of_range_is_refused(store: Any, mark: Mark, name: str) -> None:
    store.fill([mark(0, "a")], [mark(1, "b"), mark(2, "c")])
    with store.transaction(b"log") as (transaction, log):
        key = (1).to_bytes(8, "big")
        records = np.frombuffer(transaction.get(key, db=log)[:-4], RECORD).copy()
        records[1][name] = 60_000
        transaction.put(key, seal(records.tobytes()), db=log)
    assert f"the {name} number 60000" in store.refused({"s": 3}, 3)


# --- giving back what the tables never took in --------------------------------------------------


@dataclass(frozen=True)
class Lag:
    """A log, what the tables hold of it, and how many claims stay.

    The log is a word a batch, in which a digit is the next document of the source of that name.
    """

    batches: str
    positions: Mapping[str, int]
    num_kept: int


_LAGS = {
    "all of it": Lag("111 111", {}, 0),
    "the last batch": Lag("111 111", {"1": 3}, 3),
    "the middle of the last batch": Lag("111 111", {"1": 5}, 5),
    "the middle of the first batch": Lag("111 11 1", {"1": 1}, 1),
    "nothing": Lag("111 111", {"1": 6}, 6),
    "the second source": Lag("111111 222222", {"1": 6}, 6),
    "the tail of the second source": Lag("111111 22 2222", {"1": 6, "2": 3}, 9),
    "both sources": Lag("1111 11222 222", {"1": 2}, 2),
    "one source in a shared batch": Lag("1111 11222 222", {"1": 6}, 6),
    "both in a shared batch": Lag("1111 121", {"1": 4}, 4),
}


@pytest.fixture
def logged(mark: Mark) -> Callable[[str], list[list[Fingerprint]]]:
    """Make the batches of a log from its words."""

    def make(words: str) -> list[list[Fingerprint]]:
        ends = {"1": 0, "2": 0}
        batches = []
        for word in words.split():
            batches.append([])
            for source in word:
                offset = ends[source]
                ends[source] += 1
                batches[-1].append(mark(offset, f"content {source}/{offset}", source=source))
        return batches

    return make


@pytest.mark.parametrize("name", _LAGS)
def test_claims_beyond_the_tables_are_given_back_at_open(
    store: Any, logged: Any, name: str
) -> None:
    lag = _LAGS[name]
    store.fill(*logged(lag.batches))
    for _ in range(2):  # giving back is durable, and again changes nothing
        with store.opened(lag.positions, lag.num_kept) as index:
            assert len(index) == lag.num_kept
            for source, watermark in index.watermarks().items():
                assert watermark == lag.positions.get(source, 0)


@pytest.mark.parametrize("name", _LAGS)
def test_what_was_given_back_is_admitted_anew(
    store: Any, logged: Any, mark: Mark, exact: Exact, name: str
) -> None:
    lag = _LAGS[name]
    batches = logged(lag.batches)
    store.fill(*batches)
    stream = [fingerprint for batch in batches for fingerprint in batch]
    beyond = [f for f in stream if f.position.offset >= lag.positions.get(f.position.source, 0)]
    held = [f for f in stream if f not in beyond]
    # Another document takes the content: a claim that was left would call it a duplicate.
    strangers = [
        mark(at, f"content {f.position.source}/{f.position.offset}", source="3")
        for at, f in enumerate(beyond)
    ]
    with store.opened(lag.positions, lag.num_kept) as index:
        assert list(index.admit(held)) == [Kept()] * len(held)
        assert list(index.admit(strangers)) == [Kept()] * len(strangers)
        expected = [exact(stranger) for stranger in strangers]
        assert list(index.admit(beyond)) == expected
    with store.opened({"1": 6, "2": 6, "3": len(strangers)}, len(stream)) as index:
        assert list(index.admit(beyond)) == expected


# --- giving up what a later stage dropped ---------------------------------------------------------


def test_released_claims_are_free_for_others_now_and_after_reopening(
    store: Any, logged: Any, mark: Mark, exact: Exact
) -> None:
    batches = logged("111 111 22")
    store.fill(*batches)
    (a, b, c), _, others = batches
    written = {f.document_id for f in (a, c, *others)}
    with store.opened({"1": 6, "2": 2}, len(written)) as index:
        index.release_unwritten(written, set())
        assert len(index) == 4
        assert index.watermarks() == {"1": 6, "2": 2}
    with store.opened({"1": 6, "2": 2}, len(written)) as index:
        assert len(index) == 4
        assert list(index.admit([a, c, *others])) == [Kept()] * 4
        stranger = mark(0, "content 1/1", source="3")
        assert list(index.admit([stranger, b])) == [Kept(), exact(stranger)]


def test_the_claims_of_a_current_source_are_not_released(store: Any, logged: Any) -> None:
    one, two = logged("111 222")
    store.fill(one, two)
    with store.opened({"1": 3, "2": 3}, 1) as index:
        index.release_unwritten({one[0].document_id}, {"2"})
        assert len(index) == 4
        assert list(index.admit(two)) == [Kept()] * 3


def test_what_is_admitted_after_a_release_can_still_be_given_back(store: Any, logged: Any) -> None:
    one, dropped, two, three = logged("111 111 222 222")
    store.fill(one, dropped)
    with store.opened({"1": 6}, 3) as index:
        index.release_unwritten({f.document_id for f in one}, set())  # leaves a batch of nothing
        assert list(index.admit(two)) == [Kept()] * 3
        assert list(index.admit(three)) == [Kept()] * 3
    with store.opened({"1": 6, "2": 1}, 4) as index:
        assert len(index) == 4
        assert index.watermarks() == {"1": 6, "2": 1}
    with store.opened({"1": 6}, 3) as index:
        assert len(index) == 3
