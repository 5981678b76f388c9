"""Every case of the fault suite alone, and one pass with all of them: `make test-faults`.

FAULT_DOCUMENTS and FAULT_DOCUMENTS_MIXED say how many documents a case feeds, FAULT_SECONDS how
long members come and go and brokers are away. What each case shows is in build/faults.
"""

import os
import random
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, Literal

import fault_cases as faults
import pytest
from fault_conductor import Case
from fault_documents import Fate, Planned, document, large_documents
from fault_mill import ROUTE, Limits, Mill
from kafka_broker import KafkaError, fetch
from seaweed import Seaweed

# The suite's own clients, too, are cut off in the middle of things, and say so when collected.
_UNFINISHED = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
pytestmark = [pytest.mark.faults_full, _UNFINISHED]

_TRANSACTIONAL = ("ingestion", "syntax", "dedup")
_COUNT = int(os.environ.get("FAULT_DOCUMENTS", "5000"))
_MIXED_COUNT = int(os.environ.get("FAULT_DOCUMENTS_MIXED", "100000"))
_SECONDS = float(os.environ.get("FAULT_SECONDS", "300"))
_RATE = 250.0
_SEED = 20261126
_PILL, _BUG, _NAP = "swallow_this_pill", "meet_this_bug", "take_this_nap"
_FATAL_PILL = "swallow_that_pill"  # where no pool of workers stands before a crash

_MILL = ("nodes", "partitions", "limits", "store")  # what is not for its workers

MakeMill = Callable[..., Mill]
Fault = Callable[[], object]


@pytest.fixture
def make_mill(tmp_path: Path) -> Iterator[MakeMill]:
    """Makes a mill whose workers run; it is gone with the test."""
    try:
        fetch()
    except KafkaError as error:
        pytest.skip(str(error))
    with ExitStack() as held:

        def make(**options: Any) -> Mill:
            own = {name: options.pop(name) for name in _MILL if name in options}
            mill = held.enter_context(Mill(tmp_path / "mill", **own))
            mill.start_workers(**{"proxied": _TRANSACTIONAL, **options})
            return mill

        yield make


@pytest.fixture
def seaweed(tmp_path: Path) -> Iterator[Seaweed]:
    """An S3 server that a mill may have for its blobs."""
    (tmp_path / "store").mkdir()
    server = Seaweed(str(tmp_path / "store"))
    try:
        server.start()
        server.wait_until_ready()
        yield server
    finally:
        server.kill()


def _times(case: Case, count: int, fault: Callable[[int], object]) -> list[tuple[float, Fault]]:
    """Return a fault `count` times at shares of the case; it is told which time it is."""
    return [
        (share, partial(fault, number)) for number, share in enumerate(faults.spread(case, count))
    ]


@pytest.mark.parametrize("stage", ROUTE)
def test_a1_a_stage_is_killed_three_times(make_mill: MakeMill, stage: str) -> None:
    case = Case(make_mill(), f"a1-kill-{stage}", _COUNT, _RATE)
    case.run(_times(case, 3, lambda _: faults.kill_stage(case, stage)))


def test_a2_zombies_wake_up(make_mill: MakeMill) -> None:
    case = Case(make_mill(), "a2-zombie", _COUNT, _RATE)

    def fault(number: int) -> None:
        if number == 4:
            faults.freeze_past_session(case, "shards")  # it has no transaction to be frozen in
        elif number % 2:
            faults.freeze_and_replace(case, "syntax" if number == 1 else "ingestion")
        else:
            faults.freeze_past_everything(case)

    case.run(_times(case, 5, fault))


def test_a3_answers_to_commits_are_lost(make_mill: MakeMill) -> None:
    case = Case(make_mill(), "a3-endtxn-lost", _COUNT, _RATE)
    case.run(
        _times(case, 6, lambda number: faults.lose_end_answer(case, ("hang", "close")[number % 2]))
    )
    assert case.figures["lost_end_codes"] == [0] * 6


def test_a4_commits_arrive_late(make_mill: MakeMill) -> None:
    case = Case(make_mill(), "a4-endtxn-late", _COUNT, _RATE)

    def fault(number: int) -> None:
        (faults.deliver_end_late, faults.deliver_end_into_next)[number % 2](case)

    case.run(_times(case, 4, fault))


@pytest.mark.parametrize("nodes", [1, 3])
def test_a6_brokers_are_killed(make_mill: MakeMill, nodes: int) -> None:
    case = Case(make_mill(nodes=nodes), f"a6-broker-kill-{nodes}", _COUNT, _RATE)
    case.run(_times(case, 3, lambda number: faults.kill_broker(case, number % nodes)))


@pytest.mark.parametrize("nodes", [1, 3])
def test_a6_brokers_are_ended_in_order(make_mill: MakeMill, nodes: int) -> None:
    case = Case(make_mill(nodes=nodes), f"a6-broker-bounce-{nodes}", _COUNT, _RATE)
    case.run(_times(case, 3, lambda number: faults.bounce_broker(case, number % nodes)))


def test_a6_a_broker_freezes(make_mill: MakeMill) -> None:
    case = Case(make_mill(), "a6-broker-freeze", _COUNT, _RATE)
    case.run(_times(case, 2, lambda _: faults.freeze_broker(case)))


def test_a7_members_come_and_go(make_mill: MakeMill) -> None:
    case = Case(make_mill(partitions=4), "a7-churn", _COUNT, min(_RATE, _COUNT / _SECONDS))
    case.run([(0.02, lambda: faults.churn(case, ("ingestion", "syntax"), _SECONDS))])


def test_a8_a_slow_stage_stays_in_its_group(make_mill: MakeMill) -> None:
    naps = [
        document("a8-slow", 10_000_000 + n, f"{_NAP} = {n}\n", Fate.KEPT_ONCE) for n in range(3)
    ]
    mill = make_mill(
        faulty={"slow_on": _NAP, "slow_seconds": 15},
        commands={"faulty": faults.changed("impatient", "6")},
    )
    case = Case(mill, "a8-slow", _COUNT, _RATE, extra=naps)
    case.run()
    lines = [line for life in case.lives() for line in life.events()]
    told = {line["max_poll_seconds"] for line in lines if line["event"] == "consumer made"}
    assert told == {6.0}, "the group would have lost patience"
    assert case.events("partitions changed") == []
    assert case.figures["restarts"] == 0


def test_a9_poison_is_set_aside_once_and_sent_in_again(make_mill: MakeMill) -> None:
    bugs = [
        document("a9-poison", 10_000_000 + n, f"{_BUG} = {n}\n", Fate.REPLAYED) for n in range(3)
    ]
    mill = make_mill(partitions=2, faulty={"break_on": _BUG})
    case = Case(mill, "a9-poison", _COUNT, _RATE, extra=bugs, put_back=True)
    poisoned = len(mill.route) * mill.partitions

    def mend_and_replay() -> None:
        mill.restart_workers(proxied=_TRANSACTIONAL, faulty={})
        told = mill.command("dead", "replay", "--reason", "unhandled")
        assert told == {"replayed": len(bugs), "left": poisoned}

    history = case.run([(0.5, lambda: faults.poison_every_topic(case))], after=mend_and_replay)
    assert len(history.letters) == poisoned + len(bugs)


def test_a10_pills_are_set_aside(make_mill: MakeMill) -> None:
    pill = document("a10-pill-pool", 10_000_000, f"{_PILL} = 1\n", Fate.POISON)
    case = Case(make_mill(faulty={"crash_on": _PILL}), "a10-pill-pool", _COUNT, _RATE, [pill])
    history = case.run()
    assert [letter.stage for letter in history.letters] == ["faulty"]
    assert case.figures["restarts"] == 0


def test_a10_pills_for_the_process_itself_are_set_aside(make_mill: MakeMill) -> None:
    pill = document("a10-pill-process", 10_000_000, f"{_PILL} = 1\n", Fate.POISON)
    mill = make_mill(commands={"dedup": faults.changed("pill", _PILL)})
    case = Case(mill, "a10-pill-process", _COUNT, _RATE, [pill])
    history = case.run()
    assert [letter.stage for letter in history.letters] == ["dedup"]
    ends = faults.deaths(case, "dedup")
    assert 0 < len(ends) <= 4
    assert set(ends) == {-signal.SIGSEGV}


def test_a12_memory_stays_flat_without_a_broker(make_mill: MakeMill) -> None:
    mill = make_mill(proxied=ROUTE, limits=Limits(stall_s=20.0))  # nor is one ended as stalled
    case = Case(mill, "a12-unreachable", _COUNT, _RATE)
    case.run([(0.3, lambda: faults.lose_all_brokers(case, min(120.0, _SECONDS)))])
    growth = case.figures["memory_growth"]
    assert all(factor < 1.2 for factor in growth.values()), growth


def test_a14_stages_stop_in_order(make_mill: MakeMill) -> None:
    case = Case(make_mill(), "a14-sigterm", _COUNT, _RATE)
    case.run(_times(case, 8, lambda number: faults.stop_stage(case, ROUTE[number % len(ROUTE)])))


@pytest.mark.parametrize("how", ["refused", "silent", "killed"])
def test_a14_all_stages_stop_in_time_while_no_broker_answers(
    make_mill: MakeMill, how: faults.Unreachable
) -> None:
    mill = make_mill(proxied=ROUTE, limits=Limits(drain_s=5.0))
    case = Case(mill, f"a14-sigterm-{how}", _COUNT, _RATE)
    case.run(_times(case, 3, lambda _: faults.stop_all_without_brokers(case, how)))


def test_large_bodies_arrive_whole_whatever_is_killed(
    make_mill: MakeMill, seaweed: Seaweed
) -> None:
    large = list(large_documents("blobs-kill", _COUNT // 20))
    mill = make_mill(store=seaweed.settings())
    case = Case(mill, "blobs-kill", _COUNT, _RATE / 2, extra=large)

    def fault(number: int) -> None:
        if number % 6 == 5:
            faults.kill_broker(case)
        else:
            faults.kill_stage(case, ROUTE[number % 6])

    case.run(_times(case, 12, fault))


@pytest.mark.parametrize("how", ["killed", "frozen"])
def test_workers_wait_for_a_blob_store_that_is_away(
    make_mill: MakeMill, seaweed: Seaweed, how: Literal["killed", "frozen"]
) -> None:
    name = f"store-{how}"
    large = list(large_documents(name, _COUNT // 20))
    mill = make_mill(store=seaweed.settings())
    case = Case(mill, name, _COUNT, _RATE / 2, extra=large)
    history = case.run([(0.3, lambda: faults.lose_store(case, seaweed, how, min(60.0, _SECONDS)))])
    assert history.letters == []
    assert case.figures["waited_for_store"]
    growth = case.figures["memory_growth"]
    assert all(factor < 1.2 for factor in growth.values()), growth


def test_kills_between_the_tables_are_healed(make_mill: MakeMill) -> None:
    mill = make_mill(commands={"shards": faults.changed("torn", "shards")})
    case = Case(mill, "torn", _COUNT, _RATE)
    history = case.run(_times(case, 5, lambda _: faults.tear_tables(case)))
    assert faults.kills(case, "shards") == 5
    assert [letter.stage for letter in history.letters] == ["shards"] * 5


def test_a16_an_idle_mill_has_no_lag(make_mill: MakeMill) -> None:
    mill = make_mill(partitions=2)
    Case(mill, "a16-idle", _COUNT, 1000.0).run()
    assert mill.lag() == 0


def test_everything_at_once(make_mill: MakeMill, seaweed: Seaweed) -> None:
    faulty = {"break_on": _BUG, "crash_on": _PILL, "slow_on": _NAP, "slow_seconds": 10}
    commands = {
        "faulty": faults.changed("impatient", "5"),
        "dedup": faults.changed("pill", _FATAL_PILL),
        "shards": faults.changed("torn", "shards"),
    }
    mill = make_mill(
        partitions=2, proxied=ROUTE, faulty=faulty, commands=commands, store=seaweed.settings()
    )
    extra = [*_marked("mixed"), *large_documents("mixed", _MIXED_COUNT // 200)]
    random.Random(_SEED).shuffle(extra)
    case = Case(mill, "mixed", _MIXED_COUNT, 500.0, extra=extra)
    what: list[Fault] = [lambda: faults.poison_every_topic(case)]
    for stage in mill.route:
        what += 3 * [partial(faults.kill_stage, case, stage)]
        what += [partial(faults.stop_stage, case, stage)]
    what += 3 * [lambda: faults.kill_broker(case), lambda: faults.bounce_broker(case)]
    what += 2 * [lambda: faults.freeze_past_everything(case)]
    what += 2 * [lambda: faults.freeze_and_replace(case, "syntax")]
    what += [lambda: faults.lose_end_answer(case, "hang"), lambda: faults.deliver_end_late(case)]
    what += [lambda: faults.lose_end_answer(case, "close"), lambda: faults.freeze_broker(case)]
    what += [lambda: faults.deliver_end_into_next(case)]
    what += 2 * [lambda: faults.churn(case, ("ingestion", "syntax"), 20)]
    what += [lambda: faults.stop_all_without_brokers(case, "silent")]
    what += [lambda: faults.lose_store(case, seaweed, "killed", 10)]
    what += [lambda: faults.lose_store(case, seaweed, "frozen", 10)]
    what += [lambda: faults.lose_all_brokers(case, 20)]
    what += 2 * [lambda: faults.tear_tables(case)]
    random.Random(_SEED).shuffle(what)
    case.run(list(zip(faults.spread(case, len(what)), what, strict=True)))


def _marked(name: str) -> Iterator[Planned]:
    for number in range(3):
        yield document(name, 10_000_000 + number, f"{_BUG} = {number}\n", Fate.POISON)
        yield document(name, 10_000_010 + number, f"{_PILL} = {number}\n", Fate.POISON)
        yield document(name, 10_000_020 + number, f"{_FATAL_PILL} = {number}\n", Fate.POISON)
        yield document(name, 10_000_030 + number, f"{_NAP} = {number}\n", Fate.KEPT_ONCE)
