"""The worker process: takes chunks of records, answers with passages, and may die of any of them.

Limits are in CPU seconds and memory, set by the kernel: a parser that hangs inside C is ended all
the same. A shared page says which record and stage were at work, so the parent knows whom to blame.
"""

import mmap
import resource
import signal
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection

from gristmill.runtime.engine.passage import NamedStage, Passage, Record, pass_through
from gristmill.runtime.model import Document, GristmillError, Reason
from gristmill.runtime.ports import Entry, ReadEntry

MARK = struct.Struct("=iI")  # record in the chunk (-1: none yet), stage in the segment
NO_RECORD = -1
_LEAST_MEMORY_BYTES = 32 << 20  # below, a worker cannot even load its stages
READING = (1 << 32) - 1  # in place of a stage while a record is read
_CANNOT_BE_READ = "a worker process cannot read it within its limits"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one document may use before it is dropped as `parser_limit`."""

    cpu_seconds: float = 4.0
    """CPU seconds, user and system, in all stages of a worker; the slowest real files need 0.6."""

    memory_bytes: int = 448 << 20
    """Memory that a worker process may allocate; a real file of 1 MiB needs some 60 MiB."""

    def __post_init__(self) -> None:
        if self.cpu_seconds <= 0:
            raise ValueError("cpu_seconds must be above 0")
        if self.memory_bytes < _LEAST_MEMORY_BYTES:
            raise ValueError(f"memory_bytes must be at least {_LEAST_MEMORY_BYTES}")


@dataclass(frozen=True, slots=True)
class Task:
    """A chunk for one segment of the route; `condemned` maps records to the stage they broke."""

    segment: int
    records: Sequence[Entry | Document]
    condemned: dict[int, int]


@dataclass(frozen=True, slots=True)
class Toolbox:
    """What a worker works with, built once in its own process."""

    read: ReadEntry
    segments: Sequence[Sequence[NamedStage]]


def serve(
    connection: Connection, marks: mmap.mmap, limits: Limits, build: Callable[[], Toolbox]
) -> None:
    """Answer tasks until the parent hangs up."""
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    toolbox = build()
    _limit_memory(limits.memory_bytes)
    while True:
        try:
            task: Task = connection.recv()
        except (EOFError, ConnectionResetError):
            return
        try:
            answer: list[Passage] | GristmillError = _work(task, toolbox, marks, limits)
        except GristmillError as error:
            answer = error
        try:
            connection.send(answer)
        except BrokenPipeError:
            return


def _work(task: Task, toolbox: Toolbox, marks: mmap.mmap, limits: Limits) -> list[Passage]:
    stages = toolbox.segments[task.segment]
    passages = []
    for number, record in enumerate(task.records):

        def mark(stage: int, number: int = number) -> None:
            MARK.pack_into(marks, 0, number, stage)

        mark(READING)
        signal.setitimer(signal.ITIMER_PROF, limits.cpu_seconds)
        condemned_at = task.condemned.get(number)
        item = _read(record, toolbox, condemned_at) if isinstance(record, Entry) else record
        passages.append(pass_through(stages, item, mark=mark, condemned_at=condemned_at))
    signal.setitimer(signal.ITIMER_PROF, 0)
    MARK.pack_into(marks, 0, NO_RECORD, 0)
    return passages


def _read(entry: Entry, toolbox: Toolbox, condemned_at: int | None) -> Record:
    if condemned_at == READING:
        entry = replace(entry, fault=Reason.PARSER_LIMIT, detail=_CANNOT_BE_READ)
    return toolbox.read(entry)


def _limit_memory(memory_bytes: int) -> None:
    # DATA counts what a process allocates for itself, not the grammars it maps from disk.
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    soft = memory_bytes if hard == resource.RLIM_INFINITY else min(memory_bytes, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))
