from gristmill.runtime.wire.generated.gristmill.v1 import document_pb2 as _document_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Reason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    REASON_UNSPECIFIED: _ClassVar[Reason]
    REASON_TOO_LARGE: _ClassVar[Reason]
    REASON_BINARY: _ClassVar[Reason]
    REASON_UNDECODABLE: _ClassVar[Reason]
    REASON_EMPTY: _ClassVar[Reason]
    REASON_TOO_FEW_WORDS: _ClassVar[Reason]
    REASON_MINIFIED: _ClassVar[Reason]
    REASON_GENERATED: _ClassVar[Reason]
    REASON_VENDORED: _ClassVar[Reason]
    REASON_DATA_FILE: _ClassVar[Reason]
    REASON_LOCK_FILE: _ClassVar[Reason]
    REASON_NOT_A_FILE: _ClassVar[Reason]
    REASON_UNREADABLE: _ClassVar[Reason]
    REASON_UNSAFE_MEMBER: _ClassVar[Reason]
    REASON_ARCHIVE_LIMIT: _ClassVar[Reason]
    REASON_SYNTAX_ERRORS: _ClassVar[Reason]
    REASON_PARSER_LIMIT: _ClassVar[Reason]
    REASON_UNKNOWN_LANGUAGE: _ClassVar[Reason]
    REASON_EXACT_DUPLICATE: _ClassVar[Reason]
    REASON_NEAR_DUPLICATE: _ClassVar[Reason]
    REASON_RESUBMITTED: _ClassVar[Reason]
    REASON_BENCHMARK_OVERLAP: _ClassVar[Reason]
    REASON_NOT_RELEVANT: _ClassVar[Reason]
    REASON_BLOCKED: _ClassVar[Reason]
    REASON_CUSTOM_RULE: _ClassVar[Reason]
    REASON_UNHANDLED: _ClassVar[Reason]
    REASON_UNWANTED_DIALECT: _ClassVar[Reason]

class OutcomeKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    OUTCOME_KIND_UNSPECIFIED: _ClassVar[OutcomeKind]
    OUTCOME_KIND_KEEP: _ClassVar[OutcomeKind]
    OUTCOME_KIND_DROP: _ClassVar[OutcomeKind]
    OUTCOME_KIND_SPLIT: _ClassVar[OutcomeKind]
    OUTCOME_KIND_REJECT: _ClassVar[OutcomeKind]
    OUTCOME_KIND_DEAD: _ClassVar[OutcomeKind]
REASON_UNSPECIFIED: Reason
REASON_TOO_LARGE: Reason
REASON_BINARY: Reason
REASON_UNDECODABLE: Reason
REASON_EMPTY: Reason
REASON_TOO_FEW_WORDS: Reason
REASON_MINIFIED: Reason
REASON_GENERATED: Reason
REASON_VENDORED: Reason
REASON_DATA_FILE: Reason
REASON_LOCK_FILE: Reason
REASON_NOT_A_FILE: Reason
REASON_UNREADABLE: Reason
REASON_UNSAFE_MEMBER: Reason
REASON_ARCHIVE_LIMIT: Reason
REASON_SYNTAX_ERRORS: Reason
REASON_PARSER_LIMIT: Reason
REASON_UNKNOWN_LANGUAGE: Reason
REASON_EXACT_DUPLICATE: Reason
REASON_NEAR_DUPLICATE: Reason
REASON_RESUBMITTED: Reason
REASON_BENCHMARK_OVERLAP: Reason
REASON_NOT_RELEVANT: Reason
REASON_BLOCKED: Reason
REASON_CUSTOM_RULE: Reason
REASON_UNHANDLED: Reason
REASON_UNWANTED_DIALECT: Reason
OUTCOME_KIND_UNSPECIFIED: OutcomeKind
OUTCOME_KIND_KEEP: OutcomeKind
OUTCOME_KIND_DROP: OutcomeKind
OUTCOME_KIND_SPLIT: OutcomeKind
OUTCOME_KIND_REJECT: OutcomeKind
OUTCOME_KIND_DEAD: OutcomeKind

class Evidence(_message.Message):
    __slots__ = ("matched_id", "similarity", "error_share", "score", "threshold", "detail", "checker")
    MATCHED_ID_FIELD_NUMBER: _ClassVar[int]
    SIMILARITY_FIELD_NUMBER: _ClassVar[int]
    ERROR_SHARE_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    CHECKER_FIELD_NUMBER: _ClassVar[int]
    matched_id: str
    similarity: float
    error_share: float
    score: float
    threshold: float
    detail: str
    checker: str
    def __init__(self, matched_id: _Optional[str] = ..., similarity: _Optional[float] = ..., error_share: _Optional[float] = ..., score: _Optional[float] = ..., threshold: _Optional[float] = ..., detail: _Optional[str] = ..., checker: _Optional[str] = ...) -> None: ...

class Decision(_message.Message):
    __slots__ = ("document_id", "content_sha256", "kind", "origin", "position", "size_bytes", "stage", "outcome", "version", "language", "reason", "evidence")
    DOCUMENT_ID_FIELD_NUMBER: _ClassVar[int]
    CONTENT_SHA256_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    ORIGIN_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    STAGE_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    EVIDENCE_FIELD_NUMBER: _ClassVar[int]
    document_id: str
    content_sha256: str
    kind: _document_pb2.Kind
    origin: _document_pb2.Origin
    position: _document_pb2.Position
    size_bytes: int
    stage: str
    outcome: OutcomeKind
    version: str
    language: str
    reason: Reason
    evidence: Evidence
    def __init__(self, document_id: _Optional[str] = ..., content_sha256: _Optional[str] = ..., kind: _Optional[_Union[_document_pb2.Kind, str]] = ..., origin: _Optional[_Union[_document_pb2.Origin, _Mapping]] = ..., position: _Optional[_Union[_document_pb2.Position, _Mapping]] = ..., size_bytes: _Optional[int] = ..., stage: _Optional[str] = ..., outcome: _Optional[_Union[OutcomeKind, str]] = ..., version: _Optional[str] = ..., language: _Optional[str] = ..., reason: _Optional[_Union[Reason, str]] = ..., evidence: _Optional[_Union[Evidence, _Mapping]] = ...) -> None: ...

class Keep(_message.Message):
    __slots__ = ("document", "evidence")
    DOCUMENT_FIELD_NUMBER: _ClassVar[int]
    EVIDENCE_FIELD_NUMBER: _ClassVar[int]
    document: _document_pb2.Document
    evidence: Evidence
    def __init__(self, document: _Optional[_Union[_document_pb2.Document, _Mapping]] = ..., evidence: _Optional[_Union[Evidence, _Mapping]] = ...) -> None: ...

class Drop(_message.Message):
    __slots__ = ("reason", "evidence")
    REASON_FIELD_NUMBER: _ClassVar[int]
    EVIDENCE_FIELD_NUMBER: _ClassVar[int]
    reason: Reason
    evidence: Evidence
    def __init__(self, reason: _Optional[_Union[Reason, str]] = ..., evidence: _Optional[_Union[Evidence, _Mapping]] = ...) -> None: ...

class Split(_message.Message):
    __slots__ = ("documents", "evidence")
    DOCUMENTS_FIELD_NUMBER: _ClassVar[int]
    EVIDENCE_FIELD_NUMBER: _ClassVar[int]
    documents: _containers.RepeatedCompositeFieldContainer[_document_pb2.Document]
    evidence: Evidence
    def __init__(self, documents: _Optional[_Iterable[_Union[_document_pb2.Document, _Mapping]]] = ..., evidence: _Optional[_Union[Evidence, _Mapping]] = ...) -> None: ...

class Reject(_message.Message):
    __slots__ = ("reason", "evidence")
    REASON_FIELD_NUMBER: _ClassVar[int]
    EVIDENCE_FIELD_NUMBER: _ClassVar[int]
    reason: Reason
    evidence: Evidence
    def __init__(self, reason: _Optional[_Union[Reason, str]] = ..., evidence: _Optional[_Union[Evidence, _Mapping]] = ...) -> None: ...

class Outcome(_message.Message):
    __slots__ = ("keep", "drop", "split", "reject")
    KEEP_FIELD_NUMBER: _ClassVar[int]
    DROP_FIELD_NUMBER: _ClassVar[int]
    SPLIT_FIELD_NUMBER: _ClassVar[int]
    REJECT_FIELD_NUMBER: _ClassVar[int]
    keep: Keep
    drop: Drop
    split: Split
    reject: Reject
    def __init__(self, keep: _Optional[_Union[Keep, _Mapping]] = ..., drop: _Optional[_Union[Drop, _Mapping]] = ..., split: _Optional[_Union[Split, _Mapping]] = ..., reject: _Optional[_Union[Reject, _Mapping]] = ...) -> None: ...
