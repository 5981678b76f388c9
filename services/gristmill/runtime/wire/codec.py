"""Translates the frozen values of the model to protobuf bytes and back.

What `encode_*` accepts, `decode_*` gives back equal. Whatever either cannot take is
`Poison(Reason.UNREADABLE)` with a message that names the field, never another exception. Reading
skips fields that this version does not know, so that a newer writer may add some, and refuses
enum values that it does not know.

Fields bear the same names on both sides; `_SHAPES`, at the end, says of each how it crosses.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from operator import attrgetter
from typing import Any, Literal, TypeVar

from google.protobuf.descriptor import EnumDescriptor
from google.protobuf.message import DecodeError, EncodeError, Message
from google.protobuf.timestamp_pb2 import Timestamp

from gristmill.runtime import model
from gristmill.runtime.wire.generated.gristmill.v1 import (
    document_pb2,
    outcome_pb2,
    raw_file_pb2,
    stream_pb2,
)

_T = TypeVar("_T")
_M = TypeVar("_M", bound=Message)
# The value of a field, on either side; only the field's own rule knows the type.
_Value = Any

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST, _LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
_INT64_END = 2**63

Fetch = Callable[[model.BlobReference], bytes]
"""Brings the bytes that a reference describes."""


class _UnfitError(Exception):
    """One field's value cannot cross; says why, as the end of a sentence that its name begins."""


@dataclass(frozen=True, slots=True)
class _Rule:
    """How one field crosses. None on the model's side is always a field that the message lacks.

    `absent` says what reading does with a message that lacks the field: refuse it, let the
    model's default stand, or nothing, because protobuf cannot tell absent from empty.
    """

    encode: Callable[[_Value], _Value]
    decode: Callable[[_Value], _Value]
    absent: Literal["unseen", "default", "refused"] = "unseen"

    def optional(self) -> "_Rule":
        """Return the same rule for a field that may be absent."""
        return _Rule(self.encode, self.decode, "default")


@dataclass(frozen=True, slots=True)
class _Shape:
    """The message that a class of the model crosses as, and the rules of its fields."""

    message: type[Message]
    rules: Mapping[str, _Rule]


def encode_document(document: model.Document) -> bytes:
    """Return the bytes of a `gristmill.v1.Document`."""
    return _bytes(_document_message(document))


def decode_document(data: bytes, fetch: Fetch | None = None) -> model.Document:
    """Read the bytes of a `gristmill.v1.Document`; `fetch` brings a body that lies elsewhere."""
    return _document(_parsed(document_pb2.Document, data), fetch)


def encode_body(body: model.document.Body) -> bytes:
    """Return the bytes of a body's own message, as the blob store keeps it."""
    return _bytes(_message(body))


def encode_document_without_body(document: model.Document, blob: model.BlobReference) -> bytes:
    """Return the bytes of a `gristmill.v1.Document` whose body lies in the blob store."""
    message = _message(document)
    assert isinstance(message, document_pb2.Document)
    message.blob.CopyFrom(_message(blob))  # type: ignore[arg-type]  # the message of a reference
    return _bytes(message)


def blob_of_document(data: bytes) -> model.BlobReference | None:
    """Return where the body of a `gristmill.v1.Document` lies, if it is not in it."""
    message = _parsed(document_pb2.Document, data)
    return _twin(model.BlobReference, message.blob) if message.HasField("blob") else None


def encode_crawl_item(item: model.CrawlItem) -> bytes:
    """Return the bytes of a `gristmill.v1.CrawlItem`."""
    return _bytes(_message(item))


def decode_crawl_item(data: bytes) -> model.CrawlItem:
    """Read the bytes of a `gristmill.v1.CrawlItem`."""
    return _twin(model.CrawlItem, _parsed(stream_pb2.CrawlItem, data))


def encode_decisions(decisions: Sequence[model.Decision], decided_at: datetime | None) -> bytes:
    """Return the bytes of a `gristmill.v1.DecisionBatch`, or of a part of one, without its time.

    Parts laid end to end, one of them with a time, read as one batch.
    """
    return _bytes(
        stream_pb2.DecisionBatch(
            decisions=[_message(decision) for decision in decisions],  # type: ignore[misc]
            decided_at=None if decided_at is None else _timestamp(decided_at),
        )
    )


def decode_decisions(data: bytes) -> tuple[list[model.Decision], datetime]:
    """Read the bytes of a `gristmill.v1.DecisionBatch`."""
    batch = _parsed(stream_pb2.DecisionBatch, data)
    if not batch.HasField("decided_at"):
        raise _poison(batch, "decided_at is missing")
    try:
        decided_at = _moment(batch.decided_at)
    except _UnfitError as error:
        raise _poison(batch, f"decided_at {error}") from error
    return [_twin(model.Decision, decision) for decision in batch.decisions], decided_at


def encode_decision(decision: model.Decision) -> bytes:
    """Return the bytes of a `gristmill.v1.Decision`."""
    return _bytes(_message(decision))


def decode_decision(data: bytes) -> model.Decision:
    """Read the bytes of a `gristmill.v1.Decision`."""
    return _twin(model.Decision, _parsed(outcome_pb2.Decision, data))


def encode_outcome(outcome: model.Outcome) -> bytes:
    """Return the bytes of a `gristmill.v1.Outcome`."""
    arm = next(name for name, twin in _OUTCOMES.items() if isinstance(outcome, twin))
    fields: dict[str, _Value] = {arm: _message(outcome)}
    return _bytes(outcome_pb2.Outcome(**fields))


def decode_outcome(data: bytes) -> model.Outcome:
    """Read the bytes of a `gristmill.v1.Outcome`."""
    message = _parsed(outcome_pb2.Outcome, data)
    arm = message.WhichOneof("outcome")
    if arm is None:
        raise _poison(message, "outcome is missing")
    return _twin(_OUTCOMES[arm], getattr(message, arm))


def encode_raw_file(raw_file: model.RawFile) -> bytes:
    """Return the bytes of a `gristmill.v1.RawFile`."""
    return _bytes(_message(raw_file))


def decode_raw_file(data: bytes) -> model.RawFile:
    """Read the bytes of a `gristmill.v1.RawFile`."""
    return _twin(model.RawFile, _parsed(raw_file_pb2.RawFile, data))


def encode_position(position: model.Position) -> bytes:
    """Return the bytes of a `gristmill.v1.Position`."""
    return _bytes(_message(position))


def decode_position(data: bytes) -> model.Position:
    """Read the bytes of a `gristmill.v1.Position`."""
    return _twin(model.Position, _parsed(document_pb2.Position, data))


def _bytes(message: Message) -> bytes:
    """Serialize: equal messages give equal bytes, for one version of protobuf."""
    try:
        return message.SerializeToString(deterministic=True)
    except EncodeError as error:  # above 2 GiB
        raise _poison(message, "is larger than protobuf can hold") from error


def _parsed(message_class: type[_M], data: bytes) -> _M:
    message = message_class()
    try:
        message.ParseFromString(data)
    except (DecodeError, ValueError) as error:  # ValueError: bad UTF-8, without protobuf's C core
        raise _poison(message, "cannot be read from these bytes") from error
    return message


def _message(value: object) -> Message:
    """Return the message of a value, by the rules of its class."""
    shape = _SHAPES[type(value)]
    fields = {}
    for name, rule in shape.rules.items():
        given = getattr(value, name)
        if given is None:
            continue
        try:
            fields[name] = rule.encode(given)
        except _UnfitError as error:
            raise _poison(shape.message, f"{name} {error}") from error
    try:
        return shape.message(**fields)
    except ValueError as error:  # numbers are checked: what is left is text
        problem = "text holds a lone surrogate, which UTF-8 cannot express"
        raise _poison(shape.message, problem) from error


def _fields(message: Message, rules: Mapping[str, _Rule]) -> dict[str, _Value]:
    """Return the fields of a message as the model's constructor takes them."""
    fields = {}
    for name, rule in rules.items():
        if rule.absent != "unseen" and not message.HasField(name):
            if rule.absent == "refused":
                raise _poison(message, f"{name} is missing")
            continue
        try:
            fields[name] = rule.decode(getattr(message, name))
        except _UnfitError as error:
            raise _poison(message, f"{name} {error}") from error
    return fields


def _twin(twin: type[_T], message: Message) -> _T:
    """Return the value of a message, by the rules of the value's class."""
    return twin(**_fields(message, _SHAPES[twin].rules))


def _features_message(features: model.Features) -> Message:
    """Return what the rules give, by a shorter way where they refuse nothing."""
    if _are_counts(features[:_NUM_COUNTS], features[_NUM_COUNTS:-1]):
        try:
            return document_pb2.Features(**features._asdict())
        except ValueError:
            pass  # a number or a text that does not fit: the rules say which
    return _message(features)


def _features(message: document_pb2.Features) -> model.Features:
    counts, lists = _COUNTS_OF(message), _LISTS_OF(message)
    if not _are_counts(counts, lists[:-1]):
        return _twin(model.Features, message)
    return model.Features(*counts, *map(tuple, lists))


def _are_counts(numbers: Sequence[_Value], lists: Sequence[_Value]) -> bool:
    return min(numbers) >= 0 and all(min(others) >= 0 for others in lists if others)


def _document_message(document: model.Document) -> Message:
    if not isinstance(document.body, _BODIES[document.kind]):
        body = type(document.body).__name__
        raise _poison(document_pb2.Document, f"kind is {document.kind}, yet the body is a {body}")
    message = _message(document)
    getattr(message, document.kind.value).CopyFrom(_message(document.body))
    return message


def _document(message: document_pb2.Document, fetch: Fetch | None = None) -> model.Document:
    fields = _fields(message, _SHAPES[model.Document].rules)
    kind, arm = fields["kind"], message.WhichOneof("body")
    if arm is None:
        raise _poison(message, "body is missing")
    if arm == "blob":
        if fetch is None:
            raise _poison(message, "the body lies in a blob store, and there is none here")
        twin = _BODIES[kind]
        stored = fetch(_twin(model.BlobReference, message.blob))
        return model.Document(**fields, body=_twin(twin, _parsed(_SHAPES[twin].message, stored)))
    if arm != kind.value:
        raise _poison(message, f"kind is {kind}, yet the body is {arm}")
    return model.Document(**fields, body=_twin(_BODIES[kind], getattr(message, arm)))


def _poison(message: Message | type[Message], problem: str) -> model.Poison:
    text = f"{message.DESCRIPTOR.full_name}: {problem}"
    return model.Poison(model.Reason.UNREADABLE, text)


def _as_is(value: _Value) -> _Value:
    return value


def _given(text: str) -> str:
    if not text:
        raise _UnfitError("is missing")
    return text


def _count(number: int) -> int:
    if not 0 <= number < _INT64_END:
        raise _UnfitError(f"is {number}, outside 0 to 2^63 - 1")
    return number


def _counts(numbers: Sequence[int]) -> tuple[int, ...]:
    if numbers and not 0 <= min(numbers) <= max(numbers) < _INT64_END:
        raise _UnfitError("holds a number outside 0 to 2^63 - 1")
    return tuple(numbers)


def _finite(number: float) -> float:
    if not math.isfinite(number):
        raise _UnfitError(f"is {number}, not a finite number")
    return number


def _timestamp(moment: datetime) -> Timestamp:
    if moment.utcoffset() is None:
        raise _UnfitError("carries no time zone")
    if not _FIRST <= moment <= _LAST:
        raise _UnfitError("lies outside the years 1 to 9999 of UTC")
    since = moment - _EPOCH
    return Timestamp(seconds=since.days * 86_400 + since.seconds, nanos=since.microseconds * 1000)


def _moment(timestamp: Timestamp) -> datetime:
    if not 0 <= timestamp.nanos < 1_000_000_000:
        raise _UnfitError(f"has {timestamp.nanos} nanoseconds, outside 0 to 999999999")
    try:
        since = timedelta(seconds=timestamp.seconds, microseconds=timestamp.nanos // 1000)
        return _EPOCH + since
    except OverflowError as error:
        raise _UnfitError("lies outside the years 1 to 9999 of UTC") from error


def _enum(twin: type[StrEnum], wire: EnumDescriptor) -> _Rule:
    """Return the rule of an enum, whose names have the model's behind the prefix of the zero."""
    prefix = wire.values_by_number[0].name.removesuffix("UNSPECIFIED")
    numbers = {member: wire.values_by_name[prefix + member.name].number for member in twin}
    members = {number: member for member, number in numbers.items()}

    def decode(number: int) -> StrEnum:
        if number not in members:
            unknown = f"is {number}, which this version does not know"
            raise _UnfitError(unknown if number else "is missing")
        return members[number]

    return _Rule(numbers.__getitem__, decode)


def _nested(twin: type) -> _Rule:
    return _Rule(_message, lambda message: _twin(twin, message), "refused")


def _each(rule: _Rule) -> _Rule:
    """Return the rule of a repeated field whose every value crosses by the given one."""
    return _Rule(
        lambda values: [rule.encode(value) for value in values],
        lambda values: tuple(rule.decode(value) for value in values),
    )


_PLAIN = _Rule(_as_is, _as_is)
_GIVEN = _Rule(_given, _given)
_COUNT = _Rule(_count, _count)
_COUNTS = _Rule(_counts, _counts)
_FINITE = _Rule(_finite, _finite)
_MOMENT = _Rule(_timestamp, _moment)
_KIND = _enum(model.Kind, document_pb2.DESCRIPTOR.enum_types_by_name["Kind"])
_OUTCOME_KIND = _enum(model.OutcomeKind, outcome_pb2.DESCRIPTOR.enum_types_by_name["OutcomeKind"])
_REASON = _enum(model.Reason, outcome_pb2.DESCRIPTOR.enum_types_by_name["Reason"])
_DOCUMENT = _Rule(_document_message, _document, "refused")
_EVIDENCE = _nested(model.Evidence).optional()

# The oneofs: a body's field is named after the kind, an outcome's after the class.
_BODIES: Mapping[model.Kind, type[model.document.Body]] = {
    model.Kind.FILE: model.FileText,
    model.Kind.REPOSITORY: model.Repository,
    model.Kind.COMMIT: model.Commit,
    model.Kind.WEB_PAGE: model.WebPage,
}
_OUTCOMES: Mapping[str, type[model.Outcome]] = {
    "keep": model.Keep,
    "drop": model.Drop,
    "split": model.Split,
    "reject": model.Reject,
}

# Every file's features cross; field by field that would cost more than all the rest of it.
_FEATURE_LISTS = ("comment_spans", "docstring_spans", "function_spans", "imports")
_NUM_COUNTS = len(model.Features._fields) - len(_FEATURE_LISTS)
_COUNTS_OF = attrgetter(*model.Features._fields[:_NUM_COUNTS])
_LISTS_OF = attrgetter(*_FEATURE_LISTS)

_FOUND = {"origin": _nested(model.Origin), "position": _nested(model.Position)}

_SHAPES: Mapping[type, _Shape] = {
    model.Position: _Shape(document_pb2.Position, {"source": _GIVEN, "offset": _COUNT}),
    model.Origin: _Shape(
        document_pb2.Origin,
        {
            **dict.fromkeys(("source", "repository", "path", "url", "revision"), _PLAIN),
            **dict.fromkeys(("licence", "crawl"), _PLAIN),
            "fetched_at": _MOMENT.optional(),
        },
    ),
    model.FileText: _Shape(document_pb2.FileText, {"content": _PLAIN, "encoding": _PLAIN}),
    model.RepositoryMember: _Shape(
        document_pb2.RepositoryMember,
        {
            **dict.fromkeys(("path", "content_sha256", "language"), _PLAIN),
            "size_bytes": _COUNT,
        },
    ),
    model.Repository: _Shape(
        document_pb2.Repository,
        {"members": _each(_nested(model.RepositoryMember)), "packed": _PLAIN},
    ),
    model.Commit: _Shape(
        document_pb2.Commit,
        dict.fromkeys(("message", "patch", "merged", "context"), _PLAIN),
    ),
    model.WebPage: _Shape(
        document_pb2.WebPage,
        {"text": _PLAIN, "code_blocks": _each(_PLAIN), "has_code_tags": _PLAIN},
    ),
    model.BlobReference: _Shape(
        document_pb2.BlobReference,
        {**dict.fromkeys(("key", "sha256"), _GIVEN), "size_bytes": _COUNT},
    ),
    model.Features: _Shape(
        document_pb2.Features,
        {
            **dict.fromkeys(model.Features._fields, _COUNT),
            **dict.fromkeys(_FEATURE_LISTS[:-1], _COUNTS),
            "imports": _each(_PLAIN),
        },
    ),
    model.Syntax: _Shape(
        document_pb2.Syntax,
        {
            "error_share": _FINITE,
            "checker": _PLAIN,
            "features": _Rule(_features_message, _features, "default"),
            "dialect": _PLAIN,
        },
    ),
    model.Annotations: _Shape(
        document_pb2.Annotations,
        {
            "language": _PLAIN,
            "syntax": _nested(model.Syntax).optional(),
            "score": _FINITE.optional(),
            "scorer": _PLAIN,
            "tokens": _COUNT.optional(),
        },
    ),
    model.Document: _Shape(
        document_pb2.Document,  # `body` crosses in _document and _document_message
        {
            **dict.fromkeys(("id", "content_sha256"), _GIVEN),
            "kind": _KIND,
            **_FOUND,
            "size_bytes": _COUNT,
            "annotations": _nested(model.Annotations).optional(),
        },
    ),
    model.RawFile: _Shape(
        raw_file_pb2.RawFile,
        {
            **_FOUND,
            "size_bytes": _COUNT,
            "content": _PLAIN.optional(),
            "content_sha256": _PLAIN,
            "fault": _REASON.optional(),
            "detail": _PLAIN,
        },
    ),
    model.CrawlItem: _Shape(
        stream_pb2.CrawlItem,
        {
            "origin": _nested(model.Origin),
            "size_bytes": _COUNT,
            "content": _PLAIN.optional(),
            "blob": _nested(model.BlobReference).optional(),
            "fault": _REASON.optional(),
            "detail": _PLAIN,
        },
    ),
    model.Evidence: _Shape(
        outcome_pb2.Evidence,
        {
            "matched_id": _PLAIN.optional(),
            **dict.fromkeys(
                ("similarity", "error_share", "score", "threshold"), _FINITE.optional()
            ),
            **dict.fromkeys(("checker", "detail"), _PLAIN),
        },
    ),
    model.Decision: _Shape(
        outcome_pb2.Decision,
        {
            **dict.fromkeys(("document_id", "stage"), _GIVEN),
            **dict.fromkeys(("content_sha256", "version", "language"), _PLAIN),
            "kind": _KIND,
            **_FOUND,
            "size_bytes": _COUNT,
            "outcome": _OUTCOME_KIND,
            "reason": _REASON.optional(),
            "evidence": _EVIDENCE,
        },
    ),
    model.Keep: _Shape(outcome_pb2.Keep, {"document": _DOCUMENT, "evidence": _EVIDENCE}),
    model.Drop: _Shape(outcome_pb2.Drop, {"reason": _REASON, "evidence": _EVIDENCE}),
    model.Split: _Shape(outcome_pb2.Split, {"documents": _each(_DOCUMENT), "evidence": _EVIDENCE}),
    model.Reject: _Shape(outcome_pb2.Reject, {"reason": _REASON, "evidence": _EVIDENCE}),
}
