"""One record through consecutive stages: a stage that fails costs the record and nothing else."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from gristmill.runtime.engine.passage import Condemned, pass_through
from gristmill.runtime.model import (
    Document,
    Drop,
    FileText,
    Keep,
    Kind,
    Origin,
    Outcome,
    OutcomeKind,
    Poison,
    Position,
    Reason,
    Split,
    Transient,
)
from gristmill.runtime.model.decision import grammar_at_fault
from gristmill.runtime.ports import Memo

DOCUMENT = Document(
    id="d0",
    kind=Kind.FILE,
    origin=Origin(source="src", repository="repo", path="x.py"),
    position=Position(source="s", offset=0),
    body=FileText(content="x = 1\n", encoding="utf-8"),
    content_sha256="0" * 64,
    size_bytes=6,
)


class Toy:
    """A stage that answers every record by a function, and remembers whom it saw."""

    def __init__(self, decide: Callable[[Any], Outcome] = Keep, version: str = "toy-1") -> None:
        self.version = version
        self.seen: list[str] = []
        self._decide = decide

    def process(self, batch: Sequence[Any]) -> Sequence[Outcome]:
        self.seen.extend(record.id for record in batch)
        return [self._decide(record) for record in batch]


def raising(error: BaseException) -> Toy:
    def decide(_: Any) -> Outcome:
        raise error

    return Toy(decide)


def renamed(suffix: str) -> Callable[[Any], Outcome]:
    return lambda record: Keep(replace(record, id=record.id + suffix))


def test_stages_run_in_order_each_on_what_the_one_before_made() -> None:
    first, second = Toy(renamed("a"), "v1"), Toy(renamed("b"), "v2")
    marks: list[int] = []
    passage = pass_through([("one", first), ("two", second)], DOCUMENT, mark=marks.append)
    assert (first.seen, second.seen) == (["d0"], ["d0a"])
    assert [document.id for document in passage.documents] == ["d0ab"]
    decided = [(one.stage, one.version, one.document_id) for one in passage.decisions]
    assert decided == [("one", "v1", "d0a"), ("two", "v2", "d0ab")]
    assert marks == [0, 1]
    assert passage.failures == []


def test_no_stages_at_all_let_a_document_through() -> None:
    passage = pass_through([], DOCUMENT)
    assert passage.documents == [DOCUMENT]
    assert passage.decisions == []


def test_a_drop_ends_the_way() -> None:
    behind = Toy()
    gate = Toy(lambda _: Drop(Reason.EMPTY))
    passage = pass_through([("gate", gate), ("behind", behind)], DOCUMENT)
    assert [(one.outcome, one.reason) for one in passage.decisions] == [
        (OutcomeKind.DROP, Reason.EMPTY)
    ]
    assert passage.documents == []
    assert behind.seen == []


def test_the_parts_of_a_split_go_on_one_by_one() -> None:
    parts = tuple(replace(DOCUMENT, id=name) for name in ("p1", "p2", "p3"))
    gate = Toy(lambda one: Drop(Reason.EMPTY) if one.id == "p2" else Keep(one))
    passage = pass_through([("cut", Toy(lambda _: Split(parts))), ("gate", gate)], DOCUMENT)
    assert gate.seen == ["p1", "p2", "p3"]
    assert [document.id for document in passage.documents] == ["p1", "p3"]
    assert [(one.document_id, one.outcome) for one in passage.decisions] == [
        ("d0", OutcomeKind.SPLIT),
        ("p1", OutcomeKind.KEEP),
        ("p2", OutcomeKind.DROP),
        ("p3", OutcomeKind.KEEP),
    ]


@pytest.mark.parametrize("error", [ValueError("no such thing"), RecursionError(), KeyError("k")])
def test_unhandled_when_a_stage_raises_with_the_traceback_for_the_log(error: Exception) -> None:
    behind = Toy()
    passage = pass_through([("bad", raising(error)), ("behind", behind)], DOCUMENT)
    (decision,) = passage.decisions
    assert (decision.outcome, decision.reason) == (OutcomeKind.DEAD, Reason.UNHANDLED)
    assert decision.evidence.detail.startswith(type(error).__name__)
    (failure,) = passage.failures
    assert failure.startswith("bad: repo 'x.py'\nTraceback")
    assert type(error).__name__ in failure
    assert behind.seen == []


@pytest.mark.parametrize("answers", [[], [Keep(DOCUMENT), Keep(DOCUMENT)]])
def test_unhandled_when_a_stage_does_not_answer_every_record(answers: list[Outcome]) -> None:
    class Forgetful(Toy):
        def process(self, batch: Sequence[Any]) -> Sequence[Outcome]:
            return answers

    passage = pass_through([("bad", Forgetful())], DOCUMENT)
    assert [one.reason for one in passage.decisions] == [Reason.UNHANDLED]
    assert len(passage.failures) == 1


def test_unhandled_when_a_stage_answers_with_anything_but_an_outcome() -> None:
    nothing: Any = None
    passage = pass_through([("bad", Toy(lambda _: nothing))], DOCUMENT)
    assert [one.reason for one in passage.decisions] == [Reason.UNHANDLED]
    assert "NoneType" in passage.decisions[0].evidence.detail


def test_parser_limit_when_a_stage_runs_out_of_memory() -> None:
    passage = pass_through([("greedy", raising(MemoryError()))], DOCUMENT)
    (decision,) = passage.decisions
    assert (decision.outcome, decision.reason) == (OutcomeKind.DROP, Reason.PARSER_LIMIT)
    assert passage.failures == []


def test_poison_is_a_reject_with_its_own_reason() -> None:
    poison = Poison(Reason.UNDECODABLE, "half a character")
    passage = pass_through([("strict", raising(poison))], DOCUMENT)
    (decision,) = passage.decisions
    assert (decision.outcome, decision.reason) == (OutcomeKind.REJECT, Reason.UNDECODABLE)
    assert decision.evidence.detail == "half a character"
    assert passage.failures == []


def test_errors_that_are_not_the_records_fault_are_passed_on() -> None:
    with pytest.raises(Transient):
        pass_through([("remote", raising(Transient("no answer")))], DOCUMENT)


def test_parser_limit_for_the_condemned_stage_which_does_not_run() -> None:
    first, fatal, behind = Toy(), raising(AssertionError("it ran")), Toy()
    stages = [("first", first), ("fatal", fatal), ("behind", behind)]
    passage = pass_through(stages, DOCUMENT, condemned=Condemned(1))
    assert [(one.stage, one.outcome, one.reason) for one in passage.decisions] == [
        ("first", OutcomeKind.KEEP, None),
        ("fatal", OutcomeKind.DROP, Reason.PARSER_LIMIT),
    ]
    assert passage.documents == []
    assert (first.seen, fatal.seen, behind.seen) == (["d0"], [], [])


def test_parser_limit_names_the_parser_where_the_stage_knows_it() -> None:
    class Parsing(Toy):
        def parser_of(self, record: Document) -> str:
            return f"tree-sitter:{record.origin.path}"

    for condemned in (Condemned(0), Condemned(0, "it crashed")):
        passage = pass_through([("parsing", Parsing())], DOCUMENT, condemned=condemned)
        assert passage.decisions[0].evidence.checker == f"tree-sitter:{DOCUMENT.origin.path}"
        assert grammar_at_fault(passage.decisions[0]) == DOCUMENT.origin.path
    kept = pass_through([("parsing", Parsing())], DOCUMENT)
    assert grammar_at_fault(kept.decisions[0]) == ""


def test_used_up_seconds_are_remembered_where_they_were_and_a_crash_is_not() -> None:
    ended: list[str] = []

    class Remembering(Toy):
        def remember_in(self, memo: Memo, cpu_seconds: float) -> None: ...

        def remember_ended(self, record: Document) -> None:
            ended.append(record.origin.path)

    stages = [("first", Remembering()), ("second", Remembering())]
    for condemned in (None, Condemned(0, "it crashed")):
        pass_through(stages, DOCUMENT, condemned=condemned)
    assert ended == []
    pass_through(stages, DOCUMENT, condemned=Condemned(1))
    assert ended == [DOCUMENT.origin.path]


def test_parser_limit_and_set_aside_for_the_stage_that_crashed_its_process() -> None:
    fatal, crash = raising(AssertionError("it ran")), "ended 3 worker processes: exit status 3"
    passage = pass_through([("fatal", fatal)], DOCUMENT, condemned=Condemned(0, crash))
    (decision,) = passage.decisions
    assert (decision.outcome, decision.reason) == (OutcomeKind.REJECT, Reason.PARSER_LIMIT)
    assert decision.evidence.detail == crash
    assert passage.documents == []
