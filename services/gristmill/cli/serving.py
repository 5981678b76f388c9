"""Putting a streaming worker together: one stage, its log, its state, its health and metrics."""

import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Protocol, TypeVar

from gristmill.cli.local import route_of_files
from gristmill.cli.sections import LIMITS_SECTION, ServeSettings, settings_sections
from gristmill.cli.streaming_index import open_streaming_index, warm_up
from gristmill.cli.taken import require_taken
from gristmill.cli.worker import COMMAND, StreamSetup
from gristmill.runtime.adapters.announcements import TOPIC as FINALIZED_TOPIC
from gristmill.runtime.adapters.announcements import Announcer
from gristmill.runtime.adapters.blobs import BlobSettings, open_blob_store
from gristmill.runtime.adapters.clock import SystemClock
from gristmill.runtime.adapters.health import Health
from gristmill.runtime.adapters.health_servers import HealthServers
from gristmill.runtime.adapters.iceberg import IcebergTables, local_catalog
from gristmill.runtime.adapters.iceberg_recovery import remove_orphans
from gristmill.runtime.adapters.json_log import JsonLog, library_log
from gristmill.runtime.adapters.kafka_admin import topic_sources
from gristmill.runtime.adapters.kafka_log import KafkaLog
from gristmill.runtime.adapters.kafka_reader import KafkaReader
from gristmill.runtime.adapters.kafka_scan import scan_topic
from gristmill.runtime.adapters.kafka_settings import KafkaSettings
from gristmill.runtime.adapters.kafka_writer import KafkaWriter
from gristmill.runtime.adapters.memory_index import MemoryIndex
from gristmill.runtime.adapters.plugins import load_plugins
from gristmill.runtime.adapters.prometheus import PrometheusMetrics
from gristmill.runtime.adapters.run_directory import LOG, RunDirectory
from gristmill.runtime.adapters.settings import Settings, load_settings
from gristmill.runtime.adapters.watchdog import LastCall, Watchdog
from gristmill.runtime.engine.envelope import (
    DEAD_TOPIC,
    Answer,
    Place,
    group_of,
    place_of_letter,
    topic_of,
)
from gristmill.runtime.engine.pool import WorkerPool, default_num_workers
from gristmill.runtime.engine.processors import OrderedProcessor, PooledProcessor, Processor
from gristmill.runtime.engine.stream import StreamWorker
from gristmill.runtime.engine.stream_settings import StreamSettings
from gristmill.runtime.engine.table_feed import TableFeed
from gristmill.runtime.model import BadInput, GristmillError, Kind, Transient
from gristmill.runtime.model.fingerprint import fingerprint
from gristmill.runtime.ports import Clock, Partition, StagePlugin
from gristmill.shards.stage import VERSION as SHARDS_VERSION
from gristmill.shards.writer import TableWriter

SHARDS = "shards"
LEDGER = "ledger"
_RETRY_SECONDS = 1.0
T = TypeVar("T")


class Worker(Protocol):
    """What a stage's worker is to the process around it."""

    committed_records: int

    @property
    def is_idle(self) -> bool:
        """Whether nothing is in work."""
        ...

    @property
    def is_waiting(self) -> bool:
        """Whether something outside does not answer."""
        ...

    def run(self, beat: Callable[[], None]) -> None:
        """Work until stopped."""
        ...

    def stop(self) -> None:
        """End in order."""
        ...


def _behind(reader: KafkaReader, worker: Worker) -> int | None:
    """Return how much is read or waits and is not committed, at least; None while nobody knows."""
    return None if reader.known_lag is None else reader.known_lag + (not worker.is_idle)


@dataclass(slots=True, kw_only=True)
class Service:
    """One worker process of a stage, from its start to its end."""

    stage: str
    plugins: Mapping[str, StagePlugin]
    settings: Settings
    log: JsonLog
    health: Health
    metrics: PrometheusMetrics
    clock: Clock
    told_to_stop_at: float | None = None

    @classmethod
    def prepare(cls, stage: str, config: str | None) -> "Service":
        """Read settings and check that there is such a stage. Raises BadInput."""
        plugins = load_plugins()
        settings = load_settings(settings_sections(plugins), config)
        served = (*route_of_files(plugins, paper=False), SHARDS)
        if stage not in served:
            raise BadInput(f"there is no stage {stage!r} to serve; there are {', '.join(served)}")
        serve, stream = settings.sections["serve"], settings.sections["stream"]
        open_blob_store(settings.sections["blobs"])  # a wrong address is told before all else
        clock = SystemClock()
        return cls(
            stage=stage,
            plugins=plugins,
            settings=settings,
            log=JsonLog(stage, ordinal=serve.ordinal),
            health=Health(clock=clock, stall_seconds=stream.stall_seconds),
            metrics=PrometheusMetrics(stages=(stage,)),
            clock=clock,
        )

    @property
    def kafka(self) -> KafkaSettings:
        """Where the log is."""
        section: KafkaSettings = self.settings.sections["kafka"]
        return section

    @property
    def stream(self) -> StreamSettings:
        """How the worker paces itself."""
        section: StreamSettings = self.settings.sections["stream"]
        return section

    @property
    def serve(self) -> ServeSettings:
        """Where the worker runs."""
        section: ServeSettings = self.settings.sections["serve"]
        return section

    @property
    def instance(self) -> str:
        """The worker's name in its group: the same after every restart."""
        return f"{group_of(self.stage)}-{self.serve.ordinal}"

    @property
    def stopping(self) -> bool:
        """Whether the process was told to end."""
        return self.told_to_stop_at is not None

    def run(self) -> None:
        """Serve until SIGTERM or SIGINT. Raises GristmillError when it cannot go on."""
        try:
            with ExitStack() as stack:
                workers = stack.enter_context(self._stopping_on_signals())
                self._say_settings()
                stack.enter_context(library_log(self.log))
                stack.enter_context(self._last_call())
                self._serve_health(stack)
                reader, worker = self._worker(stack)
                workers.append(worker)
                stack.enter_context(self._watched(reader, worker))
                if not self.stopping:
                    worker.run(self._beat(reader))
        except GristmillError as error:
            # Told to end while it waits for the log, or for tables: then that is no fault.
            if not (self.stopping and isinstance(error, Transient)):
                self.log.error("cannot go on", error=str(error))  # noqa: TRY400  # one of ours
                raise
        self.health.set_stopped()
        self.log.info("stopped")

    def _last_call(self) -> "AbstractContextManager[object]":
        """Return the one deadline of everything that is done after SIGTERM."""
        return LastCall(
            clock=self.clock,
            log=self.log,
            told_at=lambda: self.told_to_stop_at,
            seconds=self.stream.drain_seconds,
        )

    def _serve_health(self, stack: ExitStack) -> None:
        servers = stack.enter_context(
            HealthServers(
                self.stage,
                self.health,
                self.metrics.exposition,
                self.log,
                host=self.serve.host,
                http_port=self.serve.http_port,
                grpc_port=self.serve.grpc_port,
            )
        )
        ports = {"http_port": servers.http_port, "grpc_port": servers.grpc_port}
        self.log.info("starting", **ports, pid=os.getpid())

    def _beat(self, reader: KafkaReader) -> Callable[[], None]:
        """Return what the worker calls every turn: it is ready while it is in its group.

        For the first time when it also knows where it stands: what is wrong there ends it.
        """
        has_served = is_serving = False

        def beat() -> None:
            nonlocal has_served, is_serving
            self.health.beat()
            is_ready = reader.is_member and (has_served or reader.is_placed)
            if is_ready == is_serving:
                return
            is_serving = is_ready
            if is_ready:
                has_served = True
                self.health.set_serving()
                self.log.info("serving", partitions=sorted(map(str, reader.assignment())))
            else:
                self.health.set_waiting()
                self.log.warning("out of its group")

        return beat

    @contextmanager
    def _stopping_on_signals(self) -> "Iterator[list[Worker]]":
        workers: list[Worker] = []

        def stop(number: int, frame: FrameType | None) -> None:
            del number, frame
            if self.told_to_stop_at is None:
                self.told_to_stop_at = self.clock.monotonic()
            self.health.set_draining()
            for worker in workers:
                worker.stop()

        before = {one: signal.signal(one, stop) for one in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield workers
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    @contextmanager
    def _watched(self, reader: KafkaReader, worker: Worker) -> "Iterator[None]":
        watchdog = Watchdog(
            clock=self.clock,
            log=self.log,
            last_beat=self.health.last_beat,
            progress=lambda: worker.committed_records,
            lag=lambda: None if worker.is_waiting else _behind(reader, worker),
            stall_seconds=self.stream.stall_seconds,
            no_progress_seconds=5 * self.stream.stall_seconds,
        )
        watchdog.start()
        try:
            yield
        finally:
            watchdog.close()

    def _say_settings(self) -> None:
        shown: dict[str, dict[str, str]] = {}
        own = {"kafka", "stream", "serve", "blobs", LIMITS_SECTION, self.stage}
        for one in self.settings.listed:
            if one.section in own:
                shown.setdefault(one.section, {})[one.name] = str(one.value)
        self.log.info("effective settings", **shown)

    # --- what the stage needs ---------------------------------------------------------------------

    def _worker(self, stack: ExitStack) -> tuple[KafkaReader, Worker]:
        if self.stage == SHARDS:
            return self._shards(stack)
        plugin = self.plugins[self.stage]
        setup = self._setup(self._until_reachable(lambda: self._sources(topic_of(self.stage))))
        processor, version = (
            self._ordered(plugin, setup, stack) if plugin.stateful else self._pooled(plugin, setup)
        )
        stack.callback(processor.close)
        log = self._until_reachable(
            lambda: KafkaLog(
                self.kafka,
                group=group_of(self.stage),
                instance=self.instance,
                topics=[topic_of(self.stage)],
                log=self.log,
                clock=self.clock,
            )
        )
        stack.callback(log.close)
        worker = StreamWorker(
            stage=self.stage,
            version=version,
            log=log,
            processor=processor,
            clock=self.clock,
            metrics=self.metrics,
            events=self.log,
            settings=self.stream,
            instance=self.instance,
        )
        return log, worker

    def _sources(self, *topics: str) -> Mapping[str, str]:
        return topic_sources(self.kafka, topics)

    def _setup(self, sources: Mapping[str, str]) -> StreamSetup:
        route = (*route_of_files(self.plugins, paper=self.serve.paper_route), SHARDS)
        after = topic_of(route[route.index(self.stage) + 1]) if self.stage != SHARDS else ""
        blobs: BlobSettings = self.settings.sections["blobs"]
        return StreamSetup(
            stage=self.stage,
            settings=self.settings.sections.get(self.stage),
            source=sources[topic_of(self.stage)],
            next_topics={Kind.FILE: after},
            blobs=blobs,
            limits=self.settings.sections[LIMITS_SECTION],
            memo=self.serve.memo,
        )

    def _pooled(self, plugin: StagePlugin, setup: StreamSetup) -> tuple[Processor, str]:
        assert plugin.build is not None, "a stage is built with or without an index"
        version = plugin.build(setup.settings).version
        num_workers = self.stream.workers or default_num_workers()
        pool: WorkerPool[Answer] = WorkerPool(COMMAND, setup, num_workers)
        return PooledProcessor(pool, setup.envelope(), version), version

    def _ordered(
        self, plugin: StagePlugin, setup: StreamSetup, stack: ExitStack
    ) -> tuple[Processor, str]:
        assert plugin.build_stateful is not None, "a stage is built with or without an index"
        warm_up(plugin.build_stateful(setup.settings, MemoryIndex()))
        directory, tables = self._tables()
        stack.enter_context(directory.admitting())
        written_to = setup.next_topics[Kind.FILE]
        sources = self._until_reachable(lambda: self._sources(topic_of(self.stage), written_to))
        index = open_streaming_index(
            directory,
            tables,
            threshold=setup.settings.threshold,
            log=" ".join(sources.values()),
            wait=lambda: self._until_reachable(
                lambda: require_taken(self.kafka, tables, written_to)
            ),
            events=self.log,
        )
        stack.callback(index.close)
        stage = plugin.build_stateful(setup.settings, index)
        return OrderedProcessor((self.stage, stage), setup.envelope()), stage.version

    def _tables(self) -> tuple[RunDirectory, IcebergTables]:
        directory = RunDirectory.create(self.serve.directory, fed_by=LOG)
        sections = self.settings.sections
        names = (LIMITS_SECTION, *sorted(self.plugins))
        with directory.making():
            tables = IcebergTables(
                local_catalog(directory.path),
                settings_fingerprint=fingerprint(*(sections[name] for name in names)),
            )
            tables.create()
        return directory, tables

    def _shards(self, stack: ExitStack) -> tuple[KafkaReader, Worker]:
        directory, tables = self._tables()
        stack.enter_context(directory.writing())
        if directory.unfinished and (removed := remove_orphans(tables)):
            self.log.info("data files of a killed worker removed", files=removed)
        stack.enter_context(directory.unfinished_until_done())
        topics = [topic_of(SHARDS), topic_of(LEDGER)]
        sources = self._until_reachable(lambda: self._sources(*topics))
        writer = self._until_reachable(lambda: KafkaWriter(self.kafka))
        stack.callback(writer.close)
        told = self._until_reachable(
            lambda: [one.value for one in scan_topic(self.kafka, FINALIZED_TOPIC)]
        )
        feeds: list[TableFeed] = []

        def start_at(partition: Partition) -> int:
            return feeds[0].start_at(partition)

        reader = self._until_reachable(
            lambda: KafkaReader(
                self.kafka,
                group=group_of(SHARDS),
                instance=self.instance,
                topics=topics,
                log=self.log,
                start_at=start_at,
            )
        )
        stack.callback(reader.close)
        feeds.append(
            TableFeed(
                reader=reader,
                sink=TableWriter(tables),
                writer=writer,
                envelope=self._setup(sources).envelope(),
                sources=sources,
                version=SHARDS_VERSION,
                announce=Announcer(tables, writer, told),
                letters=self._letters,
                clock=self.clock,
                metrics=self.metrics,
                events=self.log,
                settings=self.stream,
            )
        )
        return reader, feeds[0]

    def _letters(self) -> Iterator[Place]:
        for letter in scan_topic(self.kafka, DEAD_TOPIC):
            if (place := place_of_letter(letter, SHARDS)) is not None:
                yield place

    def _until_reachable(self, work: Callable[[], T]) -> T:
        """Try until the log answers: it may come up later. Raises Transient when stopped."""
        while True:
            self.health.beat()
            try:
                return work()
            except Transient as error:
                self.log.warning("waiting for the log", error=str(error))
                if not self.stopping:
                    time.sleep(_RETRY_SECONDS)
                if self.stopping:
                    raise
