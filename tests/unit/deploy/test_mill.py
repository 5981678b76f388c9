"""What `make up` makes of the supervisor's state, and how the log is bounded; no mill runs."""

import json
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import mill
import mill_supervisor
import pytest

from gristmill.runtime.model import TooMuchAside

Services = dict[str, Any]
Wait = Callable[[Iterable[Services]], tuple[int, list[str]]]


class Scripted:
    """A supervisor whose state is a script: each look takes the next, the last one stays."""

    pid = 7

    def __init__(self, states: Iterable[Services]) -> None:
        self._states = iter(states)
        self._last: Services = {}

    def state(self, home: Path) -> dict[str, Any]:
        self._last = next(self._states, self._last)
        if not self._last:
            return {}  # nothing is started yet
        environment = {"GRISTMILL_KAFKA_BOOTSTRAP": "kafka:9092"}
        return {"supervisor": self.pid, "environment": environment, "services": self._last}

    def poll(self) -> int | None:
        return None


def part(pid: int | None, *, ready: bool = True, restarts: int = 0, code: int | None = None) -> Any:
    address = f"{pid}:{'ready' if ready else 'busy'}"
    return {"metrics": address, "pid": pid, "restarts": restarts, "exit_code": code}


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    lines: list[str] = []
    monkeypatch.setattr(mill, "say", lambda text: lines.extend(text.splitlines()))
    return lines


@pytest.fixture
def wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Wait:
    """Waits for a scripted mill that was just started; gives the exit code and what was printed."""
    (tmp_path / mill.LOG).write_text("of an earlier start\n")
    monkeypatch.setattr(mill, "_TICK_SECONDS", 0)
    monkeypatch.setattr(mill, "_SETTLE_SECONDS", 0)
    monkeypatch.setattr(mill, "is_ready", lambda address: address.endswith(":ready"))

    def run(states: Iterable[Services]) -> tuple[int, list[str]]:
        scripted: Any = Scripted(states)
        monkeypatch.setattr(mill, "read_state", scripted.state)
        code = mill.wait_until_ready(tmp_path, scripted)
        printed = capsys.readouterr().out.splitlines()
        return code, [" ".join(line.split()[:-2]) for line in printed]  # without the time

    return run


def test_up_returns_when_every_part_is_ready(wait: Wait) -> None:
    code, lines = wait([{"dedup": part(1, ready=False)}, {"dedup": part(1)}])
    assert (code, lines) == (0, ["kafka ready kafka:9092", "dedup ready 1:ready"])


def test_a_part_that_dies_right_after_it_was_ready_is_waited_for(wait: Wait) -> None:
    dead = part(None, restarts=1, code=1)
    code, lines = wait(
        [
            {"dedup": part(1), "shards": part(2)},
            {"dedup": part(1), "shards": dead},  # the look that confirms
            {"dedup": part(1), "shards": dead},
            {"dedup": part(1), "shards": part(3, restarts=1, code=1)},
        ]
    )
    assert code == 0
    assert lines[1:] == [
        "dedup ready 1:ready",
        "shards ready 2:ready",
        "shards ended exit code 1; it is started again",
        "shards ready 3:ready",
    ]


def test_a_part_that_stops_being_ready_is_waited_for(wait: Wait) -> None:
    ready, busy = {"dedup": part(1)}, {"dedup": part(1, ready=False)}
    code, lines = wait([ready, busy, busy, ready])
    assert (code, lines[1:]) == (0, ["dedup ready 1:ready"] * 2)


def test_a_part_that_ends_again_and_again_is_not_waited_for(
    wait: Wait, said: list[str], tmp_path: Path
) -> None:
    error = json.dumps({"service": "dedup", "level": "error", "event": "cannot go on"})
    log = ["of an earlier start", error, '{"service": "shards", "level": "error"}', "last"]

    def states() -> Iterator[Services]:
        yield {}
        (tmp_path / mill.LOG).write_text("\n".join(log))
        for restarts in (1, 2, 3):
            yield {"dedup": part(None, restarts=restarts, code=2), "shards": part(2)}
        raise AssertionError("it was waited for")

    code, lines = wait(states())
    assert code == 1
    assert lines.count("dedup ended exit code 2; it is started again") == 3
    assert said[:2] == ["dedup has ended 3 times; it says:", error]
    assert "is tried again and the other parts run" in said[2]


def test_a_part_that_is_left_stopped_is_not_waited_for(
    wait: Wait, said: list[str], tmp_path: Path
) -> None:
    error = json.dumps({"service": "dedup", "level": "error", "event": "too much"})
    (tmp_path / mill.LOG).write_text(f"{error}\nof a part that runs\n")  # said before this `up`
    stopped = part(None, code=TooMuchAside.exit_code)
    code, lines = wait([{"dedup": stopped, "shards": part(2)}])
    assert code == 1
    assert lines == ["kafka ready kafka:9092", "shards ready 2:ready"]
    assert said[:2] == ["dedup is left stopped; it says:", error]


def test_without_an_error_of_its_own_the_end_of_the_log_is_shown(
    wait: Wait, said: list[str], tmp_path: Path
) -> None:
    def states() -> Iterator[Services]:
        yield {}
        with open(tmp_path / mill.LOG, "a") as log:
            log.write("gristmill: no such setting\n")
        yield {"dedup": part(None, restarts=3, code=2)}

    code, _ = wait(states())
    assert code == 1
    assert said[1] == "gristmill: no such setting"
    assert "of an earlier start" not in said


def test_what_a_signal_ended_may_be_well_the_next_time(wait: Wait) -> None:
    killed = ({"dedup": part(None, restarts=number, code=-9)} for number in range(1, 6))
    code, lines = wait([*killed, {"dedup": part(1, restarts=5, code=-9)}])
    assert code == 0
    assert lines.count("dedup ended signal 9; it is started again") == 5


def test_the_end_of_a_log_that_began_anew_is_found(tmp_path: Path) -> None:
    log = tmp_path / mill.LOG
    log.write_text("one\ntwo\n")
    assert mill.last_lines(log, 4) == ["two"]
    assert mill.last_lines(log, 99) == ["one", "two"]


def test_a_large_log_is_emptied_under_those_who_write_it(tmp_path: Path) -> None:
    path, old = tmp_path / mill_supervisor.LOG, tmp_path / mill_supervisor.OLD_LOG

    def write(line: str) -> None:
        subprocess.run(["sh", "-c", f"echo {line}"], stdout=log, check=True)

    with open(path, "ab") as log:  # as `up` opens it
        write("first")
        mill_supervisor.bound_log(tmp_path, 6)
        assert not old.exists()
        write("second")
        mill_supervisor.bound_log(tmp_path, 6)
        write("third")
        assert (old.read_text(), path.read_text()) == ("first\nsecond\n", "third\n")
        write("fourth")
        mill_supervisor.bound_log(tmp_path, 6)
    assert (old.read_text(), path.read_text()) == ("third\nfourth\n", "")


def test_a_log_that_was_removed_is_nobodys_end(tmp_path: Path) -> None:
    mill_supervisor.bound_log(tmp_path)
    (tmp_path / mill_supervisor.LOG).write_text("more")
    (tmp_path / mill_supervisor.OLD_LOG).mkdir()  # what cannot be kept is given up
    mill_supervisor.bound_log(tmp_path, 1)
    assert (tmp_path / mill_supervisor.LOG).read_text() == ""


def ended_with(code: int, home: Path) -> mill_supervisor.Supervisor:
    """Return a supervisor that has found its one part ended."""
    process = subprocess.Popen(["/bin/sh", "-c", f"exit {code}"])
    process.wait()
    part = mill_supervisor.Part("dedup", process=process, began=time.monotonic())
    supervisor = mill_supervisor.Supervisor(home, {}, "localhost:1", None, parts=[part])
    supervisor._tend()
    return supervisor


def test_a_part_with_too_much_to_set_aside_is_left_stopped(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (part,) = ended_with(TooMuchAside.exit_code, tmp_path).parts
    assert (part.process, part.next_start, part.restarts) == (None, float("inf"), 0)
    assert "dedup has too much to set aside and is left stopped" in capsys.readouterr().err


def test_a_part_that_ended_otherwise_is_due_again(tmp_path: Path) -> None:
    (part,) = ended_with(1, tmp_path).parts
    assert (part.process, part.restarts) == (None, 1)
    assert part.next_start < time.monotonic() + 20
