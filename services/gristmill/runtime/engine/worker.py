"""The worker process: takes chunks of records, answers with passages, and may die of any of them.

Limits are in CPU seconds and memory, set by the kernel: a parser that hangs inside C is ended all
the same. A shared page says which record and stage were at work, so the parent knows whom to blame.
"""

import ctypes
import mmap
import os
import resource
import signal
import struct
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from typing import Any, NoReturn, Protocol

from gristmill.runtime.engine.envelope import Envelope, weight_of
from gristmill.runtime.engine.garbage import seldom_searched
from gristmill.runtime.engine.passage import (
    Condemned,
    NamedStage,
    Passage,
    Record,
    pass_through,
)
from gristmill.runtime.engine.stopwatch import BEFORE_STAGES, Stopwatch
from gristmill.runtime.model import Document, GristmillError, Poison, Reason
from gristmill.runtime.ports import Delivery, Entry, ReadEntry

MARK = struct.Struct("=iI")  # record in the chunk (-1: none yet), stage in the segment
NO_RECORD = -1
AT_WORK = struct.Struct("=i")  # which process is at work, 0 for none
AT_WORK_OFFSET = MARK.size
_BEGUN = struct.Struct("=d")  # CPU seconds that the process at work had used before its record
_BEGUN_OFFSET = 16
_LEAST_MEMORY_BYTES = 32 << 20  # below, a worker cannot even load its stages
OUT_OF_CPU = frozenset((-signal.SIGPROF, -signal.SIGXCPU))
"""How a process ends that has used up its CPU seconds."""
_CRASHES = frozenset(
    (-signal.SIGSEGV, -signal.SIGABRT, -signal.SIGBUS, -signal.SIGILL, -signal.SIGFPE)
)
_LEAST_SECONDS = 0.001  # 0 would stop the timer
_PR_SET_PDEATHSIG = 1
_FULL_BYTES = 256 << 10
_LEAST_SHARE = 1 / 16
_GROUP = 32  # records that are answered together, and done again when a later one ends the process
READING = (1 << 32) - 1  # in place of a stage while a record is read
_CANNOT_BE_READ = "a worker process cannot read it within its limits"

Item = Entry | Document | Delivery | bytes
"""What a worker is given: something to read, a document, a record of the log, a file as bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one document may use before it is dropped as `parser_limit`."""

    cpu_seconds: float = 4.0
    """CPU seconds, user and system, that 256 KiB and more may take in all stages of a worker. What
    is smaller has less in proportion, a sixteenth at least; on a slow machine the slowest real
    files need a third of theirs."""

    memory_bytes: int = 448 << 20
    """Memory that a worker process may allocate; a real file of 1 MiB needs some 60 MiB."""

    def __post_init__(self) -> None:
        if self.cpu_seconds <= 0:
            raise ValueError("cpu_seconds must be above 0")
        if self.memory_bytes < _LEAST_MEMORY_BYTES:
            raise ValueError(f"memory_bytes must be at least {_LEAST_MEMORY_BYTES}")

    def seconds_for(self, size_bytes: int) -> float:
        """Return the CPU seconds that a document of some size may take."""
        return self.cpu_seconds * min(1.0, max(_LEAST_SHARE, size_bytes / _FULL_BYTES))


@dataclass(frozen=True, slots=True)
class Task:
    """A chunk for one segment of the route; `condemned` maps records to where they broke.

    `used` maps records that crashed a process, and are tried again, to their CPU seconds so far.
    """

    segment: int
    items: Sequence[Item]
    condemned: Mapping[int, Condemned]
    used: Mapping[int, float]


class Handling(Protocol):
    """How items become records for the stages, and what goes back to the parent."""

    # Any: a local run takes passages back, a streaming worker answers.
    def handle(
        self,
        item: Any,  # noqa: ANN401
        stages: Sequence[NamedStage],
        mark: Callable[[int], None],
        condemned: Condemned | None,
    ) -> Any:  # noqa: ANN401
        """Take one item through the stages."""
        ...

    def size_bytes(self, item: Any) -> int:  # noqa: ANN401
        """Return the size of an item, which its time is measured by."""
        ...


@dataclass(frozen=True, slots=True)
class Entries:
    """The handling of a local run: entries are read, and passages go back."""

    read: ReadEntry

    def handle(
        self,
        item: Entry | Document,
        stages: Sequence[NamedStage],
        mark: Callable[[int], None],
        condemned: Condemned | None,
    ) -> Passage:
        """Take one entry or document through."""
        record = self._record(item, condemned) if isinstance(item, Entry) else item
        return pass_through(stages, record, mark=mark, condemned=condemned)

    def size_bytes(self, item: Entry | Document) -> int:
        """Return the size as it was listed."""
        return item.size_bytes

    def _record(self, entry: Entry, condemned: Condemned | None) -> Record:
        if condemned is not None and condemned.stage == READING:
            entry = replace(entry, fault=Reason.PARSER_LIMIT, detail=_CANNOT_BE_READ)
        return self.read(entry)


@dataclass(frozen=True, slots=True)
class Deliveries:
    """The handling of a streaming worker: records are opened, and answers go back."""

    envelope: Envelope
    version: str

    def handle(
        self,
        item: Delivery,
        stages: Sequence[NamedStage],
        mark: Callable[[int], None],
        condemned: Condemned | None,
    ) -> Any:  # noqa: ANN401  # an Answer; the protocol is wider
        """Take one delivery through."""
        record: Record | None = None
        if condemned is not None and condemned.stage == READING:
            why = Poison(Reason.PARSER_LIMIT, condemned.crash or _CANNOT_BE_READ)
            return self.envelope.close(item, None, self.envelope.unopened(item, why, self.version))
        try:
            record = self.envelope.open(item)
        except Poison as error:
            passage = self.envelope.unopened(item, error, self.version)
        else:
            passage = pass_through(stages, record, mark=mark, condemned=condemned)
        return self.envelope.close(item, record, passage)

    def size_bytes(self, item: Delivery) -> int:
        """Return the size of what a record holds or refers to."""
        return weight_of(item)


@dataclass(frozen=True, slots=True)
class Ended:
    """Sent in place of answers: the process at work has ended, with this status.

    `cpu_seconds` is what its record had used by then.
    """

    status: int
    cpu_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Toolbox:
    """What a worker works with, built once in its own process."""

    handling: Handling
    segments: Sequence[Sequence[NamedStage]]


def serve(
    connection: Connection, marks: mmap.mmap, limits: Limits, build: Callable[[], Toolbox]
) -> None:
    """Answer tasks until the parent hangs up.

    A fork of this process does the work. One that runs out of CPU or crashes at a record is told
    of, and another one takes its place at once: a start would cost more than most of what hangs,
    and whatever it has damaged, this process has its own memory.
    """
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    toolbox = build()
    _limit_memory(limits.memory_bytes)
    own = os.getpid()
    with seldom_searched():
        while True:
            worker = _fork()
            if worker == 0:
                _end_with(own)
                _work_for(connection, marks, limits, toolbox)
                os._exit(0)
            AT_WORK.pack_into(marks, AT_WORK_OFFSET, worker)
            _, wait_status, usage = os.wait4(worker, 0)
            status = os.waitstatus_to_exitcode(wait_status)
            AT_WORK.pack_into(marks, AT_WORK_OFFSET, 0)
            record, _ = MARK.unpack_from(marks)
            if status not in OUT_OF_CPU and (status not in _CRASHES or record == NO_RECORD):
                _end_as(status)
            (begun,) = _BEGUN.unpack_from(marks, _BEGUN_OFFSET)
            with suppress(BrokenPipeError):
                connection.send(Ended(status, usage.ru_utime + usage.ru_stime - begun))


def _fork() -> int:
    with warnings.catch_warnings():
        # Numeric libraries have threads of their own, which know what to do at a fork.
        warnings.simplefilter("ignore", DeprecationWarning)
        return os.fork()


def _end_with(parent: int) -> None:
    """Have the kernel end this process with its parent."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def _end_as(status: int) -> NoReturn:
    if status < 0:
        with suppress(OSError):  # of SIGKILL nobody changes what it does
            signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    os._exit(max(status, 0))


def _work_for(connection: Connection, marks: mmap.mmap, limits: Limits, toolbox: Toolbox) -> None:
    while True:
        try:
            task: Task = connection.recv()
        except (EOFError, ConnectionResetError):
            return
        try:
            _answer(connection, _work(task, toolbox, marks, limits))
        except BrokenPipeError:
            return


def _answer(connection: Connection, groups: Iterator[list[Any]]) -> None:
    try:
        for answers in groups:
            connection.send(answers)
    except GristmillError as error:
        connection.send(error)


def _work(task: Task, toolbox: Toolbox, marks: mmap.mmap, limits: Limits) -> Iterator[list[Any]]:
    """Yield answers to the items of a task, in order, some at a time."""
    stages, handling = toolbox.segments[task.segment], toolbox.handling
    watch = Stopwatch(marks, task.segment, len(stages))
    answers: list[Any] = []
    for number, item in enumerate(task.items):

        def mark(stage: int, number: int = number) -> None:
            MARK.pack_into(marks, 0, number, stage)
            watch.start(stage)

        MARK.pack_into(marks, 0, number, READING)
        watch.start(BEFORE_STAGES)
        condemned = task.condemned.get(number)
        used = 0.0 if condemned else task.used.get(number, 0.0)
        seconds = limits.seconds_for(handling.size_bytes(item)) - used
        _BEGUN.pack_into(marks, _BEGUN_OFFSET, time.process_time())
        signal.setitimer(signal.ITIMER_PROF, max(seconds, _LEAST_SECONDS))
        answers.append(handling.handle(item, stages, mark, condemned))
        if len(answers) == _GROUP or number == len(task.items) - 1:
            signal.setitimer(signal.ITIMER_PROF, 0)
            watch.stop()
            yield answers
            answers = []
    MARK.pack_into(marks, 0, NO_RECORD, 0)


def _limit_memory(memory_bytes: int) -> None:
    # DATA counts what a process allocates for itself, not the grammars it maps from disk.
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    soft = memory_bytes if hard == resource.RLIM_INFINITY else min(memory_bytes, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))
