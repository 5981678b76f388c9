"""What hostile files cost: each alone within its limit, and a run with one of them in a thousand.

Every language's files are given to the syntax stage in a worker process, those that ingestion would
stop as well. Then ordinary files are run with and without hostile ones among them, in turns, and
the throughputs are compared.
"""

import argparse
import os
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable
from itertools import cycle, islice
from typing import Any

from process_tree import cpu_seconds_below, run_measured

from gristmill.cli.console import OUT, print_json
from gristmill.cli.worker import COMMAND, WorkerSetup
from gristmill.ingestion.settings import IngestionSettings
from gristmill.runtime.engine.passage import Passage
from gristmill.runtime.engine.pool import WorkerPool
from gristmill.runtime.engine.worker import Limits
from gristmill.runtime.model import Document, FileText, Kind, Origin, Position
from gristmill.runtime.model.document import document_id, sha256_hex
from gristmill.runtime.model.languages import LANGUAGES
from gristmill.runtime.testing.hostile import hostile_files, large_hostile_files
from gristmill.syntax.grammars import grammar_of
from gristmill.syntax.settings import SyntaxSettings

_GRACE_SECONDS = 1.0
_LOSS = 0.10
_SEED = 0
_SIZES = (4 << 10, 100 << 10)


def alone(files: Iterable[tuple[str, bytes]]) -> list[dict[str, Any]]:
    """Return what each hostile file costs, and what becomes of it.

    It stands between two ordinary ones, which must be kept.
    """
    limits = Limits()
    setup = WorkerSetup(
        segments=[["syntax"]],
        settings={"syntax": SyntaxSettings()},
        max_file_bytes=IngestionSettings().max_file_bytes,
        limits=limits,
    )
    neighbours = _document("a.go", b"package a\n"), _document("b.py", b"x = 1\n")
    pool: WorkerPool[Passage] = WorkerPool(COMMAND, setup, 1)
    rows = []
    try:
        pool.submit(0, neighbours).result()
        for path, content in files:
            before, began = cpu_seconds_below(os.getpid()), time.monotonic()
            chunk = [neighbours[0], _document(path, content), neighbours[1]]
            first, found, last = pool.submit(0, chunk).result()
            wall = time.monotonic() - began
            seconds = cpu_seconds_below(os.getpid()) - before
            decision = found.decisions[-1]
            rows.append(
                {
                    "path": path,
                    "bytes": len(content),
                    "cpu_seconds": round(seconds, 2),
                    "wall_seconds": round(wall, 2),
                    "late": seconds > limits.seconds_for(len(content)) + _GRACE_SECONDS,
                    "harms": not (first.documents and last.documents),
                    "outcome": f"{decision.outcome} {decision.reason or ''}".strip(),
                    "checker": decision.evidence.checker,
                }
            )
    finally:
        pool.close()
    return rows


def _document(name: str, content: bytes) -> Document:
    origin = Origin(source="s", repository="r", path=name)
    sha256 = sha256_hex(content)
    return Document(
        id=document_id(Kind.FILE, origin, sha256),
        kind=Kind.FILE,
        origin=origin,
        position=Position(source="s", offset=0),
        body=FileText(content=content.decode(), encoding="utf-8"),
        content_sha256=sha256,
        size_bytes=len(content),
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
        # By chance: at regular distances they would all be of one kind.
        random.Random(_SEED).shuffle(hostile)
        for number, (name, content) in enumerate(islice(cycle(hostile), count // 1000)):
            target = os.path.join(mixed, "0000", f"{number}-{name}")
            os.makedirs(os.path.dirname(target))
            with open(target, "wb") as stream:
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
    rows = {f"{size:,} bytes": alone(hostile_files(size)) for size in _SIZES}
    checked = [language for language in LANGUAGES if grammar_of(language) is not None]
    rows["long lines, noise, brackets"] = alone(large_hostile_files(checked))
    told: dict[str, Any] = {"alone": rows}
    told["runs"] = throughput(options.source, options.count, options.rounds, _SIZES[-1])
    if options.json:
        print_json(told)
    else:
        _show(told)
    bad = sum(row["late"] or row["harms"] for rows in told["alone"].values() for row in rows)
    sys.exit(0 if not bad and told["runs"]["loss"] <= _LOSS else 1)


def _show(told: dict[str, Any]) -> None:
    for kind, rows in told["alone"].items():
        total = sum(row["cpu_seconds"] for row in rows)
        checkers = {row["checker"] for row in rows if row["checker"]}
        OUT.print(
            f"{len(rows):,} files, {kind}: {total / len(rows):.3f} CPU seconds each on average, "
            f"{len(checkers)} parsers"
        )
        OUT.print(f"  {dict(Counter(row['outcome'] for row in rows))}")
        for row in sorted(rows, key=lambda row: -row["cpu_seconds"])[:8]:
            OUT.print(f"  {row['cpu_seconds']:7.2f} s  {row['outcome']:<22} {row['path']}")
        late, harm = (sum(row[what] for row in rows) for what in ("late", "harms"))
        OUT.print(f"  {late} beyond the limit and a second, {harm} that harm their neighbours")
    runs = told["runs"]
    OUT.print(
        f"{runs['hostile']} hostile among {runs['files']:,}: {runs['loss']:.1%} more CPU, "
        f"{_LOSS:.0%} at most"
    )


if __name__ == "__main__":
    main()
