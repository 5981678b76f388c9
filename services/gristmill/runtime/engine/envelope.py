"""Records of the log as documents, and back: schemas, headers, claim checks, dead letters.

What a stage sees of a record is a value of the model; what it answers becomes messages to the next
stage's topic. Bodies above a limit lie in the blob store and travel as references.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from typing import NamedTuple

from gristmill.runtime.engine.passage import Passage, Record
from gristmill.runtime.model import (
    BlobReference,
    Decision,
    Document,
    Evidence,
    Kind,
    Origin,
    OutcomeKind,
    Poison,
    Position,
    RawFile,
    Reason,
    Reject,
)
from gristmill.runtime.model.decision import decision_on, grammar_at_fault
from gristmill.runtime.model.document import sha256_hex
from gristmill.runtime.ports import BlobStore, Delivery, Headers, Message, Partition
from gristmill.runtime.wire import (
    blob_of_document,
    decode_crawl_item,
    decode_document,
    encode_body,
    encode_decisions,
    encode_document,
    encode_document_without_body,
)

INLINE_BYTES = 256 << 10
"""Bodies above this travel as references: brokers are made for small records."""
RECORD_BYTES = 2 << 20
"""The largest record that topics take; only batches come near it, for bodies lie elsewhere."""
VALUE_BYTES = RECORD_BYTES - (64 << 10)
"""The largest value of a record: there is a key beside it, and headers."""
MEMBER_BITS = 20
"""Bits of a position's offset that count inside one crawled record; 2^43 records fit beside."""
DEAD_TOPIC = "gristmill.dead.v1"
LEDGER_TOPIC = "gristmill.ledger.v1"
CRAWL_TOPIC = "gristmill.crawl.v1"
CRAWL_SCHEMA = "gristmill.v1.CrawlItem"
DOCUMENT_SCHEMA = "gristmill.v1.Document"
DECISIONS_SCHEMA = "gristmill.v1.DecisionBatch"
LEDGER_BYTES = 512 << 10
_DETAIL_BYTES = 300
_WEIGHT_DIGITS = 12


def topic_of(stage: str) -> str:
    """Return the topic that a stage reads."""
    return CRAWL_TOPIC if stage == "ingestion" else f"gristmill.{stage}.v1"


def group_of(stage: str) -> str:
    """Return the consumer group of a stage."""
    return f"gristmill.{stage}"


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one record.

    `decisions` are the bytes of a DecisionBatch without a time: laid end to end they read as one.
    `dead` says why the record is set aside, if it is; `too_much_for` names the grammar whose limits
    it broke, if it did.
    """

    messages: tuple[Message, ...] = ()
    decisions: bytes = b""
    outcomes: tuple[tuple[str, OutcomeKind, Reason | None], ...] = ()
    dead: tuple[Reason, str] | None = None
    failures: tuple[str, ...] = field(default=())
    too_much_for: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """Opens deliveries for a stage and closes what it answers.

    `source` names the cluster and the topic: with a partition it is a position's source.
    `next_topics` says per kind where a document goes on; `new_blob` makes the reference of bytes.
    """

    stage: str
    source: str
    next_topics: Mapping[Kind, str]
    blobs: BlobStore
    new_blob: Callable[[bytes, date], BlobReference]

    def open(self, delivery: Delivery) -> Record:
        """Return what a delivery holds. Raises Poison, or Transient when a blob is out of reach."""
        if self.stage == "ingestion":
            return self._raw_file(delivery)
        return decode_document(delivery.value, self.blobs.get)

    def _raw_file(self, delivery: Delivery) -> RawFile:
        item = decode_crawl_item(delivery.value)
        content = item.content if item.blob is None else self.blobs.get(item.blob)
        if content is None and item.fault is None:
            raise Poison(Reason.UNREADABLE, "the item has neither content nor a fault")
        return RawFile(
            origin=item.origin,
            position=self.position(delivery),
            size_bytes=item.size_bytes if content is None else len(content),
            content=content,
            content_sha256=sha256_hex(content) if content is not None else "",
            fault=item.fault,
            detail=item.detail,
        )

    def position(self, delivery: Delivery) -> Position:
        """Return where a delivery stands: where it stood first, if it was replayed."""
        headers = dict(delivery.headers)
        if (source := headers.get("position-source")) is not None:
            try:
                position = Position(source=source.decode(), offset=int(headers["position-offset"]))
            except (ValueError, LookupError) as error:
                raise Poison(Reason.UNREADABLE, "the position's headers are damaged") from error
            if not position.source or not 0 <= position.offset < 1 << 63:
                raise Poison(Reason.UNREADABLE, "the position's headers are damaged")
            return position
        source_name = partition_source(self.source, delivery.partition)
        return Position(source=source_name, offset=delivery.offset << MEMBER_BITS)

    def unopened(self, delivery: Delivery, error: Poison, version: str) -> Passage:
        """Return the passage of a delivery that could not be opened: set aside, on record."""
        try:
            position = self.position(delivery)
        except Poison:
            bare = replace(delivery, headers=())
            position = self.position(bare)
        record = RawFile(
            origin=Origin(
                source="kafka",
                repository=delivery.partition.topic,
                path=f"{delivery.partition.number}/{delivery.offset}",
            ),
            position=position,
            size_bytes=len(delivery.value),
            content_sha256=sha256_hex(delivery.value),
        )
        outcome = Reject(error.reason, Evidence(detail=str(error)[:_DETAIL_BYTES]))
        decision = decision_on(record, outcome, stage=self.stage, version=version)
        return Passage(decisions=[decision])

    def close(self, delivery: Delivery, record: Record | None, passage: Passage) -> Answer:
        """Return what goes out for a record; `record` is what `open` gave."""
        try:
            answer = self._answer(delivery, record, passage)
        except Poison as error:  # a stage may answer what no message can hold: NaN, half characters
            why = Poison(Reason.UNHANDLED, f"what the stage answers cannot be written: {error}")
        else:
            sizes = [len(message.value) for message in answer.messages]
            most = max([*sizes, len(answer.decisions)])
            if most <= VALUE_BYTES:
                return answer
            why = Poison(Reason.TOO_LARGE, f"what goes on takes {most} bytes: too many")
        aside = self.unopened(delivery, why, passage.decisions[-1].version)
        return self._answer(delivery, None, aside)

    def _answer(self, delivery: Delivery, record: Record | None, passage: Passage) -> Answer:
        last = passage.decisions[-1]
        dead = None
        if last.outcome in {OutcomeKind.REJECT, OutcomeKind.DEAD}:
            assert last.reason is not None, "what is set aside has a reason"
            dead = (last.reason, last.evidence.detail)
        return Answer(
            messages=tuple(self._message(delivery, record, one) for one in passage.documents),
            decisions=_without_time(passage.decisions),
            outcomes=tuple((one.stage, one.outcome, one.reason) for one in passage.decisions),
            dead=dead,
            failures=tuple(passage.failures),
            too_much_for=grammar_at_fault(last),
        )

    def _message(self, delivery: Delivery, record: Record | None, document: Document) -> Message:
        value = delivery.value if document is record else self._encoded(delivery, document)
        return Message(
            topic=self.next_topics[document.kind],
            key=document.content_sha256.encode(),
            value=value,
            headers=document_headers(document),
        )

    def _encoded(self, delivery: Delivery, document: Document) -> bytes:
        if document.size_bytes <= INLINE_BYTES // 4:  # in UTF-8 it cannot be above the limit
            return encode_document(document)
        body = encode_body(document.body)
        if len(body) <= INLINE_BYTES:
            return encode_document(document)
        reference = self._known_blob(delivery, body)
        if reference is None:
            day = datetime.fromtimestamp(delivery.timestamp_seconds, UTC).date()
            reference = self.new_blob(body, day)
            self.blobs.put(reference, body)
        return encode_document_without_body(document, reference)

    def _known_blob(self, delivery: Delivery, body: bytes) -> BlobReference | None:
        """Return where a body lies already: with the record it came in."""
        if self.stage == "ingestion":
            return None
        known = blob_of_document(delivery.value)
        same = known is not None and known.sha256 == hashlib.sha256(body).hexdigest()
        return known if same else None


def partition_source(source: str, partition: Partition) -> str:
    """Return the name of a partition as the source of positions."""
    return f"{source}/{partition.number}"


def weight_of(delivery: Delivery) -> int:
    """Return the bytes that a record takes when it is opened: its body may lie elsewhere.

    Whoever wrote it says so in a header; one that cannot be true is as if it were not there.
    """
    for name, value in delivery.headers:
        if name == "bytes" and value.isdigit() and len(value) <= _WEIGHT_DIGITS:
            return max(len(delivery.value), int(value))
    return len(delivery.value)


def document_headers(document: Document) -> Headers:
    """Return the headers of a document's record."""
    return (
        ("schema", DOCUMENT_SCHEMA.encode()),
        ("kind", document.kind.value.encode()),
        ("trace", trace_of(document.position).encode()),
        ("attempt", b"1"),
        ("bytes", str(document.size_bytes).encode()),
    )


def trace_of(position: Position) -> str:
    """Return the trace of a delivery: 32 hex digits, the same in every stage and every replay."""
    return hashlib.sha256(f"{position.source}:{position.offset}".encode()).hexdigest()[:32]


def _without_time(decisions: list[Decision]) -> bytes:
    return encode_decisions(decisions, None)


def _decisions_message(stage: str, parts: list[bytes], decided_at: datetime) -> Message:
    """Return the ledger's record of a batch."""
    return Message(
        topic=LEDGER_TOPIC,
        key=stage.encode(),
        value=b"".join([*parts, encode_decisions([], decided_at)]),
        headers=(("schema", DECISIONS_SCHEMA.encode()),),
    )


def ledger_messages(stage: str, parts: Sequence[bytes], now: datetime) -> list[Message]:
    """Return the ledger's records of a batch: one, or several where one would be too large."""
    messages: list[Message] = []
    current: list[bytes] = []
    size = 0
    for part in parts:
        if current and size + len(part) > LEDGER_BYTES:
            messages.append(_decisions_message(stage, current, now))
            current, size = [], 0
        current.append(part)
        size += len(part)
    if size:
        messages.append(_decisions_message(stage, current, now))
    return messages


class Place(NamedTuple):
    """Where a record stood that was set aside; its digest tells it from another topic's."""

    partition: Partition
    offset: int
    sha256: str


def place_of(delivery: Delivery) -> Place:
    """Return the place of a record."""
    return Place(delivery.partition, delivery.offset, sha256_hex(delivery.value))


def place_of_letter(letter: Delivery, stage: str) -> Place | None:
    """Return the place that a dead letter was set aside at, if it is a letter of this stage."""
    headers = {name: value.decode("utf-8", "replace") for name, value in letter.headers}
    number, offset = headers.get("dead-partition", ""), headers.get("dead-offset", "")
    if headers.get("dead-stage") != stage or not (number.isdecimal() and offset.isdecimal()):
        return None
    partition = Partition(headers.get("dead-topic", ""), int(number))
    return Place(partition, int(offset), headers.get(LEFT_BEHIND) or sha256_hex(letter.value))


LEFT_BEHIND = "dead-sha256"
"""The header of a letter without its record's bytes, which are too many for one: their hash."""
LETTER_HEADERS = frozenset(
    f"dead-{name}"
    for name in (
        *("stage", "version", "reason", "detail", "sha256"),
        *("topic", "partition", "offset", "at"),
    )
)
"""What a dead letter has beside the headers of its record."""


def dead_letter(
    delivery: Delivery, *, stage: str, version: str, reason: Reason, detail: str, at: datetime
) -> Message:
    """Return the dead letter of a record: its own bytes and headers, and what became of it.

    A record that was compressed may hold more than a topic takes: its bytes stay where it stood.
    """
    told = {
        "dead-stage": stage,
        "dead-version": version,
        "dead-reason": reason.value,
        "dead-detail": detail[:_DETAIL_BYTES],
        "dead-topic": delivery.partition.topic,
        "dead-partition": str(delivery.partition.number),
        "dead-offset": str(delivery.offset),
        "dead-at": at.isoformat(timespec="milliseconds"),
    }
    own = tuple(one for one in delivery.headers if one[0] not in LETTER_HEADERS)
    key, value = delivery.key, delivery.value
    if len(key) + len(value) + sum(len(name) + len(text) for name, text in own) > RECORD_BYTES:
        told[LEFT_BEHIND] = sha256_hex(value)
        key, value, own = b"", b"", ()
    return Message(
        topic=DEAD_TOPIC,
        key=key,
        value=value,
        headers=(*own, *((name, text.encode()) for name, text in told.items())),
    )
