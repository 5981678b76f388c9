"""Worker processes may hang, crash or bloat: it costs the record that did it, and no other."""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from pathlib import Path

import pytest

from gristmill.runtime.engine.passage import Passage
from gristmill.runtime.engine.pool import WorkerPool, default_num_workers, describe_status
from gristmill.runtime.engine.worker import Limits
from gristmill.runtime.model import (
    Fatal,
    Origin,
    OutcomeKind,
    Position,
    Reason,
    Transient,
)
from gristmill.runtime.ports import Entry

WORKER = """
import ctypes, mmap, os, re, signal, sys, time
from multiprocessing.connection import Connection

from gristmill.runtime.engine.worker import Entries, Limits, Toolbox, serve
from gristmill.runtime.model import (
    Document, Drop, FileText, Keep, Kind, RawFile, Reason, Transient,
)
from gristmill.runtime.model.document import sha256_hex


def read(entry):
    if entry.content == b"never":
        os._exit(5)
    if entry.content == b"unread" and entry.fault is None:
        os._exit(4)
    return RawFile(
        origin=entry.origin, position=entry.position, size_bytes=entry.size_bytes,
        content=entry.content, content_sha256=sha256_hex(entry.content), fault=entry.fault,
    )


class Toy:
    version = "toy-1"

    def process(self, batch):
        (raw,) = batch
        if isinstance(raw, RawFile) and raw.fault is not None:
            return [Drop(raw.fault)]
        begun_at = time.process_time()
        act = raw.content.decode() if isinstance(raw, RawFile) else raw.body.content
        if act == "killed, then loop in python":
            act = "loop in python"
            if not os.path.exists(f"{__file__}.killed"):
                open(f"{__file__}.killed", "w").close()
                os.kill(os.getpid(), signal.SIGKILL)
        if act == "loop in python":
            while True:
                pass
        if act == "loop in c":
            re.match("(a*)*b", "a" * 60)
        if act == "work, then abort":
            while time.process_time() < begun_at + 0.2:
                pass
            os.abort()
        if act == "abort":
            os.abort()
        if act == "segfault":
            ctypes.string_at(0)
        if act == "allocate":
            b"x" * (1 << 30)
        if act == "allocate in c":
            ctypes.memset(ctypes.CDLL(None).malloc(1 << 30), 1, 1 << 30)
        if act == "exit":
            os._exit(3)
        if act == "transient":
            raise Transient("no answer")
        if act == "pid":
            act = str(os.getpid())
        if act == "parent":
            act = str(os.getppid())
        return [Keep(Document(
            id=raw.id, kind=Kind.FILE, origin=raw.origin, position=raw.position,
            body=FileText(content=act, encoding="utf-8"),
            content_sha256=raw.content_sha256, size_bytes=raw.size_bytes,
        ))]


connection = Connection(int(sys.argv[1]))
marks = mmap.mmap(int(sys.argv[2]), mmap.PAGESIZE)
assert connection.recv() == "setup"
toolbox = Toolbox(Entries(read), [[("first", Toy()), ("second", Toy())], [("third", Toy())]])
serve(connection, marks, Limits(cpu_seconds=4.8, memory_bytes=256 << 20), lambda: toolbox)
"""

MakePool = Callable[[int], WorkerPool[Passage]]


@pytest.fixture
def make_pool(tmp_path: Path) -> Iterator[MakePool]:
    script = tmp_path / "toy_worker.py"
    script.write_text(WORKER)
    pools: list[WorkerPool[Passage]] = []

    def make(num_workers: int) -> WorkerPool[Passage]:
        pools.append(WorkerPool((sys.executable, str(script)), "setup", num_workers))
        return pools[-1]

    yield make
    for pool in pools:
        pool.close()


def entries(*acts: str) -> list[Entry]:
    return [
        Entry(
            origin=Origin(source="s", repository="r", path=str(number)),
            position=Position(source="s", offset=number),
            size_bytes=len(act),
            content=act.encode(),
        )
        for number, act in enumerate(acts)
    ]


def told(passages: Sequence[Passage]) -> list[str | Reason | None]:
    """Return for each record the text that went on, or the reason why not."""
    return [
        passage.documents[0].body.content  # type: ignore[union-attr]  # only files here
        if passage.documents
        else passage.decisions[-1].reason
        for passage in passages
    ]


def result(future: "Future[list[Passage]]") -> list[Passage]:
    return future.result(timeout=30)


def is_running(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def test_seconds_are_counted_by_segment_and_stage_of_what_was_answered(make_pool: MakePool) -> None:
    pool = make_pool(1)
    assert told(result(pool.submit(0, entries("a", "loop in python", "b")))) == [
        "a",
        Reason.PARSER_LIMIT,
        "b",
    ]
    (passage,) = result(pool.submit(0, entries("c")))
    result(pool.submit(1, passage.documents))
    pool.close()
    spent = pool.spent()
    assert set(spent) == {(0, -1), (0, 0), (0, 1), (1, -1), (1, 0)}
    assert all(0 < seconds < 4.8 for seconds in spent.values())


def test_answers_come_in_the_order_of_the_records(make_pool: MakePool) -> None:
    pool = make_pool(2)
    chunks = [[f"{chunk}.{at}" for at in range(5)] for chunk in range(6)]
    futures = [pool.submit(0, entries(*chunk)) for chunk in chunks]
    assert [told(result(future)) for future in futures] == chunks


def test_the_second_segment_takes_the_documents_of_the_first(make_pool: MakePool) -> None:
    pool = make_pool(1)
    documents = [p.documents[0] for p in result(pool.submit(0, entries("one", "two")))]
    passages = result(pool.submit(1, documents))
    assert told(passages) == ["one", "two"]
    assert [[one.stage for one in passage.decisions] for passage in passages] == [["third"]] * 2


DROP, REJECT = OutcomeKind.DROP, OutcomeKind.REJECT


@pytest.mark.parametrize(
    ("act", "outcome", "detail"),
    [
        ("loop in python", DROP, ""),
        ("loop in c", DROP, ""),
        ("killed, then loop in python", DROP, ""),
        ("allocate", DROP, "out of memory"),
        ("abort", REJECT, "ended 3 worker processes: killed by SIGABRT"),
        ("segfault", REJECT, "ended 3 worker processes: killed by SIGSEGV"),
        ("allocate in c", REJECT, "ended 3 worker processes: killed by SIGSEGV"),
        ("exit", REJECT, "ended 3 worker processes: exit status 3"),
    ],
)
def test_parser_limit_for_the_record_that_breaks_its_worker_and_no_other(
    make_pool: MakePool, act: str, outcome: OutcomeKind, detail: str
) -> None:
    pool = make_pool(1)
    future = pool.submit(0, entries("before", act, "after"))
    assert told(result(future)) == ["before", Reason.PARSER_LIMIT, "after"]
    (decision,) = result(future)[1].decisions
    assert (decision.stage, decision.outcome) == ("first", outcome)
    assert decision.evidence.detail == detail
    assert told(result(pool.submit(0, entries("next")))) == ["next"]


def test_parser_limit_for_each_of_several_in_one_chunk(make_pool: MakePool) -> None:
    acts = ["exit", "good", "abort", "exit", "fine"]
    passages = result(make_pool(1).submit(0, entries(*acts)))
    limit = Reason.PARSER_LIMIT
    assert told(passages) == [limit, "good", limit, limit, "fine"]


def test_parser_limit_for_a_record_that_cannot_even_be_read(make_pool: MakePool) -> None:
    passages = result(make_pool(1).submit(0, entries("before", "unread", "after")))
    assert told(passages) == ["before", Reason.PARSER_LIMIT, "after"]


def test_a_record_that_cannot_even_be_set_aside_is_fatal(make_pool: MakePool) -> None:
    with pytest.raises(Fatal, match="end at a condemned record: exit status 5"):
        result(make_pool(1).submit(0, entries("never")))


def test_the_cpu_limit_is_per_record_not_per_chunk(make_pool: MakePool) -> None:
    passages = result(make_pool(1).submit(0, entries(*["fine"] * 60)))
    assert told(passages) == ["fine"] * 60


def test_an_error_of_ours_ends_the_chunk_and_not_the_worker(make_pool: MakePool) -> None:
    pool = make_pool(1)
    (before,) = told(result(pool.submit(0, entries("pid"))))
    with pytest.raises(Transient, match="no answer"):
        result(pool.submit(0, entries("transient")))
    assert told(result(pool.submit(0, entries("pid")))) == [before]


def test_a_worker_killed_from_outside_while_idle_costs_nothing(make_pool: MakePool) -> None:
    pool = make_pool(1)
    (pid,) = told(result(pool.submit(0, entries("pid"))))
    os.kill(int(str(pid)), signal.SIGKILL)
    assert told(result(pool.submit(0, entries("a", "b")))) == ["a", "b"]


@pytest.mark.parametrize(
    "command",
    [
        ("/nowhere/python",),
        ("/bin/false",),
        (sys.executable, "-c", "raise SystemExit(5)"),
        (sys.executable, "-S", "-m", "no_such_worker"),
    ],
)
def test_a_worker_that_cannot_start_is_fatal(command: tuple[str, ...]) -> None:
    pool: WorkerPool[Passage] = WorkerPool(command, "setup", 1)
    try:
        with pytest.raises(Fatal, match="a worker process"):
            result(pool.submit(0, entries("x")))
    finally:
        pool.close()


def test_what_the_workers_cannot_be_told_reaches_whoever_waits(make_pool: MakePool) -> None:
    unpicklable: list[Entry] = [lambda: None]  # type: ignore[list-item]
    with pytest.raises((AttributeError, TypeError), match="pickle"):
        result(make_pool(1).submit(0, unpicklable))


def test_close_leaves_no_process(make_pool: MakePool) -> None:
    pool = make_pool(2)
    futures = [pool.submit(0, entries("pid")) for _ in range(8)]
    pids = {int(str(told(result(future))[0])) for future in futures}
    assert pids
    assert all(is_running(pid) for pid in pids)
    pool.close()
    assert not any(is_running(pid) for pid in pids)


def test_close_does_not_wait_for_work_that_hangs(make_pool: MakePool) -> None:
    pool = make_pool(1)
    (pid,) = told(result(pool.submit(0, entries("pid"))))
    future = pool.submit(0, entries(*["loop in python"] * 50))
    while not future.running():
        os.sched_yield()
    began = time.monotonic()
    pool.close()
    assert time.monotonic() - began < 2
    assert not is_running(int(str(pid)))
    with pytest.raises(Fatal, match="stopped"):
        result(future)


def test_close_twice_is_harmless(make_pool: MakePool) -> None:
    pool = make_pool(1)
    pool.close()
    pool.close()


def test_how_a_process_ended_is_told_in_words() -> None:
    assert describe_status(-signal.SIGSEGV) == "killed by SIGSEGV"
    assert describe_status(3) == "exit status 3"


def test_there_is_a_worker_for_every_processor() -> None:
    assert default_num_workers() == len(os.sched_getaffinity(0))


def test_what_was_answered_before_a_death_is_not_done_again(make_pool: MakePool) -> None:
    acts = ["pid"] * 33 + ["loop in c", "pid"]
    passages = make_pool(1).submit(0, entries(*acts)).result(60)
    pids = [passage.documents[0].body.content for passage in passages if passage.documents]  # type: ignore[union-attr]
    assert len(pids) == 34
    assert len(set(pids[:32])) == 1
    assert len(set(pids[32:])) == 1
    assert pids[0] != pids[-1]


def test_what_a_record_used_before_it_crashed_counts(make_pool: MakePool) -> None:
    future = make_pool(1).submit(0, entries("before", "work, then abort", "after"))
    assert told(result(future)) == ["before", Reason.PARSER_LIMIT, "after"]
    (decision,) = result(future)[1].decisions
    # It may use 0.3 seconds, and each time it crashes after 0.2.
    detail = "ended 2 worker processes: killed by SIGABRT"
    assert (decision.outcome, decision.evidence.detail) == (REJECT, detail)


def test_a_crash_costs_no_start_of_a_process(make_pool: MakePool) -> None:
    acts = ["parent", "abort", "parent", "segfault", "parent"]
    parents = told(result(make_pool(1).submit(0, entries(*acts))))[::2]
    assert len(set(parents)) == 1


def test_no_items_have_no_answers(make_pool: MakePool) -> None:
    assert make_pool(1).submit(0, []).result(10) == []


def test_a_document_has_time_by_its_size() -> None:
    limits = Limits(cpu_seconds=4.0)
    assert limits.seconds_for(0) == limits.seconds_for(1000) == 0.25
    assert limits.seconds_for(128 << 10) == 2.0
    assert limits.seconds_for(256 << 10) == limits.seconds_for(1 << 30) == 4.0
