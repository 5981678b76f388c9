"""A git repository as a source: the files of HEAD's commit, read out of the object store.

The commit is part of the identity, and the revision of every document. What a work tree holds
beside it does not count.
"""

import io
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from gristmill.runtime.adapters.archive_member import LimitReachedError
from gristmill.runtime.adapters.archives import Open
from gristmill.runtime.adapters.files import text_path
from gristmill.runtime.adapters.git_objects import (
    BLOB,
    MAX_WORK_BYTES,
    AbsentError,
    DamagedError,
    GitObjects,
    object_format,
)
from gristmill.runtime.adapters.git_tree import ABSENT, GitTree, head_commit
from gristmill.runtime.adapters.items import Item, to_bytes, to_text
from gristmill.runtime.adapters.listing import ListedSource, Lookup, Terms, parse_listing
from gristmill.runtime.adapters.selection import Patterns
from gristmill.runtime.model import BadInput, Origin, Reason
from gristmill.runtime.ports import Entry

KIND = "git"
"""What the first line of a listing says of its place."""


class GitSource(ListedSource):
    """What HEAD of one repository lists, sorted by path."""

    def __init__(
        self,
        name: str,
        directory: bytes,
        terms: Terms,
        *,
        listed: tuple[bytes, list[Item]] | None = None,
    ) -> None:
        """List HEAD of a git directory, or take commit and items as `listed`. Raises BadInput."""
        self._directory = os.path.abspath(directory)
        commit = listed[0] if listed else head_commit(self._directory)
        self._revision = commit.decode()
        self._opened: list[GitObjects] = []  # by who is reading now: packs take descriptors
        warnings: list[str] = []
        if listed is None:
            listed = commit, self._list(commit, terms, warnings)
        super().__init__(
            name,
            {"kind": KIND, "root": to_text(self._directory), "commit": self._revision},
            listed[1],
            terms,
            repository=_repository(self._directory),
            num_absent=sum(_absent(listed[1]).values()),
            warnings=warnings,
        )

    @classmethod
    def reopen(cls, lines: Iterable[str]) -> "GitSource":
        """Return the source that `lines()` told of, whatever HEAD is now. Raises BadInput."""
        place, terms, items = parse_listing(lines)
        try:
            directory, commit = to_bytes(place["root"]), place["commit"].encode()
        except (LookupError, AttributeError) as error:
            raise BadInput(f"not the listing of a source: {error}") from error
        return cls(text_path(directory), directory, terms, listed=(commit, items))

    def entries(self, start: int) -> Iterator[Entry]:
        """Yield the entries from offset `start` on; the repository is open for as long."""
        with self._objects():
            yield from super().entries(start)

    @contextmanager
    def _objects(self) -> Iterator[GitObjects]:
        if self._opened:
            yield self._opened[-1]
            return
        objects = GitObjects(self._directory, object_format(self._revision.encode()))
        self._opened.append(objects)
        try:
            yield objects
        finally:
            self._opened.remove(objects)
            objects.close()

    def _list(self, commit: bytes, terms: Terms, warnings: list[str]) -> list[Item]:
        where = text_path(self._directory)
        if not commit:
            warnings.append(f"HEAD of {where} has no commit yet")
            return []
        wanted = Patterns(terms.selection)
        with self._objects() as objects:
            found = GitTree(objects, commit, terms.limits).items(terms.opening.type_of)
            warnings += objects.warnings
        items = sorted(filter(wanted.wants, found), key=lambda item: (item.path, item.version))
        if absent := _absent(items):
            counts = (f"{n:,} {type_}{'s' if n > 1 else ''}" for type_, n in absent.items())
            what = " and ".join(counts)
            warnings.append(f"absent from {where} (a partial clone, or damaged): {what}")
        return items

    def _origin(self, repository: str, path: str) -> Origin:
        origin = Origin(
            source=self._argument, repository=repository, path=path, revision=self._revision
        )
        return self._completed(origin)

    def _stands(self, item: Item) -> bool:
        try:
            with self._objects() as objects:
                return objects.size(item.version.encode()) == item.size_bytes
        except (AbsentError, DamagedError):
            return False

    def _look_up(self, item: Item, number: int) -> Lookup:
        del number
        if item.size_bytes > self.limits.max_member_bytes:
            return Lookup(fault=Reason.TOO_LARGE)
        try:
            return Lookup(content=self._read(item, self.limits.max_member_bytes))
        except AbsentError as error:
            return Lookup(fault=Reason.UNREADABLE, detail=str(error))
        except DamagedError as error:
            return Lookup(fault=Reason.UNREADABLE, detail=f"damaged: {error}")
        except LimitReachedError as error:
            return Lookup(fault=Reason.ARCHIVE_LIMIT, detail=str(error))

    def _open(self, item: Item) -> Open:
        def open_it() -> tuple[io.RawIOBase, int]:
            try:
                content = self._read(item, MAX_WORK_BYTES)
            except (AbsentError, DamagedError) as error:
                raise OSError(str(error)) from error
            return _Bytes(content), len(content)

        return open_it

    def _read(self, item: Item, max_bytes: int) -> bytes:
        with self._objects() as objects:
            return objects.read(item.version.encode(), BLOB, max_bytes)


def _absent(items: Sequence[Item]) -> dict[str, int]:
    """Return how many blobs and trees are absent, none where there is none."""
    counts = {
        type_: sum(item.detail == detail for item in items) for type_, detail in ABSENT.items()
    }
    return {type_: count for type_, count in counts.items() if count}


class _Bytes(io.RawIOBase):
    """Bytes in memory as an unbuffered file."""

    def __init__(self, content: bytes) -> None:
        self._inner = io.BytesIO(content)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return self._inner.seek(offset, whence)

    def readinto(self, buffer: "memoryview | bytearray") -> int:  # type: ignore[override]
        return self._inner.readinto(buffer)


def _repository(directory: bytes) -> str:
    """Return the name of the directory that holds the repository, without what marks it as one."""
    name = os.path.basename(directory)
    if name == b".git":
        name = os.path.basename(os.path.dirname(directory))
    return text_path(name.removesuffix(b".git") or b"root")
