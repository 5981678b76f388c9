"""A diff is true: applied to one text it gives the other; and it is safe and cheap to show."""

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gristmill.cli import difference
from gristmill.cli.difference import Difference, print_difference, unified

NO_NEWLINE = r"\ No newline at end of file"


def diff(before: str, after: str) -> list[str]:
    return unified(before, after, "kept: r a.py", "dropped: r b.py")


def lines_of(text: str) -> list[str]:
    """Split at newlines alone; a last line without one is not the same line with it."""
    *lines, rest = text.split("\n")
    return [*lines, f"{rest}\n{NO_NEWLINE}"] if rest else lines


def applied(before: list[str], patch: list[str]) -> list[str]:
    """Return what a patch makes of lines, after checking every line that it names."""
    after: list[str] = []
    at = 0
    for line in re.split(r"\n(?!\\ No)", "\n".join(patch[2:])) if patch else []:
        if line.startswith("@@"):
            match = re.fullmatch(r"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@", line)
            assert match is not None
            begin = int(match[1]) - (match[2] != "0")
            after += before[at:begin]
            at = begin
            assert int(match[3]) - (match[4] != "0") == len(after)
            continue
        if line[0] in " -":
            assert before[at] == line[1:]
            at += 1
        if line[0] in " +":
            after.append(line[1:])
    return after + before[at:]


def test_names_first_then_what_changed_with_three_lines_around_it() -> None:
    before = "".join(f"line {n}\n" for n in range(1, 21))
    after = before.replace("line 10\n", "line ten\nand more\n")
    assert diff(before, after) == [
        "--- kept: r a.py",
        "+++ dropped: r b.py",
        "@@ -7,7 +7,8 @@",
        *(f" line {n}" for n in (7, 8, 9)),
        "-line 10",
        "+line ten",
        "+and more",
        *(f" line {n}" for n in (11, 12, 13)),
    ]


def test_equal_texts_have_no_lines() -> None:
    assert diff("a\nb", "a\nb") == diff("", "") == []


def test_a_missing_last_newline_is_named() -> None:
    assert diff("a\nb", "a\nb\n")[2:] == ["@@ -1,2 +1,2 @@", " a", "-b", NO_NEWLINE, "+b"]
    assert diff("a\nb\n", "a\nc")[2:] == ["@@ -1,2 +1,2 @@", " a", "-b", "+c", NO_NEWLINE]
    assert diff("a\nb", "x\nb")[2:] == ["@@ -1,2 +1,2 @@", "-a", "+x", " b", NO_NEWLINE]


def test_carriage_returns_are_left_out_where_both_texts_have_them_throughout() -> None:
    assert diff("a\r\nb\r\n", "a\r\nc\r\n")[2:] == ["@@ -1,2 +1,2 @@", " a", "-b", "+c"]
    assert diff("a\nb\n", "a\r\nb\n")[2:] == ["@@ -1,2 +1,2 @@", "-a", "+a\r", " b"]


def test_lines_end_at_newlines_alone() -> None:
    odd = "a\fb\x0bc\x1cd\u2028e\x85f\rg\n"
    assert diff(odd + "x\n", odd + "y\n")[2:] == ["@@ -1,2 +1,2 @@", f" {odd[:-1]}", "-x", "+y"]


LINES = st.lists(st.sampled_from(["a", "b", "c", "", "--", "++ x", "@@", "d\r"]), max_size=30)
TEXTS = st.builds(lambda lines, end: "\n".join(lines) + end, LINES, st.sampled_from(["", "\n"]))


@given(before=TEXTS, after=TEXTS)
def test_a_diff_applied_gives_the_other_text(before: str, after: str) -> None:
    if before.count("\n") != before.count("\r\n") or after.count("\n") != after.count("\r\n"):
        assert applied(lines_of(before), diff(before, after)) == lines_of(after)


@given(before=TEXTS, after=TEXTS)
def test_a_diff_of_long_texts_is_true_as_far_as_it_says(before: str, after: str) -> None:
    before, after = before.replace("\r", ""), after.replace("\r", "")
    old, new = lines_of(before), lines_of(after)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(difference, "_MOST_COMPARED", 8)
        patch = diff(before, after)
    if patch and patch[-1].startswith(r"\ Not compared"):
        end_old, end_new = map(int, re.findall(r"line (\d+)", patch.pop()))
        old, new = old[:end_old], new[:end_new]
    assert applied(old, patch) == new


def test_of_long_texts_the_beginning_is_compared() -> None:
    before = "".join(f"line {n}\n" for n in range(20_000))
    after = before.replace("line 9000\n", "changed\n").replace("line 19000\n", "changed\n")
    lines = diff(before, after)
    assert [line for line in lines if line[0] in "-+\\"][2:] == [
        "-line 9000",
        "+changed",
        r"\ Not compared: what follows line 10,997 of the first and line 10,997 of the second",
    ]
    # What is equal at both ends costs nothing: then a long text is compared whole.
    after = before.replace("line 9000\n", "changed\n").replace("line 10000\n", "changed\n")
    assert "-line 10000" in diff(before, after)
    assert not diff(before, after)[-1].startswith("\\")


def test_the_worst_lines_cost_a_bounded_time() -> None:
    shared = [f"s{n % 500}" for n in range(10_000)]
    before, after = (
        "".join(f"{line}\n{side}{n}\n" for n, line in enumerate(shared)) for side in "uv"
    )
    began = time.process_time()
    assert diff(before, after)
    assert time.process_time() - began < 10  # the whole of it would take minutes


# --- showing it -----------------------------------------------------------------------------------


def test_nothing_in_a_text_steers_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    evil = "\x1b[2J\x1b]0;title\x07 \u202e [bold]x[/bold] [/] \\\r"
    print_difference(Difference(diff("a\n", f"{evil}\n")), 0)
    shown = capsys.readouterr().out
    assert shown.splitlines() == [
        "    --- kept: r a.py",
        "    +++ dropped: r b.py",
        "    @@ -1 +1 @@",
        "    -a",
        r"    +\x1b[2J\x1b]0;title\x07 \u202e [bold]x[/bold] [/] \\r",
    ]


def test_no_more_lines_than_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    many = Difference(diff("".join(f"a{n}\n" for n in range(1000)), "b\n"))
    print_difference(many, 60)
    *lines, more = capsys.readouterr().out.splitlines()
    assert len(lines) == 60
    assert more.strip() == "and 944 more lines; --diff-lines 0 shows all"
    print_difference(many, 0)
    assert len(capsys.readouterr().out.splitlines()) == 1004


def test_tabs_are_spaces_and_long_lines_are_cut(capsys: pytest.CaptureFixture[str]) -> None:
    print_difference(Difference(diff("\tx\n", "y" * 5000 + "\n")), 0)
    *_, tabbed, long = capsys.readouterr().out.splitlines()
    assert tabbed == "    -   x"
    assert long == "    +" + "y" * 199 + "…"


def test_no_diff_says_why(capsys: pytest.CaptureFixture[str]) -> None:
    print_difference(Difference(unavailable="it is gone"), 60)
    print_difference(Difference(), 60)
    gone, equal = capsys.readouterr().out.splitlines()
    assert gone == "    no diff: it is gone"
    assert (
        equal
        == "    no diff: both texts are equal: their bytes differ in encoding or byte order mark"
    )
    assert Difference(unavailable="x").as_json() == {"diff": None, "diff_unavailable": "x"}
    assert Difference(["a", "b"]).as_json() == {"diff": "a\nb\n", "diff_unavailable": None}
    assert Difference().as_json() == {"diff": "", "diff_unavailable": None}
