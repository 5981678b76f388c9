"""The shards worker: from the log into the tables, whose own positions say where to go on.

Nothing here is a transaction of the log. A commit to a table moves the table's vector of positions;
the group's offsets follow as a hint for people. After any doubt the tables are asked again.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime

from gristmill.runtime.engine.backoff import Backoff
from gristmill.runtime.engine.dead_gate import DeadGate
from gristmill.runtime.engine.envelope import (
    LEDGER_TOPIC,
    Envelope,
    Place,
    dead_letter,
    partition_source,
    place_of,
    weight_of,
)
from gristmill.runtime.engine.standing import Standing
from gristmill.runtime.engine.stream_settings import StreamSettings
from gristmill.runtime.model import Document, Poison, Position, Stale, Transient
from gristmill.runtime.ports import (
    Arrived,
    Batch,
    Clock,
    Committed,
    Decided,
    Delivery,
    Message,
    Metrics,
    Partition,
    Reader,
    Rewound,
    Sink,
    Span,
    Writer,
)
from gristmill.runtime.ports.event_log import EventLog
from gristmill.runtime.wire import decode_decisions

_STAGE = "shards"
_IDLE_SECONDS = 0.5
_REPORT_SECONDS = 1.0
_SETTLED_SECONDS = 600.0  # of quiet, after which the tables learn of markers that were passed
_QUIET_SECONDS = 2.0  # without a record, after which what came is written early
_APART_SECONDS = 4.0  # between commits for that reason: a trickle must not make many small files


class TableFeed:
    """Collects what its topics deliver and writes it when it is much or old."""

    def __init__(
        self,
        *,
        reader: Reader,
        sink: Sink,
        writer: Writer,
        envelope: Envelope,
        sources: Mapping[str, str],
        version: str,
        announce: Callable[[], None],
        letters: Callable[[], Iterable[Place]],
        clock: Clock,
        metrics: Metrics,
        events: EventLog,
        settings: StreamSettings,
    ) -> None:
        """Take what is needed; `sources` names each topic as the source of its partitions.

        `announce` tells the world of finished snapshots, those that nobody was told of included.
        `letters` looks up the places of the dead letters that this stage has written.
        """
        self._reader = reader
        self._sink = sink
        self._writer = writer
        self._envelope = envelope
        self._sources = sources
        self._version = version
        self._announce = announce
        self._look_up_letters = letters
        self._letters: set[Place] | None = None  # those that are written, once they were looked up
        self._clock = clock
        self._metrics = metrics
        self._events = events
        self._settings = settings
        self._backoff = Backoff(clock)
        self._gate = DeadGate(settings)
        self._reported = float("-inf")
        self._batch = _Gathering(clock.monotonic())
        self._arrived = self._written = self._settled = clock.monotonic()
        self._stands: dict[str, int] | None = None
        self._stopping = False
        self._paused = False
        self._standing = Standing(_STAGE, metrics, clock)
        self._unannounced = True
        self.committed_records = 0

    def stop(self) -> None:
        """Ask the worker to write what it has and end; for a signal handler."""
        self._stopping = True

    @property
    def is_idle(self) -> bool:
        """Whether nothing waits to be written."""
        return not self._batch.ends

    @property
    def is_waiting(self) -> bool:
        """Whether something outside does not answer: then no progress is no fault of ours."""
        return self._backoff.is_failing

    def start_at(self, partition: Partition) -> int:
        """Return where the tables stand in a partition."""
        return self._positions().get(self._source(partition), 0)

    def run(self, beat: Callable[[], None]) -> None:
        """Work until stopped; then write what is there."""
        while not self._stopping:
            self.step()
            beat()
        if not self.is_idle:
            self._guarded(self._commit)
        else:
            self._guarded(self._settle_tables)
        if self._unannounced:
            self._guarded(self._tell)

    def step(self) -> None:
        """Take one turn."""
        polled = self._reader.poll(_IDLE_SECONDS)
        if polled.lost:
            self._standing.lost()
            self._begin_again("partitions were taken away")
            return
        self._guarded(lambda: self._take(polled.deliveries))
        if self._unannounced and not self._backoff.is_pausing:
            self._tell()
        self._pace()
        self._report()

    def _take(self, deliveries: Sequence[Delivery]) -> None:
        now = self._clock.now()
        if deliveries:
            self._arrived = self._clock.monotonic()
        for delivery in deliveries:
            self._add(delivery, now)
            if self._batch.weight_bytes >= self._settings.commit_bytes:
                self._commit()  # small records may refer to bodies that are not
        if self._batch.ends:
            if self._is_due():
                self._commit()
        elif not deliveries:
            self._reader.settle()
            if self._clock.monotonic() - max(self._arrived, self._settled) >= _SETTLED_SECONDS:
                self._settle_tables()

    def _settle_tables(self) -> None:
        """Move the tables' positions past markers that were passed; nothing may be unwritten.

        Retention may delete all that lies before: then the position would be a gap to the next
        start, and nobody could tell that nothing but markers was in it.
        """
        self._settled = self._clock.monotonic()
        stands, spans = self._positions(), {}
        for partition in self._reader.assignment():
            source, settled = self._source(partition), self._reader.committed(partition).offset
            if settled > stands.get(source, 0):
                spans[source] = Span(stands.get(source, 0), settled)
        if spans:
            self._sink.write(Batch(spans=spans), self._clock.now())
            self._stands = None

    def _is_due(self) -> bool:
        """Tell whether what came is much, or old, or likely all there is for now."""
        now = self._clock.monotonic()
        quiet = now - self._arrived >= _QUIET_SECONDS
        return (
            self._batch.weight_bytes >= self._settings.commit_bytes
            or now - self._batch.began >= self._settings.commit_seconds
            or (quiet and now - self._written >= _APART_SECONDS)
        )

    def _add(self, delivery: Delivery, now: datetime) -> None:
        """Take a record into the batch; one that cannot be read is set aside, on record."""
        if not self._batch.ends:
            self._batch.began = self._clock.monotonic()
        place = Position(source=self._source(delivery.partition), offset=delivery.offset)
        try:
            if delivery.partition.topic == LEDGER_TOPIC:
                decisions, at = decode_decisions(delivery.value)
                self._batch.decisions += [Decided(place, one, at) for one in decisions]
            else:
                document = self._envelope.open(delivery)
                assert isinstance(document, Document), "the shards topic holds documents"
                self._batch.documents.append(Arrived(place, document))
        except Poison as error:
            passage = self._envelope.unopened(delivery, error, self._version)
            self._batch.decisions += [Decided(place, one, now) for one in passage.decisions]
            told = {"stage": _STAGE, "version": self._version, "detail": str(error)}
            letter = dead_letter(delivery, reason=error.reason, at=now, **told)
            self._batch.dead[place_of(delivery)] = letter
            self._batch.reasons[error.reason.value] += 1
        self._batch.counts[delivery.partition] += 1
        self._batch.oldest = min(self._batch.oldest, delivery.timestamp_seconds)
        self._batch.ends[delivery.partition] = delivery.offset + 1
        self._batch.weight_bytes += weight_of(delivery)

    def _commit(self) -> None:
        batch = self._batch
        stands = self._positions()
        spans = {}
        for partition, end in batch.ends.items():
            source = self._source(partition)
            spans[source] = Span(stands.get(source, 0), end)
        records = len(batch.documents) + len(batch.decisions)
        self._gate.check(records, len(batch.dead))
        if batch.dead:
            self._write_letters(batch.dead)
        begin = self._clock.monotonic()
        full = Batch(spans=spans, documents=batch.documents, decisions=batch.decisions)
        added = self._sink.write(full, self._clock.now())
        self._batch = _Gathering(self._clock.monotonic())
        self._stands = {**stands, **{source: span.end for source, span in spans.items()}}
        self._gate.add(records, len(batch.dead))
        self._backoff.succeed()
        self._written = self._clock.monotonic()
        self._unannounced = True
        seconds = self._clock.monotonic() - begin
        self._events.info(
            "tables written", documents=added, decisions=len(batch.decisions), seconds=seconds
        )
        self._metrics.count("gristmill_transactions_total", stage=_STAGE, result="committed")
        for reason, count in batch.reasons.items():
            told = {"stage": _STAGE, "reason": reason}
            self._metrics.count("gristmill_dead_letters_total", count, **told)
            self._metrics.count("gristmill_documents_total", count, outcome="reject", **told)
        self._metrics.observe("gristmill_table_commit_seconds", seconds, table="files")
        self._metrics.count("gristmill_table_rows_total", added, table="files")
        self._metrics.count(
            "gristmill_documents_total", added, stage=_STAGE, outcome="keep", reason=""
        )
        self._metrics.count(
            "gristmill_table_rows_total",
            len(batch.decisions) + len(batch.documents),
            table="ledger",
        )
        self.committed_records += len(batch.documents) + len(batch.decisions)
        # A hint for people, since the tables know. Where it fails, the reader goes back: what is
        # left of the poll comes again and must not be gathered now.
        for partition, end in batch.ends.items():
            self._reader.note(partition, Committed(end))

    def _write_letters(self, letters: Mapping[Place, Message]) -> None:
        """Write dead letters ahead of the tables, so that none is lost, and each of them once.

        A start that died between the two has written letters of records that come again now.
        """
        if self._letters is None:
            self._letters = set(self._look_up_letters())
        new = [letter for place, letter in letters.items() if place not in self._letters]
        try:
            if new:
                self._writer.write(new)
        except Transient:
            self._letters = None  # nobody knows which of them arrived
            raise
        self._letters |= letters.keys()

    def _tell(self) -> None:
        try:
            self._announce()
        except Transient as error:  # what was gathered is none the worse for it
            self._events.warning("snapshots not announced yet", error=str(error))
            self._backoff.fail()
        else:
            self._unannounced = False

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except (Stale, Rewound) as error:  # another writer was there first, or the reader goes back
            self._begin_again(str(error))
        except Transient as error:
            self._begin_again(str(error))
            self._backoff.fail()

    def _begin_again(self, why: str) -> None:
        self._events.warning("going back to where the tables stand", error=why)
        self._metrics.count("gristmill_transactions_total", stage=_STAGE, result="rewound")
        self._batch = _Gathering(self._clock.monotonic())
        self._stands = None
        self._reader.rewind()

    def _positions(self) -> dict[str, int]:
        if self._stands is None:
            self._stands = dict(self._sink.positions())
        return self._stands

    def _source(self, partition: Partition) -> str:
        return partition_source(self._sources[partition.topic], partition)

    def _pace(self) -> None:
        wanted = self._backoff.is_pausing
        if wanted and not self._paused:
            self._reader.pause()
        elif self._paused and not wanted:
            self._reader.resume()
        self._paused = wanted

    def _report(self) -> None:
        now = self._clock.monotonic()
        if now - self._reported < _REPORT_SECONDS:
            return
        self._reported = now
        batch = self._batch
        self._standing.tell_in_work(
            num_bytes=batch.weight_bytes, num_records=batch.counts.total(), paused=self._paused
        )
        lag: Counter[str] = Counter()
        for partition, records in self._reader.lag().items():
            lag[partition.topic] += records
        for partition, records in batch.counts.items():
            lag[partition.topic] += records
        self._standing.tell_lag(lag)
        oldest = batch.oldest if batch.ends else None
        self._standing.tell_age(oldest, is_failing=self._backoff.is_failing)
        self._standing.tell_assigned(self._reader.assignment())


class _Gathering:
    """What came since the last commit."""

    def __init__(self, began: float) -> None:
        self.began = began
        self.documents: list[Arrived] = []
        self.decisions: list[Decided] = []
        self.dead: dict[Place, Message] = {}
        self.reasons: Counter[str] = Counter()  # of those
        self.ends: dict[Partition, int] = {}
        self.counts: Counter[Partition] = Counter()  # of records that came
        self.oldest = float("inf")  # when the oldest record was written, in seconds of the clock
        self.weight_bytes = 0
