"""Local sources: a directory tree, a glob, a file or an archive, listed before anything is read.

The listing is sorted by the bytes of the paths and hashed together with its root, the selection
and the gates' rules: that hash is the source's identity. Written down, it says all that it takes
to read the source again. Links are listed and not followed; each thing listed, readable or not, is
one record (an archive that is opened: one for each member).
"""

import glob
import hashlib
import json
import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import accumulate

import pathspec

from gristmill.runtime.adapters.archives import ArchiveLimits, is_archive, read_members
from gristmill.runtime.adapters.files import text_path
from gristmill.runtime.model import BadInput, Origin, Position, Reason
from gristmill.runtime.ports import Entry, Listing
from gristmill.runtime.ports.source import MEMBER_BITS

_MEMBER_MASK = (1 << MEMBER_BITS) - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which files of a source are wanted.

    `include` and `exclude` are patterns as in a `.gitignore`, matched on paths relative to the
    source's root (inside an archive: on member names). `open_archives` turns archives found in a
    directory into their members; an archive that is named itself is always opened.
    """

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    open_archives: bool = True
    skip: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class _Item:
    path: bytes  # relative to the root
    size_bytes: int
    mtime_ns: int
    type: str  # "file", "archive", "other" (link, pipe, device) or "unreadable" (a directory)
    detail: str = ""


class LocalSource:
    """A fixed, sorted listing of what lies under one SOURCE argument."""

    def __init__(
        self,
        argument: str,
        *,
        selection: Selection,
        limits: ArchiveLimits,
        rules: Sequence[str],
        listed: tuple[bytes, list[_Item]] | None = None,
    ) -> None:
        """List `argument`, or take root and items as `listed`. Raises BadInput for what is gone."""
        self.limits = limits
        self._rules, self._selection = rules, selection
        self._wanted = _Patterns(selection)
        self._root, self._items = listed or _list(os.fsencode(argument), selection, self._wanted)
        self._name = os.path.basename(os.path.abspath(self._root)) or b"root"
        self._inside = (-1, 0)  # which item is being read, and how many of its bytes were
        self._before = [0, *accumulate(item.size_bytes for item in self._items)]
        self._argument = text_path(argument)
        identity = hashlib.sha256()
        for line in self.lines():
            identity.update(line.encode() + b"\n")
        self.listing = Listing(
            source=identity.hexdigest()[:32],
            name=self._argument,
            total_bytes=self._before[-1],
            num_entries=len(self._items),
            warnings=() if self._items else (f"nothing to read under {self._argument}",),
        )

    @classmethod
    def reopen(cls, lines: Iterable[str]) -> "LocalSource":
        """Return the source that `lines()` told of, as it was listed then: nothing is looked at.

        Only its name is lost: the root stands for it. Raises BadInput for other lines.
        """
        try:
            about, *items = map(json.loads, lines)
            root = _to_bytes(about["root"])
            return cls(
                text_path(root),
                selection=Selection(
                    include=tuple(about["include"]),
                    exclude=tuple(about["exclude"]),
                    open_archives=about["open_archives"],
                ),
                limits=ArchiveLimits(**about["limits"]),
                rules=about["rules"],
                listed=(root, [_reopened(*item) for item in items]),
            )
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise BadInput(f"not the listing of a source: {error}") from error

    def lines(self) -> Iterator[str]:
        """Yield the listing as JSON lines: first what holds for all of it, then one item a line.

        In its paths a byte that is not UTF-8 is half of a surrogate pair: they can be turned back.
        """
        yield json.dumps(
            {
                "root": _to_text(os.path.abspath(self._root)),
                "include": self._selection.include,
                "exclude": self._selection.exclude,
                "open_archives": self._selection.open_archives,
                "limits": asdict(self.limits),
                "rules": list(self._rules),
            }
        )
        for item in self._items:
            yield json.dumps(
                [item.type, item.size_bytes, item.mtime_ns, _to_text(item.path), item.detail]
            )

    def is_unchanged(self, offset: int) -> bool:
        """Tell whether what stands at the offset still has the size and time that were listed."""
        number = offset >> MEMBER_BITS
        if not number < len(self._items):
            return False
        item = self._items[number]
        location = os.path.join(self._root, item.path)
        return _item(location, item.path, open_archives=item.type == "archive") == item

    def end(self) -> int:
        """Return the offset behind the last item."""
        return len(self._items) << MEMBER_BITS

    def done_bytes(self, offset: int) -> int:
        """Return the listed bytes before the offset, inside an archive as far as it was read."""
        number = min(offset >> MEMBER_BITS, len(self._items))
        inside, num_bytes = self._inside
        if offset & _MEMBER_MASK and inside == number:
            return self._before[number] + min(num_bytes, self._items[number].size_bytes)
        return self._before[number]

    def entries(self, start: int) -> Iterator[Entry]:
        """Yield the entries from offset `start` on."""
        first, member = start >> MEMBER_BITS, start & _MEMBER_MASK
        for number in range(first, len(self._items)):
            item = self._items[number]
            if item.type == "archive":
                yield from self._members(item, number, member)
            elif member == 0:
                yield self._entry(item, number)
            member = 0

    def _entry(self, item: _Item, number: int) -> Entry:
        faults = {"other": Reason.NOT_A_FILE, "unreadable": Reason.UNREADABLE}
        return Entry(
            origin=self._origin(text_path(self._name), text_path(item.path)),
            position=self._position(number, 0),
            size_bytes=item.size_bytes,
            location=os.path.join(self._root, item.path),
            fault=faults.get(item.type),
            detail=item.detail,
        )

    def _members(self, item: _Item, number: int, start: int) -> Iterator[Entry]:
        location = os.path.join(self._root, item.path)
        archive = text_path(os.path.basename(item.path))
        count = 0

        def note(num_bytes: int) -> None:
            self._inside = (number, num_bytes)

        for member in read_members(location, self.limits, note):
            if member.name is None:
                origin = self._origin(text_path(self._name), text_path(item.path))
            elif self._wanted(name := text_path(member.name)):
                origin = self._origin(archive, name)
            else:
                continue
            if count >= start:
                yield Entry(
                    origin=origin,
                    position=self._position(number, count),
                    size_bytes=member.size_bytes,
                    content=member.content,
                    fault=member.fault,
                    detail=member.detail,
                )
            count += 1

    def _origin(self, repository: str, path: str) -> Origin:
        return Origin(source=self._argument, repository=repository, path=path)

    def _position(self, number: int, member: int) -> Position:
        return Position(source=self.listing.source, offset=number << MEMBER_BITS | member)


class _Patterns:
    """Whether a path is wanted, by include and exclude patterns."""

    def __init__(self, selection: Selection) -> None:
        self._include = _compiled(selection.include)
        self._exclude = _compiled(selection.exclude)

    def __call__(self, path: str, *, opened: bool = False) -> bool:
        """Tell; an archive that is opened can be excluded whole, its members are included."""
        if not opened and self._include is not None and not self._include.match_file(path):
            return False
        return self._exclude is None or not self._exclude.match_file(path)


def _compiled(patterns: tuple[str, ...]) -> "pathspec.GitIgnoreSpec | None":
    try:
        return pathspec.GitIgnoreSpec.from_lines(patterns) if patterns else None
    except ValueError as error:
        raise BadInput(f"not a pattern as in a .gitignore: {error}") from error


def _to_text(path: bytes) -> str:
    return path.decode("utf-8", "surrogateescape")


def _to_bytes(path: str) -> bytes:
    return path.encode("utf-8", "surrogateescape")


def _reopened(type_: str, size_bytes: int, mtime_ns: int, path: str, detail: str) -> _Item:
    return _Item(_to_bytes(path), size_bytes, mtime_ns, type_, detail)


def _list(argument: bytes, selection: Selection, wanted: _Patterns) -> tuple[bytes, list[_Item]]:
    """Return the root and the items that are wanted under it, sorted."""
    root, found = _find(argument, selection)
    return root, [
        item
        for item in sorted(found, key=lambda item: item.path)
        if wanted(text_path(item.path), opened=item.type == "archive")
    ]


def _find(argument: bytes, selection: Selection) -> tuple[bytes, list[_Item]]:
    """Return the root and what lies under it, not yet sorted."""
    if os.path.isdir(argument):
        return argument, list(_walk(argument, b"", selection))
    if os.path.lexists(argument):
        real = os.path.realpath(argument)  # a link that the user named is followed
        root, name = os.path.split(real)
        return root, [_item(real, name, open_archives=True)]
    if glob.has_magic(argument):
        return _glob(argument, selection)
    raise BadInput(f"there is no file or directory {text_path(argument)}")


def _glob(pattern: bytes, selection: Selection) -> tuple[bytes, list[_Item]]:
    matches = glob.glob(pattern, recursive=True, include_hidden=True)
    if not matches:
        raise BadInput(f"nothing matches {text_path(pattern)}")
    fixed = pattern.split(b"/")
    root = b"/".join(fixed[: next(i for i, part in enumerate(fixed) if glob.has_magic(part))])
    root = root or (b"/" if pattern.startswith(b"/") else b".")
    items: dict[bytes, _Item] = {}
    for match in matches:
        if _is_skipped(match, selection):
            continue
        relative = os.path.relpath(match, root)
        relative = b"" if relative == b"." else relative  # `**` matches the root too
        if os.path.isdir(match) and not os.path.islink(match):
            found = list(_walk(root, relative, selection))
        else:
            found = [_item(match, relative, open_archives=selection.open_archives)]
        items.update((item.path, item) for item in found)
    return root, list(items.values())


def _is_skipped(match: bytes, selection: Selection) -> bool:
    # The link itself stands where it stands, whatever it points at.
    real = os.path.join(os.path.realpath(os.path.dirname(match)), os.path.basename(match))
    return any(real == one or real.startswith(one + b"/") for one in selection.skip)


def _walk(root: bytes, start: bytes, selection: Selection) -> Iterator[_Item]:
    """Yield everything under `root/start` that is not a directory, depth first."""
    pending = [start]
    names = {os.path.basename(path) for path in selection.skip}
    while pending:
        relative = pending.pop()
        directory = os.path.join(root, relative)
        named_like_it = not relative or os.path.basename(directory) in names
        if named_like_it and os.path.realpath(directory) in selection.skip:
            continue
        try:
            with os.scandir(directory) as found:
                children = list(found)
        except OSError as error:
            detail = (error.strerror or str(error)).lower()
            yield _Item(relative or b".", 0, 0, "unreadable", detail)
            continue
        for child in children:
            path = os.path.join(relative, child.name) if relative else child.name
            if child.is_dir(follow_symlinks=False):
                pending.append(path)
            else:
                yield _item(child, path, open_archives=selection.open_archives)


def _item(found: os.DirEntry[bytes] | bytes, path: bytes, *, open_archives: bool) -> _Item:
    try:
        status = os.lstat(found) if isinstance(found, bytes) else found.stat(follow_symlinks=False)
    except OSError as error:  # it vanished between the two calls
        return _Item(path, 0, 0, "unreadable", (error.strerror or str(error)).lower())
    if not stat.S_ISREG(status.st_mode):
        return _Item(path, 0, status.st_mtime_ns, "other")
    kind = "archive" if open_archives and is_archive(path) else "file"
    return _Item(path, status.st_size, status.st_mtime_ns, kind)
