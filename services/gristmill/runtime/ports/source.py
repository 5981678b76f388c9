"""A source: a fixed listing of things to read, and a way to go through it from any place.

A listing's identity changes with the files, their sizes and times, and with the gates' rules, so
what is new or judged anew is never skipped. An entry's offset is its place in the listing shifted
by 32 bits plus the member's number inside an archive.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

from gristmill.runtime.model import Origin, Position, RawFile, Reason
from gristmill.runtime.model.pickling import quickly_pickled

MEMBER_BITS = 32


@quickly_pickled
@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One thing listed, on its way to a worker that reads it.

    `location` names a file to read (bytes: a path need not be text); `content` is there instead
    for what only the source could read. `fault` says why neither is.
    """

    origin: Origin
    position: Position
    size_bytes: int
    location: bytes | None = None
    content: bytes | None = None
    fault: Reason | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """What was found, before anything is read: identity, how much, and warnings for people.

    `num_absent` entries are listed in a repository that lacks what they name.
    """

    source: str
    name: str
    total_bytes: int
    num_entries: int
    num_absent: int = 0
    warnings: tuple[str, ...] = field(default=())


class Source(Protocol):
    """A listing that can be gone through again and again, always in the same order."""

    @property
    def listing(self) -> Listing:
        """What there is to read."""
        ...

    def entries(self, start: int) -> Iterator[Entry]:
        """Yield what stands at offset `start` and behind; never raises for one bad entry."""
        ...

    def end(self) -> int:
        """Return the offset behind the last entry."""
        ...

    def done_bytes(self, offset: int) -> int:
        """Return how many of the listed bytes lie before the offset."""
        ...


ReadEntry = Callable[[Entry], RawFile]
"""Reads what an entry names; every failure comes back as the record's fault."""
