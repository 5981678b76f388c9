"""A pool of worker processes that survives the death of any of them.

One thread of the parent stands behind each worker. When a worker dies, the record that it was at is
condemned at its stage and a new worker takes what is left of the chunk, so a hang or a crash costs
one record.
"""

import mmap
import os
import queue
import signal
import socket
import subprocess
import tempfile
import threading
from collections import Counter, defaultdict
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Generic, TypeVar

from gristmill.runtime.engine.passage import Condemned
from gristmill.runtime.engine.stopwatch import counted
from gristmill.runtime.engine.worker import (
    AT_WORK,
    AT_WORK_OFFSET,
    MARK,
    NO_RECORD,
    OUT_OF_CPU,
    Ended,
    Item,
    Task,
)
from gristmill.runtime.model import Fatal, GristmillError

A = TypeVar("A")
"""What comes back for one item: a passage, or an answer to the log."""

_ENDING_SECONDS = 1.0
_DEATHS_BEFORE_WORK = 3  # a worker that never gets to work is not the records' fault
_DEATHS_PER_RECORD = 3  # unless it ran out of CPU: then once is enough, it would again


@dataclass(order=True, slots=True)
class _Job(Generic[A]):
    priority: tuple[int, int]  # later segments first, then in order: what is begun is finished
    items: Sequence[Item] = field(compare=False)
    future: "Future[list[A]]" = field(compare=False)


@dataclass(slots=True)
class _Deaths:
    """How often one record ended a process, and how; its crashes share the time of the record."""

    num: int = 0
    status: int = 0
    """How it ended last; the last crash, where the time ran out after crashes."""
    seconds: float = 0.0
    """What the crashes took."""
    is_last: bool = False
    """Whether there is no time left to try it again."""

    def add(self, ended: Ended) -> None:
        """Count one more."""
        self.num += 1
        self.is_last = ended.status in OUT_OF_CPU
        if not (self.is_last and self.seconds):
            self.status = ended.status
        if not self.is_last:
            self.seconds += ended.cpu_seconds


class _Worker:
    """One running worker process and the connection to it."""

    def __init__(self, command: Sequence[str], setup: object) -> None:
        self.spent: dict[tuple[int, int], float] = {}
        ours, theirs = socket.socketpair()
        with tempfile.TemporaryFile() as page, theirs, ours:
            page.truncate(mmap.PAGESIZE)
            self.marks = mmap.mmap(page.fileno(), mmap.PAGESIZE)
            MARK.pack_into(self.marks, 0, NO_RECORD, 0)
            descriptors = (theirs.fileno(), page.fileno())
            self.process = subprocess.Popen(
                [*command, *map(str, descriptors)],
                pass_fds=descriptors,
                stdin=subprocess.DEVNULL,
            )
            self.connection = Connection(ours.detach())
        with suppress(BrokenPipeError, ConnectionResetError):  # dead already: its task will tell
            self.connection.send(setup)

    def close(self, *, kill: bool) -> int:
        """End the process and return its exit status."""
        self.connection.close()
        if kill:
            self.kill()
        status = self.process.wait()
        self.spent = dict(counted(self.marks))
        self.marks.close()
        return status

    def kill(self) -> None:
        """End it whatever it is at: what is at work first, the one that started that as it did."""
        try:
            (at_work,) = AT_WORK.unpack_from(self.marks, AT_WORK_OFFSET)
        except ValueError:  # it is closed
            return
        if at_work:
            with suppress(ProcessLookupError):
                os.kill(at_work, signal.SIGKILL)
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(_ENDING_SECONDS)
        self.process.kill()


class WorkerPool(Generic[A]):
    """Runs chunks in worker processes; results come as futures."""

    def __init__(self, command: Sequence[str], setup: object, num_workers: int) -> None:
        """Prepare; `command` starts a worker that is given two descriptors and then `setup`.

        Workers start with the first chunk they get.
        """
        self._command = command
        self._setup = setup
        self._jobs: queue.PriorityQueue[_Job[A]] = queue.PriorityQueue()
        self._num_jobs = 0
        self._closing = threading.Event()
        self._workers: dict[int, _Worker] = {}
        self._spent: Counter[tuple[int, int]] = Counter()
        self._counting = threading.Lock()
        self._threads = [
            threading.Thread(target=self._serve, args=(slot,), daemon=True, name=f"worker {slot}")
            for slot in range(num_workers)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, segment: int, items: Sequence[Item]) -> "Future[list[A]]":
        """Queue a chunk for a segment of the route; the future gives one answer an item."""
        future: Future[list[A]] = Future()
        self._num_jobs += 1
        self._jobs.put(_Job((-segment, self._num_jobs), items, future))
        return future

    def close(self) -> None:
        """End all workers at once; what they were at is not finished."""
        self._closing.set()
        for worker in list(self._workers.values()):
            worker.kill()
        for thread in self._threads:
            thread.join()

    def spent(self) -> dict[tuple[int, int], float]:
        """Return CPU seconds by segment and stage (-1: reading) of the workers that have ended.

        What an ended process had not answered is not among them.
        """
        with self._counting:
            return dict(self._spent)

    def _serve(self, slot: int) -> None:
        # Workers inherit this: a Ctrl-C is for the parent, which ends them in order.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        while not self._closing.is_set():
            try:
                job = self._jobs.get(timeout=0.2)
            except queue.Empty:
                continue
            if not job.future.set_running_or_notify_cancel():
                continue
            try:
                job.future.set_result(self._run(slot, -job.priority[0], job.items))
            except Exception as error:  # noqa: BLE001  # whatever it is, whoever waits must learn it
                job.future.set_exception(error)
        if (worker := self._workers.pop(slot, None)) is not None:
            self._end(worker)

    def _end(self, worker: _Worker) -> int:
        status = worker.close(kill=True)
        with self._counting:
            self._spent.update(worker.spent)
        return status

    def _run(self, slot: int, segment: int, items: Sequence[Item]) -> list[A]:
        condemned: dict[int, Condemned] = {}
        deaths: defaultdict[int, _Deaths] = defaultdict(_Deaths)
        answers: list[A] = []
        while len(answers) < len(items):
            worker = self._workers.get(slot) or self._start(slot)
            if self._closing.is_set():  # close() may have looked before this worker was there
                worker.kill()
            done = len(answers)  # what a worker has answered, no other has to do again
            left = {record - done: one for record, one in condemned.items() if record >= done}
            used = {record - done: one.seconds for record, one in deaths.items() if record >= done}
            try:
                worker.connection.send(Task(segment, items[done:], left, used))
                ended = _receive(worker.connection, answers, len(items))
                record, stage = MARK.unpack_from(worker.marks)
            except (EOFError, OSError):
                record, stage = MARK.unpack_from(worker.marks)
                ended = Ended(self._end(self._workers.pop(slot)))
            if ended is None:
                break
            if self._closing.is_set():
                raise Fatal("the run was stopped")
            record += done if record != NO_RECORD else 0
            deaths[record].add(ended)
            self._blame(record, stage, deaths[record], condemned)
        return answers

    def _start(self, slot: int) -> _Worker:
        try:
            worker = self._workers[slot] = _Worker(self._command, self._setup)
        except OSError as error:
            raise Fatal(f"a worker process cannot be started: {error}") from error
        return worker

    def _blame(
        self,
        record: int,
        stage: int,
        deaths: _Deaths,
        condemned: dict[int, Condemned],
    ) -> None:
        how = describe_status(deaths.status)
        if deaths.num >= 2 * _DEATHS_PER_RECORD:  # setting it aside kills as well
            raise Fatal(f"worker processes end at a condemned record: {how}")
        if record == NO_RECORD:
            if deaths.num >= _DEATHS_BEFORE_WORK:
                raise Fatal(f"a worker process ends before it works: {how}")
        elif deaths.status in OUT_OF_CPU:
            condemned[record] = Condemned(stage)
        elif deaths.num >= _DEATHS_PER_RECORD or deaths.is_last:
            condemned[record] = Condemned(stage, f"ended {deaths.num} worker processes: {how}")


def _receive(connection: Connection, answers: list[A], wanted: int) -> Ended | None:
    """Take answers until all are there; return how the process ended that does not give them all.

    Another one has taken its place then. Raises what a connection raises when there is none.
    """
    while len(answers) < wanted:
        got: list[A] | GristmillError | Ended = connection.recv()
        if isinstance(got, Ended):
            return got
        if isinstance(got, GristmillError):
            raise got
        answers += got
    return None


def describe_status(status: int) -> str:
    """Say how a process ended.

    >>> describe_status(-9)
    'killed by SIGKILL'
    """
    if status < 0:
        return f"killed by {signal.Signals(-status).name}"
    return f"exit status {status}"


def default_num_workers() -> int:
    """Return one worker for each processor that this process may use."""
    return len(os.sched_getaffinity(0))
