"""The local runner: a whole route in one process tree, without a broker.

source -> pure work in worker processes -> admission in order, here -> pure work -> sink. What is
kept depends on the sources alone: not on workers, batches or kills. The index is durable first,
then the tables; the tables say where a rerun goes on.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field

from gristmill.runtime.engine.chunks import Chunk, cut
from gristmill.runtime.engine.passage import NamedStage, Passage
from gristmill.runtime.engine.pool import WorkerPool
from gristmill.runtime.model import Document, Fatal, OutcomeKind
from gristmill.runtime.model.decision import decision_on, documents_after
from gristmill.runtime.ports import (
    Arrived,
    Batch,
    Clock,
    Decided,
    Progress,
    Sink,
    Source,
    Span,
)

BEFORE, AFTER = 0, 1
"""The two segments of pure work, before and after the admission."""

_DECISION_BYTES = 1000  # what a decision weighs in memory until it is written
_WAIT_SECONDS = 0.2  # how soon a request to stop is noticed


@dataclass(frozen=True, slots=True, kw_only=True)
class RunnerSettings:
    """How the local runner paces itself. None of it changes what is kept."""

    workers: int = 0
    """Worker processes; 0 takes one for each processor that this process may use."""

    batch_documents: int = 1000
    """Documents admitted to the dedup index in one durable step; larger steps cost less each."""

    inflight_bytes: int = 32 << 20
    """Bytes on their way through the workers to admission; bounds memory, keeps workers busy."""

    commit_bytes: int = 48 << 20
    """Bytes of kept text and decisions after which the tables are written; bounds memory."""

    commit_seconds: float = 60.0
    """Seconds after which the tables are written even if there is little to write."""

    max_dead_share: float = 0.05
    """Share of documents that may break a stage before the run stops: beyond, it is an outage."""

    dead_allowed: int = 20
    """Documents that may break a stage whatever their share."""

    def __post_init__(self) -> None:
        if self.batch_documents < 1:
            raise ValueError("batch_documents must be at least 1")


@dataclass(slots=True)
class Spent:
    """What a part of the run took, in the thread that the run is in."""

    wall_seconds: float = 0.0
    cpu_seconds: float = 0.0

    @contextmanager
    def measured(self, clock: Clock) -> Iterator[None]:
        """Add what happens meanwhile."""
        wall, cpu = clock.monotonic(), clock.cpu()
        yield
        self.wall_seconds += clock.monotonic() - wall
        self.cpu_seconds += clock.cpu() - cpu


@dataclass(slots=True)
class RunReport:
    """What one run did, apart from what earlier runs had done; `added` counts documents rows."""

    documents: int = 0
    kept: int = 0
    dead: int = 0
    added: int = 0
    interrupted: bool = False
    admission: Spent = field(default_factory=Spent)
    writing: Spent = field(default_factory=Spent)


class LocalRunner:
    """Takes sources through a route whose pure stages `pool` runs as the segment BEFORE.

    What comes behind the admission is passed by `after`: in the pool, or here.
    """

    def __init__(
        self,
        *,
        pool: WorkerPool[Passage],
        admission: NamedStage | None,
        after: "Callable[[Sequence[Document]], Future[list[Passage]]] | None",
        sink: Sink,
        clock: Clock,
        progress: Progress,
        settings: RunnerSettings,
    ) -> None:
        self._pool = pool
        self._admission = admission
        self._pass_after = after
        self._progress = progress
        self._clock = clock
        self._settings = settings
        self._report = RunReport()
        self._gate = _DeadGate(settings)
        self._writer = _Writer(sink, clock, settings, self._report.writing)
        self._chunks: Iterator[Chunk] = iter(())
        self._exhausted = False
        self._reading = False
        self._before: deque[tuple[Chunk, Future[list[Passage]]]] = deque()
        self._inflight_bytes = 0
        self._batch: list[Chunk] = []
        self._after: deque[tuple[list[Chunk], Future[list[Passage]] | None]] = deque()
        self._stopping = False

    def stop(self) -> None:
        """Ask the run to end with what is already done; for a signal handler of this thread.

        A source may read on for long without giving anything: then it is interrupted, which costs
        nothing, since what it had not given is not begun.
        """
        self._stopping = True
        if self._reading:
            raise KeyboardInterrupt

    def run(self, sources: Sequence[Source], limit: int | None = None) -> RunReport:
        """Take all sources through, from where the sink stands, at most `limit` records more."""
        starts = self._writer.positions()
        self._chunks = cut(sources, starts, limit)
        self._progress.start(
            total_bytes=sum(source.listing.total_bytes for source in sources),
            done_bytes=sum(s.done_bytes(starts.get(s.listing.source, 0)) for s in sources),
        )
        more = True
        while more and not self._stopping:
            self._feed()
            more = self._advance()
        if more:
            self._progress.say("stopping: writing what is done (once more stops at once)")
        self._finish_ready(wait=False)
        self._report.added = self._writer.commit()
        self._report.interrupted = more
        return self._report

    def _feed(self) -> None:
        """Give the workers chunks until enough bytes are on their way."""
        while not self._before or self._inflight_bytes < self._settings.inflight_bytes:
            if (chunk := self._next_chunk()) is None:
                return
            self._inflight_bytes += chunk.weight_bytes
            self._before.append((chunk, self._pool.submit(BEFORE, chunk.entries)))
            chunk.entries = ()

    def _next_chunk(self) -> Chunk | None:
        self._reading = True
        try:
            chunk = next(self._chunks, None)
        except KeyboardInterrupt:
            if not self._stopping:
                raise
            return None
        finally:
            self._reading = False
        self._exhausted = chunk is None
        return chunk

    def _advance(self) -> bool:
        """Take the oldest answer one step on; False when nothing is left to do."""
        if self._before:
            chunk, future = self._before[0]
            if (passages := self._await(future)) is None:
                return True
            self._before.popleft()
            chunk.passages = passages
            self._batch.append(chunk)
        if self._batch and (self._batch_is_due() or not self._before):
            self._after.append((self._batch, self._admit(self._batch)))
            self._inflight_bytes -= sum(chunk.weight_bytes for chunk in self._batch)
            self._batch = []
        self._finish_ready(wait=not self._before)
        return bool(not self._exhausted or self._before or self._batch or self._after)

    def _batch_is_due(self) -> bool:
        """Tell whether enough documents wait for admission, or enough bytes."""
        size = sum(len(chunk.passages) for chunk in self._batch)
        weight = sum(chunk.weight_bytes for chunk in self._batch)
        half = self._settings.inflight_bytes // 2  # the other half keeps the workers busy
        return size >= self._settings.batch_documents or weight >= half

    def _admit(self, batch: Sequence[Chunk]) -> "Future[list[Passage]] | None":
        """Pass a batch through the stateful stage, in order; start the pure work behind it."""
        passages = [passage for chunk in batch for passage in chunk.passages]
        documents = [document for passage in passages for document in passage.documents]
        if self._admission is not None and documents:
            name, stage = self._admission
            with self._report.admission.measured(self._clock):
                outcomes = stage.process(documents)
            assert len(outcomes) == len(documents), "a stage answers every record"
            following = iter(outcomes)
            for passage in passages:
                going: list[Document] = []
                for document in passage.documents:
                    outcome = next(following)
                    decision = decision_on(document, outcome, stage=name, version=stage.version)
                    passage.decisions.append(decision)
                    going.extend(documents_after(outcome))
                passage.documents = going
        going_on = [document for passage in passages for document in passage.documents]
        return self._pass_after(going_on) if self._pass_after is not None and going_on else None

    def _finish_ready(self, *, wait: bool) -> None:
        """Hand finished batches to the writer, in order."""
        while self._after:
            batch, future = self._after[0]
            if future is not None:
                if not wait and not future.done():
                    return
                if (answers := self._await(future)) is None:
                    return
                _join(batch, iter(answers))
            self._after.popleft()
            self._finish(batch)

    def _finish(self, batch: list[Chunk]) -> None:
        for passage in (passage for chunk in batch for passage in chunk.passages):
            self._report.documents += 1
            self._report.kept += len(passage.documents)
            self._report.dead += self._gate.count(passage, self._progress.say)
        self._gate.check()
        self._writer.add(batch)
        self._progress.advance(
            documents=self._report.documents,
            kept=self._report.kept,
            done_bytes=batch[-1].listed_bytes,
        )

    def _await(self, future: "Future[list[Passage]]") -> list[Passage] | None:
        """Return the answer, or None when the run was asked to stop before it came."""
        while not self._stopping or future.done():
            try:
                return future.result(timeout=_WAIT_SECONDS)
            except TimeoutError:
                continue
        return None


class _Writer:
    """Collects finished chunks and writes them when they are many, heavy or old."""

    def __init__(self, sink: Sink, clock: Clock, settings: RunnerSettings, spent: Spent) -> None:
        self._spent = spent
        self._sink = sink
        self._clock = clock
        self._settings = settings
        self._chunks: list[Chunk] = []
        self._weight_bytes = 0
        self._added = 0
        self._last = clock.monotonic()

    def positions(self) -> dict[str, int]:
        return dict(self._sink.positions())

    def add(self, batch: Sequence[Chunk]) -> None:
        self._chunks.extend(batch)
        for passage in (passage for chunk in batch for passage in chunk.passages):
            self._weight_bytes += _DECISION_BYTES * len(passage.decisions)
            self._weight_bytes += sum(document.size_bytes for document in passage.documents)
        age = self._clock.monotonic() - self._last
        if self._weight_bytes >= self._settings.commit_bytes or (
            age >= self._settings.commit_seconds
        ):
            self.commit()

    def commit(self) -> int:
        """Write what has gathered; return the documents added by all writes so far."""
        if self._chunks:
            spans: dict[str, Span] = {}
            for chunk in self._chunks:
                begin = spans[chunk.source].begin if chunk.source in spans else chunk.begin
                spans[chunk.source] = Span(begin, chunk.end)
            passages = [passage for chunk in self._chunks for passage in chunk.passages]
            now = self._clock.now()
            batch = Batch(
                spans=spans,
                documents=[
                    Arrived(document.position, document)
                    for passage in passages
                    for document in passage.documents
                ],
                decisions=[
                    Decided(decision.position, decision, now)
                    for passage in passages
                    for decision in passage.decisions
                ],
            )
            self._chunks = []
            self._weight_bytes = 0
            with self._spent.measured(self._clock):
                self._added += self._sink.write(batch, now)
        self._last = self._clock.monotonic()
        return self._added


class _DeadGate:
    """Stops a run in which too much breaks: everything failing is an outage, not bad data."""

    def __init__(self, settings: RunnerSettings) -> None:
        self._settings = settings
        self._documents = 0
        self._dead = 0

    def count(self, passage: Passage, say: Callable[[str], None]) -> int:
        """Count one record, say what failed on it, and return 1 if it is dead."""
        self._documents += 1
        for failure in passage.failures:
            say(f"a stage failed on a document, which is set aside: {failure}")
        last = passage.decisions[-1].outcome if passage.decisions else OutcomeKind.KEEP
        dead = int(last in {OutcomeKind.DEAD, OutcomeKind.REJECT})
        self._dead += dead
        return dead

    def check(self) -> None:
        share = self._settings.max_dead_share * self._documents
        if self._dead > max(self._settings.dead_allowed, share):
            raise Fatal(
                f"{self._dead} of {self._documents} documents broke a stage: that is a fault, "
                "not bad data; what was written before stays, nothing more was"
            )


def _join(batch: Sequence[Chunk], answers: Iterator[Passage]) -> None:
    """Add what the second segment made of the batch's documents to their passages."""
    for passage in (passage for chunk in batch for passage in chunk.passages):
        following: list[Document] = []
        for _ in passage.documents:
            answer = next(answers)
            passage.decisions.extend(answer.decisions)
            passage.failures.extend(answer.failures)
            following.extend(answer.documents)
        passage.documents = following
