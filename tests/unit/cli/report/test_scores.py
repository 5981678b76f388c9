"""Scores as a histogram, with the newest cut, from tables as another stage would leave them."""

import random
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from gristmill.cli.quality_cut import effect_of, propose, scores_of
from gristmill.cli.report.scores import NUM_BINS, histograms
from gristmill.runtime.adapters.cuts import add_cut
from gristmill.runtime.adapters.iceberg import IcebergTables, local_catalog
from gristmill.runtime.adapters.iceberg_schemas import TABLES
from gristmill.runtime.ports import Span

_TEXTS = ("document_id", "content", "content_sha256", "encoding", "source", "repository", "path")


class Scored:
    """Tables in which files have scores."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir()
        self.catalog = local_catalog(str(directory))
        self.tables = IcebergTables(self.catalog)
        self.tables.create()

    def add(
        self,
        scores: list[float | None],
        scorer: str | None,
        languages: Sequence[str | None] | None = None,
    ) -> None:
        columns: dict[str, list[Any]] = {
            column.name: [None] * len(scores) for column in TABLES["files"].columns
        }
        columns |= {name: ["x"] * len(scores) for name in _TEXTS}
        columns["document_id"] = [f"{number:032x}" for number in range(len(scores))]
        columns["score"] = scores
        columns["language"] = list(languages or [None] * len(scores))
        columns["scorer"] = [None if score is None else scorer for score in scores]
        begin = self.tables.positions("files").get("s", 0)
        self.tables.commit("files", {"s": Span(begin, begin + 1)}, lambda _: columns)

    def cut(self, *rows: dict[str, Any]) -> None:
        names = [column.name for column in TABLES["cuts"].columns]
        self.tables.append(
            "cuts",
            {name: [({"sampling_rate": 1.0} | row).get(name) for row in rows] for name in names},
        )


@pytest.fixture
def scored(tmp_path: Path) -> Scored:
    return Scored(tmp_path / "out")


def test_nothing_without_a_scorer(scored: Scored) -> None:
    assert histograms(scored.tables) == ()
    scored.add([None, None], None)
    assert histograms(scored.tables) == ()


def test_one_histogram_for_each_scorer_the_busiest_first(scored: Scored) -> None:
    scored.add([0.0, 0.012, 0.5, 0.999, 1.0, None], "static.1")
    scored.add([0.25, 0.25], "other.2")
    first, second = histograms(scored.tables)
    assert (first.scorer, first.documents, first.thresholds) == ("static.1", 5, ())
    assert first.mean == pytest.approx(0.5022)
    found = {at: count for at, count in enumerate(first.counts) if count}
    assert found == {0: 2, NUM_BINS // 2: 1, NUM_BINS - 1: 2}  # 1 is in the last one
    assert (second.scorer, second.documents) == ("other.2", 2)


def test_the_lines_of_the_newest_cut_and_what_lies_above(scored: Scored) -> None:
    languages = ["Go", "Python", "Python", "Python", None, "Go"]
    scored.add([0.1, 0.5, 0.7, 0.9, 0.8, 0.3], "static.1", languages)
    old = datetime(2026, 1, 1, tzinfo=UTC)
    new = datetime(2026, 2, 1, tzinfo=UTC)
    scored.cut({"cut": "old", "scorer": "static.1", "threshold": 0.3, "made_at": old})
    scored.cut(
        {"cut": "new", "scorer": "static.1", "language": "Python", "threshold": 0.7,
         "sampling_rate": 0.5, "made_at": new},
        {"cut": "new", "scorer": "static.1", "threshold": 0.2, "made_at": new},
    )  # fmt: skip
    (found,) = histograms(scored.tables)
    told = [
        (one.cut, one.about, one.threshold, one.documents, one.reaching) for one in found.thresholds
    ]
    assert told == [("new", "all others", 0.2, 3, 2), ("new", "Python", 0.7, 3, 2)]
    assert [one.sampling_rate for one in found.thresholds] == [1.0, 0.5]
    assert found.accepted == 4


def test_the_lines_count_what_quality_calibrate_tells(scored: Scored) -> None:
    chance = random.Random(0)
    languages = ["Python"] * 130 + ["Go"] * 110 + ["Zig"] * 30 + [None] * 20
    chance.shuffle(languages)
    scored.add([round(chance.random(), 2) for _ in languages], "static.1", languages)
    rows = scores_of(scored.tables)
    cut = propose(rows, name="c", scorer=None, drop=0.3, by_language=True)
    add_cut(scored.tables, cut)
    told = effect_of(cut, rows).as_json()
    (found,) = histograms(scored.tables)
    lines = {one.about: (one.documents, one.reaching) for one in found.thresholds}
    by_language = {
        name: (one["documents"], one["accepted"]) for name, one in told["languages"].items()
    }
    assert lines["Python"] == by_language.pop("Python")
    assert lines["Go"] == by_language.pop("Go")
    assert lines["all others"] == tuple(map(sum, zip(*by_language.values(), strict=True)))
    assert sum(reaching for _, reaching in lines.values()) == told["accepted"] == found.accepted


def test_languages_with_few_documents_have_a_threshold_out_of_their_own_scores(
    scored: Scored,
) -> None:
    scored.add([0.8] * 100, "static.1", ["Go"] * 100)
    scored.add([0.1, 0.2, 0.3, 0.4], "static.1", ["Zig", "Zig", "Ada", None])
    rows = scores_of(scored.tables)
    cut = propose(rows, name="c", scorer=None, drop=0.5, by_language=True)
    assert {name: one.threshold for name, one in cut.bars.items()} == {"Go": 0.8, None: 0.3}
    cut = propose(rows.slice(0, 100), name="c", scorer=None, drop=0.5, by_language=True)
    assert cut.bars[None].threshold == 0.8  # for languages that are still to come


def test_a_line_for_a_language_without_files_and_one_for_all(scored: Scored) -> None:
    scored.add([0.1, 0.5], "static.1", ["Go", None])
    made = datetime(2026, 1, 1, tzinfo=UTC)
    line = {"scorer": "static.1", "threshold": 0.5, "made_at": made}
    scored.cut({"cut": "a", **line}, {"cut": "a", "language": "Zig", **line})
    (found,) = histograms(scored.tables)
    assert {one.about: (one.documents, one.reaching) for one in found.thresholds} == {
        "all others": (2, 1),
        "Zig": (0, 0),
    }
    scored.cut({"cut": "b", **line, "made_at": datetime(2026, 2, 1, tzinfo=UTC)})
    (found,) = histograms(scored.tables)
    assert [(one.about, one.documents) for one in found.thresholds] == [("all", 2)]


def test_a_cut_of_another_scorer_takes_nothing_here(scored: Scored) -> None:
    scored.add([0.1, 0.5], "static.1")
    scored.add([0.9], "other.2")
    assert [one.accepted for one in histograms(scored.tables)] == [None, None]
    made = datetime(2026, 2, 1, tzinfo=UTC)
    scored.cut({"cut": "new", "scorer": "other.2", "threshold": 0.4, "made_at": made})
    first, second = histograms(scored.tables)
    assert (first.thresholds, first.accepted) == ((), 0)
    assert ([one.threshold for one in second.thresholds], second.accepted) == ([0.4], 1)


def test_a_table_of_cuts_that_is_empty(scored: Scored) -> None:
    scored.add([0.1], "static.1")
    scored.cut()
    (found,) = histograms(scored.tables)
    assert found.thresholds == ()
