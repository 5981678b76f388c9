"""The table of grammars: every language has one that loads, or a reason why it has none."""

from importlib.metadata import version
from pathlib import Path

import pytest
from tree_sitter_language_pack import get_parser

from gristmill.runtime.model.languages import LANGUAGES, Language, find_language
from gristmill.syntax.grammars import (
    PACK,
    UNCHECKED,
    WHEELS,
    Package,
    grammar_of,
    load_parser,
    package_of,
    why_unchecked,
)
from gristmill.syntax.parse import error_share

REQUIREMENTS = Path(__file__).parents[3] / "requirements" / "core.in"
PACKAGES = {package.distribution: package for package in (PACK, *WHEELS.values())}

GOOD = {
    "batch": "@echo off\r\nif exist a.txt del a.txt\r\nfor %%f in (*.c) do echo %%f\r\n",
    "bsv": "package A;\n(* synthesize *)\nmodule mkA(Empty);\n   Reg#(int) a <- mkReg(0);\n"
    "endmodule\nendpackage\n",
    "fsharp": 'module A\nlet double x = x + x\nprintfn "%d" (double 2)\n',
    "fsharp_signature": "module A\nval double: int -> int\n",
    "glsl": "#version 300 es\nin vec3 a;\nvoid main() { gl_Position = vec4(a, 1.0); }\n",
    "groovy": 'def doubled = [1, 2].collect { it * 2 }\nprintln "${doubled}"\n',
    "perl": 'use strict;\nmy %h = map { $_ => 1 } @ARGV;\nprint "$_\\n" for sort keys %h;\n',
    "php": "<p><?php echo $a?->b ?? 'none' ?></p>\n",
    "powershell": 'param([Parameter(Mandatory)] $A)\nGet-Item .\\a\\*.txt | % { "$($_.Name)" }\n',
    "scala": "object A:\n  def double(x: Int): Int = x + x\n",
    "swift": "func double(_ x: Int) -> Int { x + x }\nlet a = [1, 2].map { $0 * 2 }\n",
    "systemverilog": "module a(input logic b, output logic c);\n  assign c = ~b;\nendmodule\n",
}


@pytest.mark.parametrize("language", LANGUAGES, ids=lambda language: language.name)
def test_a_language_has_a_grammar_that_loads_or_a_reason(language: Language) -> None:
    grammar = grammar_of(language)
    if grammar is None:
        assert why_unchecked(language)
    else:
        assert error_share(grammar, "") == 0.0
        assert package_of(grammar).distribution in PACKAGES


@pytest.mark.parametrize("name", UNCHECKED)
def test_what_is_unchecked_is_a_known_language(name: str) -> None:
    language = find_language(name)
    assert language is not None
    assert language.name == name
    assert grammar_of(language) is None


def test_no_language_has_the_grammar_that_never_returns() -> None:
    assert "cobol" not in {grammar_of(language) for language in LANGUAGES}


@pytest.mark.parametrize("package", PACKAGES.values(), ids=lambda package: package.distribution)
def test_the_version_is_the_one_required_and_installed(package: Package) -> None:
    assert version(package.distribution) == package.version
    pinned = f"{package.distribution}=={package.version}"
    assert pinned in REQUIREMENTS.read_text().splitlines()


def test_every_wheel_has_a_sample_here() -> None:
    assert GOOD.keys() == WHEELS.keys()


@pytest.mark.parametrize("grammar", GOOD)
def test_a_wheel_s_grammar_reads_its_language_and_not_everything(grammar: str) -> None:
    assert error_share(grammar, GOOD[grammar]) == 0.0
    opening = "<?php " if grammar == "php" else ""
    assert error_share(grammar, opening + "]] )) @@ } { ## ((( '\n" * 5) > 0.0


def test_a_wheel_stands_in_for_the_grammar_of_the_pack() -> None:
    text = "use v5.36;\nsub f ($x, $y = 1) { return $x <=> $y }\nmy sub g { 1 }\n"
    ours, packed = load_parser("perl"), get_parser("perl")
    assert ours.language != packed.language
    assert not ours.parse(text.encode()).root_node.has_error
