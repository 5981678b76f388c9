"""What the suites of the gRPC services share: a stage's calls, served in this process."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Self

import grpc
from door import Doorway
from google.rpc import error_details_pb2, status_pb2

from gristmill.cli.sections import settings_sections
from gristmill.cli.serving_api import StageApi
from gristmill.runtime.adapters.clock import SystemClock
from gristmill.runtime.adapters.health import Health
from gristmill.runtime.adapters.health_servers import HealthServers
from gristmill.runtime.adapters.plugins import load_plugins
from gristmill.runtime.adapters.prometheus import PrometheusMetrics
from gristmill.runtime.adapters.settings import load_settings
from gristmill.runtime.engine.submit_stream import submit
from gristmill.runtime.ports import DedupLookup

HOST = "127.0.0.1"


class Log:
    """Remembers what was told."""

    def __init__(self) -> None:
        self.events: list[tuple[str, dict[str, object]]] = []

    def info(self, event: str, /, **fields: object) -> None:
        self.events.append((event, fields))

    warning = error = info

    def told(self, event: str) -> list[dict[str, object]]:
        return [fields for name, fields in self.events if name == event]


class Served:
    """The calls of one stage, served; nobody answers them yet."""

    def __init__(
        self, stage: str, settings: Mapping[str, str] | None = None, *, grpc_port: int = 0
    ) -> None:
        environment = {f"GRISTMILL_{name}": value for name, value in (settings or {}).items()}
        self.log = Log()
        self.metrics = PrometheusMetrics(stages=(stage,))
        clock = SystemClock()
        self.health = Health(clock=clock, stall_seconds=600)
        self.api = StageApi(
            stage=stage,
            settings=load_settings(settings_sections(load_plugins()), None, environment),
            health=self.health,
            metrics=self.metrics,
            log=self.log,  # type: ignore[arg-type]
            clock=clock,
        )
        self.servers = HealthServers(
            stage,
            self.health,
            self.metrics.exposition,
            self.log,
            host=HOST,
            grpc_port=grpc_port,
            services=self.api.services(),
        )
        self.health.set_serving()
        self.address = f"{HOST}:{self.servers.grpc_port}"

    def close(self) -> None:
        self.servers.close(60)  # a slow machine may take its time to end its calls
        self.api.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def channel(self, *options: tuple[str, Any]) -> Iterator[Any]:
        with grpc.insecure_channel(self.address, options=options) as channel:
            yield channel

    def counted(self, method: str) -> dict[str, float]:
        """How many calls of a method ended, by status."""
        _, text = self.metrics.exposition("")
        found = {}
        for line in text.decode().splitlines():
            if line.startswith("gristmill_calls_total{") and f'method="{method}"' in line:
                code = line.partition('code="')[2].partition('"')[0]
                found[code] = float(line.rpartition(" ")[2])
        return found

    @property
    def num_tasks(self) -> int:
        """How many tasks run in the server's loop; none when it has ended."""
        loop = self.servers._grpc._loop
        if not loop.is_running():
            return 0
        done: list[int] = []
        ready = threading.Event()

        def count() -> None:
            done.append(len(asyncio.all_tasks(loop)))
            ready.set()

        loop.call_soon_threadsafe(count)
        assert ready.wait(20)
        return done[0]


@contextmanager
def serve_all(
    tables: Path, door_directory: Path, index: DedupLookup
) -> Iterator[dict[str, Served]]:
    """The calls of all stages, each answered by the stage itself and on a port of its own."""
    with ExitStack() as stack:
        made = {
            stage: stack.enter_context(Served(stage, {"LIMITS_CPU_SECONDS": "8"}))
            for stage in ("ingestion", "syntax", "quality", "dedup", "shards")
        }
        door = Doorway(str(door_directory))
        door.open()
        made["ingestion"].api._ingestion.open(door.door, partial(submit, door.door))
        for stage in ("ingestion", "syntax", "quality"):
            made[stage].api.answer_in_workers(f"{stage}-test", 1, whole=stage == "quality")
        made["dedup"].api.answer_from_index(index)
        made["shards"].api.answer_from_tables(str(tables))
        yield made


class Gate:
    """A judge that answers when it is told to, with the request itself."""

    num_workers = 1

    def __init__(self, answer: Callable[[bytes], bytes] = lambda request: request) -> None:
        from gristmill.runtime.engine.judging import ThreadJudge

        self.open = threading.Event()
        self.begun = threading.Semaphore(0)
        self.num_begun = 0
        self._answer = answer
        self._judge = ThreadJudge(self._wait)

    def _wait(self, request: bytes) -> bytes:
        self.num_begun += 1
        self.begun.release()
        assert self.open.wait(60)
        return self._answer(request)

    def submit(self, request: bytes) -> Any:
        return self._judge.submit(request)

    def answer(self, judged: bytes) -> bytes:
        return judged

    def close(self) -> None:
        self.open.set()
        self._judge.close()


_HINTS = (error_details_pb2.BadRequest, error_details_pb2.RetryInfo)


def error_info(error: Any) -> Any:
    """What every failed call of ours says of its error."""
    (found,) = details(error, error_details_pb2.ErrorInfo)
    assert found.domain == "gristmill"
    return found


def details(error: Any, *kinds: Any) -> list[Any]:
    """The details of a failed call, as messages: of these kinds, or what a caller can do."""
    kinds = kinds or _HINTS
    found = []
    for key, value in error.trailing_metadata() or ():
        if key == "grpc-status-details-bin":
            status = status_pb2.Status.FromString(value)
            for one in status.details:
                for kind in kinds:
                    message = kind()
                    if one.Unpack(message):
                        found.append(message)
    return found


@contextmanager
def nothing_left(served: Served) -> Iterator[None]:
    """Whatever is called within has ended without a task or an open file when it is over."""
    tasks, descriptors = served.num_tasks, num_descriptors()
    yield
    # The library itself opens a few with the first call of a process.
    until(lambda: served.num_tasks <= tasks and num_descriptors() <= descriptors + 5)


def until(holds: Callable[[], bool]) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.01)


def num_descriptors() -> int:
    """How many files this process has open."""
    return len(list(Path("/proc/self/fd").iterdir()))
