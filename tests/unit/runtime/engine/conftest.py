"""A mill in memory: one stage between two topics, with everything around it."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest

from gristmill.runtime.adapters.blobs import MemoryBlobStore, blob_reference
from gristmill.runtime.adapters.memory_log import Crashed, MemoryBroker, MemoryLog
from gristmill.runtime.engine.envelope import (
    DEAD_TOPIC,
    LEDGER_TOPIC,
    Answer,
    Envelope,
    topic_of,
)
from gristmill.runtime.engine.passage import NamedStage
from gristmill.runtime.engine.processors import Processor
from gristmill.runtime.engine.stream import StreamWorker
from gristmill.runtime.engine.stream_settings import StreamSettings
from gristmill.runtime.engine.worker import Deliveries
from gristmill.runtime.model import (
    Decision,
    Document,
    Drop,
    FileText,
    Keep,
    Kind,
    Origin,
    Outcome,
    Poison,
    Position,
    Reason,
    Split,
)
from gristmill.runtime.model.document import document_id, sha256_hex
from gristmill.runtime.ports import METRICS, Delivery, Message
from gristmill.runtime.wire import decode_decisions, decode_document, encode_document

STAGE = "syntax"
SOURCE, TARGET = topic_of(STAGE), "gristmill.next.v1"
GROUP = "gristmill.syntax"
MOST_TURNS = 2000


@dataclass
class FakeClock:
    """Stands still; each look at the steady clock may move it on."""

    seconds: float = 0.0
    step_seconds: float = 0.0

    def now(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        self.seconds += self.step_seconds
        return self.seconds

    def cpu(self) -> float:
        return self.seconds


class CountingMetrics:
    """Keeps what was measured, by name and the values of the labels."""

    def __init__(self) -> None:
        self.counts: Counter[tuple[str, ...]] = Counter()
        self.gauges: dict[tuple[str, ...], float] = {}

    def _key(self, name: str, labels: Mapping[str, str]) -> tuple[str, ...]:
        assert labels.keys() == set(METRICS[name].labels), name
        return (name, *(labels[label] for label in METRICS[name].labels))

    def count(self, name: str, amount: float = 1, **labels: str) -> None:
        self.counts[self._key(name, labels)] += int(amount)

    def observe(self, name: str, value: float, **labels: str) -> None:
        assert value >= 0
        self.counts[self._key(name, labels)] += 1

    def set(self, name: str, value: float, **labels: str) -> None:
        self.gauges[self._key(name, labels)] = value


@dataclass
class HeardEvents:
    said: list[str] = field(default_factory=list)

    def info(self, event: str, /, **fields: object) -> None:
        self.said.append(event)

    def warning(self, event: str, /, **fields: object) -> None:
        self.said.append(event)

    def error(self, event: str, /, **fields: object) -> None:
        self.said.append(event)


class ToyStage:
    """Does with a document what its text says."""

    version = "toy-1"

    def __init__(self) -> None:
        self.seen: list[str] = []

    def process(self, batch: Sequence[Any]) -> Sequence[Outcome]:
        return [self._one(document) for document in batch]

    def parser_of(self, document: Document) -> str:
        return "tree-sitter:toy"

    def _one(self, document: Document) -> Outcome:
        assert isinstance(document.body, FileText)
        act = document.body.content
        self.seen.append(act)
        if act.startswith("drop"):
            return Drop(Reason.GENERATED)
        if act.startswith("poison"):
            raise Poison(Reason.UNDECODABLE, "half a character")
        if act.startswith("explode"):
            raise ZeroDivisionError(act)
        if act.startswith("swell"):
            raise MemoryError
        if act.startswith("split"):
            return Split(tuple(renamed(document, f"{act}/{part}") for part in range(2)))
        if act.startswith("nan"):
            annotations = replace(document.annotations, score=float("nan"))
            return Keep(replace(document, annotations=annotations))
        if act.startswith("grow"):
            return Keep(renamed(document, "g" * (300 << 10)))
        return Keep(document)


class HereProcessor:
    """Works in the caller's thread, and dies with its process at the records in `deadly`."""

    def __init__(self, envelope: Envelope, stage: NamedStage) -> None:
        self._handling = Deliveries(envelope, stage[1].version)
        self._envelope = envelope
        self._stage = stage
        self.batches: list[list[Delivery]] = []
        self.deadly: set[bytes] = set()
        self.held: list[tuple[Future[list[Answer]], Sequence[Delivery]]] | None = None
        self.resets = 0

    def submit(self, deliveries: Sequence[Delivery]) -> "Future[list[Answer]]":
        self.batches.append(list(deliveries))
        future: Future[list[Answer]] = Future()
        if self.held is None:
            self._work(future, deliveries)
        else:
            self.held.append((future, deliveries))
        return future

    def release(self, number: int = 0) -> None:
        """Finish one of the batches that are held."""
        assert self.held is not None
        self._work(*self.held.pop(number))

    def _work(self, future: "Future[list[Answer]]", deliveries: Sequence[Delivery]) -> None:
        if any(one.key in self.deadly for one in deliveries):
            raise Crashed("a record killed the process")
        try:
            answers = [
                self._handling.handle(one, [self._stage], lambda _: None, None)
                for one in deliveries
            ]
        except Exception as error:  # noqa: BLE001  # as a thread's future would
            future.set_exception(error)
        else:
            future.set_result(answers)

    def condemn(self, delivery: Delivery, detail: str) -> Answer:
        why = Poison(Reason.UNHANDLED, detail)
        passage = self._envelope.unopened(delivery, why, "toy-1")
        return self._envelope.close(delivery, None, passage)

    def reset(self) -> None:
        self.resets += 1

    def close(self) -> None: ...


class Mill:
    """One stage over the log in memory, fed and looked at by a test."""

    def __init__(self, partitions: int = 1) -> None:
        topics = {SOURCE: partitions, TARGET: 1, LEDGER_TOPIC: 1, DEAD_TOPIC: 1}
        self.broker = MemoryBroker(topics)
        self.broker.begin(GROUP, SOURCE)
        self.blobs = MemoryBlobStore()
        self.clock = FakeClock()
        self.metrics = CountingMetrics()
        self.events = HeardEvents()
        self.stage = ToyStage()
        self.envelope = Envelope(
            stage=STAGE,
            source="cluster/topic",
            next_topics={Kind.FILE: TARGET},
            blobs=self.blobs,
            new_blob=blob_reference,
        )
        self.deadly: set[bytes] = set()
        self.logs: list[MemoryLog] = []
        self.processors: list[HereProcessor] = []
        self._offsets = count()

    def feed(self, *texts: str, partition: int = 0) -> list[Document]:
        """Write documents of these texts into the stage's topic; the text is the key as well."""
        documents = [text_document(text, next(self._offsets)) for text in texts]
        self.feed_bytes(
            *((text, encode_document(one)) for text, one in zip(texts, documents, strict=True)),
            partition=partition,
        )
        return documents

    def feed_bytes(self, *records: tuple[str, bytes], partition: int = 0) -> None:
        self.broker.writer().write(
            [
                Message(
                    topic=SOURCE,
                    key=key.encode(),
                    value=value,
                    headers=(("trace", key.encode()),),
                    partition=partition,
                )
                for key, value in records
            ]
        )

    def worker(
        self, instance: str = "one", processor: Processor | None = None, **settings: Any
    ) -> StreamWorker:
        """Start a worker, as a new process would."""
        self.logs.append(self.broker.log(group=GROUP, instance=instance, topics=[SOURCE]))
        if processor is None:
            self.processors.append(HereProcessor(self.envelope, (STAGE, self.stage)))
            self.processors[-1].deadly = self.deadly
            processor = self.processors[-1]
        return StreamWorker(
            stage=STAGE,
            version=self.stage.version,
            log=self.logs[-1],
            processor=processor,
            clock=self.clock,
            metrics=self.metrics,
            events=self.events,
            settings=StreamSettings(**{"linger_seconds": 0.0} | settings),
            instance=instance,
        )

    def finish(self, *workers: StreamWorker) -> None:
        """Let workers take turns until everything is answered, time passing as it must."""
        for _ in range(MOST_TURNS):
            for worker in workers:
                worker.step()
            if self.is_done():
                return
            self.clock.seconds += 0.1
        raise AssertionError("it does not come to an end")

    def live_through(self, instance: str = "one", **settings: Any) -> int:
        """Start a worker again as often as it dies, until everything is answered; return deaths."""
        for deaths in range(100):
            try:
                self.finish(self.worker(instance, **settings))
            except Crashed:
                continue
            return deaths
        raise AssertionError("it dies for ever")

    def is_done(self) -> bool:
        stands = self.broker.committed(GROUP)
        return all(one.offset < stands[one.partition].offset for one in self.broker.records(SOURCE))

    def stands(self, partition: int = 0) -> int:
        """Return how many offsets of the source are answered."""
        known = {one.number: place for one, place in self.broker.committed(GROUP).items()}
        return known[partition].offset

    def outputs(self) -> list[str]:
        documents = [
            decode_document(one.value, self.blobs.get) for one in self.broker.records(TARGET)
        ]
        return [text_of(document) for document in documents]

    def decisions(self) -> list[Decision]:
        return [
            decision
            for one in self.broker.records(LEDGER_TOPIC)
            for decision in decode_decisions(one.value)[0]
        ]

    def letters(self) -> list[Delivery]:
        return self.broker.records(DEAD_TOPIC)


def text_document(text: str, offset: int = 0) -> Document:
    origin = Origin(source="crawl", repository="r", path=f"{offset}.py")
    sha256 = sha256_hex(text.encode())
    return Document(
        id=document_id(Kind.FILE, origin, sha256),
        kind=Kind.FILE,
        origin=origin,
        position=Position(source="crawl/0", offset=offset),
        body=FileText(content=text, encoding="utf-8"),
        content_sha256=sha256,
        size_bytes=len(text.encode()),
    )


def renamed(document: Document, text: str) -> Document:
    made = text_document(text, document.position.offset)
    return replace(made, position=document.position)


def text_of(document: Document) -> str:
    assert isinstance(document.body, FileText)
    return document.body.content


@pytest.fixture
def mill() -> Mill:
    """Return a mill whose source has one partition."""
    return Mill()


@pytest.fixture
def wide_mill() -> Mill:
    """Return a mill whose source has two partitions."""
    return Mill(2)


@pytest.fixture(scope="session")
def make_mill() -> Callable[..., Mill]:
    return Mill


@pytest.fixture(scope="session")
def make_document() -> Callable[..., Document]:
    """Make the document of a text, as a stage before would."""
    return text_document


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def metrics() -> CountingMetrics:
    return CountingMetrics()


@pytest.fixture
def events() -> HeardEvents:
    return HeardEvents()


@pytest.fixture(scope="session")
def make_around() -> Callable[[], tuple[FakeClock, CountingMetrics, HeardEvents]]:
    """Make what every worker is given: a clock, metrics, an event log."""
    return lambda: (FakeClock(), CountingMetrics(), HeardEvents())
