"""The port KeyStore: one suite for the store in memory and the one in LMDB, and what LMDB adds."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import pytest

from gristmill.runtime.adapters.lmdb_keys import DIGEST_BYTES, KEY_BYTES, LmdbKeys
from gristmill.runtime.adapters.memory_keys import MemoryKeys
from gristmill.runtime.model import Fatal
from gristmill.runtime.ports import KeyStore, Remembered

MOST = 1000


@dataclass
class Clock:
    days: float = 0.0

    def now(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=self.days)

    def monotonic(self) -> float:
        return 0.0

    def cpu(self) -> float:
        return 0.0


def key(number: int) -> bytes:
    return sha256(b"key %d" % number).digest()[:KEY_BYTES]


def held(number: int, num_items: int = 1) -> Remembered:
    return Remembered(sha256(b"what %d" % number).digest()[:DIGEST_BYTES], num_items)


@pytest.fixture(params=["memory", "lmdb"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[KeyStore]:
    made: KeyStore = (
        MemoryKeys(most=MOST)
        if request.param == "memory"
        else LmdbKeys(str(tmp_path / "keys"), most=MOST, days=30, clock=Clock())
    )
    yield made
    made.close()


@pytest.fixture
def reopen(tmp_path: Path) -> Callable[[Clock], LmdbKeys]:
    return lambda clock: LmdbKeys(str(tmp_path / "keys"), most=MOST, days=30, clock=clock)


def test_what_was_put_is_remembered_and_nothing_else(store: KeyStore) -> None:
    store.put({key(1): held(1), key(2): held(2, 700)})
    assert list(store.get([key(3), key(2), key(1)])) == [None, held(2, 700), held(1)]
    assert list(store.get([])) == []


def test_a_key_put_again_holds_what_was_put_last(store: KeyStore) -> None:
    store.put({key(1): held(1)})
    store.put({key(1): held(9)})
    assert list(store.get([key(1)])) == [held(9)]


def test_beyond_the_bound_the_oldest_are_forgotten_and_the_newest_are_not(store: KeyStore) -> None:
    for begin in range(0, 5 * MOST, 100):
        store.put({key(n): held(n) for n in range(begin, begin + 100)})
    remembered = [one is not None for one in store.get([key(n) for n in range(5 * MOST)])]
    assert not any(remembered[: 4 * MOST - 100])
    assert all(remembered[4 * MOST :])


def test_a_key_that_was_put_again_is_as_young_as_that(store: KeyStore) -> None:
    store.put({key(0): held(0)})
    for begin in range(100, 5 * MOST, 100):
        store.put({key(0): held(0), **{key(n): held(n) for n in range(begin, begin + 100)}})
    assert list(store.get([key(0)])) == [held(0)]


def test_lmdb_remembers_across_a_kill(tmp_path: Path, reopen: Callable[[Clock], LmdbKeys]) -> None:
    code = (
        "import os, sys\n"
        "from gristmill.runtime.adapters.clock import SystemClock\n"
        "from gristmill.runtime.adapters.lmdb_keys import LmdbKeys\n"
        "from gristmill.runtime.ports import Remembered\n"
        "keys = LmdbKeys(sys.argv[1], most=1000, days=30, clock=SystemClock())\n"
        "keys.put({b'k' * 20: Remembered(b'd' * 16, 3)})\n"
        "os.kill(os.getpid(), 9)\n"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "keys")], check=False)
    store = reopen(Clock())
    try:
        assert list(store.get([b"k" * 20])) == [Remembered(b"d" * 16, 3)]
    finally:
        store.close()


def test_lmdb_forgets_what_is_too_old_with_the_next_batches(
    reopen: Callable[[Clock], LmdbKeys],
) -> None:
    clock = Clock()
    store = reopen(clock)
    try:
        store.put({key(1): held(1)})
        clock.days = 29
        store.put({key(2): held(2)})
        assert store.get([key(1)]) == [held(1)]
        clock.days = 31
        store.put({key(3): held(3)})
        assert store.get([key(1), key(2), key(3)]) == [None, held(2), held(3)]
    finally:
        store.close()


def test_a_directory_that_cannot_be_used_is_fatal_and_named(tmp_path: Path) -> None:
    (tmp_path / "keys").write_bytes(b"no directory")
    with pytest.raises(Fatal, match=str(tmp_path / "keys")):
        LmdbKeys(str(tmp_path / "keys"), most=MOST, days=30, clock=Clock())
    os.makedirs(tmp_path / "other")
    (tmp_path / "other" / "data.mdb").write_bytes(b"not of this library" * 1000)
    with pytest.raises(Fatal, match="other"):
        LmdbKeys(str(tmp_path / "other"), most=MOST, days=30, clock=Clock())
