"""One line of the ledger: what one stage decided about one document, and on what evidence."""

from dataclasses import dataclass

from gristmill.runtime.model.document import Kind, Origin, Position
from gristmill.runtime.model.outcome import NO_EVIDENCE, Evidence, OutcomeKind
from gristmill.runtime.model.reason import Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Document x stage; `version` names the rules that decided.

    `decided_at` is not here: the writer stamps it, so that a decision stays a pure value.
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
