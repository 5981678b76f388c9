"""A diff side by side: numbers, what belongs beside what, and what is marked in a line."""

from gristmill.cli.difference import unified
from gristmill.cli.report.sidebyside import Row, side_by_side

ODD = "\U000e0041x" * 40
BEFORE = [f"line {n}" for n in range(1, 31)]


def rows_of(before: list[str], after: list[str]) -> tuple[Row, ...]:
    texts = ("".join(f"{line}\n" for line in lines) for lines in (before, after))
    return side_by_side(unified(*texts, "kept", "dropped")).rows


def told(row: Row) -> tuple[object, ...]:
    sides = (row.left, row.right)
    return (row.kind, *((side.number, str(side.markup)) if side else None for side in sides))


def test_a_changed_line_stands_beside_what_it_became() -> None:
    after = [*BEFORE[:9], "line ten", *BEFORE[10:]]
    gap, *rows = rows_of(BEFORE, after)
    assert (gap.kind, gap.note) == ("gap", "@@ -7,7 +7,7 @@")
    assert told(rows[2]) == ("same", (9, "line 9"), (9, "line 9"))
    assert told(rows[3]) == (
        "changed", (10, "line <mark>10</mark>"), (10, "line <mark>ten</mark>"),
    )  # fmt: skip
    assert told(rows[4]) == ("same", (11, "line 11"), (11, "line 11"))


def test_lines_that_only_one_has_stand_beside_nothing() -> None:
    rows = rows_of(BEFORE, [*BEFORE[:5], "new", *BEFORE[5:]])
    assert told(rows[4]) == ("changed", None, (6, "new"))
    assert told(rows[5]) == ("same", (6, "line 6"), (7, "line 6"))
    rows = rows_of(BEFORE, BEFORE[1:])
    assert told(rows[1]) == ("changed", (1, "line 1"), None)


def test_more_lines_than_they_became_go_beside_nothing_at_the_end() -> None:
    rows = rows_of(BEFORE, [*BEFORE[:5], "x", *BEFORE[7:]])
    kinds = [told(row) for row in rows if row.kind == "changed"]
    assert kinds[0][1:] == ((6, "<mark>line 6</mark>"), (6, "<mark>x</mark>"))
    assert kinds[1][1:] == ((7, "line 7"), None)


def test_a_line_that_grew_marks_what_it_gained() -> None:
    (_, row) = rows_of(["aaa"], ["aaaa"])
    assert told(row) == ("changed", (1, "aaa<mark></mark>"), (1, "aaa<mark>a</mark>"))


def test_lines_like_signs_of_a_diff_are_lines() -> None:
    rows = rows_of(["-- a", "@@ -1 +1 @@"], ["++ b", "@@ -1 +1 @@"])
    assert [row.kind for row in rows] == ["gap", "changed", "same"]


def test_hostile_lines_are_escaped_and_cut() -> None:
    evil = "<script>alert(1)</script>\u202e" + "x" * 5000
    (_, row) = rows_of(["ok"], [evil])
    assert row.right is not None
    assert "<script" not in row.right.markup
    assert r"\u202e" in row.right.markup
    assert row.right.num_cut == len(evil) - 180


def test_a_long_diff_is_cut_and_says_how_much() -> None:
    before = "".join(f"a{n}\n" for n in range(300))
    after = "".join(f"b{n}\n" for n in range(300))
    found = side_by_side(unified(before, after, "kept", "dropped"))
    assert len(found.rows) == 80
    assert found.num_more == 221
    assert len(found.unified) == 160
    assert found.num_more_unified == 441


def test_what_is_nothing_but_escapes_is_cut_too_and_says_how_much() -> None:
    before, after = ("".join(f"{c}{ODD}{n}\n" for n in range(100)) for c in "ab")
    found = side_by_side(unified(before, after, "kept", "dropped"))
    sides = [side for row in found.rows for side in (row.left, row.right) if side]
    assert 30_000 < sum(len(side.markup) for side in sides) <= 40_000
    assert found.num_more == 101 - len(found.rows)
    assert 30_000 < sum(len(markup) for _, markup in found.unified) <= 40_000
    assert found.num_more_unified == 201 - len(found.unified)
