"""The mill over Kafka beside the local run: the same documents, stages and cores, one run each.

The local run comes first, then a fresh mill of one worker a stage and one crawl partition: fed as
fast as it takes, until nothing waits any more. Its time goes from the start of the feed to the
last commit of a table. Both have to keep the same documents in the same order with the same
decisions: the exit code is 1 where they do not. Times are shown beside the goals, and what else
the machine did meanwhile; they are never asserted.
"""

import argparse
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any

from kafka_mill import (
    Figures,
    Histogram,
    Mill,
    cpu_seconds_of_machine,
)
from kafka_report import goals, print_results
from kafka_same import differences
from process_tree import cpu_seconds, proportional_bytes, run_measured, tree_of

from gristmill.cli.console import print_json
from gristmill.cli.route import route_of_files
from gristmill.runtime.adapters.plugins import load_plugins

_GRISTMILL = (sys.executable, "-P", "-m", "gristmill.cli.main")
_HERE = os.path.dirname(os.path.abspath(__file__))
_STAGES_HISTOGRAMS = {
    "transaction": "gristmill_transaction_seconds",
    "batch": "gristmill_batch_seconds",
    "table_commit": "gristmill_table_commit_seconds",
}
_TICK_SECONDS = 2.0  # a look costs a tenth of a second
_STALLED_SECONDS = 300.0  # nothing moves for so long: it is given up
_FIRST_ROW_SECONDS = 120.0
_VERSIONS = ("gristmill", "kafka-python", "pyiceberg", "pyarrow")


@dataclass(slots=True)
class Watch:
    """What is seen of the mill while it works: a look every other second."""

    mill: Mill
    began: float = field(default_factory=time.monotonic)
    lags: list[tuple[float, dict[str, int]]] = field(default_factory=list)
    peaks: dict[str, int] = field(default_factory=dict)
    load: float = 0.0

    def look(self, feed: "subprocess.Popen[bytes]") -> int | None:
        """Note lag, memory and load; return what waits in all, None where Kafka did not answer."""
        parts = {**self.mill.parts(), "feed": tree_of(feed.pid)}
        for name, pids in parts.items():
            self.peaks[name] = max(self.peaks.get(name, 0), sum(map(proportional_bytes, pids)))
        self.load = max(self.load, os.getloadavg()[0])
        lag = self.mill.lag()
        if lag is None:
            return None
        self.lags.append((round(time.monotonic() - self.began, 2), lag))
        return sum(lag.values())


def run_locally(source: str, out: str, limit: int | None) -> dict[str, Any]:
    """Run the command line once, with a worker process for each core."""
    shutil.rmtree(out, ignore_errors=True)
    command = [*_GRISTMILL, "run", source, "--out", out, "--json", *_limit(limit)]
    before, load = cpu_seconds_of_machine(), os.getloadavg()[0]
    usage = run_measured(command)
    elsewhere = cpu_seconds_of_machine() - before - usage.cpu_seconds
    if usage.exit_code:
        sys.exit(f"the local run failed with exit code {usage.exit_code}")
    told = json.loads(usage.output.splitlines()[-1])
    return {
        "documents": told["documents"],
        "bytes": told["bytes"],
        "kept": told["kept"],
        **_rates(told, usage.wall_seconds),
        "cpu_seconds": round(usage.cpu_seconds, 2),
        "peak_bytes": usage.peak_bytes,
        "elsewhere_cpu_seconds": round(elsewhere, 2),
        "load": [round(one, 2) for one in (load, os.getloadavg()[0])],
    }


def first_row_seconds(mill: Mill) -> dict[str, float]:
    """Start a mill and feed it a few files; return the time until a row of them was there."""
    began, clock = time.monotonic(), time.time()
    with mill.fresh():
        ready = time.monotonic() - began
        command = [*_GRISTMILL, "feed", _HERE, "--include", "*.py", "--mill", mill.home, "--json"]
        subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True)
        mill.parts()
        written = mill.wait_for_first_row(_FIRST_ROW_SECONDS)
    return {"ready": round(ready, 2), "first_row": round(written - clock, 2)}


def run_through_kafka(
    source: str, mill: Mill, limit: int | None, local: Mapping[str, Any]
) -> dict[str, Any]:
    """Feed a fresh mill what was run locally and watch it until everything is written."""
    with mill.fresh():
        before = {name: cpu_seconds(pids) for name, pids in mill.parts().items()}
        machine, own, load = cpu_seconds_of_machine(), time.process_time(), os.getloadavg()[0]
        watch, clock = Watch(mill), time.time()
        command = [*_GRISTMILL, "feed", source, "--mill", mill.home, "--json", *_limit(limit)]
        feed = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        try:
            told = _wait(feed, watch)
        finally:
            if feed.poll() is None:
                feed.kill()
            feed.wait()
        parts = {
            name: round(cpu_seconds(pids) - before[name], 2) for name, pids in mill.parts().items()
        }
        parts["feed"] = told.pop("cpu_seconds")
        observer = time.process_time() - own
        machine = cpu_seconds_of_machine() - machine
        wall = mill.commit_times()[-1] - clock
        work = sum(parts.values())
        return {
            "feed": told,
            **_rates(local, wall),  # what is fed is counted as messages: other bytes
            "cpu_seconds": round(work, 2),
            "parts": {
                name: {
                    "cpu_seconds": seconds,
                    "busy": round(seconds / wall, 3),
                    "peak_bytes": watch.peaks[name],
                }
                for name, seconds in parts.items()
            },
            "observer_cpu_seconds": round(observer, 2),
            "elsewhere_cpu_seconds": round(machine - work - observer, 2),
            "load": [round(one, 2) for one in (load, os.getloadavg()[0])],
            "most_load": round(watch.load, 2),
            "stages": {name: _stage(one) for name, one in mill.figures().items()},
            "restarts": mill.restarts(),
            "lag": _lag(watch.lags),
            "table_commits": [round(one - clock, 2) for one in mill.commit_times() if one >= clock],
        }


def _wait(feed: "subprocess.Popen[bytes]", watch: Watch) -> dict[str, Any]:
    """Watch until the feed has ended and nothing waits; return what the feed said and used."""
    used = ended = 0.0
    moved, last = time.monotonic(), -1
    while True:
        tick = time.monotonic()
        if feed.poll() is None:
            used = cpu_seconds(tree_of(feed.pid))
        elif not ended:
            ended = tick - watch.began
        waiting = watch.look(feed)
        if ended and waiting == 0:
            break
        if waiting is not None and waiting != last:
            moved, last = tick, waiting
        if tick - moved > _STALLED_SECONDS:
            sys.exit(f"{last:,} records wait and do not move")
        time.sleep(max(0.0, tick + _TICK_SECONDS - time.monotonic()))
    if feed.returncode:
        sys.exit(f"the feed failed with exit code {feed.returncode}")
    assert feed.stdout is not None, "it was asked for"
    told = json.loads(feed.stdout.read().splitlines()[-1])
    return {
        "documents": told["items"],
        "bytes": told["bytes"],
        "seconds": told["seconds"],
        "wall_seconds": round(ended, 2),
        "cpu_seconds": round(used, 2),
    }


def _limit(limit: int | None) -> list[str]:
    return [] if limit is None else ["--limit", str(limit)]


def _rates(told: Mapping[str, Any], wall: float) -> dict[str, float]:
    return {
        "wall_seconds": round(wall, 2),
        "documents_per_second": round(told["documents"] / wall, 1),
        "mb_per_second": round(told["bytes"] / 1e6 / wall, 2),
    }


def _stage(figures: Figures) -> dict[str, Any]:
    """Return the figures of one worker; a histogram without observations is left out."""
    told: dict[str, Any] = {"documents": figures.documents, **figures.transactions}
    for name, metric in _STAGES_HISTOGRAMS.items():
        histogram = figures.histograms.get(metric, Histogram())
        if histogram.count:
            told[name] = {
                "count": histogram.count,
                "seconds": round(histogram.seconds, 3),
                "p50": round(histogram.quantile(0.5), 4),
                "p99": round(histogram.quantile(0.99), 4),
                "share_up_to_half_a_second": round(histogram.share_up_to(0.5), 5),
            }
    return told


def _lag(lags: Sequence[tuple[float, dict[str, int]]]) -> dict[str, Any]:
    """Return by stage what waited before it, and how long it was what waited most.

    The shards are left out of the last: they let records wait on purpose, until a commit is due.
    """
    stages = list(lags[0][1])
    working = [lag for _, lag in lags if any(lag[stage] for stage in stages[:-1])]
    seen = max(1, len(working))
    return {
        "stages": {
            stage: {
                "mean": round(sum(lag[stage] for lag in working) / seen, 1),
                "most": max((lag[stage] for _, lag in lags), default=0),
                "drained_at": max((at for at, lag in lags if lag[stage]), default=0.0),
                "most_of_all_share": round(
                    sum(lag[stage] > 0 and lag[stage] == max(_before(lag)) for lag in working)
                    / seen,
                    3,
                ),
            }
            for stage in stages
        },
        "samples": [[at, *lag.values()] for at, lag in lags],
    }


def _before(lag: Mapping[str, int]) -> list[int]:
    """Return the lags of the stages before the shards."""
    return list(lag.values())[:-1]


def ratios(local: Mapping[str, Any], mill: Mapping[str, Any]) -> dict[str, float]:
    """Return what binds, the ratio of wall clocks, and two that other work disturbs less."""
    cores = len(os.sched_getaffinity(0))
    left = [cores * one["wall_seconds"] - one["elsewhere_cpu_seconds"] for one in (local, mill)]
    return {
        "ratio": round(local["wall_seconds"] / mill["wall_seconds"], 4),
        # Of the time on all cores that everything else on the machine left over.
        "ratio_of_time_left": round(left[0] / left[1], 4),
        "ratio_of_cpu": round(local["cpu_seconds"] / mill["cpu_seconds"], 4),
    }


def machine(mill: Mill) -> dict[str, Any]:
    """Return what was measured on, and with."""
    with open("/proc/cpuinfo", encoding="utf-8") as stream:
        models = [
            line.partition(":")[2].strip() for line in stream if line.startswith("model name")
        ]
    return {
        "processor": models[0] if models else platform.machine(),
        "cores": os.cpu_count(),
        "cores_used": len(os.sched_getaffinity(0)),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "versions": {
            "python": platform.python_version(),
            "kafka": mill.kafka_version,
            **{name: version(name) for name in _VERSIONS},
        },
    }


def main() -> None:
    """Measure a source and print the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="example: python benchmarks/kafka_bench.py build/corpus --limit 5000",
    )
    parser.add_argument("source")
    parser.add_argument("--out", default="build/bench/kafka", help="where everything is kept")
    parser.add_argument("--limit", type=int, help="the first N documents only")
    parser.add_argument("--cores", type=int, default=2, help="how many of them both may use")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # and so the mill is stopped
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: options.cores])
    os.makedirs(options.out, exist_ok=True)
    route = (*route_of_files(load_plugins(), paper=False), "shards")
    mill, local = Mill(os.path.join(options.out, "mill"), route), os.path.join(options.out, "local")
    results: dict[str, Any] = {"source": options.source, "limit": options.limit}
    _say("the local run ...")
    results["local"] = run_locally(options.source, local, options.limit)
    _say("a mill for the first row ...")
    results["start"] = first_row_seconds(mill)
    _say("the mill ...")
    results["mill"] = run_through_kafka(options.source, mill, options.limit, results["local"])
    _say("comparing ...")
    results["comparison"] = differences(local, mill.tables, route)
    results["machine"] = machine(mill)
    results.update(ratios(results["local"], results["mill"]))
    results["goals"] = goals(results)
    with open(os.path.join(options.out, "report.json"), "w", encoding="ascii") as stream:
        json.dump(results, stream, indent=1)
    if options.json:
        print_json(results)
    else:
        print_results(results)
    sys.exit(0 if all(one["reached"] for one in results["goals"] if one["binds"]) else 1)


def _say(what: str) -> None:
    print(what, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
