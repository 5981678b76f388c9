"""The table of budgets, the default behind it, and how it is written."""

import pytest

from gristmill.runtime.model.languages import LANGUAGES, find_language
from gristmill.syntax import budgets
from gristmill.syntax.budgets import (
    BUDGETS,
    TABLE,
    Measured,
    Point,
    Source,
    Table,
    budget_for,
    read_table,
    table_text,
)
from gristmill.syntax.grammars import candidate_of


@pytest.mark.parametrize("least", [0.0, 0.01, 1.0])
def test_a_language_without_a_budget_has_the_least(least: float) -> None:
    assert "no such language" not in BUDGETS
    assert budget_for("no such language", least) == least


def test_the_larger_of_a_language_s_own_budget_and_the_least_counts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(budgets, "BUDGETS", {"Python": 0.25, "C": 0.0})
    assert budget_for("Python", 0.01) == 0.25
    assert budget_for("Python", 0.5) == 0.5
    assert budget_for("C", 0.01) == 0.01
    assert budget_for("Go", 0.01) == 0.01


def test_every_budget_is_a_share_and_names_a_checked_language() -> None:
    names = {language.name for language in LANGUAGES}
    for name, budget in BUDGETS.items():
        assert name in names
        language = find_language(name)
        assert language is not None
        assert candidate_of(language) is not None
        assert 0.0 <= budget <= 1.0


@pytest.mark.parametrize(
    ("row", "is_fit"),
    [
        (Measured(budget=0.0, sound=100, rejected=5), True),
        (Measured(budget=0.1, sound=100, rejected=6), False),
        (Measured(budget=0.0, sound=80, aside=20), True),
        (Measured(budget=0.0, sound=79, aside=21), False),
        (Measured(budget=0.0, sound=1, rejected=0), True),
        (Measured(budget=0.0, sound=1, rejected=1), False),
        (Measured(budget=0.0, sound=19, rejected=1), False),
        (Measured(budget=0.0, sound=20, rejected=1), True),
        (Measured(budget=0.0, sound=4, aside=1), True),
        (Measured(budget=0.0, sound=0, aside=1), False),
    ],
)
def test_a_grammar_that_rejects_too_much_may_not_judge(row: Measured, is_fit: bool) -> None:
    assert row.is_fit is is_fit


def test_the_table_that_is_shipped_is_as_it_would_be_written() -> None:
    assert read_table(table_text(TABLE)) == TABLE


def test_a_table_comes_back_as_it_was_written() -> None:
    row = Measured(
        budget=0.0002, sound=51, rejected=1, broken=3, missed=2, aside=3, damaged=40, unnoticed=2
    )
    point = Point(
        language="C++",
        budget=0.005,
        sound=9,
        rejected=1,
        broken=2,
        missed=1,
        damaged=4,
        unnoticed=3,
    )
    table = Table(
        version=7,
        languages={"C++": row, "F#": Measured(budget=0.0)},
        curve=(point,),
        rules=4,
        most=300,
        sources=(Source(name="a", files=3, bytes=12_345_678, digest="0a"),),
    )
    assert read_table(table_text(table)) == table
