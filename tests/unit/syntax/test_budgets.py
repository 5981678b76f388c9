"""The table of budgets, and the default behind it."""

import pytest

from gristmill.runtime.model.languages import LANGUAGES
from gristmill.syntax import budgets
from gristmill.syntax.budgets import BUDGETS, budget_for


@pytest.mark.parametrize("default", [0.0, 0.01, 1.0])
def test_a_language_without_a_budget_has_the_default(default: float) -> None:
    assert "no such language" not in BUDGETS
    assert budget_for("no such language", default) == default


def test_a_language_s_own_budget_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budgets, "BUDGETS", {"Python": 0.25, "C": 0.0})
    assert budget_for("Python", 0.01) == 0.25
    assert budget_for("C", 0.01) == 0.0
    assert budget_for("Go", 0.01) == 0.01


def test_every_budget_is_a_share_and_names_a_known_language() -> None:
    names = {language.name for language in LANGUAGES}
    for name, budget in BUDGETS.items():
        assert name in names
        assert 0.0 <= budget <= 1.0
