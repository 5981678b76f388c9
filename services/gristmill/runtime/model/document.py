"""Documents and where they come from: what flows between stages, as frozen values.

The protobuf twin is `gristmill.v1.Document`; `runtime.wire` translates. A document's id
comes from what it is and where it stands, never from time, host or chance.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from gristmill.runtime.model.features import Features
from gristmill.runtime.model.pickling import quickly_pickled
from gristmill.runtime.model.quality import ScoreParts
from gristmill.runtime.model.reason import Reason


class Kind(StrEnum):
    """What a document is; each kind has a route of its own."""

    FILE = "file"
    REPOSITORY = "repository"
    COMMIT = "commit"
    WEB_PAGE = "web_page"


@quickly_pickled
@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """Where one delivery stands: set once by ingestion, kept by retries and replays.

    The same id at the same position is a replay; the same id at another one is a re-submission.
    """

    source: str
    offset: int


@quickly_pickled
@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a document was found. Empty strings and None say that the source did not tell."""

    source: str
    repository: str
    path: str = ""
    url: str = ""
    revision: str = ""
    licence: str = ""
    crawl: str = ""
    fetched_at: datetime | None = None


@quickly_pickled
@dataclass(frozen=True, slots=True, kw_only=True)
class FileText:
    """The body of a FILE: its text, newlines unchanged, and the encoding its bytes were in."""

    content: str
    encoding: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RepositoryMember:
    """One file in a repository's manifest."""

    path: str
    content_sha256: str
    size_bytes: int
    language: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Repository:
    """The body of a REPOSITORY: a manifest and one packed, compressed blob of all its files."""

    members: tuple[RepositoryMember, ...]
    packed: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """The body of a COMMIT; context is taken from the snapshot before it."""

    message: str
    patch: str
    merged: bool
    context: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WebPage:
    """The body of a WEB_PAGE: extracted text, and whether the page marked code as code."""

    text: str
    code_blocks: tuple[str, ...]
    has_code_tags: bool


Body = FileText | Repository | Commit | WebPage


@dataclass(frozen=True, slots=True, kw_only=True)
class BlobReference:
    """Where bytes lie that are too large for a message, and how to know them again.

    `key` is `blobs/<date>/<sha256>`: the date serves the store's lifecycle rule.
    """

    key: str
    sha256: str
    size_bytes: int


UNCHECKED = "unchecked"
"""The checker of a language for which no grammar exists: such files pass."""


@quickly_pickled
@dataclass(frozen=True, slots=True, kw_only=True)
class Syntax:
    """What the syntax stage found.

    `error_share` is the share of bytes under ERROR and MISSING nodes, 0 to 1; `checker` says who
    ruled (a grammar's name, or UNCHECKED where no grammar exists and the share is 0). `features`
    is None where nothing was counted. `dialect` is one, such as Python 2, in which the text is
    well-formed though it is not in the language, else empty.
    """

    error_share: float
    checker: str
    features: Features | None = None
    dialect: str = ""

    @property
    def checked_share(self) -> float | None:
        """The error share, or None where nothing was checked."""
        return None if self.checker == UNCHECKED else self.error_share

    @property
    def checked_by(self) -> str | None:
        """Who ruled, or None where nothing was checked."""
        return None if self.checker == UNCHECKED else self.checker


@quickly_pickled
@dataclass(frozen=True, slots=True, kw_only=True)
class Annotations:
    """What stages found out; they grow by stage and are never rewritten."""

    language: str = ""
    syntax: Syntax | None = None
    score: float | None = None
    scorer: str = ""
    tokens: int | None = None
    score_parts: ScoreParts | None = None


@quickly_pickled
@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One document on its way through the stages. `content_sha256` is lower-case hex."""

    id: str
    kind: Kind
    origin: Origin
    position: Position
    body: Body
    content_sha256: str
    size_bytes: int
    annotations: Annotations = field(default_factory=Annotations)


@quickly_pickled
@dataclass(frozen=True, slots=True, kw_only=True)
class RawFile:
    """A file as a source lists it, before any rule has looked: ingestion's input.

    `content` is None where it was not read, and then `fault` may say why; `size_bytes` is the size
    as listed. `content_sha256` is empty without content.
    """

    origin: Origin
    position: Position
    size_bytes: int
    content: bytes | None = None
    content_sha256: str = ""
    fault: Reason | None = None
    detail: str = ""

    @property
    def kind(self) -> Kind:
        """Always FILE: other kinds come with sources of their own."""
        return Kind.FILE

    @property
    def id(self) -> str:
        """The id that the document made of it has."""
        return document_id(self.kind, self.origin, self.content_sha256)


@dataclass(frozen=True, slots=True, kw_only=True)
class CrawlItem:
    """What a crawler delivers: a file as it was found, not looked at yet and without a position.

    The content is here, or lies in the blob store, or was not read, and then `fault` may say why.
    """

    origin: Origin
    size_bytes: int
    content: bytes | None = None
    blob: BlobReference | None = None
    fault: Reason | None = None
    detail: str = ""


def document_id(kind: Kind, origin: Origin, content_sha256: str) -> str:
    """Derive a document's id: 128 bits in lower-case hex, the same on every machine and run.

    At 1e10 documents the chance that any two share one is below 2e-19.
    """
    parts = (kind.value, origin.repository, origin.url, origin.path, origin.revision)
    told = "\0".join((*parts, content_sha256, ""))
    return hashlib.sha256(told.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def sha256_hex(content: bytes) -> str:
    """Return the content hash that documents carry."""
    return hashlib.sha256(content).hexdigest()


def repository_sha256(members: Sequence[RepositoryMember]) -> str:
    """Return the hash of a repository: over the sorted list of (path, content hash)."""
    digest = hashlib.sha256()
    for path, content in sorted((m.path, m.content_sha256) for m in members):
        digest.update(f"{path}\0{content}\0".encode("utf-8", "surrogatepass"))
    return digest.hexdigest()
