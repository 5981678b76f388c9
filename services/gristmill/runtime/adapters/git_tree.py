"""What HEAD of a git repository lists: the commit, and every entry of its tree as an item.

A tree is as hostile as an archive: it may list itself a billion times, name what lies outside, be
deeper than any path. Links and submodules are listed and not followed.
"""

import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass

from dulwich.errors import ObjectFormatException
from dulwich.objects import parse_tree

from gristmill.runtime.adapters.archive_member import ArchiveLimits, LimitReachedError
from gristmill.runtime.adapters.files import text_path
from gristmill.runtime.adapters.git_objects import (
    COMMIT,
    MAX_WORK_BYTES,
    TREE,
    AbsentError,
    DamagedError,
    GitObjects,
    object_format,
    open_buffered,
)
from gristmill.runtime.adapters.items import OPENED, Item
from gristmill.runtime.adapters.local_files import TypeOf
from gristmill.runtime.model import BadInput

_MAX_TREE_BYTES = 16 << 20  # lists some 300,000 entries of one folder
_MAX_PATH_BYTES = 4096
_MAX_REFS_BYTES = 64 << 20
_MAX_SYMBOLIC = 5  # as git follows
_TIMES_LISTED = 4  # how often a repository may list what it holds: copies share their trees
_ID = re.compile(rb"[0-9a-f]{40}|[0-9a-f]{64}")
_REF = re.compile(rb"refs/[^\0-\x20~^:?*\[\\]+")
_SUBMODULE = 0o160000
ABSENT = {
    "blob": "its blob is not in this repository, a partial clone or a damaged one",
    "tree": "its tree is not in this repository, a partial clone or a damaged one",
}
"""What an item says whose object is absent, by the object's type."""


def git_directory(path: bytes) -> bytes | None:
    """Return the git directory of a bare repository, or of a `.git` that is named itself."""
    parts = [os.path.join(path, part) for part in (b"objects", b"refs")]
    # A link may lead into a repository that its owner never meant to show.
    are_there = all(os.path.isdir(part) and not os.path.islink(part) for part in parts)
    return path if are_there and os.path.lexists(os.path.join(path, b"HEAD")) else None


def git_directory_within(path: bytes) -> bytes:
    """Return the git directory of a repository, bare or not. Raises BadInput where there is none.

    A `.git` that is a file, as in linked work trees and submodules, is not followed: a stranger's
    may point at any repository of the machine.
    """
    inside = os.path.join(path, b".git")
    if os.path.isfile(inside):
        raise BadInput(
            f"{text_path(inside)} points at a repository elsewhere: name that one itself"
        )
    found = git_directory(path) or (None if os.path.islink(inside) else git_directory(inside))
    if found is None:
        raise BadInput(f"{text_path(path)} is no git repository")
    return found


def head_commit(directory: bytes) -> bytes:
    """Return the id of HEAD's commit; empty where its branch has none. Raises BadInput."""
    name = b"HEAD"
    for _ in range(_MAX_SYMBOLIC):
        found = _ref(directory, name)
        text = _packed_ref(directory, name) if found is None else found
        if not text.startswith(b"ref:"):
            break
        name = text[4:].strip()
        if not _REF.fullmatch(name) or b".." in name or name.endswith((b"/", b"/.invalid")):
            raise BadInput(f"HEAD of {text_path(directory)} names no branch that can be read")
    if text and not _ID.fullmatch(text):
        raise BadInput(f"HEAD of {text_path(directory)} names no commit")
    return text


def _ref(directory: bytes, name: bytes) -> bytes | None:
    try:
        file, _ = open_buffered(os.path.join(directory, name))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        what = (error.strerror or str(error)).lower()
        raise BadInput(
            f"{text_path(directory)}: {text_path(name)} cannot be read: {what}"
        ) from error
    with file:
        return file.read(4096).strip()


def _packed_ref(directory: bytes, name: bytes) -> bytes:
    try:
        file, size = open_buffered(os.path.join(directory, b"packed-refs"))
    except OSError:
        return b""
    with file:
        if size > _MAX_REFS_BYTES:
            raise BadInput(f"{text_path(directory)}: packed-refs is larger than 64 MiB")
        for line in file:
            id_, _, ref = line.strip().partition(b" ")
            if ref == name:
                return id_
    return b""


@dataclass(slots=True)
class _Budget:
    """How much a tree may still list."""

    limits: ArchiveLimits
    bytes_allowed: int
    given_bytes: int = 0
    listed: int = 0
    distinct: int = 0

    def count(self, num_bytes: int) -> None:
        self.listed += 1
        self.given_bytes += num_bytes
        allowed = self.limits.free_members + _TIMES_LISTED * self.distinct
        if self.listed > allowed:
            raise LimitReachedError(
                f"lists more than {allowed:,} files, most of them again and again"
            )
        if self.given_bytes > self.bytes_allowed:
            raise LimitReachedError(f"unpacks to more than {self.bytes_allowed >> 20:,} MiB")


class GitTree:
    """The tree of one commit."""

    def __init__(self, objects: GitObjects, commit: bytes, limits: ArchiveLimits) -> None:
        self._objects, self._commit = objects, commit
        self._budget = _Budget(limits, limits.bytes_allowed(objects.num_bytes()))
        self._seen: set[bytes] = set()

    def items(self, type_of: TypeOf) -> list[Item]:
        """Return everything that the commit lists, not sorted. Raises BadInput for no commit."""
        found: list[Item] = []
        try:
            for item in self._walk(self._root(), type_of):
                self._budget.count(self._cost(item))
                found.append(item)
        except LimitReachedError as error:
            found.append(Item(b".", 0, 0, "limit", str(error)))
        return found

    def _cost(self, item: Item) -> int:
        """Return the bytes that an item will be read as: nothing of what is too large is."""
        most = MAX_WORK_BYTES if item.type in OPENED else self._budget.limits.max_member_bytes
        return item.size_bytes if item.size_bytes <= most else 0

    def _root(self) -> bytes:
        try:
            content = self._objects.read(self._commit, COMMIT, _MAX_TREE_BYTES)
        except (AbsentError, DamagedError, LimitReachedError) as error:
            raise BadInput(f"the commit {self._commit.decode()} of HEAD: {error}") from error
        tree = content[5 : content.find(b"\n")]
        if not content.startswith(b"tree ") or not _ID.fullmatch(tree):
            raise BadInput(f"the commit {self._commit.decode()} of HEAD has no tree")
        return tree

    def _walk(self, root: bytes, type_of: TypeOf) -> Iterator[Item]:
        pending = [(b"", root)]
        while pending:
            path, tree = pending.pop()
            try:
                entries = self._entries(tree)
            except AbsentError:
                yield Item(path or b".", 0, 0, "folder", ABSENT["tree"])
                continue
            except DamagedError as error:
                yield Item(path or b".", 0, 0, "folder", str(error))
                continue
            folders: list[tuple[bytes, bytes]] = []
            for name, mode, id_ in entries:
                inner = path + b"/" + name if path else name
                if b"/" in name or name in {b"", b".", b".."}:
                    detail = "a name that points outside the repository"
                    yield Item(inner[:_MAX_PATH_BYTES], 0, 0, "unsafe", detail)
                elif len(inner) > _MAX_PATH_BYTES:
                    raise LimitReachedError("paths of more than 4,096 bytes")
                elif stat.S_ISDIR(mode):
                    self._budget.count(0)
                    folders.append((inner, id_))
                else:
                    yield self._item(inner, mode, id_, type_of)
            pending += reversed(folders)  # in their order: what comes first is listed first

    def _entries(self, tree: bytes) -> list[tuple[bytes, int, bytes]]:
        content = self._objects.read(tree, TREE, _MAX_TREE_BYTES)
        try:
            length = object_format(self._commit).oid_length
            entries = [
                (name, mode if 0 <= mode < 1 << 18 else 0, id_)
                for name, mode, id_ in parse_tree(content, length)
            ]
        except (ObjectFormatException, ValueError) as error:
            raise DamagedError(f"a broken tree: {error}") from error
        if tree not in self._seen:
            self._seen.add(tree)
            self._budget.distinct += len(entries)
        return entries

    def _item(self, path: bytes, mode: int, id_: bytes, type_of: TypeOf) -> Item:
        if mode == _SUBMODULE:
            return Item(path, 0, 0, "other", "a submodule", id_.decode())
        if not stat.S_ISREG(mode):
            return Item(path, 0, 0, "other", "", id_.decode())
        try:
            size = self._objects.size(id_)
        except AbsentError:
            return Item(path, 0, 0, "unreadable", ABSENT["blob"], id_.decode())
        except DamagedError as error:
            return Item(path, 0, 0, "unreadable", str(error), id_.decode())
        return Item(path, size, 0, type_of(path), "", id_.decode())
