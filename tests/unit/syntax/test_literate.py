"""Literate programs: the code inside, line by line where it stood."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gristmill.runtime.model.languages import find_language
from gristmill.syntax.literate import code_of, places_of
from gristmill.syntax.verdict import examine, judge

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


def test_spans_of_features_are_those_of_the_text_itself() -> None:
    text = "Grüße.\n\n> -- | Doubles.\n> double x = x + x\n\nProse between.\n\n> half y = y / 2\n"
    verdict, features = examine(find_language("Literate Haskell"), text)
    assert verdict.is_ok
    assert features is not None
    source = text.encode()
    spans = [*features.function_spans, *features.comment_spans, *features.docstring_spans]
    shown = [source[a:b].decode().strip() for a, b in zip(spans[::2], spans[1::2], strict=True)]
    assert shown == ["double x = x + x", "half y = y / 2", "-- | Doubles."]


@given(st.sampled_from(["Literate Haskell", "Literate Agda"]), st.text())
def test_a_byte_of_code_stands_in_the_text_where_it_is_the_same(name: str, text: str) -> None:
    code, source = code_of(name, text).encode(), text.encode()
    place = places_of(code.decode(), text)
    for offset, byte in enumerate(code):
        there = source[place(offset)]
        assert byte in (there, ord("\n")) or (chr(byte), chr(there)) == (" ", ">")
