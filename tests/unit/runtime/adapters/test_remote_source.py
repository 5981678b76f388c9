"""What servers hold is listed, fetched ahead, asked again, and never taken for something else."""

import io
import re
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from fsspec.implementations.memory import MemoryFileSystem
from fsspec.utils import glob_translate
from hypothesis import given, settings
from hypothesis import strategies as st

from gristmill.runtime.adapters import remote_source
from gristmill.runtime.adapters.archives import ArchiveLimits
from gristmill.runtime.adapters.listing import Selection, Terms
from gristmill.runtime.adapters.remote_files import RemoteFile, RemoteFiles
from gristmill.runtime.adapters.remote_source import RemoteSource, is_remote
from gristmill.runtime.adapters.source_settings import SourceSettings
from gristmill.runtime.adapters.sources import open_sources, reopen_source
from gristmill.runtime.model import BadInput, Fatal, Reason, Transient

LIMITS = ArchiveLimits(max_member_bytes=100, max_ratio=50, free_bytes=1 << 20, free_members=1000)


class Server(MemoryFileSystem):  # type: ignore[misc]
    """Objects in memory that name themselves as S3's do, and outages."""

    cachable = False
    store: dict[str, Any]
    pseudo_dirs: list[str]

    def __init__(self) -> None:
        super().__init__()
        self.store, self.pseudo_dirs = {}, [""]
        self.outages = 0
        self.tags, self.times = True, False
        self.reads: list[str] = []
        self.lock = threading.Lock()

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return "/" + path.strip("/") if path.strip("/") else ""

    def put_all(self, **contents: bytes) -> None:
        for path, content in contents.items():
            self.pipe_file(path, content)

    def info(self, path: str, **_: Any) -> dict[str, Any]:
        self._answer()
        return self._named(super().info(path))

    def find(self, path: str, *_: Any, **__: Any) -> dict[str, Any]:
        self._answer()
        found = super().find(path, detail=True)
        return {name.lstrip("/"): self._named(one) for name, one in found.items()}

    def glob(self, path: str, *_: Any, **__: Any) -> dict[str, Any]:
        names = {name.lstrip("/") for name in self.store}
        names |= {"/".join(n.split("/")[:k]) for n in names for k in range(1, n.count("/") + 1)}
        matches = re.compile(glob_translate(path)).match
        return {name: self.info(name) for name in sorted(names) if matches(name)}

    def cat_file(self, path: str, start: Any = None, end: Any = None, **options: Any) -> bytes:
        self._answer()
        options["check"](self._named(super().info(path)))
        with self.lock:
            self.reads.append(path)
        content: bytes = super().cat_file(path, start, end)
        return content

    def _answer(self) -> None:
        with self.lock:
            if self.outages:
                self.outages -= 1
                raise Transient("the server does not answer")

    def _named(self, info: dict[str, Any]) -> dict[str, Any]:
        size, file = info["size"], self.store.get(info["name"])
        return {
            **info,
            "name": info["name"].lstrip("/"),
            "ETag": f"e{size}" if self.tags else "",
            "created": file.created
            if file and self.times
            else None,  # a listing tells another form
        }


@pytest.fixture
def pauses() -> list[float]:
    return []


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, pauses: list[float]) -> Iterator[Server]:
    one = Server()

    def place(path: str, given_settings: SourceSettings) -> Any:
        files = RemoteFiles(one, attempts=given_settings.attempts, pause=pauses.append)
        return remote_source._Place(files=files, scheme="s3://", root=path, readers=2)

    monkeypatch.setattr(remote_source, "_s3", place)
    yield one
    one.store.clear()


def terms(**selection: Any) -> Terms:
    return Terms(selection=Selection(**selection), limits=LIMITS, rules=("r1",))


def source_of(url: str, **selection: Any) -> RemoteSource:
    (source,) = open_sources([url], terms(**selection), git_head=False)
    assert isinstance(source, RemoteSource)
    return source


def fill(server: Server, **more: bytes) -> None:
    files = {f"b/src/d{n % 3}/m{n}.py": b"x = %d\n" % n for n in range(9)}
    server.put_all(**files, **more)


def contents(source: RemoteSource) -> dict[str, bytes | None]:
    return {entry.origin.path: entry.content for entry in source.entries(0)}


def test_what_lies_under_a_prefix_in_order(server: Server) -> None:
    fill(server, **{"b/else/no.py": b"no"})
    source = source_of("s3://b/src")
    entries = list(source.entries(0))
    paths = [entry.origin.path for entry in entries]
    assert paths == sorted(f"d{n % 3}/m{n}.py" for n in range(9))
    assert {entry.origin.repository for entry in entries} == {"src"}
    assert {entry.origin.source for entry in entries} == {"s3://b/src"}
    assert contents(source)["d1/m4.py"] == b"x = 4\n"


def test_one_object_a_glob_and_a_bucket(server: Server) -> None:
    fill(server)
    assert list(contents(source_of("s3://b/src/d1/m4.py"))) == ["m4.py"]
    assert list(contents(source_of("s3://b/src/*/m[45].py"))) == ["d1/m4.py", "d2/m5.py"]
    assert list(contents(source_of("s3://b/*/d0"))) == [f"src/d0/m{n}.py" for n in (0, 3, 6)]
    assert len(contents(source_of("s3://b"))) == 9


def test_patterns_hold_and_archives_are_opened(server: Server) -> None:
    import tarfile

    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        about = tarfile.TarInfo("in.py")
        about.size = 5
        tar.addfile(about, io.BytesIO(b"i = 1"))
    fill(server, **{"b/src/t.tar.gz": buffer.getvalue()})
    assert contents(source_of("s3://b/src", exclude=("m*.py",))) == {"in.py": b"i = 1"}
    closed = source_of("s3://b/src", exclude=("m*.py",), open_archives=False)
    assert [entry.fault for entry in closed.entries(0)] == [Reason.TOO_LARGE]


@settings(max_examples=25)
@given(start=st.integers(0, 10), count=st.integers(0, 9))
def test_the_tail_from_any_item_is_what_stands_there_and_behind(start: int, count: int) -> None:
    one = Server()
    one.put_all(**{f"b/m{n}.py": b"x = %d\n" % n for n in range(count)}, **{"b/z.py": b"z"})
    files = RemoteFiles(one, attempts=1)
    place = remote_source._Place(files=files, scheme="s3://", root="b", readers=3)
    found = [remote_source._item(file, "b", lambda _: "file") for file in files.find("b")]
    source = RemoteSource("s3://b", place, sorted(found, key=lambda i: i.path), terms())
    entries = list(source.entries(0))
    assert [entry.content for entry in entries] == [b"x = %d\n" % n for n in range(count)] + [b"z"]
    assert list(source.entries(start << 32)) == entries[start:]


def test_the_identity_changes_with_what_is_there_and_survives_a_listing(server: Server) -> None:
    fill(server)
    before = source_of("s3://b/src")
    assert source_of("s3://b/src").listing.source == before.listing.source
    again = reopen_source(list(before.lines()), SourceSettings)
    assert again.listing.source == before.listing.source
    assert again.is_unchanged(0)
    assert [e.content for e in again.entries(5 << 32)] == [
        e.content for e in before.entries(5 << 32)
    ]
    server.put_all(**{"b/src/d0/m0.py": b"longer = 1\n"})
    assert source_of("s3://b/src").listing.source != before.listing.source
    assert not again.is_unchanged(0)
    server.rm_file("b/src/d0/m0.py")
    assert not again.is_unchanged(0)
    assert next(before.entries(0)).fault is Reason.UNREADABLE
    assert next(before.entries(0)).detail == "it is gone"


@pytest.mark.parametrize("name", ["a.py", "a.tar"])
def test_unreadable_is_what_was_replaced_after_it_was_listed(server: Server, name: str) -> None:
    server.tags, server.times = False, True
    server.put_all(**{f"b/{name}": b"a = 1\n" * 10})
    source = source_of("s3://b")
    server.store[f"/b/{name}"].created += timedelta(milliseconds=999)
    assert source.is_unchanged(0)
    assert [entry.detail for entry in source.entries(0)] != ["it changed since it was listed"]
    server.store[f"/b/{name}"].created += timedelta(milliseconds=1)
    assert not source.is_unchanged(0)
    for _ in range(2):
        (entry,) = source.entries(0)
        assert (entry.fault, entry.detail) == (Reason.UNREADABLE, "it changed since it was listed")
        server.times = False
        server.put_all(**{f"b/{name}": b"longer = 1\n"})


@pytest.mark.parametrize(
    ("listed", "now", "still"),
    [
        ((6, 0, ""), (6, 0, ""), True),
        ((6, 0, ""), (7, 0, ""), False),
        ((None, 0, ""), (7, 0, ""), True),
        ((6, 5_123_000_000, ""), (6, 5_000_000_000, ""), True),
        ((6, 5_000_000_000, ""), (6, 6_000_000_000, ""), False),
        ((6, 5_000_000_000, ""), (6, 0, ""), True),
        ((6, 5_000_000_000, "a"), (6, 9_000_000_000, "a"), True),
        ((6, 5_000_000_000, "W/a"), (6, 5_000_000_000, "W/b"), False),
        ((6, 5_000_000_000, "a"), (6, 6_000_000_000, ""), False),
    ],
)
def test_what_two_answers_say_of_a_file(listed: Any, now: Any, still: bool) -> None:
    names = ("size_bytes", "mtime_ns", "version")
    one, other = (
        RemoteFile(path="f", **dict(zip(names, values, strict=True))) for values in (listed, now)
    )
    assert one.is_still(other) is still
    assert not one.is_still(replace(other, is_folder=True))


def test_too_large_is_not_fetched(server: Server) -> None:
    server.put_all(**{"b/big.py": b"x" * 101, "b/fits.py": b"x" * 100})
    big, fits = source_of("s3://b").entries(0)
    assert (big.fault, big.size_bytes, big.content) == (Reason.TOO_LARGE, 101, None)
    assert fits.content == b"x" * 100
    assert server.reads == ["b/fits.py"]


def test_one_look_fetches_one_file_and_a_long_one_more_ahead(server: Server) -> None:
    server.put_all(**{f"b/m{n}.py": b"x" for n in range(30)})
    source = source_of("s3://b")
    next(source.entries(7 << 32))
    assert server.reads == [f"b/{source._items[7].path.decode()}"]
    server.reads.clear()
    assert len(list(source.entries(0))) == 30
    assert len(server.reads) == 30


def test_an_outage_is_waited_for_a_bounded_number_of_times(
    server: Server, pauses: list[float]
) -> None:
    fill(server)
    source = source_of("s3://b/src")
    server.outages = 3
    assert len(contents(source)) == 9
    assert pauses
    server.outages = 1000
    with pytest.raises(Transient, match=r"asked 5 times. Run the same command again"):
        list(source.entries(0))
    assert all(0 < pause <= 8 for pause in pauses)


@pytest.mark.parametrize("url", ["s3://b/none", "s3://b/none*", "s3://none"])
def test_nothing_there_is_bad_input(server: Server, url: str) -> None:
    fill(server)
    with pytest.raises(BadInput, match=r"nothing (at|matches)"):
        source_of(url)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("s3://", "like s3://bucket/prefix"),
        ("s3://*/x", "names its bucket"),
        ("gs://b/x", "gs:// is no source"),
        ("https://example.org", "names no file"),
        ("https://example.org/folder/", "names no file"),
        ("https://user:secret@example.org/a.tar", "with a password in it"),
        ("https://[::1/a.tar", "is no URL"),
        ("https:///a.tar", "names no file"),
    ],
)
def test_a_url_that_is_no_source_is_bad_input(url: str, said: str) -> None:
    with pytest.raises(BadInput, match=said) as raised:
        source_of(url)
    assert "secret" not in str(raised.value)


def test_a_git_repository_on_a_server_is_bad_input(server: Server) -> None:
    server.put_all(**{"b/r.git/HEAD": b"ref", "b/r.git/objects/aa/bb": b"x"})
    with pytest.raises(BadInput, match="is a git repository: clone it"):
        source_of("s3://b/r.git")


def test_paths_that_look_like_urls_and_are_there_are_paths(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x:").mkdir()
    assert not is_remote("x://")
    assert not is_remote("./s3")
    assert is_remote("s3://b")


def test_a_signature_in_a_url_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    def info(self: RemoteFiles, path: str) -> RemoteFile:
        return RemoteFile(path=path, size_bytes=9, mtime_ns=0, version='"t"', ranges=True)

    monkeypatch.setattr(RemoteFiles, "info", info)
    signed = source_of("https://example.org/d/a.tar?X-Amz-Signature=abc&part=1")
    other = source_of("https://example.org/d/a.tar?X-Amz-Signature=def&part=1")
    plain = source_of("https://example.org/d/a.tar?part=1")
    assert signed.listing.source == other.listing.source != plain.listing.source
    for source in (signed, plain):
        assert source.listing.name == "https://example.org/d/a.tar"
    assert "abc" not in "".join(signed.lines())
    for name in ("private_token", "api_key", "apikey", "access_token", "Token", "sig", "password"):
        source = source_of(f"https://example.org/d/a.tar?part=1&{name}=abc")
        assert "abc" not in "".join(source.lines())
    again = reopen_source(list(plain.lines()), SourceSettings)
    assert isinstance(again, RemoteSource)
    assert again._at.name(again._items[0]) == "https://example.org/d/a.tar?part=1"


def test_a_large_file_is_read_by_blocks_from_any_place() -> None:
    content = bytes(range(256)) * 40_000
    asked: list[tuple[int, int]] = []

    class Whole(MemoryFileSystem):  # type: ignore[misc]
        cachable = False

        def cat_file(self, path: str, start: Any = None, end: Any = None, **_: Any) -> bytes:
            asked.append((start, end))
            return content[start:end]

    files = RemoteFiles(Whole(), attempts=1)
    about = RemoteFile(path="f", size_bytes=len(content), mtime_ns=0, version="", ranges=True)
    file, size = files.open(about)
    assert size == len(content)
    with io.BufferedReader(file) as buffered:
        assert buffered.read() == content
        blocks = len(asked)
        assert blocks <= 4
        for at in (0, 7, 5_000_000, len(content) - 3, len(content)):
            buffered.seek(at)
            assert buffered.read(9) == content[at : at + 9]
        buffered.seek(-4, io.SEEK_END)
        assert buffered.read() == content[-4:]
        with pytest.raises(OSError, match="before the beginning"):
            buffered.seek(-1)
    assert all(end - start <= 5 << 20 for start, end in asked)
    shorter = RemoteFile(path="f", size_bytes=len(content) + 1, mtime_ns=0, version="", ranges=True)
    with pytest.raises(OSError, match="changed since"):
        files.open(shorter)[0].seek(len(content)) and files.open(shorter)[0].readall()


def test_what_a_server_refuses_is_asked_once(server: Server, pauses: list[float]) -> None:
    def explain(error: OSError, path: str) -> Fatal:
        return Fatal(f"{path}: {error}")

    class Denying(Server):
        def cat_file(self, *_: Any, **__: Any) -> bytes:
            raise PermissionError("no")

    files = RemoteFiles(Denying(), attempts=4, explain=explain, pause=pauses.append)
    with pytest.raises(Fatal, match="f: no"):
        files.read(RemoteFile(path="f", size_bytes=1, mtime_ns=0, version=""), 10)
    assert pauses == []
