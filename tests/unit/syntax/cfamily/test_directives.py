"""The preprocessor's lines taken out: which branch stays, and that places stay."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gristmill.syntax.cfamily.directives import without_directives


def kept(text: str, *, cplusplus: bool = False) -> list[str]:
    bare = without_directives(text, cplusplus=cplusplus)
    return [line for line in bare.split("\n") if line.strip()]


def test_a_text_without_directives_stays() -> None:
    text = "int a;\n\n  /* # none */ int b; \n"
    assert without_directives(text, cplusplus=False) == text


def test_the_longest_branch_stays() -> None:
    text = "#if A\na;\n#elif B\nlonger;\n#else\nc;\n#endif\nd;\n"
    assert kept(text) == ["longer;", "d;"]


def test_of_equal_branches_the_first_stays() -> None:
    assert kept("#ifdef A\nif (x) {\n#else\nif (y) {\n#endif\n}\n") == ["if (x) {", "}"]


@pytest.mark.parametrize("condition", ["#if 0", "#ifdef __cplusplus", "#if defined(__cplusplus)"])
def test_what_is_off_in_c_goes(condition: str) -> None:
    assert kept(f'{condition}\nextern "C" {{\n#endif\nint a;\n') == ["int a;"]


def test_in_cplusplus_the_other_branch_goes() -> None:
    text = "#ifdef __cplusplus\na;\n#else\nlonger;\n#endif\n"
    assert kept(text, cplusplus=True) == ["a;"]
    assert kept("#ifndef __cplusplus\nb;\n#endif\na;\n", cplusplus=True) == ["a;"]


def test_an_inner_conditional_goes_with_the_outer_branch() -> None:
    text = "#if A\n#if B\na;\n#else\nbb;\n#endif\n#else\nmuch longer;\n#endif\n"
    assert kept(text) == ["much longer;"]
    assert kept(text.replace("much longer;", "")) == ["bb;"]


def test_a_conditional_that_is_never_closed_takes_nothing_out() -> None:
    assert kept("#if A\na;\n#else\nb;\n") == ["a;", "b;"]
    assert kept("#endif\n#else\na;\n") == ["a;"]


def test_continued_lines_and_comments_belong_to_the_directive() -> None:
    assert kept("#define A(x) \\\n  if (x) { \\\n  x\nint a;\n") == ["int a;"]
    assert kept("#define A /* begins\n and ends */\nint a;\n") == ["int a;"]
    assert kept("#define A /* all */ // /* no comment\nint a;\n") == ["int a;"]


@given(st.text(alphabet='#ifdelsn 01/*\\\r\n\t"ab', max_size=200))
def test_lines_and_columns_of_any_text_stay(text: str) -> None:
    bare = without_directives(text, cplusplus=False)
    assert [len(line) for line in bare.split("\n")] == [len(line) for line in text.split("\n")]
    assert all(new in (" ", old) for new, old in zip(bare, text, strict=True))


def test_deep_nesting_takes_time_by_its_length_alone() -> None:
    depth = 20_000
    text = "#if 0\n" * depth + "a;\n" + "#endif\n" * depth
    assert kept(text) == []
