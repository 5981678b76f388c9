"""The log: topics cut into partitions, read in order and answered in transactions.

A worker is one member of a consumer group. It polls, works, and then writes what came of it
together with how far it has come: all of it or nothing. What was polled and not answered comes
again, to this member or to another one, so a stage must bear replays.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from gristmill.runtime.model import Transient


class Partition(NamedTuple):
    """One partition of a topic."""

    topic: str
    number: int

    def __str__(self) -> str:
        """Return it as people write it: topic/number."""
        return f"{self.topic}/{self.number}"


Headers = tuple[tuple[str, bytes], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A record as it was read; `offset` counts within its partition, with gaps."""

    partition: Partition
    offset: int
    key: bytes
    value: bytes
    headers: Headers = ()
    timestamp_seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A record to write. Its partition is given, or follows from the key."""

    topic: str
    key: bytes
    value: bytes
    headers: Headers = ()
    partition: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Polled:
    """What a poll brought.

    `lost` partitions are another member's now, or are begun again: whatever was polled of them
    before and is not answered must be forgotten. It comes again to whom they belong.
    """

    deliveries: Sequence[Delivery] = ()
    lost: frozenset[Partition] = field(default=frozenset())


class Committed(NamedTuple):
    """How far a group has come in a partition: the next offset, and a note for its members."""

    offset: int
    note: str = ""


class Rewound(Transient):
    """A transaction failed, or nobody knows: everything polled and not answered comes again.

    The log stands at the committed offsets; whoever polled must forget what it holds.
    """

    code = "rewound"


class Reader(Protocol):
    """One member of a consumer group that reads."""

    def poll(self, timeout_seconds: float) -> Polled:
        """Return what has come, in order within each partition; nothing is normal.

        Also keeps the membership alive: call it at least every few seconds, paused or not.
        An unreachable log is silence. Raises Fatal when this member was replaced by another of
        its name, or a partition cannot be read on without a gap.
        """
        ...

    def pause(self) -> None:
        """Let polls bring nothing until `resume`; what a rebalance brings may slip through."""
        ...

    def resume(self) -> None:
        """Let polls bring records again."""
        ...

    def rewind(self) -> None:
        """Go back to where reading began or was committed: unanswered records come again."""
        ...

    def assignment(self) -> frozenset[Partition]:
        """Return the partitions that belong to this member now."""
        ...

    def committed(self, partition: Partition) -> Committed:
        """Return how far the group has come in a partition of the assignment."""
        ...

    def note(self, partition: Partition, committed: Committed) -> None:
        """Commit an offset with a note, outside of any transaction. Raises Rewound on a failure."""
        ...

    def settle(self) -> None:
        """Commit positions that only markers of transactions moved; nothing may be unanswered."""
        ...

    def lag(self) -> Mapping[Partition, int]:
        """Return, per partition of the assignment, how many records are not read yet.

        Counted in offsets from the position to the last stable offset; markers of transactions
        that are passed count as read.
        """
        ...

    def close(self) -> None:
        """Leave the group as far as it can be left; twice is harmless."""
        ...


class Log(Reader, Protocol):
    """A reader that answers in transactions."""

    def members(self) -> frozenset[str]:
        """Return the names of those who are in the group now. Raises Transient."""
        ...

    def transact(
        self, messages: Sequence[Message], committed: Mapping[Partition, Committed]
    ) -> bool:
        """Write the messages and move the group's offsets, all or nothing, within a deadline.

        False when the group is being arranged anew: nothing happened, poll and try again. Raises
        Rewound when the transaction failed or nobody knows.
        """
        ...


class Writer(Protocol):
    """Writes records outside of transactions; each call is durable when it returns."""

    def write(self, messages: Sequence[Message]) -> None:
        """Write in order. Raises Transient when the log did not take all of it in time."""
        ...

    def close(self) -> None:
        """Close it; twice is harmless."""
        ...
