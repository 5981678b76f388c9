"""Reading one listed file, safely: whatever goes wrong comes back as the record's fault.

Links are not followed, nothing that is not a regular file is opened for longer than it takes to
see that, and no more than the size limit is ever read.
"""

import errno
import io
import os
import stat
from collections.abc import Callable

from gristmill.runtime.model import RawFile, Reason
from gristmill.runtime.model.document import sha256_hex
from gristmill.runtime.ports import Entry

_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def text_path(raw: bytes | str) -> str:
    r"""Return a path as text that every table can hold: bytes that are not UTF-8 become `\xNN`."""
    data = raw if isinstance(raw, bytes) else raw.encode("utf-8", "surrogateescape")
    return data.decode("utf-8", "backslashreplace")


def open_regular(path: bytes) -> tuple[io.FileIO, int]:
    """Open a regular file, unbuffered; no link is followed. Return it, and its size."""
    descriptor = os.open(path, _FLAGS)
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        raise OSError(errno.ENXIO, "not a regular file")
    return io.FileIO(descriptor, "rb"), status.st_size


def reader(max_bytes: int) -> Callable[[Entry], RawFile]:
    """Return the function that turns entries into records, reading up to `max_bytes` of each."""

    def read(entry: Entry) -> RawFile:
        if entry.fault is not None:
            return _record(entry, fault=entry.fault, detail=entry.detail)
        if entry.content is not None:
            return _record(entry, content=entry.content)
        assert entry.location is not None, "an entry has content, a location or a fault"
        return _read_file(entry, entry.location, max_bytes)

    return read


def _read_file(entry: Entry, location: bytes, max_bytes: int) -> RawFile:
    try:
        descriptor = os.open(location, _FLAGS)
    except OSError as error:
        # ELOOP: a link that took the file's place; ENXIO: a pipe or socket without a peer.
        odd = error.errno in {errno.ELOOP, errno.ENXIO}
        fault = Reason.NOT_A_FILE if odd else Reason.UNREADABLE
        return _record(entry, fault=fault, detail=_sentence(error))
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            return _record(entry, fault=Reason.NOT_A_FILE)
        if status.st_size > max_bytes:
            return _record(entry, fault=Reason.TOO_LARGE, size=status.st_size)
        content = _read_up_to(descriptor, max_bytes + 1)
    except OSError as error:
        return _record(entry, fault=Reason.UNREADABLE, detail=_sentence(error))
    finally:
        os.close(descriptor)
    if len(content) > max_bytes:  # it grew after the listing
        return _record(entry, fault=Reason.TOO_LARGE, size=len(content))
    return _record(entry, content=content)


def _read_up_to(descriptor: int, limit: int) -> bytes:
    parts: list[bytes] = []
    left = limit
    while left and (part := os.read(descriptor, left)):
        parts.append(part)
        left -= len(part)
    return b"".join(parts) if len(parts) != 1 else parts[0]


def _sentence(error: OSError) -> str:
    return (error.strerror or str(error)).lower()


def _record(
    entry: Entry,
    *,
    content: bytes | None = None,
    fault: Reason | None = None,
    detail: str = "",
    size: int | None = None,
) -> RawFile:
    known = size if size is not None else entry.size_bytes
    return RawFile(
        origin=entry.origin,
        position=entry.position,
        size_bytes=len(content) if content is not None else known,
        content=content,
        content_sha256=sha256_hex(content) if content is not None else "",
        fault=fault,
        detail=detail,
    )
