"""The streaming worker over the log in memory: whatever happens, each record counts once."""

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gristmill.runtime.adapters.blobs import blob_reference
from gristmill.runtime.adapters.memory_log import (
    Abort,
    Crashed,
    End,
    Pause,
    Step,
    Unknown,
    Unnoted,
    Yield,
)
from gristmill.runtime.engine.attempts import Mark
from gristmill.runtime.engine.envelope import LEDGER_BYTES, ledger_messages, weight_of
from gristmill.runtime.engine.processors import OrderedProcessor
from gristmill.runtime.model import Fatal, OutcomeKind, Reason
from gristmill.runtime.ports import Delivery, Message, Partition
from gristmill.runtime.wire import (
    blob_of_document,
    decode_decisions,
    encode_body,
    encode_decisions,
    encode_document,
    encode_document_without_body,
)

Mill = Any  # see conftest
MakeMill = Callable[..., Any]
KIB = 1 << 10


def texts(count: int, prefix: str = "x") -> list[str]:
    return [f"{prefix}{number}" for number in range(count)]


def decided(mill: Mill) -> list[tuple[str, OutcomeKind]]:
    """Return per decision where the record was found, and what became of it."""
    return [(one.origin.path, one.outcome) for one in mill.decisions()]


def keys(deliveries: list[Delivery]) -> list[str]:
    return [one.key.decode() for one in deliveries]


# --- answering once -------------------------------------------------------------------------------


def test_every_record_is_answered_once_with_its_decision(mill: Mill) -> None:
    fed = mill.feed("a", "drop b", "split c", "d")
    mill.finish(mill.worker())
    assert mill.outputs() == ["a", "split c/0", "split c/1", "d"]
    kinds = [OutcomeKind.KEEP, OutcomeKind.DROP, OutcomeKind.SPLIT, OutcomeKind.KEEP]
    assert decided(mill) == [(one.origin.path, kind) for one, kind in zip(fed, kinds, strict=True)]
    assert mill.letters() == []
    (ledger,) = mill.broker.records("gristmill.ledger.v1")
    assert decode_decisions(ledger.value)[1] == mill.clock.now()


def test_a_batch_is_one_transaction_of_bounded_size(mill: Mill) -> None:
    mill.feed(*texts(10))
    mill.finish(mill.worker(batch_records=4))
    assert [len(batch) for batch in mill.processors[0].batches] == [4, 4, 2]
    assert len(mill.broker.records("gristmill.ledger.v1")) == 3
    assert mill.outputs() == texts(10)


def test_what_passes_unchanged_keeps_its_bytes(mill: Mill) -> None:
    newer = b"\xa2\x1f\x05later"  # a field that only a later version knows
    mill.feed_bytes(("a", encode_document(mill.feed("dummy")[0]) + newer))
    mill.finish(mill.worker())
    assert mill.broker.records("gristmill.next.v1")[1].value.endswith(newer)


@pytest.mark.parametrize(
    "steps",
    [
        [Abort()],
        [Abort(), Abort(), Abort()],
        [Unknown(applied=True)],
        [Unknown(applied=False)],
        [Unknown(applied=False), Unknown(applied=True), Abort()],
        [Unnoted(applied=True)],
        [Unnoted(applied=False)],
        [Pause(3), Yield(2), Abort(), Pause(1), Yield(1), Unknown(applied=True)],
    ],
    ids=repr,
)
def test_a_transaction_that_fails_or_nobody_knows_doubles_and_loses_nothing(
    mill: Mill, steps: list[Step]
) -> None:
    mill.feed(*texts(7))
    mill.broker.script("one", steps)
    mill.finish(mill.worker(batch_records=3))
    assert mill.outputs() == texts(7)
    assert len(mill.decisions()) == 7


@pytest.mark.parametrize(
    "steps",
    [
        [End()],
        [Yield(3), End()],
        [Yield(3), End(applied=True)],
        [Yield(2), End(), Yield(1), End(applied=True), Yield(4), Abort(), End()],
    ],
    ids=repr,
)
def test_a_process_that_dies_doubles_and_loses_nothing(mill: Mill, steps: list[Step]) -> None:
    mill.feed(*texts(9))
    mill.broker.script("one", steps)
    assert mill.live_through(batch_records=4) == sum(isinstance(one, End) for one in steps)
    assert mill.outputs() == texts(9)
    assert len(mill.decisions()) == 9
    assert mill.letters() == []


def test_while_the_group_is_arranged_anew_nothing_is_answered_and_then_it_is(
    wide_mill: Mill,
) -> None:
    wide_mill.feed("a")
    wide_mill.feed("b", partition=1)
    one = wide_mill.worker("one")
    processor = wide_mill.processors[0]
    processor.held = []
    one.step()
    other = wide_mill.broker.log(
        group="gristmill.syntax", instance="two", topics=["gristmill.syntax.v1"]
    )
    other.poll(0)
    processor.release()
    one._commit_oldest()  # before any poll has told
    assert wide_mill.outputs() == []
    one.step()
    assert wide_mill.outputs() == ["a"]


def test_answers_of_lost_partitions_are_not_committed(wide_mill: Mill) -> None:
    wide_mill.feed("a0", "a1")
    wide_mill.feed("b0", "b1", partition=1)
    one = wide_mill.worker("one", batch_records=3)
    processor = wide_mill.processors[0]
    processor.held = []
    one.step()
    assert [keys(batch) for batch in processor.batches] == [["a0", "a1", "b0"], ["b1"]]
    two = wide_mill.worker("two")
    two.step()  # joins
    one.step()  # is told
    two.step()  # has it now
    assert wide_mill.outputs() == ["b0", "b1"]
    processor.release()
    one.step()
    assert wide_mill.outputs() == ["b0", "b1", "a0", "a1"]
    wide_mill.finish(one, two)
    assert len(wide_mill.decisions()) == 4


def test_records_of_lost_partitions_that_wait_are_not_begun(wide_mill: Mill) -> None:
    wide_mill.feed("a0", "a1")
    wide_mill.feed("b0", "b1", partition=1)
    one = wide_mill.worker("one", batch_records=2, inflight_bytes=1)
    processor = wide_mill.processors[0]
    processor.held = []
    one.step()
    two = wide_mill.worker("two")
    two.step()
    one.step()
    two.step()
    assert wide_mill.outputs() == ["b0", "b1"]
    processor.release()
    for _ in range(3):
        one.step()
    assert [keys(batch) for batch in processor.batches] == [["a0", "a1"]]
    wide_mill.finish(one, two)
    assert wide_mill.outputs() == ["b0", "b1", "a0", "a1"]


def test_a_worker_whose_place_was_taken_stops_and_changes_nothing(mill: Mill) -> None:
    mill.feed("a")
    old = mill.worker()
    mill.processors[0].held = []
    old.step()
    mill.worker().step()
    assert mill.outputs() == ["a"]
    mill.processors[0].release()
    with pytest.raises(Fatal, match="took the place"):
        old.step()
    assert mill.outputs() == ["a"]


def test_batches_behind_one_that_was_rewound_are_given_up_as_well(mill: Mill) -> None:
    mill.feed(*texts(6))
    mill.broker.script("one", [Abort()])
    worker = mill.worker(batch_records=2)
    mill.processors[0].held = []
    worker.step()
    assert len(mill.processors[0].batches) == 3
    given_up = [future for future, _ in mill.processors[0].held]
    mill.processors[0].release()
    worker.step()
    assert mill.processors[0].resets == 1
    assert [future.cancelled() for future in given_up[1:]] == [True, True]
    mill.processors[0].held = None
    mill.finish(worker)
    assert mill.outputs() == texts(6)


def test_an_idle_topic_of_transactions_shows_no_lag(mill: Mill) -> None:
    before = mill.broker.log(group="before", instance="before", topics=["gristmill.dead.v1"])
    before.poll(0)
    value = encode_document(mill.feed("dummy")[0])
    assert before.transact([Message(topic="gristmill.syntax.v1", key=b"k", value=value)], {})
    worker = mill.worker()
    mill.finish(worker)
    for _ in range(2):
        mill.clock.seconds += 2
        worker.step()
    assert mill.stands() == 3  # two records and the marker
    lag = mill.metrics.gauges["gristmill_lag_records", "syntax", "gristmill.syntax.v1"]
    assert lag == 0


def test_a_worker_that_has_lost_its_partitions_tells_no_lag_of_them(wide_mill: Mill) -> None:
    wide_mill.feed("a")
    wide_mill.feed("b", partition=1)
    one = wide_mill.worker("one")
    wide_mill.processors[0].held = []
    one.step()
    lag = ("gristmill_lag_records", "syntax", "gristmill.syntax.v1")
    assert wide_mill.metrics.gauges[lag] == 2
    wide_mill.broker.expire("gristmill.syntax", "one")
    topics = ["gristmill.syntax.v1"]
    other = wide_mill.broker.log(group="gristmill.syntax", instance="a", topics=topics)
    third = wide_mill.broker.log(group="gristmill.syntax", instance="b", topics=topics)
    for _ in range(3):
        other.poll(0)
        third.poll(0)
        wide_mill.clock.seconds += 2
        one.step()
    assert not one._log.assignment()
    assert wide_mill.metrics.gauges[lag] == 0
    assert wide_mill.metrics.counts["gristmill_rebalances_total", "syntax"] >= 2


def test_partitions_that_were_away_for_a_moment_count_as_a_rebalance(mill: Mill) -> None:
    mill.feed("a")
    worker = mill.worker()
    mill.finish(worker)
    before = mill.metrics.counts["gristmill_rebalances_total", "syntax"]
    worker._forget(worker._log.assignment())  # taken and given back between two looks
    mill.clock.seconds += 2
    worker.step()
    assert mill.metrics.counts["gristmill_rebalances_total", "syntax"] == before + 1


def test_documents_count_when_they_are_committed(mill: Mill) -> None:
    mill.feed("a", "drop b")
    mill.broker.script("one", [Abort(), Unknown(applied=False)])
    mill.finish(mill.worker())
    counts = mill.metrics.counts
    assert counts["gristmill_documents_total", "syntax", "keep", ""] == 1
    assert counts["gristmill_documents_total", "syntax", "drop", "generated"] == 1
    assert counts["gristmill_transactions_total", "syntax", "rewound"] == 2
    assert counts["gristmill_transactions_total", "syntax", "committed"] == 1


# --- what cannot pass -----------------------------------------------------------------------------


def test_undecodable_is_set_aside_with_its_own_bytes_headers_and_position(mill: Mill) -> None:
    mill.feed("a", "poison b", "c")
    (_, sent, _) = mill.broker.records("gristmill.syntax.v1")
    mill.finish(mill.worker())
    assert mill.outputs() == ["a", "c"]
    (letter,) = mill.letters()
    assert (letter.key, letter.value) == (sent.key, sent.value)
    told = {name: value.decode() for name, value in letter.headers}
    assert told.pop("dead-at").startswith("2026-01-01T")
    assert told == {
        "trace": "poison b",
        "dead-stage": "syntax",
        "dead-version": "toy-1",
        "dead-reason": "undecodable",
        "dead-detail": "half a character",
        "dead-topic": "gristmill.syntax.v1",
        "dead-partition": "0",
        "dead-offset": "1",
    }
    aside = mill.decisions()[1]
    assert (aside.outcome, aside.reason) == (OutcomeKind.REJECT, Reason.UNDECODABLE)
    assert mill.metrics.counts["gristmill_dead_letters_total", "syntax", "undecodable"] == 1


def test_unreadable_is_set_aside_and_the_rest_passes(mill: Mill) -> None:
    mill.feed("a")
    mill.feed_bytes(("broken", b"\xff\xff"), ("empty", b""))
    mill.feed("b")
    mill.broker.script("one", [Abort(), Unknown(applied=True)])
    mill.finish(mill.worker())
    assert mill.outputs() == ["a", "b"]
    assert [(one.key, one.value) for one in mill.letters()] == [
        (b"broken", b"\xff\xff"),
        (b"empty", b""),
    ]
    aside = [one for one in mill.decisions() if one.outcome is OutcomeKind.REJECT]
    assert [(one.reason, one.origin.path) for one in aside] == [
        (Reason.UNREADABLE, "0/1"),
        (Reason.UNREADABLE, "0/2"),
    ]
    assert {one.position.source for one in aside} == {"cluster/topic/0"}


def test_what_a_parser_has_no_memory_for_is_counted_by_grammar(mill: Mill) -> None:
    mill.feed("a", "swell", "swell more", "drop b")
    mill.finish(mill.worker())
    counts = mill.metrics.counts
    assert counts["gristmill_quarantined_total", "toy"] == 2
    assert counts["gristmill_documents_total", "syntax", "drop", "parser_limit"] == 2
    assert [one.evidence.checker for one in mill.decisions()] == [
        *("", "tree-sitter:toy", "tree-sitter:toy", "")
    ]


@pytest.mark.parametrize("text", ["explode", "nan"])
def test_unhandled_is_set_aside_and_the_rest_passes(mill: Mill, text: str) -> None:
    mill.feed("a", text, "b")
    mill.finish(mill.worker())
    assert mill.outputs() == ["a", "b"]
    (letter,) = mill.letters()
    assert dict(letter.headers)["dead-reason"] == b"unhandled"
    assert mill.decisions()[1].outcome is OutcomeKind.DEAD


def test_too_much_to_set_aside_stops_the_worker_and_none_of_it_is_committed(mill: Mill) -> None:
    mill.feed(*texts(30), *texts(4, "explode "))
    worker = mill.worker(batch_records=30, dead_allowed=3, max_dead_share=0.1)
    with pytest.raises(Fatal, match="4 of the last 34 records"):
        mill.finish(worker)
    assert mill.outputs() == texts(30)
    assert mill.stands() == 30
    assert mill.letters() == []


def test_a_share_of_letters_that_bad_data_has_does_not_stop_it(mill: Mill) -> None:
    mill.feed(*(text for number in range(40) for text in (f"poison {number}", *texts(24))))
    mill.finish(mill.worker(batch_records=50, dead_allowed=5, max_dead_share=0.05))
    assert len(mill.letters()) == 40


def test_letters_of_long_ago_do_not_count(mill: Mill) -> None:
    mill.feed(*texts(10, "poison "), *texts(1100), *texts(10, "poison "))
    mill.finish(mill.worker(batch_records=50, dead_allowed=12, max_dead_share=0.0))
    assert len(mill.letters()) == 20


# --- deaths ---------------------------------------------------------------------------------------


def test_crash_pill_is_set_aside_after_four_deaths_and_all_others_pass(mill: Mill) -> None:
    mill.feed("a", "b", "pill", "c", "d")
    mill.deadly.add(b"pill")
    assert mill.live_through(batch_records=10) == 4
    assert mill.outputs() == ["a", "b", "c", "d"]
    (letter,) = mill.letters()
    assert letter.key == b"pill"
    detail = b"its worker died at it four times, twice with nothing else in work"
    assert dict(letter.headers)["dead-detail"] == detail
    assert decided(mill)[2] == ("0/2", OutcomeKind.DEAD)
    assert Mark.read(mill.broker.committed("gristmill.syntax").popitem()[1].note).deaths == 0


def test_crash_pill_that_workers_die_at_in_turns_is_set_aside(mill: Mill) -> None:
    """Each is away for longer than its session, so that the next finds a stranger's mark."""
    mill.feed("a", "pill", "b")
    mill.deadly.add(b"pill")
    deaths = 0
    while not mill.is_done():
        name = ("one", "two", "three")[deaths % 3]
        try:
            mill.finish(mill.worker(name))
        except Crashed:
            deaths += 1
            assert deaths <= 4
            mill.broker.expire("gristmill.syntax", name)
    assert sorted(mill.outputs()) == ["a", "b"]
    assert [one.key for one in mill.letters()] == [b"pill"]


def test_an_end_in_order_while_the_log_is_away_sets_nothing_aside(
    mill: Mill, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its marks cannot be taken back then, and the next starts find them."""
    mill.feed("a", "b")
    for _ in range(4):
        worker = mill.worker(batch_records=1)
        transact = mill.logs[-1].transact

        def outage(*told: Any, transact: Any = transact) -> bool:
            mill.broker.silent = True
            return bool(transact(*told))

        monkeypatch.setattr(mill.logs[-1], "transact", outage)
        worker.step()
        worker.stop()
        worker.run(lambda: None)
        assert mill.broker.silent
        mill.broker.silent = False
    mill.finish(mill.worker(batch_records=1))
    assert mill.letters() == []
    assert sorted(mill.outputs()) == ["a", "b"]


def test_crash_pill_beside_another_is_set_aside_as_well(wide_mill: Mill) -> None:
    wide_mill.feed("a", "pill 1", "b", "pill 2", "c")
    wide_mill.feed("d", "pill 3", "e", partition=1)
    wide_mill.deadly |= {b"pill 1", b"pill 2", b"pill 3"}
    assert wide_mill.live_through(batch_records=3) <= 16
    assert sorted(wide_mill.outputs()) == ["a", "b", "c", "d", "e"]
    assert sorted(one.key for one in wide_mill.letters()) == [b"pill 1", b"pill 2", b"pill 3"]


def test_after_two_deaths_records_are_taken_one_by_one_and_then_together_again(
    mill: Mill,
) -> None:
    mill.broker.script("one", [Yield(3), End(), Yield(3), End()])
    mill.feed(*texts(8))
    assert mill.live_through() == 2
    assert [keys(batch) for batch in mill.processors[-1].batches] == [
        ["x0"],
        ["x1"],
        ["x2"],
        texts(8)[3:],
    ]
    assert mill.letters() == []


def test_kills_from_outside_at_different_places_set_nothing_aside(mill: Mill) -> None:
    mill.feed(*texts(12))
    kill = [Yield(2), End(), Yield(2), Yield(2), End(), Yield(1), End(), Yield(1), Yield(1)]
    mill.broker.script("one", kill * 3)
    mill.live_through(batch_records=2)
    assert mill.outputs() == texts(12)
    assert mill.letters() == []


def test_a_transaction_that_fails_is_no_death(mill: Mill) -> None:
    mill.feed("a", "b")
    mill.broker.script("one", [End(), Yield(2), End(), Yield(2), End(), *[Abort()] * 5])
    mill.live_through()
    assert mill.outputs() == ["a", "b"]
    assert mill.letters() == []


def test_a_bug_in_the_engine_counts_as_a_death_and_a_planned_end_does_not(mill: Mill) -> None:
    mill.feed("a", "b")

    def bug() -> None:
        raise RuntimeError("a bug")

    def live(beat: Callable[[], None], *, stopped: bool) -> None:
        worker = mill.worker()
        mill.processors[-1].held = []
        worker.step()
        if stopped:
            worker.stop()
        mill.clock.step_seconds = 30.0  # nothing that is in work is waited for
        try:
            worker.run(beat)
        finally:
            mill.clock.step_seconds = 0.0

    for _ in range(3):
        live(lambda: None, stopped=True)
    with pytest.raises(RuntimeError, match="a bug"):
        live(bug, stopped=False)
    live(lambda: None, stopped=True)
    with pytest.raises(RuntimeError, match="a bug"):
        live(bug, stopped=False)
    mill.finish(mill.worker())
    assert [keys(batch) for batch in mill.processors[-1].batches] == [["a"], ["b"]]
    assert mill.letters() == []


def test_an_end_that_is_fatal_is_no_death(mill: Mill) -> None:
    mill.feed("a", "explode")
    for _ in range(4):
        with pytest.raises(Fatal, match="to be set aside"):
            mill.worker(dead_allowed=0, max_dead_share=0.0).run(lambda: None)
    mill.finish(mill.worker())
    assert [keys(batch) for batch in mill.processors[-1].batches] == [["a", "explode"]]


def test_records_to_be_taken_alone_are_not_taken_behind_others(wide_mill: Mill) -> None:
    wide_mill.feed("p", "q", partition=1)
    wide_mill.broker.script("one", [Yield(2), End(), Yield(2), End()])
    for _ in range(2):
        with pytest.raises(Crashed):
            wide_mill.finish(wide_mill.worker())
    wide_mill.feed("a", "b")
    wide_mill.finish(wide_mill.worker())
    assert [keys(batch) for batch in wide_mill.processors[-1].batches] == [
        ["a", "b"],
        ["p"],
        ["q"],
    ]


# --- pace -----------------------------------------------------------------------------------------


def test_what_is_in_work_is_bounded_in_bytes_and_polls_go_on(mill: Mill) -> None:
    mill.broker.script("one", [Yield(1)] * 30)
    fed = mill.feed(*texts(20))
    size = len(encode_document(fed[0]))
    worker = mill.worker(inflight_bytes=4 * (size + 1024), batch_records=1)  # as much beside each
    processor = mill.processors[0]
    processor.held = []
    for _ in range(10):
        worker.step()
        assert mill.metrics.gauges.get(("gristmill_inflight_bytes", "syntax"), 0) <= 5 * size
    assert 4 <= len(processor.batches) <= 5
    mill.clock.seconds += 2
    worker.step()
    assert mill.metrics.gauges["gristmill_paused", "syntax"] == 1
    processor.release()
    worker.step()
    worker.step()
    assert len(processor.batches) <= 6
    while processor.held:
        processor.release()
    processor.held = None
    mill.finish(worker)
    assert mill.outputs() == texts(20)


def test_what_is_in_work_is_bounded_in_records_and_so_is_what_two_deaths_cost(mill: Mill) -> None:
    mill.broker.script("one", [Yield(40), End(), Yield(40), End()])
    mill.feed(*texts(40))
    for _ in range(2):
        worker = mill.worker(batch_records=2)
        mill.processors[-1].held = []
        with pytest.raises(Crashed):
            mill.finish(worker)
        assert [len(batch) for batch in mill.processors[-1].batches] == [2, 2, 2, 2]
    mill.finish(mill.worker(batch_records=2))
    assert [len(batch) for batch in mill.processors[-1].batches] == 8 * [1] + 16 * [2]
    assert mill.outputs() == texts(40)


def test_records_wait_for_company_only_while_others_are_in_work(mill: Mill) -> None:
    mill.broker.script("one", [Yield(1)] * 4)
    mill.feed(*texts(4))
    worker = mill.worker(linger_seconds=1.0)
    processor = mill.processors[0]
    processor.held = []
    for _ in range(3):
        worker.step()
    assert [keys(batch) for batch in processor.batches] == [["x0"]]
    mill.clock.seconds += 1
    worker.step()
    assert [keys(batch) for batch in processor.batches] == [["x0"], ["x1", "x2", "x3"]]


def test_an_outage_of_the_blob_store_pauses_and_then_goes_on_in_order(mill: Mill) -> None:
    body = encode_body(mill.feed("a")[0].body)
    (document,) = mill.feed("z")
    reference = blob_reference(body, mill.clock.now())
    mill.blobs.put(reference, body)
    mill.feed_bytes(("blob", encode_document_without_body(document, reference)))
    mill.feed("b", "c")
    mill.blobs.silent = True
    ordered = OrderedProcessor(("syntax", mill.stage), mill.envelope)
    try:
        worker = mill.worker(processor=ordered, batch_records=1)
        log = mill.logs[0]
        for _ in range(100_000):  # a thread is at work
            worker.step()
            if log._paused:
                break
        assert log._paused
        done = mill.outputs()
        assert done in (["a"], ["a", "z"])
        for _ in range(20):  # the group is kept, nothing comes
            worker.step()
        assert mill.outputs() == done
        mill.blobs.silent = False
        mill.stage.seen.clear()
        wait_until_done(mill, worker)
    finally:
        ordered.close()
    assert mill.outputs() == ["a", "z", "a", "b", "c"]
    assert mill.stage.seen == ["a", "z", "a", "b", "c"][len(done) :]
    assert mill.letters() == []


def wait_until_done(mill: Mill, worker: Any) -> None:
    """Take turns while a thread works; the fake clock stands in for the time it takes."""
    for _ in range(100_000):
        worker.step()
        mill.clock.seconds += 0.01
        if mill.is_done():
            return
    raise AssertionError("it does not come to an end")


def test_longer_and_longer_pauses_until_it_works_again(mill: Mill) -> None:
    body = encode_body(mill.feed("a")[0].body)
    reference = blob_reference(body, mill.clock.now())
    (document,) = mill.feed("b")
    mill.feed_bytes(("blob", encode_document_without_body(document, reference)))
    mill.blobs.silent = True
    worker = mill.worker(batch_records=1)
    tries = []
    for _ in range(200):
        before = mill.processors[0].resets
        worker.step()
        if mill.processors[0].resets > before:
            tries.append(mill.clock.seconds)
        mill.clock.seconds += 0.25
    pauses = [later - earlier for earlier, later in pairwise(tries)]
    # One turn more than the pause: the poll that ends it brings nothing yet.
    assert pauses[:4] == [0.75, 1.25, 2.25, 5.25]
    assert set(pauses[4:]) == {10.25}


# --- stopping -------------------------------------------------------------------------------------


def test_what_is_in_work_is_finished_and_the_rest_left(mill: Mill) -> None:
    mill.broker.script("one", [Yield(4)])
    mill.feed(*texts(6))
    worker = mill.worker(batch_records=2, inflight_bytes=1)
    processor = mill.processors[0]
    processor.held = []
    worker.step()
    worker.stop()
    worker.run(lambda: processor.release() if processor.held else None)
    assert mill.outputs() == ["x0", "x1"]
    assert mill.stands() == 2
    mill.finish(mill.worker())
    assert mill.outputs() == texts(6)


def test_a_stop_does_not_wait_longer_than_its_deadline(mill: Mill) -> None:
    mill.feed("a")
    worker = mill.worker(drain_seconds=20.0)
    mill.processors[0].held = []
    worker.step()
    worker.stop()
    mill.clock.step_seconds = 0.5
    begin = mill.clock.seconds
    worker.run(lambda: None)
    assert 15 <= mill.clock.seconds - begin <= 20
    assert "work left to the next start" in mill.events.said
    assert mill.outputs() == []
    mill.clock.step_seconds = 0
    mill.finish(mill.worker())
    assert mill.outputs() == ["a"]


def test_a_stop_in_doubt_moves_no_place_back(mill: Mill) -> None:
    mill.feed("a", "b", "c")
    steps = [Yield(3), End(), Yield(3), End(), Unknown(applied=True)]
    mill.broker.script("one", steps)
    for _ in range(2):
        with pytest.raises(Crashed):
            mill.finish(mill.worker())
    worker = mill.worker()
    worker.step()
    assert mill.outputs() == ["a"]
    worker.stop()
    worker.run(lambda: None)
    assert mill.stands() == 1
    mill.finish(mill.worker())
    assert mill.outputs() == ["a", "b", "c"]


def test_a_stopped_worker_ends_at_once_when_nothing_is_in_work(mill: Mill) -> None:
    worker = mill.worker()
    worker.step()
    worker.stop()
    worker.run(lambda: None)
    assert worker.is_idle


# --- large things ---------------------------------------------------------------------------------


def test_a_large_body_travels_as_a_reference_and_the_same_one_goes_on(mill: Mill) -> None:
    mill.feed("grow")
    mill.finish(mill.worker())
    (grown,) = mill.broker.records("gristmill.next.v1")
    reference = blob_of_document(grown.value)
    assert reference is not None
    assert len(grown.value) < KIB
    assert list(mill.blobs.blobs) == [reference.key]
    assert mill.outputs() == ["g" * 300 * KIB]

    mill.feed_bytes(("again", grown.value))
    mill.finish(mill.worker())
    again = mill.broker.records("gristmill.next.v1")[1]
    assert again.value == grown.value
    assert len(mill.blobs.blobs) == 1


def test_a_large_batch_of_decisions_is_split_and_none_is_lost(mill: Mill) -> None:
    fed = mill.feed(*texts(3))
    mill.finish(mill.worker())
    whole = mill.decisions()
    part = encode_decisions(whole[:1], None)
    count = 2 * LEDGER_BYTES // len(part) + 1
    messages = ledger_messages("syntax", [part] * count, mill.clock.now())
    assert len(messages) == 3
    assert all(len(one.value) <= LEDGER_BYTES + KIB for one in messages)
    read = [decode_decisions(one.value) for one in messages]
    assert sum(len(decisions) for decisions, _ in read) == count
    assert {moment for _, moment in read} == {mill.clock.now()}
    assert {one.document_id for decisions, _ in read for one in decisions} == {fed[0].id}


def test_no_decisions_make_no_message(mill: Mill) -> None:
    assert ledger_messages("syntax", [], mill.clock.now()) == []
    large = b"\x00" * (LEDGER_BYTES + 1)
    assert len(ledger_messages("syntax", [large, large], mill.clock.now())) == 2


# --- everything at once ---------------------------------------------------------------------------

STEPS = st.one_of(
    st.builds(Yield, st.integers(1, 5)),
    st.builds(Pause, st.integers(1, 3)),
    st.just(Abort()),
    st.builds(Unknown, st.booleans()),
    st.builds(Unnoted, st.booleans()),
    st.builds(End, st.booleans()),
)


@settings(max_examples=120)
@given(
    streams=st.lists(
        st.lists(st.sampled_from(["keep", "drop", "split", "poison", "explode"]), max_size=12),
        min_size=1,
        max_size=3,
    ),
    steps=st.lists(STEPS, max_size=14),
    batch=st.integers(1, 6),
    inflight=st.sampled_from([1, 1000, 1 << 20]),
)
def test_whatever_befalls_it_outputs_equal_inputs_once_and_in_order(
    make_mill: MakeMill, streams: list[list[str]], steps: list[Step], batch: int, inflight: int
) -> None:
    mill = make_mill(len(streams))
    expected: dict[int, list[str]] = {}
    letters: list[str] = []
    for partition, acts in enumerate(streams):
        named = [f"{act} {partition}:{number}" for number, act in enumerate(acts)]
        mill.feed(*named, partition=partition)
        expected[partition] = [
            text
            for name in named
            for text in {"k": [name], "s": [f"{name}/0", f"{name}/1"]}.get(name[0], [])
            if not name.startswith("drop")
        ]
        letters += [name for name in named if name.startswith(("poison", "explode"))]
    mill.broker.script("one", steps)
    mill.live_through(batch_records=batch, inflight_bytes=inflight, dead_allowed=1000)
    outputs = mill.outputs()
    for partition, of_one in expected.items():
        assert [text for text in outputs if f" {partition}:" in text] == of_one
    assert len(outputs) == sum(map(len, expected.values()))
    assert len(mill.decisions()) == sum(map(len, streams))
    # Four deaths in a row at one record look like its fault, whoever killed.
    if sum(isinstance(one, End) for one in steps) < 4:
        assert sorted(keys(mill.letters())) == sorted(letters)


@settings(max_examples=100)
@given(
    counts=st.lists(st.integers(0, 8), min_size=3, max_size=3),
    scripts=st.tuples(st.lists(STEPS, max_size=8), st.lists(STEPS, max_size=8)),
    turns=st.lists(st.sampled_from(["one", "two", "expire one", "expire two"]), max_size=40),
    batch=st.integers(1, 4),
)
def test_whatever_befalls_two_workers_outputs_equal_inputs_once_and_in_order(
    make_mill: MakeMill,
    counts: list[int],
    scripts: tuple[list[Step], list[Step]],
    turns: list[str],
    batch: int,
) -> None:
    mill = make_mill(len(counts))
    for partition, number in enumerate(counts):
        mill.feed(*texts(number, f"keep {partition}:"), partition=partition)
    for name, steps in zip(("one", "two"), scripts, strict=True):
        # A process that a member of its name replaced is one more death, and four are too many.
        mill.broker.script(name, [one for one in steps if not isinstance(one, End)])
    workers = {name: mill.worker(name, batch_records=batch) for name in ("one", "two")}
    for turn in turns:
        name = turn.removeprefix("expire ")
        if name == turn:
            workers[name].step()
        else:
            mill.broker.expire("gristmill.syntax", name)
    mill.finish(*workers.values())
    outputs = mill.outputs()
    for partition, number in enumerate(counts):
        of_one = [text for text in outputs if text.startswith(f"keep {partition}:")]
        assert of_one == texts(number, f"keep {partition}:")
    assert len(mill.decisions()) == sum(counts)
    assert mill.letters() == []


def test_a_body_that_lies_elsewhere_weighs_what_it_is() -> None:
    """References are small, what they bring is not: work is bounded by the latter."""
    bare = Delivery(partition=Partition("t", 0), offset=0, key=b"", value=b"12345")
    assert weight_of(bare) == 5
    assert weight_of(replace(bare, headers=(("bytes", b"1000"),))) == 1000
    for untrue in (b"nonsense", b"-1", b"9" * 400, b"9" * 5000):
        assert weight_of(replace(bare, headers=(("bytes", untrue),))) == 5


def test_a_backlog_does_not_hold_up_what_is_answered(mill: Mill) -> None:
    mill.feed(*texts(30))
    worker = mill.worker(batch_records=10)
    for turn in range(1, 4):
        worker.step()
        assert len(mill.processors[0].batches) == turn
        assert mill.stands() == 10 * turn
    assert mill.outputs() == texts(30)
