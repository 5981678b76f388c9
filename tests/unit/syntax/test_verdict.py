"""The verdict: whose word counts, and what stands in it."""

import pytest

from gristmill.runtime.model.document import UNCHECKED
from gristmill.runtime.model.features import WINDOW_BYTES
from gristmill.runtime.model.languages import Language, find_language
from gristmill.syntax import budgets, opinions, verdict
from gristmill.syntax.features import features_of_text
from gristmill.syntax.grammars import candidate_of
from gristmill.syntax.parse import error_share
from gristmill.syntax.verdict import examine, judge, share_of_errors

BROKEN_GO = "package a\n\nfunc f() int {\n\treturn (1\n}\n"


def named(name: str) -> Language:
    language = find_language(name)
    assert language is not None
    return language


def test_a_language_s_own_parser_rules() -> None:
    unindented = "def f():\nreturn 1\n"
    assert share_of_errors(named("Python"), unindented) == 0.0, "the grammar sees nothing"
    found = judge(named("Python"), unindented)
    assert not found.is_ok
    assert found.checker == opinions.PYTHON_CHECKER
    assert "indented block" in found.detail
    assert (found.error_share, found.budget, found.dialect) == (0.0, 0.0, "")


def test_what_it_refuses_is_not_parsed_once_more() -> None:
    found = judge(named("Python"), "(" * 200_000)  # which takes the grammar half a minute
    assert (found.is_ok, found.error_share) == (False, 0.0)
    assert "too many nested parentheses" in found.detail


def test_a_token_that_trees_do_not_show_may_be_missing() -> None:
    found = judge(named("Go"), "package dynamic-array\n\nfunc f() {}\n")
    assert not found.is_ok
    assert found.error_share > 0.0


def test_zsh_is_not_held_against_the_grammar_of_bash() -> None:
    text = 'print -l ${(f)"$(<$1)"}\nfor x ($@) { print -- ${x:t} }\n'
    found = judge(named("Zsh"), text)
    assert (found.is_ok, found.checker) == (True, UNCHECKED)
    assert not judge(named("Shell"), text).is_ok


def test_a_dialect_is_well_formed_and_told() -> None:
    found = judge(named("Python"), "print 'a'\n")
    assert (found.is_ok, found.dialect) == (True, opinions.PYTHON_2)


def test_without_an_opinion_the_grammar_and_the_budget_rule(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    share = share_of_errors(named("Go"), BROKEN_GO)
    assert share > 0.0
    for budget, is_ok in ((0.0, False), (share, True), (share * 0.999, False)):
        monkeypatch.setattr(budgets, "BUDGETS", {"Go": budget})
        found = judge(named("Go"), BROKEN_GO)
        assert (found.is_ok, found.error_share, found.budget) == (is_ok, share, budget)
        assert found.checker == "tree-sitter:go"


def test_a_language_without_a_budget_has_the_least(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budgets, "BUDGETS", {})
    assert not judge(named("Go"), BROKEN_GO).is_ok
    assert judge(named("Go"), BROKEN_GO, least_budget=1.0).is_ok


def test_the_grammar_rules_where_the_own_parser_gives_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verdict, "opinion_on", lambda name, text: None)
    monkeypatch.setattr(budgets, "BUDGETS", {})
    found = judge(named("Python"), "def f(:\n")
    assert (found.is_ok, found.checker) == (False, "tree-sitter:python")


@pytest.mark.parametrize("language", [None, named("Markdown"), named("Prolog"), named("SQL")])
def test_what_nobody_can_judge_passes_unchecked(language: Language | None) -> None:
    found = judge(language, "]] ((( {")
    assert (found.is_ok, found.checker, found.error_share) == (True, UNCHECKED, 0.0)


def test_macros_of_c_are_no_errors() -> None:
    assert judge(named("C"), "API int f(void) NOTHROW;\n").error_share == 0.0


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("TypeScript", 'export declare const a: import("./types.js").Fn<\n  Date,\n  string\n>;\n'),
        ("TypeScript", "export interface A<in out B, out C> extends D<B> { c: C }\n"),
        ("Makefile", "A := a.c\nall: $(A:.c=.o)\nclean:\n\trm -f $(A:=.o) $(A)\n"),
        ("Makefile", "ifeq ($(A),)\n  $(error set A (as in B))\nendif\n"),
        ("Batchfile", "@echo off\r\n..\\..\\tools\\run a.txt @b.txt\r\ncall .\\c.bat\r\n"),
        ("Common Lisp", '(format t "list: ~:M and ~@[ (~(~A~)" a)\n'),
        ("Common Lisp", "(loop for a being each symbol of :b do (f a #\\ ))\n"),
        ("Ignore List", "*.o\n/build"),
        ("JavaScript", "/** @flow strict */\nimport type {A} from './a';\nconst b: ?A = f(1);\n"),
    ],
)
def test_what_a_grammar_lacks_is_no_error(name: str, text: str) -> None:
    grammar = candidate_of(named(name))
    assert grammar is not None
    assert error_share(grammar, text) > 0.0, "the sample shows the case"
    assert share_of_errors(named(name), text) < error_share(grammar, text)


def test_javascript_that_says_it_is_flow_is_a_dialect() -> None:
    typed = "/** @flow */\nexport function f(a: string): string {\n  return a;\n}\n"
    found = judge(named("JavaScript"), typed)
    assert (found.is_ok, found.dialect) == (True, "Flow")
    assert not judge(named("JavaScript"), typed.replace("@flow", "")).is_ok
    plain = judge(named("JavaScript"), "// @flow\nf(1);\n")
    assert (plain.is_ok, plain.dialect) == (True, "")


def test_broken_declarations_stay_broken() -> None:
    text = 'export declare const a: import("./types.js").Fn<\n  Date,, string;\n'
    assert share_of_errors(named("TypeScript"), text) > 0.0
    assert share_of_errors(named("JavaScript"), "const b: ?A = f(1);\n") > 0.0


@pytest.mark.parametrize(
    "text",
    [
        "</main>\n</body>\n</html>\n",
        '<html><body class="a">\n<div>\n',
        "<p>one\n<p>two",
        "one & two, a < b -> c\n",
        '<?xml version="1.0"?>\n<html></html>\n',
    ],
)
def test_html_may_be_a_piece_and_leave_out_tags(text: str) -> None:
    assert error_share("html", text) > 0.0, "the sample shows the case"
    assert share_of_errors(named("HTML"), text) == 0.0


@pytest.mark.parametrize(
    "text",
    [
        '<p>a</p>\n<a href="b.html>c</a>\n',
        '<p>a</p>\n<p class=b">c</p>\n',
        "<p>a</p>\n<div",
        "<p>a</p\n<p>b</p>\n",
        "<p>a</p>\n<!-- b",
        "<p>a</p>\n<script>b()",
    ],
)
def test_html_that_is_cut_off_is_damaged(text: str) -> None:
    assert share_of_errors(named("HTML"), text) > 0.0


def test_tabs_of_haskell_reach_to_every_eighth_column() -> None:
    text = "module A (\n\t-- * One\n\tone,\t\t-- :: Int\n\n   two\n  ) where\n\none, two :: Int\n"
    assert error_share("haskell", text) > 0.0
    assert share_of_errors(named("Haskell"), text) == 0.0


@pytest.mark.parametrize("name", ["Python", "C", "Go", "Literate Haskell", "XSLT"])
def test_the_empty_text_passes(name: str) -> None:
    assert judge(named(name), "").is_ok or name == "XSLT"


def test_features_come_with_a_verdict_that_is_ok_and_with_no_other() -> None:
    verdict, features = examine(named("Go"), "package a\n\nfunc f() {}\n")
    assert verdict.is_ok
    assert features is not None
    assert (features.num_functions, features.num_lines) == (1, 3)
    assert examine(named("Go"), BROKEN_GO)[1] is None


def test_features_of_what_no_tree_is_made_of_are_those_of_its_lines() -> None:
    for language, text in ((named("JSON"), '{"a": 1}\n'), (named("COBOL"), "x\n"), (None, "x\n")):
        _, features = examine(language, text)
        assert features == features_of_text(text.encode())


def test_the_tree_of_a_language_with_its_own_parser_ends_with_the_window() -> None:
    text = "def f(a):\n    return a\n" * 2000
    features = examine(named("Python"), text)[1]
    assert features is not None
    assert 0 < features.num_functions <= WINDOW_BYTES // 23
    assert features.num_bytes <= WINDOW_BYTES
    behind = examine(named("Python"), "# so it is\n" * WINDOW_BYTES + text)[1]
    assert behind is not None
    assert behind.num_functions >= features.num_functions // 2
    assert examine(named("Python"), "x = 'é' * 2  # é\n" * 2000)[0].is_ok
    assert examine(named("Python"), f"x = '{'é' * WINDOW_BYTES}'")[1] is not None
