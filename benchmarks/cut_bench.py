"""What it takes to move the cut over many rows: make one, count by it, and make another.

The rows have scores and no text to speak of: a cut reads no text.
"""

import argparse
import random
import shutil
import sys
import time
from pathlib import Path
from typing import Any

from gristmill.cli.console import OUT, print_json
from gristmill.cli.quality_cut import effect_of, propose, scores_of
from gristmill.runtime.adapters.cuts import add_cut, find_cut
from gristmill.runtime.adapters.iceberg import IcebergTables, local_catalog
from gristmill.runtime.adapters.iceberg_schemas import SEQUENCE, TABLES
from gristmill.runtime.ports import Span

_ROWS_A_COMMIT = 100_000
_LANGUAGES = ("C", "C++", "Go", "Java", "JavaScript", "Python", "Rust", "TypeScript")
_GOAL_SECONDS = 10.0


def fill(tables: IcebergTables, rows: int) -> None:
    """Add rows with scores by chance."""
    chance = random.Random(0)
    names = [column.name for column in TABLES["files"].columns if column.name != SEQUENCE]
    for begin in range(0, rows, _ROWS_A_COMMIT):
        count = min(_ROWS_A_COMMIT, rows - begin)
        columns: dict[str, list[Any]] = {name: [None] * count for name in names}
        for name in ("content", "content_sha256", "encoding", "source", "repository", "path"):
            columns[name] = ["x"] * count
        columns["document_id"] = [f"{chance.getrandbits(128):032x}" for _ in range(count)]
        columns["language"] = [chance.choice(_LANGUAGES) for _ in range(count)]
        columns["score"] = [round(chance.betavariate(4, 2), 4) for _ in range(count)]
        columns["scorer"] = ["static-3"] * count
        taken = columns
        tables.commit("files", {"s": Span(begin, begin + count)}, lambda _, taken=taken: taken)  # type: ignore[misc]


def move_cut(tables: IcebergTables, name: str, drop: float) -> dict[str, Any]:
    """Make a cut, then count by it as another reader would; return counts and seconds."""
    began = time.monotonic()
    cut = propose(scores_of(tables), name=name, scorer=None, drop=drop, by_language=True)
    add_cut(tables, cut)
    effect = effect_of(find_cut(tables, name), scores_of(tables))
    seconds = time.monotonic() - began
    return {"cut": name, "accepted": effect.accepted, "seconds": round(seconds, 2)}


def main() -> None:
    """Make the rows, move the cut twice, print the figures."""
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
    Path(options.out).mkdir(parents=True)
    tables = IcebergTables(local_catalog(options.out))
    tables.create()
    fill(tables, options.rows)
    moved = [move_cut(tables, f"cut-{number}", drop) for number, drop in enumerate((0.1, 0.3))]
    if options.json:
        print_json({"rows": options.rows, "moved": moved})
    for one in () if options.json else moved:
        mark = "[green]reached[/green]" if one["seconds"] < _GOAL_SECONDS else "[red]missed [/red]"
        OUT.print(
            f"  {mark} {one['cut']} over {options.rows:,} rows in {one['seconds']} s, "
            f"below {_GOAL_SECONDS:.0f} s: {one['accepted']:,} accepted"
        )
    if any(one["seconds"] >= _GOAL_SECONDS for one in moved):
        sys.exit(f"a cut took {_GOAL_SECONDS:.0f} s or more")


if __name__ == "__main__":
    main()
