"""The faults themselves, as things that happen to a case at their time.

Each returns when it is over and its traces are in the case's figures; none looks at the outcome,
which the history tells.
"""

import random
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from fault_conductor import Case
from fault_history import SHARDS
from fault_mill import Mill
from fault_proxy import END_TXN, HeldRequest, Request
from fault_workers import Life
from seaweed import Seaweed

from gristmill.cli.reading import open_tables
from gristmill.runtime.adapters.watchdog import LastCall
from gristmill.runtime.engine.envelope import group_of, topic_of

_SEED = 20261126
_CAUGHT_S = 180.0

Unreachable = Literal["refused", "silent", "killed"]


def spread(case: Case, count: int, first: float = 0.1, last: float = 0.8) -> list[float]:
    """Return shares of a case at which something happens: by chance, the same in every run."""
    chance = random.Random(f"{_SEED}/{case.name}/{count}")
    step = (last - first) / count
    return [first + step * (number + chance.random()) for number in range(count)]


def kill_stage(case: Case, stage: str) -> None:
    """Kill -9 a stage that has work in hand, and wait for what its successor gives."""
    workers = case.mill.workers
    before = workers.life(stage)
    workers.kill(stage)
    _first_output_of_next(case, before)


def _first_output_of_next(case: Case, before: Life) -> None:
    deadline = time.monotonic() + _CAUGHT_S
    life, first = before, None
    while life is before or first is None:  # it may end before it writes a line
        if time.monotonic() > deadline:
            raise TimeoutError(f"{before.stage} was not started again")
        time.sleep(0.02)
        life = case.mill.workers.life(before.stage, before.ordinal)
        first = life.first_line()
    output = case.wait_output(life.stage, first)
    _note(case, "kill_to_output_s", output - first)


def _note(case: Case, name: str, seconds: float) -> None:
    case.figures.setdefault(name, []).append(round(seconds, 2))


def stop_stage(case: Case, stage: str) -> None:
    """End a stage by SIGTERM in mid-work; it must end in order and in time."""
    workers, mill = case.mill.workers, case.mill
    life = workers.life(stage)
    began = time.monotonic()
    try:
        workers.stop(stage)
    finally:  # the next case needs it, whatever is found here
        mill.start_worker(stage)
    seconds = time.monotonic() - began
    _note(case, "sigterm_to_end_s", seconds)
    fine = {0} if life.first_line() else {0, -signal.SIGTERM}  # it had not come to listen yet
    assert life.process.returncode in fine, f"{stage} ended with {life.process.returncode}"
    assert seconds <= mill.limits.drain_s + mill.limits.late_s, (
        f"{stage} took {seconds:.1f} s to end"
    )
    _first_output_of_next(case, life)


def stop_all_without_brokers(case: Case, how: Unreachable, away_s: float = 2.0) -> None:
    """End all stages by SIGTERM while no broker answers: each must be gone in time all the same."""
    mill = case.mill
    _take_brokers_away(mill, how)
    try:
        time.sleep(away_s)
        lives = [mill.workers.ask_to_stop(stage) for stage in mill.route]
        took = _wait_ended(lives, mill.limits.drain_s + mill.limits.late_s)
    finally:
        _bring_brokers_back(mill, how)
    back = time.time()
    for stage in mill.route:
        mill.start_worker(stage)
    for seconds in took.values():
        _note(case, "sigterm_without_broker_to_end_s", seconds)
    codes = {life.stage: life.process.returncode for life in lives}
    case.figures.setdefault("sigterm_without_broker_codes", []).append(codes)
    assert took.keys() == codes.keys(), f"of {codes} only {took} ended in time"
    assert set(codes.values()) <= {0, LastCall.EXIT_CODE}, codes
    _note_outputs(case, "reachable_to_output_s", back)


def _wait_ended(lives: Sequence[Life], timeout_s: float) -> dict[str, float]:
    """Return how long the processes took to end, by stage; kill those that did not."""
    began = time.monotonic()
    took: dict[str, float] = {}
    while len(took) < len(lives) and time.monotonic() - began <= timeout_s:
        time.sleep(0.02)
        for life in lives:
            if life.ended:
                took.setdefault(life.stage, time.monotonic() - began)
    for life in lives:
        life.process.kill()
        life.process.wait()
    return took


def _take_brokers_away(mill: Mill, how: Unreachable) -> None:
    match how:
        case "refused":
            mill.proxy.refuse()
        case "silent":
            mill.proxy.black_hole()
        case "killed":
            mill.kill_broker()


def _bring_brokers_back(mill: Mill, how: Unreachable) -> None:
    if how == "killed":
        mill.cluster.start(0)
    else:
        mill.proxy.heal()


# --- zombies --------------------------------------------------------------------------------------


def freeze_past_everything(case: Case) -> None:
    """Freeze a worker inside its transaction until session and transaction have timed out.

    It wakes up believing that the transaction is open; the request that would end it arrives late,
    too. It goes on by itself, from what is committed.
    """
    held, life, stage = _hold_transaction(case)
    case.mill.freeze(life)
    limits = case.mill.limits
    time.sleep(max(limits.session_s, limits.transaction_s) + 2)
    case.mill.thaw(life)
    thawed = time.time()
    code = held.deliver()
    case.figures.setdefault("late_end_codes", []).append(code)
    assert code != 0, "the broker took the end of a transaction that it had aborted"
    _note(case, "thaw_to_output_s", case.wait_output(stage, thawed) - thawed)


def freeze_past_session(case: Case, stage: str) -> None:
    """Freeze a worker until its group has given it up; it must go on by itself, from the truth."""
    life = case.mill.workers.life(stage)
    case.mill.freeze(life)
    time.sleep(case.mill.limits.session_s + 2)
    case.mill.thaw(life)
    thawed = time.time()
    _note(case, "thaw_to_output_s", case.wait_output(stage, thawed) - thawed)


def freeze_and_replace(case: Case, stage: str) -> None:
    """Freeze a worker, have another take its name, let it wake up: it must end, not answer."""
    mill = case.mill
    life = mill.workers.life(stage)
    mill.freeze(life)
    mill.workers.replace_frozen(stage)
    _first_output_of_next(case, life)
    mill.thaw(life)
    began = time.monotonic()
    code = life.process.wait(_CAUGHT_S)
    _note(case, "zombie_lived_s", time.monotonic() - began)
    assert code not in {0, -signal.SIGKILL}, f"the zombie ended with {code}"


# --- transactions ---------------------------------------------------------------------------------


def lose_end_answer(case: Case, then: str = "hang") -> None:
    """Lose the answer to the end of a transaction that the broker committed."""
    assert then in {"hang", "close"}
    lost = case.mill.proxy.lose_next_answer(then="hang" if then == "hang" else "close")
    code = lost.error_code(_CAUGHT_S)
    at = time.time()
    case.figures.setdefault("lost_end_codes", []).append(code)
    stage = _stage_of(case, lost.caught.result(0)[0])
    _note(case, "lost_to_output_s", case.wait_output(stage, at + 0.5) - at)


def deliver_end_late(case: Case) -> None:
    """Hold the end of a transaction until its successor is done, then let it arrive."""
    held, _, stage = _hold_transaction(case)
    at = time.time()
    _note(case, "held_to_output_s", case.wait_output(stage, at) - at)
    _refused(case, held)


def deliver_end_into_next(case: Case) -> None:
    """Let the end of a transaction arrive while the next one of its worker is open."""
    held, _, stage = _hold_transaction(case)
    at = time.time()
    case.wait_output(stage, at)  # the one that is done in its stead
    second = _hold_of(case, stage)
    _refused(case, held)
    _note(case, "held_to_output_s", case.wait_output(stage, time.time()) - at)
    _refused(case, second)


def _refused(case: Case, held: HeldRequest) -> None:
    code = held.deliver()
    case.figures.setdefault("late_end_codes", []).append(code)
    assert code != 0, "the broker took the late end of a transaction"


def _hold_transaction(case: Case) -> tuple[HeldRequest, Life, str]:
    held = case.mill.proxy.hold_next_request(END_TXN)
    stage = _stage_of(case, held.wait(_CAUGHT_S))
    return held, case.mill.workers.life(stage), stage


def _hold_of(case: Case, stage: str) -> HeldRequest:
    """Hold the next end of one stage; others that are caught first are let through."""
    while True:
        held = case.mill.proxy.hold_next_request(END_TXN)
        if _stage_of(case, held.wait(_CAUGHT_S)) == stage:
            return held
        held.deliver()


def _stage_of(case: Case, request: Request) -> str:
    """Return whose transaction a request ends: its name is in it."""
    for stage in case.mill.route:
        if f"{group_of(stage)}-0".encode() in request.frame:
            return stage
    raise AssertionError("the end of a transaction of nobody's")


# --- brokers --------------------------------------------------------------------------------------


def kill_broker(case: Case, node: int = 0, away_s: float = 1.0) -> None:
    """Kill -9 a broker and start it again."""
    dead = time.time()
    case.mill.kill_broker(node)
    _bring_back(case, node, away_s, dead)


def bounce_broker(case: Case, node: int = 0, away_s: float = 1.0) -> None:
    """End a broker in order and start it again."""
    dead = time.time()
    case.mill.end_broker(node)
    _bring_back(case, node, away_s, dead)


def _bring_back(case: Case, node: int, away_s: float, dead: float) -> None:
    several = case.mill.nodes > 1
    if several:  # the others go on without it
        _note_outputs(case, "broker_death_to_output_s", dead)
    else:
        time.sleep(away_s)
    case.mill.cluster.start(node)
    if not several:
        _note_outputs(case, "broker_restart_to_output_s", time.time())


def _note_outputs(case: Case, name: str, since: float) -> None:
    """Note how long it takes until every transactional stage has given something."""
    stages = [stage for stage in case.mill.route if stage != "shards"]
    _note(case, name, max(case.wait_output(stage, since) for stage in stages) - since)


def freeze_broker(case: Case, node: int = 0, seconds: float = 8.0) -> None:
    """Freeze a broker: connections stay open and nothing is answered."""
    case.mill.cluster.freeze(node)
    time.sleep(seconds)
    case.mill.cluster.thaw(node)
    _note_outputs(case, "broker_thaw_to_output_s", time.time())


def lose_all_brokers(case: Case, seconds: float) -> None:
    """Cut every worker off from the brokers; note how its memory grew meanwhile."""
    case.mill.proxy.refuse()
    try:
        _watch_memory(case, seconds)
    finally:
        case.mill.proxy.heal()
    _note_outputs(case, "reachable_to_output_s", time.time())


_SETTLED_BYTES = 300 << 20
"""What a worker holds when its parts are loaded; one that has just been started does not yet."""


def _watch_memory(case: Case, seconds: float) -> None:
    """Note how the memory of the workers grows in a time in which none of them may end."""
    lives = case.mill.workers.running()
    deadline = time.monotonic() + seconds
    at_first = {life.stage: life.rss_bytes() for life in lives}
    time.sleep(min(10.0, seconds / 4))  # what was in work fills its bounds
    before = {life.stage: life.rss_bytes() for life in lives}
    most = dict(before)
    while time.monotonic() < deadline:
        time.sleep(0.5)
        for life in lives:
            most[life.stage] = max(most[life.stage], life.rss_bytes())
    case.figures["memory_before_bytes"] = before
    case.figures["memory_growth"] = {
        stage: round(most[stage] / before[stage], 3) for stage in before
    }
    bounds = {stage: 2 * max(held, _SETTLED_BYTES) for stage, held in at_first.items()}
    assert all(most[stage] < bounds[stage] for stage in most), (at_first, most)
    for life in lives:  # a pill may be due meanwhile, where there are any
        fine = {None, -signal.SIGSEGV} if case.mill.has_pill(life.stage) else {None}
        assert life.process.poll() in fine, f"{life.stage} ended for what is not its fault"


# --- the blob store -------------------------------------------------------------------------------


def lose_store(
    case: Case, server: Seaweed, how: Literal["killed", "frozen"], seconds: float
) -> None:
    """Take the blob store away for a while; workers wait for it, and memory stays as it is."""
    (server.kill if how == "killed" else server.freeze)()
    try:
        _watch_memory(case, seconds)
    finally:
        (server.start if how == "killed" else server.thaw)()
    _note_outputs(case, "store_back_to_output_s", time.time())
    waits = [
        *case.events("going back to what is committed"),
        *case.events("going back to where the tables stand"),
    ]
    waited = {one["service"] for one in waits if "the blob store does not answer" in one["error"]}
    case.figures["waited_for_store"] = sorted(waited)


# --- members --------------------------------------------------------------------------------------


def churn(case: Case, stages: Sequence[str], seconds: float, every_s: float = 5.0) -> None:
    """Have second workers of some stages join and leave, over and over; note the longest stalls.

    Nobody may stand still for longer than it takes to miss a member that has left.
    """
    mill, began = case.mill, time.time()
    deadline = time.monotonic() + seconds
    rounds = 0
    while time.monotonic() < deadline:
        for stage in stages:
            mill.start_worker(stage, 1)
        time.sleep(every_s)
        for stage in stages:
            mill.workers.stop(stage, 1)
        rounds += 1
        time.sleep(every_s)
    case.figures["joined_and_left"] = case.figures.get("joined_and_left", 0) + rounds
    stalls = {one: mill.reader.longest_silence(one, began, time.time()) for one in stages}
    for stall in stalls.values():
        _note(case, "longest_stall_s", stall)
    assert max(stalls.values()) <= mill.limits.session_s + mill.limits.late_s, stalls


# --- records --------------------------------------------------------------------------------------


def poison_every_topic(case: Case) -> None:
    """Write one record that nobody can read into every partition of every stage's topic."""
    count = 0
    for stage in case.mill.route:
        for partition in range(case.mill.partitions):
            case.mill.write(topic_of(stage), [b"\xff no message at all"], partition)
            count += 1
    case.figures["poisoned"] = count


def tear_tables(case: Case) -> None:
    """Have the last stage, changed to `torn`, killed when `files` is written and `ledger` is not.

    The record that it dies at cannot be read: with the rows, its dead letter is at stake, too.
    """
    mill, before = case.mill, kills(case, SHARDS)
    deadline = time.monotonic() + _CAUGHT_S
    mill.write(topic_of(SHARDS), [b"\xff no message at all"])
    while kills(case, SHARDS) == before:
        assert time.monotonic() < deadline, "nobody died between the tables"
        time.sleep(0.02)
    at = time.time()
    tables = open_tables(str(mill.directory / "tables"))
    assert tables.positions("files") != tables.positions("ledger"), "the tables were not torn"
    _note(case, "torn_to_output_s", case.wait_output(SHARDS, at) - at)


def changed(what: str, how: str) -> tuple[str, ...]:
    """Return the command of a worker with one thing about it changed; see serve_faulty."""
    return (sys.executable, str(Path(__file__).with_name("serve_faulty.py")), what, how)


def kills(case: Case, stage: str) -> int:
    """Return how many processes of a stage were killed in this case."""
    lives = (life for life in case.lives() if life.stage == stage and life.ended)
    return sum(life.process.returncode == -signal.SIGKILL for life in lives)


def deaths(case: Case, stage: str) -> list[int]:
    """Return how the processes of a stage ended that ended by themselves in this case."""
    return [
        life.process.returncode
        for life in case.lives()
        if life.stage == stage
        and life.ended
        and life.process.returncode not in {0, -signal.SIGKILL}
    ]
