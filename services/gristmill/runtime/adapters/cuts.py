"""The table of cuts, and what a cut accepts of the rows of a documents table."""

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from gristmill.runtime.adapters.iceberg import IcebergTables
from gristmill.runtime.model import BadInput
from gristmill.runtime.model.cut import Bar, Cut, is_sampled

COLUMNS = ("document_id", "language", "scorer", "score")
"""What a table must have for `accepted`."""


def cuts_of(tables: IcebergTables) -> list[Cut]:
    """Return all cuts, the oldest first."""
    made: dict[str, list[Mapping[str, Any]]] = {}
    for row in tables.read("cuts").sort_by("made_at").to_pylist():
        made.setdefault(row["cut"], []).append(row)
    return [_cut(name, rows) for name, rows in made.items()]


def _cut(name: str, rows: Sequence[Mapping[str, Any]]) -> Cut:
    return Cut(
        name=name,
        scorer=rows[0]["scorer"],
        made_at=rows[0]["made_at"],
        bars={  # a category is one of pages: files have none
            row["language"]: Bar(threshold=row["threshold"], sampling_rate=row["sampling_rate"])
            for row in rows
            if row["category"] is None
        },
    )


def find_cut(tables: IcebergTables, name: str | None) -> Cut:
    """Return the cut of a name, or the newest. Raises BadInput where there is none."""
    cuts = cuts_of(tables)
    if not cuts:
        raise BadInput("there is no cut yet: `gristmill quality calibrate DIR` makes one")
    if name is None:
        return cuts[-1]
    found = next((cut for cut in cuts if cut.name == name), None)
    if found is None:
        known = ", ".join(cut.name if cut.name.isprintable() else repr(cut.name) for cut in cuts)
        raise BadInput(f"there is no cut {name!r}; there are {known}")
    return found


def add_cut(tables: IcebergTables, cut: Cut) -> None:
    """Write a cut. Raises BadInput when there is one of its name."""
    if any(one.name == cut.name for one in cuts_of(tables)):
        raise BadInput(f"there is a cut {cut.name!r} already: give it another name")
    bars = sorted(cut.bars.items(), key=lambda item: item[0] or "")
    tables.append(
        "cuts",
        {
            "cut": [cut.name] * len(bars),
            "scorer": [cut.scorer] * len(bars),
            "language": [language for language, _ in bars],
            "category": [None] * len(bars),
            "threshold": [bar.threshold for _, bar in bars],
            "sampling_rate": [bar.sampling_rate for _, bar in bars],
            "made_at": [cut.made_at] * len(bars),
        },
    )


def accepted(rows: pa.Table | pa.RecordBatch, cut: Cut) -> pa.Array:
    """Return for each row, which has COLUMNS, whether the cut accepts it; never null."""
    named = [language for language in cut.bars if language is not None]
    place = pc.index_in(rows["language"], pa.array(named, pa.large_string()))
    rest = cut.bars.get(None)
    thresholds = pa.array([cut.bars[name].threshold for name in named], pa.float64())
    threshold = pc.coalesce(
        thresholds.take(place), pa.scalar(rest.threshold if rest else None, pa.float64())
    )
    reaches = pc.and_(
        pc.equal(rows["scorer"], cut.scorer), pc.greater_equal(rows["score"], threshold)
    )
    taken = pc.fill_null(reaches, fill_value=False)
    if any(bar.sampling_rate < 1 for bar in cut.bars.values()):
        columns = (rows["document_id"].to_pylist(), rows["language"].to_pylist())
        bars = (cut.bar_of(language) for language in columns[1])
        sampled = [
            bar is not None and is_sampled(one, bar.sampling_rate)
            for one, bar in zip(columns[0], bars, strict=True)
        ]
        taken = pc.and_(taken, pa.array(sampled, pa.bool_()))
    return taken.combine_chunks() if isinstance(taken, pa.ChunkedArray) else taken
