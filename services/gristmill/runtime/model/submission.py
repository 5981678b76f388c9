"""What crawlers submit at the front door, and how each item is answered."""

import re
from dataclasses import dataclass
from enum import StrEnum

from gristmill.runtime.model.document import CrawlItem, Origin

KEY_BYTES = 256
"""The longest key."""

_CLIENT = re.compile(r"[ -~]{1,128}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


class RefusalReason(StrEnum):
    """Why an item was not taken in. A code may be added, never renamed or reused."""

    KEY_UNFIT = "key_unfit"
    KEY_REUSED = "key_reused"
    FIELD_MISSING = "field_missing"
    FIELD_UNFIT = "field_unfit"
    NAME_UNSAFE = "name_unsafe"
    NAME_TOO_LONG = "name_too_long"
    TOO_LARGE = "too_large"
    BLOB_UNKNOWN = "blob_unknown"
    ARCHIVE_UNREADABLE = "archive_unreadable"
    ARCHIVE_OUT_OF_ORDER = "archive_out_of_order"
    NOT_SUPPORTED = "not_supported"
    NO_ROOM = "no_room"
    OTHER = "other"
    """A reason that a newer server gave; never sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveChunk:
    """A part of an archive; `origin` comes with the first one."""

    origin: Origin | None
    offset: int
    data: bytes
    last: bool


@dataclass(frozen=True, slots=True)
class Submission:
    """One item under the name that its client gave it."""

    key: str
    body: CrawlItem | ArchiveChunk


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """The item is safe; `known_before` says that nothing was added now."""

    num_items: int
    known_before: bool = False


@dataclass(frozen=True, slots=True)
class Refused:
    """The item was not taken in; again as it is only after `retry_after_seconds`, if given."""

    reason: RefusalReason
    detail: str
    retry_after_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of one item."""

    key: str
    result: Accepted | Refused


def key_problem(key: str) -> str:
    """Return why an item cannot bear a key, nothing where it can."""
    try:
        num_bytes = len(key.encode())
    except UnicodeEncodeError:
        return "the key holds a lone surrogate, which UTF-8 cannot express"
    if not key:
        return "the key is empty"
    if num_bytes > KEY_BYTES:
        return f"the key is longer than {KEY_BYTES} bytes"
    return "the key holds a control character" if _CONTROL.search(key) else ""


def client_problem(name: str) -> str:
    """Return why a client cannot call itself by a name, nothing where it can."""
    return "" if _CLIENT.fullmatch(name) else "a client's name is 1 to 128 printable characters"
