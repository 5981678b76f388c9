"""What it takes to move the cut over many rows, and whether all its readers count the same.

The rows have scores and no text to speak of: a cut reads no text. Each cut is made, counted by and
followed by another. Then every reader counts what the newest accepts, and so does DuckDB, which
knows nothing of ours: the exit code is 1 where they differ, or where a cut took too long.
"""

import argparse
import random
import shutil
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cut_agreement import SAMPLED, accepted_by_readers, accepted_by_sql, accepted_by_why

from gristmill.cli.console import OUT, print_json
from gristmill.cli.quality_cut import effect_of, propose, scores_of
from gristmill.runtime.adapters.cuts import add_cut, find_cut
from gristmill.runtime.adapters.iceberg import IcebergTables, local_catalog
from gristmill.runtime.adapters.iceberg_schemas import SEQUENCE, TABLES
from gristmill.runtime.adapters.run_directory import RunDirectory
from gristmill.runtime.ports import Span

_ROWS_A_COMMIT = 100_000
_SAMPLED_ROWS = 500
_LANGUAGES = ("C", "C++", "Go", "Java", "JavaScript", "Python", "Rust", "TypeScript")
_GOAL_SECONDS = 10.0


def fill(tables: IcebergTables, rows: int) -> None:
    """Add files with scores by chance, and the decisions that gave them."""
    chance = random.Random(0)
    for begin in range(0, rows, _ROWS_A_COMMIT):
        numbers = range(begin, min(begin + _ROWS_A_COMMIT, rows))
        shared: dict[str, list[Any]] = {
            "document_id": [f"{chance.getrandbits(128):032x}" for _ in numbers],
            "language": [chance.choice(_LANGUAGES) for _ in numbers],
            "score": [round(chance.betavariate(4, 2), 4) for _ in numbers],
            "path": [f"{number}" for number in numbers],
            "repository": [SAMPLED if one < _SAMPLED_ROWS else "others" for one in numbers],
            **dict.fromkeys(("content_sha256", "source"), ["x"] * len(numbers)),
        }
        files: dict[str, list[Any]] = {
            **dict.fromkeys(("content", "encoding"), ["x"] * len(numbers)),
            "scorer": ["static-3"] * len(numbers),
        }
        decisions: dict[str, list[Any]] = {
            "kind": ["file"] * len(numbers),
            "stage": ["quality"] * len(numbers),
            "outcome": ["keep"] * len(numbers),
            "version": ["quality-static-3"] * len(numbers),
            "decided_at": [datetime(2026, 1, 1, tzinfo=UTC)] * len(numbers),
            "size_bytes": [1] * len(numbers),
            "position_source": ["s"] * len(numbers),
            "position_offset": list(numbers),
        }
        for table, own in (("files", files), ("ledger", decisions)):
            columns = _columns(table, len(numbers), {**shared, **own})
            span = {"s": Span(numbers.start, numbers.stop)}
            tables.commit(table, span, lambda _, columns=columns: columns)  # type: ignore[misc]


def _columns(table: str, count: int, known: dict[str, list[Any]]) -> dict[str, list[Any]]:
    names = [column.name for column in TABLES[table].columns if column.name != SEQUENCE]
    return {name: known.get(name, [None] * count) for name in names}


def move_cut(tables: IcebergTables, name: str, drop: float) -> dict[str, Any]:
    """Make a cut, then count by it as another reader would; return counts and seconds."""
    began = time.monotonic()
    cut = propose(scores_of(tables), name=name, scorer=None, drop=drop, by_language=True)
    add_cut(tables, cut)
    effect = effect_of(find_cut(tables, name), scores_of(tables))
    seconds = time.monotonic() - began
    return {"cut": name, "accepted": effect.accepted, "seconds": round(seconds, 2)}


def agreement(tables: IcebergTables, out: str, moved: dict[str, Any]) -> dict[str, int]:
    """Return what each reader counts of the newest cut, and what DuckDB does."""
    counts = accepted_by_readers(out, moved["cut"], moved["accepted"])
    return {**counts, "DuckDB": accepted_by_sql(tables, moved["cut"])}


def main() -> None:
    """Make the rows, move the cut twice, count, print the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="example: python benchmarks/cut_bench.py --rows 1000000",
    )
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--out", default="build/bench/cut", help="a directory to make anew")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    shutil.rmtree(options.out, ignore_errors=True)
    Path(options.out).parent.mkdir(parents=True, exist_ok=True)
    tables = _tables(options.out)
    fill(tables, options.rows)
    moved = [move_cut(tables, f"cut-{number}", drop) for number, drop in enumerate((0.1, 0.3))]
    counts = agreement(tables, options.out, moved[-1])
    of_sampled = {
        "why": accepted_by_why(options.out),
        "DuckDB": accepted_by_sql(tables, moved[-1]["cut"], SAMPLED),
    }
    agree = all(len(set(one.values())) == 1 for one in (counts, of_sampled))
    if options.json:
        told = {"rows": options.rows, "moved": moved, "accepted": counts}
        print_json({**told, "accepted_of_sampled": of_sampled, "agree": agree})
    else:
        _print(options.rows, moved, counts, of_sampled)
    if not agree:
        sys.exit("the readers of the cut count differently")
    if any(one["seconds"] >= _GOAL_SECONDS for one in moved):
        sys.exit(f"a cut took {_GOAL_SECONDS:.0f} s or more")


def _tables(out: str) -> IcebergTables:
    tables = IcebergTables(local_catalog(RunDirectory.create(out).path))
    tables.create()
    return tables


def _print(
    rows: int, moved: list[dict[str, Any]], counts: dict[str, int], of_sampled: dict[str, int]
) -> None:
    for one in moved:
        mark = "[green]reached[/green]" if one["seconds"] < _GOAL_SECONDS else "[red]missed [/red]"
        OUT.print(
            f"  {mark} {one['cut']} over {rows:,} rows in {one['seconds']} s, "
            f"below {_GOAL_SECONDS:.0f} s: {one['accepted']:,} accepted"
        )
    for what, told in (("accepted", counts), (f"of {SAMPLED}", of_sampled)):
        for reader, count in told.items():
            OUT.print(f"  {what:<12} {reader:<14} {count:>12,}")


if __name__ == "__main__":
    main()
