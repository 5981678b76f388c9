"""Reading a listed file: its content, or the reason why not."""

import errno
import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from gristmill.runtime.adapters.archives import ArchiveLimits
from gristmill.runtime.adapters.files import reader, text_path
from gristmill.runtime.adapters.listing import LocalSource, Selection
from gristmill.runtime.model import Origin, Position, RawFile, Reason
from gristmill.runtime.model.document import sha256_hex
from gristmill.runtime.ports import Entry

ORIGIN = Origin(source="src", repository="src", path="x.py")
POSITION = Position(source="s", offset=3)
MAX_BYTES = 100


def entry_of(path: Path, size_bytes: int = 1) -> Entry:
    return Entry(origin=ORIGIN, position=POSITION, size_bytes=size_bytes, location=bytes(path))


def read(path: Path) -> RawFile:
    return reader(MAX_BYTES)(entry_of(path))


def num_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_a_file_comes_with_its_content_hash_size_and_place(tmp_path: Path) -> None:
    (tmp_path / "x.py").write_bytes(b"x = 1\n")
    raw = read(tmp_path / "x.py")
    assert raw == RawFile(
        origin=ORIGIN,
        position=POSITION,
        size_bytes=6,
        content=b"x = 1\n",
        content_sha256=sha256_hex(b"x = 1\n"),
    )


def test_an_empty_file_has_content_that_is_empty(tmp_path: Path) -> None:
    (tmp_path / "x.py").touch()
    raw = read(tmp_path / "x.py")
    assert (raw.content, raw.size_bytes, raw.fault) == (b"", 0, None)


def test_a_file_of_exactly_the_limit_is_read(tmp_path: Path) -> None:
    (tmp_path / "x.py").write_bytes(b"x" * MAX_BYTES)
    assert read(tmp_path / "x.py").content == b"x" * MAX_BYTES


def test_too_large_is_told_with_the_true_size_and_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (tmp_path / "x.py").open("wb") as stream:
        stream.truncate(2 << 30)
    monkeypatch.setattr(os, "read", lambda *_: pytest.fail("it was read"))
    raw = read(tmp_path / "x.py")
    assert (raw.fault, raw.size_bytes, raw.content) == (Reason.TOO_LARGE, 2 << 30, None)
    assert raw.content_sha256 == ""


def test_too_large_when_it_grows_while_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x.py"
    path.write_bytes(b"x")
    real_read = os.read

    def read_after_growth(descriptor: int, count: int) -> bytes:
        with path.open("ab") as stream:
            stream.write(b"y" * MAX_BYTES)
        return real_read(descriptor, count)

    monkeypatch.setattr(os, "read", read_after_growth)
    raw = read(path)
    assert raw.fault is Reason.TOO_LARGE
    assert raw.size_bytes == MAX_BYTES + 1


def make_link(path: Path) -> None:
    path.symlink_to("/etc/passwd")


def make_loop(path: Path) -> None:
    path.symlink_to(path.name)


def make_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(path))


@pytest.mark.parametrize("make", [make_link, make_loop, os.mkfifo, make_socket, os.mkdir])
def test_not_a_file_without_waiting_for_anybody(
    tmp_path: Path, make: Callable[[Path], None]
) -> None:
    make(tmp_path / "x.py")
    before = num_descriptors()
    raw = read(tmp_path / "x.py")
    assert (raw.fault, raw.content) == (Reason.NOT_A_FILE, None)
    assert num_descriptors() <= before


def test_not_a_file_for_a_device() -> None:
    raw = read(Path("/dev/zero"))
    assert (raw.fault, raw.content) == (Reason.NOT_A_FILE, None)


def test_unreadable_when_opening_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> int:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(os, "open", refuse)
    raw = read(tmp_path / "x.py")
    assert (raw.fault, raw.detail) == (Reason.UNREADABLE, "permission denied")


def test_unreadable_when_the_disk_fails_halfway(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> bytes:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    (tmp_path / "x.py").write_bytes(b"x")
    monkeypatch.setattr(os, "read", fail)
    before = num_descriptors()
    raw = read(tmp_path / "x.py")
    assert (raw.fault, raw.detail) == (Reason.UNREADABLE, "input/output error")
    assert num_descriptors() <= before


def test_unreadable_when_it_vanishes_between_listing_and_reading(tmp_path: Path) -> None:
    for name in ("a.py", "b.py"):
        (tmp_path / name).write_bytes(b"x = 1\n")
    limits = ArchiveLimits(
        max_member_bytes=MAX_BYTES, max_ratio=200, free_bytes=64 << 20, free_members=20_000
    )
    source = LocalSource(str(tmp_path), selection=Selection(), limits=limits, rules=())
    (tmp_path / "a.py").unlink()
    gone, there = map(reader(MAX_BYTES), source.entries(0))
    assert (gone.fault, gone.detail) == (Reason.UNREADABLE, "no such file or directory")
    assert there.content == b"x = 1\n"


def test_unreadable_when_its_folder_vanishes_and_a_file_takes_the_place(tmp_path: Path) -> None:
    (tmp_path / "d").write_bytes(b"")
    assert read(tmp_path / "d" / "x.py").fault is Reason.UNREADABLE


def test_what_the_source_found_out_is_passed_on() -> None:
    entry = Entry(
        origin=ORIGIN, position=POSITION, size_bytes=7, fault=Reason.UNSAFE_MEMBER, detail="a link"
    )
    raw = reader(MAX_BYTES)(entry)
    assert (raw.fault, raw.detail, raw.size_bytes) == (Reason.UNSAFE_MEMBER, "a link", 7)


def test_content_that_came_with_the_entry_is_not_read_again() -> None:
    entry = Entry(origin=ORIGIN, position=POSITION, size_bytes=0, content=b"x = 1\n")
    raw = reader(MAX_BYTES)(entry)
    assert (raw.content, raw.content_sha256) == (b"x = 1\n", sha256_hex(b"x = 1\n"))


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"caf\xc3\xa9.py", "café.py"),
        (b"caf\xe9.py", "caf\\xe9.py"),
        ("caf\udce9.py", "caf\\xe9.py"),
        (b"new\nline", "new\nline"),
    ],
)
def test_paths_become_text_that_utf8_can_hold(raw: bytes | str, text: str) -> None:
    assert text_path(raw) == text
    text_path(raw).encode()
