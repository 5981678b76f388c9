"""What callers of a stage's service give, and what they are told; nothing of it is kept."""

from dataclasses import dataclass, field
from datetime import datetime

from gristmill.runtime.model.document import (
    Annotations,
    Document,
    FileText,
    Kind,
    Origin,
    Position,
    document_id,
    sha256_hex,
)
from gristmill.runtime.model.outcome import (
    NO_EVIDENCE,
    Evidence,
    Keep,
    Outcome,
    OutcomeKind,
    kind_of,
)
from gristmill.runtime.model.reason import Reason

ASKED = Position(source="api", offset=0)
"""The position of what is only asked about: no topic and no listing is named so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFile:
    """A text file to be judged; `annotations` is what earlier stages found."""

    origin: Origin
    content: str
    annotations: Annotations = field(default_factory=Annotations)


def document_asked_about(origin: Origin, content: str, annotations: Annotations) -> Document:
    """Return the document that a stage judges in a file's stead."""
    data = content.encode()
    sha256 = sha256_hex(data)
    return Document(
        id=document_id(Kind.FILE, origin, sha256),
        kind=Kind.FILE,
        origin=origin,
        position=ASKED,
        body=FileText(content=content, encoding="utf-8"),
        content_sha256=sha256,
        size_bytes=len(data),
        annotations=annotations,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a stage says of one file; `annotations` is what is known of it then, if it is kept."""

    outcome: OutcomeKind
    reason: Reason | None = None
    evidence: Evidence = NO_EVIDENCE
    annotations: Annotations | None = None


def verdict_of(outcome: Outcome) -> Verdict:
    """Return an outcome without the document."""
    return Verdict(
        outcome=kind_of(outcome),
        reason=getattr(outcome, "reason", None),
        evidence=outcome.evidence,
        annotations=outcome.document.annotations if isinstance(outcome, Keep) else None,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotFacts:
    """One state of a table."""

    id: int
    committed_at: datetime
    operation: str
    added_rows: int
    total_rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TableFacts:
    """One table and its newest snapshots, the newest first."""

    name: str
    num_rows: int
    snapshots: tuple[SnapshotFacts, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceFacts:
    """Who serves: `settings` is a fingerprint of those that decide, `state` one of Health's."""

    stage: str
    version: str
    settings: str
    state: str
    detail: str
    started_at: datetime
