"""Translates the frozen values of the model to protobuf bytes and back.

What `encode_*` accepts, `decode_*` gives back equal. Whatever either cannot take is
`Poison(Reason.UNREADABLE)` with a message that names the field, never another exception. Reading
skips fields that this version does not know, so that a newer writer may add some, and refuses
enum values that it does not know.
"""

from collections.abc import Sequence
from datetime import datetime

from gristmill.runtime import model
from gristmill.runtime.wire.generated.gristmill.v1 import (
    document_pb2,
    outcome_pb2,
    raw_file_pb2,
    stream_pb2,
)
from gristmill.runtime.wire.rules import UnfitError, Value, moment_of, timestamp_of
from gristmill.runtime.wire.shapes import (
    OUTCOMES,
    Fetch,
    bytes_of,
    document_message,
    document_of,
    message_of,
    parsed,
    poison,
    value_of,
)


def encode_document(document: model.Document) -> bytes:
    """Return the bytes of a `gristmill.v1.Document`."""
    return bytes_of(document_message(document))


def decode_document(data: bytes, fetch: Fetch | None = None) -> model.Document:
    """Read the bytes of a `gristmill.v1.Document`; `fetch` brings a body that lies elsewhere."""
    return document_of(parsed(document_pb2.Document, data), fetch)


def encode_body(body: model.document.Body) -> bytes:
    """Return the bytes of a body's own message, as the blob store keeps it."""
    return bytes_of(message_of(body))


def encode_document_without_body(document: model.Document, blob: model.BlobReference) -> bytes:
    """Return the bytes of a `gristmill.v1.Document` whose body lies in the blob store."""
    message = message_of(document)
    assert isinstance(message, document_pb2.Document)
    message.blob.CopyFrom(message_of(blob))  # type: ignore[arg-type]  # the message of a reference
    return bytes_of(message)


def blob_of_document(data: bytes) -> model.BlobReference | None:
    """Return where the body of a `gristmill.v1.Document` lies, if it is not in it."""
    message = parsed(document_pb2.Document, data)
    return value_of(model.BlobReference, message.blob) if message.HasField("blob") else None


def encode_crawl_item(item: model.CrawlItem) -> bytes:
    """Return the bytes of a `gristmill.v1.CrawlItem`."""
    return bytes_of(message_of(item))


def decode_crawl_item(data: bytes) -> model.CrawlItem:
    """Read the bytes of a `gristmill.v1.CrawlItem`."""
    return value_of(model.CrawlItem, parsed(stream_pb2.CrawlItem, data))


def encode_decisions(decisions: Sequence[model.Decision], decided_at: datetime | None) -> bytes:
    """Return the bytes of a `gristmill.v1.DecisionBatch`, or of a part of one, without its time.

    Parts laid end to end, one of them with a time, read as one batch.
    """
    return bytes_of(
        stream_pb2.DecisionBatch(
            decisions=[message_of(decision) for decision in decisions],  # type: ignore[misc]
            decided_at=None if decided_at is None else timestamp_of(decided_at),
        )
    )


def decode_decisions(data: bytes) -> tuple[list[model.Decision], datetime]:
    """Read the bytes of a `gristmill.v1.DecisionBatch`."""
    batch = parsed(stream_pb2.DecisionBatch, data)
    if not batch.HasField("decided_at"):
        raise poison(batch, "decided_at is missing")
    try:
        decided_at = moment_of(batch.decided_at)
    except UnfitError as error:
        raise poison(batch, f"decided_at {error}") from error
    return [value_of(model.Decision, decision) for decision in batch.decisions], decided_at


def encode_decision(decision: model.Decision) -> bytes:
    """Return the bytes of a `gristmill.v1.Decision`."""
    return bytes_of(message_of(decision))


def decode_decision(data: bytes) -> model.Decision:
    """Read the bytes of a `gristmill.v1.Decision`."""
    return value_of(model.Decision, parsed(outcome_pb2.Decision, data))


def encode_outcome(outcome: model.Outcome) -> bytes:
    """Return the bytes of a `gristmill.v1.Outcome`."""
    arm = next(name for name, twin in OUTCOMES.items() if isinstance(outcome, twin))
    fields: dict[str, Value] = {arm: message_of(outcome)}
    return bytes_of(outcome_pb2.Outcome(**fields))


def decode_outcome(data: bytes) -> model.Outcome:
    """Read the bytes of a `gristmill.v1.Outcome`."""
    message = parsed(outcome_pb2.Outcome, data)
    arm = message.WhichOneof("outcome")
    if arm is None:
        raise poison(message, "outcome is missing")
    return value_of(OUTCOMES[arm], getattr(message, arm))


def encode_raw_file(raw_file: model.RawFile) -> bytes:
    """Return the bytes of a `gristmill.v1.RawFile`."""
    return bytes_of(message_of(raw_file))


def decode_raw_file(data: bytes) -> model.RawFile:
    """Read the bytes of a `gristmill.v1.RawFile`."""
    return value_of(model.RawFile, parsed(raw_file_pb2.RawFile, data))


def encode_position(position: model.Position) -> bytes:
    """Return the bytes of a `gristmill.v1.Position`."""
    return bytes_of(message_of(position))


def decode_position(data: bytes) -> model.Position:
    """Read the bytes of a `gristmill.v1.Position`."""
    return value_of(model.Position, parsed(document_pb2.Position, data))
