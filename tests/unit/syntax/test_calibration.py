"""Budgets from shares of errors: the least step that rejects few enough."""

from hypothesis import given
from hypothesis import strategies as st

from gristmill.syntax.budgets import Measured, Table
from gristmill.syntax.calibration import STEPS, Shares, budget_of, calibrate, damaged

EMPTY = Table(version=3, languages={})


def test_a_grammar_that_fits_has_no_budget() -> None:
    assert budget_of([0.0] * 100) == 0.0
    assert budget_of([0.0] * 98 + [0.05] * 2) == 0.0


def test_what_no_step_can_save_asks_for_none() -> None:
    assert budget_of([0.0] * 80 + [0.2] * 20) == 0.0
    assert budget_of([0.0] * 70 + [0.2] * 20 + [0.0004] * 10) == 0.0005


def test_the_least_step_that_rejects_few_enough_is_the_budget() -> None:
    assert budget_of([0.0] * 90 + [0.0004] * 8 + [0.3] * 2) == 0.0005
    assert budget_of([0.0] * 90 + [0.0005] * 8 + [0.3] * 2) == 0.0005
    assert budget_of([0.0] * 90 + [0.00051] * 8 + [0.3] * 2) == 0.001


def test_few_files_give_a_small_budget_only() -> None:
    assert budget_of([0.004] * 3) == 0.005
    assert budget_of([0.4] * 3) == 0.0
    assert budget_of([]) == 0.0


@given(st.lists(st.floats(0, 1), max_size=60))
def test_a_budget_is_a_step_and_the_one_below_rejects_too_many(sound: list[float]) -> None:
    budget = budget_of(sound)
    assert budget in STEPS
    if budget:
        below = STEPS[STEPS.index(budget) - 1]
        assert sum(below < share <= STEPS[-1] for share in sound) > 0.02 * len(sound)


def test_a_row_counts_what_the_budget_does() -> None:
    shares = Shares(
        labelled=[0.0] * 30 + [0.9], trusted=[0.0] * 20 + [0.9] * 3, broken=[0.2, 0.0, 0.0]
    )
    table = calibrate({"Go": shares}, EMPTY)
    assert table.languages == {
        "Go": Measured(budget=0.0, sound=51, rejected=1, broken=3, missed=2, aside=3)
    }


def test_a_row_counts_the_damage_that_the_budget_lets_pass() -> None:
    shares = Shares(trusted=[0.004] * 30, damaged=[0.0, 0.005, 0.006])
    row = calibrate({"Go": shares}, EMPTY).languages["Go"]
    assert (row.budget, row.damaged, row.unnoticed) == (0.005, 3, 2)


def test_files_that_are_all_set_aside_leave_a_row() -> None:
    row = calibrate({"Go": Shares(trusted=[0.9])}, EMPTY).languages["Go"]
    assert (row.sound, row.aside, row.is_fit) == (0, 1, False)


def test_c_may_lose_more_than_others() -> None:
    shares = Shares(trusted=[0.0] * 97 + [0.0001] * 3)
    rows = calibrate({"C": shares, "Go": shares}, EMPTY).languages
    assert (rows["C"].budget, rows["Go"].budget) == (0.0, 0.0002)


def test_the_version_grows_with_a_change_of_budgets_and_not_of_figures() -> None:
    shares = {"Go": Shares(trusted=[0.0] * 30)}
    first = calibrate(shares, EMPTY)
    assert first.version == 4
    shares["Go"].broken.append(0.1)
    assert calibrate(shares, first).version == 4
    shares["Go"].trusted = [0.003] * 30
    assert calibrate(shares, first).version == 5


def test_the_version_grows_when_a_grammar_may_judge_no_longer() -> None:
    first = calibrate({"Go": Shares(trusted=[0.0] * 30)}, EMPTY)
    unfit = calibrate({"Go": Shares(trusted=[0.0] * 30 + [0.3] * 3)}, first)
    assert unfit.languages["Go"].budget == first.languages["Go"].budget
    assert (unfit.languages["Go"].is_fit, unfit.version) == (False, first.version + 1)


def test_a_language_without_sound_files_has_no_row() -> None:
    assert calibrate({"Go": Shares(broken=[0.1])}, EMPTY).languages == {}


def test_the_curve_tells_what_each_step_does() -> None:
    shares = Shares(trusted=[0.0, 0.004], broken=[0.0005, 0.2], damaged=[0.0001, 0.3])
    points = calibrate({"C": shares, "Go": shares}, EMPTY).curve
    assert [point.budget for point in points] == list(STEPS)
    assert {point.language for point in points} == {"C"}
    first, later = points[0], points[STEPS.index(0.005)]
    assert (first.rejected, first.missed, first.unnoticed) == (1, 0, 0)
    assert (later.rejected, later.missed, later.unnoticed) == (0, 1, 1)


def test_damage_takes_one_sign_outside_of_comments_strings_and_directives() -> None:
    text = '#define A (\nint f(void) { return g("é(;"); } /* ; */\n'
    broken = damaged("c", text)
    assert broken is not None
    assert len(broken) == len(text) - 1
    assert broken.startswith("#define A (\n")
    assert '"é(;"' in broken
    assert broken.endswith("/* ; */\n")
    assert damaged("c", text) == broken
    assert damaged("c", "int") is None


def test_where_a_sign_stands_is_told_by_the_tree() -> None:
    text = 'package a\n\n// é (\nvar b = "(;" + c()\n'
    for n in range(8):
        tail = f"// {n}\n"
        assert damaged("go", text + tail) in {
            text.replace("c()", left) + tail for left in ("c(", "c)")
        }
    assert damaged("go", "package a\n") is None


def test_markup_has_other_signs() -> None:
    broken = damaged("html", "<p>(a)</p>\n")
    assert broken in {"p>(a)</p>\n", "<p(a)</p>\n", "<p>(a)p>\n", "<p>(a)</p\n"}
    assert damaged("gitattributes", "* text=auto\n") is None
