"""The streaming worker: poll, process, then one transaction a batch, exactly once.

Work goes on while the group is polled, so a slow stage keeps its partitions. A transaction holds a
batch's outputs, its ledger record, its dead letters and its offsets. After a failure, or where
nobody knows, everything that was polled is forgotten and comes again from the committed offsets.
"""

from collections import Counter, deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, wait
from contextlib import suppress
from dataclasses import dataclass, field

from gristmill.runtime.engine.attempts import Attempts
from gristmill.runtime.engine.backoff import Backoff
from gristmill.runtime.engine.dead_gate import DeadGate
from gristmill.runtime.engine.envelope import Answer, dead_letter, ledger_messages, weight_of
from gristmill.runtime.engine.processors import Processor
from gristmill.runtime.engine.standing import Standing
from gristmill.runtime.engine.stream_settings import StreamSettings
from gristmill.runtime.model import Fatal, OutcomeKind, Transient
from gristmill.runtime.ports import (
    Clock,
    Delivery,
    Log,
    Metrics,
    Partition,
    Rewound,
)
from gristmill.runtime.ports.event_log import EventLog

# A poll costs a millisecond of Python and more, whatever it brings: there should be few of them.
_IDLE_SECONDS = 0.5  # how long a poll waits when nothing is in work
_BUSY_SECONDS = 0.05  # how soon new records are noticed when something is; an answer is at once
_REPORT_SECONDS = 1.0
_FULL_BATCHES = 4  # as many records may be in work: what dies twice is taken one by one
_RECORD_BYTES = 1024  # of memory, beside a record's own bytes
_DRAIN_SHARE = 0.75  # of the time to end in that work may take; the rest is for ending


@dataclass(slots=True)
class _Batch:
    deliveries: Sequence[Delivery]
    future: "Future[list[Answer]]"
    began: float
    weight_bytes: int
    lost: set[Partition] = field(default_factory=set)
    is_alone: bool = False


class StreamWorker:
    """One stage over the log. Everything happens in the thread that calls `step` or `run`."""

    def __init__(
        self,
        *,
        stage: str,
        version: str,
        log: Log,
        processor: Processor,
        clock: Clock,
        metrics: Metrics,
        events: EventLog,
        settings: StreamSettings,
        instance: str = "",
    ) -> None:
        """Take what is needed; `instance` names this worker, the same after every restart."""
        self._stage = stage
        self._version = version
        self._log = log
        self._processor = processor
        self._clock = clock
        self._metrics = metrics
        self._events = events
        self._settings = settings
        self._attempts = Attempts(log, instance)
        self._gate = DeadGate(settings)
        self._incoming: deque[Delivery] = deque()
        self._incoming_since = 0.0
        self._incoming_bytes = 0
        self._batches: deque[_Batch] = deque()
        self._backoff = Backoff(clock)
        self._paused = False
        self._reported = float("-inf")
        self._standing = Standing(stage, metrics, clock)
        self._stopped_at: float | None = None
        self.committed_records = 0

    def stop(self) -> None:
        """Ask the worker to finish what is in work and end; for a signal handler."""
        if self._stopped_at is None:
            self._stopped_at = self._clock.monotonic()

    @property
    def _stopping(self) -> bool:
        return self._stopped_at is not None

    @property
    def is_idle(self) -> bool:
        """Whether nothing is in work and nothing waits."""
        return not self._incoming and not self._batches

    @property
    def is_waiting(self) -> bool:
        """Whether something outside does not answer: then no progress is no fault of ours."""
        return self._backoff.is_failing

    def run(self, beat: Callable[[], None]) -> None:
        """Work until stopped, then finish what is in work, within a deadline.

        `beat` is called every turn. Raises Fatal, and whatever a bug raises; then what was not
        committed comes again.
        """
        try:
            while not self._stopping:
                self.step()
                beat()
            self._drain(beat)
        except Fatal:
            self._wipe()
            raise
        # Anything else that is raised is a death at what was in work: its marks stay.
        self._wipe()

    def _wipe(self) -> None:
        with suppress(Transient, Fatal):  # the marks are a courtesy to the next start
            try:
                self._attempts.wipe()
            except Rewound:  # where it stands is in doubt: a poll finds out
                self._attempts.forget(self._log.poll(0.0).lost)
                self._attempts.wipe()

    def step(self) -> None:
        """Take one turn: poll, hand out, commit what is done."""
        polled = self._log.poll(self._patience())
        if polled.lost:
            self._forget(polled.lost)
        if polled.deliveries:
            self._take(polled.deliveries)
        self._turn(submit=True)

    def _turn(self, *, submit: bool) -> None:
        try:
            if submit and not self._backoff.is_pausing:
                self._submit_due()
            self._await_answer()
            self._commit_oldest()
        except Rewound as error:
            self._begin_again(error)
        except Transient as error:
            self._log.rewind()
            self._begin_again(error)
            self._backoff.fail()
        self._pace()
        self._report()

    def _patience(self) -> float:
        """Return how long a poll may wait; where there is work, its answer is waited for."""
        if self._stopping or self._batches:
            return 0.0
        if self._incoming:
            return _BUSY_SECONDS if self._backoff.is_pausing else 0.0
        return _IDLE_SECONDS

    def _await_answer(self) -> None:
        if self._batches:
            wait([self._batches[0].future], timeout=_BUSY_SECONDS)

    # --- taking in --------------------------------------------------------------------------------

    def _take(self, deliveries: Sequence[Delivery]) -> None:
        if not self._incoming:
            self._incoming_since = self._clock.monotonic()
        self._incoming.extend(deliveries)
        self._incoming_bytes += sum(weight_of(delivery) for delivery in deliveries)

    def _submit_due(self) -> None:
        has_submitted = False
        while self._incoming and self._has_room():
            if self._batches and self._batches[-1].is_alone:
                return  # what came into work beside it might die in its name
            if has_submitted and self._batches[0].future.done():
                return  # a batch waits for its mark to begin: a backlog may not hold answers up
            if self._attempts.is_careful(self._incoming[0]):
                if not self._batches:
                    self._submit_alone(self._next())
                return
            if self._batches and not self._is_due():
                return
            deliveries = self._next_batch()
            self._attempts.begin(deliveries)
            if any(map(self._attempts.is_careful, deliveries)):  # found out just now: put them back
                self._incoming.extendleft(reversed(deliveries))
                self._incoming_bytes += sum(weight_of(one) for one in deliveries)
                continue
            self._submit(deliveries, self._processor.submit(deliveries))
            has_submitted = True

    def _has_room(self) -> bool:
        """Tell whether more may come into work: bytes bound memory, records what a death costs."""
        return (
            self._submitted_bytes() < self._settings.inflight_bytes
            and self._submitted_records() < _FULL_BATCHES * self._settings.batch_records
        )

    def _is_due(self) -> bool:
        """Tell whether what came in is enough for a batch, or has waited long enough."""
        return (
            len(self._incoming) >= self._settings.batch_records
            or self._incoming_bytes >= self._settings.batch_bytes
            or self._clock.monotonic() - self._incoming_since >= self._settings.linger_seconds
        )

    def _next_batch(self) -> list[Delivery]:
        deliveries: list[Delivery] = []
        weight = 0
        while (
            self._incoming
            and len(deliveries) < self._settings.batch_records
            and weight < self._settings.batch_bytes
            and not self._attempts.is_careful(self._incoming[0])
        ):
            deliveries.append(self._next())
            weight += weight_of(deliveries[-1])
        return deliveries

    def _next(self) -> Delivery:
        delivery = self._incoming.popleft()
        self._incoming_bytes -= weight_of(delivery)
        return delivery

    def _submit_alone(self, delivery: Delivery) -> None:
        if not self._attempts.is_condemned(delivery):
            self._attempts.alone(delivery)
            self._submit([delivery], self._processor.submit([delivery]))
            self._batches[-1].is_alone = True
            return
        where = {"partition": str(delivery.partition), "offset": delivery.offset}
        self._events.error("record set aside unseen", **where)
        future: Future[list[Answer]] = Future()
        detail = "its worker died at it four times, twice with nothing else in work"
        future.set_result([self._processor.condemn(delivery, detail)])
        self._submit([delivery], future)

    def _submit(self, deliveries: Sequence[Delivery], future: "Future[list[Answer]]") -> None:
        weight = sum(weight_of(delivery) for delivery in deliveries)
        begin = self._clock.monotonic()
        self._batches.append(_Batch(deliveries, future, begin, weight))

        def tell(_: "Future[list[Answer]]") -> None:
            seconds = self._clock.monotonic() - begin
            self._metrics.observe("gristmill_process_seconds", seconds, stage=self._stage)

        future.add_done_callback(tell)

    def _submitted_bytes(self) -> int:
        return sum(batch.weight_bytes for batch in self._batches)

    def _submitted_records(self) -> int:
        return sum(len(batch.deliveries) for batch in self._batches)

    def _pace(self) -> None:
        """Stop polling while enough is in work, or something outside is away."""
        num_records = self._submitted_records() + len(self._incoming)
        weight = self._submitted_bytes() + self._incoming_bytes + _RECORD_BYTES * num_records
        full = weight >= self._settings.inflight_bytes
        wanted = full or self._backoff.is_pausing
        if wanted and not self._paused:
            self._log.pause()
        elif self._paused and not wanted:
            self._log.resume()
        self._paused = wanted

    # --- committing -------------------------------------------------------------------------------

    def _commit_oldest(self) -> None:
        if not self._batches:
            # A worker that ends leaves records unanswered that it has polled.
            if not self._incoming and not self._stopping:
                self._log.settle()
            return
        batch = self._batches[0]
        if not batch.future.done():
            return
        answers = batch.future.result()
        if batch.is_alone and not batch.lost:
            self._attempts.survived(batch.deliveries[0])
        kept = [
            (delivery, answer)
            for delivery, answer in zip(batch.deliveries, answers, strict=True)
            if delivery.partition not in batch.lost
        ]
        if kept and not self._transact(kept):
            return  # the group is being arranged anew: poll, then once more
        self._batches.popleft()
        self._backoff.succeed()
        self.committed_records += len(kept)
        self._count(kept, batch)

    def _transact(self, kept: Sequence[tuple[Delivery, Answer]]) -> bool:
        now = self._clock.now()
        messages = [message for _, answer in kept for message in answer.messages]
        dead = [(delivery, answer.dead) for delivery, answer in kept if answer.dead is not None]
        self._gate.check(len(kept), len(dead))
        for delivery, (reason, detail) in dead:
            told = {"stage": self._stage, "version": self._version, "detail": detail}
            messages.append(dead_letter(delivery, reason=reason, at=now, **told))
        parts = [answer.decisions for _, answer in kept]
        messages += ledger_messages(self._stage, parts, now)
        ends = {delivery.partition: delivery.offset + 1 for delivery, _ in kept}
        offsets = {one: self._attempts.answered(one, end) for one, end in ends.items()}
        begin = self._clock.monotonic()
        open_since = "gristmill_transaction_begun_timestamp_seconds"
        self._metrics.set(open_since, now.timestamp(), stage=self._stage)
        try:
            done = self._log.transact(messages, offsets)
        except Rewound:
            seconds = self._clock.monotonic() - begin
            self._events.warning("transaction given up", seconds=seconds, records=len(kept))
            self._metrics.count("gristmill_transactions_total", stage=self._stage, result="rewound")
            raise
        finally:
            self._metrics.set(open_since, 0, stage=self._stage)
        if done:
            for partition, committed in offsets.items():
                self._attempts.committed(partition, committed)
            self._gate.add(len(kept), len(dead))
            seconds = self._clock.monotonic() - begin
            self._metrics.observe("gristmill_transaction_seconds", seconds, stage=self._stage)
            self._metrics.count(
                "gristmill_transactions_total", stage=self._stage, result="committed"
            )
        return done

    def _count(self, kept: Sequence[tuple[Delivery, Answer]], batch: _Batch) -> None:
        seconds = self._clock.monotonic() - batch.began
        self._metrics.observe("gristmill_batch_seconds", seconds, stage=self._stage)
        counts: Counter[tuple[str, OutcomeKind, str]] = Counter()
        for delivery, answer in kept:
            for stage, outcome, reason in answer.outcomes:
                counts[stage, outcome, reason.value if reason else ""] += 1
            if answer.too_much_for:
                self._metrics.count("gristmill_quarantined_total", grammar=answer.too_much_for)
            if answer.dead is not None:
                reason, detail = answer.dead
                self._metrics.count(
                    "gristmill_dead_letters_total", stage=self._stage, reason=reason.value
                )
                self._events.warning(
                    "record set aside",
                    partition=str(delivery.partition),
                    offset=delivery.offset,
                    reason=reason.value,
                    detail=detail,
                )
            for failure in answer.failures:
                self._events.error("stage failed on a record", error=failure)
        for (stage, outcome, reason_code), count in counts.items():
            self._metrics.count(
                "gristmill_documents_total",
                count,
                stage=stage,
                outcome=outcome.value,
                reason=reason_code,
            )

    # --- going back -------------------------------------------------------------------------------

    def _forget(self, lost: frozenset[Partition]) -> None:
        """Forget what was polled of partitions that are another's now."""
        self._attempts.forget(lost)
        self._standing.lost()
        self._incoming = deque(one for one in self._incoming if one.partition not in lost)
        self._incoming_bytes = sum(weight_of(one) for one in self._incoming)
        for batch in self._batches:
            batch.lost |= lost

    def _begin_again(self, error: Transient) -> None:
        """Forget everything that was polled: the log gives it again."""
        self._events.warning("going back to what is committed", error=str(error))
        for batch in self._batches:
            batch.future.cancel()
        self._attempts.forget_all()
        self._batches.clear()
        self._incoming.clear()
        self._incoming_bytes = 0
        self._processor.reset()

    def _drain(self, beat: Callable[[], None]) -> None:
        """Finish what is in work; what has not begun is left to the next start."""
        assert self._stopped_at is not None, "it was told to stop"
        deadline = self._stopped_at + _DRAIN_SHARE * self._settings.drain_seconds
        self._incoming.clear()
        self._incoming_bytes = 0
        self._log.pause()
        while self._batches and self._clock.monotonic() < deadline:
            self._forget(self._log.poll(0.0).lost)
            self._turn(submit=False)
            beat()
        if self._batches:
            self._events.warning("work left to the next start", batches=len(self._batches))

    # --- telling ----------------------------------------------------------------------------------

    def _report(self) -> None:
        now = self._clock.monotonic()
        if now - self._reported < _REPORT_SECONDS:
            return
        self._reported = now
        in_work = self._submitted_records() + len(self._incoming)
        self._standing.tell_in_work(
            num_bytes=self._submitted_bytes() + self._incoming_bytes,
            num_records=in_work,
            paused=self._paused,
        )
        lag: Counter[str] = Counter()
        for partition, records in self._log.lag().items():
            lag[partition.topic] += records
        self._standing.tell_lag({topic: records + in_work for topic, records in lag.items()})
        taken = [one.deliveries[0] for one in self._batches]
        if self._incoming:
            taken.append(self._incoming[0])
        oldest = min((one.timestamp_seconds for one in taken), default=None)
        self._standing.tell_age(oldest, is_failing=self._backoff.is_failing)
        self._standing.tell_assigned(self._log.assignment())
