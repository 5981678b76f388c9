"""Translates what crawlers submit: items and receipts, to protobuf bytes and back.

An item that cannot be taken is a receipt that says why; only a request that is no message at all
is Poison, since nobody could say which of its items was meant.
"""

from collections.abc import Iterable, Iterator, Sequence

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import DecodeError

from gristmill.runtime.model import (
    Accepted,
    ArchiveChunk,
    BlobReference,
    CrawlItem,
    Origin,
    Poison,
    Reason,
    Receipt,
    RefusalReason,
    Refused,
    Submission,
)
from gristmill.runtime.wire.generated.gristmill.ingestion.v1 import ingestion_pb2 as pb
from gristmill.runtime.wire.generated.gristmill.v1 import document_pb2, outcome_pb2
from gristmill.runtime.wire.shapes import message_of, value_of

MOST_ITEMS = 10_000
"""Items in one request at most: each costs more than its bytes."""

_PREFIX = "REFUSAL_REASON_"
_MICROS = 1_000_000
_DETAIL_CHARS = 200


def decode_submissions(data: bytes) -> list[Submission | Receipt]:
    """Read the bytes of a `SubmitRequest`: its items in order, or the receipts that refuse them.

    Raises Poison when they are no such message, or hold too many items.
    """
    try:
        request = pb.SubmitRequest.FromString(data)
    except (DecodeError, ValueError) as error:
        raise Poison(
            Reason.UNREADABLE,
            "gristmill.ingestion.v1.SubmitRequest: cannot be read from these bytes",
        ) from error
    if len(request.items) > MOST_ITEMS:
        raise Poison(Reason.TOO_LARGE, f"more than {MOST_ITEMS:,} items in one request")
    return [_submission(item) for item in request.items]


def encode_submissions(submissions: Iterable[Submission]) -> bytes:
    """Return the bytes of a `SubmitRequest`."""
    request = pb.SubmitRequest()
    for submission in submissions:
        _fill(request.items.add(key=submission.key), submission.body)
    return request.SerializeToString()


def encode_receipts(receipts: Sequence[Receipt]) -> bytes:
    """Return the bytes of a `SubmitResponse`."""
    return pb.SubmitResponse(receipts=map(_receipt_message, receipts)).SerializeToString()


def decode_receipts(data: bytes) -> Iterator[Receipt]:
    """Read the bytes of a `SubmitResponse`. Raises Poison for what is no whole receipt."""
    try:
        response = pb.SubmitResponse.FromString(data)
    except DecodeError as error:
        raise Poison(Reason.UNREADABLE, "an answer that cannot be read") from error
    return map(_receipt, response.receipts)


def decode_known_request(data: bytes) -> list[str]:
    """Read the bytes of a `KnownRequest`. Raises Poison."""
    try:
        request = pb.KnownRequest.FromString(data)
    except (DecodeError, ValueError) as error:
        raise Poison(
            Reason.UNREADABLE,
            "gristmill.ingestion.v1.KnownRequest: cannot be read from these bytes",
        ) from error
    if len(request.keys) > MOST_ITEMS:
        raise Poison(Reason.TOO_LARGE, f"more than {MOST_ITEMS:,} keys in one request")
    return list(request.keys)


def encode_known(known: Sequence[bool]) -> bytes:
    """Return the bytes of a `KnownResponse`."""
    return pb.KnownResponse(known=known).SerializeToString()


def _submission(item: pb.Item) -> Submission | Receipt:
    arm = item.WhichOneof("body")
    if arm is None:
        return _refused(item.key, RefusalReason.FIELD_MISSING, "body is missing")
    if arm == "warc":
        return _refused(item.key, RefusalReason.NOT_SUPPORTED, "WARC files are not read yet")
    try:
        body = _archive_chunk(item.archive) if arm == "archive" else _crawl_item(item, arm)
    except _MissingError as error:
        return _refused(item.key, RefusalReason.FIELD_MISSING, str(error))
    except Poison as error:
        return _refused(item.key, RefusalReason.FIELD_UNFIT, str(error))
    return Submission(item.key, body)


class _MissingError(Exception):
    """A field is missing; says which."""


def _crawl_item(item: pb.Item, arm: str) -> CrawlItem:
    found = getattr(item, arm)
    if not found.HasField("origin"):
        raise _MissingError(f"{arm}.origin is missing")
    origin = value_of(Origin, found.origin)
    if arm == "file":
        return CrawlItem(origin=origin, size_bytes=len(found.content), content=found.content)
    if arm == "blob":
        if not (found.blob.key and found.blob.sha256):
            raise _MissingError("blob.blob lacks its key or its sha256")
        reference = value_of(BlobReference, found.blob)
        return CrawlItem(origin=origin, size_bytes=reference.size_bytes, blob=reference)
    if not found.fault:
        raise _MissingError("unread.fault is missing")
    if found.size_bytes < 0:
        raise Poison(Reason.UNREADABLE, "unread.size_bytes is below 0")
    return CrawlItem(
        origin=origin,
        size_bytes=found.size_bytes,
        fault=_fault(found.fault),
        detail=found.detail[:_DETAIL_CHARS],
    )


def _fault(number: int) -> Reason:
    try:
        return Reason[outcome_pb2.Reason.Name(number).removeprefix("REASON_")]
    except (ValueError, KeyError):
        unknown = f"unread.fault is {number}, which this version does not know"
        raise Poison(Reason.UNREADABLE, unknown) from None


def _archive_chunk(chunk: pb.ArchiveChunk) -> ArchiveChunk:
    origin = value_of(Origin, chunk.origin) if chunk.HasField("origin") else None
    return ArchiveChunk(origin=origin, offset=chunk.offset, data=chunk.data, last=chunk.last)


def _fill(item: pb.Item, body: CrawlItem | ArchiveChunk) -> None:
    if isinstance(body, ArchiveChunk):
        item.archive.offset, item.archive.data = body.offset, body.data
        item.archive.last = body.last
        if body.origin is not None:
            item.archive.origin.CopyFrom(_origin(body.origin))
    elif body.fault is not None:
        item.unread.origin.CopyFrom(_origin(body.origin))
        item.unread.size_bytes, item.unread.detail = body.size_bytes, body.detail
        item.unread.fault = outcome_pb2.Reason.Value(f"REASON_{body.fault.name}")  # type: ignore[assignment]  # stubs tell numbers and members apart
    elif body.blob is not None:
        item.blob.origin.CopyFrom(_origin(body.origin))
        item.blob.blob.MergeFromString(message_of(body.blob).SerializeToString())
    else:
        assert body.content is not None, "an item has a content, a blob or a fault"
        item.file.origin.CopyFrom(_origin(body.origin))
        item.file.content = body.content


def _origin(origin: Origin) -> document_pb2.Origin:
    message = message_of(origin)
    assert isinstance(message, document_pb2.Origin)
    return message


def _refused(key: str, reason: RefusalReason, detail: str) -> Receipt:
    return Receipt(key, Refused(reason, detail))


def _receipt_message(receipt: Receipt) -> pb.Receipt:
    result = receipt.result
    if isinstance(result, Accepted):
        accepted = pb.Accepted(known_before=result.known_before, num_items=result.num_items)
        return pb.Receipt(key=receipt.key, accepted=accepted)
    number = pb.RefusalReason.Value(_PREFIX + result.reason.name)
    refused = pb.Refused(reason=number, detail=result.detail)  # type: ignore[arg-type]  # likewise
    if (seconds := result.retry_after_seconds) is not None:
        whole, micros = divmod(round(seconds * _MICROS), _MICROS)
        refused.retry_after.CopyFrom(Duration(seconds=whole, nanos=micros * 1000))
    return pb.Receipt(key=receipt.key, refused=refused)


def _receipt(message: pb.Receipt) -> Receipt:
    arm = message.WhichOneof("result")
    if arm == "accepted":
        told = message.accepted
        return Receipt(
            message.key, Accepted(num_items=told.num_items, known_before=told.known_before)
        )
    if arm is None:
        raise Poison(Reason.UNREADABLE, "a receipt without a result")
    refused = message.refused
    reason = _refusal_reason(refused.reason)
    wait = refused.retry_after
    seconds = wait.seconds + wait.nanos / 1e9 if refused.HasField("retry_after") else None
    return Receipt(message.key, Refused(reason, refused.detail, seconds))


def _refusal_reason(number: int) -> RefusalReason:
    if number == pb.REFUSAL_REASON_UNSPECIFIED:
        raise Poison(Reason.UNREADABLE, "a refusal without a reason")
    try:
        return RefusalReason[pb.RefusalReason.Name(number).removeprefix(_PREFIX)]
    except ValueError:  # codes may be added: the others of its stream are to have their receipts
        return RefusalReason.OTHER
