"""A mill for one measurement: started with nothing in it, looked at from outside, always stopped.

CPU time and memory are read from /proc, a part at a time: the broker, every worker with its
children, the supervisor.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path

from process_tree import tree_of
from prometheus_client.parser import text_string_to_metric_families

from gristmill.cli.mill import find_mill, mill_settings
from gristmill.cli.reading import open_tables
from gristmill.runtime.adapters.iceberg import vector_of
from gristmill.runtime.adapters.kafka_admin import group_lag
from gristmill.runtime.adapters.kafka_settings import KafkaSettings
from gristmill.runtime.engine.envelope import LEDGER_TOPIC, group_of, topic_of
from gristmill.runtime.model import Transient

_MILL = Path(__file__).resolve().parents[1] / "deploy" / "local" / "mill.py"
_TICKS = os.sysconf("SC_CLK_TCK")
_ASK_SECONDS = 5.0
_GONE_SECONDS = 10.0
# What would lead commands to another Kafka or another directory than the mill's own.
_ELSEWHERE = (
    "KAFKA_BOOTSTRAP", "GRISTMILL_KAFKA_BOOTSTRAP", "GRISTMILL_SERVE_DIRECTORY",
    "GRISTMILL_BLOBS_URL",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Histogram:
    """A histogram of a worker: counts of observations up to each bound, and their sum."""

    buckets: tuple[tuple[float, float], ...] = ()
    seconds: float = 0.0

    @property
    def count(self) -> int:
        """How many observations there are."""
        return int(self.buckets[-1][1]) if self.buckets else 0

    def share_up_to(self, bound: float) -> float:
        """Return the share of observations up to a bound, which is that of a bucket."""
        return dict(self.buckets)[bound] / self.count if self.count else 1.0

    def quantile(self, share: float) -> float:
        """Return a quantile as Prometheus estimates it: evenly spread inside a bucket.

        >>> Histogram(((0.25, 50), (0.5, 100), (float("inf"), 100))).quantile(0.75)
        0.375
        """
        wanted = share * self.count
        low, below = 0.0, 0.0
        for bound, count in self.buckets:
            if count >= wanted and count > below:
                if bound == float("inf"):
                    return low
                return low + (bound - low) * (wanted - below) / (count - below)
            low, below = bound, count
        return 0.0


@dataclass(slots=True)
class Figures:
    """What the /metrics of one worker say."""

    histograms: dict[str, Histogram] = field(default_factory=dict)
    transactions: dict[str, int] = field(default_factory=dict)
    documents: int = 0


class Mill:
    """The mill of one directory."""

    def __init__(self, home: str, route: tuple[str, ...]) -> None:
        """Take where it lives and the stages that a file passes, the shards last."""
        self.home = home
        self.tables = os.path.join(home, "tables")
        self._route = route
        self._kafka = KafkaSettings()
        self._seen: set[int] = set()
        self.kafka_version = ""

    @contextmanager
    def fresh(self) -> Iterator[None]:
        """Run it with nothing in it; afterwards no process is left."""
        for name in _ELSEWHERE:
            os.environ.pop(name, None)
        self._do("reset")
        try:
            self._do("up")
            self._kafka = mill_settings(find_mill(self.home)).sections["kafka"]
            yield
        finally:
            self._do("down")
            self._wait_until_gone()

    def _do(self, what: str) -> None:
        command = [sys.executable, str(_MILL), what, "--home", self.home]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=sys.stderr, check=False)
        if done.returncode:
            sys.exit(f"mill.py {what} failed with exit code {done.returncode}")

    def _wait_until_gone(self) -> None:
        """Wait for the supervisor, which says that all is stopped just before it ends itself."""
        deadline = time.monotonic() + _GONE_SECONDS
        while left := [pid for pid in self._seen if os.path.exists(f"/proc/{pid}")]:
            if time.monotonic() > deadline:
                sys.exit(f"processes of the mill are left behind: {sorted(left)}")
            time.sleep(0.05)
        self._seen.clear()

    def lag(self) -> dict[str, int] | None:
        """Return how many records each stage has before it; None when Kafka does not answer."""
        groups = {group_of(stage): [topic_of(stage)] for stage in self._route}
        groups[group_of(self._route[-1])].append(LEDGER_TOPIC)
        try:
            lags = group_lag(self._kafka, groups)
        except Transient:
            return None
        return {stage: sum(lags[group_of(stage)].values()) for stage in self._route}

    def parts(self) -> dict[str, list[int]]:
        """Return the processes of each part, children included."""
        with open(os.path.join(self.home, "mill.json"), encoding="utf-8") as stream:
            state = json.load(stream)
        supervisor = state["supervisor"]
        services = state["services"]
        workers = {stage: tree_of(services[stage]["pid"]) for stage in self._route}
        known = {supervisor, *(pid for pids in workers.values() for pid in pids)}
        broker = [pid for pid in tree_of(supervisor) if pid not in known]
        self._seen |= known | set(broker)
        self.kafka_version = self.kafka_version or _kafka_version(broker)
        return {"kafka": broker, **workers, "supervisor": [supervisor]}

    def restarts(self) -> int:
        """Return how often a worker had to be started again."""
        services = find_mill(self.home).services.values()
        return sum(about["restarts"] for about in services)

    def figures(self) -> dict[str, Figures]:
        """Return what the workers have measured since their start."""
        services = find_mill(self.home).services
        return {stage: _figures(_ask(services[stage]["metrics"])) for stage in self._route}

    def commit_times(self) -> list[float]:
        """Return when the tables were committed to with something taken in, in epoch seconds."""
        tables = open_tables(self.tables)
        snapshots = [one for name in ("files", "ledger") for one in tables.load(name).snapshots()]
        return sorted(one.timestamp_ms / 1000 for one in snapshots if vector_of(one))

    def wait_for_first_row(self, timeout_seconds: float) -> float:
        """Wait for the first row of the files; return when it was committed, in epoch seconds."""
        deadline = time.monotonic() + timeout_seconds
        while time.monotonic() < deadline:
            for snapshot in open_tables(self.tables).load("files").snapshots():
                if snapshot.summary and int(snapshot.summary.get("total-records") or 0):
                    return float(snapshot.timestamp_ms / 1000)
            time.sleep(0.2)
        sys.exit(f"no row was written within {timeout_seconds:.0f} s")


def cpu_seconds_of_machine() -> float:
    """Return the CPU seconds that the whole machine has worked since its start."""
    with open("/proc/stat", encoding="ascii") as stream:
        user, nice, system, _, _, irq, softirq = map(int, stream.readline().split()[1:8])
    return (user + nice + system + irq + softirq) / _TICKS


def _kafka_version(broker: Iterable[int]) -> str:
    for pid in broker:
        with open(f"/proc/{pid}/cmdline", "rb") as stream:
            _, found, rest = stream.read().decode().partition("/kafka-server-")
        if found:
            return rest.partition(".jar")[0]
    return ""


def _ask(address: str) -> str:
    connection = HTTPConnection(address, timeout=_ASK_SECONDS)
    try:
        connection.request("GET", "/metrics")
        return connection.getresponse().read().decode()
    finally:
        connection.close()


def _figures(exposition: str) -> Figures:
    figures = Figures()
    for family in text_string_to_metric_families(exposition):
        if family.type == "histogram" and family.name.startswith("gristmill_"):
            sums = [one.value for one in family.samples if one.name == f"{family.name}_sum"]
            bounds = (
                (float(one.labels["le"]), one.value)
                for one in family.samples
                if one.name == f"{family.name}_bucket"
            )
            figures.histograms[family.name] = Histogram(tuple(sorted(bounds)), sum(sums))
        elif family.name == "gristmill_transactions":
            counts: Mapping[str, int] = {
                one.labels["result"]: int(one.value) for one in family.samples
            }
            figures.transactions.update(counts)
        elif family.name == "gristmill_documents":
            figures.documents = int(sum(one.value for one in family.samples))
    return figures
