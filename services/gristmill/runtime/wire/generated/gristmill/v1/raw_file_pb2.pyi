from gristmill.runtime.wire.generated.gristmill.v1 import document_pb2 as _document_pb2
from gristmill.runtime.wire.generated.gristmill.v1 import outcome_pb2 as _outcome_pb2
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class RawFile(_message.Message):
    __slots__ = ("origin", "position", "size_bytes", "content", "content_sha256", "fault", "detail")
    ORIGIN_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    CONTENT_SHA256_FIELD_NUMBER: _ClassVar[int]
    FAULT_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    origin: _document_pb2.Origin
    position: _document_pb2.Position
    size_bytes: int
    content: bytes
    content_sha256: str
    fault: _outcome_pb2.Reason
    detail: str
    def __init__(self, origin: _Optional[_Union[_document_pb2.Origin, _Mapping]] = ..., position: _Optional[_Union[_document_pb2.Position, _Mapping]] = ..., size_bytes: _Optional[int] = ..., content: _Optional[bytes] = ..., content_sha256: _Optional[str] = ..., fault: _Optional[_Union[_outcome_pb2.Reason, str]] = ..., detail: _Optional[str] = ...) -> None: ...
