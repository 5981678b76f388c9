"""Reading archives as streams, member by member, in memory and within limits; never onto disk.

An archive that lies about its sizes, unpacks without end or breaks off gives up its good members
and one record more, for the archive itself, that says what was wrong with the rest.
"""

import errno
import io
from collections.abc import Callable, Iterator

from gristmill.runtime.adapters.archive_member import (
    ARCHIVE_ERRORS,
    ArchiveLimits,
    LimitReachedError,
    Member,
)
from gristmill.runtime.adapters.files import open_regular
from gristmill.runtime.adapters.tar_archive import read_tar
from gristmill.runtime.adapters.zip_archive import read_zip
from gristmill.runtime.model import Reason

__all__ = [
    "TAR_SUFFIXES", "ArchiveLimits", "Member", "Open", "explained", "is_archive",
    "open_local", "read_members",
]  # fmt: skip

Open = Callable[[], tuple[io.RawIOBase, int]]
"""Opens an archive for reading from any place of it; returns it unbuffered, and its size."""

TAR_SUFFIXES = (
    ".tar", ".tar.gz", ".tgz", ".tar.zst", ".tzst", ".tar.xz", ".txz", ".tar.bz2", ".tbz2",
)  # fmt: skip


def is_archive(name: bytes) -> bool:
    """Tell by its name whether a file is an archive that can be opened."""
    lowered = name.lower()
    return lowered.endswith(b".zip") or any(lowered.endswith(s.encode()) for s in TAR_SUFFIXES)


def read_members(
    location: bytes,
    limits: ArchiveLimits,
    note: Callable[[int], None] = lambda _: None,
    opened: Open | None = None,
) -> Iterator[Member]:
    """Yield the members of an archive in its own order; directories are passed over.

    Never raises for a bad archive: the last member then has no name and says why. Nor is an archive
    without files silent. `note` is told how many of the archive's bytes have been read. Without
    `opened` the location is that of a file, else only its name is looked at.
    """
    empty = True
    try:
        file, size = (opened or open_local(location))()
        with file:
            read = read_zip if location.lower().endswith(b".zip") else read_tar
            members = read(file, location, size, limits)
            for member in _within(members, size, limits):
                note(file.tell())
                empty = False
                yield member
    except (LimitReachedError, *ARCHIVE_ERRORS) as error:
        fault, detail = explained(error)
        yield Member(name=None, size_bytes=0, fault=fault, detail=detail[:200])
    else:
        if empty:
            detail = "an archive without files"
            yield Member(name=None, size_bytes=0, fault=Reason.EMPTY, detail=detail)


def open_local(location: bytes) -> Open:
    """Return what opens a regular file; no link is followed."""
    return lambda: open_regular(location)


def explained(error: Exception) -> tuple[Reason, str]:
    """Return the reason and the sentence of what was raised while an archive was read."""
    if isinstance(error, LimitReachedError):
        return Reason.ARCHIVE_LIMIT, str(error)
    if isinstance(error, MemoryError) or "emory" in str(error):
        return Reason.ARCHIVE_LIMIT, "unpacking it takes more memory than is allowed"
    odd = isinstance(error, OSError) and error.errno in {errno.ELOOP, errno.ENXIO, errno.EISDIR}
    return Reason.NOT_A_FILE if odd else Reason.UNREADABLE, str(error).lower() or repr(error)


def _within(members: Iterator[Member | None], size: int, limits: ArchiveLimits) -> Iterator[Member]:
    """Yield the members that are files; what is passed over counts as well: it costs as much."""
    allowed = limits.members_allowed(size)
    for count, member in enumerate(members, 1):
        if count > allowed:
            raise LimitReachedError(f"more than {allowed:,} members")
        if member is not None:
            yield member
