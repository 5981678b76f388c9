"""The log's contract: one suite for Kafka and for its twin in memory.

What is asked here is what exactly-once rests on: what is not answered comes again, to whom it
belongs and in order, and what is answered is there once or not at all.
"""

import contextlib
import random
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any, Protocol

import pytest
from kafka import KafkaAdminClient, KafkaConsumer, OffsetAndMetadata, TopicPartition, errors
from kafka.admin import ConfigResource, ConfigResourceType, NewTopic
from kafka_broker import KafkaCluster

from gristmill.runtime.adapters.clock import SystemClock
from gristmill.runtime.adapters.kafka_client import make_producer
from gristmill.runtime.adapters.kafka_log import KafkaLog
from gristmill.runtime.adapters.kafka_reader import is_fence
from gristmill.runtime.adapters.kafka_settings import KafkaSettings
from gristmill.runtime.adapters.kafka_writer import KafkaWriter
from gristmill.runtime.adapters.memory_log import (
    Abort,
    Crashed,
    End,
    MemoryBroker,
    MemoryLog,
    Pause,
    Unknown,
    Unnoted,
    Yield,
)
from gristmill.runtime.model import Fatal, Transient
from gristmill.runtime.ports import (
    Committed,
    Delivery,
    Log,
    Message,
    Partition,
    Polled,
    Rewound,
    Writer,
)

GROUP = "readers"
TURN_SECONDS = 0.1
PATIENCE_SECONDS = 20.0


class SilentEvents:
    def info(self, event: str, /, **fields: object) -> None: ...
    def warning(self, event: str, /, **fields: object) -> None: ...
    def error(self, event: str, /, **fields: object) -> None: ...


class Place(Protocol):
    """Where a log lies, with two topics of its own, and the faults that can be had there."""

    source: str
    target: str

    def member(self, instance: str) -> Log: ...
    def writer(self) -> Writer: ...
    def begin(self) -> None: ...
    def write_in_transaction(self, messages: Sequence[Message]) -> None: ...
    def read(self, count: int) -> list[Delivery]: ...
    def stands(self) -> Mapping[Partition, Committed]: ...
    def abort_next(self, log: Log) -> None: ...
    def lose_next(self, log: Log, *, applied: bool) -> None: ...
    def expire(self, log: Log) -> None: ...


class MemoryPlace:
    def __init__(self, partitions: int) -> None:
        self.source, self.target = "source", "target"
        self.broker = MemoryBroker({self.source: partitions, self.target: 1})

    def member(self, instance: str) -> Log:
        return self.broker.log(group=GROUP, instance=instance, topics=[self.source])

    def writer(self) -> Writer:
        return self.broker.writer()

    def begin(self) -> None:
        self.broker.begin(GROUP, self.source)

    def write_in_transaction(self, messages: Sequence[Message]) -> None:
        log = self.broker.log(group="others", instance="other", topics=[self.target])
        log.poll(0)
        assert log.transact(messages, {})

    def read(self, count: int) -> list[Delivery]:
        return self.broker.records(self.target)

    def stands(self) -> Mapping[Partition, Committed]:
        return self.broker.committed(GROUP)

    def abort_next(self, log: Log) -> None:
        assert isinstance(log, MemoryLog)
        self.broker.script(log.instance, [Abort()])

    def lose_next(self, log: Log, *, applied: bool) -> None:
        assert isinstance(log, MemoryLog)
        self.broker.script(log.instance, [Unknown(applied)])

    def expire(self, log: Log) -> None:
        assert isinstance(log, MemoryLog)
        self.broker.expire(GROUP, log.instance)


class KafkaPlace:
    def __init__(self, bootstrap: str, partitions: int) -> None:
        name = uuid.uuid4().hex[:8]
        self.source, self.target, self.group = f"{name}-source", f"{name}-target", f"{name}-group"
        self.settings = KafkaSettings(
            bootstrap=bootstrap, session_seconds=3, transaction_seconds=60, commit_seconds=8
        )
        self.admin = KafkaAdminClient(bootstrap_servers=bootstrap)
        self.admin.create_topics(
            [NewTopic(self.source, partitions, 1), NewTopic(self.target, 1, 1)]
        )
        self.partitions = [TopicPartition(self.source, number) for number in range(partitions)]
        self.opened: list[Any] = [self.admin]
        self.names = name

    def member(self, instance: str) -> Log:
        log = KafkaLog(
            self.settings,
            group=self.group,
            instance=f"{self.names}-{instance}",
            topics=[self.source],
            log=SilentEvents(),
            clock=SystemClock(),
        )
        self.opened.append(log)
        return log

    def writer(self) -> Writer:
        writer = KafkaWriter(self.settings)
        self.opened.append(writer)
        return writer

    def begin(self) -> None:
        places = {one: OffsetAndMetadata(0, "", -1) for one in self.partitions}
        # A broker that has just started keeps no groups yet.
        deadline = time.monotonic() + PATIENCE_SECONDS
        while len(self.stands()) < len(places):
            assert time.monotonic() < deadline
            with contextlib.suppress(errors.RetriableError):
                self.admin.alter_group_offsets(self.group, places)

    def write_in_transaction(self, messages: Sequence[Message]) -> None:
        producer = make_producer(self.settings, f"{self.names}-other")
        producer.init_transactions()
        producer.begin_transaction()
        for one in messages:
            producer.send(one.topic, key=one.key, value=one.value, partition=one.partition)
        producer.commit_transaction()
        producer.close()

    def read(self, count: int) -> list[Delivery]:
        consumer = KafkaConsumer(
            bootstrap_servers=self.settings.bootstrap,
            isolation_level="read_committed",
            auto_offset_reset="earliest",
            enable_auto_commit=False,
        )
        there = TopicPartition(self.target, 0)
        found: list[Delivery] = []
        try:
            consumer.assign([there])
            (end,) = consumer.end_offsets([there]).values()
            while consumer.position(there) < end:
                found += [
                    Delivery(
                        partition=Partition(*there),
                        offset=one.offset,
                        key=one.key,
                        value=one.value,
                        headers=tuple(one.headers),
                    )
                    for one in consumer.poll(timeout_ms=100).get(there, [])
                ]
        finally:
            consumer.close()
        return found

    def stands(self) -> Mapping[Partition, Committed]:
        # A broker answers the end of a transaction before its offsets are the group's: who reads
        # only what is committed is told to wait for that.
        consumer = KafkaConsumer(
            bootstrap_servers=self.settings.bootstrap,
            group_id=self.group,
            isolation_level="read_committed",
            enable_auto_commit=False,
        )
        try:
            stored = {one: consumer.committed(one, metadata=True) for one in self.partitions}
        finally:
            consumer.close()
        return {
            Partition(*one): Committed(mark.offset, mark.metadata or "")
            for one, mark in stored.items()
            if mark is not None
        }

    def abort_next(self, log: Log) -> None:
        """Let the broker refuse the offsets of the next transaction, when all is sent."""
        self._break_next(log, "send_offsets_to_transaction", errors.CommitFailedError("planted"))

    def lose_next(self, log: Log, *, applied: bool) -> None:
        if not applied:
            self._break_next(log, "begin_commit", errors.KafkaTimeoutError("planted"))
            return
        assert isinstance(log, KafkaLog)
        producer: Any = log._producer
        commit = producer.commit

        def lost(*arguments: Any) -> None:
            commit(*arguments)
            raise errors.KafkaTimeoutError("planted")

        producer.commit = lost

    def _break_next(self, log: Log, step: str, error: Exception) -> None:
        assert isinstance(log, KafkaLog)
        producer: Any = log._producer
        manager = producer._producer._transaction_manager
        whole = getattr(manager, step)

        def broken(*arguments: Any) -> None:
            setattr(manager, step, whole)
            raise error

        setattr(manager, step, broken)

    def expire(self, log: Log) -> None:
        """Do nothing: a member that closed is given up after its session."""

    def close(self) -> None:
        for one in reversed(self.opened):
            one.close()


MakePlace = Callable[..., Place]


@pytest.fixture(params=["memory", "kafka"])
def make_place(request: pytest.FixtureRequest) -> Iterator[MakePlace]:
    """Make a place with empty topics, where the group stands at the beginning."""
    places: list[KafkaPlace] = []

    def make(partitions: int = 1, *, begun: bool = True) -> Place:
        place: Place
        if request.param == "memory":
            place = MemoryPlace(partitions)
        else:
            cluster: KafkaCluster = request.getfixturevalue("kafka")
            place = KafkaPlace(cluster.bootstrap, partitions)
            places.append(place)
        if begun:
            place.begin()
        return place

    yield make
    for place in places:
        place.close()


class Turns:
    """Polls members in turn, and keeps what each was told."""

    def __init__(self, *logs: Log) -> None:
        self.logs = list(logs)
        self.brought: dict[int, list[Delivery]] = defaultdict(list)
        self.lost: dict[int, set[Partition]] = defaultdict(set)

    def until(self, is_done: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not is_done():
            assert time.monotonic() < deadline, "it did not come about"
            self.once()

    def once(self) -> None:
        for number, brought in enumerate(poll_all(self.logs)):
            self.lost[number] |= brought.lost
            self.brought[number] += brought.deliveries


def poll_all(logs: Sequence[Log]) -> list[Polled]:
    """Poll all members; those of Kafka at once, because each waits for the others to join."""
    if isinstance(logs[0], MemoryLog):
        return [log.poll(TURN_SECONDS) for log in logs]
    returned: set[int] = set()

    def poll(number: int) -> Polled:
        brought = logs[number].poll(TURN_SECONDS)
        returned.add(number)
        while len(returned) < len(logs):
            more = logs[number].poll(TURN_SECONDS)
            brought = Polled(
                deliveries=[*brought.deliveries, *more.deliveries], lost=brought.lost | more.lost
            )
        return brought

    with ThreadPoolExecutor(len(logs)) as threads:
        return list(threads.map(poll, range(len(logs))))


def polled(log: Log, count: int) -> list[Delivery]:
    """Poll until so many records came, and no more."""
    turns = Turns(log)
    turns.until(lambda: len(turns.brought[0]) >= count)
    turns.once()
    assert len(turns.brought[0]) == count
    return turns.brought[0]


def answer(
    log: Log,
    place: Place,
    deliveries: Sequence[Delivery],
    note: str = "",
    others: Sequence[Log] = (),
) -> None:
    """Pass the records on in one transaction, as soon as the group lets it."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not log.transact(*answered(place, deliveries, note)):
        assert time.monotonic() < deadline, "the group does not settle"
        assert not any(brought.lost for brought in poll_all((log, *others)))


def answered(
    place: Place, deliveries: Sequence[Delivery], note: str = ""
) -> tuple[list[Message], dict[Partition, Committed]]:
    messages = [
        Message(topic=place.target, key=one.key, value=one.value, headers=one.headers)
        for one in deliveries
    ]
    return messages, {one.partition: Committed(one.offset + 1, note) for one in deliveries}


def write(place: Place, *values: str, partition: int = 0) -> None:
    place.writer().write(
        [
            Message(topic=place.source, key=b"", value=value.encode(), partition=partition)
            for value in values
        ]
    )


def values(deliveries: Sequence[Delivery]) -> list[str]:
    return [one.value.decode() for one in deliveries]


def joined(log: Log, partitions: int = 1) -> None:
    turns = Turns(log)
    turns.until(lambda: len(log.assignment()) == partitions)
    assert not turns.brought[0]


# --- what every log does --------------------------------------------------------------------------


def test_records_come_in_order_and_as_they_were_written(make_place: MakePlace) -> None:
    place = make_place()
    headers = (("kind", b"file"), ("kind", b"\xff"), ("empty", b""))
    messages = [
        Message(topic=place.source, key=b"k", value=b"", headers=headers),
        Message(topic=place.source, key=b"", value=b"two"),
        Message(topic=place.source, key=b"k", value=b"three", partition=0),
    ]
    place.writer().write(messages)
    brought = polled(place.member("a"), 3)
    assert [(one.key, one.value, one.headers) for one in brought] == [
        (one.key, one.value, one.headers) for one in messages
    ]
    assert [one.offset for one in brought] == [0, 1, 2]


def test_records_of_one_key_are_in_one_partition_and_keys_are_spread(make_place: MakePlace) -> None:
    place = make_place(2)
    place.writer().write(
        [
            Message(topic=place.source, key=b"%d" % (number % 20), value=b"%d" % number)
            for number in range(200)
        ]
    )
    brought = polled(place.member("a"), 200)
    where = defaultdict(set)
    for one in brought:
        where[one.key].add(one.partition)
    assert all(len(partitions) == 1 for partitions in where.values())
    assert {one.partition.number for one in brought} == {0, 1}
    for key in where:
        of_key = [int(one.value) for one in brought if one.key == key]
        assert of_key == sorted(of_key)


def test_an_answer_is_written_once_and_not_read_again(make_place: MakePlace) -> None:
    place = make_place()
    write(place, "a", "b")
    log = place.member("one")
    answer(log, place, polled(log, 2))
    write(place, "c")
    answer(log, place, polled(log, 1))
    assert values(place.read(3)) == ["a", "b", "c"]
    assert polled(place.member("one"), 0) == []


def test_after_an_abort_the_same_records_come_again_and_nothing_shows(
    make_place: MakePlace,
) -> None:
    place = make_place()
    write(place, "a", "b", "c")
    log = place.member("one")
    first = polled(log, 3)
    place.abort_next(log)
    with pytest.raises(Rewound):
        answer(log, place, first)
    assert place.read(0) == []
    assert polled(log, 3) == first
    answer(log, place, first)
    assert values(place.read(3)) == ["a", "b", "c"]


@pytest.mark.parametrize("applied", [True, False])
def test_after_a_doubt_reading_goes_on_where_the_transaction_left_it(
    make_place: MakePlace, applied: bool
) -> None:
    place = make_place()
    write(place, "a", "b")
    log = place.member("one")
    first = polled(log, 2)
    place.lose_next(log, applied=applied)
    with pytest.raises(Rewound):
        answer(log, place, first)
    write(place, "c")
    again = polled(log, 1 if applied else 3)
    assert values(again) == (["c"] if applied else ["a", "b", "c"])
    answer(log, place, again)
    assert values(place.read(3)) == ["a", "b", "c"]


def test_nothing_from_before_a_doubt_can_be_noted(make_place: MakePlace) -> None:
    place = make_place()
    write(place, "a", "b")
    log = place.member("one")
    first = polled(log, 2)
    place.lose_next(log, applied=True)
    with pytest.raises(Rewound):
        answer(log, place, first)
    with pytest.raises(Rewound):
        log.note(first[0].partition, Committed(0, "old"))
    with pytest.raises(Rewound):
        log.committed(first[0].partition)
    assert place.stands() == {first[0].partition: Committed(2)}


def test_after_a_crash_the_next_of_its_name_reads_the_same_again(make_place: MakePlace) -> None:
    place = make_place()
    write(place, "a", "b", "c")
    before = place.member("one")
    brought = polled(before, 3)
    answer(before, place, brought[:1])
    after = place.member("one")
    assert polled(after, 2) == brought[1:]
    answer(after, place, brought[1:])
    assert values(place.read(3)) == ["a", "b", "c"]


def test_what_a_crash_left_open_does_not_hold_its_successor_up(make_place: MakePlace) -> None:
    place = make_place()
    write(place, "a", "b")
    before = place.member("one")
    brought = polled(before, 2)
    place.lose_next(before, applied=False)
    with pytest.raises(Rewound):
        answer(before, place, brought)
    begin = time.monotonic()
    after = place.member("one")
    assert polled(after, 2) == brought
    assert time.monotonic() - begin < 10  # an open transaction lasts for a minute


def test_a_rewind_brings_everything_again_that_was_not_answered(make_place: MakePlace) -> None:
    place = make_place()
    write(place, "a", "b", "c")
    log = place.member("one")
    brought = polled(log, 3)
    answer(log, place, brought[:1])
    log.rewind()
    assert polled(log, 2) == brought[1:]


def test_two_members_share_the_partitions_and_every_record_reaches_one(
    make_place: MakePlace,
) -> None:
    place = make_place(2)
    one, two = place.member("one"), place.member("two")
    turns = Turns(one, two)
    turns.until(lambda: bool(one.assignment()) and bool(two.assignment()))
    for number in range(2):
        write(place, *(f"{number}:{count}" for count in range(5)), partition=number)
    turns.until(lambda: sum(map(len, turns.brought.values())) >= 10)
    turns.once()
    assert one.members() == two.members()
    assert len(one.members()) == 2
    assert one.assignment() | two.assignment() == {Partition(place.source, n) for n in range(2)}
    assert not one.assignment() & two.assignment()
    for number, log in enumerate(turns.logs):
        (partition,) = log.assignment()
        assert values(turns.brought[number]) == [f"{partition.number}:{n}" for n in range(5)]


def test_what_was_taken_away_is_told_and_can_no_longer_be_answered(make_place: MakePlace) -> None:
    place = make_place(2)
    for number in range(2):
        write(place, f"{number}:a", f"{number}:b", partition=number)
    one = place.member("one")
    held: dict[Partition, list[Delivery]] = defaultdict(list)
    for delivery in polled(one, 4):
        held[delivery.partition].append(delivery)
    two = place.member("two")
    turns = Turns(one, two)
    turns.until(lambda: bool(turns.lost[0]))
    (refused,) = turns.lost[0]
    with contextlib.suppress(Rewound):
        assert not one.transact(*answered(place, held[refused]))
    turns.until(lambda: len(turns.brought[1]) == 2)
    assert turns.brought[1] == held[refused]
    answer(two, place, turns.brought[1], others=[one])
    with contextlib.suppress(Rewound):
        assert not one.transact(*answered(place, held[refused]))
    (kept,) = one.assignment()
    answer(one, place, held[kept], others=[two])
    assert sorted(values(place.read(4))) == ["0:a", "0:b", "1:a", "1:b"]
    assert place.stands() == {partition: Committed(2) for partition in held}


def test_what_a_member_leaves_behind_goes_to_the_others(make_place: MakePlace) -> None:
    place = make_place(2)
    one, two = place.member("one"), place.member("two")
    turns = Turns(one, two)
    turns.until(lambda: bool(one.assignment()) and bool(two.assignment()))
    for number in range(2):
        write(place, f"{number}:a", partition=number)
    turns.until(lambda: len(turns.brought[0]) == len(turns.brought[1]) == 1)
    two.close()
    place.expire(two)
    turns = Turns(one)
    turns.until(lambda: len(turns.brought[0]) >= 1)
    assert turns.lost[0] == set()
    assert len(one.assignment()) == 2
    assert len(one.members()) == 1


def test_a_member_that_was_replaced_is_told_and_changes_nothing(make_place: MakePlace) -> None:
    place = make_place()
    write(place, "a")
    old = place.member("one")
    brought = polled(old, 1)
    new = place.member("one")
    assert polled(new, 1) == brought
    with pytest.raises((Rewound, Fatal)):
        old.transact(*answered(place, brought))
    with pytest.raises(Fatal):
        Turns(old).until(lambda: False)
    with pytest.raises((Rewound, Fatal)):
        old.note(brought[0].partition, Committed(1))
    assert place.read(0) == []
    assert place.stands() == {brought[0].partition: Committed(0)}
    for _ in range(2):  # the old one may have cost the new one its transaction, never its records
        try:
            answer(new, place, brought)
        except Rewound:
            assert polled(new, 1) == brought
        else:
            break
    assert values(place.read(1)) == ["a"]


def test_who_has_not_joined_cannot_answer(make_place: MakePlace) -> None:
    place = make_place()
    message = Message(topic=place.target, key=b"", value=b"early")
    log = place.member("one")
    assert not log.transact([message], {Partition(place.source, 0): Committed(7)})
    assert place.read(0) == []
    assert place.stands() == {Partition(place.source, 0): Committed(0)}


def test_a_note_outlives_its_member(make_place: MakePlace) -> None:
    place = make_place()
    write(place, "a", "b", "c")
    before = place.member("one")
    brought = polled(before, 3)
    partition = brought[0].partition
    before.note(partition, Committed(0, "begun"))
    assert before.committed(partition) == Committed(0, "begun")
    answer(before, place, brought[:2], note="half")
    assert before.committed(partition) == Committed(2, "half")
    after = place.member("one")
    assert polled(after, 1) == brought[2:]
    assert after.committed(partition) == Committed(2, "half")


def test_markers_of_transactions_leave_no_lag_behind(make_place: MakePlace) -> None:
    place = make_place()
    partition = Partition(place.source, 0)
    for value in (b"a", b"b"):
        message = Message(topic=place.source, key=b"", value=value, partition=0)
        place.write_in_transaction([message])
    log = place.member("one")
    brought = polled(log, 2)
    assert [one.offset for one in brought] == [0, 2]
    answer(log, place, brought)
    assert log.committed(partition) == Committed(3)

    def settled() -> bool:
        log.settle()
        return log.committed(partition) == Committed(4)

    turns = Turns(log)
    turns.until(settled)
    assert log.lag() == {partition: 0}
    assert place.stands() == {partition: Committed(4)}
    write(place, "c")
    assert values(polled(log, 1)) == ["c"]


def test_lag_counts_what_is_not_read_yet(make_place: MakePlace) -> None:
    place = make_place()
    partition = Partition(place.source, 0)
    write(place, "a")
    log = place.member("one")
    polled(log, 1)
    log.pause()
    write(place, "b", "c")
    Turns(log).once()
    assert log.lag()[partition] in {0, 2}  # as far as is known while it is paused
    log.resume()
    polled(log, 2)
    assert log.lag() == {partition: 0}


def test_a_pause_brings_nothing_and_keeps_the_membership(make_place: MakePlace) -> None:
    place = make_place()
    log = place.member("one")
    joined(log)
    log.pause()
    write(place, "a", "b")
    turns = Turns(log)
    for _ in range(8):
        turns.once()
    assert (turns.brought[0], turns.lost[0]) == ([], set())
    assert len(log.assignment()) == 1
    log.resume()
    brought = polled(log, 2)
    answer(log, place, brought)
    assert values(place.read(2)) == ["a", "b"]


def test_a_partition_with_records_and_without_a_place_is_an_error(make_place: MakePlace) -> None:
    place = make_place(begun=False)
    write(place, "a")
    with pytest.raises(Fatal, match="has no place in it"):
        Turns(place.member("one")).until(lambda: False)


def test_an_empty_partition_without_a_place_is_begun(make_place: MakePlace) -> None:
    place = make_place(begun=False)
    log = place.member("one")
    joined(log)
    Turns(log).once()
    write(place, "a")
    answer(log, place, polled(log, 1))
    assert values(place.read(1)) == ["a"]


def test_close_twice_is_harmless(make_place: MakePlace) -> None:
    place = make_place()
    log, writer = place.member("one"), place.writer()
    joined(log)
    for _ in range(2):
        log.close()
        writer.close()


# --- Kafka alone ----------------------------------------------------------------------------------


def test_a_place_whose_records_were_deleted_is_an_error(kafka: KafkaCluster) -> None:
    place = KafkaPlace(kafka.bootstrap, 1)
    try:
        place.begin()
        write(place, "a", "b", "c")
        place.admin.delete_records({place.partitions[0]: 2})
        with pytest.raises(Fatal, match="are gone"):
            Turns(place.member("one")).until(lambda: False)
    finally:
        place.close()


def test_a_partition_that_was_emptied_before_a_place_was_known_is_an_error(
    kafka: KafkaCluster,
) -> None:
    place = KafkaPlace(kafka.bootstrap, 1)
    try:
        write(place, "a", "b")
        place.admin.delete_records({place.partitions[0]: -1})
        with pytest.raises(Fatal, match="or held some"):
            Turns(place.member("one")).until(lambda: False)
    finally:
        place.close()


def test_a_topic_that_was_made_smaller_is_an_error_and_no_endless_retry(
    kafka: KafkaCluster,
) -> None:
    place = KafkaPlace(kafka.bootstrap, 1)
    try:
        place.begin()
        smaller = {"max.message.bytes": "20000"}
        place.admin.alter_configs(
            [ConfigResource(ConfigResourceType.TOPIC, place.target, configs=smaller)]
        )
        write(place, "a")
        log = place.member("one")
        [delivery] = polled(log, 1)
        value = random.Random(7).randbytes(60_000)
        messages = [Message(topic=place.target, key=b"k", value=value)]
        with pytest.raises(Fatal, match=r"refuses a transaction .* `gristmill topics diff`"):
            log.transact(messages, {delivery.partition: Committed(1)})
        writer = place.writer()
        with pytest.raises(Fatal, match="refuses a record"):
            writer.write(messages)
    finally:
        place.close()


def test_a_topic_that_is_not_there_is_an_error(kafka: KafkaCluster) -> None:
    place = KafkaPlace(kafka.bootstrap, 1)
    try:
        place.source = "nowhere"
        with pytest.raises(Fatal, match="there is no topic nowhere"):
            place.member("one")
    finally:
        place.close()


def test_fence_metadata_of_a_bare_group_or_of_one_that_never_joined_is_none(
    kafka: KafkaCluster,
) -> None:
    place = KafkaPlace(kafka.bootstrap, 1)
    try:
        place.begin()
        log = place.member("one")
        assert isinstance(log, KafkaLog)
        assert not is_fence(log._consumer.group_metadata())
        joined(log)
        Turns(log).until(lambda: is_fence(log._consumer.group_metadata()))
    finally:
        place.close()


@pytest.mark.parametrize(
    "membership",
    [
        "readers",
        None,
        SimpleNamespace(generation_id=-1, member_id="m", state="stable"),
        SimpleNamespace(generation_id=3, member_id="", state="stable"),
        SimpleNamespace(generation_id=3, member_id="m", state="rebalancing"),
    ],
)
def test_fence_metadata_must_be_that_of_a_settled_member(membership: object) -> None:
    assert not is_fence(membership)
    assert is_fence(SimpleNamespace(generation_id=0, member_id="m", state="MemberState.STABLE"))


# --- memory alone ---------------------------------------------------------------------------------


def scripted(*steps: Any) -> tuple[MemoryPlace, Log]:
    place = MemoryPlace(1)
    place.begin()
    write(place, "a", "b", "c")
    place.broker.script("one", steps)
    return place, place.member("one")


def test_a_script_says_how_much_each_poll_brings() -> None:
    _, log = scripted(Yield(1), Pause(2), Yield(5))
    assert [values(log.poll(0).deliveries) for _ in range(5)] == [["a"], [], [], ["b", "c"], []]


@pytest.mark.parametrize(("applied", "left"), [(True, ["b", "c"]), (False, ["a", "b", "c"])])
def test_a_process_dies_in_its_transaction_which_took_effect_or_not(
    applied: bool, left: list[str]
) -> None:
    place, log = scripted(Yield(1), End(applied=applied))
    brought = log.poll(0).deliveries
    with pytest.raises(Crashed):
        log.transact(*answered(place, brought))
    with pytest.raises(Crashed):
        log.poll(0)
    assert values(place.member("one").poll(0).deliveries) == left
    assert values(place.read(0)) == (["a"] if applied else [])


def test_a_process_dies_in_its_poll_and_the_script_goes_on_in_its_next_life() -> None:
    place, log = scripted(End(), Yield(2), End())
    with pytest.raises(Crashed):
        log.poll(0)
    log = place.member("one")
    assert values(log.poll(0).deliveries) == ["a", "b"]
    with pytest.raises(Crashed):
        log.poll(0)


@pytest.mark.parametrize("applied", [True, False])
def test_a_note_may_be_lost_and_have_taken_effect(applied: bool) -> None:
    _place, log = scripted(Unnoted(applied))
    (partition,) = {one.partition for one in log.poll(0).deliveries}
    with pytest.raises(Rewound):
        log.note(partition, Committed(0, "begun"))
    assert values(log.poll(0).deliveries) == ["a", "b", "c"]
    assert log.committed(partition) == Committed(0, "begun" if applied else "")


def test_who_was_thrown_out_cannot_answer_and_is_told_what_it_lost() -> None:
    place, log = scripted()
    brought = log.poll(0).deliveries
    place.expire(log)
    with pytest.raises(Rewound):
        log.transact(*answered(place, brought))
    again = log.poll(0)
    assert again.lost == {brought[0].partition}
    assert list(again.deliveries) == list(brought)
    assert place.read(0) == []


def test_a_silent_broker_brings_and_takes_nothing() -> None:
    place, log = scripted()
    brought = log.poll(0).deliveries
    place.broker.silent = True
    assert log.poll(0).deliveries == ()
    with pytest.raises(Rewound):
        log.transact(*answered(place, brought))
    with pytest.raises(Transient):
        place.writer().write([Message(topic=place.target, key=b"", value=b"")])
    place.broker.silent = False
    assert list(log.poll(0).deliveries) == list(brought)
