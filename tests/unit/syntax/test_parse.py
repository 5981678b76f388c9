"""How much of a text lies under syntax errors, by tree-sitter."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tree_sitter import Node

from gristmill.runtime.model.languages import LANGUAGES
from gristmill.syntax.parse import error_share, errors_under, parser_for

GOOD = {
    "python": "def area(w: int, h: int = 2) -> int:\n    return w * h\n\n\nprint(f'{area(3)}')\n",
    "c": '#include <stdio.h>\n\nint main(void) {\n    printf("%d\\n", 3);\n    return 0;\n}\n',
    "cpp": "#include <vector>\ntemplate <typename T> T sum(const std::vector<T>& v) {\n"
    "    T s{};\n    for (const auto& x : v) s += x;\n    return s;\n}\n",
    "java": "package a.b;\n\npublic class Area {\n    int of(int w, int h) { return w * h; }\n}\n",
    "javascript": "export const area = async ({ w, h = 2 }) => w?.x * h ?? 0;\n",
    "typescript": "interface Box<T> { readonly w: number; h?: T }\nexport type All = Box<any>[];\n",
    "go": 'package main\n\nimport "fmt"\n\nfunc main() {\n\tfmt.Println("a", 1<<3)\n}\n',
    "rust": "fn area<'a>(w: &'a u32, h: u32) -> u32 {\n    w * h\n}\n",
    "ruby": "class Area\n  def of(w, h: 2)\n    w * h\n  end\nend\n",
    "php": "<?php\nfunction area(int $w, ?int $h = null): int {\n    return $w * ($h ?? 1);\n}\n",
    "bash": '#!/bin/bash\nfor f in *.txt; do\n  [[ -f "$f" ]] && echo "${f%.txt}"\ndone\n',
    "json": '{"a": [1, 2.5e3, true, null], "b": {"c": "\\u00e9"}}\n',
    "yaml": "a:\n  - 1\n  - b: {c: d}\n",
    "html": '<!DOCTYPE html>\n<html><body><p class="x">text</p></body></html>\n',
    "css": "a:hover > .b { color: #fff; margin: 0 auto; }\n",
    "haskell": "module Area where\n\narea :: Int -> Int -> Int\narea w h = w * h\n",
    "lua": "local function area(w, h)\n  return w * h\nend\nprint(area(1, 2))\n",
    "scala": "object Area {\n  def of(w: Int, h: Int): Int = w * h\n}\n",
    "csharp": "namespace A { class Area { public int Of(int w, int h) => w * h; } }\n",
}

# One missing token each: the parser mends the text by a node of no width.
ONE_MISSING = {"c": "int f(void) { return 1 }\n", "java": "class A { int f() { return 1 } }\n"}


@pytest.mark.parametrize("grammar", GOOD)
def test_well_formed_text_has_no_errors(grammar: str) -> None:
    assert error_share(grammar, GOOD[grammar]) == 0.0


@pytest.mark.parametrize("grammar", GOOD)
def test_windows_newlines_are_no_errors(grammar: str) -> None:
    assert error_share(grammar, GOOD[grammar].replace("\n", "\r\n")) == 0.0


@pytest.mark.parametrize("grammar", ["python", "json", "c", "go", "rust", "java"])
def test_what_is_not_the_language_at_all_has_many(grammar: str) -> None:
    text = "]]] )) the } quick } brown ))) @@ ## fox \\\\ ]]\n" * 5
    assert 0.3 < error_share(grammar, text) <= 1.0


def test_the_empty_text_has_no_errors() -> None:
    assert error_share("python", "") == 0.0


def test_a_share_is_one_at_most() -> None:
    assert error_share("json", "]") <= 1.0
    assert error_share("json", "}" * 100) == 1.0


def test_errors_are_counted_in_bytes_not_characters() -> None:
    # The broken half has as many characters as the other and, in UTF-8, three times the bytes.
    share = error_share("json", '"aaaaaaaaaa"' + "ああああああああああああ")
    assert share > 0.7


@pytest.mark.parametrize("grammar", ONE_MISSING)
def test_a_missing_token_counts_as_one_byte(grammar: str) -> None:
    text = ONE_MISSING[grammar]
    root = parser_for(grammar).parse(text.encode()).root_node
    assert [node for node in every_node(root) if node.is_missing], "the sample shows the case"
    assert not [node for node in every_node(root) if node.is_error]
    assert errors_under(root).num_bytes == 1
    assert error_share(grammar, text) == 1 / len(text)


def test_one_broken_line_weighs_by_its_length() -> None:
    good = "x = 1\n" * 100
    share = error_share("python", good + "y = = = 2\n")
    assert 0.0 < share <= 10 / (len(good) + 10)


def every_node(root: Node) -> list[Node]:
    found = [root]
    for node in found:
        found.extend(node.children)
    return found


def slow_error_bytes(node: Node) -> int:
    """The definition, without the short cuts: bytes under topmost errors, one for each missing."""
    if node.is_error:
        return node.end_byte - node.start_byte
    return int(node.is_missing) + sum(slow_error_bytes(child) for child in node.children)


_SNIPPETS = st.lists(
    st.sampled_from(
        ["def f(", "):", "\n", "    ", "return", " x", "{", "}", "[", "]", '"', "'", "1", ",", ":"]
    ),
    max_size=30,
).map("".join)


@settings(max_examples=60)
@given(st.sampled_from(["python", "json"]), st.text() | _SNIPPETS)
@example("python", "\x00")
@example("json", "\ufeff{}")
@example("python", "(" * 3000)
@example("json", "[" * 3000)
def test_any_text_has_a_share_between_none_and_all(grammar: str, text: str) -> None:
    assert 0.0 <= error_share(grammar, text) <= 1.0


@settings(max_examples=60)
@given(st.sampled_from(["python", "json"]), _SNIPPETS)
def test_the_short_cuts_miss_no_error(grammar: str, text: str) -> None:
    root = parser_for(grammar).parse(text.encode()).root_node
    assert errors_under(root).num_bytes == slow_error_bytes(root)


def test_a_parser_is_loaded_once() -> None:
    assert parser_for("python") is parser_for("python")


@pytest.mark.parametrize("name", ["Python", "C", "Go", "JSON", "Rust", "TypeScript", "TSX"])
def test_a_language_of_the_table_has_a_grammar_that_loads(name: str) -> None:
    (language,) = (language for language in LANGUAGES if language.name == name)
    assert language.grammar is not None
    assert error_share(language.grammar, "") == 0.0
