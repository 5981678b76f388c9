"""Reading archives as streams, member by member, in memory and within limits; never onto disk.

An archive that lies about its sizes, unpacks without end or breaks off gives up its good members
and one record more, for the archive itself, that says what was wrong with the rest.
"""

import bz2
import errno
import gzip
import io
import lzma
import os
import re
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import IO, Protocol

import zstandard

from gristmill.runtime.model import Reason

TAR_SUFFIXES = (
    ".tar", ".tar.gz", ".tgz", ".tar.zst", ".tzst", ".tar.xz", ".txz", ".tar.bz2", ".tbz2",
)  # fmt: skip
_MAX_WINDOW_BYTES = 128 << 20  # zstd and xz may ask for this much memory, as `xz -9` (65 MiB) does
_MAX_DIRECTORY_BYTES = 16 << 20  # of a zip; 16 MiB lists about 200,000 members
_MAX_HEADERS_BYTES = 1 << 20  # long names, pax records and maps before one member of a tar (as Go)
_MAX_SPARSE_PARTS = 100  # tarfile's work on a sparse member grows with the square of its parts
_STEP_BYTES = 256 << 10

_ARCHIVE_ERRORS = (
    OSError, EOFError, ValueError, RecursionError, MemoryError, NotImplementedError, RuntimeError,
    LookupError, ArithmeticError, struct.error,
    tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, zstandard.ZstdError,
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveLimits:
    """How much an archive may give; what is beyond is counted as `archive_limit`.

    A member above `max_member_bytes` is not read. All members together may unpack to `max_ratio`
    times the archive's size, though never fewer than `free_bytes`; one member may stand for each
    128 bytes of the archive, though `free_members` are always allowed.
    """

    max_member_bytes: int
    max_ratio: int = 200
    free_bytes: int = 64 << 20
    free_members: int = 20_000

    def bytes_allowed(self, archive_bytes: int) -> int:
        """Return how many bytes an archive of this size may unpack to."""
        return max(self.free_bytes, self.max_ratio * archive_bytes)

    def members_allowed(self, archive_bytes: int) -> int:
        """Return how many members an archive of this size may have."""
        return self.free_members + archive_bytes // 128


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One file in an archive; `name` is None for the record that stands for the archive itself."""

    name: str | None
    size_bytes: int
    content: bytes | None = None
    fault: Reason | None = None
    detail: str = ""


class _Stream(Protocol):
    """What all decompressors have in common."""

    def read(self, size: int, /) -> bytes: ...


class _LimitReachedError(Exception):
    """The archive wants more than its limits; the text says of what."""


def is_archive(name: bytes) -> bool:
    """Tell by its name whether a file is an archive that can be opened."""
    lowered = name.lower()
    return lowered.endswith(b".zip") or any(lowered.endswith(s.encode()) for s in TAR_SUFFIXES)


def read_members(location: bytes, limits: ArchiveLimits) -> Iterator[Member]:
    """Yield the members of an archive in its own order; directories are passed over.

    Never raises for a bad archive: the last member then has no name and says why.
    """
    try:
        with open(location, "rb", opener=_open) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise OSError(errno.ENXIO, "not a regular file")
            read = _read_zip if location.lower().endswith(b".zip") else _read_tar
            yield from _within(read(file, location, status.st_size, limits), status.st_size, limits)
    except (_LimitReachedError, *_ARCHIVE_ERRORS) as error:
        fault, detail = _explained(error)
        yield Member(name=None, size_bytes=0, fault=fault, detail=detail[:200])


def _open(location: str, flags: int) -> int:
    return os.open(location, flags | os.O_NOFOLLOW | os.O_NONBLOCK)


def _explained(error: Exception) -> tuple[Reason, str]:
    if isinstance(error, _LimitReachedError):
        return Reason.ARCHIVE_LIMIT, str(error)
    if isinstance(error, MemoryError) or "emory" in str(error):
        return Reason.ARCHIVE_LIMIT, "unpacking it takes more memory than is allowed"
    odd = isinstance(error, OSError) and error.errno in {errno.ELOOP, errno.ENXIO, errno.EISDIR}
    return Reason.NOT_A_FILE if odd else Reason.UNREADABLE, str(error).lower() or repr(error)


def _within(members: Iterator[Member], size: int, limits: ArchiveLimits) -> Iterator[Member]:
    allowed = limits.members_allowed(size)
    for count, member in enumerate(members, 1):
        if count > allowed:
            raise _LimitReachedError(f"more than {allowed:,} members")
        yield member


def _unsafe(name: str) -> bool:
    return name.startswith(("/", "\\")) or ".." in name.replace("\\", "/").split("/")


# --- tar ------------------------------------------------------------------------------------------


def _read_tar(
    file: IO[bytes], location: bytes, size: int, limits: ArchiveLimits
) -> Iterator[Member]:
    stream = _ForwardStream(_decompressed(file, location.lower()), limits.bytes_allowed(size))
    with tarfile.open(None, "r:", stream, encoding="utf-8", errors="surrogateescape") as tar:
        while (info := tar.next()) is not None:
            tar.members = []  # type: ignore[attr-defined]  # else it remembers every member
            tar.pax_headers = {}  # and copy all global headers for each
            if not info.isdir():
                yield _tar_member(tar, info, stream, limits)
            stream.expect_headers(_MAX_HEADERS_BYTES)
    # tarfile takes a broken header in the middle, and a stream that breaks off, for the end.
    if stream.last_block.strip(b"\0"):
        raise tarfile.ReadError("a broken header in the middle of the archive")
    if not stream.last_block:
        raise EOFError("the archive breaks off before its end mark")
    if not stream.only_zeros_follow():
        raise tarfile.ReadError("something follows the end mark of the archive")


def _tar_member(
    tar: tarfile.TarFile, info: tarfile.TarInfo, stream: "_ForwardStream", limits: ArchiveLimits
) -> Member:
    name = info.name.removeprefix("./")
    if info.size < 0:
        raise tarfile.ReadError("a member of negative size")
    if not info.isreg() or _unsafe(name):
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
        return io.BufferedReader(_XzReader(file), _STEP_BYTES)
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
                    if not (more := self._file.read(_STEP_BYTES)):
                        return 0
                    rest = more.lstrip(b"\0")
                self._new_stream()
                self._input = rest
            elif self._xz.needs_input and not self._input:
                self._input = self._file.read(_STEP_BYTES)
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
            if not self._take(min(offset - self._at, _STEP_BYTES)):
                break
        return self._at

    def expect_headers(self, num_bytes: int) -> None:
        """Set how many bytes tarfile may read by itself from here on."""
        self._headers_left = num_bytes

    def read(self, size: int = -1) -> bytes:
        """Give tarfile what it asks for: a header, or the data of one that extends the next."""
        if size < 0 or size > self._headers_left:
            raise _LimitReachedError("headers of more than 1 MiB before one member")
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
        while size > 0 and (part := self._take(min(size, _STEP_BYTES))):
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
            raise _LimitReachedError(f"unpacks to more than {self._allowed >> 20:,} MiB")

    def only_zeros_follow(self) -> bool:
        """Read on to the end, where checksums stand, and tell whether anything is there."""
        while data := self._take(_STEP_BYTES):
            if data.strip(b"\0"):
                return False
        return True


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


# --- zip ------------------------------------------------------------------------------------------


class _CappedFile(io.BufferedReader):
    """A file that refuses one huge read: zipfile reads a whole directory in one call."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or size < 0:
            size = max(0, os.fstat(self.fileno()).st_size - self.tell())
        if size > _MAX_DIRECTORY_BYTES:
            raise _LimitReachedError("a zip directory of more than 16 MiB")
        return super().read(size)


def _read_zip(file: IO[bytes], _: bytes, size: int, limits: ArchiveLimits) -> Iterator[Member]:
    allowed = limits.bytes_allowed(size)
    given = 0
    raw = io.FileIO(file.fileno(), "rb", closefd=False)
    with _CappedFile(raw) as capped, zipfile.ZipFile(capped) as archive:
        shared = _shared_offsets(archive.infolist())
        for info in archive.infolist():
            if info.header_offset in shared:
                raise _LimitReachedError("its members share bytes")
            if info.is_dir() and not info.file_size:
                continue
            member = _unread_zip_member(info, limits)
            if member is None:
                given += info.file_size  # before it is read: a broken member costs as much
                if given > allowed:
                    raise _LimitReachedError(f"unpacks to more than {allowed >> 20:,} MiB")
                member = _zip_member(archive, info)
            yield member
        # zipfile takes an entry that reaches beyond the directory for the last one.
        capped.seek(max(0, size - (1 << 16) - 22))
        tail = capped.read()
        announced = struct.unpack_from("<H", tail, tail.rfind(b"PK\5\6") + 10)[0]
        if announced not in (len(archive.infolist()) & 0xFFFF, 0xFFFF):
            raise zipfile.BadZipFile("its directory does not list as many members as it says")


def _shared_offsets(infos: list[zipfile.ZipInfo]) -> set[int]:
    """Return where members begin that lie over the end of another: one stream sold many times."""
    spans = sorted((info.header_offset, info.compress_size) for info in infos)
    return {after for (at, size), (after, _) in pairwise(spans) if at + size + 30 > after}


def _unread_zip_member(info: zipfile.ZipInfo, limits: ArchiveLimits) -> Member | None:
    """Return the record of a member that must not be read, None for one to read."""
    name, size = info.filename, info.file_size
    mode = info.external_attr >> 16
    if _unsafe(name) or (stat.S_IFMT(mode) not in (0, stat.S_IFREG)):
        detail = "a link" if stat.S_ISLNK(mode) else "a name that points outside the archive"
        return Member(name=name, size_bytes=0, fault=Reason.UNSAFE_MEMBER, detail=detail)
    if size > limits.max_member_bytes:
        return Member(name=name, size_bytes=size, fault=Reason.TOO_LARGE)
    if info.flag_bits & 1:
        return Member(name=name, size_bytes=size, fault=Reason.UNREADABLE, detail="encrypted")
    # zipfile unpacks the other methods without a limit: 4 KiB of bzip2 may hold 80 MiB.
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        fault, detail = Reason.UNREADABLE, "neither stored nor deflated"
        return Member(name=name, size_bytes=size, fault=fault, detail=detail)
    return None


def _zip_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Member:
    try:
        with archive.open(info) as stream:
            content = stream.read(info.file_size + 1)  # one more: at the end the checksum is tested
    except _ARCHIVE_ERRORS as error:
        fault, size, detail = Reason.UNREADABLE, info.file_size, str(error).lower()[:200]
        return Member(name=info.filename, size_bytes=size, fault=fault, detail=detail)
    return Member(name=info.filename, size_bytes=len(content), content=content)
