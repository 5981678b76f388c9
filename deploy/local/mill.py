"""The whole mill on one machine: Kafka and a worker for every stage, started, watched, stopped.

    python deploy/local/mill.py up | down | reset

`up` leaves a supervisor behind that restarts what ends and stops everything in order at SIGTERM.
Everything lies under .local/: the log, the index, the tables and the blobs belong together and go
together (`reset`); what was downloaded stays. KAFKA_BOOTSTRAP names a Kafka of your own instead:
only what is missing is made there, and nothing is deleted unless `reset --topics` says so.
"""

import argparse
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

from mill_supervisor import (
    BOOTSTRAP,
    LOG,
    OLD_LOG,
    SOMEBODY_MUST_LOOK,
    STATE,
    STOP_SECONDS,
    TLS,
    gristmill,
    held,
    read_state,
    say,
    supervise,
)

ROOT = Path(__file__).resolve().parents[2]
HOME = ROOT / ".local"
_DATA = ("kafka", "tables", "blobs", "verdicts", "submitted", TLS, STATE, LOG, OLD_LOG)
_READY_SECONDS = 180.0
_TICK_SECONDS = 0.1
_SETTLE_SECONDS = 1.0  # a part that finds its place gone ends soon after it was ready
_MOST_ENDS = 3  # of one part, by itself, after which it is not waited for
_TOLD_BYTES = 256 << 10
_TOLD_LINES = 15

Services = Mapping[str, Mapping[str, Any]]
"""Each part by name, as the supervisor's state tells of it."""


def up(home: Path, partitions: int | None, *, tls: bool) -> int:
    """Start the mill, or show the one that runs; return when everything is ready."""
    home.mkdir(parents=True, exist_ok=True)
    options = [] if partitions is None else ["--partitions", str(partitions)]
    command = [sys.executable, __file__, "supervise", *(["--tls"] if tls else [])]
    if held(home):
        say("the mill is running already")
        return _wait_and_tell(home, None, options, tls=tls)
    with open(home / LOG, "ab") as log:  # it appends, whoever inherits it: see `bound_log`
        begin = log.tell()
        supervisor = subprocess.Popen(
            [*command, "--home", str(home), *options],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            close_fds=True,
        )
    code = _wait_and_tell(home, supervisor, options)
    if code and supervisor.poll() is not None:
        if held(home):
            say("the mill was started by another command meanwhile")
            return _wait_and_tell(home, None, options, tls=tls)
        said = last_lines(home / LOG, begin)[-_TOLD_LINES:]
        say("\n".join(["the mill did not start; its log ends:", *said]))
    return code


def _wait_and_tell(
    home: Path,
    supervisor: "subprocess.Popen[bytes] | None",
    options: list[str],
    *,
    tls: bool | None = None,
) -> int:
    """Wait and tell; `tls` is what was asked of a mill that another command started."""
    code = wait_until_ready(home, supervisor)
    if not code and tls is not None and tls != bool(read_state(home)["tls"]):
        how = "without" if tls else "with mutual"
        say(f"it runs {how} TLS, as it was started; `make down` ends it")
        code = 1 if tls else 0
    if held(home) and (home / BOOTSTRAP).exists():
        tell_differences(home, options)
    return code


@dataclass(slots=True)
class Parts:
    """What `up` has seen of the parts, and told."""

    began: float
    restarts: dict[str, int] = field(default_factory=dict)
    ends: Counter[str] = field(default_factory=Counter)
    """How often each part ended by itself; what a signal ended may be well the next time."""
    ready: dict[str, int] = field(default_factory=dict)
    """The process that said it, of each part that is ready."""

    def look(self, services: Services, *, fresh: bool) -> None:
        """Tell what became of each part since the last look."""
        for name, about in services.items():
            before = self.restarts.get(name, 0 if fresh else about["restarts"])
            self.restarts[name] = about["restarts"]
            if ended := about["restarts"] - before:
                self.ends[name] += ended if about["exit_code"] > 0 else 0
                self.ready.pop(name, None)
                self.tell(name, "ended", f"{_told(about['exit_code'])}; it is started again")
            if name not in self.ready and about["pid"] and is_ready(about["metrics"]):
                self.ready[name] = about["pid"]
                self.tell(name, "ready", about["metrics"])

    def confirm(self, services: Services) -> bool:
        """Tell whether all that said they are ready still are, in the same process."""
        for name, about in services.items():
            if about["pid"] != self.ready.get(name) or not is_ready(about["metrics"]):
                self.ready.pop(name, None)
        return self.ready.keys() == services.keys()

    def tell(self, name: str, what: str, about: str) -> None:
        """Print one line."""
        seconds = time.monotonic() - self.began
        print(f"{name:<10} {what}  {about:<22} {seconds:5.1f} s", flush=True)


def wait_until_ready(home: Path, supervisor: "subprocess.Popen[bytes] | None") -> int:
    """Print a line for each part as it becomes ready or ends; return when all stay ready.

    A part that ends again and again is not waited for. The supervisor goes on in any case: the cure
    may need the other parts.
    """
    parts = Parts(time.monotonic())
    state: dict[str, Any] = {}
    begin = (home / LOG).stat().st_size if (home / LOG).exists() else 0
    while time.monotonic() - parts.began < _READY_SECONDS:
        if supervisor is not None and supervisor.poll() is not None:
            return 1
        before, state = state, _state_of(home, supervisor)
        if state and not before:
            parts.tell("kafka", "ready", state["environment"]["GRISTMILL_KAFKA_BOOTSTRAP"])
        services: Services = state.get("services", {})
        parts.look(services, fresh=supervisor is not None)
        for name, ends in parts.ends.items():
            if ends >= _MOST_ENDS:
                tell_why(home, name, f"has ended {ends} times", begin)
                say(f"it is tried again and the other parts run; {_elsewhere(home)}")
                return 1
        for name, about in services.items():
            if not about["pid"] and about["exit_code"] == SOMEBODY_MUST_LOOK:
                tell_why(home, name, "is left stopped", begin)
                say(f"the other parts run; {_elsewhere(home)}")
                return 1
        if state and parts.ready.keys() == services.keys():
            time.sleep(_SETTLE_SECONDS)
            if parts.confirm(_state_of(home, supervisor).get("services", {})):
                return 0
        time.sleep(_TICK_SECONDS)
    waited = [name for name in state.get("services", {}) if name not in parts.ready]
    say(f"not ready: {', '.join(waited) or 'the mill'}; see {home / LOG}")
    return 1


def _state_of(home: Path, supervisor: "subprocess.Popen[bytes] | None") -> dict[str, Any]:
    """Return the state, unless it is that of a mill that was killed."""
    state = read_state(home)
    ours = supervisor is None or state.get("supervisor") == supervisor.pid
    return state if ours else {}


def _told(exit_code: int) -> str:
    return f"exit code {exit_code}" if exit_code >= 0 else f"signal {-exit_code}"


def _elsewhere(home: Path) -> str:
    return f"see {home / LOG}, `make down` stops them"


def tell_why(home: Path, name: str, what: str, begin: int) -> None:
    """Tell what a part that does not come up said last, since the log's byte `begin` or before."""
    lines = last_lines(home / LOG, begin)
    errors = [line for line in lines if _is_error_of(name, line)] or [
        line for line in last_lines(home / LOG, 0) if _is_error_of(name, line)
    ]
    said = errors[-1:] or lines[-_TOLD_LINES:]
    say("\n".join([f"{name} {what}; it says:", *said]))


def _is_error_of(name: str, line: str) -> bool:
    try:
        told = json.loads(line)
    except ValueError:
        return False
    return isinstance(told, dict) and (told.get("service"), told.get("level")) == (name, "error")


def last_lines(path: Path, begin: int) -> list[str]:
    """Return the last lines of a log since its byte `begin`; all of it where it began anew."""
    with open(path, "rb") as log:
        size = log.seek(0, os.SEEK_END)
        log.seek(max(begin if begin <= size else 0, size - _TOLD_BYTES))
        return log.read().decode("utf-8", "replace").splitlines()


def tell_differences(home: Path, options: list[str]) -> None:
    """Say whether the topics of a Kafka that is not ours are as ours would be."""
    done = subprocess.run(
        gristmill("topics", "diff", "--json", *options),
        env={**os.environ, **read_state(home).get("environment", {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    told = json.loads(done.stdout) if done.stdout else {"differences": []}
    if topics := {one["topic"] for one in told["differences"]}:
        command = " ".join(["gristmill topics diff", *options])
        say(f"topics that are not as packaged, and stay so: {len(topics)}; `{command}` shows how")


def down(home: Path) -> int:
    """Stop the mill in order."""
    if not held(home):
        say("the mill is not running")
        return 0
    supervisor = 0
    deadline = time.monotonic() + STOP_SECONDS + 30
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


def reset(home: Path, *, topics: bool) -> int:
    """Stop the mill and remove log, index, tables and blobs together.

    The log of a Kafka that is not ours stays, unless `topics` asks for it: then it goes first.
    """
    if code := down(home):
        return code
    bootstrap = _read_bootstrap(home)
    if bootstrap and topics:
        if delete_topics(bootstrap):
            say(f"the topics at {bootstrap} could not be deleted; nothing else is removed")
            return 1
        (home / BOOTSTRAP).unlink()
    for name in _DATA:
        path = home / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    if bootstrap and not topics:
        print("index, tables and blobs are removed; what was downloaded stays", flush=True)
        say(
            f"the topics and groups of Gristmill in your Kafka at {bootstrap} stay: "
            "`make reset TOPICS=yes` deletes them.\n"
            "Until then the next `make up` there takes what they hold into new tables, and stops "
            "where that needs the index or the blobs that are gone"
        )
    else:
        print("log, index, tables and blobs are removed; what was downloaded stays", flush=True)
    return 0


def _read_bootstrap(home: Path) -> str:
    """Return where the user's own Kafka is that the mill ran on last; empty where it was ours."""
    try:
        return (home / BOOTSTRAP).read_text()
    except FileNotFoundError:
        return ""


def delete_topics(bootstrap: str) -> int:
    """Delete the topics and groups of Gristmill in a Kafka; return the exit code."""
    print(f"the topics and groups of Gristmill in your Kafka at {bootstrap}:", flush=True)
    return subprocess.run(
        gristmill("topics", "delete", "--yes"),
        env={**os.environ, "GRISTMILL_KAFKA_BOOTSTRAP": bootstrap},
        stdin=subprocess.DEVNULL,
        check=False,
    ).returncode


def is_running(pid: int) -> bool:
    """Tell whether there is such a process; 0 is none."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return pid != 0


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
    parser.add_argument(
        "--topics",
        action="store_true",
        help="reset: delete the topics and groups of a Kafka of your own, too",
    )
    parser.add_argument(
        "--tls", action="store_true", help="up: mutual TLS, with certificates made on the spot"
    )
    options = parser.parse_args()
    home = options.home.resolve()
    commands = {
        "up": lambda: up(home, options.partitions, tls=options.tls),
        "down": lambda: down(home),
        "reset": lambda: reset(home, topics=options.topics),
        "supervise": lambda: supervise(home, options.partitions, tls=options.tls),
    }
    return commands[options.command]()


if __name__ == "__main__":
    sys.exit(main())
