"""The process around a stage's worker and its calls: settings, signals, waiting for the log."""

import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Protocol, Self, TypeVar

from gristmill.cli.route import route_of_files
from gristmill.cli.sections import LIMITS_SECTION, ServeSettings, settings_sections
from gristmill.runtime.adapters.blobs import open_blob_store
from gristmill.runtime.adapters.clock import SystemClock
from gristmill.runtime.adapters.health import Health
from gristmill.runtime.adapters.json_log import JsonLog
from gristmill.runtime.adapters.kafka_settings import KafkaSettings
from gristmill.runtime.adapters.plugins import load_plugins
from gristmill.runtime.adapters.prometheus import PrometheusMetrics
from gristmill.runtime.adapters.settings import Settings, load_settings
from gristmill.runtime.adapters.watchdog import LastCall
from gristmill.runtime.engine.envelope import group_of
from gristmill.runtime.engine.stream_settings import StreamSettings
from gristmill.runtime.model import BadInput, Transient
from gristmill.runtime.ports import Clock, StagePlugin

SHARDS = "shards"
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


@dataclass(slots=True, kw_only=True)
class Process:
    """One process of a stage: what it was told, and whether it was told to end."""

    stage: str
    plugins: Mapping[str, StagePlugin]
    settings: Settings
    log: JsonLog
    health: Health
    metrics: PrometheusMetrics
    clock: Clock
    told_to_stop_at: float | None = None

    @classmethod
    def prepare(cls, stage: str, config: str | None) -> Self:
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

    def _last_call(self) -> "AbstractContextManager[object]":
        """Return the one deadline of everything that is done after SIGTERM."""
        return LastCall(
            clock=self.clock,
            log=self.log,
            told_at=lambda: self.told_to_stop_at,
            seconds=self.stream.drain_seconds,
        )

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

    def _say_settings(self) -> None:
        shown: dict[str, dict[str, str]] = {}
        own = {"kafka", "stream", "serve", "tls", "blobs", LIMITS_SECTION, self.stage}
        own |= {"submit"} if self.stage == "ingestion" else set()
        for one in self.settings.listed:
            if one.section in own:
                shown.setdefault(one.section, {})[one.name] = str(one.value)
        self.log.info("effective settings", **shown)

    def _until_reachable(self, work: Callable[[], T], waiting: str = "waiting for the log") -> T:
        """Try until what is awaited answers: it may come up later. Raises Transient when stopped.

        `waiting` is the event that says what is awaited.
        """
        while True:
            self.health.beat()
            try:
                return work()
            except Transient as error:
                self.log.warning(waiting, error=str(error))
                if not self.stopping:
                    time.sleep(_RETRY_SECONDS)
                if self.stopping:
                    raise
