import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Kind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    KIND_UNSPECIFIED: _ClassVar[Kind]
    KIND_FILE: _ClassVar[Kind]
    KIND_REPOSITORY: _ClassVar[Kind]
    KIND_COMMIT: _ClassVar[Kind]
    KIND_WEB_PAGE: _ClassVar[Kind]
KIND_UNSPECIFIED: Kind
KIND_FILE: Kind
KIND_REPOSITORY: Kind
KIND_COMMIT: Kind
KIND_WEB_PAGE: Kind

class Position(_message.Message):
    __slots__ = ("source", "offset")
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    source: str
    offset: int
    def __init__(self, source: _Optional[str] = ..., offset: _Optional[int] = ...) -> None: ...

class Origin(_message.Message):
    __slots__ = ("source", "repository", "path", "url", "revision", "licence", "crawl", "fetched_at")
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    REPOSITORY_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    URL_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    LICENCE_FIELD_NUMBER: _ClassVar[int]
    CRAWL_FIELD_NUMBER: _ClassVar[int]
    FETCHED_AT_FIELD_NUMBER: _ClassVar[int]
    source: str
    repository: str
    path: str
    url: str
    revision: str
    licence: str
    crawl: str
    fetched_at: _timestamp_pb2.Timestamp
    def __init__(self, source: _Optional[str] = ..., repository: _Optional[str] = ..., path: _Optional[str] = ..., url: _Optional[str] = ..., revision: _Optional[str] = ..., licence: _Optional[str] = ..., crawl: _Optional[str] = ..., fetched_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class FileText(_message.Message):
    __slots__ = ("content", "encoding")
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    ENCODING_FIELD_NUMBER: _ClassVar[int]
    content: str
    encoding: str
    def __init__(self, content: _Optional[str] = ..., encoding: _Optional[str] = ...) -> None: ...

class RepositoryMember(_message.Message):
    __slots__ = ("path", "content_sha256", "size_bytes", "language")
    PATH_FIELD_NUMBER: _ClassVar[int]
    CONTENT_SHA256_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    path: str
    content_sha256: str
    size_bytes: int
    language: str
    def __init__(self, path: _Optional[str] = ..., content_sha256: _Optional[str] = ..., size_bytes: _Optional[int] = ..., language: _Optional[str] = ...) -> None: ...

class Repository(_message.Message):
    __slots__ = ("members", "packed")
    MEMBERS_FIELD_NUMBER: _ClassVar[int]
    PACKED_FIELD_NUMBER: _ClassVar[int]
    members: _containers.RepeatedCompositeFieldContainer[RepositoryMember]
    packed: bytes
    def __init__(self, members: _Optional[_Iterable[_Union[RepositoryMember, _Mapping]]] = ..., packed: _Optional[bytes] = ...) -> None: ...

class Commit(_message.Message):
    __slots__ = ("message", "patch", "merged", "context")
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    PATCH_FIELD_NUMBER: _ClassVar[int]
    MERGED_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_FIELD_NUMBER: _ClassVar[int]
    message: str
    patch: str
    merged: bool
    context: str
    def __init__(self, message: _Optional[str] = ..., patch: _Optional[str] = ..., merged: _Optional[bool] = ..., context: _Optional[str] = ...) -> None: ...

class WebPage(_message.Message):
    __slots__ = ("text", "code_blocks", "has_code_tags")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    CODE_BLOCKS_FIELD_NUMBER: _ClassVar[int]
    HAS_CODE_TAGS_FIELD_NUMBER: _ClassVar[int]
    text: str
    code_blocks: _containers.RepeatedScalarFieldContainer[str]
    has_code_tags: bool
    def __init__(self, text: _Optional[str] = ..., code_blocks: _Optional[_Iterable[str]] = ..., has_code_tags: _Optional[bool] = ...) -> None: ...

class BlobReference(_message.Message):
    __slots__ = ("key", "sha256", "size_bytes")
    KEY_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    key: str
    sha256: str
    size_bytes: int
    def __init__(self, key: _Optional[str] = ..., sha256: _Optional[str] = ..., size_bytes: _Optional[int] = ...) -> None: ...

class Features(_message.Message):
    __slots__ = ("num_bytes", "num_lines", "num_blank_lines", "num_distinct_lines", "num_long_lines", "longest_line_bytes", "num_mixed_indents", "num_sampled_words", "num_sampled_word_bytes", "num_nodes", "num_comments", "num_comment_bytes", "num_docstring_bytes", "num_functions", "num_documented_functions", "num_function_bytes", "longest_function_lines", "deepest_function", "num_classes", "num_branches", "num_calls", "num_calls_of_commonest", "num_debug_calls", "num_code_signs", "num_literals", "num_literal_bytes", "num_unfinished_marks", "num_generated_marks", "num_imports", "comment_spans", "docstring_spans", "function_spans", "imports", "num_code_lines")
    NUM_BYTES_FIELD_NUMBER: _ClassVar[int]
    NUM_LINES_FIELD_NUMBER: _ClassVar[int]
    NUM_BLANK_LINES_FIELD_NUMBER: _ClassVar[int]
    NUM_DISTINCT_LINES_FIELD_NUMBER: _ClassVar[int]
    NUM_LONG_LINES_FIELD_NUMBER: _ClassVar[int]
    LONGEST_LINE_BYTES_FIELD_NUMBER: _ClassVar[int]
    NUM_MIXED_INDENTS_FIELD_NUMBER: _ClassVar[int]
    NUM_SAMPLED_WORDS_FIELD_NUMBER: _ClassVar[int]
    NUM_SAMPLED_WORD_BYTES_FIELD_NUMBER: _ClassVar[int]
    NUM_NODES_FIELD_NUMBER: _ClassVar[int]
    NUM_COMMENTS_FIELD_NUMBER: _ClassVar[int]
    NUM_COMMENT_BYTES_FIELD_NUMBER: _ClassVar[int]
    NUM_DOCSTRING_BYTES_FIELD_NUMBER: _ClassVar[int]
    NUM_FUNCTIONS_FIELD_NUMBER: _ClassVar[int]
    NUM_DOCUMENTED_FUNCTIONS_FIELD_NUMBER: _ClassVar[int]
    NUM_FUNCTION_BYTES_FIELD_NUMBER: _ClassVar[int]
    LONGEST_FUNCTION_LINES_FIELD_NUMBER: _ClassVar[int]
    DEEPEST_FUNCTION_FIELD_NUMBER: _ClassVar[int]
    NUM_CLASSES_FIELD_NUMBER: _ClassVar[int]
    NUM_BRANCHES_FIELD_NUMBER: _ClassVar[int]
    NUM_CALLS_FIELD_NUMBER: _ClassVar[int]
    NUM_CALLS_OF_COMMONEST_FIELD_NUMBER: _ClassVar[int]
    NUM_DEBUG_CALLS_FIELD_NUMBER: _ClassVar[int]
    NUM_CODE_SIGNS_FIELD_NUMBER: _ClassVar[int]
    NUM_LITERALS_FIELD_NUMBER: _ClassVar[int]
    NUM_LITERAL_BYTES_FIELD_NUMBER: _ClassVar[int]
    NUM_UNFINISHED_MARKS_FIELD_NUMBER: _ClassVar[int]
    NUM_GENERATED_MARKS_FIELD_NUMBER: _ClassVar[int]
    NUM_IMPORTS_FIELD_NUMBER: _ClassVar[int]
    COMMENT_SPANS_FIELD_NUMBER: _ClassVar[int]
    DOCSTRING_SPANS_FIELD_NUMBER: _ClassVar[int]
    FUNCTION_SPANS_FIELD_NUMBER: _ClassVar[int]
    IMPORTS_FIELD_NUMBER: _ClassVar[int]
    NUM_CODE_LINES_FIELD_NUMBER: _ClassVar[int]
    num_bytes: int
    num_lines: int
    num_blank_lines: int
    num_distinct_lines: int
    num_long_lines: int
    longest_line_bytes: int
    num_mixed_indents: int
    num_sampled_words: int
    num_sampled_word_bytes: int
    num_nodes: int
    num_comments: int
    num_comment_bytes: int
    num_docstring_bytes: int
    num_functions: int
    num_documented_functions: int
    num_function_bytes: int
    longest_function_lines: int
    deepest_function: int
    num_classes: int
    num_branches: int
    num_calls: int
    num_calls_of_commonest: int
    num_debug_calls: int
    num_code_signs: int
    num_literals: int
    num_literal_bytes: int
    num_unfinished_marks: int
    num_generated_marks: int
    num_imports: int
    comment_spans: _containers.RepeatedScalarFieldContainer[int]
    docstring_spans: _containers.RepeatedScalarFieldContainer[int]
    function_spans: _containers.RepeatedScalarFieldContainer[int]
    imports: _containers.RepeatedScalarFieldContainer[str]
    num_code_lines: int
    def __init__(self, num_bytes: _Optional[int] = ..., num_lines: _Optional[int] = ..., num_blank_lines: _Optional[int] = ..., num_distinct_lines: _Optional[int] = ..., num_long_lines: _Optional[int] = ..., longest_line_bytes: _Optional[int] = ..., num_mixed_indents: _Optional[int] = ..., num_sampled_words: _Optional[int] = ..., num_sampled_word_bytes: _Optional[int] = ..., num_nodes: _Optional[int] = ..., num_comments: _Optional[int] = ..., num_comment_bytes: _Optional[int] = ..., num_docstring_bytes: _Optional[int] = ..., num_functions: _Optional[int] = ..., num_documented_functions: _Optional[int] = ..., num_function_bytes: _Optional[int] = ..., longest_function_lines: _Optional[int] = ..., deepest_function: _Optional[int] = ..., num_classes: _Optional[int] = ..., num_branches: _Optional[int] = ..., num_calls: _Optional[int] = ..., num_calls_of_commonest: _Optional[int] = ..., num_debug_calls: _Optional[int] = ..., num_code_signs: _Optional[int] = ..., num_literals: _Optional[int] = ..., num_literal_bytes: _Optional[int] = ..., num_unfinished_marks: _Optional[int] = ..., num_generated_marks: _Optional[int] = ..., num_imports: _Optional[int] = ..., comment_spans: _Optional[_Iterable[int]] = ..., docstring_spans: _Optional[_Iterable[int]] = ..., function_spans: _Optional[_Iterable[int]] = ..., imports: _Optional[_Iterable[str]] = ..., num_code_lines: _Optional[int] = ...) -> None: ...

class Syntax(_message.Message):
    __slots__ = ("error_share", "checker", "features", "dialect")
    ERROR_SHARE_FIELD_NUMBER: _ClassVar[int]
    CHECKER_FIELD_NUMBER: _ClassVar[int]
    FEATURES_FIELD_NUMBER: _ClassVar[int]
    DIALECT_FIELD_NUMBER: _ClassVar[int]
    error_share: float
    checker: str
    features: Features
    dialect: str
    def __init__(self, error_share: _Optional[float] = ..., checker: _Optional[str] = ..., features: _Optional[_Union[Features, _Mapping]] = ..., dialect: _Optional[str] = ...) -> None: ...

class ScoreParts(_message.Message):
    __slots__ = ("readability", "modularity", "clarity", "reusability", "zero_rule")
    READABILITY_FIELD_NUMBER: _ClassVar[int]
    MODULARITY_FIELD_NUMBER: _ClassVar[int]
    CLARITY_FIELD_NUMBER: _ClassVar[int]
    REUSABILITY_FIELD_NUMBER: _ClassVar[int]
    ZERO_RULE_FIELD_NUMBER: _ClassVar[int]
    readability: float
    modularity: float
    clarity: float
    reusability: float
    zero_rule: str
    def __init__(self, readability: _Optional[float] = ..., modularity: _Optional[float] = ..., clarity: _Optional[float] = ..., reusability: _Optional[float] = ..., zero_rule: _Optional[str] = ...) -> None: ...

class Annotations(_message.Message):
    __slots__ = ("language", "syntax", "score", "scorer", "tokens", "score_parts")
    LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    SYNTAX_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    SCORER_FIELD_NUMBER: _ClassVar[int]
    TOKENS_FIELD_NUMBER: _ClassVar[int]
    SCORE_PARTS_FIELD_NUMBER: _ClassVar[int]
    language: str
    syntax: Syntax
    score: float
    scorer: str
    tokens: int
    score_parts: ScoreParts
    def __init__(self, language: _Optional[str] = ..., syntax: _Optional[_Union[Syntax, _Mapping]] = ..., score: _Optional[float] = ..., scorer: _Optional[str] = ..., tokens: _Optional[int] = ..., score_parts: _Optional[_Union[ScoreParts, _Mapping]] = ...) -> None: ...

class Document(_message.Message):
    __slots__ = ("id", "kind", "origin", "position", "content_sha256", "size_bytes", "annotations", "file", "repository", "commit", "web_page", "blob")
    ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    ORIGIN_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    CONTENT_SHA256_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    ANNOTATIONS_FIELD_NUMBER: _ClassVar[int]
    FILE_FIELD_NUMBER: _ClassVar[int]
    REPOSITORY_FIELD_NUMBER: _ClassVar[int]
    COMMIT_FIELD_NUMBER: _ClassVar[int]
    WEB_PAGE_FIELD_NUMBER: _ClassVar[int]
    BLOB_FIELD_NUMBER: _ClassVar[int]
    id: str
    kind: Kind
    origin: Origin
    position: Position
    content_sha256: str
    size_bytes: int
    annotations: Annotations
    file: FileText
    repository: Repository
    commit: Commit
    web_page: WebPage
    blob: BlobReference
    def __init__(self, id: _Optional[str] = ..., kind: _Optional[_Union[Kind, str]] = ..., origin: _Optional[_Union[Origin, _Mapping]] = ..., position: _Optional[_Union[Position, _Mapping]] = ..., content_sha256: _Optional[str] = ..., size_bytes: _Optional[int] = ..., annotations: _Optional[_Union[Annotations, _Mapping]] = ..., file: _Optional[_Union[FileText, _Mapping]] = ..., repository: _Optional[_Union[Repository, _Mapping]] = ..., commit: _Optional[_Union[Commit, _Mapping]] = ..., web_page: _Optional[_Union[WebPage, _Mapping]] = ..., blob: _Optional[_Union[BlobReference, _Mapping]] = ...) -> None: ...
