"""Translates calls of the stages' services: batches of files, and what is said of them.

A batch is cut into its files without a look into them, and an answer is put together out of
verdicts that are bytes already: a file is read once, by the worker process that judges it.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import TypeVar

from google.protobuf.message import DecodeError, Message

from gristmill.runtime.model import (
    Annotations,
    Document,
    OutcomeKind,
    Poison,
    RawFile,
    Reason,
    Unfit,
    Verdict,
)
from gristmill.runtime.model.document import sha256_hex
from gristmill.runtime.model.judgement import ASKED, document_asked_about
from gristmill.runtime.model.outcome import NO_EVIDENCE
from gristmill.runtime.wire.generated.gristmill.ingestion.v1 import ingestion_pb2
from gristmill.runtime.wire.generated.gristmill.v1 import outcome_pb2, verdict_pb2
from gristmill.runtime.wire.shapes import message_of, origin_of, value_of

_M = TypeVar("_M", bound=Message)

_FILES = 1  # the number of `files` in every request, of `verdicts` in every response
_VERSION = 2  # the number of `version` in every response
_LENGTH_DELIMITED = 2
MOST_FILES = 10_000
_FIXED_BYTES = {1: 8, 5: 4}  # by wire type
_MORE = 0x80


_NOTHING_FOUND = Annotations()
_OUTCOMES: Mapping[OutcomeKind, outcome_pb2.OutcomeKind] = {
    one: getattr(outcome_pb2, f"OUTCOME_KIND_{one.name}") for one in OutcomeKind
}
_REASONS: Mapping[Reason, outcome_pb2.Reason] = {
    one: getattr(outcome_pb2, f"REASON_{one.name}") for one in Reason
}


def split_files(request: bytes) -> list[bytes]:
    """Return the files of a request of any stage.

    Raises Unfit when it is no such message, or has too many: it is cut in the server's own loop.
    """
    files: list[bytes] = []
    at, end = 0, len(request)
    try:
        while at < end:
            tag, at = _varint(request, at)
            wire_type = tag & 7
            if wire_type == _LENGTH_DELIMITED:
                length, at = _varint(request, at)
                if at + length > end:
                    raise IndexError
                if tag >> 3 == _FILES:
                    if len(files) == MOST_FILES:
                        raise Unfit("files", f"a batch may have {MOST_FILES:,} files")
                    files.append(request[at : at + length])
                at += length
            elif wire_type == 0:
                _, at = _varint(request, at)
            else:
                at += _FIXED_BYTES[wire_type]
    except LookupError as error:
        raise Unfit("", "the request cannot be read from these bytes") from error
    return files


def join_verdicts(verdicts: Sequence[bytes], version: str) -> bytes:
    """Return the response of any stage out of what `encode_verdict` gave, in order."""
    name = version.encode()
    return b"".join([*verdicts, bytes([_VERSION << 3 | _LENGTH_DELIMITED]), _length(name), name])


def encode_verdict(verdict: Verdict) -> bytes:
    """Return a verdict as `join_verdicts` takes it."""
    found = verdict.annotations
    # Many are the very ones that mean nothing: to compare field by field would cost more.
    if verdict.evidence is NO_EVIDENCE and (found is None or found is _NOTHING_FOUND):
        return _bare_verdict(verdict.outcome, verdict.reason, found is None)
    message = _verdict_message(verdict.outcome, verdict.reason)
    if verdict.evidence != NO_EVIDENCE:
        message.evidence.MergeFrom(message_of(verdict.evidence))  # type: ignore[arg-type]  # its own
    if found is not None:
        message.annotations.SetInParent()
        if found != _NOTHING_FOUND:
            message.annotations.MergeFrom(message_of(found))  # type: ignore[arg-type]  # its own
    return _as_field(message)


@cache
def _bare_verdict(outcome: OutcomeKind, reason: Reason | None, is_gone: bool) -> bytes:  # noqa: FBT001  # part of the key
    """Return a verdict with nothing but what was decided; without annotations if it is gone."""
    message = _verdict_message(outcome, reason)
    if not is_gone:
        message.annotations.SetInParent()
    return _as_field(message)


def _verdict_message(outcome: OutcomeKind, reason: Reason | None) -> verdict_pb2.Verdict:
    return verdict_pb2.Verdict(
        outcome=_OUTCOMES[outcome], reason=None if reason is None else _REASONS[reason]
    )


def _as_field(message: verdict_pb2.Verdict) -> bytes:
    """Return a verdict as one of the field of all of them."""
    data = message.SerializeToString()
    return bytes([_FILES << 3 | _LENGTH_DELIMITED]) + _length(data) + data


def decode_source_file(data: bytes) -> Document:
    """Read the bytes of a `gristmill.v1.SourceFile` as the document that it would be.

    Raises Unfit, whose field is the path below the file.
    """
    message = _parsed(verdict_pb2.SourceFile, data)
    if not message.HasField("origin"):
        raise Unfit("origin", "gristmill.v1.SourceFile: origin is missing")
    try:
        # Field by field, and not by the rules of all of them: a batch has many files.
        annotations = _NOTHING_FOUND
        if message.HasField("annotations"):
            annotations = value_of(Annotations, message.annotations)
        origin = origin_of(message.origin)
    except Poison as error:
        raise Unfit("", str(error)) from error
    if not origin.path:
        raise Unfit("origin.path", "gristmill.v1.Origin: path is missing")
    return document_asked_about(origin, message.content, annotations)


def decode_raw_item(data: bytes) -> RawFile:
    """Read the bytes of a `gristmill.ingestion.v1.File` as what ingestion would be given.

    Raises Unfit, whose field is the path below the file.
    """
    message = _parsed(ingestion_pb2.File, data)
    if not message.HasField("origin"):
        raise Unfit("origin", "gristmill.ingestion.v1.File: origin is missing")
    try:
        origin = origin_of(message.origin)
    except Poison as error:
        raise Unfit("origin", str(error)) from error
    if not (origin.path or origin.url):
        raise Unfit("origin.path", "gristmill.v1.Origin: path and url are missing")
    return RawFile(
        origin=origin,
        position=ASKED,
        size_bytes=len(message.content),
        content=message.content,
        content_sha256=sha256_hex(message.content),
    )


def _parsed(message_class: type[_M], data: bytes) -> _M:
    message = message_class()
    try:
        message.ParseFromString(data)
    except (DecodeError, ValueError) as error:
        raise Unfit("", "it cannot be read from these bytes") from error
    return message


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """Return a number and where it ends."""
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & ~_MORE) << shift
        if byte < _MORE:
            return value, at
        shift += 7
        if shift > 63:
            raise IndexError


def _length(data: bytes) -> bytes:
    """Return the length of a field as a varint."""
    length, encoded = len(data), bytearray()
    while length >= _MORE:
        encoded.append(length & 0x7F | _MORE)
        length >>= 7
    encoded.append(length)
    return bytes(encoded)
