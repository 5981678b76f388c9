"""Taking one record through consecutive pure stages, whatever the stages do to it.

A stage that raises costs the record, not the batch: the record is set aside as `unhandled`. One
that needs more than its share of CPU or memory is dropped as `parser_limit`.
"""

import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from gristmill.runtime.model import (
    Decision,
    Document,
    Drop,
    Evidence,
    GristmillError,
    Outcome,
    Poison,
    RawFile,
    Reason,
    Reject,
)
from gristmill.runtime.model.decision import decision_on, documents_after
from gristmill.runtime.ports import Remembers, Stage, UsesParsers

Record = RawFile | Document
NamedStage = tuple[str, Stage]


@dataclass(slots=True)
class Passage:
    """What stages made of one record: the decisions in order, and the documents that go on.

    `failures` holds the traceback of each stage that raised, for the log.
    """

    decisions: list[Decision] = field(default_factory=list)
    documents: list[Document] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Condemned:
    """A record that killed its process at a stage: `crash` says how, unless it was the CPU limit.

    A limit is a decision about the document. A crash is a fault of ours: it is set aside.
    """

    stage: int
    crash: str = ""

    def outcome(self, parser: str) -> Outcome:
        """Return what is decided in the stage's stead; `parser` was at work, if that is known."""
        evidence = Evidence(checker=parser, detail=self.crash)
        return (Reject if self.crash else Drop)(Reason.PARSER_LIMIT, evidence)


def pass_through(
    stages: Sequence[NamedStage],
    record: Record,
    *,
    mark: Callable[[int], None] = lambda _: None,
    condemned: Condemned | None = None,
) -> Passage:
    """Take one record through the stages.

    `mark` is told the number of each stage before it runs; the stage at which the record is
    condemned does not run.
    """
    passage = Passage()
    current: list[Record] = [record]
    for number, (name, stage) in enumerate(stages):
        mark(number)
        following: list[Record] = []
        for item in current:
            at_fault = condemned if condemned and number == condemned.stage else None
            outcome = decide((name, stage), item, passage.failures, at_fault)
            passage.decisions.append(decision_on(item, outcome, stage=name, version=stage.version))
            following.extend(documents_after(outcome))
        current = following
        if not current:
            break
    passage.documents = [item for item in current if isinstance(item, Document)]
    return passage


def decide(
    named: NamedStage, record: Record, failures: list[str], condemned: Condemned | None = None
) -> Outcome:
    """Return what one stage says of one record, whatever it does; `failures` takes tracebacks."""
    name, stage = named
    if condemned is not None:
        # A crash may be the machine's: it is tried again.
        if not condemned.crash and isinstance(stage, Remembers):
            stage.remember_ended(record)
        return condemned.outcome(_parser_of(stage, record))
    try:
        outcome = _only(stage.process([record]))
    except MemoryError:
        detail = "out of memory"
        return Drop(Reason.PARSER_LIMIT, Evidence(checker=_parser_of(stage, record), detail=detail))
    except Poison as error:
        return Reject(error.reason, Evidence(detail=str(error)))
    except GristmillError:
        raise
    except Exception as error:  # noqa: BLE001  # the engine's own guard: a bug costs one record
        where = f"{name}: {record.origin.repository} {record.origin.path!r}"
        failures.append(f"{where}\n{traceback.format_exc()}")
        return Reject(Reason.UNHANDLED, Evidence(detail=f"{type(error).__name__}: {error}"[:300]))
    return outcome


def _parser_of(stage: Stage, record: Record) -> str:
    return stage.parser_of(record) if isinstance(stage, UsesParsers) else ""


def _only(outcomes: Sequence[Outcome]) -> Outcome:
    (outcome,) = outcomes
    if not isinstance(outcome, Outcome):  # a user's stage may answer anything
        raise TypeError(f"a stage answered with {type(outcome).__name__}")
    return outcome
