import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from gristmill.runtime.wire.generated.gristmill.v1 import document_pb2 as _document_pb2
from gristmill.runtime.wire.generated.gristmill.v1 import outcome_pb2 as _outcome_pb2
from gristmill.runtime.wire.generated.gristmill.v1 import verdict_pb2 as _verdict_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class RefusalReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    REFUSAL_REASON_UNSPECIFIED: _ClassVar[RefusalReason]
    REFUSAL_REASON_KEY_UNFIT: _ClassVar[RefusalReason]
    REFUSAL_REASON_KEY_REUSED: _ClassVar[RefusalReason]
    REFUSAL_REASON_FIELD_MISSING: _ClassVar[RefusalReason]
    REFUSAL_REASON_FIELD_UNFIT: _ClassVar[RefusalReason]
    REFUSAL_REASON_NAME_UNSAFE: _ClassVar[RefusalReason]
    REFUSAL_REASON_NAME_TOO_LONG: _ClassVar[RefusalReason]
    REFUSAL_REASON_TOO_LARGE: _ClassVar[RefusalReason]
    REFUSAL_REASON_BLOB_UNKNOWN: _ClassVar[RefusalReason]
    REFUSAL_REASON_ARCHIVE_UNREADABLE: _ClassVar[RefusalReason]
    REFUSAL_REASON_ARCHIVE_OUT_OF_ORDER: _ClassVar[RefusalReason]
    REFUSAL_REASON_NOT_SUPPORTED: _ClassVar[RefusalReason]
    REFUSAL_REASON_NO_ROOM: _ClassVar[RefusalReason]
REFUSAL_REASON_UNSPECIFIED: RefusalReason
REFUSAL_REASON_KEY_UNFIT: RefusalReason
REFUSAL_REASON_KEY_REUSED: RefusalReason
REFUSAL_REASON_FIELD_MISSING: RefusalReason
REFUSAL_REASON_FIELD_UNFIT: RefusalReason
REFUSAL_REASON_NAME_UNSAFE: RefusalReason
REFUSAL_REASON_NAME_TOO_LONG: RefusalReason
REFUSAL_REASON_TOO_LARGE: RefusalReason
REFUSAL_REASON_BLOB_UNKNOWN: RefusalReason
REFUSAL_REASON_ARCHIVE_UNREADABLE: RefusalReason
REFUSAL_REASON_ARCHIVE_OUT_OF_ORDER: RefusalReason
REFUSAL_REASON_NOT_SUPPORTED: RefusalReason
REFUSAL_REASON_NO_ROOM: RefusalReason

class KnownRequest(_message.Message):
    __slots__ = ("keys",)
    KEYS_FIELD_NUMBER: _ClassVar[int]
    keys: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, keys: _Optional[_Iterable[str]] = ...) -> None: ...

class KnownResponse(_message.Message):
    __slots__ = ("known",)
    KNOWN_FIELD_NUMBER: _ClassVar[int]
    known: _containers.RepeatedScalarFieldContainer[bool]
    def __init__(self, known: _Optional[_Iterable[bool]] = ...) -> None: ...

class SubmitRequest(_message.Message):
    __slots__ = ("items",)
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    items: _containers.RepeatedCompositeFieldContainer[Item]
    def __init__(self, items: _Optional[_Iterable[_Union[Item, _Mapping]]] = ...) -> None: ...

class Item(_message.Message):
    __slots__ = ("key", "file", "archive", "blob", "warc", "unread")
    KEY_FIELD_NUMBER: _ClassVar[int]
    FILE_FIELD_NUMBER: _ClassVar[int]
    ARCHIVE_FIELD_NUMBER: _ClassVar[int]
    BLOB_FIELD_NUMBER: _ClassVar[int]
    WARC_FIELD_NUMBER: _ClassVar[int]
    UNREAD_FIELD_NUMBER: _ClassVar[int]
    key: str
    file: File
    archive: ArchiveChunk
    blob: BlobItem
    warc: WarcRange
    unread: UnreadFile
    def __init__(self, key: _Optional[str] = ..., file: _Optional[_Union[File, _Mapping]] = ..., archive: _Optional[_Union[ArchiveChunk, _Mapping]] = ..., blob: _Optional[_Union[BlobItem, _Mapping]] = ..., warc: _Optional[_Union[WarcRange, _Mapping]] = ..., unread: _Optional[_Union[UnreadFile, _Mapping]] = ...) -> None: ...

class File(_message.Message):
    __slots__ = ("origin", "content")
    ORIGIN_FIELD_NUMBER: _ClassVar[int]
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    origin: _document_pb2.Origin
    content: bytes
    def __init__(self, origin: _Optional[_Union[_document_pb2.Origin, _Mapping]] = ..., content: _Optional[bytes] = ...) -> None: ...

class ArchiveChunk(_message.Message):
    __slots__ = ("origin", "offset", "data", "last")
    ORIGIN_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    LAST_FIELD_NUMBER: _ClassVar[int]
    origin: _document_pb2.Origin
    offset: int
    data: bytes
    last: bool
    def __init__(self, origin: _Optional[_Union[_document_pb2.Origin, _Mapping]] = ..., offset: _Optional[int] = ..., data: _Optional[bytes] = ..., last: _Optional[bool] = ...) -> None: ...

class BlobItem(_message.Message):
    __slots__ = ("origin", "blob")
    ORIGIN_FIELD_NUMBER: _ClassVar[int]
    BLOB_FIELD_NUMBER: _ClassVar[int]
    origin: _document_pb2.Origin
    blob: _document_pb2.BlobReference
    def __init__(self, origin: _Optional[_Union[_document_pb2.Origin, _Mapping]] = ..., blob: _Optional[_Union[_document_pb2.BlobReference, _Mapping]] = ...) -> None: ...

class WarcRange(_message.Message):
    __slots__ = ("origin", "warc", "offset", "length")
    ORIGIN_FIELD_NUMBER: _ClassVar[int]
    WARC_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    LENGTH_FIELD_NUMBER: _ClassVar[int]
    origin: _document_pb2.Origin
    warc: str
    offset: int
    length: int
    def __init__(self, origin: _Optional[_Union[_document_pb2.Origin, _Mapping]] = ..., warc: _Optional[str] = ..., offset: _Optional[int] = ..., length: _Optional[int] = ...) -> None: ...

class UnreadFile(_message.Message):
    __slots__ = ("origin", "size_bytes", "fault", "detail")
    ORIGIN_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    FAULT_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    origin: _document_pb2.Origin
    size_bytes: int
    fault: _outcome_pb2.Reason
    detail: str
    def __init__(self, origin: _Optional[_Union[_document_pb2.Origin, _Mapping]] = ..., size_bytes: _Optional[int] = ..., fault: _Optional[_Union[_outcome_pb2.Reason, str]] = ..., detail: _Optional[str] = ...) -> None: ...

class SubmitResponse(_message.Message):
    __slots__ = ("receipts",)
    RECEIPTS_FIELD_NUMBER: _ClassVar[int]
    receipts: _containers.RepeatedCompositeFieldContainer[Receipt]
    def __init__(self, receipts: _Optional[_Iterable[_Union[Receipt, _Mapping]]] = ...) -> None: ...

class Receipt(_message.Message):
    __slots__ = ("key", "accepted", "refused")
    KEY_FIELD_NUMBER: _ClassVar[int]
    ACCEPTED_FIELD_NUMBER: _ClassVar[int]
    REFUSED_FIELD_NUMBER: _ClassVar[int]
    key: str
    accepted: Accepted
    refused: Refused
    def __init__(self, key: _Optional[str] = ..., accepted: _Optional[_Union[Accepted, _Mapping]] = ..., refused: _Optional[_Union[Refused, _Mapping]] = ...) -> None: ...

class Accepted(_message.Message):
    __slots__ = ("known_before", "num_items")
    KNOWN_BEFORE_FIELD_NUMBER: _ClassVar[int]
    NUM_ITEMS_FIELD_NUMBER: _ClassVar[int]
    known_before: bool
    num_items: int
    def __init__(self, known_before: _Optional[bool] = ..., num_items: _Optional[int] = ...) -> None: ...

class Refused(_message.Message):
    __slots__ = ("reason", "detail", "retry_after")
    REASON_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    RETRY_AFTER_FIELD_NUMBER: _ClassVar[int]
    reason: RefusalReason
    detail: str
    retry_after: _duration_pb2.Duration
    def __init__(self, reason: _Optional[_Union[RefusalReason, str]] = ..., detail: _Optional[str] = ..., retry_after: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class CheckRequest(_message.Message):
    __slots__ = ("files",)
    FILES_FIELD_NUMBER: _ClassVar[int]
    files: _containers.RepeatedCompositeFieldContainer[File]
    def __init__(self, files: _Optional[_Iterable[_Union[File, _Mapping]]] = ...) -> None: ...

class CheckResponse(_message.Message):
    __slots__ = ("verdicts", "version")
    VERDICTS_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    verdicts: _containers.RepeatedCompositeFieldContainer[_verdict_pb2.Verdict]
    version: str
    def __init__(self, verdicts: _Optional[_Iterable[_Union[_verdict_pb2.Verdict, _Mapping]]] = ..., version: _Optional[str] = ...) -> None: ...

class CheckStreamRequest(_message.Message):
    __slots__ = ("files",)
    FILES_FIELD_NUMBER: _ClassVar[int]
    files: _containers.RepeatedCompositeFieldContainer[File]
    def __init__(self, files: _Optional[_Iterable[_Union[File, _Mapping]]] = ...) -> None: ...

class CheckStreamResponse(_message.Message):
    __slots__ = ("verdicts", "version")
    VERDICTS_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    verdicts: _containers.RepeatedCompositeFieldContainer[_verdict_pb2.Verdict]
    version: str
    def __init__(self, verdicts: _Optional[_Iterable[_Union[_verdict_pb2.Verdict, _Mapping]]] = ..., version: _Optional[str] = ...) -> None: ...
