"""How batches are worked off: in order in one place, or in chunks by worker processes."""

import gc
import logging
import weakref
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import replace
from datetime import UTC, datetime
from threading import Event
from typing import Any

import pytest

from gristmill.runtime.adapters.blobs import blob_reference
from gristmill.runtime.engine.envelope import Answer
from gristmill.runtime.engine.processors import OrderedProcessor, PooledProcessor
from gristmill.runtime.model import Document, Keep, Outcome, OutcomeKind, Reason, Transient
from gristmill.runtime.ports import Delivery, Partition
from gristmill.runtime.wire import (
    decode_decisions,
    encode_body,
    encode_decisions,
    encode_document,
    encode_document_without_body,
)

Mill = Any  # see conftest
MakeDocument = Callable[..., Document]
PATIENCE_SECONDS = 30
MIB = 1 << 20
MOMENT = datetime(2026, 1, 1, tzinfo=UTC)


class Stage:
    """Keeps everything, and does before it what the test plans for a text."""

    version = "stage-1"

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.plan: dict[str, Callable[[], None]] = {}

    def process(self, batch: Sequence[Any]) -> Sequence[Outcome]:
        self.batches.append([document.body.content for document in batch])
        for document in batch:
            self.plan.get(document.body.content, lambda: None)()
        return [Keep(document) for document in batch]


def fail(error: Exception) -> Callable[[], None]:
    def raise_it() -> None:
        raise error

    return raise_it


@pytest.fixture
def stage() -> Stage:
    return Stage()


@pytest.fixture
def ordered(mill: Mill, stage: Stage) -> Iterator[OrderedProcessor]:
    processor = OrderedProcessor(("syntax", stage), mill.envelope)
    yield processor
    processor.close()


@pytest.fixture
def delivered(make_document: MakeDocument) -> Callable[..., list[Delivery]]:
    def make(*texts: str, first: int = 0) -> list[Delivery]:
        return [
            Delivery(
                partition=Partition("gristmill.syntax.v1", 0),
                offset=first + at,
                key=text.encode(),
                value=encode_document(make_document(text, first + at)) if text else b"\xff",
            )
            for at, text in enumerate(texts)
        ]

    return make


Delivered = Callable[..., list[Delivery]]


def result(future: "Future[list[Answer]]") -> list[Answer]:
    return future.result(timeout=PATIENCE_SECONDS)


def told(answers: Sequence[Answer]) -> list[tuple[OutcomeKind, Reason | None]]:
    return [(outcome, reason) for answer in answers for _, outcome, reason in answer.outcomes]


KEPT = (OutcomeKind.KEEP, None)


def test_a_batch_is_decided_as_one_and_answered_in_order(
    ordered: OrderedProcessor, stage: Stage, delivered: Delivered
) -> None:
    answers = result(ordered.submit(delivered("a", "b", "c")))
    assert stage.batches == [["a", "b", "c"]]
    assert told(answers) == [KEPT] * 3
    assert [answer.messages[0].topic for answer in answers] == ["gristmill.next.v1"] * 3
    (decision,) = decode_decisions(answers[1].decisions + encode_decisions([], MOMENT))[0]
    assert (decision.origin.path, decision.stage, decision.version) == (
        "1.py",
        "syntax",
        "stage-1",
    )


def test_unreadable_costs_one_record(
    ordered: OrderedProcessor, stage: Stage, delivered: Delivered
) -> None:
    answers = result(ordered.submit(delivered("a", "", "c")))
    assert told(answers) == [KEPT, (OutcomeKind.REJECT, Reason.UNREADABLE), KEPT]
    assert stage.batches == [["a", "c"]]
    assert result(ordered.submit(delivered("")))[0].dead is not None


def test_unhandled_costs_one_record_because_each_is_tried_alone(
    ordered: OrderedProcessor, stage: Stage, delivered: Delivered
) -> None:
    stage.plan["b"] = fail(ZeroDivisionError("b"))
    answers = result(ordered.submit(delivered("a", "b", "", "c")))
    dead = (OutcomeKind.DEAD, Reason.UNHANDLED)
    assert told(answers) == [KEPT, dead, (OutcomeKind.REJECT, Reason.UNREADABLE), KEPT]
    assert stage.batches == [["a", "b", "c"], ["a"], ["b"], ["c"]]
    assert "ZeroDivisionError" in answers[1].failures[0]
    assert answers[1].dead is not None


def test_unhandled_when_a_stage_forgets_a_record(
    ordered: OrderedProcessor, stage: Stage, delivered: Delivered, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stage, "process", lambda batch: [])
    answers = result(ordered.submit(delivered("a")))
    assert told(answers) == [(OutcomeKind.DEAD, Reason.UNHANDLED)]


def test_unhandled_when_what_a_stage_answers_cannot_be_written(
    ordered: OrderedProcessor, stage: Stage, delivered: Delivered, monkeypatch: pytest.MonkeyPatch
) -> None:
    def half(batch: Sequence[Document]) -> list[Outcome]:
        return [Keep(replace(one, id="\ud800") if one.size_bytes == 2 else one) for one in batch]

    monkeypatch.setattr(stage, "process", half)
    answers = result(ordered.submit(delivered("a", "bb", "c")))
    assert told(answers) == [KEPT, (OutcomeKind.DEAD, Reason.UNHANDLED), KEPT]
    assert answers[1].dead is not None
    assert "cannot be written" in answers[1].dead[1]


def test_nothing_overtakes_a_batch_that_has_to_come_again(
    ordered: OrderedProcessor, stage: Stage, delivered: Delivered
) -> None:
    stage.plan["b"] = fail(Transient("no answer"))
    futures = [ordered.submit(delivered(text)) for text in ("a", "b", "c", "d")]
    assert told(result(futures[0])) == [KEPT]
    for future in futures[1:]:
        with pytest.raises(Transient, match="no answer"):
            result(future)
    assert stage.batches == [["a"], ["b"]]
    del stage.plan["b"]
    ordered.reset()
    for text in ("b", "c", "d"):
        assert told(result(ordered.submit(delivered(text)))) == [KEPT]
    assert stage.batches[2:] == [["b"], ["c"], ["d"]]


def test_a_batch_that_runs_while_the_processor_is_reset_overtakes_nothing(
    mill: Mill, ordered: OrderedProcessor, stage: Stage, delivered: Delivered
) -> None:
    """The batch behind the failed one has left the queue and has not looked yet."""
    stage.plan["a"] = fail(Transient("no answer"))
    looked, go_on = Event(), Event()
    work = ordered._work

    def late(*arguments: Any) -> list[Answer]:
        looked.set()
        assert go_on.wait(PATIENCE_SECONDS)
        return work(*arguments)

    first = ordered.submit(delivered("a"))
    with pytest.raises(Transient):
        result(first)
    ordered._work = late  # type: ignore[method-assign]
    behind = ordered.submit(delivered("b"))
    assert looked.wait(PATIENCE_SECONDS)
    ordered._work = work  # type: ignore[method-assign]
    assert not behind.cancel()
    ordered.reset()
    go_on.set()
    with pytest.raises(Transient):
        result(behind)
    assert stage.batches == [["a"]]


def test_a_blob_out_of_reach_is_no_fault_of_the_record(
    mill: Mill, ordered: OrderedProcessor, delivered: Delivered, make_document: MakeDocument
) -> None:
    body = encode_body(make_document("z").body)
    reference = blob_reference(body, mill.clock.now())
    (one,) = delivered("z")
    one = replace(one, value=encode_document_without_body(make_document("z"), reference))
    mill.blobs.silent = True
    with pytest.raises(Transient):
        result(ordered.submit([one]))
    mill.blobs.silent = False
    ordered.reset()
    (answer,) = result(ordered.submit([one]))
    assert told([answer]) == [(OutcomeKind.REJECT, Reason.UNREADABLE)]  # it is gone for good
    ordered.reset()
    mill.blobs.put(reference, body)
    (answer,) = result(ordered.submit([one]))
    assert answer.messages[0].value == one.value


def test_condemned_is_set_aside_unseen(
    ordered: OrderedProcessor, stage: Stage, delivered: Delivered
) -> None:
    answer = ordered.condemn(delivered("a")[0], "its worker died at it")
    assert answer.dead == (Reason.UNHANDLED, "its worker died at it")
    assert answer.messages == ()
    assert stage.batches == []


def test_close_ends_behind_what_is_in_work(ordered: OrderedProcessor, delivered: Delivered) -> None:
    future = ordered.submit(delivered("a"))
    ordered.close()
    ordered.close()
    assert future.done()


# --- in worker processes --------------------------------------------------------------------------


class HeldPool:
    """A pool whose chunks are finished by the test."""

    def __init__(self) -> None:
        self.chunks: list[tuple[Sequence[Delivery], Future[list[Answer]]]] = []
        self.closed = False

    def submit(self, segment: int, items: Sequence[Delivery]) -> "Future[list[Answer]]":
        assert segment == 0
        self.chunks.append((items, Future()))
        return self.chunks[-1][1]

    def finish(self, number: int) -> None:
        items, future = self.chunks[number]
        future.set_result([Answer(decisions=one.key) for one in items])

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def pool() -> HeldPool:
    return HeldPool()


@pytest.fixture
def pooled(mill: Mill, pool: Any) -> PooledProcessor:
    return PooledProcessor(pool, mill.envelope, "stage-1")


def small(count: int, size: int = 1) -> list[Delivery]:
    partition = Partition("gristmill.syntax.v1", 0)
    return [
        Delivery(partition=partition, offset=at, key=b"%d" % at, value=b"x" * size)
        for at in range(count)
    ]


@pytest.mark.parametrize(
    ("batch", "sizes"),
    [
        (small(1), [1]),
        (small(64), [64]),
        (small(130), [64, 64, 2]),
        (small(5, MIB), [1] * 5),
        (small(5, MIB // 2), [2, 2, 1]),
    ],
    ids=["one", "a chunk", "many", "large", "half"],
)
def test_a_batch_is_cut_by_records_and_bytes(
    pooled: PooledProcessor, pool: HeldPool, batch: list[Delivery], sizes: list[int]
) -> None:
    pooled.submit(batch)
    assert [len(items) for items, _ in pool.chunks] == sizes
    assert [one for items, _ in pool.chunks for one in items] == batch


def test_answers_come_in_order_however_the_chunks_end(
    pooled: PooledProcessor, pool: HeldPool
) -> None:
    future = pooled.submit(small(200))
    for number in (2, 0, 3):
        pool.finish(number)
        assert not future.done()
    pool.finish(1)
    assert [answer.decisions for answer in result(future)] == [b"%d" % at for at in range(200)]


def test_a_chunk_that_fails_fails_the_batch_when_all_have_ended(
    pooled: PooledProcessor, pool: HeldPool
) -> None:
    future = pooled.submit(small(130))
    pool.chunks[1][1].set_exception(Transient("no answer"))
    pool.finish(0)
    assert not future.done()
    pool.finish(2)
    with pytest.raises(Transient, match="no answer"):
        result(future)


def test_a_batch_that_was_given_up_ends_without_a_word(
    pooled: PooledProcessor, pool: HeldPool, caplog: pytest.LogCaptureFixture
) -> None:
    future = pooled.submit(small(1))
    assert future.cancel()
    with caplog.at_level(logging.DEBUG):
        pool.finish(0)
    assert caplog.records == []
    assert future.cancelled()


@pytest.mark.parametrize("given_up", [False, True], ids=["answered", "given up"])
def test_nothing_holds_the_answers_of_a_batch_that_is_done(
    pooled: PooledProcessor, pool: HeldPool, *, given_up: bool
) -> None:
    gc.disable()  # circles would be found sooner or later: there shall be none
    try:
        future = pooled.submit(small(130))
        if given_up:
            future.cancel()
        for number in range(3):
            pool.finish(number)
        held = [weakref.ref(chunk) for _, chunk in pool.chunks]
        pool.chunks.clear()
        del future
        assert [one() for one in held] == [None, None, None]
    finally:
        gc.enable()


def test_close_ends_the_pool(pooled: PooledProcessor, pool: HeldPool) -> None:
    pooled.reset()
    assert pooled.condemn(small(1)[0], "three deaths").dead == (Reason.UNHANDLED, "three deaths")
    pooled.close()
    assert pool.closed
