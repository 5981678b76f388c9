"""Judging files for callers: what a worker process does with each, and the pool that they share.

A call passes the stage as a record of the pipeline does, with the same limits: a file that needs
too much is told so, and costs nobody else anything.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from threading import Lock

from gristmill.runtime.engine.passage import Condemned, NamedStage, Record, decide
from gristmill.runtime.engine.pool import WorkerPool
from gristmill.runtime.engine.worker import READING
from gristmill.runtime.model import (
    Document,
    Evidence,
    Outcome,
    OutcomeKind,
    Poison,
    Reason,
    Unfit,
    Verdict,
    verdict_of,
)
from gristmill.runtime.wire.judging import (
    decode_source_file,
    encode_verdict,
    join_verdicts,
    split_files,
)


@dataclass(frozen=True, slots=True)
class NotTaken:
    """In place of a verdict: a field of this file cannot be taken."""

    field: str
    problem: str


Judged = bytes | NotTaken


@dataclass(frozen=True, slots=True)
class Judging:
    """The handling of a worker behind a service: files are read, and verdicts go back."""

    read: Callable[[bytes], Record]

    def handle(
        self,
        item: bytes,
        stages: Sequence[NamedStage],
        mark: Callable[[int], None],
        condemned: Condemned | None,
    ) -> Judged:
        """Take one file through."""
        if condemned is not None and condemned.stage == READING:
            return encode_verdict(
                Verdict(
                    outcome=OutcomeKind.DROP,
                    reason=Reason.PARSER_LIMIT,
                    evidence=Evidence(detail=condemned.crash),
                )
            )
        try:
            record = self.read(item)
        except Unfit as error:
            return NotTaken(error.field, str(error))
        (stage,) = stages
        mark(0)
        outcome = decide(stage, record, [], condemned)
        try:
            return encode_verdict(verdict_of(outcome))
        except Poison as error:
            return NotTaken("", str(error))

    def size_bytes(self, item: bytes) -> int:
        """Return the size of a file."""
        return len(item)


@dataclass(frozen=True, slots=True)
class JudgingBatches:
    """The handling of a worker behind a stage that only annotates: whole batches, at one go.

    Such a stage is cheap and hangs on nothing: to guard each file would cost more than to judge it.
    """

    def handle(
        self,
        item: bytes,
        stages: Sequence[NamedStage],
        mark: Callable[[int], None],
        condemned: Condemned | None,
    ) -> Judged:
        """Take one batch through."""
        if condemned is not None:
            return NotTaken("files", "the batch needs more than its limits allow")
        ((name, stage),) = stages
        mark(0)

        def check(documents: Sequence[Document]) -> Sequence[Outcome]:
            try:
                return stage.process(documents)
            except Exception:  # noqa: BLE001  # a bug costs one file: each is tried alone
                return [decide((name, stage), document, []) for document in documents]

        try:
            return judge_batch(item, check)
        except Unfit as error:
            return NotTaken(error.field, str(error))

    def size_bytes(self, item: bytes) -> int:
        """Return the size of a batch."""
        return len(item)


class PooledJudge:
    """Judges batches in worker processes, which start with the first one."""

    def __init__(
        self,
        make_pool: Callable[[], WorkerPool[Judged]],
        *,
        version: str,
        num_workers: int,
        whole: bool,
    ) -> None:
        """Take what makes the pool; its workers are given batches whole, or file by file."""
        self.version = version
        self.num_workers = num_workers
        self._whole = whole
        self._make_pool = make_pool
        self._pool: WorkerPool[Judged] | None = None
        self._making = Lock()

    def submit(self, request: bytes) -> "Future[list[Judged]]":
        """Begin a batch; cancelling the future takes back what has not begun. Raises Unfit."""
        items = [request] if self._whole else split_files(request)
        with self._making:
            if self._pool is None:
                self._pool = self._make_pool()
            return self._pool.submit(0, items)

    def answer(self, judged: Sequence[Judged]) -> bytes:
        """Return the response to a batch. Raises Unfit, which names the first such file."""
        for number, one in enumerate(judged):
            if isinstance(one, NotTaken):
                if self._whole:
                    raise Unfit(one.field, one.problem)
                raise _in_batch(number, one.field, one.problem)
        return join_verdicts([one for one in judged if isinstance(one, bytes)], self.version)

    def close(self) -> None:
        """End the workers at once."""
        with self._making:
            if self._pool is not None:
                self._pool.close()


class ThreadJudge:
    """Answers requests in a thread of this process, one after the other."""

    num_workers = 1

    def __init__(self, work: Callable[[bytes], bytes]) -> None:
        self._work = work
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="judge")

    def submit(self, request: bytes) -> "Future[bytes]":
        """Queue a request; cancelling the future takes it back if it has not begun."""
        return self._thread.submit(self._work, request)

    def answer(self, judged: bytes) -> bytes:
        """Return the response."""
        return judged

    def close(self) -> None:
        """Finish the request in work, drop the rest."""
        self._thread.shutdown(wait=True, cancel_futures=True)


def judge_batch(request: bytes, check: Callable[[Sequence[Document]], Sequence[Outcome]]) -> bytes:
    """Return the verdicts on a batch, by what decides all its documents together. Raises Unfit."""
    documents = []
    for number, file in enumerate(split_files(request)):
        try:
            documents.append(decode_source_file(file))
        except Unfit as error:
            raise _in_batch(number, error.field, str(error)) from error
    return b"".join([encode_verdict(verdict_of(outcome)) for outcome in check(documents)])


def _in_batch(number: int, field: str, problem: str) -> Unfit:
    return Unfit(f"files[{number}].{field}" if field else f"files[{number}]", problem)
