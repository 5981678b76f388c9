"""How each class of the model crosses to its message and back: `_SHAPES`, at the end, says it.

Fields bear the same names on both sides. What cannot cross is `Poison(Reason.UNREADABLE)` with a
message that names the field, never another exception.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import TypeVar

from google.protobuf.message import DecodeError, EncodeError, Message

from gristmill.runtime import model
from gristmill.runtime.wire.generated.gristmill.v1 import (
    document_pb2,
    outcome_pb2,
    raw_file_pb2,
    stream_pb2,
    verdict_pb2,
)
from gristmill.runtime.wire.rules import (
    COUNT,
    COUNTS,
    FINITE,
    GIVEN,
    MOMENT,
    PLAIN,
    Rule,
    UnfitError,
    Value,
    each,
    enum_rule,
)

_T = TypeVar("_T")
_M = TypeVar("_M", bound=Message)

Fetch = Callable[[model.BlobReference], bytes]
"""Brings the bytes that a reference describes."""


@dataclass(frozen=True, slots=True)
class _Shape:
    """The message that a class of the model crosses as, and the rules of its fields."""

    message: type[Message]
    rules: Mapping[str, Rule]


def bytes_of(message: Message) -> bytes:
    """Serialize: equal messages give equal bytes, for one version of protobuf."""
    try:
        return message.SerializeToString(deterministic=True)
    except EncodeError as error:  # above 2 GiB
        raise poison(message, "is larger than protobuf can hold") from error


def parsed(message_class: type[_M], data: bytes) -> _M:
    """Read the bytes of a message."""
    message = message_class()
    try:
        message.ParseFromString(data)
    except (DecodeError, ValueError) as error:  # ValueError: bad UTF-8, without protobuf's C core
        raise poison(message, "cannot be read from these bytes") from error
    return message


def message_of(value: object) -> Message:
    """Return the message of a value, by the rules of its class."""
    shape = _SHAPES[type(value)]
    fields = {}
    for name, rule in shape.rules.items():
        given = getattr(value, name)
        if given is None:
            continue
        try:
            fields[name] = rule.encode(given)
        except UnfitError as error:
            raise poison(shape.message, f"{name} {error}") from error
    try:
        return shape.message(**fields)
    except ValueError as error:  # numbers are checked: what is left is text
        problem = "text holds a lone surrogate, which UTF-8 cannot express"
        raise poison(shape.message, problem) from error


def _fields(message: Message, rules: Mapping[str, Rule]) -> dict[str, Value]:
    """Return the fields of a message as the model's constructor takes them."""
    fields = {}
    for name, rule in rules.items():
        if rule.absent != "unseen" and not message.HasField(name):
            if rule.absent == "refused":
                raise poison(message, f"{name} is missing")
            continue
        try:
            fields[name] = rule.decode(getattr(message, name))
        except UnfitError as error:
            raise poison(message, f"{name} {error}") from error
    return fields


def value_of(twin: type[_T], message: Message) -> _T:
    """Return the value of a message, by the rules of the value's class."""
    return twin(**_fields(message, _SHAPES[twin].rules))


def _features_message(features: model.Features) -> Message:
    """Return what the rules give, by a shorter way where they refuse nothing."""
    if _are_counts(features[:_NUM_COUNTS], features[_NUM_COUNTS:-1]):
        try:
            return document_pb2.Features(**features._asdict())
        except ValueError:
            pass  # a number or a text that does not fit: the rules say which
    return message_of(features)


def _features(message: document_pb2.Features) -> model.Features:
    counts, lists = _COUNTS_OF(message), _LISTS_OF(message)
    if not _are_counts(counts, lists[:-1]):
        return value_of(model.Features, message)
    return model.Features(*counts, *map(tuple, lists))


def _are_counts(numbers: Sequence[Value], lists: Sequence[Value]) -> bool:
    return min(numbers) >= 0 and all(min(others) >= 0 for others in lists if others)


def origin_of(message: document_pb2.Origin) -> model.Origin:
    """Return an origin as the rules give it, by a shorter way: every document has one."""
    if message.HasField("fetched_at"):
        return value_of(model.Origin, message)
    return model.Origin(
        source=message.source,
        repository=message.repository,
        path=message.path,
        url=message.url,
        revision=message.revision,
        licence=message.licence,
        crawl=message.crawl,
    )


def document_message(document: model.Document) -> Message:
    """Return the message of a document with its body."""
    if not isinstance(document.body, _BODIES[document.kind]):
        body = type(document.body).__name__
        raise poison(document_pb2.Document, f"kind is {document.kind}, yet the body is a {body}")
    message = message_of(document)
    getattr(message, document.kind.value).CopyFrom(message_of(document.body))
    return message


def document_of(message: document_pb2.Document, fetch: Fetch | None = None) -> model.Document:
    """Return the document of a message; `fetch` brings a body that lies elsewhere."""
    fields = _fields(message, _SHAPES[model.Document].rules)
    kind, arm = fields["kind"], message.WhichOneof("body")
    if arm is None:
        raise poison(message, "body is missing")
    if arm == "blob":
        if fetch is None:
            raise poison(message, "the body lies in a blob store, and there is none here")
        twin = _BODIES[kind]
        stored = fetch(value_of(model.BlobReference, message.blob))
        return model.Document(**fields, body=value_of(twin, parsed(_SHAPES[twin].message, stored)))
    if arm != kind.value:
        raise poison(message, f"kind is {kind}, yet the body is {arm}")
    return model.Document(**fields, body=value_of(_BODIES[kind], getattr(message, arm)))


def poison(message: Message | type[Message], problem: str) -> model.Poison:
    """Return the error about a message."""
    text = f"{message.DESCRIPTOR.full_name}: {problem}"
    return model.Poison(model.Reason.UNREADABLE, text)


def _nested(twin: type) -> Rule:
    return Rule(message_of, lambda message: value_of(twin, message), "refused")


_KIND = enum_rule(model.Kind, document_pb2.DESCRIPTOR.enum_types_by_name["Kind"])
_OUTCOME_KIND = enum_rule(
    model.OutcomeKind, outcome_pb2.DESCRIPTOR.enum_types_by_name["OutcomeKind"]
)
_REASON = enum_rule(model.Reason, outcome_pb2.DESCRIPTOR.enum_types_by_name["Reason"])
_DOCUMENT = Rule(document_message, document_of, "refused")
_EVIDENCE = _nested(model.Evidence).optional()

# The oneofs: a body's field is named after the kind, an outcome's after the class.
_BODIES: Mapping[model.Kind, type[model.document.Body]] = {
    model.Kind.FILE: model.FileText,
    model.Kind.REPOSITORY: model.Repository,
    model.Kind.COMMIT: model.Commit,
    model.Kind.WEB_PAGE: model.WebPage,
}
OUTCOMES: Mapping[str, type[model.Outcome]] = {
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

_ORIGIN_TEXTS = ("source", "repository", "path", "url", "revision", "licence", "crawl")
_ORIGIN = Rule(message_of, origin_of, "refused")
_FOUND = {"origin": _ORIGIN, "position": _nested(model.Position)}

_SHAPES: Mapping[type, _Shape] = {
    model.Position: _Shape(document_pb2.Position, {"source": GIVEN, "offset": COUNT}),
    model.Origin: _Shape(
        document_pb2.Origin,
        {
            **dict.fromkeys(_ORIGIN_TEXTS, PLAIN),
            "fetched_at": MOMENT.optional(),
        },
    ),
    model.FileText: _Shape(document_pb2.FileText, {"content": PLAIN, "encoding": PLAIN}),
    model.RepositoryMember: _Shape(
        document_pb2.RepositoryMember,
        {
            **dict.fromkeys(("path", "content_sha256", "language"), PLAIN),
            "size_bytes": COUNT,
        },
    ),
    model.Repository: _Shape(
        document_pb2.Repository,
        {"members": each(_nested(model.RepositoryMember)), "packed": PLAIN},
    ),
    model.Commit: _Shape(
        document_pb2.Commit,
        dict.fromkeys(("message", "patch", "merged", "context"), PLAIN),
    ),
    model.WebPage: _Shape(
        document_pb2.WebPage,
        {"text": PLAIN, "code_blocks": each(PLAIN), "has_code_tags": PLAIN},
    ),
    model.BlobReference: _Shape(
        document_pb2.BlobReference,
        {**dict.fromkeys(("key", "sha256"), GIVEN), "size_bytes": COUNT},
    ),
    model.Features: _Shape(
        document_pb2.Features,
        {
            **dict.fromkeys(model.Features._fields, COUNT),
            **dict.fromkeys(_FEATURE_LISTS[:-1], COUNTS),
            "imports": each(PLAIN),
        },
    ),
    model.Syntax: _Shape(
        document_pb2.Syntax,
        {
            "error_share": FINITE,
            "checker": PLAIN,
            "features": Rule(_features_message, _features, "default"),
            "dialect": PLAIN,
        },
    ),
    model.Annotations: _Shape(
        document_pb2.Annotations,
        {
            "language": PLAIN,
            "syntax": _nested(model.Syntax).optional(),
            "score": FINITE.optional(),
            "scorer": PLAIN,
            "tokens": COUNT.optional(),
            "score_parts": _nested(model.ScoreParts).optional(),
        },
    ),
    model.ScoreParts: _Shape(
        document_pb2.ScoreParts,
        {
            **dict.fromkeys(("readability", "modularity", "clarity", "reusability"), FINITE),
            "zero_rule": PLAIN,
        },
    ),
    model.Document: _Shape(
        document_pb2.Document,  # `body` crosses in document_of and document_message
        {
            **dict.fromkeys(("id", "content_sha256"), GIVEN),
            "kind": _KIND,
            **_FOUND,
            "size_bytes": COUNT,
            "annotations": _nested(model.Annotations).optional(),
        },
    ),
    model.RawFile: _Shape(
        raw_file_pb2.RawFile,
        {
            **_FOUND,
            "size_bytes": COUNT,
            "content": PLAIN.optional(),
            "content_sha256": PLAIN,
            "fault": _REASON.optional(),
            "detail": PLAIN,
        },
    ),
    model.CrawlItem: _Shape(
        stream_pb2.CrawlItem,
        {
            "origin": _ORIGIN,
            "size_bytes": COUNT,
            "content": PLAIN.optional(),
            "blob": _nested(model.BlobReference).optional(),
            "fault": _REASON.optional(),
            "detail": PLAIN,
        },
    ),
    model.Evidence: _Shape(
        outcome_pb2.Evidence,
        {
            "matched_id": PLAIN.optional(),
            **dict.fromkeys(("similarity", "error_share", "score", "threshold"), FINITE.optional()),
            **dict.fromkeys(("checker", "detail"), PLAIN),
        },
    ),
    model.SourceFile: _Shape(
        verdict_pb2.SourceFile,
        {
            "origin": _ORIGIN,
            "content": PLAIN,
            "annotations": _nested(model.Annotations).optional(),
        },
    ),
    model.Verdict: _Shape(
        verdict_pb2.Verdict,
        {
            "outcome": _OUTCOME_KIND,
            "reason": _REASON.optional(),
            "evidence": _EVIDENCE,
            "annotations": _nested(model.Annotations).optional(),
        },
    ),
    model.Decision: _Shape(
        outcome_pb2.Decision,
        {
            **dict.fromkeys(("document_id", "stage"), GIVEN),
            **dict.fromkeys(("content_sha256", "version", "language"), PLAIN),
            "kind": _KIND,
            **_FOUND,
            "size_bytes": COUNT,
            "outcome": _OUTCOME_KIND,
            "reason": _REASON.optional(),
            "evidence": _EVIDENCE,
        },
    ),
    model.Keep: _Shape(outcome_pb2.Keep, {"document": _DOCUMENT, "evidence": _EVIDENCE}),
    model.Drop: _Shape(outcome_pb2.Drop, {"reason": _REASON, "evidence": _EVIDENCE}),
    model.Split: _Shape(outcome_pb2.Split, {"documents": each(_DOCUMENT), "evidence": _EVIDENCE}),
    model.Reject: _Shape(outcome_pb2.Reject, {"reason": _REASON, "evidence": _EVIDENCE}),
}
