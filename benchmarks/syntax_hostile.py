"""What hostile files cost: each alone within its limit, and a run with one of them in a thousand.

Every language's files are parsed by worker processes as in a run. Then ordinary files are run with
and without hostile ones among them, in turns, and the throughputs are compared.
"""

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections import Counter
from itertools import cycle, islice
from typing import Any

from process_tree import run_measured

from gristmill.cli.console import OUT, print_json
from gristmill.cli.worker import COMMAND, WorkerSetup
from gristmill.ingestion.settings import IngestionSettings
from gristmill.runtime.engine.passage import Passage
from gristmill.runtime.engine.pool import WorkerPool
from gristmill.runtime.engine.worker import Limits
from gristmill.runtime.model import Origin, Position
from gristmill.runtime.ports import Entry
from gristmill.runtime.testing.hostile import hostile_files
from gristmill.syntax.settings import SyntaxSettings

_GRACE_SECONDS = 1.0
_LOSS = 0.10
_SIZES = (4 << 10, 100 << 10)


def alone(size_bytes: int) -> list[dict[str, Any]]:
    """Return how long each hostile file takes, and what becomes of it."""
    limits, ingestion = Limits(), IngestionSettings()
    setup = WorkerSetup(
        segments=[["ingestion", "syntax"]],
        settings={"ingestion": ingestion, "syntax": SyntaxSettings()},
        max_file_bytes=ingestion.max_file_bytes,
        limits=limits,
    )
    pool: WorkerPool[Passage] = WorkerPool(COMMAND, setup, 1)
    rows = []
    try:
        pool.submit(0, [_entry("warm.py", b"x = 1\n")]).result()
        for name, content in hostile_files(size_bytes):
            began = time.monotonic()
            (passage,) = pool.submit(0, [_entry(name, content)]).result()
            seconds = time.monotonic() - began
            last = passage.decisions[-1]
            rows.append(
                {
                    "name": name,
                    "bytes": len(content),
                    "seconds": round(seconds, 4),
                    "late": seconds > limits.seconds_for(len(content)) + _GRACE_SECONDS,
                    "outcome": f"{last.outcome} {last.reason or ''}".strip(),
                }
            )
    finally:
        pool.close()
    return rows


def _entry(name: str, content: bytes) -> Entry:
    origin = Origin(source="s", repository="r", path=name)
    return Entry(
        origin=origin,
        position=Position(source="s", offset=0),
        size_bytes=len(content),
        content=content,
    )


def throughput(corpus: str, count: int, rounds: int, size_bytes: int) -> dict[str, Any]:
    """Return the wall seconds of runs with and without hostile files, in turns."""
    with tempfile.TemporaryDirectory() as place:
        plain, mixed = os.path.join(place, "plain"), os.path.join(place, "mixed")
        files = list(islice(_files(corpus), count))
        for number, path in enumerate(files):
            for root in (plain, mixed):
                target = os.path.join(root, f"{number // 100:04d}", f"{number}-{path.name}")
                os.makedirs(os.path.dirname(target), exist_ok=True)
                shutil.copyfile(path.path, target)
        hostile = list(hostile_files(size_bytes))
        step = max(1, len(hostile) * 1000 // count)
        for number, (name, content) in enumerate(islice(cycle(hostile[::step]), count // 1000)):
            with open(os.path.join(mixed, "0000", f"{number}-{name}"), "wb") as stream:
                stream.write(content)
        seconds: dict[str, list[float]] = {"plain": [], "mixed": []}
        for at in range(rounds):
            order = ("plain", "mixed") if at % 2 == 0 else ("mixed", "plain")
            for which in order:
                out = os.path.join(place, f"out-{which}-{at}")
                command = [sys.executable, "-m", "gristmill.cli.main", "run"]
                measured = run_measured([*command, os.path.join(place, which), "--out", out])
                seconds[which].append(measured.cpu_seconds)
                shutil.rmtree(out)
    best = {name: min(values) for name, values in seconds.items()}
    return {
        "files": count,
        "hostile": count // 1000,
        "hostile_bytes": size_bytes,
        "cpu_seconds": seconds,
        "loss": round(1 - best["plain"] / best["mixed"], 4),
    }


def _files(corpus: str) -> Any:  # noqa: ANN401  # os.DirEntry of str
    for directory, _, names in sorted(os.walk(corpus)):
        with os.scandir(directory) as entries:
            yield from sorted((e for e in entries if e.is_file()), key=lambda e: e.name)
        del names


def main() -> None:
    """Measure and print the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="example: python benchmarks/syntax_hostile.py build/corpus --count 10000",
    )
    parser.add_argument("source")
    parser.add_argument("--count", type=int, default=10_000, help="ordinary files in a run")
    parser.add_argument("--rounds", type=int, default=2, help="runs of each kind")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    told: dict[str, Any] = {"alone": {size: alone(size) for size in _SIZES}}
    told["runs"] = throughput(options.source, options.count, options.rounds, _SIZES[-1])
    if options.json:
        print_json(told)
    else:
        _show(told)
    late = sum(row["late"] for rows in told["alone"].values() for row in rows)
    sys.exit(0 if not late and told["runs"]["loss"] <= _LOSS else 1)


def _show(told: dict[str, Any]) -> None:
    for size, rows in told["alone"].items():
        outcomes = Counter(row["outcome"] for row in rows)
        total = sum(row["seconds"] for row in rows)
        OUT.print(
            f"{len(rows):,} files of {size:,} bytes: {total / len(rows):.3f} s each on average"
        )
        OUT.print(f"  {dict(outcomes)}")
        for row in sorted(rows, key=lambda row: -row["seconds"])[:8]:
            OUT.print(f"  {row['seconds']:7.2f} s  {row['outcome']:<22} {row['name']}")
        OUT.print(f"  {sum(row['late'] for row in rows)} beyond the limit and a second")
    runs = told["runs"]
    OUT.print(
        f"{runs['hostile']} hostile among {runs['files']:,}: {runs['loss']:.1%} more CPU, "
        f"{_LOSS:.0%} at most"
    )


if __name__ == "__main__":
    main()
