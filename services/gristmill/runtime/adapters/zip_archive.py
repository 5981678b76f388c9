"""Members of a zip, in the order of its directory.

Python's zipfile does the parsing; here the directory, the members and their sum are bounded.
"""

import io
import stat
import struct
import zipfile
from collections.abc import Iterator
from itertools import pairwise

from gristmill.runtime.adapters.archive_member import (
    ARCHIVE_ERRORS,
    ArchiveLimits,
    LimitReachedError,
    Member,
    is_unsafe,
)
from gristmill.runtime.model import Reason

_MAX_DIRECTORY_BYTES = 16 << 20  # lists about 200,000 members


class _CappedFile(io.BufferedReader):
    """A file that refuses one huge read: zipfile reads a whole directory in one call."""

    def __init__(self, raw: io.RawIOBase, num_bytes: int) -> None:
        super().__init__(raw)
        self._num_bytes = num_bytes

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or size < 0:
            size = max(0, self._num_bytes - self.tell())
        if size > _MAX_DIRECTORY_BYTES:
            raise LimitReachedError("a zip directory of more than 16 MiB")
        return super().read(size)


def read_zip(
    file: io.RawIOBase, _: bytes, size: int, limits: ArchiveLimits
) -> Iterator[Member | None]:
    """Yield the members, None for a directory. Raises ARCHIVE_ERRORS at a broken place."""
    allowed = limits.bytes_allowed(size)
    given = 0
    with _CappedFile(file, size) as capped, zipfile.ZipFile(capped) as archive:
        shared = _shared_offsets(archive.infolist())
        for info in archive.infolist():
            if info.header_offset in shared:
                raise LimitReachedError("its members share bytes")
            if info.is_dir() and not info.file_size:
                yield None
                continue
            member = _unread_zip_member(info, limits)
            if member is None:
                given += info.file_size  # before it is read: a broken member costs as much
                if given > allowed:
                    raise LimitReachedError(f"unpacks to more than {allowed >> 20:,} MiB")
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
    if is_unsafe(name) or (stat.S_IFMT(mode) not in (0, stat.S_IFREG)):
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
    except ARCHIVE_ERRORS as error:
        fault, size, detail = Reason.UNREADABLE, info.file_size, str(error).lower()[:200]
        return Member(name=info.filename, size_bytes=size, fault=fault, detail=detail)
    return Member(name=info.filename, size_bytes=len(content), content=content)
