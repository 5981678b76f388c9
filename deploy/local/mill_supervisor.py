"""The process that keeps the mill of one directory running, and what it tells of it.

It holds a lock with its process id inside while it lives, writes down what runs where, and stops
everything in order at SIGTERM. `mill.py` is what people start.
"""

import contextlib
import ctypes
import fcntl
import json
import math
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import IO, Any

from certificates import CA, CertificateError, issue, make_authority
from kafka_broker import KafkaCluster, KafkaError

STATE = "mill.json"
LOG, OLD_LOG = "mill.log", "mill.log.1"
TLS = "tls"
BOOTSTRAP = "bootstrap"
"""The file that remembers the user's own Kafka; there is none where the last one was the mill's."""
STOP_SECONDS = 40.0  # more than the workers' own deadline for what is in work

_LOG_BYTES = 50 << 20
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.5, 10.0
_STEADY_SECONDS = 30.0  # a worker that ran so long is restarted without a longer pause
_TICK_SECONDS = 0.1
_LOCK_SECONDS = 2.0
_MEND_SECONDS = (8.0, 25.0)  # after a start of Kafka's that was none of ours to ask for
_PR_SET_PDEATHSIG = 1
SOMEBODY_MUST_LOOK = 65  # a worker's exit code: it would only set more records aside


@dataclass(slots=True)
class Part:
    """One worker as the supervisor sees it."""

    name: str
    process: "subprocess.Popen[bytes] | None" = None
    http_port: int = 0
    grpc_port: int = 0
    began: float = 0.0
    next_start: float = 0.0
    pause: float = _FIRST_PAUSE_SECONDS
    restarts: int = 0
    exit_code: int | None = None

    def told(self) -> dict[str, Any]:
        """Return what other commands may know; the exit code is that of the last end, if any."""
        return {
            "metrics": f"127.0.0.1:{self.http_port}",
            "grpc": f"127.0.0.1:{self.grpc_port}",
            "pid": self.process.pid if self.process else None,
            "restarts": self.restarts,
            "exit_code": self.exit_code,
        }


@dataclass(slots=True)
class Supervisor:
    """Keeps the parts running until it is told to stop."""

    home: Path
    environment: Mapping[str, str]
    bootstrap: str
    kafka: KafkaCluster | None
    partitions: int | None = None
    tls: Mapping[str, str] = field(default_factory=dict)
    """PEM files of a client, if the mill serves mutual TLS: ca, certificate, key."""
    parts: list[Part] = field(default_factory=list)
    mend_at: list[float] = field(default_factory=list)
    stopping: bool = False

    def run(self) -> None:
        """Start everything, watch it, and stop it in order at the end."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        try:
            if self.kafka is not None:
                self.kafka.format()
                self.kafka.start()
                self.bootstrap = self.kafka.bootstrap
            # A Kafka of the user's own is not ours to change.
            wanted = ["--only-missing"] if self.kafka is None else []
            if self.partitions is not None:
                wanted += ["--partitions", str(self.partitions)]
            self._topics("apply", *wanted, check=True)
            self.parts = [Part(name) for name in _stages()]
            while not self.stopping:
                self._tend()
                bound_log(self.home)
                time.sleep(_TICK_SECONDS)
        finally:
            self._end()

    def _stop(self, number: int, frame: object) -> None:
        del number, frame
        self.stopping = True

    def _settings(self) -> dict[str, str]:
        return {
            "GRISTMILL_KAFKA_BOOTSTRAP": self.bootstrap,
            "GRISTMILL_SERVE_DIRECTORY": str(self.home / "tables"),
            "GRISTMILL_BLOBS_URL": str(self.home / "blobs"),
            "GRISTMILL_SERVE_MEMO": str(self.home / "verdicts"),
            "GRISTMILL_SUBMIT_DIRECTORY": str(self.home / "submitted"),
            **(server_tls(self.home) if self.tls else {}),
        }

    def _topics(self, *words: str, check: bool) -> None:
        subprocess.run(
            gristmill("topics", *words),
            env={**self.environment, **self._settings()},
            stdin=subprocess.DEVNULL,
            stdout=sys.stderr,
            check=check,
        )

    def _tend(self) -> None:
        """Start what does not run and is due."""
        changed = False
        if self.kafka is not None and self.kafka.pid() is None and not self.stopping:
            say("Kafka ended; it is started again")
            self.kafka.start()
            self.mend_at = [time.monotonic() + seconds for seconds in _MEND_SECONDS]
        now = time.monotonic()
        if self.mend_at and now >= self.mend_at[0]:
            self.mend_at.pop(0)
            self._topics("mend", check=False)
        for part in self.parts:
            if part.process is not None and part.process.poll() is not None:
                part.exit_code = part.process.returncode
                if part.exit_code == SOMEBODY_MUST_LOOK:
                    say(
                        f"{part.name} has too much to set aside and is left stopped, as it says "
                        "above; `make down` and `make up` begin again where it stands"
                    )
                    part.process, part.next_start, changed = None, math.inf, True
                    continue
                say(f"{part.name} ended with {part.exit_code}; it is started again")
                steady = now - part.began >= _STEADY_SECONDS
                part.pause = _FIRST_PAUSE_SECONDS if steady else part.pause * 2
                part.next_start = now + min(part.pause, _LONGEST_PAUSE_SECONDS)
                part.process = None
                part.restarts += 1
                changed = True
            if part.process is None and now >= part.next_start:
                self._start(part)
                changed = True
        if changed:
            self._write_state()

    def _start(self, part: Part) -> None:
        if part.http_port == 0 or (part.exit_code or 0) > 0:  # one that was killed keeps its own
            part.http_port, part.grpc_port = free_ports(2)
        part.began = time.monotonic()
        part.process = subprocess.Popen(
            gristmill("serve", part.name),
            env={
                **self.environment,
                **self._settings(),
                "GRISTMILL_SERVE_HTTP_PORT": str(part.http_port),
                "GRISTMILL_SERVE_GRPC_PORT": str(part.grpc_port),
            },
            stdin=subprocess.DEVNULL,
            stdout=sys.stderr,
            start_new_session=True,
            # There are no other threads here that a fork could catch in the middle of something.
            preexec_fn=partial(_die_with_parent, os.getpid()),  # noqa: PLW1509
        )

    def _write_state(self) -> None:
        state = {
            "supervisor": os.getpid(),
            "environment": self._settings(),
            "tls": dict(self.tls),
            "services": {part.name: part.told() for part in self.parts},
        }
        temporary = self.home / f"{STATE}.new"
        temporary.write_text(json.dumps(state, indent=1))
        temporary.replace(self.home / STATE)

    def _end(self) -> None:
        """End the workers, all within one deadline, then Kafka."""
        deadline = time.monotonic() + STOP_SECONDS
        running = [part.process for part in self.parts if part.process is not None]
        for process in running:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
        for process in running:
            try:
                process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                say(f"process {process.pid} does not end: it is killed")
                process.kill()
                process.wait()
        if self.kafka is not None:
            self.kafka.stop()
        with contextlib.suppress(FileNotFoundError):
            (self.home / STATE).unlink()


def make_certificates(home: Path) -> dict[str, str]:
    """Make certificates for the servers and for a client; return what a client needs.

    Each start makes new ones; the authority stays. Raises CertificateError.
    """
    folder = home / TLS
    make_authority(folder)
    issue(folder, "server")
    certificate, key = issue(folder, "client")
    return {"ca": str(folder / CA), "certificate": str(certificate), "key": str(key)}


def server_tls(home: Path) -> dict[str, str]:
    """Return the settings of servers that ask their clients for certificates."""
    folder = home / TLS
    return {
        "GRISTMILL_TLS_CERTIFICATE": str(folder / "server.pem"),
        "GRISTMILL_TLS_KEY": str(folder / "server.key"),
        "GRISTMILL_TLS_CLIENT_CA": str(folder / CA),
    }


def supervise(home: Path, partitions: int | None, *, tls: bool) -> int:
    """Be the supervisor: the one process that holds the lock."""
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(locked(home))
        except BlockingIOError:
            say(f"another mill runs in {home}")
            return 1
        (home / STATE).unlink(missing_ok=True)  # of a mill that was killed
        bootstrap = os.environ.get("KAFKA_BOOTSTRAP") or os.environ.get("GRISTMILL_KAFKA_BOOTSTRAP")
        kafka = None
        if bootstrap:
            (home / BOOTSTRAP).write_text(bootstrap)
        else:
            (home / BOOTSTRAP).unlink(missing_ok=True)
            kafka = KafkaCluster(home / "kafka", die_with_parent=True, log=home / LOG)
        environment = {k: v for k, v in os.environ.items() if k != "GRISTMILL_KAFKA_BOOTSTRAP"}
        try:
            files = make_certificates(home) if tls else {}
            Supervisor(home, environment, bootstrap or "", kafka, partitions, files).run()
        except (CertificateError, KafkaError, subprocess.CalledProcessError) as error:
            say(str(error))
            return 1
    return 0


def bound_log(home: Path, most_bytes: int = _LOG_BYTES) -> None:
    """Keep a log that has become large as the older one, and begin it anew.

    Whoever writes it appends, so it can be emptied under them. A line that is written between copy
    and cut is lost.
    """
    log = home / LOG
    with contextlib.suppress(OSError):  # removed by somebody, or a full disk
        if log.stat().st_size > most_bytes:
            try:
                shutil.copyfile(log, home / OLD_LOG)
            finally:
                os.truncate(log, 0)


@contextlib.contextmanager
def locked(home: Path) -> "Iterator[IO[str]]":
    """Hold the lock that says a supervisor is running, with its pid inside."""
    with open(home / "lock", "a+", encoding="ascii") as lock:
        deadline = time.monotonic() + _LOCK_SECONDS
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:  # `held` takes it for a moment
                if time.monotonic() > deadline:
                    raise
                time.sleep(_TICK_SECONDS / 10)
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield lock


def held(home: Path) -> bool:
    """Tell whether a supervisor is running."""
    try:
        with open(home / "lock", "a", encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:
        return False
    return False


def read_state(home: Path) -> dict[str, Any]:
    """Return what the supervisor wrote down; nothing before everything was started once."""
    try:
        content: dict[str, Any] = json.loads((home / STATE).read_text())
    except (FileNotFoundError, ValueError):
        return {}
    return content if held(home) else {}


def free_ports(count: int) -> list[int]:
    """Return ports that nobody uses now."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def say(line: str) -> None:
    """Tell people something, on stderr."""
    print(line, file=sys.stderr, flush=True)


def gristmill(*words: str) -> list[str]:
    """Return the command line of `gristmill …`."""
    return [sys.executable, "-P", "-m", "gristmill.cli.main", *words]


def _stages() -> list[str]:
    """Return the stages to serve, downstream first: who answers is there before who asks."""
    from gristmill.cli.route import route_of_files
    from gristmill.runtime.adapters.plugins import load_plugins

    return ["shards", *reversed(route_of_files(load_plugins(), paper=False))]


def _die_with_parent(parent: int) -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:  # it was killed before the kernel knew
        os._exit(1)
