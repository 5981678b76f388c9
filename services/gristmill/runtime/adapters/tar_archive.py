"""Members of a tar, compressed or not, in its own order, from a stream that only goes forward.

Python's tarfile does the parsing; the stream under it bounds what it may read and unpack.
"""

import bz2
import gzip
import io
import lzma
import os
import re
import tarfile
from collections.abc import Iterator
from typing import IO, Protocol

import zstandard

from gristmill.runtime.adapters.archive_member import (
    STEP_BYTES,
    ArchiveLimits,
    LimitReachedError,
    Member,
    is_unsafe,
)
from gristmill.runtime.model import Reason

_MAX_WINDOW_BYTES = 128 << 20  # zstd and xz may ask for this much memory, as `xz -9` (65 MiB) does
_MAX_HEADERS_BYTES = 1 << 20  # long names, pax records and maps before one member (as Go allows)
_MAX_PADDING_BYTES = 2 << 20  # tar pads to its record size, which its users set to 1 MiB at most
_MAX_SPARSE_PARTS = 100  # tarfile's work on a sparse member grows with the square of its parts


class _Stream(Protocol):
    """What all decompressors have in common."""

    def read(self, size: int, /) -> bytes: ...


def read_tar(
    file: io.RawIOBase, location: bytes, size: int, limits: ArchiveLimits
) -> Iterator[Member | None]:
    """Yield the members, None for a directory. Raises ARCHIVE_ERRORS at a broken place."""
    with io.BufferedReader(file) as buffered:
        decompressed = _decompressed(buffered, location.lower())
        yield from _read_stream(_ForwardStream(decompressed, limits.bytes_allowed(size)), limits)


def _read_stream(stream: "_ForwardStream", limits: ArchiveLimits) -> Iterator[Member | None]:
    with tarfile.open(None, "r:", stream, encoding="utf-8", errors="surrogateescape") as tar:
        while (info := tar.next()) is not None:
            tar.members = []  # type: ignore[attr-defined]  # else it remembers every member
            tar.pax_headers = {}  # and copy all global headers for each
            yield None if info.isdir() else _tar_member(tar, info, stream, limits)
            stream.expect_headers(_MAX_HEADERS_BYTES)
    # tarfile takes a broken header in the middle, and a stream that breaks off, for the end.
    if stream.last_block.strip(b"\0"):
        raise tarfile.ReadError("a broken header in the middle of the archive")
    if not stream.last_block:
        raise EOFError("the archive breaks off before its end mark")
    stream.expect_padding()


def _tar_member(
    tar: tarfile.TarFile, info: tarfile.TarInfo, stream: "_ForwardStream", limits: ArchiveLimits
) -> Member:
    name = info.name.removeprefix("./")
    if info.size < 0:
        raise tarfile.ReadError("a member of negative size")
    if not info.isreg() or is_unsafe(name):
        return Member(name=name, size_bytes=0, fault=Reason.UNSAFE_MEMBER, detail=_tar_type(info))
    if info.size > limits.max_member_bytes:
        return Member(name=name, size_bytes=info.size, fault=Reason.TOO_LARGE)
    if info.issparse():
        parts: list[tuple[int, int]] = info.sparse  # type: ignore[assignment]  # typed as bytes
        if len(parts) > _MAX_SPARSE_PARTS:
            detail = "a sparse file in too many parts"
            return Member(name=name, size_bytes=info.size, fault=Reason.UNREADABLE, detail=detail)
        stream.count(info.size)
        stream.expect_headers(info.size)
        sparse = tar.extractfile(info)
        content = sparse.read(info.size) if sparse else b""
    else:
        stream.seek(info.offset_data)
        content = stream.read_all(info.size)
    if len(content) < info.size:
        raise EOFError("the archive ends in the middle of a member")
    return Member(name=name, size_bytes=info.size, content=content)


def _tar_type(info: tarfile.TarInfo) -> str:
    if info.issym() or info.islnk():
        return "a link"
    return "a name that points outside the archive" if info.isreg() else "a device or pipe"


def _decompressed(file: IO[bytes], name: bytes) -> "_Stream":
    if name.endswith((b".gz", b".tgz")):
        return gzip.GzipFile(fileobj=file, mode="rb")
    if name.endswith((b".zst", b".tzst")):
        decompressor = zstandard.ZstdDecompressor(max_window_size=_MAX_WINDOW_BYTES)
        return decompressor.stream_reader(file, read_across_frames=True)
    if name.endswith((b".xz", b".txz")):
        return io.BufferedReader(_XzReader(file), STEP_BYTES)
    if name.endswith((b".bz2", b".tbz2")):
        return bz2.BZ2File(file)
    return file


class _XzReader(io.RawIOBase):
    """xz with a memory limit, which `lzma.LZMAFile` does not offer."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._new_stream()
        self._input = b""

    def _new_stream(self) -> None:
        self._xz = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_MAX_WINDOW_BYTES)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer)  # type: ignore[arg-type]  # RawIOBase leaves its type open
        while True:
            if self._xz.eof:  # streams may follow one another, with zero padding between
                rest = self._xz.unused_data.lstrip(b"\0")
                while not rest:
                    if not (more := self._file.read(STEP_BYTES)):
                        return 0
                    rest = more.lstrip(b"\0")
                self._new_stream()
                self._input = rest
            elif self._xz.needs_input and not self._input:
                self._input = self._file.read(STEP_BYTES)
                if not self._input:
                    raise EOFError("the compressed stream breaks off")
            data = self._xz.decompress(self._input, len(view))
            self._input = b""
            if data:
                view[: len(data)] = data
                return len(data)


class _ForwardStream(io.RawIOBase):
    """A decompressed stream that tarfile may seek forward in, which counts what it gives."""

    def __init__(self, stream: "_Stream", allowed: int) -> None:
        self._stream = stream
        self._allowed = allowed
        self._given = 0
        self._at = 0
        self._headers_left = _MAX_HEADERS_BYTES
        self._extension = b""  # the type of the header whose own data the next read takes
        self.last_block = b""

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        if whence != os.SEEK_SET or offset < self._at:
            raise OSError("the archive points back into itself")
        while self._at < offset:
            if not self._take(min(offset - self._at, STEP_BYTES)):
                break
        return self._at

    def expect_headers(self, num_bytes: int) -> None:
        """Set how many bytes tarfile may read by itself from here on."""
        self._headers_left = num_bytes

    def read(self, size: int = -1) -> bytes:
        """Give tarfile what it asks for: a header, or the data of one that extends the next."""
        if size < 0 or size > self._headers_left:
            raise LimitReachedError("headers of more than 1 MiB before one member")
        self._headers_left -= size  # also at the end, where tarfile may ask for ever
        data = self.last_block = self.read_all(size)
        if self._extension:
            if self._extension in _PAX_TYPES:
                _check_pax(data)
            self._extension = b""
        elif len(data) == tarfile.BLOCKSIZE and data[156:157] in _EXTENSION_TYPES:
            self._extension = data[156:157]
        return data

    def read_all(self, size: int) -> bytes:
        """Return `size` bytes, fewer only at the end."""
        parts = []
        while size > 0 and (part := self._take(min(size, STEP_BYTES))):
            parts.append(part)
            size -= len(part)
        return b"".join(parts)

    def _take(self, size: int) -> bytes:
        data = self._stream.read(size)
        self._at += len(data)
        self.count(len(data))
        return data

    def count(self, num_bytes: int) -> None:
        """Count bytes that the archive unpacks to."""
        self._given += num_bytes
        if self._given > self._allowed:
            raise LimitReachedError(f"unpacks to more than {self._allowed >> 20:,} MiB")

    def expect_padding(self) -> None:
        """Read on to the end, where checksums stand: nothing but a little padding may be there."""
        left = _MAX_PADDING_BYTES
        while data := self._take(STEP_BYTES):
            if data.strip(b"\0"):
                raise tarfile.ReadError("something follows the end mark of the archive")
            left -= len(data)
            if left < 0:
                raise LimitReachedError("more than 2 MiB of zeros after its end mark")


_PAX_TYPES = (tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE)
_EXTENSION_TYPES = (*_PAX_TYPES, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK)
_MANY_DIGITS = re.compile(rb"[0-9]{64}")


def _check_pax(data: bytes) -> None:
    """Refuse what takes tarfile the square of its length, in time or memory (CVE-2024-6232)."""
    at = 0
    while at < len(data) and data[at]:
        length = data[at : at + 10].partition(b" ")[0]
        end = at + int(length) if length.isdigit() else 0
        if end <= at or data[end - 1 : end] != b"\n" or data.find(b"=", at, end) < 0:
            raise tarfile.ReadError("a broken pax header")
        at = end
    if _MANY_DIGITS.search(data):
        raise tarfile.ReadError("a pax header with a number of more than 63 digits")
