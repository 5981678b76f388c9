"""A memo that processes share: what one puts others find, and nothing about it ever raises."""

import os
from pathlib import Path

from gristmill.runtime.adapters.lmdb_memo import LmdbMemo


def test_what_was_put_is_found_and_nothing_else(tmp_path: Path) -> None:
    memo = LmdbMemo(str(tmp_path / "memo"))
    assert memo.get(b"key") is None
    memo.put(b"key", b"value")
    assert memo.get(b"key") == b"value"
    assert memo.get(b"other") is None


def test_forked_processes_share_it(tmp_path: Path) -> None:
    memo = LmdbMemo(str(tmp_path / "memo"))
    for number in range(3):  # as workers are: forked before the first use, one after the other
        worker = os.fork()
        if worker == 0:
            memo.put(str(number).encode(), b"there")
            os._exit(0 if number == 0 or memo.get(b"0") == b"there" else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(worker, 0)[1]) == 0
    assert [memo.get(key) for key in (b"0", b"1", b"2", b"3")] == [b"there"] * 3 + [None]


def test_a_process_that_was_forked_behind_the_first_use_does_without(tmp_path: Path) -> None:
    memo = LmdbMemo(str(tmp_path / "memo"))
    memo.put(b"key", b"value")
    worker = os.fork()
    if worker == 0:  # LMDB forbids it what its parent has opened
        memo.put(b"key", b"other")
        os._exit(0 if memo.get(b"key") is None else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(worker, 0)[1]) == 0
    assert memo.get(b"key") == b"value"


def test_a_full_one_is_read_and_not_written(tmp_path: Path) -> None:
    memo = LmdbMemo(str(tmp_path / "memo"), most_bytes=128 << 10)
    for number in range(100):
        memo.put(str(number).encode(), b"x" * 4000)
    assert memo.get(b"0") == b"x" * 4000
    assert memo.get(b"99") is None
    memo.put(b"small", b"y")
    assert memo.get(b"small") is None


def test_one_that_cannot_be_opened_knows_nothing(tmp_path: Path) -> None:
    (tmp_path / "memo").write_text("no directory")
    memo = LmdbMemo(str(tmp_path / "memo"))
    memo.put(b"key", b"value")
    assert memo.get(b"key") is None
