"""Running a command and measuring its whole process tree: CPU seconds, wall time, peak memory."""

import os
import resource
import subprocess
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_SAMPLE_SECONDS = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeUsage:
    """What a process tree used. `peak_bytes` is proportional set size, all processes together."""

    exit_code: int
    cpu_seconds: float
    wall_seconds: float
    peak_bytes: int
    output: bytes


def run_measured(command: Sequence[str]) -> TreeUsage:
    """Run a command to its end; its stderr goes where ours goes."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
    peak = 0
    while process.poll() is None:
        peak = max(peak, sum(map(proportional_bytes, tree_of(process.pid))))
        time.sleep(_SAMPLE_SECONDS)
    assert process.stdout is not None, "it was asked for"
    output = process.stdout.read()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return TreeUsage(
        exit_code=process.returncode,
        cpu_seconds=after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        wall_seconds=time.monotonic() - began,
        peak_bytes=peak,
        output=output,
    )


def tree_of(pid: int) -> list[int]:
    """Return a process and all its descendants, as far as they still live."""
    found = [pid]
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/children", encoding="ascii") as stream:
                for child in stream.read().split():
                    found.extend(tree_of(int(child)))
    except OSError:
        pass
    return found


def cpu_seconds(pids: Iterable[int]) -> float:
    """Return the CPU seconds of processes, with those of their children that have ended."""
    return sum(own + ended for own, ended in map(_own_and_ended, pids))


def cpu_seconds_below(pid: int) -> float:
    """Return the CPU seconds of all descendants of a process so far, those that ended included."""
    own, _ = _own_and_ended(pid)
    return cpu_seconds(tree_of(pid)) - own


def _own_and_ended(pid: int) -> tuple[float, float]:
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as stream:
            user, system, *ended = map(int, stream.read().rpartition(")")[2].split()[11:15])
    except OSError:
        return 0.0, 0.0
    ticks = os.sysconf("SC_CLK_TCK")
    return (user + system) / ticks, sum(ended) / ticks


def proportional_bytes(pid: int) -> int:
    """Return the memory of a process, what it shares counted in parts; 0 when it is gone."""
    try:
        with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as stream:
            for line in stream:
                if line.startswith("Pss:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 0
