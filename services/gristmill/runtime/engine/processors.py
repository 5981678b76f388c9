"""How a batch of deliveries is worked off: in worker processes, or in order in one place.

Both answer every delivery, whatever happens to it, and both leave the caller's thread free: it has
a consumer group to stay in.
"""

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from threading import Lock
from typing import Protocol

from gristmill.runtime.engine.envelope import Answer, Envelope, weight_of
from gristmill.runtime.engine.passage import NamedStage, Passage, Record, pass_through
from gristmill.runtime.engine.pool import WorkerPool
from gristmill.runtime.model import Document, GristmillError, Poison, Reason, Transient
from gristmill.runtime.model.decision import decision_on, documents_after
from gristmill.runtime.ports import Delivery

_CHUNK_RECORDS = 64
_CHUNK_BYTES = 1 << 20


class Processor(Protocol):
    """Answers batches; several may be in work, and they are answered as if one after the other."""

    def submit(self, deliveries: Sequence[Delivery]) -> "Future[list[Answer]]":
        """Begin a batch; the future gives one answer a delivery, or Transient or Fatal."""
        ...

    def condemn(self, delivery: Delivery, detail: str) -> Answer:
        """Return the answer that sets a delivery aside without looking into it."""
        ...

    def reset(self) -> None:
        """Work again after a Transient failure: what was submitted before it has been given up."""
        ...

    def close(self) -> None:
        """End at once; twice is harmless."""
        ...


class PooledProcessor:
    """Works pure stages off in worker processes."""

    def __init__(self, pool: WorkerPool[Answer], envelope: Envelope, version: str) -> None:
        """Take a pool whose first segment is the stage, behind the envelope."""
        self._pool = pool
        self._envelope = envelope
        self._version = version

    def submit(self, deliveries: Sequence[Delivery]) -> "Future[list[Answer]]":
        """Cut the batch into chunks for the workers."""
        return _gathered([self._pool.submit(0, chunk) for chunk in _chunks(deliveries)])

    def condemn(self, delivery: Delivery, detail: str) -> Answer:
        """Set a delivery aside."""
        return _condemned(self._envelope, delivery, detail, self._version)

    def reset(self) -> None:
        """Do nothing: chunks fail one by one."""

    def close(self) -> None:
        """End the workers."""
        self._pool.close()


@dataclass(slots=True)
class _Life:
    """What batches share that were submitted between two resets."""

    failure: Transient | None = None


class OrderedProcessor:
    """Works a stateful stage off in order, in a thread of its own."""

    def __init__(self, stage: NamedStage, envelope: Envelope) -> None:
        self._name, self._stage = stage
        self._envelope = envelope
        self._life = _Life()
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix=self._name)

    def submit(self, deliveries: Sequence[Delivery]) -> "Future[list[Answer]]":
        """Queue the batch behind those before it."""
        return self._thread.submit(self._work, self._life, deliveries)

    def _work(self, life: "_Life", deliveries: Sequence[Delivery]) -> list[Answer]:
        if life.failure is not None:  # nothing may overtake a batch that has to come again
            raise life.failure
        try:
            opened = [self._open(delivery) for delivery in deliveries]
            passages = self._decide(opened)
        except Transient as error:
            life.failure = error
            raise
        return [
            self._envelope.close(
                delivery, record if isinstance(record, Document) else None, passage
            )
            for delivery, record, passage in zip(deliveries, opened, passages, strict=True)
        ]

    def _open(self, delivery: Delivery) -> Record | Passage:
        try:
            return self._envelope.open(delivery)
        except Poison as error:
            return self._envelope.unopened(delivery, error, self._stage.version)

    def _decide(self, opened: Sequence[Record | Passage]) -> list[Passage]:
        """Decide what could be opened together; where that breaks, one by one."""
        records = [one for one in opened if not isinstance(one, Passage)]
        try:
            outcomes = self._stage.process(records) if records else []
            assert len(outcomes) == len(records), "a stage answers every record"
        except GristmillError:
            raise
        except Exception:  # noqa: BLE001  # a bug costs one record: each is tried alone
            decided = iter([pass_through([(self._name, self._stage)], one) for one in records])
        else:
            decided = iter(
                Passage(
                    decisions=[
                        decision_on(record, outcome, stage=self._name, version=self._stage.version)
                    ],
                    documents=list(documents_after(outcome)),
                )
                for record, outcome in zip(records, outcomes, strict=True)
            )
        return [one if isinstance(one, Passage) else next(decided) for one in opened]

    def condemn(self, delivery: Delivery, detail: str) -> Answer:
        """Set a delivery aside."""
        return _condemned(self._envelope, delivery, detail, self._stage.version)

    def reset(self) -> None:
        """Let batches through again."""
        self._life = _Life()

    def close(self) -> None:
        """Finish what is in work, drop the rest."""
        self._thread.shutdown(wait=True, cancel_futures=True)


def _condemned(envelope: Envelope, delivery: Delivery, detail: str, version: str) -> Answer:
    passage = envelope.unopened(delivery, Poison(Reason.UNHANDLED, detail), version)
    return envelope.close(delivery, None, passage)


def _chunks(deliveries: Sequence[Delivery]) -> list[list[Delivery]]:
    chunks: list[list[Delivery]] = []
    weight = _CHUNK_BYTES
    for delivery in deliveries:
        if weight >= _CHUNK_BYTES or len(chunks[-1]) >= _CHUNK_RECORDS:
            chunks.append([])
            weight = 0
        chunks[-1].append(delivery)
        weight += weight_of(delivery)
    return chunks


def _gathered(parts: "list[Future[list[Answer]]]") -> "Future[list[Answer]]":
    """Return one future of all parts in order; the first part that failed fails it."""
    whole: Future[list[Answer]] = Future()
    lock = Lock()
    left = len(parts)

    def done(_: "Future[list[Answer]]") -> None:
        nonlocal left
        with lock:
            left -= 1
            if left:
                return
        try:
            if whole.set_running_or_notify_cancel():  # else it was given up: nobody waits for it
                whole.set_result([answer for part in parts for answer in part.result()])
        except Exception as error:  # noqa: BLE001  # whatever it is, whoever waits must learn it
            whole.set_exception(error)
        finally:
            parts.clear()  # they know of this function: a circle that would hold all answers

    for part in parts:
        part.add_done_callback(done)
    return whole
