"""How far a command is that reads its sources whole."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gristmill.runtime.ports import Entry, Source


class Reading:
    """Reads sources, one after the other."""

    def __init__(self, sources: "Sequence[Source]") -> None:
        self._sources = sources
        self._done = 0
        self._total = sum(source.listing.total_bytes for source in sources)

    @property
    def share(self) -> float:
        """The share of the listed bytes that was read; an archive counts as it lies there."""
        return min(1.0, self._done / max(1, self._total))

    def entries(self) -> "Iterator[Entry]":
        """Yield what there is to read."""
        before = 0
        for source in self._sources:
            for entry in source.entries(0):
                self._done = before + source.done_bytes(entry.position.offset)
                yield entry
            before += source.listing.total_bytes
            self._done = before
