"""How fast the local run is: each stage alone in one process, then whole runs with 1 and 2 workers.

Stages are measured in CPU seconds, so that other work on the machine matters little. The bare
tree-sitter parse of what the gate has to parse is measured beside them: it is the floor, and the
whole route may cost MOST_BARE_PARSES of it. docs/performance.md says where the time goes.
"""

import argparse
import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any, Protocol, TypeVar

from process_tree import run_measured

from gristmill.cli import local
from gristmill.cli.console import OUT, bar, human_bytes
from gristmill.runtime.adapters.clock import SystemClock
from gristmill.runtime.adapters.files import reader
from gristmill.runtime.adapters.iceberg import IcebergTables, local_catalog
from gristmill.runtime.adapters.listing import Selection
from gristmill.runtime.adapters.lmdb_index import LmdbIndex, Table
from gristmill.runtime.model import Decision, Document, FileText, Keep, RawFile
from gristmill.runtime.model.decision import decision_on
from gristmill.runtime.ports import Arrived, Batch, Decided, Entry, ReadEntry, Span
from gristmill.shards.writer import TableWriter
from gristmill.syntax.grammars import grammar_of
from gristmill.syntax.inference import infer_language
from gristmill.syntax.parse import parser_for

_BATCH = 1000
_COMMIT_BYTES = 48 << 20
BARE = "(bare parse)"
MOST_BARE_PARSES = 2.4
"""What the whole route may cost, start to exit, in bare parses of what the gate has to parse.

Why not 2.0: docs/adr/0023-what-a-whole-run-may-cost.md.
"""
LEAST_MB_PER_CPU_SECOND = 5.0
MOST_BYTES = 2 << 30

T = TypeVar("T")


class Sized(Protocol):
    """Whatever has a size."""

    @property
    def size_bytes(self) -> int:
        """Bytes."""
        ...


class Meter:
    """CPU seconds, documents and bytes by stage."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.documents: dict[str, int] = {}
        self.sizes: dict[str, int] = {}

    def run(self, stage: str, work: Callable[[], T]) -> T:
        """Do the work and count its CPU seconds for the stage."""
        began = time.process_time()
        result = work()
        self.seconds[stage] = self.seconds.get(stage, 0.0) + time.process_time() - began
        return result

    def count(self, stage: str, records: Sequence[Sized]) -> None:
        """Count records for the stage."""
        self.documents[stage] = self.documents.get(stage, 0) + len(records)
        self.sizes[stage] = self.sizes.get(stage, 0) + sum(r.size_bytes for r in records)

    def figures(self) -> dict[str, dict[str, float]]:
        """Return totals and rates by stage."""
        return {
            name: {
                "documents": self.documents[name],
                "bytes": self.sizes[name],
                "cpu_seconds": round(seconds, 3),
                "documents_per_cpu_second": round(self.documents[name] / max(seconds, 1e-9), 1),
                "mb_per_cpu_second": round(self.sizes[name] / 1e6 / max(seconds, 1e-9), 2),
            }
            for name, seconds in self.seconds.items()
        }


def bench_stages(source: str, out: str) -> dict[str, dict[str, float]]:
    """Take a source through every stage, one batch after the other, in this process."""
    request = local.RunRequest(sources=(source,), out=out, selection=Selection())
    plan = local.plan_run(request)
    meter = Meter()
    tables = IcebergTables(local_catalog(out))
    tables.create()
    writer = TableWriter(tables)
    uuid = str(tables.load("files").metadata.table_uuid)
    index = LmdbIndex(os.path.join(out, "index"), Table(uuid=uuid, positions={}, num_documents=0))
    section = plan.settings.sections
    stages = {name: plan.plugins[name].build for name in ("ingestion", "syntax")}
    built = {name: build(section[name]) for name, build in stages.items() if build}
    dedup = plan.plugins["dedup"].build_stateful
    assert dedup is not None, "it is the stateful stage"
    built["dedup"] = dedup(section["dedup"], index)
    scorer = plan.plugins["quality"].build
    assert scorer is not None, "it keeps nothing"
    built["quality"] = scorer(section["quality"])
    read = reader(section["ingestion"].max_file_bytes)
    entries = plan.sources[0].entries(0)
    at = 0
    pending: list[Document] = []
    decisions: list[Decision] = []
    while batch := meter.run("source", partial(_take, entries)):
        meter.count("source", batch)
        records: list[Any] = meter.run("read", partial(_read, read, batch))
        meter.count("read", records)
        for name, stage in built.items():
            outcomes = meter.run(name, partial(stage.process, records))
            meter.count(name, records)
            decisions += [
                decision_on(record, outcome, stage=name, version=stage.version)
                for record, outcome in zip(records, outcomes, strict=True)
            ]
            records = [o.document for o in outcomes if isinstance(o, Keep)]
            if name == "ingestion":
                _bare_parse(meter, records)
        pending += records
        end = batch[-1].position.offset + 1
        if sum(document.size_bytes for document in pending) > _COMMIT_BYTES:
            _write(meter, writer, _Part(plan, at, end, pending, decisions))
            at, pending, decisions = end, [], []
    _write(meter, writer, _Part(plan, at, plan.sources[0].end(), pending, decisions))
    index.close()
    return meter.figures()


def _take(entries: Iterator[Entry]) -> list[Entry]:
    return list(islice(entries, _BATCH))


def _read(read: ReadEntry, batch: Sequence[Entry]) -> list[RawFile]:
    return [read(entry) for entry in batch]


def _bare_parse(meter: Meter, documents: Sequence[Document]) -> None:
    """Parse what the syntax gate will parse, and do nothing else."""
    ready = []
    for document in documents:
        assert isinstance(document.body, FileText), "files alone are listed"
        text = document.body.content
        language = infer_language(document.origin.path, text).language
        grammar = None if language is None else grammar_of(language)
        if grammar is not None:
            ready.append((parser_for(grammar), text.encode(), document))
    meter.run(BARE, lambda: [p.parse(t).root_node.has_error for p, t, _ in ready])
    meter.count(BARE, [document for _, _, document in ready])


@dataclass(frozen=True)
class _Part:
    """What one commit writes."""

    plan: local.Plan
    begin: int
    end: int
    documents: Sequence[Document]
    decisions: Sequence[Decision]


def _write(meter: Meter, writer: TableWriter, part: _Part) -> None:
    spans = {part.plan.sources[0].listing.source: Span(part.begin, part.end)}
    now = SystemClock().now()
    batch = Batch(
        spans=spans,
        documents=[Arrived(one.position, one) for one in part.documents],
        decisions=[Decided(one.position, one, now) for one in part.decisions],
    )
    meter.run("shards", lambda: writer.write(batch, now))
    meter.count("shards", part.documents)


def bench_runs(source: str, out: str, workers: Sequence[int]) -> dict[str, dict[str, float]]:
    """Run the command line from end to end, with each number of workers."""
    results = {}
    for count in workers:
        directory = f"{out}/workers-{count}"
        command = [
            sys.executable, "-m", "gristmill.cli.main", "run", source, "--out", directory,
            "--workers", str(count), "--json",
        ]  # fmt: skip
        usage = run_measured(command)
        if usage.exit_code:
            sys.exit(f"the run with {count} workers failed with exit code {usage.exit_code}")
        told = json.loads(usage.output.splitlines()[-1])
        cores = min(count, len(os.sched_getaffinity(0)))
        results[str(count)] = {
            "documents": told["documents"],
            "bytes": told["bytes"],
            "kept": told["kept"],
            "cpu_seconds": round(usage.cpu_seconds, 2),
            "wall_seconds": round(usage.wall_seconds, 2),
            "documents_per_cpu_second": round(told["documents"] / usage.cpu_seconds, 1),
            "mb_per_cpu_second": round(told["bytes"] / 1e6 / usage.cpu_seconds, 2),
            "cores_busy": round(usage.cpu_seconds / usage.wall_seconds / cores, 3),
            "peak_bytes": usage.peak_bytes,
        }
    return results


def print_results(results: dict[str, Any]) -> None:
    """Print both tables."""
    OUT.print("\n[bold]each stage alone, one process[/bold]")
    most = max(row["cpu_seconds"] for row in results["stages"].values())
    for name, row in results["stages"].items():
        OUT.print(
            f"  {name:<13} [cyan]{bar(row['cpu_seconds'] / most, 30):<30}[/cyan]"
            f"{row['cpu_seconds']:8.1f} CPU s {row['documents_per_cpu_second']:>10,.0f} documents/s"
            f" {row['mb_per_cpu_second']:>8,.1f} MB/s"
        )
    OUT.print("\n[bold]end to end[/bold]")
    for count, row in results["runs"].items():
        OUT.print(
            f"  {count} workers: {row['cpu_seconds']:.1f} CPU s, {row['wall_seconds']:.1f} s wall, "
            f"{row['documents_per_cpu_second']:,.0f} documents/s and "
            f"{row['mb_per_cpu_second']:.2f} MB/s per CPU second, cores {row['cores_busy']:.0%} "
            f"busy, peak {human_bytes(row['peak_bytes'])}"
        )


def main() -> None:
    """Measure a source and print the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog="example: python benchmarks/bench.py build/corpus --json"
    )
    parser.add_argument("source")
    parser.add_argument("--out", default="build/bench", help="scratch directory")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    for part in ("stages", "workers-1", "workers-2"):  # bench-dedup keeps things beside them
        shutil.rmtree(f"{options.out}/{part}", ignore_errors=True)
    os.makedirs(f"{options.out}/stages")
    results: dict[str, Any] = {
        "stages": bench_stages(options.source, f"{options.out}/stages"),
        "runs": bench_runs(options.source, options.out, (1, 2)),
    }
    one, two = results["runs"]["1"], results["runs"]["2"]
    results["cpu_two_workers_to_one"] = round(two["cpu_seconds"] / one["cpu_seconds"], 3)
    bare = results["stages"][BARE]["cpu_seconds"]
    results["cpu_to_bare_parse"] = round(one["cpu_seconds"] / bare, 3)
    misses = _misses(results)
    if options.json:
        sys.stdout.write(json.dumps(results) + "\n")
    else:
        print_results(results)
        OUT.print(
            f"\n  CPU of two workers to one: {results['cpu_two_workers_to_one']:.2f}; of the whole "
            f"route with one to the bare parse: {results['cpu_to_bare_parse']:.2f}"
        )
    if misses:
        sys.exit("missed: " + "; ".join(misses))


def _misses(results: dict[str, Any]) -> list[str]:
    """Return a line for every bar that was missed."""
    runs = results["runs"].values()
    slowest = min(row["mb_per_cpu_second"] for row in runs)
    most = max(row["peak_bytes"] for row in runs)
    misses = []
    if results["cpu_to_bare_parse"] > MOST_BARE_PARSES:
        misses.append(
            f"{results['cpu_to_bare_parse']:.2f} bare parses, {MOST_BARE_PARSES:g} at most"
        )
    if slowest < LEAST_MB_PER_CPU_SECOND:
        misses.append(f"{slowest:.2f} MB/s per CPU second, {LEAST_MB_PER_CPU_SECOND:g} at least")
    if most > MOST_BYTES:
        misses.append(f"peak {human_bytes(most)}, {human_bytes(MOST_BYTES)} at most")
    return misses


if __name__ == "__main__":
    main()
