"""Files that servers hold, through fsspec: asked again after an outage, a bounded number of times.

A server that does not answer at all is Transient, one that refuses is Fatal; what is gone is for
the caller to count.
"""

import io
import os
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from fsspec.spec import AbstractFileSystem
from urllib3.exceptions import HTTPError

from gristmill.runtime.adapters.http_files import ChangedError
from gristmill.runtime.model import GristmillError, Transient

_BLOCK_BYTES = 4 << 20  # read at a time of an archive or a table: a request costs a while
_PAUSES = (0.5, 1.0, 2.0, 4.0, 8.0)  # seconds; the last one again and again
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND_NS = 10**9
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteFile:
    """What a server says of a file. `size_bytes` is None where it does not say."""

    path: str
    size_bytes: int | None
    mtime_ns: int
    version: str
    ranges: bool = True
    is_folder: bool = False

    def is_still(self, now: "RemoteFile") -> bool:
        """Tell whether the server speaks of the same content now, as far as both answers say.

        An entity tag says more than a time. Of that, servers tell parts of a second in a listing
        alone.
        """
        knows_sizes = self.size_bytes is not None and now.size_bytes is not None
        if now.is_folder or (knows_sizes and self.size_bytes != now.size_bytes):
            return False
        if self.version and now.version:
            return self.version == now.version
        has_times = self.mtime_ns and now.mtime_ns
        return not has_times or abs(self.mtime_ns - now.mtime_ns) < _SECOND_NS


class RemoteFiles:
    """One server's files, by what its fsspec file system calls them."""

    def __init__(
        self,
        files: AbstractFileSystem,
        *,
        attempts: int,
        explain: Callable[[OSError, str], GristmillError] | None = None,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        """Take a file system and what its errors mean; nothing is sent yet."""
        self._files, self._attempts = files, attempts
        self._explain, self._pause = explain, pause

    def info(self, path: str) -> RemoteFile:
        """Return what is known of a file. Raises FileNotFoundError, Transient and Fatal."""
        return _described(self._asked(path, lambda: self._files.info(path)))

    def find(self, path: str) -> list[RemoteFile]:
        """Return all files under a prefix. Raises Transient and Fatal."""
        found = self._asked(path, lambda: self._files.find(path, detail=True))
        return [_described(one) for one in found.values()]

    def glob(self, pattern: str) -> list[RemoteFile]:
        """Return what matches, prefixes too. Raises Transient and Fatal."""
        found = self._asked(pattern, lambda: self._files.glob(pattern, detail=True))
        return [_described(one) for one in found.values()]

    def read(self, file: RemoteFile, most: int) -> bytes:
        """Return the first `most` bytes of a file. Raises ChangedError if it is another one now."""
        return self._part(file, 0, most)

    def open(self, file: RemoteFile) -> tuple[io.RawIOBase, int]:
        """Return a file that is read by parts as they are needed, and its size.

        Where a server gives no parts, all of it is fetched into an unnamed temporary file first.
        """
        if file.ranges and file.size_bytes is not None:

            def read(begin: int, end: int) -> bytes:
                data = self._part(file, begin, end)
                if len(data) != end - begin:
                    raise ChangedError
                return data

            return _Parts(read, file.size_bytes), file.size_bytes
        return self._asked(file.path, lambda: self._fetched(file))

    def _part(self, file: RemoteFile, begin: int, end: int) -> bytes:
        content: bytes = self._asked(
            file.path,
            lambda: self._files.cat_file(
                file.path, begin, end, etag=file.version, check=_check_of(file)
            ),
        )
        return content

    def _fetched(self, file: RemoteFile) -> tuple[io.RawIOBase, int]:
        response = self._files.stream(file.path, _check_of(file))
        spool = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115  # handed on open
        try:
            with response:
                while data := response.read(_BLOCK_BYTES):
                    spool.write(data)
        except (HTTPError, OSError) as error:
            spool.close()
            raise Transient(f"{file.path.partition('?')[0]}: the server broke off") from error
        size = spool.seek(0, os.SEEK_END)
        spool.seek(0)
        return spool, size

    def _asked(self, path: str, ask: Callable[[], _T]) -> _T:
        """Ask until there is an answer, as often as is allowed."""
        for attempt in range(1, self._attempts + 1):
            try:
                return self._answer(path, ask)
            except Transient as error:
                if attempt == self._attempts:
                    raise Transient(
                        f"{error}; asked {attempt} times. Run the same command again: it goes on "
                        "where it stopped"
                    ) from error
                self._pause(_PAUSES[min(attempt, len(_PAUSES)) - 1])
        raise AssertionError("the last attempt returns or raises")

    def _answer(self, path: str, ask: Callable[[], _T]) -> _T:
        try:
            return ask()
        except (FileNotFoundError, ChangedError):
            raise
        except OSError as error:
            if self._explain is None:
                raise
            raise self._explain(error, path) from error


class _Parts(io.RawIOBase):
    """A file on a server from which blocks are fetched as they are read."""

    def __init__(self, read: Callable[[int, int], bytes], size: int) -> None:
        self._read, self._size = read, size
        self._at = 0
        self._block, self._begin = b"", 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        if start + offset < 0:
            raise OSError("a place before the beginning")
        self._at = start + offset
        return self._at

    # Any: RawIOBase leaves the buffer's type open.
    def readinto(self, buffer: Any) -> int:  # noqa: ANN401
        left = self._size - self._at
        if left <= 0 or not len(buffer):
            return 0
        if not self._begin <= self._at < self._begin + len(self._block):
            wanted = min(left, max(len(buffer), _BLOCK_BYTES))
            self._block = self._read(self._at, self._at + wanted)
            self._begin = self._at
        part = memoryview(self._block)[self._at - self._begin :][: len(buffer)]
        buffer[: len(part)] = part
        self._at += len(part)
        return len(part)


# Any: as below.
def _check_of(file: RemoteFile) -> Callable[[Mapping[str, Any]], None]:
    """Return what raises ChangedError where fsspec is about to read another file."""

    def check(info: Mapping[str, Any]) -> None:
        if not file.is_still(_described(info)):
            raise ChangedError

    return check


# Any: what fsspec says of a file, each file system in its own words.
def _described(info: Mapping[str, Any]) -> RemoteFile:
    moment = info.get("mtime") or info.get("created")
    mtime = (moment - _EPOCH) // timedelta(microseconds=1) * 1000 if moment else 0
    return RemoteFile(
        path=info["name"],
        size_bytes=info["size"],
        mtime_ns=mtime,
        version=info.get("ETag") or "",
        ranges=info.get("ranges", True),
        is_folder=info["type"] == "directory",
    )
