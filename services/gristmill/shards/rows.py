"""Documents and decisions as columns of their tables."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from gristmill.runtime.model import Decision, Document, FileText
from gristmill.runtime.ports import Columns, Decided

_FILES = (
    "document_id", "content", "content_sha256", "encoding", "source", "repository", "path",
    "revision", "language", "licence", "error_share", "score", "scorer", "tokens", "fetched_at",
    "checker", "dialect", "readability", "modularity", "clarity", "reusability", "zero_rule",
)  # fmt: skip
_LEDGER = (
    "document_id", "content_sha256", "kind", "source", "repository", "path", "url", "revision",
    "stage", "outcome", "reason", "matched_id", "similarity", "error_share", "score", "threshold",
    "version", "decided_at", "language", "size_bytes", "position_source", "position_offset",
    "detail", "checker",
)  # fmt: skip


def file_columns(documents: Iterable[Document]) -> Columns:
    """Return FILE documents as columns of `files`; the commit adds `sequence`."""
    return _columns(_FILES, (_file_row(document) for document in documents))


def ledger_columns(decided: Iterable[Decided]) -> Columns:
    """Return decisions as columns of `ledger`."""
    return _columns(_LEDGER, (_ledger_row(one.decision, one.decided_at) for one in decided))


def _columns(names: tuple[str, ...], rows: Iterable[tuple[Any, ...]]) -> Columns:
    columns = list(zip(*rows, strict=True)) or [()] * len(names)
    return dict(zip(names, columns, strict=True))


def _file_row(document: Document) -> tuple[Any, ...]:
    origin, annotations, body = document.origin, document.annotations, document.body
    assert isinstance(body, FileText), "the files table takes FILE documents"
    syntax, parts = annotations.syntax, annotations.score_parts
    return (
        document.id,
        body.content,
        document.content_sha256,
        body.encoding,
        origin.source,
        origin.repository,
        origin.path,
        origin.revision or None,
        annotations.language or None,
        origin.licence or None,
        syntax.checked_share if syntax else None,
        annotations.score,
        annotations.scorer or None,
        annotations.tokens,
        origin.fetched_at,
        syntax.checked_by if syntax else None,
        (syntax.dialect or None) if syntax else None,
        parts.readability if parts else None,
        parts.modularity if parts else None,
        parts.clarity if parts else None,
        parts.reusability if parts else None,
        (parts.zero_rule or None) if parts else None,
    )


def _ledger_row(decision: Decision, decided_at: datetime) -> tuple[Any, ...]:
    origin, evidence = decision.origin, decision.evidence
    return (
        decision.document_id,
        decision.content_sha256 or None,
        decision.kind.value,
        origin.source,
        origin.repository,
        origin.path,
        origin.url or None,
        origin.revision or None,
        decision.stage,
        decision.outcome.value,
        decision.reason.value if decision.reason else None,
        evidence.matched_id,
        evidence.similarity,
        evidence.error_share,
        evidence.score,
        evidence.threshold,
        decision.version,
        decided_at,
        decision.language or None,
        decision.size_bytes,
        decision.position.source,
        decision.position.offset,
        evidence.detail or None,
        evidence.checker or None,
    )
