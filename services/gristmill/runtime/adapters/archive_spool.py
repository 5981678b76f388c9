"""Archives that come in parts: on disk while they come, read member by member when they are there.

Their files have no names, so nothing is left behind by a process that is killed.
"""

import hashlib
import os
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from io import RawIOBase
from threading import Lock

from gristmill.runtime.adapters.archives import ArchiveLimits, Member, is_archive, read_members
from gristmill.runtime.adapters.files import text_path
from gristmill.runtime.model import CrawlItem, Origin, Poison, Reason, Transient

MOST_NAME_BYTES = 4096


class ArchiveSpool:
    """See the port. All archives together take at most `most_bytes` of the directory's disk."""

    def __init__(
        self, directory: str, *, most_bytes: int, most_of_owner: int, limits: ArchiveLimits
    ) -> None:
        self._directory = directory
        self._most_bytes = most_bytes
        self._most_of_owner = most_of_owner
        self._held_of: Counter[str] = Counter()
        self.limits = limits
        self._lock = Lock()
        self.held_bytes = 0

    def can_open(self, name: str) -> bool:
        """Tell by its name whether an archive could be read."""
        return is_archive(name.encode())

    def begin(self, name: str, owner: str) -> "SpooledArchive":
        """Begin to receive an archive; see the port."""
        try:
            os.makedirs(self._directory, exist_ok=True)
            return SpooledArchive(self, name, owner, self._directory)
        except OSError as error:
            raise _unavailable(error) from error

    def hold(self, num_bytes: int, owner: str) -> bool:
        """Take room for so many bytes, if there is room."""
        with self._lock:
            if self.held_bytes + num_bytes > self._most_bytes:
                return False
            if self._held_of[owner] + num_bytes > self._most_of_owner:
                return False
            self.held_bytes += num_bytes
            self._held_of[owner] += num_bytes
            return True

    def release(self, num_bytes: int, owner: str) -> None:
        """Give room back."""
        with self._lock:
            self.held_bytes -= num_bytes
            self._held_of[owner] -= num_bytes
            if not self._held_of[owner]:
                del self._held_of[owner]


class SpooledArchive:
    """See the port."""

    def __init__(self, spool: ArchiveSpool, name: str, owner: str, directory: str) -> None:
        self._spool = spool
        self._name = name
        self._owner = owner
        self._lock = Lock()  # it may be given up while a part is written
        self._digest = hashlib.sha256()
        self._file = tempfile.TemporaryFile(dir=directory, buffering=0)  # noqa: SIM115  # see close
        self.size_bytes = 0

    def append(self, data: bytes) -> bool:
        """Keep the next bytes; see the port."""
        with self._lock:
            if self._file.closed or not self._spool.hold(len(data), self._owner):
                return False
            self.size_bytes += len(data)
            self._digest.update(data)
            left = memoryview(data)
            try:
                while left:
                    left = left[self._file.write(left) :]
            except OSError as error:
                raise _unavailable(error) from error
            return True

    def sha256(self) -> str:
        """Return the hash of what was received so far."""
        return self._digest.hexdigest()

    def items(self, origin: Origin) -> Iterator[CrawlItem]:
        """Yield the members; see the port."""
        archive = os.path.basename(self._name)
        is_first = True
        for member in read_members(self._name.encode(), self._spool.limits, opened=self._reopened):
            if member.name is None and is_first:
                assert member.fault is not None, "what stands for an archive says what is wrong"
                raise Poison(member.fault, member.detail or member.fault.explanation)
            is_first = False
            yield _item(member, replace(origin, repository=origin.repository or archive))

    def _reopened(self) -> tuple[RawIOBase, int]:
        file = os.fdopen(os.dup(self._file.fileno()), "rb", buffering=0)
        file.seek(0)
        return file, self.size_bytes

    def close(self) -> None:
        """Forget it; see the port."""
        with self._lock:
            if not self._file.closed:
                self._file.close()
                self._spool.release(self.size_bytes, self._owner)


def _item(member: Member, origin: Origin) -> CrawlItem:
    fault, detail, content = member.fault, member.detail, member.content
    if member.name is not None:
        name = text_path(member.name)
        if len(name.encode()) > MOST_NAME_BYTES:
            detail = f"a name of {len(name.encode())} bytes"
            fault, content = Reason.UNSAFE_MEMBER, None
            name = name.encode()[:MOST_NAME_BYTES].decode("utf-8", "ignore")
        origin = replace(origin, path=name)
    return CrawlItem(
        origin=origin,
        size_bytes=member.size_bytes,
        content=content,
        fault=fault,
        detail=detail,
    )


def _unavailable(error: OSError) -> Transient:
    return Transient(f"the disk of archives that are received fails: {error.strerror or error}")
