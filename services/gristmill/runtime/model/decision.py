"""One line of the ledger: what one stage decided about one document, and on what evidence."""

from dataclasses import dataclass

from gristmill.runtime.model.document import Document, Kind, Origin, Position, RawFile
from gristmill.runtime.model.outcome import (
    NO_EVIDENCE,
    Drop,
    Evidence,
    Keep,
    Outcome,
    OutcomeKind,
    Reject,
    kind_of,
)
from gristmill.runtime.model.pickling import quickly_pickled
from gristmill.runtime.model.reason import Reason


@quickly_pickled
@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Document x stage; `version` names the rules that decided.

    When it was taken is not here: the writer stamps it, so that a decision stays a pure value.
    """

    document_id: str
    content_sha256: str
    kind: Kind
    origin: Origin
    position: Position
    size_bytes: int
    stage: str
    outcome: OutcomeKind
    version: str
    language: str = ""
    reason: Reason | None = None
    evidence: Evidence = NO_EVIDENCE


def decision_on(
    record: RawFile | Document, outcome: Outcome, *, stage: str, version: str
) -> Decision:
    """Return the ledger's line for an outcome; a Keep is written of the document that goes on.

    A Reject as `unhandled` is written as dead: the stage broke, it did not decide.
    """
    subject = outcome.document if isinstance(outcome, Keep) else record
    return Decision(
        document_id=subject.id,
        content_sha256=subject.content_sha256,
        kind=subject.kind,
        origin=subject.origin,
        position=subject.position,
        size_bytes=subject.size_bytes,
        stage=stage,
        outcome=_kind(outcome),
        version=version,
        language=subject.annotations.language if isinstance(subject, Document) else "",
        reason=outcome.reason if isinstance(outcome, Drop | Reject) else None,
        evidence=outcome.evidence,
    )


def grammar_at_fault(decision: Decision) -> str:
    """Return the grammar that a document was too much for; empty where it was none or not known."""
    if decision.reason is not Reason.PARSER_LIMIT:
        return ""
    return decision.evidence.checker.rpartition(":")[2]


def _kind(outcome: Outcome) -> OutcomeKind:
    if isinstance(outcome, Reject) and outcome.reason is Reason.UNHANDLED:
        return OutcomeKind.DEAD
    return kind_of(outcome)


def documents_after(outcome: Outcome) -> tuple[Document, ...]:
    """Return the documents that go on after an outcome."""
    if isinstance(outcome, Keep):
        return (outcome.document,)
    return () if isinstance(outcome, Drop | Reject) else outcome.documents
