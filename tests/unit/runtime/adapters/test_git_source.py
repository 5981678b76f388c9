"""HEAD of a git repository is a listing like any other, however hostile the repository."""

import hashlib
import os
import subprocess
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gristmill.runtime.adapters import git_objects
from gristmill.runtime.adapters.archives import ArchiveLimits
from gristmill.runtime.adapters.git_source import GitSource
from gristmill.runtime.adapters.listing import ListedSource, LocalSource, Selection, Terms
from gristmill.runtime.adapters.sources import open_sources, reopen_source
from gristmill.runtime.model import BadInput, Reason
from gristmill.runtime.ports import Entry
from gristmill.runtime.testing.git import (
    EXECUTABLE,
    FILE,
    FOLDER,
    LINK,
    SUBMODULE,
    GitRepository,
    PackEntry,
    blob_id,
)

LIMITS = ArchiveLimits(
    max_member_bytes=1 << 20, max_ratio=50, free_bytes=16 << 20, free_members=1000
)
FILES = {
    "a.py": b"a = 1\n", "lib/b.py": b"b = 2\n", "lib/deep/c.py": b"c = 3\n", "lib.py": b"lib = 0\n",
    "z.txt": b"",
}  # fmt: skip
COMMIT_TYPE, TREE_TYPE, BLOB_TYPE, OFFSET_DELTA, REFERENCE_DELTA = 1, 2, 3, 6, 7


def terms(*rules: str, **selection: Any) -> Terms:
    return Terms(selection=Selection(**selection), limits=LIMITS, rules=rules or ("r1",))


def head_of(path: Path | str, **selection: Any) -> ListedSource:
    (source,) = open_sources([str(path)], terms(**selection), git_head=True)
    assert isinstance(source, GitSource)
    return source


def all_of(source: ListedSource) -> list[Entry]:
    return list(source.entries(0))


def contents(source: ListedSource) -> dict[str, bytes | None]:
    return {entry.origin.path: entry.content for entry in source.entries(0)}


def faults(source: ListedSource) -> dict[str, tuple[Reason | None, str]]:
    return {e.origin.path: (e.fault, e.detail) for e in source.entries(0) if e.fault}


@pytest.fixture
def repository(tmp_path: Path) -> GitRepository:
    return GitRepository(str(tmp_path / "kettle.git"))


# --- what it lists --------------------------------------------------------------------------------


def test_the_files_of_head_sorted_by_the_bytes_of_their_paths(repository: GitRepository) -> None:
    commit = repository.commit_files(FILES)
    source = head_of(repository.directory)
    assert contents(source) == FILES
    assert [e.origin.path for e in source.entries(0)] == sorted(FILES, key=os.fsencode)
    assert [e.position.offset for e in source.entries(0)] == [n << 32 for n in range(len(FILES))]
    assert source.end() == len(FILES) << 32
    assert source.listing.total_bytes == sum(map(len, FILES.values()))
    (origin,) = {(e.origin.repository, e.origin.revision) for e in source.entries(0)}
    assert origin == ("kettle", commit.decode())


def test_the_same_files_as_a_directory_of_that_name(tmp_path: Path) -> None:
    (tmp_path / "git").mkdir()
    GitRepository(str(tmp_path / "git" / "kettle.git")).commit_files(FILES)
    for path, content in FILES.items():
        file = tmp_path / "kettle" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    local = LocalSource.of(str(tmp_path / "kettle"), terms())
    bare = head_of(tmp_path / "git" / "kettle.git")
    assert [(e.origin.repository, e.origin.path, e.position.offset) for e in all_of(bare)] == [
        (e.origin.repository, e.origin.path, e.position.offset) for e in all_of(local)
    ]


def test_a_bare_repository_is_read_at_head_unasked_and_a_work_tree_is_not(tmp_path: Path) -> None:
    GitRepository(str(tmp_path / "bare.git")).commit_files(FILES)
    tree = GitRepository(str(tmp_path / "tree"), bare=False)
    commit = tree.commit_files(FILES)
    (tmp_path / "tree" / "new.py").write_text("new = 1\n")
    (bare,) = open_sources([str(tmp_path / "bare.git")], terms(), git_head=False)
    (files,) = open_sources([str(tmp_path / "tree")], terms(), git_head=False)
    assert isinstance(bare, GitSource)
    assert isinstance(files, LocalSource)
    assert "new.py" in contents(files)
    at_head = head_of(tmp_path / "tree")
    assert contents(at_head) == FILES
    assert all_of(at_head)[0].origin.repository == "tree"
    assert all_of(at_head)[0].origin.revision == commit.decode()
    assert contents(head_of(tmp_path / "tree" / ".git")) == FILES


def test_each_repository_that_a_glob_matches_is_a_source_of_its_own(tmp_path: Path) -> None:
    for name in ("b.git", "a.git"):
        GitRepository(str(tmp_path / name)).commit_files({f"{name}.py": b"x = 1\n"})
    (tmp_path / "c.py").write_text("c = 1\n")
    sources = open_sources([str(tmp_path / "*")], terms(), git_head=False)
    assert [list(contents(source)) for source in sources] == [["a.git.py"], ["b.git.py"], ["c.py"]]
    only = open_sources([str(tmp_path / "*.git")], terms(), git_head=False)
    assert [type(source) for source in only] == [GitSource, GitSource]


def test_patterns_and_archives_are_those_of_a_directory(
    repository: GitRepository, tmp_path: Path
) -> None:
    import io
    import tarfile
    import zipfile

    tarred, zipped = io.BytesIO(), io.BytesIO()
    with tarfile.open(fileobj=tarred, mode="w:gz") as tar:
        about = tarfile.TarInfo("in/tar.py")
        about.size = 6
        tar.addfile(about, io.BytesIO(b"t = 1\n"))
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.writestr("in/zip.py", b"z = 1\n")
    repository.commit_files({**FILES, "x.tgz": tarred.getvalue(), "y.zip": zipped.getvalue()})
    source = head_of(repository.directory, include=("*.py",), exclude=("/lib/",))
    assert contents(source) == {
        "a.py": b"a = 1\n", "lib.py": b"lib = 0\n",
        "in/tar.py": b"t = 1\n", "in/zip.py": b"z = 1\n",
    }  # fmt: skip
    closed = contents(head_of(repository.directory, open_archives=False))
    assert closed["y.zip"] == zipped.getvalue()


@settings(max_examples=40)
@given(st.data())
def test_the_tail_from_any_offset_is_what_stands_there_and_behind(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    names = data.draw(st.sets(st.text("abc/", min_size=1, max_size=6), max_size=8))
    files = {f"{n.strip('/') or 'x'}.py".replace("//", "/"): n.encode() for n in names}
    repository = GitRepository(str(tmp_path_factory.mktemp("laws") / "r.git"))
    repository.commit_files(files)
    source = head_of(repository.directory)
    entries = all_of(source)
    start = data.draw(st.integers(0, source.end() + 1))
    assert list(source.entries(start)) == [e for e in entries if e.position.offset >= start]
    again = reopen_source(list(source.lines()))
    assert again.listing.source == source.listing.source
    assert [(e.position, e.content) for e in again.entries(start)] == [
        (e.position, e.content) for e in source.entries(start)
    ]


# --- identity, and reading again ------------------------------------------------------------------


def test_another_commit_is_another_source_and_the_old_one_can_still_be_read(
    repository: GitRepository,
) -> None:
    repository.commit_files(FILES)
    before = head_of(repository.directory)
    repository.commit_files({**FILES, "a.py": b"a = 2\n"})
    after = head_of(repository.directory)
    assert after.listing.source != before.listing.source
    again = reopen_source(list(before.lines()))
    assert again.is_unchanged(0)
    assert contents(again) == FILES
    assert contents(after)["a.py"] == b"a = 2\n"


def test_the_same_tree_in_another_commit_is_another_source(repository: GitRepository) -> None:
    tree = repository.tree([(b"a.py", FILE, repository.blob(b"a = 1\n"))])
    repository.commit(tree, "one")
    before = head_of(repository.directory).listing.source
    repository.commit(tree, "two")
    assert head_of(repository.directory).listing.source != before


def test_a_blob_that_comes_back_is_another_source(repository: GitRepository) -> None:
    repository.commit_files(FILES)
    whole = head_of(repository.directory).listing.source
    path = Path(repository.path_of(blob_id(FILES["a.py"])))
    data = path.read_bytes()
    path.unlink()
    partial = head_of(repository.directory)
    assert partial.listing.source != whole
    path.write_bytes(data)
    assert head_of(repository.directory).listing.source == whole
    assert not partial.is_unchanged(0)


def test_packed_and_loose_are_one_source(repository: GitRepository) -> None:
    base = b"".join(b"line %d\n" % n for n in range(200))
    grown = base + b"more\n"
    delta = _copy_then(base, b"more\n")
    repository.commit_files({"a.py": base, "b.py": grown, "c.py": b"c = 1\n"})
    loose = head_of(repository.directory)
    listing = (loose.listing.source, contents(loose))
    for content in (base, grown, b"c = 1\n"):
        os.unlink(repository.path_of(blob_id(content)))
    repository.pack(
        [
            PackEntry(id=blob_id(base), type=BLOB_TYPE, data=base),
            PackEntry(id=blob_id(grown), type=OFFSET_DELTA, data=delta, base=0),
        ]
    )
    raw = bytes.fromhex(blob_id(b"c = 1\n").decode())
    odd = b"c = 1"
    repository.pack(
        [
            PackEntry(id=blob_id(odd), type=BLOB_TYPE, data=odd),
            PackEntry(
                id=raw.hex().encode(),
                type=REFERENCE_DELTA,
                data=_copy_then(odd, b"\n"),
                base=bytes.fromhex(blob_id(odd).decode()),
            ),
        ]
    )
    packed = head_of(repository.directory)
    assert (packed.listing.source, contents(packed)) == listing


def _copy_then(base: bytes, more: bytes, *, says: int | None = None) -> bytes:
    """Return a delta that copies all of its base and adds a little."""
    size = len(base)
    copy = bytes([0b10110000 | 0x01, 0, size & 0xFF, size >> 8])
    made = len(base) + len(more) if says is None else says
    return _varint(size) + _varint(made) + copy + bytes([len(more)]) + more


def _varint(value: int) -> bytes:
    found = bytearray()
    while value > 0x7F:
        found.append(0x80 | value & 0x7F)
        value >>= 7
    return bytes([*found, value])


# --- HEAD -----------------------------------------------------------------------------------------


def test_head_by_a_packed_ref_and_detached(repository: GitRepository) -> None:
    commit = repository.commit_files(FILES)
    directory = Path(repository.directory)
    branch = (directory / "HEAD").read_text().removeprefix("ref: ").strip()
    (directory / branch).unlink()
    (directory / "packed-refs").write_text(
        f"# pack-refs with: peeled\n{'0' * 40} refs/heads/other\n{commit.decode()} {branch}\n"
    )
    assert contents(head_of(directory)) == FILES
    (directory / "HEAD").write_text(commit.decode())
    assert contents(head_of(directory)) == FILES


def test_a_branch_without_commits_is_a_warning(repository: GitRepository) -> None:
    source = head_of(repository.directory)
    assert all_of(source) == []
    assert any("has no commit yet" in warning for warning in source.listing.warnings)


@pytest.mark.parametrize(
    "head",
    [
        "ref: ../../../etc/passwd", "ref: refs/../../secret", "ref: HEAD", "nonsense",
        "ref: refs/heads/.invalid", "ref: refs/heads/loop", "ref: refs/heads/\x1b[2J",
        "f" * 39, "/etc/passwd",
    ],
)  # fmt: skip
def test_a_head_that_names_no_commit_is_bad_input_that_shows_nothing_of_it(
    repository: GitRepository, head: str
) -> None:
    repository.commit_files(FILES)
    directory = Path(repository.directory)
    (directory / "refs" / "heads" / "loop").write_text("ref: refs/heads/loop")
    (directory / "HEAD").write_text(head)
    with pytest.raises(BadInput, match=r"names no (branch|commit)") as raised:
        head_of(directory)
    assert head not in str(raised.value)


def test_a_commit_or_a_tree_that_is_not_there(repository: GitRepository) -> None:
    tree = repository.tree([(b"a.py", FILE, repository.blob(b"a"))])
    commit = repository.commit(tree)
    os.unlink(repository.path_of(tree))
    source = head_of(repository.directory)
    assert faults(source)["."][0] is Reason.UNREADABLE
    assert faults(source)["."][1].startswith("its tree is not in this repository")
    os.unlink(repository.path_of(commit))
    with pytest.raises(BadInput, match="is not in this repository"):
        head_of(repository.directory)


def test_blobs_and_trees_that_are_absent_are_counted_and_told(repository: GitRepository) -> None:
    entries = [
        (b"a.py", FILE, b"1" * 40), (b"b.py", FILE, b"2" * 40), (b"c.md", FILE, b"3" * 40),
        (b"lib", FOLDER, b"4" * 40),
    ]  # fmt: skip
    repository.commit(repository.tree(entries))
    source = head_of(repository.directory, include=("*.py",))
    assert source.listing.num_absent == 3
    (warning,) = source.listing.warnings
    assert warning.endswith("(a partial clone, or damaged): 2 blobs and 1 tree")
    assert reopen_source(list(source.lines())).listing.num_absent == 3


def test_what_is_no_repository_is_bad_input(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="is no git repository"):
        open_sources([str(tmp_path)], terms(), git_head=True)


def test_a_git_file_that_points_elsewhere_is_not_followed(tmp_path: Path) -> None:
    private = GitRepository(str(tmp_path / "private.git"))
    private.commit_files(FILES)
    (tmp_path / "trap").mkdir()
    (tmp_path / "trap" / ".git").write_text(f"gitdir: {private.directory}\n")
    with pytest.raises(BadInput, match="points at a repository elsewhere"):
        open_sources([str(tmp_path / "trap")], terms(), git_head=True)
    (tmp_path / "link").mkdir()
    (tmp_path / "link" / ".git").symlink_to(private.directory)
    with pytest.raises(BadInput, match="is no git repository"):
        open_sources([str(tmp_path / "link")], terms(), git_head=True)


@pytest.mark.parametrize("part", ["objects", "refs"])
def test_a_repository_whose_parts_are_links_is_none(tmp_path: Path, part: str) -> None:
    private = GitRepository(str(tmp_path / "private.git"))
    private.commit_files(FILES)
    trap = GitRepository(str(tmp_path / "trap.git"))
    subprocess.run(["rm", "-r", f"{trap.directory}/{part}"], check=True)
    (Path(trap.directory) / part).symlink_to(Path(private.directory) / part)
    with pytest.raises(BadInput, match="is no git repository"):
        open_sources([trap.directory], terms(), git_head=True)


def test_alternates_hooks_filters_and_configuration_are_not_looked_at(
    tmp_path: Path, repository: GitRepository
) -> None:
    private = GitRepository(str(tmp_path / "private.git"))
    secret = private.blob(b"secret = 1\n")
    repository.commit(
        repository.tree(
            [
                (b".gitattributes", FILE, repository.blob(b"*.py filter=evil\n")),
                (b"a.py", FILE, repository.blob(b"a = 1\n")),
                (b"s.py", FILE, secret),
            ]
        )
    )
    directory, witness = Path(repository.directory), tmp_path / "witness"
    (directory / "objects" / "info").mkdir(exist_ok=True)
    (directory / "objects" / "info" / "alternates").write_text(f"{private.directory}/objects\n")
    evil = f"touch {witness}"
    (directory / "config").write_text(
        f'[core]\n\tfsmonitor = "{evil}"\n\tworktree = /\n\tsshCommand = "{evil}"\n'
        f'[filter "evil"]\n\tsmudge = "{evil}"\n\tclean = "{evil}"\n'
        f"[include]\n\tpath = /dev/zero\n"
        f'[remote "origin"]\n\tpromisor = true\n\turl = ext::{evil}\n'
    )
    hook = directory / "hooks" / "post-checkout"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\n{evil}\n")
    hook.chmod(0o755)
    source = head_of(directory)
    assert contents(source)["a.py"] == b"a = 1\n"
    assert faults(source)["s.py"][0] is Reason.UNREADABLE
    assert source.listing.warnings == (
        f"absent from {directory} (a partial clone, or damaged): 1 blob",
    )
    assert source.listing.num_absent == 1
    assert not witness.exists()


# --- hostile trees --------------------------------------------------------------------------------


def test_every_kind_of_entry_has_its_reason(repository: GitRepository) -> None:
    good = repository.blob(b"x = 1\n")
    other = repository.tree([(b"in.py", FILE, good)])
    absent = b"1" * 40
    repository.commit(
        repository.tree(
            [
                (b"", FILE, good),
                (b".", FOLDER, other),
                (b"..", FILE, good),
                (b"../x", FILE, good),
                (b".git/config", FILE, good),
                (b"/abs.py", FILE, good),
                (b"absent.py", FILE, absent),
                (b"absent", FOLDER, absent),
                (b"caf\xe9.py", FILE, good),
                (b"link.py", LINK, repository.blob(b"/etc/passwd")),
                (b"new\nline.py", EXECUTABLE, good),
                (b"huge mode", 0xFFFFFFFF, good),
                (b"odd mode", 0o10000, good),
                (b"sub", SUBMODULE, absent),
                (b"tree as file.py", FILE, other),
                (b"file as tree", FOLDER, good),
            ]
        )
    )
    source = head_of(repository.directory)
    found = {path: fault for path, (fault, _) in faults(source).items()}
    assert found == {
        "": Reason.UNSAFE_MEMBER,
        ".": Reason.UNSAFE_MEMBER,
        "..": Reason.UNSAFE_MEMBER,
        "../x": Reason.UNSAFE_MEMBER,
        ".git/config": Reason.UNSAFE_MEMBER,
        "/abs.py": Reason.UNSAFE_MEMBER,
        "absent.py": Reason.UNREADABLE,
        "absent": Reason.UNREADABLE,
        "link.py": Reason.NOT_A_FILE,
        "huge mode": Reason.NOT_A_FILE,
        "odd mode": Reason.NOT_A_FILE,
        "sub": Reason.NOT_A_FILE,
        "tree as file.py": Reason.UNREADABLE,
        "file as tree": Reason.UNREADABLE,
    }
    good_ones = {path for path, content in contents(source).items() if content == b"x = 1\n"}
    assert good_ones == {"caf\\xe9.py", "new\nline.py"}


def test_archive_limit_for_a_tree_that_lists_itself_without_end(repository: GitRepository) -> None:
    tree = repository.tree([(b"f.py", FILE, repository.blob(b"x = 1\n"))])
    for _ in range(10):
        tree = repository.tree([(b"%d" % n, FOLDER, tree) for n in range(10)])
    repository.commit(tree)
    source = head_of(repository.directory)
    assert source.listing.num_entries < 2000
    assert faults(source)["."][0] is Reason.ARCHIVE_LIMIT


def test_archive_limit_for_one_blob_listed_again_and_again(repository: GitRepository) -> None:
    blob = repository.blob(b"x" * (1 << 20))
    repository.commit(repository.tree([(b"%03d.py" % n, FILE, blob) for n in range(400)]))
    source = head_of(repository.directory)
    assert source.listing.total_bytes <= LIMITS.free_bytes
    assert faults(source)["."] == (Reason.ARCHIVE_LIMIT, "unpacks to more than 16 MiB")
    assert list(faults(head_of(repository.directory, include=("*.c",), exclude=(".*",)))) == ["."]


def test_archive_limit_for_a_tree_deeper_than_any_path(repository: GitRepository) -> None:
    tree = repository.tree([(b"f.py", FILE, repository.blob(b"x = 1\n"))])
    for _ in range(60):
        tree = repository.tree([(b"d" * 100, FOLDER, tree)])
    repository.commit(tree)
    assert faults(head_of(repository.directory)) == {
        ".": (Reason.ARCHIVE_LIMIT, "paths of more than 4,096 bytes")
    }


def test_a_broken_tree_is_unreadable_and_its_neighbours_are_read(repository: GitRepository) -> None:
    broken = repository.write(b"tree", b"100644 a.py\0too short")
    repository.commit(
        repository.tree([(b"a", FOLDER, broken), (b"b.py", FILE, repository.blob(b"b = 1\n"))])
    )
    source = head_of(repository.directory)
    assert faults(source)["a"][0] is Reason.UNREADABLE
    assert contents(source)["b.py"] == b"b = 1\n"
    assert list(contents(head_of(repository.directory, include=("*.py",)))) == ["a", "b.py"]
    assert list(contents(head_of(repository.directory, exclude=("a/",)))) == ["b.py"]


# --- hostile objects ------------------------------------------------------------------------------


def commit_blob(repository: GitRepository, id_: bytes, name: bytes = b"bad.py") -> None:
    good = repository.blob(b"good = 1\n")
    repository.commit(repository.tree([(name, FILE, id_), (b"good.py", FILE, good)]))


def reason_of_bad(repository: GitRepository) -> tuple[Reason | None, str]:
    source = head_of(repository.directory)
    assert contents(source)["good.py"] == b"good = 1\n"
    return faults(source)["bad.py"]


def test_too_large_for_an_enormous_blob_that_is_not_unpacked(
    repository: GitRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = b"x" * (LIMITS.max_member_bytes + 1)
    commit_blob(repository, repository.blob(content))
    assert reason_of_bad(repository) == (Reason.TOO_LARGE, "")
    os.unlink(repository.path_of(blob_id(content)))
    repository.pack([PackEntry(id=blob_id(content), type=BLOB_TYPE, data=b"x", size=1 << 50)])
    monkeypatch.setattr(git_objects, "unpack_object_at", None)
    assert reason_of_bad(repository) == (Reason.TOO_LARGE, "")


def test_a_loose_object_that_lies_of_its_size_is_damaged(repository: GitRepository) -> None:
    id_ = blob_id(b"bad = 1\n")
    commit_blob(repository, id_)
    path = Path(repository.path_of(id_))
    path.parent.mkdir(exist_ok=True)
    for data in (
        zlib.compress(b"blob 4\0" + b"x" * (64 << 20)),
        zlib.compress(b"blob 40\0short"),
        zlib.compress(b"blob 8\0bad = 2\n"),
        zlib.compress(b"blob -8\0bad = 1\n"),
        zlib.compress(b"blob 8\0bad = 1\n")[:-6],
        b"not zlib",
        b"",
    ):
        path.write_bytes(data)
        assert reason_of_bad(repository)[0] is Reason.UNREADABLE
    path.unlink()
    path.symlink_to("/dev/zero")
    assert reason_of_bad(repository)[0] is Reason.UNREADABLE
    path.unlink()
    os.mkfifo(path)
    assert reason_of_bad(repository)[0] is Reason.UNREADABLE


def test_archive_limit_for_deltas_that_build_on_deltas_without_end(
    repository: GitRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(git_objects, "MAX_WORK_BYTES", 8 << 20)
    size = 0xFFFF
    base = b"x" * size
    small = b"bad = 1\n"
    large = _varint(size) + _varint(size * 15) + bytes([0b10110001, 0, 0xFF, 0xFF]) * 15
    shrink = _varint(size * 15) + _varint(len(small)) + bytes([len(small)]) + small
    keep = _varint(len(small)) + _varint(size * 15) + bytes([0b10010001, 0, 8]) * (size * 15 // 8)
    entries = [PackEntry(id=b"%040x" % 1, type=BLOB_TYPE, data=base)]
    for n in range(12):
        grow = large if n == 0 else keep
        entries.append(PackEntry(id=b"%040x" % (2 * n + 2), type=6, data=grow, base=2 * n))
        entries.append(PackEntry(id=b"%040x" % (2 * n + 3), type=6, data=shrink, base=2 * n + 1))
    entries[-1] = PackEntry(id=blob_id(small), type=6, data=shrink, base=len(entries) - 2)
    repository.pack(entries)
    commit_blob(repository, blob_id(small))
    assert reason_of_bad(repository)[0] is Reason.ARCHIVE_LIMIT


@pytest.mark.parametrize(
    "entry",
    [
        # It says that it makes more, or less, than it does; it copies from beyond its base.
        PackEntry(id=b"", type=6, data=_varint(5) + _varint(900) + b"\x01x", base=0),
        PackEntry(id=b"", type=6, data=_varint(5) + _varint(2) + b"\xb0\xff\xff", base=0),
        PackEntry(id=b"", type=6, data=_varint(5) + _varint(9) + b"\x91\xff\x09", base=0),
        PackEntry(id=b"", type=6, data=_varint(7) + _varint(1) + b"\x01x", base=0),
        PackEntry(id=b"", type=6, data=b"\xff" * 30, base=0),
        PackEntry(id=b"", type=6, data=b"", base=0),
        PackEntry(id=b"", type=7, data=_varint(8) + _varint(1) + b"\x01x", base=b"\x11" * 20),
        PackEntry(id=b"", type=BLOB_TYPE, data=b"bad = 1\n", size=4),
        PackEntry(id=b"", type=BLOB_TYPE, data=b"bad = 1\n", size=400),
        PackEntry(id=b"", type=TREE_TYPE, data=b"bad = 1\n"),
        PackEntry(id=b"", type=0, data=b"bad = 1\n"),
        PackEntry(id=b"", type=5, data=b"bad = 1\n"),
    ],
)
def test_a_pack_that_lies_costs_one_blob(repository: GitRepository, entry: PackEntry) -> None:
    id_ = blob_id(b"bad = 1\n")
    named = PackEntry(id=id_, type=entry.type, data=entry.data, base=entry.base, size=entry.size)
    repository.pack([PackEntry(id=b"2" * 40, type=BLOB_TYPE, data=b"basic"), named])
    commit_blob(repository, id_)
    assert reason_of_bad(repository)[0] is Reason.UNREADABLE


def test_a_delta_of_itself_is_unreadable_or_limited(repository: GitRepository) -> None:
    id_ = blob_id(b"bad = 1\n")
    delta = _varint(8) + _varint(8) + b"\x90\x08"
    repository.pack([PackEntry(id=id_, type=7, data=delta, base=bytes.fromhex(id_.decode()))])
    commit_blob(repository, id_)
    assert reason_of_bad(repository)[0] in {Reason.UNREADABLE, Reason.ARCHIVE_LIMIT}


@pytest.mark.parametrize("end", [".pack", ".idx"])
@pytest.mark.parametrize("damage", [b"", b"PACK", b"\xfftOc\0\0\0\2" + b"\xff" * 2000, None])
def test_a_broken_pack_is_a_warning_and_its_blobs_are_absent(
    repository: GitRepository, end: str, damage: bytes | None
) -> None:
    id_ = blob_id(b"bad = 1\n")
    path = repository.pack([PackEntry(id=id_, type=BLOB_TYPE, data=b"bad = 1\n")])
    commit_blob(repository, id_)
    broken = Path(path.removesuffix(".pack") + end)
    content = broken.read_bytes()
    broken.unlink()
    broken.write_bytes(damage) if damage is not None else broken.symlink_to("/dev/zero")
    source = head_of(repository.directory)
    assert faults(source)["bad.py"][0] is Reason.UNREADABLE
    assert source.listing.warnings
    assert content


def test_truncation_anywhere_is_never_more_than_a_fault(
    repository: GitRepository,
) -> None:
    contents_ = [hashlib.sha256(b"%d" % n).hexdigest().encode() for n in range(6)]
    path = repository.pack([PackEntry(id=blob_id(c), type=BLOB_TYPE, data=c) for c in contents_])
    names = [(b"%d.py" % n, FILE, blob_id(c)) for n, c in enumerate(contents_)]
    repository.commit(repository.tree(names))
    whole = Path(path).read_bytes()
    good: Mapping[str, bytes] = {f"{n}.py": c for n, c in enumerate(contents_)}
    for length in range(0, len(whole), 13):
        Path(path).write_bytes(whole[:length])
        for name, content in contents(head_of(repository.directory)).items():
            assert content in {None, good[name]}
    for at in range(12, len(whole), 7):
        Path(path).write_bytes(whole[:at] + bytes([whole[at] ^ 0x55]) + whole[at + 1 :])
        for name, content in contents(head_of(repository.directory)).items():
            assert content in {None, good[name]}
