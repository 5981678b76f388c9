"""What a stage says of one record: Keep, Drop, Split or Reject, each with its evidence."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from gristmill.runtime.model.pickling import quickly_pickled
from gristmill.runtime.model.reason import Reason

if TYPE_CHECKING:
    from gristmill.runtime.model.document import Document


class OutcomeKind(StrEnum):
    """How a decision is stored; DEAD comes from the engine alone: the record broke a stage."""

    KEEP = "keep"
    DROP = "drop"
    SPLIT = "split"
    REJECT = "reject"
    DEAD = "dead"


@quickly_pickled
@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """The figures behind a decision; None where a figure does not apply.

    `similarity`, `error_share`, `score` and `threshold` run from 0 to 1. `matched_id` names the
    document that a duplicate repeats. `checker` says who ruled on syntax, or whose parser a record
    was too much for. `detail` is a short sentence for people.
    """

    matched_id: str | None = None
    similarity: float | None = None
    error_share: float | None = None
    score: float | None = None
    threshold: float | None = None
    checker: str = ""
    detail: str = ""


NO_EVIDENCE = Evidence()


@dataclass(frozen=True, slots=True)
class Keep:
    """The record goes on, as the document given."""

    document: "Document"
    evidence: Evidence = NO_EVIDENCE


@dataclass(frozen=True, slots=True)
class Drop:
    """The record ends here, for a reason out of the closed list."""

    reason: Reason
    evidence: Evidence = NO_EVIDENCE


@dataclass(frozen=True, slots=True)
class Split:
    """The record becomes several; each goes on by itself."""

    documents: tuple["Document", ...]
    evidence: Evidence = field(default=NO_EVIDENCE)


@dataclass(frozen=True, slots=True)
class Reject:
    """The record can never pass this stage: it is set aside with its bytes (a dead letter)."""

    reason: Reason
    evidence: Evidence = NO_EVIDENCE


Outcome = Keep | Drop | Split | Reject

_KINDS = {
    Keep: OutcomeKind.KEEP,
    Drop: OutcomeKind.DROP,
    Split: OutcomeKind.SPLIT,
    Reject: OutcomeKind.REJECT,
}


def kind_of(outcome: Outcome) -> OutcomeKind:
    """Return what an outcome is called; that a reject was a death is for the ledger to say."""
    return _KINDS[type(outcome)]
