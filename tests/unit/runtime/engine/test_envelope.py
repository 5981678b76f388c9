"""Records of the log as documents and back: positions, references, dead letters."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest

from gristmill.runtime.adapters.blobs import MemoryBlobStore, blob_reference
from gristmill.runtime.engine.envelope import (
    CRAWL_TOPIC,
    DEAD_TOPIC,
    INLINE_BYTES,
    MEMBER_BITS,
    Envelope,
    dead_letter,
    group_of,
    place_of,
    place_of_letter,
    topic_of,
    trace_of,
)
from gristmill.runtime.engine.passage import Passage, pass_through
from gristmill.runtime.model import (
    CrawlItem,
    Document,
    Drop,
    Evidence,
    Keep,
    Kind,
    Origin,
    OutcomeKind,
    Poison,
    Position,
    RawFile,
    Reason,
    Reject,
    Transient,
)
from gristmill.runtime.model.decision import decision_on
from gristmill.runtime.model.document import sha256_hex
from gristmill.runtime.ports import Delivery, Headers, Partition
from gristmill.runtime.wire import (
    blob_of_document,
    decode_decisions,
    decode_document,
    encode_body,
    encode_crawl_item,
    encode_decisions,
    encode_document,
)

MakeDocument = Callable[..., Document]
NOW = datetime(2026, 1, 1, tzinfo=UTC)
SECONDS = datetime(2025, 12, 24, 18, tzinfo=UTC).timestamp()
ITEM = CrawlItem(
    origin=Origin(source="crawl", repository="r", path="a.py"), size_bytes=2, content=b"x\n"
)


@pytest.fixture
def blobs() -> MemoryBlobStore:
    return MemoryBlobStore()


@pytest.fixture
def make_envelope(blobs: MemoryBlobStore) -> Callable[[str], Envelope]:
    return lambda stage: Envelope(
        stage=stage,
        source="cluster/topic",
        next_topics={Kind.FILE: "next"},
        blobs=blobs,
        new_blob=blob_reference,
    )


@pytest.fixture
def ingestion(make_envelope: Callable[[str], Envelope]) -> Envelope:
    return make_envelope("ingestion")


@pytest.fixture
def later(make_envelope: Callable[[str], Envelope]) -> Envelope:
    return make_envelope("syntax")


def delivery(value: bytes, headers: Headers = (), topic: str = "topic") -> Delivery:
    return Delivery(
        partition=Partition(topic, 3),
        offset=7,
        key=b"key",
        value=value,
        headers=headers,
        timestamp_seconds=SECONDS,
    )


def kept(document: Document, stage: str = "syntax") -> Passage:
    decision = decision_on(document, Keep(document), stage=stage, version="v1")
    return Passage(decisions=[decision], documents=[document])


def decisions_of(answer: Any) -> Any:
    return decode_decisions(answer.decisions + encode_decisions([], NOW))[0]


# --- opening --------------------------------------------------------------------------------------


def test_a_crawled_item_is_opened_as_a_file_whose_position_is_its_place(
    ingestion: Envelope,
) -> None:
    raw = ingestion.open(delivery(encode_crawl_item(ITEM)))
    assert raw == RawFile(
        origin=ITEM.origin,
        position=Position(source="cluster/topic/3", offset=7 << MEMBER_BITS),
        size_bytes=2,
        content=b"x\n",
        content_sha256=sha256_hex(b"x\n"),
    )


def test_an_item_that_was_not_read_brings_its_fault(ingestion: Envelope) -> None:
    item = replace(ITEM, content=None, fault=Reason.TOO_LARGE, detail="9 GiB")
    raw = ingestion.open(delivery(encode_crawl_item(item)))
    assert isinstance(raw, RawFile)
    assert (raw.content, raw.fault, raw.detail) == (None, Reason.TOO_LARGE, "9 GiB")


def test_content_that_lies_elsewhere_is_fetched(
    ingestion: Envelope, blobs: MemoryBlobStore
) -> None:
    reference = blob_reference(b"y\n", date(2026, 1, 1))
    item = delivery(encode_crawl_item(replace(ITEM, content=None, blob=reference)))
    with pytest.raises(Poison, match="not in the blob store"):
        ingestion.open(item)
    blobs.put(reference, b"y\n")
    raw = ingestion.open(item)
    assert isinstance(raw, RawFile)
    assert raw.content == b"y\n"
    blobs.silent = True
    with pytest.raises(Transient):
        ingestion.open(item)


def test_unreadable_without_content_or_a_fault(ingestion: Envelope) -> None:
    with pytest.raises(Poison, match="neither content nor a fault") as caught:
        ingestion.open(delivery(encode_crawl_item(replace(ITEM, content=None))))
    assert caught.value.reason is Reason.UNREADABLE


def test_a_replayed_item_keeps_its_first_position(ingestion: Envelope) -> None:
    headers = (("position-source", b"elsewhere/1"), ("position-offset", b"12"))
    raw = ingestion.open(delivery(encode_crawl_item(ITEM), headers))
    assert raw.position == Position(source="elsewhere/1", offset=12)


@pytest.mark.parametrize(
    "headers",
    [
        (("position-source", b"s"),),
        (("position-source", b"s"), ("position-offset", b"many")),
        (("position-source", b"s"), ("position-offset", b"-1")),
        (("position-source", b"s"), ("position-offset", b"%d" % (1 << 63))),
        (("position-source", b""), ("position-offset", b"1")),
        (("position-source", b"\xff"), ("position-offset", b"1")),
    ],
)
def test_unreadable_when_the_headers_of_the_position_are_damaged(
    ingestion: Envelope, headers: Headers
) -> None:
    item = delivery(encode_crawl_item(ITEM), headers)
    with pytest.raises(Poison, match="headers are damaged") as caught:
        ingestion.open(item)
    answer = ingestion.close(item, None, ingestion.unopened(item, caught.value, "v1"))
    (decision,) = decisions_of(answer)
    assert decision.position == Position(source="cluster/topic/3", offset=7 << MEMBER_BITS)
    assert answer.dead == (Reason.UNREADABLE, "the position's headers are damaged")


# --- closing --------------------------------------------------------------------------------------


def test_what_a_stage_changes_is_written_anew_with_its_headers(
    later: Envelope, make_document: MakeDocument
) -> None:
    document = make_document("x = 1\n", 5)
    came = delivery(encode_document(document))
    record = later.open(came)
    changed = replace(
        document, annotations=replace(document.annotations, language="Python", tokens=3)
    )
    answer = later.close(came, record, kept(changed))
    (message,) = answer.messages
    assert (message.topic, message.key) == ("next", document.content_sha256.encode())
    assert decode_document(message.value) == changed
    assert dict(message.headers) == {
        "schema": b"gristmill.v1.Document",
        "kind": b"file",
        "trace": trace_of(document.position).encode(),
        "attempt": b"1",
        "bytes": str(document.size_bytes).encode(),
    }
    assert answer.outcomes == (("syntax", OutcomeKind.KEEP, None),)
    assert answer.dead is None


def test_a_drop_leaves_a_decision_and_nothing_else(
    later: Envelope, make_document: MakeDocument
) -> None:
    class Dropping:
        version = "v1"

        def process(self, batch: Any) -> Any:
            return [Drop(Reason.GENERATED) for _ in batch]

    came = delivery(encode_document(make_document("x")))
    record = later.open(came)
    answer = later.close(came, record, pass_through([("syntax", Dropping())], record))
    assert answer.messages == ()
    assert answer.dead is None
    (decision,) = decisions_of(answer)
    assert (decision.outcome, decision.reason) == (OutcomeKind.DROP, Reason.GENERATED)


@pytest.mark.parametrize(
    ("letter", "count", "as_reference"),
    [
        ("x", INLINE_BYTES // 4, False),
        ("x", INLINE_BYTES - 100, False),
        ("x", INLINE_BYTES + 1, True),
        ("ä", INLINE_BYTES // 2 + 1, True),
        ("😀", INLINE_BYTES // 16, False),
        ("😀", INLINE_BYTES // 4, True),
    ],
)
def test_bodies_above_the_limit_travel_as_references(
    ingestion: Envelope,
    blobs: MemoryBlobStore,
    make_document: MakeDocument,
    letter: str,
    count: int,
    as_reference: bool,
) -> None:
    document = make_document(letter * count)
    answer = ingestion.close(delivery(b""), None, kept(document, "ingestion"))
    (message,) = answer.messages
    assert decode_document(message.value, blobs.get) == document
    assert len(message.value) <= INLINE_BYTES + 1000
    reference = blob_of_document(message.value)
    assert (reference is not None) == as_reference
    if reference is not None:
        assert reference.key.startswith("blobs/2025-12-24/")  # of the record, not of the clock
        assert blobs.blobs == {reference.key: encode_body(document.body)}


def test_a_file_as_utf_16_is_measured_in_what_is_sent(
    ingestion: Envelope, make_document: MakeDocument
) -> None:
    """Text that is short in its own encoding may be longer in ours."""
    text = "漢" * (INLINE_BYTES // 4 // 2)
    document = replace(make_document(text), size_bytes=len(text.encode("utf-16-le")))
    (message,) = ingestion.close(delivery(b""), None, kept(document, "ingestion")).messages
    assert blob_of_document(message.value) is None
    assert len(message.value) <= INLINE_BYTES + 1000


def test_the_same_body_keeps_its_reference_when_other_fields_change(
    later: Envelope, blobs: MemoryBlobStore, make_document: MakeDocument
) -> None:
    document = make_document("x" * INLINE_BYTES * 2)
    first = later.close(delivery(b""), None, kept(document)).messages[0]
    came = replace(delivery(first.value), timestamp_seconds=SECONDS + 10 * 86_400)
    record = later.open(came)
    changed = replace(document, annotations=replace(document.annotations, language="Python"))
    (message,) = later.close(came, record, kept(changed)).messages
    assert blob_of_document(message.value) == blob_of_document(first.value)
    assert len(blobs.blobs) == 1


def test_another_body_gets_a_reference_of_its_own(
    later: Envelope, blobs: MemoryBlobStore, make_document: MakeDocument
) -> None:
    first = later.close(delivery(b""), None, kept(make_document("x" * INLINE_BYTES * 2))).messages[
        0
    ]
    came = delivery(first.value)
    record = later.open(came)
    (message,) = later.close(came, record, kept(make_document("y" * INLINE_BYTES * 2))).messages
    assert blob_of_document(message.value) != blob_of_document(first.value)
    assert len(blobs.blobs) == 2


def test_a_store_out_of_reach_is_no_fault_of_the_document(
    later: Envelope, blobs: MemoryBlobStore, make_document: MakeDocument
) -> None:
    blobs.silent = True
    with pytest.raises(Transient):
        later.close(delivery(b""), None, kept(make_document("x" * INLINE_BYTES * 2)))


def test_unhandled_when_the_evidence_cannot_be_written(
    later: Envelope, make_document: MakeDocument
) -> None:
    document = make_document("x")
    evidence = Evidence(detail="half a character: \ud800", score=float("inf"))
    decision = decision_on(
        document, Reject(Reason.UNREADABLE, evidence), stage="syntax", version="v1"
    )
    answer = later.close(delivery(b""), document, Passage(decisions=[decision]))
    (written,) = decisions_of(answer)
    assert (written.outcome, written.reason) == (OutcomeKind.DEAD, Reason.UNHANDLED)
    assert answer.dead is not None
    assert answer.dead[1].startswith("what the stage answers cannot be written: gristmill.v1.")


# --- dead letters ---------------------------------------------------------------------------------


def test_a_dead_letter_has_the_records_own_bytes_and_what_became_of_it() -> None:
    came = delivery(b"\x00\xff", (("trace", b"t"), ("attempt", b"2"), ("dead-stage", b"old")))
    told = {"stage": "syntax", "version": "v1", "reason": Reason.UNREADABLE}
    letter = dead_letter(came, **told, detail="d" * 1000, at=NOW)  # type: ignore[arg-type]
    assert (letter.topic, letter.key, letter.value) == (DEAD_TOPIC, b"key", b"\x00\xff")
    assert letter.headers == (
        ("trace", b"t"),
        ("attempt", b"2"),
        ("dead-stage", b"syntax"),
        ("dead-version", b"v1"),
        ("dead-reason", b"unreadable"),
        ("dead-detail", b"d" * 300),
        ("dead-topic", b"topic"),
        ("dead-partition", b"3"),
        ("dead-offset", b"7"),
        ("dead-at", b"2026-01-01T00:00:00.000+00:00"),
    )


@pytest.mark.parametrize("headers", [(), (("own", b"x" * (2 << 20)),)])
def test_a_dead_letter_of_a_record_that_no_topic_takes_leaves_its_bytes_behind(
    headers: Headers,
) -> None:
    """Compressed it was small enough: a topic counts what is sent."""
    value = b"\xff" * ((2 << 20) + 1 if not headers else 1)
    came = delivery(value, headers)
    told: dict[str, Any] = {"stage": "syntax", "version": "v1", "reason": Reason.UNREADABLE}
    letter = dead_letter(came, **told, detail="d", at=NOW)
    assert (letter.key, letter.value) == (b"", b"")
    assert dict(letter.headers)["dead-sha256"] == sha256_hex(value).encode()
    written = replace(came, value=letter.value, headers=letter.headers)
    assert place_of_letter(written, "syntax") == place_of(came)


def test_a_trace_is_that_of_the_position() -> None:
    position = Position(source="s", offset=1)
    assert trace_of(position) == trace_of(replace(position))
    assert trace_of(position) != trace_of(replace(position, offset=2))
    assert len(trace_of(position)) == 32


def test_names_of_topics_and_groups() -> None:
    assert topic_of("ingestion") == CRAWL_TOPIC
    assert topic_of("syntax") == "gristmill.syntax.v1"
    assert group_of("syntax") == "gristmill.syntax"
