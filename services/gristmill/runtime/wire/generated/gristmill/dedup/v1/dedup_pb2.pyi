from gristmill.runtime.wire.generated.gristmill.v1 import verdict_pb2 as _verdict_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class CheckRequest(_message.Message):
    __slots__ = ("files",)
    FILES_FIELD_NUMBER: _ClassVar[int]
    files: _containers.RepeatedCompositeFieldContainer[_verdict_pb2.SourceFile]
    def __init__(self, files: _Optional[_Iterable[_Union[_verdict_pb2.SourceFile, _Mapping]]] = ...) -> None: ...

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
    files: _containers.RepeatedCompositeFieldContainer[_verdict_pb2.SourceFile]
    def __init__(self, files: _Optional[_Iterable[_Union[_verdict_pb2.SourceFile, _Mapping]]] = ...) -> None: ...

class CheckStreamResponse(_message.Message):
    __slots__ = ("verdicts", "version")
    VERDICTS_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    verdicts: _containers.RepeatedCompositeFieldContainer[_verdict_pb2.Verdict]
    version: str
    def __init__(self, verdicts: _Optional[_Iterable[_Union[_verdict_pb2.Verdict, _Mapping]]] = ..., version: _Optional[str] = ...) -> None: ...

class ExplainRequest(_message.Message):
    __slots__ = ("file",)
    FILE_FIELD_NUMBER: _ClassVar[int]
    file: _verdict_pb2.SourceFile
    def __init__(self, file: _Optional[_Union[_verdict_pb2.SourceFile, _Mapping]] = ...) -> None: ...

class ExplainResponse(_message.Message):
    __slots__ = ("document_id", "domain", "num_shingles", "exact_match", "candidates", "threshold", "verdict", "version")
    DOCUMENT_ID_FIELD_NUMBER: _ClassVar[int]
    DOMAIN_FIELD_NUMBER: _ClassVar[int]
    NUM_SHINGLES_FIELD_NUMBER: _ClassVar[int]
    EXACT_MATCH_FIELD_NUMBER: _ClassVar[int]
    CANDIDATES_FIELD_NUMBER: _ClassVar[int]
    THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    VERDICT_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    document_id: str
    domain: str
    num_shingles: int
    exact_match: str
    candidates: _containers.RepeatedCompositeFieldContainer[Candidate]
    threshold: float
    verdict: _verdict_pb2.Verdict
    version: str
    def __init__(self, document_id: _Optional[str] = ..., domain: _Optional[str] = ..., num_shingles: _Optional[int] = ..., exact_match: _Optional[str] = ..., candidates: _Optional[_Iterable[_Union[Candidate, _Mapping]]] = ..., threshold: _Optional[float] = ..., verdict: _Optional[_Union[_verdict_pb2.Verdict, _Mapping]] = ..., version: _Optional[str] = ...) -> None: ...

class Candidate(_message.Message):
    __slots__ = ("document_id", "bands", "similarity", "is_match")
    DOCUMENT_ID_FIELD_NUMBER: _ClassVar[int]
    BANDS_FIELD_NUMBER: _ClassVar[int]
    SIMILARITY_FIELD_NUMBER: _ClassVar[int]
    IS_MATCH_FIELD_NUMBER: _ClassVar[int]
    document_id: str
    bands: _containers.RepeatedScalarFieldContainer[int]
    similarity: float
    is_match: bool
    def __init__(self, document_id: _Optional[str] = ..., bands: _Optional[_Iterable[int]] = ..., similarity: _Optional[float] = ..., is_match: _Optional[bool] = ...) -> None: ...
