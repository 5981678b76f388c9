"""Static features: what is counted in each language, and that any text has some."""

from dataclasses import dataclass

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gristmill.runtime.model import Features
from gristmill.runtime.model.features import (
    LEAST_CODE_BYTES,
    MAX_IMPORT_CHARS,
    MAX_IMPORTS,
    MAX_SPANS,
    WINDOW_BYTES,
)
from gristmill.runtime.model.languages import LANGUAGES
from gristmill.syntax.features import features_of, features_of_text
from gristmill.syntax.grammars import grammar_of
from gristmill.syntax.node_kinds import query_for
from gristmill.syntax.parse import parser_for


def features(grammar: str, text: str) -> Features:
    source = text.encode()
    return features_of(parser_for(grammar).parse(source), source, grammar)


@dataclass(frozen=True)
class Sample:
    """A text with what its tree tells."""

    text: str
    functions: int
    documented: int = 0
    classes: int = 0
    comments: int = 0
    branches: int = 0
    calls: int = 0
    debug_calls: int = 0
    literals: int = 0
    imports: tuple[str, ...] = ()


SAMPLES = {
    "python": Sample(
        '"""Sums."""\nimport os.path as p, sys\nfrom . import near\nfrom a.b import c\n\n\n'
        "# all of it\n# and more\n@cached\ndef total(xs):\n    for x in xs:\n        print(x)\n"
        '    return sum(xs)\n\n\nclass Sum:\n    """One."""\n\n    def get(self):\n'
        '        """Two."""\n        return 1 if self.x else "a"\n\n    def put(self): pass\n',
        functions=3,
        documented=2,
        classes=1,
        comments=1,
        branches=2,
        calls=2,
        debug_calls=1,
        literals=2,
        imports=("os.path", "sys", ".", "a.b"),
    ),
    "java": Sample(
        "import java.util.List;\nimport static a.b.C.*;\n\n/** A box. */\npublic class Box {\n"
        "  /** Made of a size. */\n  Box(int size) { this.size = size; }\n\n"
        "  int half() { if (size > 1) { return size / 2; } return 0; }\n\n"
        '  void show() { System.out.println("size " + half()); }\n}\n',
        functions=3,
        documented=1,
        classes=1,
        comments=2,
        branches=1,
        calls=2,
        debug_calls=1,
        literals=4,
        imports=("java.util.List", "a.b.C"),
    ),
    "javascript": Sample(
        'import a, { b } from "./a.js";\nimport "side";\nexport * from "all";\n'
        'const fs = require("fs");\n\n// Twice.\nexport function twice(x) { return x * 2; }\n\n'
        "/** Half. */\nconst half = (x) => { return x ? x / 2 : 0; };\n\n"
        "xs.map((x) => twice(x));\nconsole.log(half(4));\n",
        functions=2,
        documented=2,
        comments=2,
        branches=1,
        calls=5,
        debug_calls=1,
        literals=8,
        imports=("./a.js", "side", "all", "fs"),
    ),
    "typescript": Sample(
        'import type { A } from "a";\n\ninterface Shape { area(): number }\n\n'
        "class Box implements Shape {\n  // wide\n  area(): number { return this.w * 2; }\n}\n",
        functions=1,
        documented=1,
        classes=2,
        comments=1,
        literals=2,
        imports=("a",),
    ),
    "go": Sample(
        'package main\n\nimport (\n\t"fmt"\n\tx "a/b"\n)\n\n'
        "// Box holds.\ntype Box struct{ w int }\n\n"
        "// Area is w.\nfunc (b Box) Area() int { return b.w }\n\nfunc main() {\n"
        "\tfor i := 0; i < 3; i++ {\n\t\tfmt.Println(i)\n\t}\n\tswitch x {\n\tcase 1:\n\t}\n}\n",
        functions=2,
        documented=1,
        classes=1,
        comments=2,
        branches=2,
        calls=1,
        debug_calls=1,
        literals=5,
        imports=("fmt", "a/b"),
    ),
    "c": Sample(
        '#include <stdio.h>\n#include "near.h"\n\nstruct box { int w; };\nstruct box one;\n\n'
        "/* The area.\n   Of a box. */\nint area(struct box b) {\n  while (b.w > 9) b.w--;\n"
        '  printf("%d\\n", b.w);\n  return b.w;\n}\n\nint half(int x);\n',
        functions=1,
        documented=1,
        classes=1,
        comments=1,
        branches=1,
        calls=1,
        debug_calls=1,
        literals=3,
        imports=("stdio.h", "near.h"),
    ),
    "cpp": Sample(
        "#include <vector>\n\nnamespace n {\nclass Box {\n public:\n"
        "  int area() const { return w; }\n  int w = 0;\n};\n}\n",
        functions=1,
        classes=2,
        literals=1,
        imports=("vector",),
    ),
    "rust": Sample(
        "use std::fmt;\nuse a::{b, c};\n\n/// A box.\nstruct Box { w: u32 }\n\nimpl Box {\n"
        "    /// Its area.\n    #[inline]\n"
        "    fn area(&self) -> u32 { match self.w { 0 => 1, w => w } }\n"
        '}\n\nfn main() { println!("{}", area(1)); }\n',
        functions=2,
        documented=1,
        classes=2,
        comments=2,
        branches=2,
        calls=1,
        debug_calls=1,
        literals=4,
        imports=("std::fmt", "a::"),
    ),
    "ruby": Sample(
        'require "json"\n\n# A box.\nclass Box\n  # Its area.\n  def area\n    return 1 if @w\n'
        '    puts "none"\n  end\nend\n',
        functions=1,
        documented=1,
        classes=1,
        comments=2,
        branches=1,
        calls=2,
        debug_calls=1,
        literals=3,
        imports=("json",),
    ),
    "php": Sample(
        "<?php\nuse A\\B;\n\n/** Sums. */\nfunction total(array $xs) {\n  foreach ($xs as $x) {}\n"
        "  return array_sum($xs);\n}\n\nclass Box { function area() { var_dump(1); } }\n",
        functions=2,
        documented=1,
        classes=1,
        comments=1,
        branches=1,
        calls=2,
        debug_calls=1,
        literals=1,
        imports=("A\\B",),
    ),
    "csharp": Sample(
        "using System;\nnamespace N {\n  class Box {\n    // Its area.\n    int Area() {\n"
        '      Console.WriteLine("a");\n      return 1;\n    }\n  }\n}\n',
        functions=1,
        documented=1,
        classes=1,
        comments=1,
        calls=1,
        debug_calls=1,
        literals=2,
        imports=("System",),
    ),
    "kotlin": Sample(
        "import a.b.C\n\n// Twice.\nfun twice(x: Int): Int {\n    if (x > 1) println(x)\n"
        "    return x * 2\n}\n\nclass Box\n",
        functions=1,
        documented=1,
        classes=1,
        comments=1,
        branches=1,
        calls=1,
        debug_calls=1,
        literals=2,
        imports=("a.b.C",),
    ),
    "bash": Sample(
        ". ./near.sh\n\n# Says it.\nsay() {\n"
        '  if [ -n "$1" ]; then echo "$1"; fi\n}\n\nsay hello\n',
        functions=1,
        documented=1,
        comments=1,
        branches=1,
        calls=3,
        debug_calls=1,
        literals=2,
        imports=("./near.sh",),
    ),
    "lua": Sample(
        'local json = require("json")\n\n-- Twice.\nlocal function twice(x)\n  print(x)\n'
        "  return x * 2\nend\n",
        functions=1,
        documented=1,
        comments=1,
        calls=2,
        debug_calls=1,
        literals=2,
        imports=("json",),
    ),
    "elixir": Sample(
        "defmodule Box do\n  alias A.B\n  # Its area.\n  def area(x), do: IO.puts(x)\nend\n",
        functions=1,
        documented=1,
        classes=1,
        comments=1,
        calls=5,
        debug_calls=1,
        imports=("A.B",),
    ),
    "haskell": Sample(
        "module M where\n\nimport qualified Data.Map as Map\n\n-- Twice.\ntwice x = x * 2\n",
        functions=1,
        documented=1,
        comments=1,
        literals=1,
        imports=("Data.Map",),
    ),
}


@pytest.mark.parametrize("grammar", SAMPLES)
def test_each_language_counts_its_own(grammar: str) -> None:
    sample, found = SAMPLES[grammar], features(grammar, SAMPLES[grammar].text)
    counted = Sample(
        text=sample.text,
        functions=found.num_functions,
        documented=found.num_documented_functions,
        classes=found.num_classes,
        comments=found.num_comments,
        branches=found.num_branches,
        calls=found.num_calls,
        debug_calls=found.num_debug_calls,
        literals=found.num_literals,
        imports=found.imports,
    )
    assert counted == sample
    assert found.num_imports == len(sample.imports)


@pytest.mark.parametrize(
    ("grammar", "text", "imports"),
    [
        ("elm", "module A exposing (..)\nimport B\nimport C.D as E exposing (f)\n", ("B", "C.D")),
        (
            "erlang",
            '-module(a).\n-include("b.hrl").\n-include_lib("c/d.hrl").\n-import(e,[f/1]).\n',
            ("b.hrl", "c/d.hrl", "e"),
        ),
        (
            "proto",
            'syntax = "proto3";\nimport "a.proto";\nimport public "b.proto";\n',
            ("a.proto", "b.proto"),
        ),
        ("pascal", "unit U;\ninterface\nuses A, B.C;\nimplementation\nend.\n", ("A", "B.C")),
        (
            "zig",
            'const std = @import("std");\nconst a = @import("b/c.zig").d;\nconst e = @f("g");\n',
            ("std", "b/c.zig"),
        ),
        (
            "clojure",
            "(ns a (:require [b.c :as d] e.f) (:import (java.util Date)))\n(require '[g :as h])\n",
            ("b.c", "e.f", "java.util", "g"),
        ),
        (
            "powershell",
            "using module A\nImport-Module B -Force\nimport-module -Name C.D\nGet-Item e\n",
            ("A", "B", "C.D"),
        ),
    ],
)
def test_imports_are_named_in_languages_of_other_kinds(
    grammar: str, text: str, imports: tuple[str, ...]
) -> None:
    found = features(grammar, text)
    assert found.imports == imports
    assert found.num_imports == len(imports)


@pytest.mark.parametrize("grammar", ["javascript", "typescript", "tsx"])
def test_a_field_of_a_class_may_hold_a_function(grammar: str) -> None:
    text = "class A {\n  // One.\n  m = (x) => 1;\n  static n = function () {};\n  p = 3;\n}\n"
    found = features(grammar, text)
    assert (found.num_functions, found.num_documented_functions) == (2, 1)


def cut(text: str, spans: tuple[int, ...]) -> list[str]:
    source = text.encode()
    pairs = zip(spans[::2], spans[1::2], strict=True)
    return [source[start:end].decode() for start, end in pairs]


def test_spans_are_bytes_in_the_order_of_the_text() -> None:
    text = (
        '"""Über."""\n# ä\n# b\n\n# c\ndef outer():\n    def inner():\n        "Doc."\n'
        "    return inner\n"
    )
    found = features("python", text)
    assert cut(text, found.docstring_spans) == ['"""Über."""', '"Doc."']
    assert cut(text, found.comment_spans) == ["# ä\n# b", "# c"]
    outer, inner = cut(text, found.function_spans)
    assert outer.startswith("def outer")
    assert inner.startswith("def inner")
    assert (found.deepest_function, found.longest_function_lines) == (2, 4)
    assert found.num_function_bytes == len(outer.encode())
    assert found.num_docstring_bytes == len('"""Über."""'.encode()) + len('"Doc."')
    assert found.num_literal_bytes == 0


def test_lines_are_counted() -> None:
    text = "a = 1\n\na = 1\n" + "\tb" + "c" * 120 + "\n  d\n  e"
    found = features_of_text(text.encode())
    assert found.num_lines == 6
    assert found.num_blank_lines == 1
    assert (found.num_code_lines, found.num_distinct_lines) == (5, 4)
    assert (found.num_long_lines, found.longest_line_bytes) == (1, 122)
    assert found.num_mixed_indents == 1
    assert (found.num_sampled_words, found.num_sampled_word_bytes) == (7, 127)
    assert found.num_nodes == 0
    assert features_of_text(text.replace("\n", "\r\n").encode()) == found


def test_the_empty_text_has_nothing() -> None:
    assert features_of_text(b"") == Features()
    assert features("python", "") == Features(num_nodes=1)


def test_code_in_comments_leaves_signs_and_documentation_does_not() -> None:
    code = "int x = 1;\nx = f();\nreturn x;\n"
    commented = "".join(f"// {line}\n" for line in code.splitlines())
    assert features("java", commented).num_code_signs == 5
    assert features("java", f"/**\n{code}*/\n").num_code_signs == 0
    assert features("java", "// What the box holds, or nothing.\n").num_code_signs == 0


def test_marks_in_comments_and_docstrings_are_counted() -> None:
    text = '"""Generated by hand."""\n# TODO: FIXME\nx = "generated TODO"\n'
    found = features("python", text)
    assert (found.num_unfinished_marks, found.num_generated_marks) == (2, 1)


@pytest.mark.parametrize(
    "line",
    [
        "Generated by Django 4.2 on 2024-01-01",
        "Code generated by protoc-gen-go. DO NOT EDIT.",
        "This file was automatically generated from the schema",
        "AUTO-GENERATED with a tool",
        "@generated",
        "*** DO NOT EDIT ***",
        "This module is generated; do not edit",
        "AUTO-GENERATED FILE.  DO NOT EDIT.",
        "Automatically generated file. DO NOT MODIFY",
        "GENERATED CODE - DO NOT MODIFY BY HAND",
        "This is an auto-generated file. Do not edit!",
    ],
)
def test_a_line_that_says_a_program_wrote_it_is_a_mark(line: str) -> None:
    assert features("python", f"# Tables.\n# {line}\nx = 1\n").num_generated_marks >= 1


@pytest.mark.parametrize(
    "line",
    [
        "How ids are generated by the store.",
        "Generated names are short.",
        "Editors do not edit it.",
        "Generated code does not count.",
        "Generated files, do not ask why, are skipped.",
        "Skips each auto-generated file. Do not call it twice.",
        "Automatically generated code is formatted, too.",
    ],
)
def test_prose_about_what_is_generated_is_no_mark(line: str) -> None:
    assert features("python", f"# {line}\nx = 1\n").num_generated_marks == 0


@pytest.mark.parametrize(
    ("grammar", "plain", "commented"),
    [
        (
            "python",
            "def f(a):\n    b = a\n    return b\n",
            (
                '# Commentary.\ndef f(a):\n    """Explanations.\n\n    More.\n    """\n'
                "    b = a  # considerable\n\n    # words\n    return b\n"
            ),
        ),
        (
            "rust",
            "fn f(a: i32) -> i32 {\n    a\n}\n",
            "/// Commentary.\nfn f(a: i32) -> i32 {\n    /* big\n words */\n    a // long\n}\n",
        ),
    ],
)
def test_what_is_counted_in_code_is_the_same_without_its_comments(
    grammar: str, plain: str, commented: str
) -> None:
    names = (
        "num_code_lines", "num_distinct_lines", "num_sampled_words", "num_sampled_word_bytes",
        "num_long_lines",
    )  # fmt: skip
    bare, full = features(grammar, plain), features(grammar, commented)
    assert [getattr(bare, name) for name in names] == [getattr(full, name) for name in names]
    assert bare.num_code_lines == 3


def test_a_string_that_stands_alone_in_python_is_documentation() -> None:
    text = 'class A:\n    x: int = 1\n    """How many."""\n    y = "b"\n'
    found = features("python", text)
    assert cut(text, found.docstring_spans) == ['"""How many."""']
    assert found.num_literals == 2
    assert found.num_literal_bytes == len('1"b"')


def test_repeated_calls_are_counted_by_their_callee() -> None:
    found = features("python", "add(1)\nadd(2)\nadd(3)\nsub(1).then(2).last(3)\n")
    assert (found.num_calls, found.num_calls_of_commonest) == (4, 3)


@pytest.mark.parametrize(
    "text", ["XS = [" + "1.5, " * 400 + "]\n", "M = {" + "'key': 'value', " * 200 + "}\n"]
)
def test_a_table_of_values_is_mostly_literals(text: str) -> None:
    found = features("python", text)
    assert found.num_literal_bytes > 0.5 * len(text)
    assert found.num_functions == found.num_calls == found.num_branches == 0


@pytest.mark.parametrize("grammar", ["json", "yaml", "toml", "xml", "html", "markdown"])
def test_a_grammar_without_code_has_nodes_and_lines_alone(grammar: str) -> None:
    text = "a: 1\n"
    expected = features_of_text(text.encode())
    found = features(grammar, text)
    assert found.num_nodes > 0
    assert found._replace(num_nodes=0) == expected


def test_what_lies_behind_the_window_is_not_looked_at() -> None:
    function = "def f():\n    return g(1)\n\n\n"
    many = function * (4 * WINDOW_BYTES // len(function))
    found = features("python", many)
    seen = WINDOW_BYTES / len(function)
    assert abs(found.num_functions - seen) <= 1
    assert abs(found.num_calls - seen) <= 1
    assert found.num_bytes == WINDOW_BYTES
    assert len(found.function_spans) == 2 * MAX_SPANS
    long = "def f():\n" + "    g(1)\n" * WINDOW_BYTES
    assert features("python", long).longest_function_lines == WINDOW_BYTES + 1


def test_code_behind_a_head_of_prose_is_looked_at() -> None:
    function = "def f():\n    return g(1)\n\n\n"
    code = function * (2 * WINDOW_BYTES // len(function))
    prose = "so it is\n" * WINDOW_BYTES
    for head in ("# so it is\n" * WINDOW_BYTES, f'"""{prose}"""\n'):
        found = features("python", head + code)
        assert found.num_functions * len(function) >= LEAST_CODE_BYTES
        assert found.num_bytes - found.num_comment_bytes - found.num_docstring_bytes > 0
    nothing_but = features("python", "# so it is\n" * WINDOW_BYTES)
    assert nothing_but.num_comments == 1
    assert nothing_but.num_code_lines == 0


def test_the_ends_of_lines_change_no_figure() -> None:
    text = "/*\n" + " so it is\n" * 20 + "*/\nint f(int a) {\n    return a;\n}\n"
    told = features("c", text)
    other = features("c", text.replace("\n", "\r\n"))
    spans = dict.fromkeys(("comment_spans", "function_spans"), ())
    assert other._replace(**spans) == told._replace(**spans)


def test_lists_are_bounded_and_their_counts_are_not() -> None:
    text = "".join(f"import a{n}\n" for n in range(300)) + f"import {'b' * 500}\n"
    found = features("python", text)
    assert found.num_imports == 301
    assert len(found.imports) == MAX_IMPORTS
    (long,) = features("python", f"import {'b' * 500}\n").imports
    assert len(long) == MAX_IMPORT_CHARS


_GRAMMARS = sorted({grammar for language in LANGUAGES if (grammar := grammar_of(language))})


@pytest.mark.parametrize("grammar", _GRAMMARS)
def test_every_grammar_has_a_query_that_holds(grammar: str) -> None:
    parser = parser_for(grammar)
    assert parser.language is not None
    query_for(grammar, parser.language)
    assert features(grammar, "a (b) { 'c' }\n").num_lines == 1


_PIECES = st.sampled_from(
    ["def f(", "):", "\n", "    ", "return", " x", "{", "}", "[", "]", '"', "'", "1", "#", "//",
     "/*", "*/", "class A", "import ", "print(", "é", "\r\n", "\t", '"""', "require 'a'", ";"]
)  # fmt: skip
_CHECKED = st.sampled_from(["python", "javascript", "c", "ruby", "bash", "elixir", "go", "rust"])


@settings(max_examples=150)
@given(_CHECKED, st.text() | st.lists(_PIECES, max_size=40).map("".join))
@example("python", "(" * 3000)
def test_any_text_has_features_that_fit_it(grammar: str, text: str) -> None:
    found = features(grammar, text)
    length = len(text.encode())
    for name, value in found._asdict().items():
        if isinstance(value, int):
            assert value >= 0, name
        if name.endswith("_bytes") and "word" not in name:
            assert value <= length, name
    for spans in (found.comment_spans, found.docstring_spans, found.function_spans):
        assert list(spans[::2]) == sorted(spans[::2])
        pairs = zip(spans[::2], spans[1::2], strict=True)
        assert all(0 <= start <= end <= length for start, end in pairs)
    assert found.num_documented_functions <= found.num_functions
    assert found.num_calls_of_commonest <= found.num_calls
    assert found.num_distinct_lines <= found.num_code_lines <= found.num_lines
