"""What a worker process makes of the files of a call: each is answered, whatever the stage does."""

from collections.abc import Sequence
from typing import Any

import pytest

from gristmill.runtime.engine.judging import (
    Judging,
    JudgingBatches,
    NotTaken,
    PooledJudge,
    ThreadJudge,
    judge_batch,
)
from gristmill.runtime.engine.passage import Condemned
from gristmill.runtime.engine.worker import READING
from gristmill.runtime.model import Document, Drop, Keep, Outcome, Reason, Unfit
from gristmill.runtime.wire.generated.gristmill.quality.v1 import quality_pb2
from gristmill.runtime.wire.generated.gristmill.v1 import document_pb2, outcome_pb2, verdict_pb2
from gristmill.runtime.wire.judging import decode_source_file, join_verdicts

KEEP, DROP = outcome_pb2.OUTCOME_KIND_KEEP, outcome_pb2.OUTCOME_KIND_DROP
REJECT = outcome_pb2.OUTCOME_KIND_REJECT


class Stage:
    """Drops what is empty, and breaks on what says so."""

    version = "test-1"

    def __init__(self) -> None:
        self.num_batches = 0

    def process(self, batch: Sequence[Document]) -> Sequence[Outcome]:
        self.num_batches += 1
        return [self._decide(document) for document in batch]

    def _decide(self, document: Any) -> Outcome:
        if document.body.content == "bug":
            raise KeyError(document.id)
        return Keep(document) if document.body.content else Drop(Reason.EMPTY)


def source_file(content: str, path: str = "a.py") -> bytes:
    origin = document_pb2.Origin(path=path)
    return verdict_pb2.SourceFile(origin=origin, content=content).SerializeToString()


def request(*files: bytes) -> bytes:
    made = quality_pb2.ScoreRequest()
    for file in files:
        made.files.add().MergeFromString(file)
    return made.SerializeToString()


def read(*judged: Any) -> list[tuple[int, int]]:
    assert all(isinstance(one, bytes) for one in judged), judged
    response = quality_pb2.ScoreResponse.FromString(join_verdicts(judged, "v"))
    return [(one.outcome, one.reason) for one in response.verdicts]


def handle(content: str, condemned: Condemned | None = None) -> Any:
    marks: list[int] = []
    judging = Judging(decode_source_file)
    return judging.handle(source_file(content), [("test", Stage())], marks.append, condemned)


def test_each_file_gets_the_verdict_of_its_stage() -> None:
    assert read(handle("x"), handle(""), handle("bug")) == [
        (KEEP, 0),
        (DROP, outcome_pb2.REASON_EMPTY),
        (REJECT, outcome_pb2.REASON_UNHANDLED),
    ]


def test_a_file_that_ended_its_process_is_not_looked_at_again() -> None:
    limit, crash = Condemned(0), Condemned(0, "killed by SIGSEGV")
    reading = Condemned(READING)
    found = [handle("bug", one) for one in (limit, crash, reading)]
    reason = outcome_pb2.REASON_PARSER_LIMIT
    assert read(*found) == [(DROP, reason), (REJECT, reason), (DROP, reason)]


def test_a_file_that_cannot_be_taken_is_told_apart_from_the_others() -> None:
    judging = Judging(decode_source_file)
    judged = judging.handle(source_file("x", path=""), [("test", Stage())], lambda _: None, None)
    assert judged == NotTaken("origin.path", "gristmill.v1.Origin: path is missing")
    judge = PooledJudge(_no_pool, version="v", num_workers=1, whole=False)
    with pytest.raises(Unfit) as caught:
        judge.answer([b"", judged, judged])
    assert caught.value.field == "files[1].origin.path"


def _no_pool() -> Any:
    raise AssertionError("nothing is submitted here")


def test_a_batch_goes_to_its_stage_at_one_go_and_a_bug_costs_one_file() -> None:
    stage = Stage()
    batches = JudgingBatches()
    good = request(source_file("x"), source_file(""))
    assert read(batches.handle(good, [("test", stage)], lambda _: None, None)) == [
        (KEEP, 0),
        (DROP, outcome_pb2.REASON_EMPTY),
    ]
    assert stage.num_batches == 1
    bad = request(source_file("x"), source_file("bug"), source_file(""))
    assert read(batches.handle(bad, [("test", stage)], lambda _: None, None)) == [
        (KEEP, 0),
        (REJECT, outcome_pb2.REASON_UNHANDLED),
        (DROP, outcome_pb2.REASON_EMPTY),
    ]


def test_a_batch_that_needs_too_much_is_refused_whole() -> None:
    batches = JudgingBatches()
    judged = batches.handle(b"", [("test", Stage())], lambda _: None, Condemned(0))
    judge = PooledJudge(_no_pool, version="v", num_workers=1, whole=True)
    with pytest.raises(Unfit, match="limits") as caught:
        judge.answer([judged])
    assert caught.value.field == "files"


def test_a_batch_names_the_file_that_cannot_be_taken() -> None:
    wrong = request(source_file("x"), source_file("x", path=""))
    judged = JudgingBatches().handle(wrong, [("test", Stage())], lambda _: None, None)
    assert judged == NotTaken("files[1].origin.path", "gristmill.v1.Origin: path is missing")
    with pytest.raises(Unfit):
        judge_batch(wrong, Stage().process)


def test_a_thread_judge_answers_one_after_the_other_and_passes_failures_on() -> None:
    def work(data: bytes) -> bytes:
        if not data:
            raise Unfit("", "nothing")
        return data[::-1]

    judge = ThreadJudge(work)
    try:
        futures = [judge.submit(data) for data in (b"ab", b"", b"cd")]
        assert judge.answer(futures[0].result(20)) == b"ba"
        assert futures[2].result(20) == b"dc"
        assert isinstance(futures[1].exception(20), Unfit)
    finally:
        judge.close()
