from gristmill.runtime.wire.generated.gristmill.v1 import document_pb2 as _document_pb2
from gristmill.runtime.wire.generated.gristmill.v1 import outcome_pb2 as _outcome_pb2
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class SourceFile(_message.Message):
    __slots__ = ("origin", "content", "annotations")
    ORIGIN_FIELD_NUMBER: _ClassVar[int]
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    ANNOTATIONS_FIELD_NUMBER: _ClassVar[int]
    origin: _document_pb2.Origin
    content: str
    annotations: _document_pb2.Annotations
    def __init__(self, origin: _Optional[_Union[_document_pb2.Origin, _Mapping]] = ..., content: _Optional[str] = ..., annotations: _Optional[_Union[_document_pb2.Annotations, _Mapping]] = ...) -> None: ...

class Verdict(_message.Message):
    __slots__ = ("outcome", "reason", "evidence", "annotations")
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    EVIDENCE_FIELD_NUMBER: _ClassVar[int]
    ANNOTATIONS_FIELD_NUMBER: _ClassVar[int]
    outcome: _outcome_pb2.OutcomeKind
    reason: _outcome_pb2.Reason
    evidence: _outcome_pb2.Evidence
    annotations: _document_pb2.Annotations
    def __init__(self, outcome: _Optional[_Union[_outcome_pb2.OutcomeKind, str]] = ..., reason: _Optional[_Union[_outcome_pb2.Reason, str]] = ..., evidence: _Optional[_Union[_outcome_pb2.Evidence, _Mapping]] = ..., annotations: _Optional[_Union[_document_pb2.Annotations, _Mapping]] = ...) -> None: ...
