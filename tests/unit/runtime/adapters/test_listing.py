"""A listing holds everything once, in one order, and can be entered at any place."""

import errno
import glob
import io
import os
import socket
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from gristmill.runtime.adapters.archives import ArchiveLimits
from gristmill.runtime.adapters.listing import LocalSource, Selection
from gristmill.runtime.model import BadInput, Reason
from gristmill.runtime.ports import Entry

LIMITS = ArchiveLimits(
    max_member_bytes=1 << 20, max_ratio=200, free_bytes=64 << 20, free_members=20_000
)


def source_of(argument: Path | str, *rules: str, **selection: Any) -> LocalSource:
    return LocalSource(
        str(argument), selection=Selection(**selection), limits=LIMITS, rules=rules or ("r1",)
    )


def paths(source: LocalSource) -> list[str]:
    return [entry.origin.path for entry in source.entries(0)]


def fill(root: Path, files: Mapping[str, bytes]) -> Path:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return root


def tar_of(files: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def zip_of(files: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A tree with plain files, a full, an empty and a broken archive."""
    members = {"m/one.py": b"1", "m/two.py": b"2", "m/three.txt": b"3"}
    return fill(
        tmp_path / "tree",
        {
            "a.py": b"a",
            "b.tar": tar_of(members),
            "c.tar": tar_of({}),
            "d/e.py": b"e",
            "d/f.zip": zip_of(members),
            "g.tar.gz": b"broken",
            "h.zip": zip_of({}),
        },
    )


# --- order and identity ---------------------------------------------------------------------------


def test_entries_are_sorted_by_the_bytes_of_their_paths(tmp_path: Path) -> None:
    names = ["b.py", "B.py", "a/z.py", "a.py", "a-b.py", "é.py", "~.py", "a/b/c.py"]
    fill(tmp_path, dict.fromkeys(names, b"x"))
    assert paths(source_of(tmp_path)) == sorted(names, key=os.fsencode)


def test_offsets_are_item_and_member(tree: Path) -> None:
    offsets = [(e.position.offset >> 32, e.position.offset & 0xFFFFFFFF) for e in all_of(tree)]
    expected = [
        *[(0, 0), (1, 0), (1, 1), (1, 2), (2, 0), (3, 0)],
        *[(4, 0), (4, 1), (4, 2), (5, 0), (6, 0)],
    ]
    assert offsets == expected
    assert source_of(tree).end() == 7 << 32


def all_of(tree: Path) -> list[Entry]:
    return list(source_of(tree).entries(0))


def test_every_entry_names_its_source_and_origin(tree: Path) -> None:
    source = source_of(tree)
    entries = list(source.entries(0))
    assert {entry.position.source for entry in entries} == {source.listing.source}
    assert {entry.origin.source for entry in entries} == {str(tree)}
    repositories = {entry.origin.path: entry.origin.repository for entry in entries}
    assert repositories["a.py"] == "tree"
    assert repositories["g.tar.gz"] == "tree"
    assert repositories["m/one.py"] == "f.zip"


def test_the_tail_from_any_offset_is_what_stands_there_and_behind(tree: Path) -> None:
    source = source_of(tree)
    entries = list(source.entries(0))
    cuts = {entry.position.offset for entry in entries} | {at << 32 for at in range(8)}
    for start in sorted(cuts | {cut + 1 for cut in cuts}):
        expected = [entry for entry in entries if entry.position.offset >= start]
        assert list(source.entries(start)) == expected


def test_the_same_tree_has_the_same_identity(tree: Path) -> None:
    first, second = source_of(tree), source_of(tree)
    assert first.listing == second.listing
    assert list(first.lines()) == list(second.lines())
    assert source_of(f"{tree}/").listing.source == first.listing.source


def grow(tree: Path) -> None:
    path = tree / "a.py"
    status = path.stat()
    path.write_bytes(b"ab")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def touch(tree: Path) -> None:
    status = (tree / "a.py").stat()
    os.utime(tree / "a.py", ns=(status.st_atime_ns, status.st_mtime_ns + 1))


def rename(tree: Path) -> None:
    (tree / "a.py").rename(tree / "aa.py")


def become_a_link(tree: Path) -> None:
    (tree / "a.py").unlink()
    (tree / "a.py").symlink_to("d/e.py")


@pytest.mark.parametrize("change", [grow, touch, rename, become_a_link])
def test_a_changed_tree_is_another_source(tree: Path, change: Callable[[Path], None]) -> None:
    before = source_of(tree).listing.source
    change(tree)
    assert source_of(tree).listing.source != before


def test_other_rules_patterns_or_roots_are_other_sources(tmp_path: Path) -> None:
    for root in ("one", "two"):
        fill(tmp_path / root, {"a.py": b"a"})
        os.utime(tmp_path / root / "a.py", ns=(0, 0))
    one = tmp_path / "one"
    sources = [
        source_of(one),
        source_of(one, "r2"),
        source_of(one, "r1", "r2"),
        source_of(one, include=("*.py",)),
        source_of(one, exclude=("*.py2",)),
        source_of(one, open_archives=False),
        source_of(tmp_path / "two"),
    ]
    assert len({source.listing.source for source in sources}) == len(sources)


def test_progress_counts_listed_bytes_an_archive_when_it_is_done(tmp_path: Path) -> None:
    archive = tar_of({"x.py": b"x", "y.py": b"y"})
    fill(tmp_path, {"a.py": b"12345", "b.tar": archive, "c.py": b"123"})
    source = source_of(tmp_path)
    size = len(archive)
    assert source.listing.total_bytes == 8 + size
    assert source.listing.num_entries == 3
    offsets = (0, 1 << 32, 1 << 32 | 1, 2 << 32, 3 << 32, 9 << 32)
    assert [source.done_bytes(at) for at in offsets] == [0, 5, 5, 5 + size, 8 + size, 8 + size]


# --- what is listed -------------------------------------------------------------------------------


def test_not_a_file_for_links_pipes_and_sockets_which_are_not_followed(tmp_path: Path) -> None:
    fill(tmp_path / "elsewhere", {"secret.py": b"x"})
    root = fill(tmp_path / "root", {"good.py": b"x"})
    (root / "file link").symlink_to(tmp_path / "elsewhere" / "secret.py")
    (root / "folder link").symlink_to(tmp_path / "elsewhere")
    (root / "dangling").symlink_to("nowhere")
    (root / "loop").symlink_to(root)
    (root / "self").symlink_to("self")
    (root / "archive.tar").symlink_to("nowhere.tar")
    os.mkfifo(root / "pipe")
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(root / "socket"))
    faults = {entry.origin.path: entry.fault for entry in source_of(root).entries(0)}
    assert faults.pop("good.py") is None
    odd = {"file link", "folder link", "dangling", "loop", "self", "archive.tar", "pipe", "socket"}
    assert faults == dict.fromkeys(odd, Reason.NOT_A_FILE)


def test_unreadable_directory_is_one_record_and_its_neighbours_are_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path, {"a/x.py": b"x", "locked/y.py": b"y", "z.py": b"z"})
    real = os.scandir

    def refuse(path: bytes) -> Any:
        if os.path.basename(path) == b"locked":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return real(path)

    monkeypatch.setattr(os, "scandir", refuse)
    good, locked, last = source_of(tmp_path).entries(0)
    assert (good.origin.path, last.origin.path) == ("a/x.py", "z.py")
    assert (locked.origin.path, locked.fault) == ("locked", Reason.UNREADABLE)
    assert locked.detail == "permission denied"
    assert paths(source_of(tmp_path, include=("*.c",))) == ["locked"]
    assert paths(source_of(tmp_path, exclude=("*.py",))) == ["locked"]
    assert paths(source_of(tmp_path, exclude=("/locked/", "/a/"))) == ["z.py"]


def test_unreadable_root_is_one_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: bytes) -> Any:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(os, "scandir", refuse)
    for selection in ({}, {"include": ("*.py",)}, {"exclude": ("*",)}):
        (only,) = source_of(tmp_path, **selection).entries(0)
        assert (only.origin.path, only.fault) == (".", Reason.UNREADABLE)


def test_unreadable_archive_is_one_record_under_its_own_path(tree: Path) -> None:
    broken = [entry for entry in all_of(tree) if entry.origin.path == "g.tar.gz"]
    assert [entry.fault for entry in broken] == [Reason.UNREADABLE]


def test_an_archive_that_vanishes_is_unreadable(tree: Path) -> None:
    source = source_of(tree)
    (tree / "b.tar").unlink()
    faults = {entry.origin.path: entry.fault for entry in source.entries(0)}
    assert faults["b.tar"] is Reason.UNREADABLE
    assert faults["a.py"] is None


def test_names_with_newlines_and_bytes_that_are_not_utf8_are_listed(tmp_path: Path) -> None:
    names = [b"new\nline.py", b"caf\xe9.py", b"\x1b[31mred.py"]
    for name in names:
        Path(os.fsdecode(os.path.join(bytes(tmp_path), name))).write_bytes(b"x")
    source = source_of(tmp_path)
    assert set(paths(source)) == {"new\nline.py", "caf\\xe9.py", "\x1b[31mred.py"}
    assert {os.path.basename(e.location or b"") for e in source.entries(0)} == set(names)
    assert len(list(source.lines())) == 4
    assert not any("\n" in line for line in source.lines())


def test_the_output_directory_inside_the_source_is_not_listed(tmp_path: Path) -> None:
    root = fill(tmp_path / "r", {"a.py": b"a", "out/data.py": b"d", "d/out/good.py": b"g"})
    skip = (os.path.realpath(bytes(root / "out")),)
    assert paths(source_of(root, skip=skip)) == ["a.py", "d/out/good.py"]


@pytest.mark.parametrize("pattern", ["**", "*", "*/*", "out", "out/*.py", "[ao]*"])
def test_the_output_directory_matched_by_a_glob_is_not_listed(tmp_path: Path, pattern: str) -> None:
    root = fill(tmp_path / "r", {"a.py": b"a", "out/deep/data.py": b"d", "out/x.py": b"x"})
    fill(root, {"outer.py": b"o", "d/e.py": b"e"})
    skip = (os.path.realpath(bytes(root / "out")),)
    if pattern.startswith("out") and glob.has_magic(pattern):
        assert source_of(root / pattern, skip=skip).listing.num_entries == 0
    elif glob.has_magic(pattern):
        found = source_of(root / pattern, skip=skip)
        assert found.listing.num_entries > 0
        assert not any("data.py" in path or "x.py" in path for path in paths(found))
    else:
        assert source_of(root / pattern, skip=skip).listing.num_entries == 0


def test_an_empty_directory_is_a_warning(tmp_path: Path) -> None:
    source = source_of(tmp_path)
    assert source.listing.warnings == (f"nothing to read under {tmp_path}",)
    assert list(source.entries(0)) == []
    assert source.end() == 0


# --- archives -------------------------------------------------------------------------------------


def test_archives_are_opened_one_level_deep(tmp_path: Path) -> None:
    inner = zip_of({"deep.py": b"x"})
    fill(tmp_path, {"outer.tar": tar_of({"inner.zip": inner, "x.py": b"x"})})
    contents = {e.origin.path: e.content for e in source_of(tmp_path).entries(0)}
    assert contents == {"inner.zip": inner, "x.py": b"x"}


def test_archives_stay_closed_when_asked(tree: Path) -> None:
    source = source_of(tree, open_archives=False)
    assert paths(source) == ["a.py", "b.tar", "c.tar", "d/e.py", "d/f.zip", "g.tar.gz", "h.zip"]
    assert all(entry.location for entry in source.entries(0))


def test_an_archive_named_itself_is_always_opened(tree: Path) -> None:
    source = source_of(tree / "b.tar", open_archives=False)
    assert paths(source) == ["m/one.py", "m/two.py", "m/three.txt"]


# --- selection ------------------------------------------------------------------------------------


def test_include_and_exclude_work_on_paths_and_member_names(tree: Path) -> None:
    assert paths(source_of(tree, include=("*.txt",))) == [
        "m/three.txt",
        "c.tar",
        "m/three.txt",
        "g.tar.gz",
        "h.zip",
    ]
    chosen = paths(source_of(tree, include=("*.py",), exclude=("m/t*", "/d/")))
    assert chosen == ["a.py", "m/one.py", "c.tar", "g.tar.gz", "h.zip"]


def test_an_archive_can_be_excluded_whole(tree: Path) -> None:
    assert paths(source_of(tree, exclude=("*.tar", "*.zip"))) == ["a.py", "d/e.py", "g.tar.gz"]


def test_members_are_numbered_among_those_wanted(tree: Path) -> None:
    source = source_of(tree, exclude=("one.py",))
    entries = list(source.entries(0))
    assert [e.position.offset for e in entries if e.origin.repository == "b.tar"] == [
        1 << 32,
        1 << 32 | 1,
    ]
    assert list(source.entries(1 << 32 | 1)) == entries[2:]


def test_an_archive_without_files_is_one_record_that_says_so(tree: Path) -> None:
    faults = {e.origin.path: (e.fault, e.detail) for e in source_of(tree).entries(0)}
    assert faults["c.tar"] == (Reason.EMPTY, "an archive without files")
    assert faults["h.zip"] == (Reason.EMPTY, "an archive without files")


def test_progress_moves_inside_an_archive(tmp_path: Path) -> None:
    fill(tmp_path, {"a.tar": tar_of({f"{n}.py": b"x" * 2000 for n in range(50)}), "b.py": b""})
    source = source_of(tmp_path)
    done = [source.done_bytes(entry.position.offset) for entry in source.entries(0)]
    assert done == sorted(done)
    assert len(set(done[:50])) > 5
    assert done[-1] == source.listing.total_bytes


def test_a_pattern_that_is_none_is_bad_input(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="not a pattern"):
        source_of(tmp_path, include=("!",))


def test_a_link_to_the_output_directory_does_not_bring_it_in(tmp_path: Path) -> None:
    fill(tmp_path / "out", {"catalog.py": b"x"})
    (tmp_path / "link").symlink_to(tmp_path / "out")
    source = source_of(tmp_path / "link", skip=(os.fsencode(tmp_path / "out"),))
    assert paths(source) == []


def test_a_single_file_is_its_own_listing(tmp_path: Path) -> None:
    fill(tmp_path / "folder", {"a.py": b"a", "b.py": b"b"})
    (entry,) = source_of(tmp_path / "folder" / "a.py").entries(0)
    assert (entry.origin.path, entry.origin.repository) == ("a.py", "folder")


def test_a_link_that_is_named_itself_is_followed(tmp_path: Path) -> None:
    fill(tmp_path, {"real/a.py": b"a"})
    (tmp_path / "file.py").symlink_to("real/a.py")
    (tmp_path / "folder").symlink_to("real")
    assert paths(source_of(tmp_path / "file.py")) == ["a.py"]
    assert paths(source_of(tmp_path / "folder")) == ["a.py"]


def test_not_a_file_when_a_pipe_is_named_itself(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (entry,) = source_of(tmp_path / "pipe").entries(0)
    assert entry.fault is Reason.NOT_A_FILE


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("*.py", ["a.py"]),
        ("**/*.py", ["a.py", "d/e.py"]),
        ("d*", ["d/e.py", "m/one.py", "m/two.py", "m/three.txt"]),
        ("[ab].*", ["a.py", "m/one.py", "m/two.py", "m/three.txt"]),
        ("?", ["d/e.py", "m/one.py", "m/two.py", "m/three.txt"]),
    ],
)
def test_a_glob_lists_files_and_whole_folders(tree: Path, pattern: str, found: list[str]) -> None:
    assert paths(source_of(tree / pattern)) == found


def test_a_glob_that_matches_a_file_twice_lists_it_once(tree: Path) -> None:
    listed = [entry.location for entry in source_of(tree / "**").entries(0) if entry.location]
    assert len(listed) == len(set(listed)) == 2


def test_a_relative_glob_is_relative_to_the_working_directory(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tree)
    source = source_of("*.py")
    assert paths(source) == ["a.py"]
    assert {entry.origin.repository for entry in source.entries(0)} == {"tree"}


@pytest.mark.parametrize("argument", ["nowhere", "nowhere/*.py", "*.nothing"])
def test_what_is_not_there_is_bad_input_with_its_name(tmp_path: Path, argument: str) -> None:
    with pytest.raises(BadInput, match="no"):
        source_of(tmp_path / argument)


def test_the_first_line_of_a_listing_is_what_it_was_before_there_were_other_sources(
    tmp_path: Path,
) -> None:
    fill(tmp_path, {"a.py": b"a"})
    os.utime(tmp_path / "a.py", ns=(0, 7))
    about, item = source_of(tmp_path).lines()
    assert about == (
        f'{{"root": "{tmp_path}", "include": [], "exclude": [], "open_archives": true, '
        '"limits": {"max_member_bytes": 1048576, "max_ratio": 200, "free_bytes": 67108864, '
        '"free_members": 20000}, "rules": ["r1"]}'
    )
    assert item == '["file", 1, 7, "a.py", ""]'
