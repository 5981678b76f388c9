"""What a cell of a table may hold for a document, and what of it cannot be taken."""

from collections.abc import Mapping
from dataclasses import dataclass

from gristmill.runtime.model import Reason

MAX_NAME_BYTES = 4096
"""Bytes of a path, a repository's name and the like; the kernel's paths are no longer."""

MAX_LICENCES = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Odd:
    """A value that cannot be taken, and why."""

    fault: Reason
    detail: str = ""
    size_bytes: int = 0


Value = bytes | Odd | None
"""A cell: its bytes, what is wrong with it, or nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RawRow:
    """One row as a reader found it: values by what they are for, and the bytes it took.

    `number` is its place in the table. `odd` says what is wrong with all of it.
    """

    number: int
    values: Mapping[str, Value]
    num_bytes: int
    odd: Odd | None = None


def odd_type(name: str, found: str) -> Odd:
    """Return the value of a cell whose type is none that can be taken."""
    return Odd(fault=Reason.UNREADABLE, detail=f"its {name} is not text but {found}")


def too_long(name: str, num_bytes: int) -> Odd:
    """Return the value of a cell that holds more than it may."""
    if name == "content":
        return Odd(fault=Reason.TOO_LARGE, size_bytes=num_bytes)
    detail = f"its {name} is longer than {MAX_NAME_BYTES:,} bytes"
    return Odd(fault=Reason.UNREADABLE, detail=detail)
