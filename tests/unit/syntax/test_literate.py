"""Literate programs: the code inside, line by line where it stood."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gristmill.runtime.model.languages import find_language
from gristmill.syntax.literate import code_of
from gristmill.syntax.verdict import judge

BIRD = "Doubling a number.\n\n> double :: Int -> Int\n> double x = x + x\n\nThat is (all.\n"
TEX = "\\section{Doubling (a number}\n\\begin{code}\ndouble x = x + x\n\\end{code}\nand so on)\n"
FENCED = "# Doubling (a number\n```\nmodule A where\n```\n```text\n(((\n```\n"


def test_lines_behind_a_bird_track_are_code() -> None:
    code = code_of("Literate Haskell", BIRD)
    assert code == "\n\n  double :: Int -> Int\n  double x = x + x\n\n\n"


@pytest.mark.parametrize("name", ["Literate Haskell", "Literate Agda"])
def test_a_code_environment_is_code(name: str) -> None:
    assert code_of(name, TEX) == "\n\ndouble x = x + x\n\n\n"


def test_fences_without_another_language_are_code() -> None:
    assert code_of("Literate Agda", FENCED).split("\n") == ["", "", "module A where", *[""] * 5]


def test_other_languages_are_code_as_they_are() -> None:
    assert code_of("Haskell", BIRD) == BIRD


def test_prose_is_no_error_and_broken_code_is() -> None:
    haskell = find_language("Literate Haskell")
    assert judge(haskell, BIRD).error_share == 0.0
    assert judge(haskell, BIRD.replace("x + x", "x + + )")).error_share > 0.0


@given(st.sampled_from(["Literate Haskell", "Literate Agda"]), st.text())
def test_lines_of_any_text_stay(name: str, text: str) -> None:
    assert code_of(name, text).count("\n") == text.count("\n")
