"""The log in memory: the twin of Kafka, for tests, with faults by a script.

Records, aborted records and markers take an offset each, as in Kafka, so offsets have gaps. A group
hands a partition over when its old member polls; a member that is silent is ended by `expire`.
"""

import zlib
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from gristmill.runtime.model import Fatal, Transient
from gristmill.runtime.ports import Committed, Delivery, Message, Partition, Polled, Rewound

_MAX_RECORDS = 500


class Crashed(BaseException):
    """The process died here. Not an Exception: nothing in a process outlives its death."""


@dataclass(frozen=True, slots=True)
class Yield:
    """The next poll that brings records brings so many at most."""

    records: int


@dataclass(frozen=True, slots=True)
class Pause:
    """So many polls bring nothing."""

    polls: int


@dataclass(frozen=True, slots=True)
class Abort:
    """The next transaction is aborted: Rewound, and it did not happen."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """The next transaction is Rewound, and took effect or not."""

    applied: bool


@dataclass(frozen=True, slots=True)
class Unnoted:
    """The next note is Rewound, and took effect or not."""

    applied: bool


@dataclass(frozen=True, slots=True)
class End:
    """The process dies in its next poll or transaction; that one may take effect before."""

    applied: bool = False


Step = Yield | Pause | Abort | Unknown | Unnoted | End


@dataclass(slots=True)
class _Group:
    """What the broker knows of a group. An owner that is not a member's is nobody's."""

    offsets: dict[Partition, Committed] = field(default_factory=dict)
    members: "dict[str, MemoryLog]" = field(default_factory=dict)
    owners: dict[Partition, str] = field(default_factory=dict)
    wanted: dict[Partition, str] = field(default_factory=dict)

    def arrange(self, topics: Mapping[str, int]) -> None:
        """Say who should have what; partitions stay where they are as far as that is fair."""
        partitions = sorted(
            {
                Partition(topic, number)
                for member in self.members.values()
                for topic in member.topics
                for number in range(topics[topic])
            }
        )
        loads = dict.fromkeys(sorted(self.members), 0)
        fair = -(-len(partitions) // max(1, len(loads)))
        wanted: dict[Partition, str] = {}
        for partition in partitions:
            owner = self.owners.get(partition, "")
            if owner in loads and loads[owner] < fair:
                wanted[partition] = owner
                loads[owner] += 1
        for partition in partitions:
            able = [name for name in loads if partition.topic in self.members[name].topics]
            if partition not in wanted:
                wanted[partition] = min(able, key=lambda name: (loads[name], name))
                loads[wanted[partition]] += 1
        self.wanted = wanted

    def leave(self, instance: str) -> None:
        """Forget a member; what it had is free."""
        self.members.pop(instance, None)
        self.owners = {one: owner for one, owner in self.owners.items() if owner != instance}

    def exchange(self, instance: str) -> frozenset[Partition]:
        """Take from a member what it should not have, give it what is free; return what it has."""
        for partition, name in self.wanted.items():
            owner = self.owners.get(partition)
            if owner == instance != name:
                del self.owners[partition]
            elif name == instance and owner is None:
                self.owners[partition] = instance
        return frozenset(one for one, owner in self.owners.items() if owner == instance)


class MemoryBroker:
    """Topics and groups. `seconds` is the time that records are stamped with."""

    def __init__(self, topics: Mapping[str, int]) -> None:
        """Make the topics, each with so many partitions."""
        self.seconds = 0.0
        self.silent = False
        self._topics = dict(topics)
        self._slots: dict[Partition, list[Delivery | None]] = {
            Partition(topic, number): []
            for topic, count in topics.items()
            for number in range(count)
        }
        self._groups: dict[str, _Group] = {}
        self._scripts: dict[str, deque[Step]] = {}

    def log(
        self,
        *,
        group: str,
        instance: str,
        topics: Sequence[str],
        start_at: Callable[[Partition], int] | None = None,
    ) -> "MemoryLog":
        """Make the member of a group; one of the same name before it is replaced.

        `start_at` says where to begin in a partition, when it is not for the group to say.
        """
        known = self._group(group)
        member = MemoryLog(self, known, instance, topics, start_at)
        if (older := known.members.get(instance)) is not None:
            older.replaced = True
            known.members[instance] = member
        return member

    def writer(self) -> "MemoryWriter":
        """Make a writer outside of transactions."""
        return MemoryWriter(self)

    def script(self, instance: str, steps: Iterable[Step]) -> None:
        """Say what befalls the member of this name, over all its lives; steps come one by one."""
        self._scripts[instance] = deque(steps)

    def begin(self, group: str, *topics: str) -> None:
        """Let a group begin at the first record, wherever it has no place yet."""
        for partition in self._slots:
            if partition.topic in topics:
                self._group(group).offsets.setdefault(partition, Committed(0))

    def expire(self, group: str, instance: str) -> None:
        """End the session of a member that is silent: others get what it had."""
        known = self._group(group)
        known.leave(instance)
        known.arrange(self._topics)

    def records(self, topic: str) -> list[Delivery]:
        """Return the committed records of a topic, partition by partition."""
        return [
            slot
            for partition, slots in self._slots.items()
            if partition.topic == topic
            for slot in slots
            if slot is not None
        ]

    def committed(self, group: str) -> Mapping[Partition, Committed]:
        """Return how far a group has come."""
        return dict(self._group(group).offsets)

    def _group(self, name: str) -> _Group:
        return self._groups.setdefault(name, _Group())

    def _join(self, group: _Group, member: "MemoryLog") -> None:
        group.members[member.instance] = member
        group.arrange(self._topics)

    def _append(self, messages: Sequence[Message], *, visible: bool = True) -> set[Partition]:
        """Write records, or the gaps that aborted ones leave; return where."""
        places = set()
        for message in messages:
            number = message.partition
            if number is None:
                number = zlib.crc32(message.key) % self._topics[message.topic]
            partition = Partition(message.topic, number)
            slots = self._slots[partition]
            delivery = Delivery(
                partition=partition,
                offset=len(slots),
                key=message.key,
                value=message.value,
                headers=message.headers,
                timestamp_seconds=self.seconds,
            )
            slots.append(delivery if visible else None)
            places.add(partition)
        return places

    def _end_transaction(self, places: Iterable[Partition]) -> None:
        for partition in places:
            self._slots[partition].append(None)  # the marker

    def _next_step(self, instance: str) -> Step | None:
        steps = self._scripts.get(instance)
        return steps[0] if steps else None

    def _step_done(self, instance: str, instead: Step | None = None) -> None:
        steps = self._scripts[instance]
        steps.popleft()
        if instead is not None:
            steps.appendleft(instead)


class MemoryLog:
    """One member of a group; see the port. Made by `MemoryBroker.log`."""

    def __init__(
        self,
        broker: MemoryBroker,
        group: _Group,
        instance: str,
        topics: Sequence[str],
        start_at: Callable[[Partition], int] | None,
    ) -> None:
        self.instance = instance
        self.topics = tuple(topics)
        self.replaced = False
        self._broker = broker
        self._group = group
        self._start_at = start_at
        self._crashed = False
        self._joined = False
        self._paused = False
        self._held: frozenset[Partition] = frozenset()
        self._places: dict[Partition, Committed] = {}
        self._positions: dict[Partition, int] = {}

    def poll(self, timeout_seconds: float) -> Polled:
        """Return what has come; see the port. Never waits."""
        del timeout_seconds
        self._live()
        lost = self._exchange()
        step = self._broker._next_step(self.instance)
        if isinstance(step, End):
            self._die()
        silent = self._broker.silent or self._paused
        if isinstance(step, Pause):
            left = Pause(step.polls - 1) if step.polls > 1 else None
            self._broker._step_done(self.instance, left)
            silent = True
        if silent:
            return Polled(lost=lost)
        self._place()
        most = step.records if isinstance(step, Yield) else _MAX_RECORDS
        deliveries = self._read(most)
        if isinstance(step, Yield) and deliveries:
            self._broker._step_done(self.instance)
        return Polled(deliveries=deliveries, lost=lost)

    def _exchange(self) -> frozenset[Partition]:
        """Take part in the group; return what was taken away."""
        before = self._held
        is_member = self._group.members.get(self.instance) is self
        if not is_member:
            self._broker._join(self._group, self)
        self._held = self._group.exchange(self.instance)
        # Who was thrown out has lost all, also what comes back at once.
        lost = before - self._held if is_member and self._joined else before
        self._joined = True
        for partition in [*lost, *(self._places.keys() - self._held)]:
            self._places.pop(partition, None)
        return lost

    def _place(self) -> None:
        for partition in sorted(self._held - self._places.keys()):
            stored = self._group.offsets.get(partition)
            if self._start_at is not None:
                try:
                    stored = Committed(self._start_at(partition), stored.note if stored else "")
                except Transient:  # looked up again by the next poll
                    return
            if stored is None:
                if any(slot is not None for slot in self._broker._slots[partition]):
                    raise Fatal(f"{partition.topic} holds records and its group has no place in it")
                stored = Committed(0)
            self._places[partition] = stored
            self._positions[partition] = stored.offset

    def _read(self, most: int) -> list[Delivery]:
        deliveries: list[Delivery] = []
        for partition in sorted(self._held & self._places.keys()):
            slots = self._broker._slots[partition]
            position = self._positions[partition]
            while position < len(slots):
                slot = slots[position]
                if slot is not None:
                    if len(deliveries) >= most:
                        break
                    deliveries.append(slot)
                position += 1
            self._positions[partition] = position
        return deliveries

    def pause(self) -> None:
        """Let polls bring nothing."""
        self._paused = True

    def resume(self) -> None:
        """Let polls bring records again."""
        self._paused = False

    def rewind(self) -> None:
        """Go back to what is committed, before the next records are given."""
        self._places.clear()

    def assignment(self) -> frozenset[Partition]:
        """Return the partitions that belong to this member now."""
        return self._held

    def committed(self, partition: Partition) -> Committed:
        """Return how far the group has come, as known here. Raises Rewound where it is not."""
        if (place := self._places.get(partition)) is None:
            self.rewind()
            raise Rewound(f"the place in {partition} is not known")
        return place

    def note(self, partition: Partition, committed: Committed) -> None:
        """Commit an offset with a note."""
        self._live()
        self.committed(partition)
        step = self._broker._next_step(self.instance)
        lost = isinstance(step, Unnoted)
        refused = self._broker.silent or self._group.members.get(self.instance) is not self
        if not refused and (not isinstance(step, Unnoted) or step.applied):
            self._group.offsets[partition] = self._places[partition] = committed
        if lost:
            self._broker._step_done(self.instance)
        if lost or refused:
            self.rewind()
            raise Rewound("an offset could not be committed")

    def settle(self) -> None:
        """Commit positions that only markers of transactions moved; nothing may be unanswered."""
        for partition in sorted(self._held & self._places.keys()):
            position, stands = self._positions[partition], self._places[partition]
            if position > stands.offset:
                try:
                    self.note(partition, Committed(position, stands.note))
                except Rewound:
                    return

    def lag(self) -> Mapping[Partition, int]:
        """Return how many offsets are between the position and the end."""
        return {
            partition: len(self._broker._slots[partition]) - self._positions[partition]
            for partition in sorted(self._held & self._places.keys())
        }

    def members(self) -> frozenset[str]:
        """Return the names of those who are in the group now."""
        if self._broker.silent:
            raise Transient("the log does not answer")
        return frozenset(self._group.members)

    def transact(
        self, messages: Sequence[Message], committed: Mapping[Partition, Committed]
    ) -> bool:
        """Write and commit, all or nothing; see the port."""
        if self.replaced:
            self._rewound("this member was replaced")
        self._live()
        if not self._joined:
            return False
        if self._group.members.get(self.instance) is not self:
            self._rewound("this member is not in its group any more")
        wanted = self._group.wanted
        if any(wanted.get(one) != self.instance for one in self._held):
            return False
        if not committed.keys() <= self._held & self._places.keys():
            return False
        if self._broker.silent:
            self._rewound("no answer")
        step = self._broker._next_step(self.instance)
        match step:
            case Abort():
                self._broker._step_done(self.instance)
                self._broker._end_transaction(self._broker._append(messages, visible=False))
                self._rewound("aborted")
            case Unknown(applied=applied):
                self._broker._step_done(self.instance)
                self._apply(messages, committed, visible=applied)
                self._rewound("nobody knows")
            case End(applied=applied):
                self._apply(messages, committed, visible=applied)
                self._die()
            case _:
                self._apply(messages, committed, visible=True)
                self._places.update(committed)
        return True

    def _apply(
        self,
        messages: Sequence[Message],
        committed: Mapping[Partition, Committed],
        *,
        visible: bool,
    ) -> None:
        self._broker._end_transaction(self._broker._append(messages, visible=visible))
        if visible:
            self._group.offsets.update(committed)

    def _rewound(self, why: str) -> None:
        self.rewind()
        raise Rewound(f"the transaction did not go through: {why}")

    def _live(self) -> None:
        if self._crashed:
            raise Crashed("this process is dead")
        if self.replaced:
            raise Fatal(f"another process took the place of {self.instance}")

    def _die(self) -> None:
        self._broker._step_done(self.instance)
        self._crashed = True
        raise Crashed("the script ends here")

    def close(self) -> None:
        """Do nothing: a static member keeps its partitions until its session ends or it is back."""


class MemoryWriter:
    """Writes records one by one, outside of transactions."""

    def __init__(self, broker: MemoryBroker) -> None:
        self._broker = broker

    def write(self, messages: Sequence[Message]) -> None:
        """Write in order; raises Transient while the broker is silent."""
        if self._broker.silent:
            raise Transient("the log does not answer")
        self._broker._append(messages)

    def close(self) -> None:
        """Do nothing: there is nothing to close."""
