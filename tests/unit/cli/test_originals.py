"""What a run had read is read again as it was, or not at all."""

import gzip
import io
import json
import os
import shutil
import tarfile
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from gristmill.cli import crawled
from gristmill.cli.originals import Originals
from gristmill.runtime.adapters import listing
from gristmill.runtime.adapters.archives import ArchiveLimits, read_members
from gristmill.runtime.adapters.files import reader
from gristmill.runtime.adapters.listing import LocalSource, Selection, Terms
from gristmill.runtime.adapters.run_directory import LOG, RunDirectory
from gristmill.runtime.adapters.sources import open_sources
from gristmill.runtime.adapters.table_columns import Columns
from gristmill.runtime.model import BadInput, Position, Transient
from gristmill.runtime.testing.git import GitRepository

LIMITS = ArchiveLimits(max_member_bytes=1000, max_ratio=50, free_bytes=1 << 20, free_members=1000)
# Two of these do not pass `exclude=("docs/", "*.skip")`: the third has number 0, the last number 1.
MEMBERS = {
    "docs/a.py": b"no", "b.skip": b"no", "c.py": b"c = 1\n", "docs/d.py": b"no",
    "e.py": "é = 1\n".encode(),
}  # fmt: skip


def tar_of(members: Mapping[str, bytes], mode: Any) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:
        for name, content in members.items():
            about = tarfile.TarInfo(name)
            about.size = len(content)
            archive.addfile(about, io.BytesIO(content))
    return buffer.getvalue()


def zip_of(members: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Files in several encodings, and archives between them."""
    root = tmp_path / "root"
    (root / "docs").mkdir(parents=True)
    (root / "docs" / "no.py").write_bytes(b"not wanted")
    (root / "a.py").write_bytes(b"a = 1\r\n")
    (root / "b.tar.gz").write_bytes(tar_of(MEMBERS, "w:gz"))
    (root / "c.zip").write_bytes(zip_of(MEMBERS))
    (root / "latin.py").write_bytes('# Größe, Länge, Höhe\nsize = "groß"\n'.encode("latin-1"))
    (root / "marked.py").write_bytes("x = 'é'\n".encode("utf-16"))
    (root / "z.tar").write_bytes(tar_of(MEMBERS, "w"))
    return root


class Run:
    """What a run leaves behind of a source: its listing, and what the ledger says of each file."""

    def __init__(self, out: Path, argument: Path | str, **selection: Any) -> None:
        columns = selection.pop("columns", None)
        terms = Terms(
            selection=Selection(**selection), limits=LIMITS, rules=("r1",), columns=columns
        )
        (self.source,) = open_sources([str(argument)], terms, git_head=False)
        self.directory = RunDirectory.create(str(out))
        self.directory.save_listing(self.source.listing.source, self.source)
        raws = map(reader(LIMITS.max_member_bytes), self.source.entries(0))
        self.raws = {raw.position.offset: raw for raw in raws}
        self.offsets = {raw.origin.path: offset for offset, raw in self.raws.items()}
        self.hashes = {offset: raw.content_sha256 for offset, raw in self.raws.items()}
        self.originals = Originals(str(out))

    def text(self, path: str) -> bytes | None:
        """Read a path again."""
        offset = self.offsets[path]
        position = Position(source=self.source.listing.source, offset=offset)
        return self.originals.text(position, self.hashes[offset])

    def all(self) -> list[tuple[str, bytes]]:
        """Read everything again."""
        found = self.originals.stream(self.source.listing.source, self.hashes, self.hashes)
        return [(self.raws[offset].origin.path, text) for offset, text in found]


@pytest.fixture
def run(root: Path, tmp_path: Path) -> Run:
    return Run(tmp_path / "out", root, exclude=("docs/", "*.skip"))


def test_everything_is_read_again_decoded_and_in_order(run: Run) -> None:
    members = [("c.py", b"c = 1\n"), ("e.py", "é = 1\n".encode())]
    assert run.all() == [
        ("a.py", b"a = 1\r\n"),
        *members,
        *members,
        ("latin.py", '# Größe, Länge, Höhe\nsize = "groß"\n'.encode()),
        ("marked.py", "x = 'é'\n".encode()),
        *members,
    ]


def test_one_document_at_a_time(run: Run) -> None:
    assert run.text("a.py") == b"a = 1\r\n"
    assert run.text("e.py") == "é = 1\n".encode()  # in z.tar
    position = Position(source=run.source.listing.source, offset=1 << 32 | 1)
    assert run.originals.text(position) == "é = 1\n".encode()


def test_some_of_many_open_no_other_archive_and_read_none_to_its_end(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []

    def watched(location: bytes, *rest: Any) -> Iterator[Any]:
        for member in read_members(location, *rest):
            opened.append(f"{os.path.basename(location).decode()} {member.name}")
            yield member

    monkeypatch.setattr(listing, "read_members", watched)
    offsets = {1 << 32, 2 << 32 | 1, 4 << 32}
    found = list(run.originals.stream(run.source.listing.source, offsets))
    assert [offset for offset, _ in found] == sorted(offsets)
    names = ["docs/a.py", "b.skip", "c.py"]
    rest = [f"c.zip {name}" for name in MEMBERS]
    assert opened == [*(f"b.tar.gz {name}" for name in names), *rest]


@pytest.mark.parametrize(
    "selection",
    [
        {"include": ("*.py",)},
        {"exclude": ("e.py", "b.tar.gz")},
        {"include": ("*.py", "*.zip"), "open_archives": False},
        {},
    ],
)
def test_members_have_the_numbers_that_the_runs_own_patterns_gave_them(
    root: Path, tmp_path: Path, selection: dict[str, Any]
) -> None:
    run = Run(tmp_path / "out", root, **selection)
    texts = {path for path, _ in run.all()}
    assert texts == {raw.origin.path for raw in run.raws.values() if raw.content is not None} - {
        "b.tar.gz", "c.zip", "z.tar",
    }  # fmt: skip


@pytest.mark.parametrize("argument", ["*.*", "c.zip", "a.py", "."])
def test_globs_files_and_relative_roots_are_found_again(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, argument: str
) -> None:
    monkeypatch.chdir(root)
    run = Run(tmp_path / "out", argument)
    monkeypatch.chdir(tmp_path)
    assert len(run.all()) == len(run.raws)


def test_a_name_that_is_not_utf8_is_found_again_and_none_that_looks_like_it(
    tmp_path: Path,
) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (root / "caf\\xe9.py").write_bytes(b"spelt out")
    Path(os.fsdecode(os.path.join(bytes(root), b"caf\xe9.py"))).write_bytes(b"in latin-1")
    run = Run(tmp_path / "out", root)
    assert {text for _, text in run.all()} == {b"spelt out", b"in latin-1"}


def test_a_commit_is_read_again_when_head_has_moved_on(tmp_path: Path) -> None:
    repository = GitRepository(str(tmp_path / "r.git"))
    files = {"a.py": b"a = 1\n", "b.zip": zip_of(MEMBERS), "l.py": "# Größe\n".encode("latin-1")}
    repository.commit_files(files)
    run = Run(tmp_path / "out", repository.directory)
    repository.commit_files({"a.py": b"a = 2\n"})
    assert run.text("a.py") == b"a = 1\n"
    assert run.text("l.py") == "# Größe\n".encode()
    assert run.text("c.py") == b"c = 1\n"
    assert len(run.all()) == len(run.raws)
    shutil.rmtree(repository.directory)
    assert run.all() == []


@pytest.mark.parametrize("name", ["t.parquet", "t.jsonl.gz"])
def test_rows_of_a_table_are_read_again_as_long_as_it_stands(tmp_path: Path, name: str) -> None:
    rows = [{"c": f"x = {n}\n", "p": f"m{n}.py"} for n in range(9)]
    if name == "t.parquet":
        parquet.write_table(pa.Table.from_pylist(rows), tmp_path / name, row_group_size=2)
    else:
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        (tmp_path / name).write_bytes(gzip.compress(lines.encode()))
    run = Run(tmp_path / "out", tmp_path / name, columns=Columns(content="c", path="p"))
    assert run.text("m7.py") == b"x = 7\n"
    assert [path for path, _ in run.all()] == [row["p"] for row in rows]
    os.utime(tmp_path / name, ns=(0, 0))
    assert run.all() == []


# --- what is gone ---------------------------------------------------------------------------------


def test_none_where_a_file_or_an_archive_is_gone(run: Run, root: Path) -> None:
    (root / "a.py").unlink()
    (root / "z.tar").unlink()
    assert run.text("a.py") is None
    assert run.text("e.py") is None
    assert [path for path, _ in run.all()] == ["c.py", "e.py"] * 2 + ["latin.py", "marked.py"]


def test_none_where_size_or_time_changed(run: Run, root: Path) -> None:
    (root / "a.py").write_bytes(b"a = 12\r\n")
    status = (root / "z.tar").stat()
    os.utime(root / "z.tar", ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    assert run.text("a.py") is None
    assert run.text("e.py") is None


def test_none_where_the_bytes_are_others_of_the_same_size_and_time(run: Run, root: Path) -> None:
    for name, content in (("a.py", b"b = 2\r\n"), ("z.tar", tar_of(MEMBERS, "w")[::-1])):
        status = (root / name).stat()
        (root / name).write_bytes(content)
        os.utime(root / name, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert run.text("a.py") is None
    assert run.text("e.py") is None


def test_none_where_a_link_took_its_place(run: Run, root: Path) -> None:
    (root / "a.py").rename(root / "docs" / "a.py")
    (root / "a.py").symlink_to("docs/a.py")
    assert run.text("a.py") is None


def test_none_of_what_is_no_text(root: Path, tmp_path: Path) -> None:
    (root / "image.py").write_bytes(b"GIF89a\0\1")
    (root / "large.py").write_bytes(b"x" * 1001)
    run = Run(tmp_path / "out", root)
    assert run.text("image.py") is None
    assert run.text("large.py") is None


@pytest.mark.parametrize("content", [None, b"", b"not zstd", b"(\xb5/\xfd"])
def test_none_where_the_listing_is_gone_or_damaged(run: Run, content: bytes | None) -> None:
    (path,) = (Path(run.directory.path) / "listings").iterdir()
    path.unlink() if content is None else path.write_bytes(content)
    assert run.text("a.py") is None
    assert run.all() == []


@pytest.mark.parametrize(
    "lines",
    [
        [],
        ['{"root": "/tmp"}'],
        ["[]"],
        ['"text"'],
        ["{", "["],
    ],
)
def test_lines_that_are_no_listing_are_refused(lines: list[str]) -> None:
    with pytest.raises(BadInput, match="not the listing"):
        LocalSource.reopen(lines)


def test_a_listing_of_another_name_is_not_trusted(run: Run) -> None:
    (path,) = (Path(run.directory.path) / "listings").iterdir()
    path.rename(path.with_name("0123.jsonl.zst"))
    assert list(run.originals.stream("0123", run.offsets.values())) == []


def test_an_offset_behind_the_end_is_nothing(run: Run) -> None:
    assert list(run.originals.stream(run.source.listing.source, {99 << 32, 1 << 32 | 7})) == []


def test_a_reopened_source_is_the_same_source(run: Run) -> None:
    again = LocalSource.reopen(run.source.lines())
    assert again.listing.source == run.source.listing.source
    assert list(again.lines()) == list(run.source.lines())
    before, after = list(run.source.entries(0)), list(again.entries(0))
    assert [e.position for e in before] == [e.position for e in after]
    assert [(e.origin.repository, e.origin.path) for e in before] == [
        (e.origin.repository, e.origin.path) for e in after
    ]


# --- behind a log ---------------------------------------------------------------------------------


def test_a_log_that_does_not_answer_is_asked_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def away(directory: str, source: str, offsets: Any) -> Iterator[tuple[int, bytes]]:
        asked.append(source)
        yield 1, b"a = 1\n"
        raise Transient("no answer")

    monkeypatch.setattr(crawled, "crawled_contents", away)
    directory = RunDirectory.create(str(tmp_path / "out"), fed_by=LOG)
    originals = Originals(directory.path)
    assert list(originals.stream("kafka/0", {1, 2})) == [(1, b"a = 1\n")]
    assert list(originals.stream("kafka/1", {1, 2})) == []
    assert asked == ["kafka/0"]
