"""Where a text goes wrong first: line and column, from 1, in characters."""

import pytest

from gristmill.runtime.model.languages import find_language
from gristmill.syntax.faults import Fault, first_fault


def fault_of(name: str, text: str) -> Fault | None:
    language = find_language(name)
    assert language is not None
    return first_fault(language, text)


def test_a_language_s_own_parser_says_where_and_why() -> None:
    found = fault_of("Python", "x = 1\nif x:\ny = 2\n")
    assert found is not None
    assert (found.line, found.column) == (3, 1)
    assert found.message == "expected an indented block after 'if' statement on line 2"


def test_a_grammar_shows_what_it_did_not_expect() -> None:
    found = fault_of("Go", 'package a\n\nvar ä = "é" ]]] + 1\n')
    assert found is not None
    assert (found.line, found.column) == (3, 13)
    assert found.message.startswith("unexpected ]]]")


def test_what_is_missing_has_a_place_too() -> None:
    found = fault_of("Go", "package a\n\nfunc f() { g(1 }\n")
    assert found == Fault(3, 15, "something is missing")


@pytest.mark.parametrize(
    ("name", "text", "line", "column"),
    [
        ("HTML", '</div>\n<p>é\n<p>b <b\n>c</b>\n d <a href="x\n', 5, 4),
        ("TypeScript", 'let x;\ntype A = import("x")["C"];\nlet y = ;\n', 3, 7),
        ("TypeScript", 'type A = import("x")["C"]; let é = ;\n', 1, 34),
        ("TypeScript", 'let é = ; type A = import("x")["C"]\n', 1, 7),
        ("JavaScript", "// @flow\nconst a: number = 1;\nlet y = ;\n", 3, 7),
        ("Makefile", "$(error (see a))\nA = $(B:.c=.o)\nifeq\n", 3, 1),
        ("Batchfile", "..\\..\\run.exe\n)x y\n", 2, 1),
        ("Literate Haskell", "Prose\n\n> f x\t= 1\n> g = = 2\n", 4, 5),
    ],
)
def test_the_place_is_that_of_the_reading_that_decides(
    name: str, text: str, line: int, column: int
) -> None:
    found = fault_of(name, text)
    assert found is not None
    assert (found.line, found.column) == (line, column)


@pytest.mark.parametrize(
    ("name", "text"),
    [("Python", "x = 1\n"), ("Go", "package a\n"), ("Markdown", "]]]"), ("COBOL", "]]]")],
)
def test_what_nobody_finds_wrong_has_no_fault(name: str, text: str) -> None:
    assert fault_of(name, text) is None


def test_an_error_without_a_place_has_none() -> None:
    assert fault_of("JSON", '{"a": NaN}') is None
