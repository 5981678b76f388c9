"""Whether two directories hold the same: what was kept, in which order, and every decision.

Sources and offsets have other names on the log than in a listing, and commits are cut elsewhere.
So rows are put in the order of their deliveries, and times and places are left out.
"""

import hashlib
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pyarrow as pa

from gristmill.cli.reading import open_tables, scan, stream
from gristmill.runtime.adapters.iceberg import IcebergTables
from gristmill.runtime.adapters.iceberg_schemas import SEQUENCE, TABLES

_PLACE = ("position_source", "position_offset")
_APART = {*_PLACE, "decided_at"}
_MOST_SHOWN = 5

Row = tuple[Any, ...]


def differences(local: str, mill: str, route: Sequence[str]) -> dict[str, Any]:
    """Return what is compared, with how many rows differ; `same` is true when none does."""
    ours, theirs = _Held(local, route), _Held(mill, route)
    ids = ours.files.keys() ^ theirs.files.keys()
    both = ours.files.keys() & theirs.files.keys()
    content = [one for one in both if ours.files[one] != theirs.files[one]]
    result: dict[str, Any] = {
        "kept": len(ours.files),
        "decisions": len(ours.decisions),
        "kept_in_one_only": len(ids),
        "kept_differently": len(content),
        "kept_twice": ours.twice + theirs.twice,
        "out_of_order": _num_different(ours.admitted, theirs.admitted),
        "commits_out_of_order": ours.late + theirs.late,
        "decided_differently": _num_different(ours.decisions, theirs.decisions),
    }
    result["same"] = not any(result[name] for name in list(result)[2:])
    result["examples"] = sorted([*ids, *content])[:_MOST_SHOWN] + _examples(ours, theirs)
    return result


class _Held:
    """What one directory holds, in the order of deliveries."""

    def __init__(self, directory: str, route: Sequence[str]) -> None:
        tables = open_tables(directory)
        self.files, commits = _files(tables)
        self.twice = tables.num_rows("files") - len(self.files)
        ledger = _in_order(tables, route)
        names = [name for name in ledger.column_names if name not in _APART]
        columns = [ledger[name].to_pylist() for name in names]
        self.decisions: list[Row] = list(zip(*columns, strict=True))
        stage, outcome, identity = map(names.index, ("stage", "outcome", "document_id"))
        self.admitted = [
            row[identity]
            for row in self.decisions
            if row[stage] == route[-1] and row[outcome] == "keep"
        ]
        numbers = [commits[one] for one in self.admitted if one in commits]
        self.late = sum(one > other for one, other in pairwise(numbers))


def _files(tables: IcebergTables) -> tuple[dict[str, bytes], dict[str, int]]:
    """Return a digest of each kept document, text included, and the commit that brought it."""
    columns = [SEQUENCE, *(one.name for one in TABLES["files"].columns if one.name != SEQUENCE)]
    identity = columns.index("document_id")
    digests: dict[str, bytes] = {}
    commits: dict[str, int] = {}
    for batch in stream(tables, "files", columns):
        for row in zip(*(column.to_pylist() for column in batch.columns), strict=True):
            digests[row[identity]] = hashlib.sha256(repr(row[1:]).encode()).digest()
            commits[row[identity]] = row[0] >> 32
    return digests, commits


def _in_order(tables: IcebergTables, route: Sequence[str]) -> pa.Table:
    ledger = scan(tables, "ledger", [one.name for one in TABLES["ledger"].columns])
    sources = ledger["position_source"].unique().to_pylist()
    assert len(sources) <= 1, "one source, one crawl partition: only then is there an order"
    ranks = [route.index(stage) for stage in ledger["stage"].to_pylist()]
    ledger = ledger.append_column("rank", pa.array(ranks, pa.int64()))
    keys = [("position_offset", "ascending"), ("rank", "ascending")]
    return ledger.sort_by(keys).drop_columns(["rank"])


def _num_different(ours: Sequence[Any], theirs: Sequence[Any]) -> int:
    places = sum(1 for one, other in zip(ours, theirs, strict=False) if one != other)
    return places + abs(len(ours) - len(theirs))


def _examples(ours: _Held, theirs: _Held) -> list[str]:
    pairs = zip(ours.decisions, theirs.decisions, strict=False)
    found = (f"{one} here, {other} there" for one, other in pairs if one != other)
    return [text for text, _ in zip(found, range(_MOST_SHOWN), strict=False)]
