"""What a listing holds: one item for each thing found, and its form on a line."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gristmill.runtime.model import Reason

FAULTS = {
    "other": Reason.NOT_A_FILE,
    "unreadable": Reason.UNREADABLE,
    "folder": Reason.UNREADABLE,
    "unsafe": Reason.UNSAFE_MEMBER,
    "limit": Reason.ARCHIVE_LIMIT,
}
"""The types of items that are records without a content, and why."""

OPENED = ("archive", "table")
"""The types of items that hold documents."""

UNLISTED = ("folder", "limit")
"""The types of items that stand for files which nobody knows: a folder that cannot be listed, the
rest of a source that was cut off."""


@dataclass(frozen=True, slots=True)
class Item:
    """One thing listed; `path` is relative to the source's root.

    `type` is one of OPENED, a key of FAULTS, or `file`; the path of the root itself is `.`.
    `version` is what tells its content from another's beside size and time: a blob's id, an entity
    tag.
    """

    path: bytes
    size_bytes: int
    mtime_ns: int
    type: str
    detail: str = ""
    version: str = ""

    def as_line(self) -> list[str | int]:
        """Return what a line of the listing holds."""
        version = (self.version,) if self.version else ()
        return [
            self.type, self.size_bytes, self.mtime_ns, to_text(self.path), self.detail, *version,
        ]  # fmt: skip


def item_of_line(fields: Sequence[Any]) -> Item:  # Any: what json makes of a line
    """Return the item that `as_line` told of."""
    type_, size_bytes, mtime_ns, path, *rest = fields
    return Item(to_bytes(path), size_bytes, mtime_ns, type_, *rest)


def to_text(path: bytes) -> str:
    """Return a path as text that can be turned back: odd bytes are halves of surrogate pairs."""
    return path.decode("utf-8", "surrogateescape")


def to_bytes(path: str) -> bytes:
    """Return the path that `to_text` was given."""
    return path.encode("utf-8", "surrogateescape")
