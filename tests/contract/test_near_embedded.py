"""The embedded index and near claims: what is durable, what a lost batch leaves, what is freed."""

import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

from gristmill.runtime.adapters.claims import Claims
from gristmill.runtime.adapters.lmdb_index import LmdbIndex
from gristmill.runtime.adapters.memory_index import MemoryIndex
from gristmill.runtime.model import Fatal
from gristmill.runtime.ports import Duplicate, Fingerprint, Kept
from gristmill.runtime.ports.index import BANDS, PERMUTATIONS, ROWS

Mark = Callable[..., Fingerprint]
Families = Callable[..., list[Fingerprint]]
Near = Callable[[Fingerprint, int], Duplicate]
Exact = Callable[[Fingerprint], Duplicate]

A = "a" * BANDS


def claimed(claims: Claims) -> tuple[Any, ...]:
    """Return everything that is claimed, whatever size its tables have."""
    tables = [np.sort(table[table != 0]).tolist() for table in (claims._bands, claims._exact)]
    records = claims._rows.records[: len(claims)].tobytes()
    return (*tables, records, claims.num_claims, claims.sources.names, claims.domains.names)


# --- opening again --------------------------------------------------------------------------------


def test_reopening_anywhere_in_a_stream_changes_no_verdict(store: Any, families: Families) -> None:
    stream = families(6000, seed=4)
    never_closed = MemoryIndex()
    done = kept = 0
    for size in (1, 7, 300, 1, 2000, 692, 2999):
        with store.opened({"s": done} if done else {}, kept) as index:
            batch = stream[done : done + size]
            verdicts = list(index.admit(batch))
            assert verdicts == list(never_closed.admit(batch))
            done, kept = done + size, len(index)
    assert done == len(stream)
    with store.opened({"s": done}, kept) as index:
        assert claimed(index._claims) == claimed(never_closed._claims)
        assert list(index.admit(stream)) == list(never_closed.admit(stream))


def test_the_threshold_of_the_day_decides_about_what_comes_not_about_what_is_kept(
    store: Any, mark: Mark, near: Near
) -> None:
    first, alike = mark(0, "one", bands=A), mark(1, "two", bands="a" * 12 + "bbbb")
    with store.opened(threshold=0.8) as index:
        assert list(index.admit([first, alike])) == [Kept(), Kept()]
    with store.opened({"s": 2}, 2) as index:
        assert len(index) == 2
        assert list(index.admit([first, alike])) == [Kept(), Kept()]
        assert list(index.admit([mark(2, "three", bands=A)])) == [near(first, PERMUTATIONS)]


def test_near_claims_beyond_the_tables_are_given_back_at_open(
    store: Any, mark: Mark, near: Near
) -> None:
    first, lost = mark(0, "one", bands=A), mark(1, "two", bands="b" * BANDS, domain="")
    store.fill([first], [lost])
    with store.opened({"s": 1}, 1) as index:
        stranger = mark(1, "three", bands="b" * BANDS)
        assert list(index.admit([stranger, lost])) == [Kept(), near(stranger, PERMUTATIONS)]
    with store.opened({"s": 2}, 2) as index:
        assert list(index.admit([lost])) == [near(stranger, PERMUTATIONS)]


_CHILD = """
import pickle, sys
from gristmill.runtime.adapters.lmdb_index import LmdbIndex, Table

with open(sys.argv[3], "rb") as file:
    batches = pickle.load(file)
index = LmdbIndex(sys.argv[1], Table(uuid=sys.argv[2], positions={}, num_documents=0))
for number, batch in enumerate(batches):
    index.admit(batch)
    print(number, flush=True)
"""


@pytest.mark.parametrize("num_read", [1, 40, 90])
def test_after_kill_9_every_verdict_is_that_of_a_run_never_killed(
    store: Any, families: Families, num_read: int
) -> None:
    size = 50
    stream = families(100 * size, seed=5)
    batches = [stream[at : at + size] for at in range(0, len(stream), size)]
    written = store.path.with_suffix(".pickle")
    written.write_bytes(pickle.dumps(batches))
    command = [sys.executable, "-c", _CHILD, str(store.path), store.uuid, str(written)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        told = [child.stdout.readline() for _ in range(num_read)]
        child.kill()
        told += child.stdout.readlines()
    num_told = sum(line.endswith("\n") and line.strip().isdigit() for line in told)
    assert num_told >= num_read
    twin = MemoryIndex()
    expected = [list(twin.admit(batch)) for batch in batches]
    num_kept = sum(batch.count(Kept()) for batch in expected[:num_told])
    with store.opened({"s": 10**9}, num_kept, map_bytes=1 << 38) as index:
        done = index.watermarks()["s"] // size
        assert done in {num_told, num_told + 1}
        assert len(index) == sum(batch.count(Kept()) for batch in expected[:done])
        alike = MemoryIndex()
        alike.admit([one for batch in batches[:done] for one in batch])
        assert claimed(index._claims) == claimed(alike._claims)
        assert [list(index.admit(batch)) for batch in batches] == expected
    # The tables hold less than the index: what is beyond them is given back and decided anew.
    behind = num_told // 2
    num_kept = sum(batch.count(Kept()) for batch in expected[:behind])
    with store.opened({"s": behind * size} if behind else {}, num_kept) as index:
        assert len(index) == num_kept
        assert [list(index.admit(batch)) for batch in batches] == expected


# --- a batch that does not become durable ---------------------------------------------------------


class _Store:
    """LMDB, but the given write of a transaction raises."""

    def __init__(self, environment: Any, error: BaseException, fails_at: int) -> None:
        self._environment = environment
        self._error, self._left = error, fails_at

    @contextmanager
    def begin(self, **options: Any) -> Iterator[Any]:
        with self._environment.begin(**options) as transaction:
            self._transaction = transaction
            yield self
            raise self._error  # all writes have passed: the commit itself fails

    def put(self, *arguments: Any, **options: Any) -> Any:
        self._left -= 1
        if self._left < 0:
            raise self._error
        return self._transaction.put(*arguments, **options)

    def cursor(self, database: Any) -> Any:
        return self._transaction.cursor(database)

    def close(self) -> None:
        self._environment.close()


def failing_batch(mark: Mark, families: Families, stream: list[Fingerprint]) -> list[Fingerprint]:
    """Make a batch that brings a source and domains, takes bands, and grows the tables."""
    news = families(3000, seed=7, source="new")
    copies = [
        mark(at, f"like {at}", rows=np.frombuffer(one.signature, "<u2"), source="new", domain="x")
        for at, one in enumerate(stream[:50], len(news))
    ]
    return [*news, *copies]


def same_as(index: LmdbIndex, twin: LmdbIndex) -> None:
    assert len(index) == len(twin)
    assert index.watermarks() == twin.watermarks()
    assert claimed(index._claims) == claimed(twin._claims)
    assert index._named == twin._named


@pytest.mark.parametrize("fails_at", range(6))
@pytest.mark.parametrize("error", [OSError("broken"), RuntimeError("broken"), KeyboardInterrupt()])
def test_a_batch_whose_commit_fails_has_never_been(
    make_store: Any, mark: Mark, families: Families, error: BaseException, fails_at: int
) -> None:
    stream = families(1500, seed=6)
    batch = failing_batch(mark, families, stream)
    store, other = make_store(), make_store()
    with store.opened() as index, other.opened() as twin:
        for one in (index, twin):
            one.admit(stream[:1000])
        whole = index._environment
        index._environment = _Store(whole, error, fails_at)
        with pytest.raises(Fatal if isinstance(error, OSError) else type(error)):
            index.admit(batch)
        index._environment = whole
        same_as(index, twin)
        assert list(index.admit(stream)) == list(twin.admit(stream))
        same_as(index, twin)
    positions = {"s": 1500}
    with store.opened(positions) as index, other.opened(positions) as twin:
        same_as(index, twin)
        # The source and the domains are met again, in another order.
        again = batch[::-1]
        assert list(index.admit(again)) == list(twin.admit(again))
        same_as(index, twin)


def test_a_batch_for_which_the_map_is_too_small_has_never_been(
    make_store: Any, mark: Mark, families: Families
) -> None:
    stream = families(1500, seed=6)
    batch = failing_batch(mark, families, stream)
    store, other = make_store(), make_store()
    small = 768 << 10
    with store.opened(map_bytes=small) as index, other.opened() as twin:
        for one in (index, twin):
            one.admit(stream[:500])
        for _ in range(3):
            with pytest.raises(Fatal, match="its largest size"):
                index.admit(batch)
            same_as(index, twin)
        assert list(index.admit(stream[:700])) == list(twin.admit(stream[:700]))
    with store.opened({"s": 700}) as index, other.opened({"s": 700}) as twin:
        same_as(index, twin)
        assert list(index.admit(batch)) == list(twin.admit(batch))


# --- giving claims up, and taking them in ---------------------------------------------------------


def test_what_was_not_written_is_admitted_again_as_if_for_the_first_time(
    store: Any, families: Families
) -> None:
    stream = families(2000, seed=8)
    with store.opened() as index:
        first = list(index.admit(stream))
        assert index.release_unwritten(set(), set()) == first.count(Kept())
        assert len(index) == index._claims.num_claims == 0
        assert list(index.admit(stream)) == first
        once = claimed(index._claims)
    with store.opened({"s": 2000}, first.count(Kept())) as index:
        assert claimed(index._claims) == once


def test_what_was_released_stays_so_when_the_index_opens_again(
    store: Any, families: Families
) -> None:
    stream = families(2000, seed=9)
    in_memory = MemoryIndex()
    verdicts = list(in_memory.admit(stream))
    kept = [one for one, verdict in zip(stream, verdicts, strict=True) if verdict == Kept()]
    released = [one.document_id for one in kept[::3]]
    with store.opened() as index:
        index.admit(stream)
        assert index.release(released) == in_memory.release(released) == len(released)
        assert claimed(index._claims) == claimed(in_memory._claims)
    with store.opened({"s": 2000}, len(kept) - len(released)) as index:
        assert claimed(index._claims) == claimed(in_memory._claims)
        assert list(index.admit(stream)) == list(in_memory.admit(stream))


def test_release_and_release_unwritten_leave_the_same_claims(
    make_store: Any, families: Families
) -> None:
    stream = families(2000, seed=9)
    with make_store().opened() as index, make_store().opened() as twin:
        verdicts = list(index.admit(stream))
        assert list(twin.admit(stream)) == verdicts
        kept = [one for one, verdict in zip(stream, verdicts, strict=True) if verdict == Kept()]
        index.release_unwritten({one.document_id for one in kept[::2]}, set())
        twin.release([one.document_id for one in kept[1::2]])
        same_as(index, twin)
        assert list(index.admit(stream)) == list(twin.admit(stream))


def test_restore_takes_documents_in_whatever_is_like_them(
    store: Any, mark: Mark, near: Near, exact: Exact
) -> None:
    first = mark(0, "one", bands=A)
    alike = mark(1, "two", bands="a" * 12 + "bbbb")
    copy = mark(2, "one", bands=A)
    with store.opened() as index:
        index.restore([first, alike])
        index.restore([copy])
        assert len(index) == 3
        assert index.watermarks() == {"s": 3}
    with store.opened({"s": 3}, 3) as index:
        assert len(index) == 3
        assert list(index.admit([first, alike])) == [Kept(), Kept()]
        news = [mark(3, "one"), mark(4, "three", bands=A), mark(5, "two")]
        assert list(index.admit(news)) == [exact(first), near(first, PERMUTATIONS), exact(alike)]
        like_second = mark(6, "four", bands="cccc" + "a" * 8 + "bbbb")
        assert list(index.admit([like_second])) == [near(alike, 12 * ROWS)]


def test_restore_in_any_batches_rebuilds_the_index_as_it_was(
    make_store: Any, families: Families
) -> None:
    stream = families(3000, seed=10)
    store, other = make_store(), make_store()
    with store.opened() as index:
        verdicts = list(index.admit(stream))
        kept = [one for one, verdict in zip(stream, verdicts, strict=True) if verdict == Kept()]
        with other.opened() as rebuilt:
            for begin in range(0, len(kept), 700):
                rebuilt.restore(kept[begin : begin + 700])
            assert sorted(rebuilt._claims.domains.names) == sorted(index._claims.domains.names)
            assert rebuilt._claims.num_claims == index._claims.num_claims
            assert list(rebuilt.admit(stream)) == verdicts
            assert len(rebuilt) == len(index)
