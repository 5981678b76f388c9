"""Reading a mill's topics: while things happen, and once more in the end.

The concurrent reader is what a consumer downstream would be: it reads what is committed and never
goes back. The final reader begins at the start.
"""

import hashlib
import itertools
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Self

from fault_history import Decided, Delivery, Letter, Place, Record
from kafka import KafkaConsumer, TopicPartition, errors

from gristmill.runtime.adapters.kafka_client import make_scanner
from gristmill.runtime.adapters.kafka_scan import scan_topic
from gristmill.runtime.adapters.kafka_settings import KafkaSettings
from gristmill.runtime.engine.envelope import CRAWL_TOPIC, DEAD_TOPIC, LEDGER_TOPIC, MEMBER_BITS
from gristmill.runtime.model import Decision, Poison, Transient
from gristmill.runtime.model.document import Kind as DocumentKind
from gristmill.runtime.model.document import document_id, sha256_hex
from gristmill.runtime.ports import BlobStore, Partition
from gristmill.runtime.ports import Delivery as Read
from gristmill.runtime.wire import decode_crawl_item, decode_decisions, decode_document

FINALIZED_TOPIC = "gristmill.shards-finalized.v1"
Ends = Mapping[tuple[str, int], int]


class ConcurrentReader:
    """Reads all topics from now on, in a thread, whatever becomes of the brokers."""

    def __init__(self, settings: KafkaSettings, topics: Sequence[str]) -> None:
        self._settings = settings
        self._topics = topics
        self._closing = threading.Event()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="reader", daemon=True)
        self._failed: BaseException | None = None
        self._positions: dict[tuple[str, int], int] = {}
        # What was read, in order; and when outputs of each stage were.
        self.seen: defaultdict[tuple[str, int], list[tuple[int, bytes]]] = defaultdict(list)
        self.outputs: defaultdict[str, list[float]] = defaultdict(list)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        self._thread.join()

    def ends(self) -> dict[tuple[str, int], int]:
        """Return how far it has come."""
        with self._lock:
            return dict(self._positions)

    def taken_from(self, starts: Ends) -> dict[tuple[str, int], list[tuple[int, bytes]]]:
        """Return what it read from the given offsets on."""
        with self._lock:
            return {
                key: [one for one in seen if one[0] >= starts.get(key, 0)]
                for key, seen in self.seen.items()
            }

    def count(self, topic: str, starts: Ends) -> int:
        """Return how many records of a topic it has read from the given offsets on."""
        return sum(len(v) for k, v in self.taken_from(starts).items() if k[0] == topic)

    def first_output(self, stage: str, after: float) -> float | None:
        """Return when the first output of a stage was read behind a moment of the wall clock."""
        with self._lock:
            return next((at for at in self.outputs[stage] if at > after), None)

    def longest_silence(self, stage: str, since: float, until: float) -> float:
        """Return the longest time without an output of a stage between two moments."""
        with self._lock:
            outputs = [at for at in self.outputs[stage] if since < at < until]
        return max(after - at for at, after in itertools.pairwise([since, *outputs, until]))

    def check_failed(self) -> None:
        """Raise what the reader's thread raised."""
        if self._failed is not None:
            raise RuntimeError("the concurrent reader failed") from self._failed

    def _run(self) -> None:
        try:
            consumer = make_scanner(self._settings)
            try:
                there = [
                    TopicPartition(topic, number)
                    for topic in self._topics
                    for number in sorted(consumer.partitions_for_topic(topic) or ())
                ]
                consumer.assign(there)
                for one in there:
                    consumer.seek(one, 0)
                while not self._closing.is_set():
                    self._read(consumer, there)
            finally:
                consumer.close(autocommit=False, timeout_ms=1000)
        except BaseException as error:
            self._failed = error
            raise

    def _read(self, consumer: KafkaConsumer, there: Sequence[TopicPartition]) -> None:
        try:
            found = consumer.poll(timeout_ms=100)
        except errors.KafkaError:  # a broker that goes during a look-up comes out of here
            self._closing.wait(0.2)
            for one in there:  # the library may have counted as given what it did not give
                if seen := self.seen.get((one.topic, one.partition)):
                    consumer.seek(one, seen[-1][0] + 1)
            return
        now = time.time()
        with self._lock:
            for one, records in found.items():
                key = (one.topic, one.partition)
                self.seen[key] += [(record.offset, _digest(record.value)) for record in records]
                if one.topic == LEDGER_TOPIC:
                    for record in records:
                        self.outputs[(record.key or b"").decode()].append(now)
                elif one.topic == FINALIZED_TOPIC:
                    self.outputs["shards"].append(now)
            for one in there:
                position = _position(consumer, one)
                if position is not None:
                    self._positions[one.topic, one.partition] = position


def _position(consumer: KafkaConsumer, one: TopicPartition) -> int | None:
    try:
        position = consumer.position(one, timeout_ms=0)
    except errors.KafkaError:
        return None
    return None if position is None else int(position)


def read_documents(
    settings: KafkaSettings, topic: str, source: str, starts: Ends, blobs: BlobStore
) -> list[Record]:
    """Return the records of a stage's topic; `source` names the topic in positions."""
    return [_record(one, source, blobs) for one in read(settings, topic, starts)]


def read_others(settings: KafkaSettings, topic: str, starts: Ends) -> list[Record]:
    """Return the records of a topic that holds no documents."""
    return [
        Record(_place(one), _digest(one.value), Delivery("", 0), Delivery("", 0))
        for one in read(settings, topic, starts)
    ]


def read_ledger(settings: KafkaSettings, starts: Ends) -> list[Decided]:
    """Return the decisions of the ledger's topic."""
    return [
        decided_of(decision)
        for one in read(settings, LEDGER_TOPIC, starts)
        for decision in decode_decisions(one.value)[0]
    ]


def read_letters(settings: KafkaSettings, starts: Ends, *, put_back: bool) -> list[Letter]:
    """Return the dead letters; with `put_back`, those that a replay wrote once more count once."""
    letters = []
    known: set[tuple[Letter, str]] = set()
    for one in read(settings, DEAD_TOPIC, starts):
        told = {name: value.decode() for name, value in one.headers if name.startswith("dead-")}
        place = Place(told["dead-topic"], int(told["dead-partition"]), int(told["dead-offset"]))
        letter = Letter(told["dead-stage"], place)
        if put_back and (letter, told["dead-at"]) in known:
            continue
        known.add((letter, told["dead-at"]))
        letters.append(letter)
    return letters


def read(settings: KafkaSettings, topic: str, starts: Ends) -> Iterator[Read]:
    """Yield what is committed in a topic from the given offsets on; tries again while nobody
    answers."""
    begin = {Partition(*key): offset for key, offset in starts.items() if key[0] == topic}
    for patience in (True, True, False):
        try:
            yield from list(scan_topic(settings, topic, begin))
        except Transient:
            if not patience:
                raise
        else:
            return


def decided_of(decision: Decision) -> Decided:
    """Return a decision as the checker knows it."""
    return Decided(
        stage=decision.stage,
        delivery=Delivery(decision.position.source, decision.position.offset),
        document_id=decision.document_id,
        outcome=decision.outcome.value,
        reason=decision.reason.value if decision.reason else "",
    )


def _record(one: Read, source: str, blobs: BlobStore) -> Record:
    own = Delivery(f"{source}/{one.partition.number}", one.offset << MEMBER_BITS)
    headers = dict(one.headers)
    delivery, identity = own, ""
    if one.partition.topic == CRAWL_TOPIC:
        if "position-source" in headers:
            delivery = Delivery(
                headers["position-source"].decode(), int(headers["position-offset"])
            )
        try:
            item = decode_crawl_item(one.value)
            sha = item.blob.sha256 if item.blob else sha256_hex(item.content or b"")
            identity = document_id(DocumentKind.FILE, item.origin, sha)
        except Poison:
            identity = ""
    else:
        try:
            document = decode_document(one.value, blobs.get)
            delivery = Delivery(document.position.source, document.position.offset)
            identity = document.id
        except Poison:
            identity = ""
    replay = headers.get("attempt", b"1") != b"1"
    return Record(_place(one), _digest(one.value), own, delivery, identity, replay)


def _place(one: Read) -> Place:
    return Place(one.partition.topic, one.partition.number, one.offset)


def _digest(value: bytes | None) -> bytes:
    return hashlib.blake2b(value or b"", digest_size=8).digest()
