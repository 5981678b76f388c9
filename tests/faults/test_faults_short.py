"""The faults that matter most, on few documents: one mill, one case after the other.

Each case feeds, breaks something, and holds that nothing is lost, doubled or read before its time
(see fault_history). `make test-faults` plays them all with more.
"""

import signal
from collections.abc import Iterator
from functools import partial

import fault_cases as faults
import pytest
from fault_conductor import Case
from fault_documents import Fate, document, large_documents
from fault_mill import ROUTE, Limits, Mill
from kafka_broker import KafkaError, fetch
from seaweed import Seaweed

# The suite's own clients, too, are cut off in the middle of things, and say so when collected.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
_PILL = "swallow_this_pill"
_BUG = "meet_this_bug"


@pytest.fixture(scope="module")
def seaweed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seaweed]:
    server = Seaweed(str(tmp_path_factory.mktemp("store")))
    try:
        server.start()  # while the brokers start
        yield server
    finally:
        server.kill()


@pytest.fixture(scope="module")
def mill(tmp_path_factory: pytest.TempPathFactory, seaweed: Seaweed) -> Iterator[Mill]:
    try:
        fetch()
    except KafkaError as error:
        pytest.skip(str(error))
    # Whatever else a machine runs: the full suite holds ends to their deadlines.
    limits = Limits(session_s=2.0, transaction_s=5.0, commit_s=3.0, drain_s=5.0, late_s=25.0)
    store = seaweed.settings(timeout_seconds=1.0)
    with Mill(tmp_path_factory.mktemp("mill"), limits=limits, store=store) as mill:
        seaweed.wait_until_ready()
        mill.start_workers(proxied=ROUTE)
        yield mill


def test_nothing_goes_wrong_where_nothing_goes_wrong(mill: Mill) -> None:
    Case(mill, "short-calm", 600).run()
    assert mill.lag() == 0  # markers of transactions do not count as work


def test_a_stage_that_is_killed_goes_on_where_it_stood(mill: Mill) -> None:
    case = Case(mill, "short-kill", 1000, rate=120)
    case.run(
        [
            (share, partial(faults.kill_stage, case, stage))
            for share, stage in zip(faults.spread(case, len(ROUTE)), ROUTE, strict=True)
        ]
    )


def test_a_zombie_answers_nothing(mill: Mill) -> None:
    case = Case(mill, "short-zombie", 1000, rate=80)
    case.run(
        [
            (0.1, lambda: faults.freeze_and_replace(case, "syntax")),
            (0.4, lambda: faults.freeze_past_everything(case)),
        ]
    )


def test_a_commit_whose_answer_is_lost_counts_once(mill: Mill) -> None:
    case = Case(mill, "short-endtxn-lost", 1000, rate=120)
    case.run(
        [
            (0.1, lambda: faults.lose_end_answer(case, "hang")),
            (0.5, lambda: faults.lose_end_answer(case, "close")),
        ]
    )
    assert case.figures["lost_end_codes"] == [0, 0]


def test_a_commit_that_arrives_late_is_refused(mill: Mill) -> None:
    case = Case(mill, "short-endtxn-late", 1000, rate=80)
    case.run(
        [
            (0.1, lambda: faults.deliver_end_late(case)),
            (0.4, lambda: faults.deliver_end_into_next(case)),
        ]
    )


def test_a_broker_that_is_killed_or_ended_comes_back_to_everything(mill: Mill) -> None:
    case = Case(mill, "short-broker", 1000, rate=80)
    case.run(
        [
            (0.2, lambda: faults.kill_broker(case)),
            (0.6, lambda: faults.bounce_broker(case)),
        ]
    )


def test_a_stage_that_is_asked_to_stop_does_so_in_order(mill: Mill) -> None:
    case = Case(mill, "short-sigterm", 1000, rate=120)
    case.run(
        [
            (share, partial(faults.stop_stage, case, stage))
            for share, stage in zip(faults.spread(case, len(ROUTE)), ROUTE, strict=True)
        ]
    )


def test_all_stages_stop_in_time_while_no_broker_answers(mill: Mill) -> None:
    case = Case(mill, "short-sigterm-outage", 600, rate=80)
    case.run([(0.3, lambda: faults.stop_all_without_brokers(case, "silent"))])


def test_bodies_too_large_for_a_message_arrive_whole(mill: Mill, seaweed: Seaweed) -> None:
    large = list(large_documents("short-blobs", 12))
    case = Case(mill, "short-blobs", 240, rate=60, extra=large)
    case.run(
        [
            (0.2, lambda: faults.kill_stage(case, "ingestion")),
            (0.4, lambda: faults.kill_stage(case, "syntax")),
            (0.6, lambda: faults.lose_store(case, seaweed, "frozen", 3)),
        ]
    )
    assert case.figures["waited_for_store"]


def test_a_kill_between_the_tables_is_healed(mill: Mill) -> None:
    mill.replace_worker("shards", faults.changed("torn", "shards"))
    case = Case(mill, "short-torn", 400, rate=80)
    history = case.run([(0.3, lambda: faults.tear_tables(case))])
    assert faults.kills(case, "shards") == 1
    assert [letter.stage for letter in history.letters] == ["shards"]


def test_what_cannot_be_handled_is_set_aside_and_can_be_sent_in_again(mill: Mill) -> None:
    bug = document("short-poison", 10_001, f"{_BUG} = 1\n", Fate.REPLAYED)
    pill = document("short-poison", 10_002, f"{_PILL} = 1\n", Fate.POISON)
    mill.restart_workers(proxied=ROUTE, faulty={"break_on": _BUG, "crash_on": _PILL})
    mill.forget_letters()
    case = Case(mill, "short-poison", 800, rate=200, extra=[bug, pill], put_back=True)

    def mend_and_replay() -> None:
        mill.restart_workers(proxied=ROUTE, faulty={"crash_on": _PILL})
        told = mill.command("dead", "replay", "--stage", "faulty", "--reason", "unhandled")
        assert told == {"replayed": 1, "left": 7}

    history = case.run([(0.5, lambda: faults.poison_every_topic(case))], after=mend_and_replay)
    assert len(history.letters) == len(mill.route) + 2  # the poisoned topics, the bug, the pill


def test_a_record_that_kills_its_process_is_set_aside_within_four_deaths(mill: Mill) -> None:
    pill = document("short-crash-pill", 10_001, f"{_PILL} = 1\n", Fate.POISON)
    mill.restart_workers(proxied=ROUTE, commands={"dedup": faults.changed("pill", _PILL)})
    case = Case(mill, "short-crash-pill", 600, rate=200, extra=[pill])
    history = case.run()
    assert [letter.stage for letter in history.letters] == ["dedup"]
    ends = faults.deaths(case, "dedup")
    assert 0 < len(ends) <= 4
    assert set(ends) == {-signal.SIGSEGV}
