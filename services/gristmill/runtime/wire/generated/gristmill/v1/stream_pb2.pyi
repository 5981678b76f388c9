import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from gristmill.runtime.wire.generated.gristmill.v1 import document_pb2 as _document_pb2
from gristmill.runtime.wire.generated.gristmill.v1 import outcome_pb2 as _outcome_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class CrawlItem(_message.Message):
    __slots__ = ("origin", "size_bytes", "content", "blob", "fault", "detail")
    ORIGIN_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    BLOB_FIELD_NUMBER: _ClassVar[int]
    FAULT_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    origin: _document_pb2.Origin
    size_bytes: int
    content: bytes
    blob: _document_pb2.BlobReference
    fault: _outcome_pb2.Reason
    detail: str
    def __init__(self, origin: _Optional[_Union[_document_pb2.Origin, _Mapping]] = ..., size_bytes: _Optional[int] = ..., content: _Optional[bytes] = ..., blob: _Optional[_Union[_document_pb2.BlobReference, _Mapping]] = ..., fault: _Optional[_Union[_outcome_pb2.Reason, str]] = ..., detail: _Optional[str] = ...) -> None: ...

class DecisionBatch(_message.Message):
    __slots__ = ("decisions", "decided_at")
    DECISIONS_FIELD_NUMBER: _ClassVar[int]
    DECIDED_AT_FIELD_NUMBER: _ClassVar[int]
    decisions: _containers.RepeatedCompositeFieldContainer[_outcome_pb2.Decision]
    decided_at: _timestamp_pb2.Timestamp
    def __init__(self, decisions: _Optional[_Iterable[_Union[_outcome_pb2.Decision, _Mapping]]] = ..., decided_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...
