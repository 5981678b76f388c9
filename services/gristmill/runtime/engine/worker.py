"""The worker process: takes chunks of records, answers with passages, and may die of any of them.

Limits are in CPU seconds and memory, set by the kernel: a parser that hangs inside C is ended all
the same. A shared page says which record and stage were at work, so the parent knows whom to blame.
"""

import mmap
import resource
import signal
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from typing import Any, Protocol

from gristmill.runtime.engine.envelope import Envelope
from gristmill.runtime.engine.passage import (
    Condemned,
    NamedStage,
    Passage,
    Record,
    pass_through,
)
from gristmill.runtime.model import Document, GristmillError, Poison, Reason
from gristmill.runtime.ports import Delivery, Entry, ReadEntry

MARK = struct.Struct("=iI")  # record in the chunk (-1: none yet), stage in the segment
NO_RECORD = -1
_LEAST_MEMORY_BYTES = 32 << 20  # below, a worker cannot even load its stages
READING = (1 << 32) - 1  # in place of a stage while a record is read
_CANNOT_BE_READ = "a worker process cannot read it within its limits"

Item = Entry | Document | Delivery
"""What a worker is given: something to read, a document that goes on, or a record of the log."""


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
    """A chunk for one segment of the route; `condemned` maps records to where they broke."""

    segment: int
    items: Sequence[Item]
    condemned: Mapping[int, Condemned]


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


@dataclass(frozen=True, slots=True)
class Toolbox:
    """What a worker works with, built once in its own process."""

    handling: Handling
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
            answer: list[Any] | GristmillError = _work(task, toolbox, marks, limits)
        except GristmillError as error:
            answer = error
        try:
            connection.send(answer)
        except BrokenPipeError:
            return


def _work(task: Task, toolbox: Toolbox, marks: mmap.mmap, limits: Limits) -> list[Any]:
    stages = toolbox.segments[task.segment]
    answers = []
    for number, item in enumerate(task.items):

        def mark(stage: int, number: int = number) -> None:
            MARK.pack_into(marks, 0, number, stage)

        mark(READING)
        signal.setitimer(signal.ITIMER_PROF, limits.cpu_seconds)
        condemned = task.condemned.get(number)
        answers.append(toolbox.handling.handle(item, stages, mark, condemned))
    signal.setitimer(signal.ITIMER_PROF, 0)
    MARK.pack_into(marks, 0, NO_RECORD, 0)
    return answers


def _limit_memory(memory_bytes: int) -> None:
    # DATA counts what a process allocates for itself, not the grammars it maps from disk.
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    soft = memory_bytes if hard == resource.RLIM_INFINITY else min(memory_bytes, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))
