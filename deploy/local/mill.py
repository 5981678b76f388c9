"""The whole mill on one machine: Kafka and a worker for every stage, started, watched, stopped.

    python deploy/local/mill.py up | down | reset

`up` leaves a supervisor behind that restarts what ends and stops everything in order at SIGTERM.
Everything lies under .local/: the log, the index, the tables and the blobs belong together and go
together (`reset`); what was downloaded stays. KAFKA_BOOTSTRAP names a Kafka of your own instead.
"""

import argparse
import contextlib
import ctypes
import fcntl
import json
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
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import IO, Any

from kafka_broker import KafkaCluster, KafkaError

ROOT = Path(__file__).resolve().parents[2]
HOME = ROOT / ".local"
STATE = "mill.json"
LOG = "mill.log"
_DATA = ("kafka", "tables", "blobs", STATE, LOG)
_READY_SECONDS = 180.0
_STOP_SECONDS = 40.0  # more than the workers' own deadline for what is in work
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.5, 10.0
_STEADY_SECONDS = 30.0  # a worker that ran so long is restarted without a longer pause
_TICK_SECONDS = 0.1
_LOCK_SECONDS = 2.0
_MEND_SECONDS = (8.0, 25.0)  # after a start of Kafka's that was none of ours to ask for
_PR_SET_PDEATHSIG = 1


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

    def told(self) -> dict[str, Any]:
        """Return what other commands may know."""
        return {
            "metrics": f"127.0.0.1:{self.http_port}",
            "grpc": f"127.0.0.1:{self.grpc_port}",
            "pid": self.process.pid if self.process else None,
            "restarts": self.restarts,
        }


@dataclass(slots=True)
class Supervisor:
    """Keeps the parts running until it is told to stop."""

    home: Path
    environment: Mapping[str, str]
    bootstrap: str
    kafka: KafkaCluster | None
    partitions: int | None = None
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
            wanted = () if self.partitions is None else ("--partitions", str(self.partitions))
            self._topics("apply", *wanted, check=True)
            self.parts = [Part(name) for name in _stages()]
            while not self.stopping:
                self._tend()
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
        }

    def _topics(self, *words: str, check: bool) -> None:
        subprocess.run(
            [*_gristmill(), "topics", *words],
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
                say(f"{part.name} ended with {part.process.returncode}; it is started again")
                steady = now - part.began >= _STEADY_SECONDS
                part.pause = _FIRST_PAUSE_SECONDS if steady else part.pause * 2
                part.next_start = now + min(part.pause, _LONGEST_PAUSE_SECONDS)
                part.process = None
                part.restarts += 1
            if part.process is None and now >= part.next_start:
                self._start(part)
                changed = True
        if changed:
            self._write_state()

    def _start(self, part: Part) -> None:
        part.http_port, part.grpc_port = free_ports(2)
        part.began = time.monotonic()
        part.process = subprocess.Popen(
            [*_gristmill(), "serve", part.name],
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
            "services": {part.name: part.told() for part in self.parts},
        }
        temporary = self.home / f"{STATE}.new"
        temporary.write_text(json.dumps(state, indent=1))
        temporary.replace(self.home / STATE)

    def _end(self) -> None:
        """End the workers, all within one deadline, then Kafka."""
        deadline = time.monotonic() + _STOP_SECONDS
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


def up(home: Path, partitions: int | None) -> int:
    """Start the mill, or show the one that runs; return when everything is ready."""
    home.mkdir(parents=True, exist_ok=True)
    if held(home):
        say("the mill is running already")
        return wait_until_ready(home, None)
    options = ["--home", str(home)]
    if partitions is not None:
        options += ["--partitions", str(partitions)]
    with open(home / LOG, "ab") as log:
        begin = log.tell()
        supervisor = subprocess.Popen(
            [sys.executable, __file__, "supervise", *options],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            close_fds=True,
        )
    code = wait_until_ready(home, supervisor)
    if code and supervisor.poll() is not None and held(home):
        say("the mill was started by another command meanwhile")
        return wait_until_ready(home, None)
    if code:
        with open(home / LOG, "rb") as log:
            log.seek(begin)
            said = log.read().decode("utf-8", "replace").splitlines()
        say("\n".join(["the mill did not start; its log ends:", *said[-15:]]))
    return code


def wait_until_ready(home: Path, supervisor: "subprocess.Popen[bytes] | None") -> int:
    """Print one line for each part as it becomes ready."""
    began = time.monotonic()
    told: set[str] = set()
    while time.monotonic() - began < _READY_SECONDS:
        if supervisor is not None and supervisor.poll() is not None:
            return 1
        state = read_state(home)
        if supervisor is not None and state.get("supervisor") != supervisor.pid:
            state = {}  # of a mill that was killed
        seconds = time.monotonic() - began
        if state and "kafka" not in told:
            told.add("kafka")
            bootstrap = state["environment"]["GRISTMILL_KAFKA_BOOTSTRAP"]
            print(f"{'kafka':<10} ready  {bootstrap:<22} {seconds:5.1f} s", flush=True)
        for name, about in state.get("services", {}).items():
            if name not in told and is_ready(about["metrics"]):
                told.add(name)
                print(f"{name:<10} ready  {about['metrics']:<22} {seconds:5.1f} s", flush=True)
        if state and told >= {"kafka", *state["services"]}:
            return 0
        time.sleep(_TICK_SECONDS)
    say(f"not everything is ready; see {home / LOG}")
    return 1


def down(home: Path) -> int:
    """Stop the mill in order."""
    if not held(home):
        say("the mill is not running")
        return 0
    supervisor = 0
    deadline = time.monotonic() + _STOP_SECONDS + 30
    while held(home) or is_running(supervisor):
        told = (home / "lock").read_text(encoding="ascii")  # empty while one is just starting
        if told.isdecimal() and int(told) != supervisor:
            supervisor = int(told)
            with contextlib.suppress(ProcessLookupError):
                os.kill(supervisor, signal.SIGTERM)
        if time.monotonic() > deadline:
            say(f"the supervisor {supervisor} does not end")
            return 1
        time.sleep(_TICK_SECONDS)
    print("the mill is stopped; its log, index, tables and blobs stay", flush=True)
    return 0


def reset(home: Path) -> int:
    """Stop the mill and remove log, index, tables and blobs together."""
    if code := down(home):
        return code
    for name in _DATA:
        path = home / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    print("log, index, tables and blobs are removed; what was downloaded stays", flush=True)
    return 0


def supervise(home: Path, partitions: int | None) -> int:
    """Be the supervisor: the one process that holds the lock."""
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(locked(home))
        except BlockingIOError:
            say(f"another mill runs in {home}")
            return 1
        (home / STATE).unlink(missing_ok=True)  # of a mill that was killed
        bootstrap = os.environ.get("KAFKA_BOOTSTRAP") or os.environ.get("GRISTMILL_KAFKA_BOOTSTRAP")
        kafka = None if bootstrap else KafkaCluster(home / "kafka", die_with_parent=True)
        environment = {k: v for k, v in os.environ.items() if k != "GRISTMILL_KAFKA_BOOTSTRAP"}
        try:
            Supervisor(home, environment, bootstrap or "", kafka, partitions).run()
        except (KafkaError, subprocess.CalledProcessError) as error:
            say(str(error))
            return 1
    return 0


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


def is_running(pid: int) -> bool:
    """Tell whether there is such a process; 0 is none."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return pid != 0


def read_state(home: Path) -> dict[str, Any]:
    """Return what the supervisor wrote down; nothing before everything was started once."""
    try:
        content: dict[str, Any] = json.loads((home / STATE).read_text())
    except (FileNotFoundError, ValueError):
        return {}
    return content if held(home) else {}


def is_ready(address: str) -> bool:
    """Tell whether a worker says that it is ready."""
    connection = HTTPConnection(address, timeout=2)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


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


def _gristmill() -> tuple[str, ...]:
    return (sys.executable, "-P", "-m", "gristmill.cli.main")


def _stages() -> list[str]:
    """Return the stages to serve, downstream first: who answers is there before who asks."""
    from gristmill.cli.local import route_of_files  # it loads every stage
    from gristmill.runtime.adapters.plugins import load_plugins

    return ["shards", *reversed(route_of_files(load_plugins(), paper=False))]


def _die_with_parent(parent: int) -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:  # it was killed before the kernel knew
        os._exit(1)


def main() -> int:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("command", choices=("up", "down", "reset", "supervise"))
    parser.add_argument("--home", type=Path, default=HOME, metavar="DIR")
    parser.add_argument(
        "--partitions",
        type=int,
        metavar="N",
        help="of each topic; without it they stay as they are",
    )
    options = parser.parse_args()
    home = options.home.resolve()
    commands = {
        "up": lambda: up(home, options.partitions),
        "down": lambda: down(home),
        "reset": lambda: reset(home),
        "supervise": lambda: supervise(home, options.partitions),
    }
    return commands[options.command]()


if __name__ == "__main__":
    sys.exit(main())
