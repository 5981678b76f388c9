"""What reading an archive gives and what it may take: members, limits, and the errors to expect."""

import lzma
import struct
import tarfile
import zipfile
import zlib
from dataclasses import dataclass

import zstandard

from gristmill.runtime.model import Reason

STEP_BYTES = 256 << 10
"""How much of a stream is asked for at a time."""

ARCHIVE_ERRORS = (
    OSError, EOFError, ValueError, RecursionError, MemoryError, NotImplementedError, RuntimeError,
    LookupError, ArithmeticError, struct.error,
    tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, zstandard.ZstdError,
)  # fmt: skip
"""What Python's readers raise on archives that are broken or hostile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveLimits:
    """How much an archive may give; what is beyond is counted as `archive_limit`.

    A member above `max_member_bytes` is not read. All members together may unpack to `max_ratio`
    times the archive's size, though never fewer than `free_bytes`; one member may stand for each
    128 bytes of the archive, though `free_members` are always allowed.
    """

    max_member_bytes: int
    max_ratio: int
    free_bytes: int
    free_members: int

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


class LimitReachedError(Exception):
    """The archive wants more than its limits; the text says of what."""


def is_unsafe(name: str) -> bool:
    """Tell whether a member's name points outside the archive."""
    drive = name[1:3] in {":/", ":\\"} and name[:1].isalpha()
    absolute = drive or name.startswith(("/", "\\"))
    return absolute or ".." in name.replace("\\", "/").split("/")
