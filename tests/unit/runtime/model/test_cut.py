"""A cut: whom it accepts, how its sample is taken, and where a threshold comes to lie."""

from dataclasses import replace
from datetime import UTC, datetime

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gristmill.runtime.adapters.cuts import accepted
from gristmill.runtime.model.cut import Bar, Cut, is_sampled, threshold_for

NOW = datetime(2024, 5, 6, tzinfo=UTC)
CUT = Cut(name="c", scorer="s-1", made_at=NOW, bars={None: Bar(threshold=0.5)})
IDS = st.integers(0, 2**128 - 1).map(lambda number: f"{number:032x}")
SCORES = st.none() | st.floats(0, 1).map(lambda score: round(score, 2))
RATES = st.sampled_from([0.0, 0.25, 1.0])


def accepts(
    cut: Cut, score: float | None, language: str | None = "Go", scorer: str = "s-1"
) -> bool:
    return cut.accepts(document_id="0" * 32, language=language, scorer=scorer, score=score)


def test_accepted_is_who_reaches_the_threshold() -> None:
    assert [accepts(CUT, score) for score in (0.49, 0.5, 1.0)] == [False, True, True]


def test_who_has_no_score_by_the_cuts_scorer_is_not_accepted() -> None:
    assert not accepts(CUT, None)
    assert not accepts(CUT, 1.0, scorer="s-2")


def test_a_language_has_its_own_bar_or_that_of_all_others() -> None:
    cut = replace(CUT, bars={None: Bar(threshold=0.5), "Go": Bar(threshold=0.8)})
    assert [accepts(cut, 0.7, name) for name in ("Go", "C", None)] == [False, True, True]
    only = replace(CUT, bars={"Go": Bar(threshold=0.1)})
    assert [accepts(only, 0.7, name) for name in ("Go", "C", None)] == [True, False, False]


def test_a_sample_is_about_its_share_and_grows_with_it() -> None:
    ids = [f"{number * 2654435761 % 2**32:08x}".ljust(32, "0") for number in range(2000)]
    few, many = ({one for one in ids if is_sampled(one, rate)} for rate in (0.25, 0.5))
    assert few < many
    assert 400 < len(few) < 600
    assert all(is_sampled(one, 1.0) and not is_sampled(one, 0.0) for one in ids)


@settings(max_examples=60)
@given(
    st.lists(
        st.tuples(IDS, st.sampled_from(["Go", "C", None]), st.sampled_from(["s-1", None]), SCORES),
        max_size=8,
    ),
    st.dictionaries(st.sampled_from([None, "Go", "Rust"]), st.tuples(SCORES, RATES), max_size=3),
)
def test_columns_are_judged_as_documents_are(
    rows: list[tuple[str, str | None, str | None, float | None]],
    bars: dict[str | None, tuple[float | None, float]],
) -> None:
    cut = replace(
        CUT,
        bars={
            name: Bar(threshold=threshold or 0.0, sampling_rate=rate)
            for name, (threshold, rate) in bars.items()
        },
    )
    names = ("document_id", "language", "scorer", "score")
    types = (pa.large_string(), pa.large_string(), pa.large_string(), pa.float64())
    table = pa.table(
        {
            name: pa.array([row[at] for row in rows], type_)
            for at, (name, type_) in enumerate(zip(names, types, strict=True))
        }
    )
    expected = [cut.accepts(**dict(zip(names, row, strict=True))) for row in rows]  # type: ignore[arg-type]
    assert accepted(table, cut).to_pylist() == expected


@pytest.mark.parametrize(
    ("scores", "drop", "threshold"),
    [
        ([], 0.1, 0.0),
        ([0.3] * 5, 0.5, 0.3),  # equal scores fall together: none does
        ([0.0] * 3 + [0.5] * 7, 0.1, 0.0),  # three of ten are further off than none
        ([0.0] * 3 + [0.5] * 7, 0.2, 0.5),
        ([0.1, 0.2, 0.3, 0.4], 0.5, 0.3),
        ([0.4, 0.1, 0.3, 0.2], 1.0, 0.4),  # the best is never dropped
    ],
)
def test_a_threshold_drops_the_share_nearest_to_what_was_asked(
    scores: list[float], drop: float, threshold: float
) -> None:
    assert threshold_for(scores, drop) == threshold


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30), st.floats(0, 1))
def test_no_other_threshold_comes_nearer(scores: list[float], drop: float) -> None:
    def distance(threshold: float) -> float:
        return abs(sum(score < threshold for score in scores) / len(scores) - drop)

    assert distance(threshold_for(scores, drop)) <= min(map(distance, scores)) + 1e-12
