"""What each reader of a cut counts over the same tables, and what DuckDB does, which knows none."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb

from gristmill.runtime.adapters.iceberg import IcebergTables

SAMPLED = "sampled"
"""The repository whose files `why` is asked about, one by one."""

_GRISTMILL = (sys.executable, "-P", "-m", "gristmill.cli.main")
_IN_REPORT = re.compile(r"The newest cut accepts ([\d,]+) of them")


def accepted_by_readers(out: str, cut: str, calibrated: int) -> dict[str, int]:
    """Return how many files the newest cut, `cut`, accepts, by reader of the directory `out`."""
    exported, page = Path(out) / f"exported-{cut}", Path(out) / f"{cut}.html"
    export = _told("export", out, "--accepted", "--cut", cut, "--out", str(exported))
    shown = _told("quality", "show", out, "--cut", cut)
    fallen = _told("drops", out, "--reason", "below_cut", "--cut", cut)
    _told("report", out, "-o", str(page))
    written = _IN_REPORT.search(page.read_text(encoding="utf-8"))
    return {
        "calibrate": calibrated,
        "quality show": shown["accepted"],
        "export": export["written"],
        "drops": export["kept"] - fallen["count"],
        "report": int(written[1].replace(",", "")) if written else -1,
    }


def accepted_by_why(out: str) -> int:
    """Return how many of the sampled files `why` says that the newest cut accepts."""
    told = _told("why", out, "--repository", SAMPLED)["documents"]
    return sum(one["cut"]["accepted"] for one in told)


def accepted_by_sql(tables: IcebergTables, cut: str, repository: str | None = None) -> int:
    """Return how many files a cut accepts as DuckDB counts, out of the data files alone."""
    files, cuts = (_data_files(tables, name) for name in ("files", "cuts"))
    wanted = "" if repository is None else f"AND files.repository = '{repository}'"
    query = f"""
        WITH files AS (SELECT * FROM read_parquet({files})),
             cuts AS (SELECT * FROM read_parquet({cuts}) WHERE cut = '{cut}')
        SELECT count(*) FROM files
        LEFT JOIN cuts own ON own.language = files.language
        LEFT JOIN cuts rest ON rest.language IS NULL
        WHERE files.scorer = rest.scorer {wanted}
          AND files.score >= coalesce(own.threshold, rest.threshold)
        """
    ((counted,),) = duckdb.execute(query).fetchall()
    return int(counted)


def _data_files(tables: IcebergTables, table: str) -> list[str]:
    tasks = tables.load(table).scan().plan_files()
    return [task.file.file_path.removeprefix("file://") for task in tasks]


def _told(*arguments: str) -> Any:  # noqa: ANN401  # what a command prints as JSON
    done = subprocess.run(
        [*_GRISTMILL, *arguments, "--json"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        check=True,
    )
    return json.loads(done.stdout.splitlines()[-1])
