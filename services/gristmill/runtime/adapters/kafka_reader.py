"""Reading topics of Apache Kafka as a static member of a consumer group.

Where to read on is looked up, never guessed; what was read before that is known is not given.
Whatever the group does to this member comes out of the next poll.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from threading import Event, Lock
from typing import Any

from kafka import ConsumerRebalanceListener, OffsetAndMetadata, TopicPartition, errors

from gristmill.runtime.adapters.kafka_client import delivery_of, make_consumer
from gristmill.runtime.adapters.kafka_settings import KafkaSettings
from gristmill.runtime.model import Fatal, Transient
from gristmill.runtime.ports import (
    Committed,
    Delivery,
    Partition,
    Polled,
    Rewound,
)
from gristmill.runtime.ports.event_log import EventLog

_LOOK_UP_MS = 3000  # how long a committed offset is waited for before the next poll tries again
_JOIN_MS = 3000  # others hear of a rebalance within a heartbeat
_STEP_MS = 200
_MAX_RECORDS = 500

StartAt = Callable[[Partition], int]
"""Where to begin in a partition that was just assigned, when it is not for the group to say."""


class KafkaReader:
    """Reads topics as one member of a group; see the port."""

    def __init__(
        self,
        settings: KafkaSettings,
        *,
        group: str,
        instance: str,
        topics: Sequence[str],
        log: EventLog,
        start_at: StartAt | None = None,
    ) -> None:
        """Join the group as the member named `instance`.

        Without `start_at` reading goes on at the committed offsets, and a partition without one is
        an error unless it is empty: where to begin is said once, when topics are made.
        """
        self._log = log
        self._group = group
        self._start_at = start_at
        self._events = _Events()
        # What is committed in the partitions that reading stands at the right place in.
        self._places: dict[Partition, Committed] = {}
        # Where the next record to be given stands, in the same partitions.
        self._next: dict[Partition, int] = {}
        self._paused = False
        self._closed = False
        self.known_lag: int | None = None
        self._consumer = make_consumer(settings, group, instance)
        try:
            self._refuse_unknown_topics(topics)
            self._consumer.subscribe(list(topics), listener=self._events)
        except BaseException:
            self._consumer.close(autocommit=False, timeout_ms=0)
            raise

    def _refuse_unknown_topics(self, topics: Sequence[str]) -> None:
        """Raise for topics that are not there or forbidden: in polls they are only silence."""
        try:
            for topic in topics:
                numbers = self._consumer.partitions_for_topic(topic)
                if not numbers:
                    raise Fatal(f"there is no topic {topic}: `gristmill topics apply` makes it")
                # A topic that may not be read is silent in polls; here it raises.
                self._consumer.end_offsets(
                    [TopicPartition(topic, number) for number in numbers], timeout_ms=10_000
                )
        except errors.AuthorizationError as error:
            raise Fatal(f"Kafka refuses to let {topic} be read: {error}") from error
        except errors.KafkaError as error:
            raise Transient(f"Kafka does not answer: {error}") from error

    def poll(self, timeout_seconds: float) -> Polled:
        """Return what has come; see the port."""
        self._place_waiting()
        try:
            self._await_rebalance()
            found = self._consumer.poll(
                timeout_ms=round(timeout_seconds * 1000), max_records=_MAX_RECORDS
            )
        except errors.NoOffsetForPartitionError:
            found = {}  # it was assigned just now: its place is looked up below
            self._take_back()
        except (errors.FencedInstanceIdError, errors.GroupAuthorizationFailedError) as error:
            raise Fatal(f"this member of {self._group} was replaced or refused: {error}") from error
        except (errors.OffsetOutOfRangeError, errors.LogTruncationError) as error:
            raise Fatal(self._gap(error)) from error
        except (errors.UnsupportedCodecError, errors.CorruptRecordError) as error:
            # The next poll of kafka-python 3.0.12 would never return.
            raise Fatal(self._unreadable(error)) from error
        except errors.KafkaError as error:
            # A broker that is lost during a look-up comes out of here: later it is there again.
            self._log.warning("poll failed", error=repr(error))
            found = self._nothing()
            self._take_back()
        self._refuse_if_replaced()
        lost = self._take_events()
        deliveries: list[Delivery] = []
        for there, records in found.items():
            # What was read before a partition was put at its place comes again from there.
            if (partition := Partition(*there)) in self._places:
                deliveries += map(delivery_of, records)
                self._next[partition] = deliveries[-1].offset + 1
        self._place_waiting()
        if self._paused:
            self.pause()  # what came with a rebalance is not paused
        return Polled(deliveries=deliveries, lost=lost)

    def _refuse_if_replaced(self) -> None:
        """Raise Fatal when another process has taken this member's name.

        kafka-python 3.0.12 ends its heartbeats at that and says nothing: polls would go on.
        """
        coordinator = self._consumer._coordinator
        with coordinator._lock:
            replaced = coordinator.stable() and not coordinator._heartbeat_enabled
        if replaced:
            raise Fatal(f"this member of {self._group} was replaced by another of its name")

    def _await_rebalance(self) -> None:
        """Wait for the end of a rebalance that goes on, for longer than a poll.

        kafka-python 3.0.12 throws a join away that ends while no poll waits for it, and begins
        another, which makes everybody join again: with short polls a group may never settle. And it
        forgets a join whose reason is gone when it is not through yet: a topic that was missing
        from what it knew while a broker came back.
        """
        coordinator = self._consumer._coordinator
        with coordinator._lock:
            if not coordinator.stable():
                coordinator.request_rejoin()
        if coordinator.need_rejoin():
            coordinator.ensure_active_group(timeout_ms=_JOIN_MS)

    def _nothing(self) -> dict[TopicPartition, list[Any]]:
        Event().wait(_STEP_MS / 1000)
        return {}

    def _take_back(self) -> None:
        """Have what a poll that failed may have taken given again.

        kafka-python 3.0.12 counts records as consumed before it sends the next fetch: where that
        raises, for a broker that nobody knows any more, they are neither given nor read again.
        """
        for partition in self.assignment() & self._places.keys():
            with suppress(errors.KafkaError):  # taken away just now
                self._consumer.seek(TopicPartition(*partition), self._next[partition])

    def _unreadable(self, error: Exception) -> str:
        """Say where it stands: what is in a batch cannot be told apart, nor set aside."""
        stands = ", ".join(f"{one} from {self._next[one]}" for one in sorted(self._places))
        return (
            f"{self._group} cannot unpack what comes next in one of its partitions ({stands}): "
            f"{error}; docs/streaming.md says how to go on without it"
        )

    def _gap(self, error: Exception) -> str:
        return (
            f"records that {self._group} has not read are gone, or its place is beyond the end "
            f"({error}): retention deleted them, or the topic is another one than before; "
            "`gristmill topics skip-lost --help` says how to go on without them"
        )

    def _take_events(self) -> frozenset[Partition]:
        """Return what was taken away since the last poll; note what came."""
        lost, came = self._events.take()
        for partition in lost | came:
            self._places.pop(partition, None)
            self._next.pop(partition, None)
        if lost or came:
            self._log.info(
                "partitions changed",
                taken=sorted(map(str, lost)),
                given=sorted(map(str, came)),
            )
        return frozenset(lost)

    def _place_waiting(self) -> None:
        """Put partitions that were assigned or rewound at their place, as far as that is known."""
        for partition in sorted(self.assignment() - self._places.keys()):
            there = TopicPartition(*partition)
            try:
                self._settle_before()
                stored = self._consumer.committed(there, metadata=True, timeout_ms=_LOOK_UP_MS)
                if self._start_at is not None:
                    offset = self._start_at(partition)
                elif stored is not None:
                    offset = stored.offset
                else:
                    offset = self._first_offset(there)
                self._consumer.seek(there, offset)
            except errors.AuthorizationError as error:
                raise Fatal(f"Kafka refuses {self._group}: {error}") from error
            # ValueError: taken away meanwhile
            except (errors.KafkaError, Transient, ValueError) as error:
                where = str(partition)
                self._log.warning("place not known yet", partition=where, error=repr(error))
                return
            note = stored.metadata or "" if stored is not None else ""
            self._places[partition] = Committed(offset, note)
            self._next[partition] = offset

    def _settle_before(self) -> None:
        """Settle what would keep committed offsets from being known; raises when it cannot be."""

    def _first_offset(self, there: TopicPartition) -> int:
        """Return where to begin in a partition that the group has no place in.

        Only one that never held a record: of one that was emptied, retention may have deleted what
        the group had not read when its offsets expired.
        """
        end = self._consumer.end_offsets([there], timeout_ms=_LOOK_UP_MS)[there]
        if end > 0:
            raise Fatal(
                f"{there.topic} holds records, or held some, and {self._group} has no place in it: "
                "its offsets have expired, or it never began; `gristmill topics apply "
                "--from-beginning` makes it begin at the first record, or says what has to be done "
                "before"
            )
        return 0

    def pause(self) -> None:
        """Let polls bring nothing."""
        self._paused = True
        if assigned := self._consumer.assignment():
            self._consumer.pause(*assigned)

    def resume(self) -> None:
        """Let polls bring records again."""
        self._paused = False
        if paused := self._consumer.paused():
            self._consumer.resume(*paused)

    def rewind(self) -> None:
        """Go back to what is committed, before the next records are given."""
        self._places.clear()

    def assignment(self) -> frozenset[Partition]:
        """Return the partitions that belong to this member now."""
        return frozenset(Partition(*one) for one in self._consumer.assignment() or ())

    @property
    def is_member(self) -> bool:
        """Whether the group has settled with this member in it."""
        return is_fence(self._consumer.group_metadata())

    @property
    def is_cut_off(self) -> bool:
        """Whether the group's coordinator cannot be reached."""
        return bool(self._consumer._coordinator.coordinator_unknown())

    @property
    def is_placed(self) -> bool:
        """Whether it is known where to read on in every partition of this member."""
        return self.assignment() <= self._places.keys()

    def committed(self, partition: Partition) -> Committed:
        """Return how far the group has come, as known here. Raises Rewound where it is not."""
        if (place := self._places.get(partition)) is None:
            self.rewind()
            raise Rewound(f"the place in {partition} is not known")
        return place

    def note(self, partition: Partition, committed: Committed) -> None:
        """Commit an offset with a note."""
        self.committed(partition)  # behind a doubt, an offset from before it must not be committed
        mark = OffsetAndMetadata(committed.offset, committed.note, -1)
        try:
            self._consumer.commit({TopicPartition(*partition): mark}, timeout_ms=_LOOK_UP_MS)
        except errors.FencedInstanceIdError as error:
            raise Fatal(f"this member of {self._group} was replaced: {error}") from error
        except errors.KafkaError as error:
            self.rewind()
            raise Rewound(f"an offset could not be committed: {error!r}") from error
        self._places[partition] = committed

    def settle(self) -> None:
        """Commit positions that only markers of transactions moved; nothing may be unanswered.

        Without it an idle topic would show a lag of one for ever, and keep a fleet scaled up.
        """
        for partition in sorted(self.assignment() & self._places.keys()):
            position, stands = self._position(partition), self.committed(partition)
            if position is not None and position > stands.offset:
                try:
                    self.note(partition, Committed(position, stands.note))
                except Rewound:
                    return

    def _position(self, partition: Partition) -> int | None:
        try:
            position = self._consumer.position(TopicPartition(*partition), timeout_ms=0)
        except errors.KafkaError:
            return None
        return None if position is None else int(position)

    def lag(self) -> Mapping[Partition, int]:
        """Return how many offsets are between the position and the end that is known.

        While a place is looked up, it is where reading stood before.
        """
        behind: dict[Partition, int] = {}
        for partition in self.assignment() & self._next.keys():
            is_placed = partition in self._places
            position = self._position(partition) if is_placed else self._next[partition]
            end = self._consumer.highwater(TopicPartition(*partition))
            if position is not None and end is not None:
                behind[partition] = max(0, end - position)
        # Without a broker that answers, lag is what was known before: no sign of standing still.
        unknown = self.is_cut_off or not self.is_placed
        self.known_lag = None if unknown else sum(behind.values())
        return behind

    def close(self) -> None:
        """Close; a static member keeps its partitions until its session ends or it is back."""
        if not self._closed:
            self._closed = True
            self._consumer.close(autocommit=False, timeout_ms=_LOOK_UP_MS)


def is_fence(membership: Any) -> bool:  # noqa: ANN401  # the library has no types
    """Tell whether a membership lets the broker refuse those that were replaced (KIP-447).

    It takes a bare group id, or one that never joined, as well: those fence nobody.
    """
    return (
        getattr(membership, "generation_id", -1) >= 0
        and bool(getattr(membership, "member_id", ""))
        and "stable" in str(getattr(membership, "state", "")).lower()
    )


class _Events(ConsumerRebalanceListener):  # type: ignore[misc]  # the library has no types
    """What the group did to this member since the last poll; told from the client's own thread."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._lost: set[Partition] = set()
        self._came: set[Partition] = set()

    def on_partitions_revoked(self, revoked: Any) -> None:  # noqa: ANN401  # the library's own
        """Note what was taken away."""
        with self._lock:
            gone = {Partition(*one) for one in revoked}
            self._lost |= gone
            self._came -= gone

    def on_partitions_assigned(self, assigned: Any) -> None:  # noqa: ANN401  # the library's own
        """Note what was given."""
        with self._lock:
            self._came |= {Partition(*one) for one in assigned}

    @property
    def is_waiting(self) -> bool:
        """Whether something happened that no poll has told yet."""
        with self._lock:
            return bool(self._lost or self._came)

    def take(self) -> tuple[set[Partition], set[Partition]]:
        """Return what was taken away and what was given, once."""
        with self._lock:
            lost, came = self._lost, self._came
            self._lost, self._came = set(), set()
            return lost, came
