"""Putting a streaming worker together: one stage, its log, its state, its health and metrics."""

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from gristmill.cli.reading import open_tables
from gristmill.cli.route import route_of_files
from gristmill.cli.sections import LIMITS_SECTION
from gristmill.cli.serving_api import StageApi
from gristmill.cli.serving_process import SHARDS, Process, Worker
from gristmill.cli.streaming_index import open_streaming_index, warm_up, warm_up_lookup
from gristmill.cli.taken import require_passed, require_taken
from gristmill.cli.worker import COMMAND, StreamSetup
from gristmill.runtime.adapters.announcements import TOPIC as FINALIZED_TOPIC
from gristmill.runtime.adapters.announcements import Announcer, torn
from gristmill.runtime.adapters.blobs import BlobSettings
from gristmill.runtime.adapters.health_servers import HealthServers
from gristmill.runtime.adapters.iceberg import IcebergTables, local_catalog
from gristmill.runtime.adapters.iceberg_recovery import remove_orphans
from gristmill.runtime.adapters.json_log import library_log
from gristmill.runtime.adapters.kafka_admin import topic_sources
from gristmill.runtime.adapters.kafka_log import KafkaLog
from gristmill.runtime.adapters.kafka_reader import KafkaReader
from gristmill.runtime.adapters.kafka_scan import scan_topic
from gristmill.runtime.adapters.kafka_writer import KafkaWriter
from gristmill.runtime.adapters.lmdb_index_reader import LmdbIndexReader
from gristmill.runtime.adapters.memory_index import MemoryIndex
from gristmill.runtime.adapters.run_directory import LOG, RunDirectory
from gristmill.runtime.adapters.watchdog import Watchdog
from gristmill.runtime.engine.envelope import (
    DEAD_TOPIC,
    Answer,
    Place,
    group_of,
    place_of_letter,
    topic_of,
)
from gristmill.runtime.engine.garbage import Sweeper, seldom_searched
from gristmill.runtime.engine.pool import WorkerPool, default_num_workers
from gristmill.runtime.engine.processors import OrderedProcessor, PooledProcessor, Processor
from gristmill.runtime.engine.stream import StreamWorker
from gristmill.runtime.engine.table_feed import TableFeed
from gristmill.runtime.model import GristmillError, Kind, Transient
from gristmill.runtime.model.fingerprint import fingerprint
from gristmill.runtime.ports import Partition, Stage, StagePlugin
from gristmill.shards.stage import VERSION as SHARDS_VERSION
from gristmill.shards.writer import TableWriter

LEDGER = "ledger"
_TICK_SECONDS = 0.2
_END_SECONDS = 2.0  # of the time to drain, for what comes after the calls
_PLACE_SECONDS = 30.0  # how long a place is looked up while brokers come and go
_LAST_TOLD = 10_000  # announcements: more than there are snapshots that a table still has


def _behind(reader: KafkaReader, worker: Worker) -> int | None:
    """Return how much is read or waits and is not committed, at least; None while nobody knows."""
    return None if reader.known_lag is None else reader.known_lag + (not worker.is_idle)


@dataclass(slots=True, kw_only=True)
class Service(Process):
    """One process of a stage, from its start to its end: worker, calls, or both."""

    def run(self) -> None:
        """Serve until SIGTERM or SIGINT. Raises GristmillError when it cannot go on."""
        try:
            with ExitStack() as stack:
                workers = stack.enter_context(self._stopping_on_signals())
                self._say_settings()
                stack.enter_context(library_log(self.log))
                stack.enter_context(self._last_call())
                api = self._api()
                stack.callback(api.close)
                servers = self._serve_health(stack, api)
                api.open_front_door()
                if self.serve.worker:
                    reader, worker = self._worker(stack, api)
                    workers.append(worker)
                    stack.enter_context(self._watched(reader, worker))
                    if not self.stopping:
                        with seldom_searched():
                            worker.run(self._beat(reader))
                else:
                    self._serve_calls(stack, api)
                servers.finish_calls(self._seconds_left())
        except GristmillError as error:
            # Told to end while it waits for the log, or for tables: then that is no fault.
            if not (self.stopping and isinstance(error, Transient)):
                self.log.error("cannot go on", error=str(error))  # noqa: TRY400  # one of ours
                raise
        self.health.set_stopped()
        self.log.info("stopped")

    def _api(self) -> StageApi:
        return StageApi(
            stage=self.stage,
            settings=self.settings,
            health=self.health,
            metrics=self.metrics,
            log=self.log,
            clock=self.clock,
        )

    def _serve_calls(self, stack: ExitStack, api: StageApi) -> None:
        """Serve calls alone: there is no group, and who serves is ready."""
        if self.stage == SHARDS:
            open_tables(self.serve.directory)  # a wrong directory is told before all else
            api.answer_from_tables(self.serve.directory)
        elif (plugin := self.plugins[self.stage]).stateful:
            index = self._until_reachable(self._index_reader, "waiting for the index")
            stack.callback(index.close)
            api.answer_from_index(index, index.is_there)
        else:
            version = self._built(plugin).version
            api.answer_in_workers(version, self.stream.workers, whole=plugin.only_annotates)
        self.health.set_serving()
        self.log.info("serving", partitions=[])
        sweeper = Sweeper(self.clock.monotonic)
        with seldom_searched():
            while not self.stopping:
                sweeper.sweep()
                self.health.beat()
                time.sleep(_TICK_SECONDS)

    def _index_reader(self) -> LmdbIndexReader:
        warm_up_lookup(self.settings.sections[self.stage])
        directory = RunDirectory(self.serve.directory)
        threshold = self.settings.sections[self.stage].threshold
        return LmdbIndexReader(directory.index, threshold=threshold)

    def _seconds_left(self) -> float:
        """Return how long calls may still take: the last call comes soon after."""
        told_at = self.told_to_stop_at
        since = 0.0 if told_at is None else self.clock.monotonic() - told_at
        return max(0.0, self.stream.drain_seconds - since - _END_SECONDS)

    def _serve_health(self, stack: ExitStack, api: StageApi) -> HealthServers:
        servers = stack.enter_context(
            HealthServers(
                self.stage,
                self.health,
                self.metrics.exposition,
                self.log,
                host=self.serve.host,
                http_port=self.serve.http_port,
                grpc_port=self.serve.grpc_port,
                services=api.services(),
            )
        )
        ports = {"http_port": servers.http_port, "grpc_port": servers.grpc_port}
        self.log.info("starting", **ports, pid=os.getpid())
        return servers

    def _beat(self, reader: KafkaReader) -> Callable[[], None]:
        """Return what the worker calls every turn: it is ready while it is in its group.

        It also has to know where it stands, or to have known it a moment ago.
        """
        placed_at, is_serving = float("-inf"), False
        sweeper = Sweeper(self.clock.monotonic)

        def beat() -> None:
            nonlocal placed_at, is_serving
            sweeper.sweep()
            self.health.beat()
            self.health.set_log_away(reader.is_cut_off)
            now = self.clock.monotonic()
            if reader.is_placed:
                placed_at = now
            is_ready = reader.is_member and now - placed_at < _PLACE_SECONDS
            if is_ready == is_serving:
                return
            is_serving = is_ready
            if is_ready:
                self.health.set_serving()
                self.log.info("serving", partitions=sorted(map(str, reader.assignment())))
            else:
                self.health.set_waiting()
                self.log.warning("out of its group, or its place is not known")

        return beat

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

    # --- what the stage needs ---------------------------------------------------------------------

    def _worker(self, stack: ExitStack, api: StageApi) -> tuple[KafkaReader, Worker]:
        if self.stage == SHARDS:
            api.answer_from_tables(self.serve.directory)
            return self._shards(stack)
        plugin = self.plugins[self.stage]
        setup = self._setup(self._until_reachable(lambda: self._sources(topic_of(self.stage))))
        processor, version = (
            self._ordered(plugin, setup, stack, api)
            if plugin.stateful
            else self._pure(plugin, setup, api)
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
        after = topic_of(self._behind()[0]) if self.stage != SHARDS else ""
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

    def _behind(self) -> Sequence[str]:
        """Return the stages that a file passes behind this one, the shards included."""
        route = (*route_of_files(self.plugins, paper=self.serve.paper_route), SHARDS)
        return route[route.index(self.stage) + 1 :]

    def _built(self, plugin: StagePlugin) -> Stage:
        assert plugin.build is not None, "a stage is built with or without an index"
        return plugin.build(self.settings.sections[self.stage])

    def _pure(
        self, plugin: StagePlugin, setup: StreamSetup, api: StageApi
    ) -> tuple[Processor, str]:
        stage = self._built(plugin)
        version = stage.version
        api.answer_in_workers(version, self.stream.workers, whole=plugin.only_annotates)
        if plugin.only_annotates:
            return OrderedProcessor((self.stage, stage), setup.envelope()), version
        num_workers = self.stream.workers or default_num_workers()
        pool: WorkerPool[Answer] = WorkerPool(COMMAND, setup, num_workers)
        return PooledProcessor(pool, setup.envelope(), version), version

    def _ordered(
        self, plugin: StagePlugin, setup: StreamSetup, stack: ExitStack, api: StageApi
    ) -> tuple[Processor, str]:
        assert plugin.build_stateful is not None, "a stage is built with or without an index"
        warm_up(plugin.build_stateful(setup.settings, MemoryIndex()))
        directory, tables = self._tables()
        stack.enter_context(directory.admitting())
        *behind, _ = self._behind()
        topics = [topic_of(one) for one in (self.stage, *self._behind())]
        sources = self._until_reachable(lambda: self._sources(*topics))
        index = open_streaming_index(
            directory,
            tables,
            threshold=setup.settings.threshold,
            log=" ".join(sources.values()),
            wait=lambda: self._until_reachable(lambda: self._require_taken(tables, behind)),
            events=self.log,
        )
        stack.callback(index.close)
        api.answer_from_index(index)
        stage = plugin.build_stateful(setup.settings, index)
        return OrderedProcessor((self.stage, stage), setup.envelope()), stage.version

    def _require_taken(self, tables: IcebergTables, behind: Sequence[str]) -> None:
        """Raise Transient while something is on its way to the tables."""
        require_passed(self.kafka, behind)
        require_taken(self.kafka, tables, topic_of(SHARDS))

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
        if lost := torn(tables) - set(sources.values()):
            why = "the log was replaced between two tables: rows of `files` without decisions"
            self.log.warning("batch of another log is torn", sources=sorted(lost), error=why)
        writer = self._until_reachable(lambda: KafkaWriter(self.kafka))
        stack.callback(writer.close)
        told = self._until_reachable(
            lambda: [one.value for one in scan_topic(self.kafka, FINALIZED_TOPIC, last=_LAST_TOLD)]
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
                announce=Announcer(tables, writer, told, sources.values()),
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
