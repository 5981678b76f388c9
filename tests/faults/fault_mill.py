"""A whole mill for the fault suite: brokers, a proxy in front of them, topics, real workers.

    with Mill(directory) as mill:
        mill.start_workers()

What is fed to it, and what goes wrong meanwhile, is the business of fault_conductor.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from fault_proxy import FaultProxy
from fault_readers import FINALIZED_TOPIC, ConcurrentReader
from fault_workers import COMMAND, Life, Workers
from kafka_broker import KafkaCluster

from gristmill.runtime.adapters.blobs import BlobSettings, open_blob_store
from gristmill.runtime.adapters.kafka_admin import (
    administration,
    described_topics,
    group_lag,
    partitions_of,
    topic_sources,
)
from gristmill.runtime.adapters.kafka_mending import mend
from gristmill.runtime.adapters.kafka_settings import KafkaSettings
from gristmill.runtime.adapters.kafka_topics import apply
from gristmill.runtime.adapters.kafka_writer import KafkaWriter
from gristmill.runtime.adapters.topic_file import load_topics
from gristmill.runtime.engine.envelope import DEAD_TOPIC, LEDGER_TOPIC, group_of, topic_of
from gristmill.runtime.model import Transient
from gristmill.runtime.ports import Message

ROUTE = ("ingestion", "syntax", "dedup", "quality", "shards")
ROUTE_WITH_FAULTY = ("ingestion", "syntax", "faulty", "dedup", "quality", "shards")
_HERE = Path(__file__).parent
_STEP_S = 0.1
STUCK_S = 15.0
"""Seconds without a move after which lost ends of transactions are looked for."""
_TABLE = "topics:\n  gristmill.faulty.v1:\n    groups: [gristmill.faulty]\n"


@dataclass(frozen=True, kw_only=True)
class Limits:
    """The time limits of the workers: short, so that a zombie's are passed within seconds."""

    session_s: float = 3.0
    transaction_s: float = 9.0
    commit_s: float = 6.0
    drain_s: float = 10.0
    stall_s: float = 120.0
    late_s: float = 5.0  # what a loaded machine may add to a deadline
    batch_records: int = 100


class Mill:
    """Brokers, a proxy in front of them, topics, workers, and a reader of everything."""

    def __init__(
        self,
        directory: Path,
        *,
        nodes: int = 1,
        partitions: int = 1,
        limits: Limits | None = None,
        store: BlobSettings | None = None,
        door_port: int = 0,
    ) -> None:
        """Take what there is to be; without a `store`, blobs are files beside the tables.

        `door_port` is that of the front door, also when it is started again.
        """
        self.door_port = door_port
        self.directory = directory
        self.limits = limits or Limits()
        self.nodes = nodes
        self.cluster = KafkaCluster(
            directory / "kafka", nodes, proxied=True, die_with_parent=True, heap_mb=384
        )
        self.store = store or BlobSettings(url=str(directory / "blobs"))
        self.blobs = open_blob_store(self.store)
        self.route: Sequence[str] = ROUTE
        self.partitions = partitions
        # What the tables told at the end of a case: deliveries and ids of documents.
        self.told_before: frozenset[object] = frozenset()
        self._held = ExitStack()
        self._common: dict[str, str] = {}
        self._proxied: frozenset[str] = frozenset()
        self._commands: dict[str, Sequence[str]] = {}

    def __enter__(self) -> Self:
        with ExitStack() as held:
            held.enter_context(self.cluster)
            self.mended = 0
            self.proxy = held.enter_context(FaultProxy(self.cluster.proxy_routes))
            self.settings = KafkaSettings(bootstrap=self.cluster.bootstrap)
            self._make_topics()
            self.topics = (
                *(topic_of(stage) for stage in ROUTE_WITH_FAULTY),
                *(LEDGER_TOPIC, DEAD_TOPIC, FINALIZED_TOPIC),
            )
            self.sources = topic_sources(self.settings, self.topics)
            self.reader = held.enter_context(ConcurrentReader(self.settings, self.topics))
            self.workers = held.enter_context(Workers(self.directory / "logs"))
            self._held = held.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._held.close()

    def _make_topics(self) -> None:
        values = self.directory / "topics.yaml"
        values.write_text(_TABLE)
        copies = min(3, self.nodes)
        flags = {
            "partitions": self.partitions,
            "replication": copies,
            "min_in_sync": 2 if copies == 3 else 1,
        }
        left = apply(self.settings, load_topics(None, str(values), flags)).left
        assert not left, left

    def environment(self, stage: str, ordinal: int, *, proxied: bool) -> dict[str, str]:
        """Return what a worker is told."""
        limits = self.limits
        told = {
            "KAFKA_BOOTSTRAP": (
                self.cluster.proxied_bootstrap if proxied else self.cluster.bootstrap
            ),
            "KAFKA_SESSION_SECONDS": limits.session_s,
            "KAFKA_TRANSACTION_SECONDS": limits.transaction_s,
            "KAFKA_COMMIT_SECONDS": limits.commit_s,
            "STREAM_WORKERS": 1,
            "STREAM_BATCH_RECORDS": limits.batch_records,
            "STREAM_DRAIN_SECONDS": limits.drain_s,
            "STREAM_STALL_SECONDS": limits.stall_s,
            "STREAM_COMMIT_SECONDS": 1,
            "STREAM_COMMIT_BYTES": 1_000_000,  # behind a backlog, in the midst of a poll
            "SERVE_ORDINAL": ordinal,
            "SERVE_DIRECTORY": self.directory / "tables",
            "SERVE_GRPC_PORT": self.door_port if stage == "ingestion" else 0,
            "SUBMIT_DIRECTORY": self.directory / "submitted",
            "BLOBS_URL": self.store.url,
            "BLOBS_S3_ENDPOINT": self.store.s3_endpoint,
            "BLOBS_S3_ACCESS_KEY": self.store.s3_access_key,
            "BLOBS_S3_SECRET_KEY": self.store.s3_secret_key.get_secret_value(),
            "BLOBS_TIMEOUT_SECONDS": self.store.timeout_seconds,
        }
        return {f"GRISTMILL_{name}": str(value) for name, value in told.items()} | self._common

    def start_workers(
        self,
        *,
        proxied: Iterable[str] = (),
        faulty: Mapping[str, object] | None = None,
        commands: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        """Start every stage and wait until all serve; those `proxied` go through the proxy.

        With `faulty`, the stage that goes wrong on purpose stands behind syntax, set up so.
        """
        self.route = ROUTE if faulty is None else ROUTE_WITH_FAULTY
        self._common = {} if faulty is None else self._with_plugin(faulty)
        self._proxied = frozenset(proxied)
        self._commands = dict(commands or {})
        for stage in self.route:
            self.start_worker(stage)
        self.workers.wait_serving()

    def start_worker(
        self, stage: str, ordinal: int = 0, command: Sequence[str] | None = None
    ) -> None:
        """Start one worker as `start_workers` set them up, or by another command from now on."""
        if command is not None:
            self._commands[stage] = command
        environment = self.environment(stage, ordinal, proxied=stage in self._proxied)
        self.workers.start(stage, environment, ordinal, self._commands.get(stage, COMMAND))

    def has_pill(self, stage: str) -> bool:
        """Tell whether there are documents that end the process of a stage; see serve_faulty."""
        return "pill" in self._commands.get(stage, ())

    def replace_worker(self, stage: str, command: Sequence[str]) -> None:
        """End a worker in order and start another command in its place."""
        self.workers.stop(stage)
        self.start_worker(stage, command=command)
        self.workers.wait_serving()

    def _with_plugin(self, settings: Mapping[str, object]) -> dict[str, str]:
        """Return the environment in which the faulty stage is an installed distribution."""
        about = self.directory / "site" / "faulty-1.0.dist-info"
        about.mkdir(parents=True, exist_ok=True)
        (about / "METADATA").write_text("Metadata-Version: 2.1\nName: faulty\nVersion: 1.0\n")
        (about / "entry_points.txt").write_text(
            "[gristmill.stages]\nfaulty = faulty_stage:PLUGIN\n"
        )
        told = {f"GRISTMILL_FAULTY_{name.upper()}": str(one) for name, one in settings.items()}
        return {"PYTHONPATH": os.pathsep.join((str(about.parent), str(_HERE))), **told}

    def restart_workers(self, **options: Any) -> None:
        """Stop every worker in order, and start them set up anew."""
        self.workers.stop_all()
        self.start_workers(**options)

    def command(self, *arguments: str) -> dict[str, Any]:
        """Run `gristmill … --json` beside the workers; return what it told last."""
        done = self.run(*arguments, "--json")
        assert done.returncode == 0, done.stderr
        told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return told

    def run(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run `gristmill …` beside the workers, to its end."""
        return subprocess.run(
            [sys.executable, "-m", "gristmill.cli.main", *arguments],
            env={**os.environ, **self.environment("", 0, proxied=False)},
            cwd=self.directory,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    def write(self, topic: str, values: Iterable[bytes], partition: int = 0) -> None:
        """Write records as they are, past all stages before."""
        writer = KafkaWriter(self.settings)
        try:
            writer.write(
                [Message(topic=topic, key=b"", value=one, partition=partition) for one in values]
            )
        finally:
            writer.close()

    def lag(self) -> int | None:
        """Return how many offsets all stages are behind; None while nobody answers."""
        groups = {group_of(stage): [topic_of(stage)] for stage in self.route}
        groups[group_of("shards")].append(LEDGER_TOPIC)
        with suppress(Transient):
            return sum(sum(one.values()) for one in group_lag(self.settings, groups).values())
        return None

    def wait_idle(self, timeout_s: float) -> float:
        """Wait until nothing waits; return how long it took."""
        began = moved = time.monotonic()
        lag: int | None = None
        while time.monotonic() - began < timeout_s:
            self.workers.check_failed()
            self.reader.check_failed()
            before, lag = lag, self.lag()
            if lag == 0:
                return time.monotonic() - began
            if lag != before:
                moved = time.monotonic()
            elif time.monotonic() - moved > STUCK_S:
                self.mend_lost_ends()
                moved = time.monotonic()
            time.sleep(_STEP_S)
        raise TimeoutError(f"{lag} offsets still wait after {timeout_s:.0f} s")

    def forget_letters(self) -> None:
        """Delete the dead letters of cases before: what is left in a replay is this case's."""
        with administration(self.settings) as admin:
            described = described_topics(admin, [DEAD_TOPIC])[DEAD_TOPIC]
            admin.delete_records(dict.fromkeys(partitions_of(described), -1))

    def mend_lost_ends(self) -> None:
        """Write the ends of transactions that a killed broker lost, as an operator would."""
        with suppress(Transient):
            topics = [topic_of(stage) for stage in self.route]
            self.mended += len(mend(self.settings, [*topics, LEDGER_TOPIC, DEAD_TOPIC]))

    def freeze(self, life: Life) -> None:
        """Stop a worker and its own processes in their tracks."""
        life.frozen = True
        os.killpg(life.process.pid, signal.SIGSTOP)

    def thaw(self, life: Life) -> None:
        """Let a frozen worker go on."""
        life.thawed_at = time.time()
        os.killpg(life.process.pid, signal.SIGCONT)
        life.frozen = False

    def calm(self) -> None:
        """End every fault that is still going on, for the next case."""
        self.proxy.to_hold.clear()
        self.proxy.to_lose.clear()
        self.proxy.heal()
        for life in self.workers.lives:
            if life.frozen and not life.ended:
                self.thaw(life)

    def kill_broker(self, node: int = 0) -> None:
        """Kill -9 a broker."""
        self.cluster.kill(node)

    def end_broker(self, node: int = 0) -> None:
        """End a broker in order; its ports stay its own, unlike by the cluster's own `stop`."""
        pid = self.cluster.pid(node)
        assert pid is not None
        os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + 30
        while self.cluster.pid(node) is not None and time.monotonic() < deadline:
            time.sleep(_STEP_S)
        self.cluster.kill(node)
