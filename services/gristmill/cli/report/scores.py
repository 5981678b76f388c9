"""Quality: how the scores of the kept files spread, and where the newest cut lies.

Scores and cuts are other stages' business: here they are read, and nothing is decided. A directory
may have neither.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from gristmill.cli.reading import scan
from gristmill.runtime.adapters.cuts import COLUMNS, accepted, cuts_of
from gristmill.runtime.adapters.iceberg import IcebergTables
from gristmill.runtime.model.cut import Cut

NUM_BINS = 40
_MOST_SCORERS = 4
_MOST_LINES = 60


@dataclass(frozen=True, slots=True)
class Threshold:
    """One line of a cut: whom it is for, where it lies, and how many it leaves.

    `documents` are those that it is for, of its scorer, and `reaching` those at or above it.
    """

    cut: str
    about: str
    threshold: float
    sampling_rate: float
    documents: int
    reaching: int


@dataclass(frozen=True, slots=True)
class Histogram:
    """The scores of one scorer in bins of equal width from 0 to 1."""

    scorer: str
    documents: int
    mean: float
    counts: tuple[int, ...]
    thresholds: tuple[Threshold, ...]
    accepted: int | None
    """Documents that the newest cut accepts: none if it is another scorer's; None: no cut."""


def histograms(tables: IcebergTables) -> tuple[Histogram, ...]:
    """Return one histogram for each scorer, the busiest first; none where no scorer ran."""
    files = scan(tables, "files", COLUMNS)
    files = files.filter(pc.is_valid(files["score"]))
    if not files.num_rows:
        return ()
    newest = next(iter(cuts_of(tables)[-1:]), None)
    by_scorer = files.group_by("scorer").aggregate([([], "count_all")]).to_pylist()
    names = sorted(by_scorer, key=lambda row: (-row["count_all"], row["scorer"] or ""))
    return tuple(_histogram(files, row["scorer"], newest) for row in names[:_MOST_SCORERS])


def _histogram(files: pa.Table, scorer: str | None, newest: Cut | None) -> Histogram:
    condition = pc.is_null(files["scorer"]) if scorer is None else pc.equal(files["scorer"], scorer)
    files = files.filter(condition)
    scores = files["score"].cast(pa.float64())
    clipped = pc.min_element_wise(pc.max_element_wise(scores, 0.0), 1.0)
    # The last bin holds 1 itself.
    bins = pc.min_element_wise(pc.floor(pc.multiply(clipped, float(NUM_BINS))), NUM_BINS - 1.0)
    counts = [0] * NUM_BINS
    for row in pc.value_counts(bins).to_pylist():
        counts[int(row["values"])] = row["counts"]
    cut = newest if newest is not None and newest.scorer == scorer else None
    return Histogram(
        scorer=scorer or "unnamed",
        documents=len(scores),
        mean=float(pc.mean(scores).as_py()),
        counts=tuple(counts),
        thresholds=tuple(_thresholds(cut, files["language"], scores)) if cut else (),
        accepted=int(pc.sum(accepted(files, newest)).as_py() or 0) if newest else None,
    )


def _thresholds(
    cut: Cut, languages: pa.ChunkedArray, scores: pa.ChunkedArray
) -> Iterator[Threshold]:
    """Yield the lines of a cut, the lowest first; languages and scores are its scorer's."""
    lines = sorted(cut.bars.items(), key=lambda line: (line[1].threshold, line[0] or ""))
    named = pa.array([language for language in cut.bars if language], languages.type)
    for language, one in lines[:_MOST_LINES]:
        if language is None:
            own = scores.filter(pc.invert(pc.is_in(languages, named)))
        else:
            own = scores.filter(pc.equal(languages, language))
        yield Threshold(
            cut=cut.name,
            about=language or ("all others" if len(named) else "all"),
            threshold=one.threshold,
            sampling_rate=one.sampling_rate,
            documents=len(own),
            reaching=pc.sum(pc.greater_equal(own, one.threshold)).as_py() or 0,
        )
