"""Runs real Apache Kafka brokers on this machine, without Docker: for the local mill and for tests.

    with KafkaCluster(Path("build/kafka")) as kafka:
        KafkaProducer(bootstrap_servers=kafka.bootstrap)

Every node is a Java process of the small kind, combined of broker and controller. A cluster lives
in one directory and keeps its cluster id, ports and records there: started again, it is the same
cluster. The jars are fetched by Maven, once, with the user's own Maven settings.
"""

import argparse
import contextlib
import fcntl
import functools
import json
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Self

VERSION = "4.3.1"  # as in kafka/pom.xml
ROOT = Path(__file__).resolve().parents[2]
POM = Path(__file__).resolve().with_name("kafka") / "pom.xml"
JARS = ROOT / ".local" / "downloads" / f"kafka-{VERSION}"
JAVA_AT_LEAST = 17
HOST = "127.0.0.1"

_INSTALL = "on Debian: apt-get install openjdk-17-jre-headless maven"
_FETCH_TIMEOUT_S = 900
# Java reads this archive of parsed classes instead of the jars, and starts in half the time. It
# holds for one Java and one set of jars; anything else passes over it in silence.
_ARCHIVE = "classes.jsa"
# Below the range from which systems hand out ports for outgoing connections.
_PORTS = range(10_240, 32_768)
_STATE = "cluster.json"
_READY = b"Kafka Server started"

_JVM = (
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-XX:+ExitOnOutOfMemoryError",
    "-XX:-UsePerfData",
    "-Djava.awt.headless=true",
    "-Dlog4j2.configurationFile=log4j2.properties",
)

_LOG4J = """\
rootLogger.level = WARN
rootLogger.appenderRef.out.ref = out
appender.out.type = Console
appender.out.name = out
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = [%d] %p %m (%c)%n
# Says when the server is started.
logger.server.name = kafka.server.KafkaRaftServer
logger.server.level = INFO
"""

# Small and quick: right for one machine, not for a site.
_PROPERTIES: Mapping[str, str | int] = {
    "process.roles": "broker,controller",
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "INTERNAL",
    "auto.create.topics.enable": "false",
    "message.max.bytes": 2 * 1024 * 1024,
    # A mill that was left alone for months goes on where it stopped.
    "offsets.retention.minutes": 365 * 24 * 60,
    "offsets.topic.num.partitions": 2,
    "transaction.state.log.num.partitions": 2,
    "share.coordinator.state.topic.num.partitions": 1,
    # Nobody waits for members that do not come, and an expired transaction ends at once.
    "group.initial.rebalance.delay.ms": 0,
    "group.min.session.timeout.ms": 1000,
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": 1000,
    # A broker that was killed comes back only when its old registration has lapsed: 9 s by default.
    "broker.session.timeout.ms": 3000,
    "broker.heartbeat.interval.ms": 500,
    "num.network.threads": 2,
    "num.io.threads": 4,
    "background.threads": 2,
    "log.cleaner.dedupe.buffer.size": 2 * 1024 * 1024,
}

# Makes the kernel kill the process when the thread that started it ends, then becomes the program.
# A step of its own, because code that runs between fork and exec may deadlock where threads run.
_TIED = """
import ctypes, os, signal, sys
PR_SET_PDEATHSIG = 1
ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
if os.getppid() != int(sys.argv[1]):
    sys.exit("the process that started this broker has ended")
os.execv(sys.argv[2], sys.argv[2:])
"""


class KafkaError(RuntimeError):
    """Kafka cannot be had or does not start; the message says why, and what to do about it."""


@functools.cache
def java() -> str:
    """Return the path of a Java that runs Kafka: $JAVA_HOME's, else the first on the PATH."""
    home = os.environ.get("JAVA_HOME")
    path = shutil.which("java", path=os.path.join(home, "bin")) if home else None
    path = path or shutil.which("java")
    needed = f"Kafka needs Java {JAVA_AT_LEAST} or newer"
    if path is None:
        raise KafkaError(f"{needed}, and no java is here; {_INSTALL}")
    told = subprocess.run(
        [path, "-version"], capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False
    )
    version = re.search(r'version "(\d+)', told.stderr + told.stdout)
    if version is None or int(version[1]) < JAVA_AT_LEAST:
        found = version[1] if version else "of unknown version"
        raise KafkaError(f"{needed}, and {path} is Java {found}; {_INSTALL}")
    return os.path.abspath(path)


def fetch(jars: Path = JARS) -> Path:
    """Return the folder of Kafka's jars, fetched by Maven if they are not there yet."""
    java()  # what runs Maven and, later, the jars
    if not jars.is_dir():
        jars.parent.mkdir(parents=True, exist_ok=True)
        with open(jars.with_name(f"{jars.name}.lock"), "wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # another process may be fetching them
            if not jars.is_dir():
                _download(jars)
                _archive_classes(jars)
    return jars


def _download(jars: Path) -> None:
    maven = shutil.which("mvn")
    if maven is None:
        raise KafkaError(f"Kafka's jars are fetched by Maven, and no mvn is here; {_INSTALL}")
    sys.stderr.write(f"fetching Apache Kafka {VERSION} (44 MB, once) ...\n")
    with tempfile.TemporaryDirectory(prefix=f"{jars.name}.", dir=jars.parent) as scratch:
        fresh = Path(scratch) / "jars"
        options = ("--quiet", "--batch-mode", f"--file={POM}", f"-DoutputDirectory={fresh}")
        done = subprocess.run(
            [maven, *options, "-DincludeScope=runtime", "dependency:copy-dependencies"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=_FETCH_TIMEOUT_S,
            check=False,
        )
        if done.returncode != 0 or not (fresh / f"kafka-server-{VERSION}.jar").is_file():
            raise KafkaError(f"Maven did not fetch Kafka's jars:\n{done.stdout[-3000:]}")
        fresh.rename(jars)


def _archive_classes(jars: Path) -> None:
    """Write the archive of classes, by one run of a broker; without it starts are only slower."""
    fresh = jars / f"{_ARCHIVE}.new"
    failures = (KafkaError, OSError, subprocess.SubprocessError)
    with contextlib.suppress(*failures), tempfile.TemporaryDirectory() as scratch:
        options = (f"-XX:ArchiveClassesAtExit={fresh}",)
        with KafkaCluster(Path(scratch), jars=jars, jvm_options=options, die_with_parent=True):
            pass
        fresh.rename(jars / _ARCHIVE)
    fresh.unlink(missing_ok=True)


@dataclass(frozen=True)
class _Node:
    """What a node keeps for life."""

    directory_id: str
    ports: dict[str, int]  # by the name of the listener, and of the proxy in front of PROXIED


@dataclass(frozen=True)
class _State:
    """What a cluster keeps for life, in `cluster.json`."""

    cluster_id: str
    nodes: tuple[_Node, ...]

    @classmethod
    def read(cls, path: Path) -> Self | None:
        try:
            told = json.loads(path.read_bytes())
        except FileNotFoundError:
            return None
        return cls(told["cluster_id"], tuple(_Node(**node) for node in told["nodes"]))

    def write(self, path: Path) -> None:
        fresh = path.with_name(f"{path.name}.new")
        fresh.write_text(json.dumps(asdict(self), indent=2) + "\n")
        fresh.replace(path)


@dataclass(frozen=True)
class _Process:
    """A broker that was started, and where in its log this start begins."""

    popen: subprocess.Popen[bytes]
    log_start: int


class KafkaCluster:
    """One or more Kafka nodes that live in a directory; nodes are numbered from 0.

    `proxied` gives every node one more listener, which sends its clients to a port of a proxy: a
    client that comes through `proxied_bootstrap` stays on the proxy that serves `proxy_routes`.

    `die_with_parent` has the kernel kill the nodes when this process ends, however it ends. In
    truth they die with the *thread* that started them: start them from one that lasts, such as
    the main thread.

    `log` takes what the nodes say, instead of a file for each in the directory.
    """

    def __init__(
        self,
        directory: Path,
        nodes: int = 1,
        *,
        proxied: bool = False,
        die_with_parent: bool = False,
        heap_mb: int = 512,
        properties: Mapping[str, str | int] | None = None,
        jvm_options: Sequence[str] = (),
        jars: Path | None = None,
        log: Path | None = None,
    ) -> None:
        self.directory = directory.absolute()
        self.nodes = nodes
        self._proxied = proxied
        self._die_with_parent = die_with_parent
        self._heap_mb = heap_mb
        self._properties = dict(properties or {})
        self._jvm_options = tuple(jvm_options)
        self._jars = jars
        self._log = log
        self._state = _State.read(self.directory / _STATE)
        self._processes: dict[int, _Process] = {}
        # The lock on the directory and the ports in use.
        self._held = contextlib.ExitStack()
        self._lock: IO[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def cluster_id(self) -> str:
        """The id that the cluster got when it was formatted."""
        return self._formatted.cluster_id

    @property
    def bootstrap(self) -> str:
        """The addresses of all nodes, for `bootstrap_servers`."""
        return self._addresses("INTERNAL")

    @property
    def proxied_bootstrap(self) -> str:
        """The addresses of all nodes behind a proxy."""
        return self._addresses("PROXY")

    @property
    def proxy_routes(self) -> Mapping[int, int]:
        """For a proxy: the port to listen on -> the port of the node to pass on to."""
        return {node.ports["PROXY"]: node.ports["PROXIED"] for node in self._formatted.nodes}

    def pid(self, node: int = 0) -> int | None:
        """Return the process id of a node, or None where it does not run."""
        process = self._processes.get(node)
        return process.popen.pid if process and process.popen.poll() is None else None

    def log(self, node: int = 0) -> Path:
        """Return the path of what a node says, over all its starts."""
        return self._log or self.directory / f"broker{node}.log"

    def format(self) -> None:
        """Prepare the directory and take its lock and ports; what was formatted is kept."""
        if self._lock is not None:
            return
        self.directory.mkdir(parents=True, exist_ok=True)
        with contextlib.ExitStack() as held:
            self._lock = self._take_lock(held)
            held.callback(setattr, self, "_lock", None)
            self._state = self._take_ports(held)
            self._state.write(self.directory / _STATE)
            (self.directory / "log4j2.properties").write_text(_LOG4J)
            for node in range(self.nodes):
                self._format_node(node)
            self._held = held.pop_all()

    def start(self, node: int | None = None, *, wait: bool = True, timeout_s: float = 60) -> None:
        """Start one node, or all; formats the directory first where that was not done.

        With `wait` off, this returns before they serve: for nodes that only serve together.
        """
        nodes = self._chosen(node)
        if running := [number for number in nodes if self.pid(number) is not None]:
            raise KafkaError(f"node {running[0]} of {self.directory} runs already")
        self.format()
        try:
            for number in nodes:
                self._processes[number] = self._spawn(number)
            if wait:
                self.wait_ready(node, timeout_s=timeout_s)
        except BaseException:
            for number in nodes:
                self.kill(number)
            self._release()
            raise

    def wait_ready(self, node: int | None = None, *, timeout_s: float = 60) -> None:
        """Return when one node, or all, serve clients."""
        deadline = time.monotonic() + timeout_s
        for number in self._chosen(node):
            while _READY not in (said := self._said(number)):
                ended = self.pid(number) is None
                if ended or time.monotonic() > deadline:
                    what = "ended" if ended else f"was not ready after {timeout_s:.0f} s"
                    tail = said[-3000:].decode(errors="replace")
                    raise KafkaError(
                        f"Kafka node {number} {what}; {self.log(number)} says:\n{tail}"
                    )
                time.sleep(0.02)

    def stop(self, node: int | None = None, *, timeout_s: float = 30) -> None:
        """Stop one node, or all, in an orderly way; kill what still runs at the deadline."""
        deadline = time.monotonic() + timeout_s
        nodes = self._chosen(node)
        for number in nodes:
            self._signal(number, signal.SIGTERM)
            self._signal(number, signal.SIGCONT)  # a frozen one would not hear
        for number in nodes:
            if process := self._processes.get(number):
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.popen.wait(max(0.0, deadline - time.monotonic()))
                self.kill(number)
        self._release()

    def kill(self, node: int = 0) -> None:
        """End a node with SIGKILL, as in a crash; its ports stay its own."""
        if process := self._processes.pop(node, None):
            process.popen.kill()
            process.popen.wait()

    def freeze(self, node: int = 0) -> None:
        """Stop a node in its tracks: its connections stay open and nothing is answered."""
        self._signal(node, signal.SIGSTOP)

    def thaw(self, node: int = 0) -> None:
        """Let a frozen node go on."""
        self._signal(node, signal.SIGCONT)

    @property
    def _formatted(self) -> _State:
        if self._state is None:
            raise KafkaError(f"{self.directory} holds no Kafka cluster yet; start it first")
        return self._state

    def _addresses(self, port: str) -> str:
        return ",".join(f"{HOST}:{node.ports[port]}" for node in self._formatted.nodes)

    def _chosen(self, node: int | None) -> Sequence[int]:
        return range(self.nodes) if node is None else (node,)

    def _signal(self, node: int, number: signal.Signals) -> None:
        if process := self._processes.get(node):
            process.popen.send_signal(number)

    def _said(self, node: int) -> bytes:
        """Return what the log of a node holds of its present start."""
        process = self._processes.get(node)
        if process is None:
            raise KafkaError(f"node {node} of {self.directory} was not started")
        with open(self.log(node), "rb") as log:
            log.seek(process.log_start)
            return log.read()

    def _release(self) -> None:
        """Give back the lock and the ports once no node runs."""
        if all(self.pid(number) is None for number in range(self.nodes)):
            self._processes.clear()
            self._held.close()

    def _take_lock(self, held: contextlib.ExitStack) -> IO[bytes]:
        """Lock the directory; the nodes inherit the lock, so it holds while one of them runs."""
        lock = open(self.directory / "lock", "wb")  # noqa: SIM115 - `held` closes it
        held.enter_context(lock)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            where = f"Kafka runs in {self.directory} already, of another process"
            raise KafkaError(f"{where}; stop it, or take another directory") from None
        return lock

    def _take_ports(self, held: contextlib.ExitStack) -> _State:
        """Return who the cluster is, its ports taken: known ones again, new ones where none are."""
        known = _State.read(self.directory / _STATE)
        if known is not None and len(known.nodes) != self.nodes:
            holds = f"{self.directory} holds a Kafka cluster with {len(known.nodes)} nodes"
            raise KafkaError(f"{holds}, not {self.nodes}")
        names = ("INTERNAL", "CONTROLLER", *(("PROXIED", "PROXY") if self._proxied else ()))
        before = known.nodes if known else tuple(_Node(_new_id(), {}) for _ in range(self.nodes))
        # A lone node may move; of several, each knows the ports of the others by heart.
        take = functools.partial(_take_port, held=held, may_move=self.nodes == 1)
        nodes = tuple(
            _Node(
                node.directory_id, node.ports | {name: take(node.ports.get(name)) for name in names}
            )
            for node in before
        )
        return _State(known.cluster_id if known else _new_id(), nodes)

    def _format_node(self, node: int) -> None:
        data = self.directory / f"data{node}"
        if (data / "meta.properties").is_file():  # the last that formatting writes
            return
        shutil.rmtree(data, ignore_errors=True)
        voters = ",".join(
            f"{number}@{HOST}:{each.ports['CONTROLLER']}:{each.directory_id}"
            for number, each in enumerate(self._formatted.nodes)
        )
        tool = ("kafka.tools.StorageTool", "format", f"--cluster-id={self.cluster_id}")
        options = (f"--config={self._write_properties(node)}", f"--initial-controllers={voters}")
        done = subprocess.run(
            self._command(node, heap_mb=128, program=(*tool, *options)),
            cwd=self.directory,
            env=_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=120,
            check=False,
        )
        if done.returncode != 0:
            said = done.stdout[-3000:].decode(errors="replace")
            raise KafkaError(f"{data} could not be formatted for Kafka:\n{said}")

    def _spawn(self, node: int) -> _Process:
        assert self._lock is not None, "format() takes the lock"
        program = ("kafka.Kafka", self._write_properties(node))
        command = self._command(
            node, heap_mb=self._heap_mb, program=program, more=self._jvm_options
        )
        if self._die_with_parent:
            # Isolated and without site: it starts in a few hundredths of a second.
            command = [sys.executable, "-I", "-S", "-c", _TIED, str(os.getpid()), *command]
        with open(self.log(node), "ab") as log:
            popen = subprocess.Popen(
                command,
                cwd=self.directory,
                env=_environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is for us; we stop the nodes
                pass_fds=(self._lock.fileno(),),
            )
            return _Process(popen, log_start=log.tell())

    def _command(
        self, node: int, *, heap_mb: int, program: Sequence[str], more: Sequence[str] = ()
    ) -> list[str]:
        jars = self._jars or fetch()
        # What Java unpacks, and leaves when it is killed, stays in the directory and is cleared.
        scratch = self.directory / f"tmp{node}"
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir()
        archive = jars / _ARCHIVE
        return [
            java(),
            f"-Xmx{heap_mb}m",
            f"-Xms{min(heap_mb, 128)}m",
            *_JVM,
            f"-Djava.io.tmpdir={scratch}",
            *((f"-XX:SharedArchiveFile={archive}",) if archive.is_file() else ()),
            *more,
            "-cp",
            # In one order: Java takes the archive only for the class path that it was made with.
            os.pathsep.join(map(str, sorted(jars.glob("*.jar")))),
            *program,
        ]

    def _write_properties(self, node: int) -> str:
        """Write the settings of a node; return the name of the file."""
        nodes = self._formatted.nodes
        ports = nodes[node].ports
        listeners = ["INTERNAL", "CONTROLLER", *(["PROXIED"] if self._proxied else [])]
        advertised = {"INTERNAL": ports["INTERNAL"]}
        if self._proxied:
            advertised["PROXIED"] = ports["PROXY"]
        quorum = ",".join(f"{HOST}:{each.ports['CONTROLLER']}" for each in nodes)
        copies, in_sync = (3, 2) if self.nodes >= 3 else (1, 1)
        settings = {
            **_PROPERTIES,
            "node.id": node,
            "log.dirs": f"data{node}",  # below the directory that the process runs in
            "controller.quorum.bootstrap.servers": quorum,
            "listeners": ",".join(f"{name}://{HOST}:{ports[name]}" for name in listeners),
            "advertised.listeners": ",".join(
                f"{name}://{HOST}:{port}" for name, port in advertised.items()
            ),
            "listener.security.protocol.map": ",".join(f"{name}:PLAINTEXT" for name in listeners),
            "default.replication.factor": copies,
            "min.insync.replicas": in_sync,
            "offsets.topic.replication.factor": copies,
            "transaction.state.log.replication.factor": copies,
            "transaction.state.log.min.isr": in_sync,
            "share.coordinator.state.topic.replication.factor": copies,
            "share.coordinator.state.topic.min.isr": in_sync,
            **self._properties,
        }
        name = f"server{node}.properties"
        text = "".join(f"{key}={value}\n" for key, value in settings.items())
        (self.directory / name).write_text(text)
        return name


def _environment() -> Mapping[str, str]:
    """Return ours, but with names of files in UTF-8 whatever the locale: Java goes by that."""
    return {**os.environ, "LC_ALL": "C.UTF-8"}


def _new_id() -> str:
    """Return a random id as Kafka writes it; not with a dash first, which its tools misread."""
    while (new := urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")).startswith("-"):
        pass
    return new


def _take_port(known: int | None, held: contextlib.ExitStack, *, may_move: bool) -> int:
    """Take the port known from before, or a new one where none is known or it may move."""
    if known is not None:
        try:
            held.enter_context(_bound(known, closing=True))
        except OSError as error:
            if not may_move:
                whose = f"port {known}, which the data of this Kafka cluster were made for"
                raise KafkaError(f"{whose}, is not free: {error}") from error
        else:
            return known
    for _ in range(1000):
        port = _PORTS[secrets.randbelow(len(_PORTS))]
        with contextlib.suppress(OSError):
            held.enter_context(_bound(port))
            return port
    raise KafkaError(f"no free port from {_PORTS.start} to {_PORTS.stop - 1}")


def _bound(port: int, *, closing: bool = False) -> socket.socket:
    """Return a socket that keeps the port for us, in a way that lets a broker listen on it.

    It is bound and never listens: others cannot choose the port, connections to it are refused,
    and a process that says SO_REUSEADDR (Java does) may listen on it. `closing` takes a port that
    has connections of its last listener yet to close.
    """
    taken = socket.socket()
    try:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, closing)
        taken.bind((HOST, port))
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    except OSError:
        taken.close()
        raise
    return taken


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    parser = argparse.ArgumentParser(description="Apache Kafka on this machine.")
    parser.add_argument(
        "--fetch", action="store_true", required=True, help="fetch Kafka's jars, if need be"
    )
    parser.parse_args(arguments)
    try:
        fetch()
    except KafkaError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
