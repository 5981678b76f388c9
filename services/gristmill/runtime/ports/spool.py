"""Where archives wait that come in parts, until all of them is there and can be read."""

from collections.abc import Iterator
from typing import Protocol

from gristmill.runtime.model import CrawlItem, Origin


class Spooled(Protocol):
    """One archive that is being received."""

    size_bytes: int

    def append(self, data: bytes) -> bool:
        """Keep the next bytes; False when all archives, or its owner's, would take too much room.

        Raises Transient when the disk does not take them.
        """
        ...

    def sha256(self) -> str:
        """Return the hash of what was received so far, in lower-case hex."""
        ...

    def items(self, origin: Origin) -> Iterator[CrawlItem]:
        """Yield the members in their order, in memory one by one.

        What is wrong with a member, or with the rest of the archive, is the fault of an item.
        Raises Poison instead where nothing can be read at all.
        """
        ...

    def close(self) -> None:
        """Forget it; twice is harmless."""
        ...


class Spool(Protocol):
    """Receives archives."""

    def can_open(self, name: str) -> bool:
        """Tell by its name whether an archive could be read."""
        ...

    def begin(self, name: str, owner: str) -> Spooled:
        """Begin to receive an archive of this name. Raises Transient when the disk is out.

        Each owner has room of its own, so that nobody is shut out by what another does not finish.
        """
        ...
