"""The language table: what it holds, who owns which name, and how names are looked up."""

from collections import Counter
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tree_sitter_language_pack import SupportedLanguage

from gristmill.runtime.model.languages import (
    LANGUAGES,
    SHARED,
    Language,
    find_language,
    language_of_path,
    languages_of_path,
)

PAPER_LANGUAGES = {
    *("ANTLR", "Ada", "Agda", "Alloy", "AppleScript", "Assembly", "Augeas", "AWK", "Batchfile"),
    *("Bluespec", "C", "C#", "C++", "CMake", "CSS", "Clojure", "CoffeeScript", "Common Lisp"),
    *("CUDA", "Dart", "Dockerfile", "Elixir", "Elm", "Emacs Lisp", "Erlang", "F#", "Fortran"),
    *("GLSL", "Go", "Groovy", "HTML", "Haskell", "Idris", "Isabelle", "JSON", "Java"),
    *("Java Server Pages", "JavaScript", "Julia", "Kotlin", "Lean", "Literate Agda"),
    *("Literate CoffeeScript", "Literate Haskell", "Lua", "Makefile", "Maple", "Markdown"),
    *("Mathematica", "MATLAB", "OCaml", "PHP", "Pascal", "Perl", "PowerShell", "Prolog"),
    *("Protocol Buffer", "Python", "R", "RMarkdown", "Racket", "Ruby", "Rust", "SAS", "SPARQL"),
    *("SQL", "Scala", "Scheme", "Shell", "Smalltalk", "Solidity", "Stan", "Standard ML", "Stata"),
    *("Swift", "SystemVerilog", "Tcl", "Tcsh", "TeX", "Thrift", "TypeScript", "VHDL", "Verilog"),
    *("Visual Basic", "XSLT", "YAML", "Yacc", "Zig", "reStructuredText"),
}


def name_of(language: Language | None) -> str | None:
    return None if language is None else language.name


def shared(names: list[str]) -> list[str]:
    return [name for name, count in Counter(names).items() if count > 1]


def test_the_table_holds_exactly_the_89_languages_of_the_paper() -> None:
    names = [language.name for language in LANGUAGES if language.paper]
    assert len(names) == 89
    assert set(names) == PAPER_LANGUAGES


def test_no_extension_has_two_owners() -> None:
    assert shared([end for language in LANGUAGES for end in language.extensions]) == []


def test_no_file_name_has_two_owners() -> None:
    assert shared([name for language in LANGUAGES for name in language.filenames]) == []


def test_no_name_or_alias_has_two_owners() -> None:
    names = [n for lang in LANGUAGES for n in (lang.name.lower(), *lang.aliases)]
    assert shared(names) == []


def test_every_extension_is_lower_case_and_starts_with_a_dot() -> None:
    endings = [end for language in LANGUAGES for end in language.extensions]
    assert [end for end in endings if end != end.lower() or end[0] != "." or len(end) < 2] == []


def test_every_alias_is_lower_case() -> None:
    aliases = [alias for language in LANGUAGES for alias in language.aliases]
    assert [alias for alias in aliases if alias != alias.lower()] == []


def test_every_language_can_be_found_by_some_file() -> None:
    assert [lang.name for lang in LANGUAGES if not (lang.extensions or lang.filenames)] == []


def test_a_shared_ending_names_its_owner_first_and_others_behind() -> None:
    for ending, names in SHARED.items():
        owner = language_of_path(f"x{ending}")
        assert owner is None or (owner.name == names[0] and len(names) > 1)
        assert len(set(names)) == len(names)
        assert any(find_language(name) for name in names)
        assert languages_of_path(f"x{ending}") == names


@pytest.mark.parametrize(
    ("path", "names"),
    [
        ("a/vector.h", ("C", "C++", "Objective-C")),
        ("a/vector.py", ("Python",)),
        ("a/vector.C", ("C++",)),
        ("a/.eslintrc", ("JSON", "YAML")),
        ("a/.eslintrc.js", ("JavaScript",)),
        ("a/Makefile.am", ("Makefile",)),
        ("a/LICENSE", ()),
        ("a/notes.txt", ()),
    ],
)
def test_a_name_tells_all_that_it_may_mean(path: str, names: tuple[str, ...]) -> None:
    assert languages_of_path(path) == names


@pytest.mark.parametrize("language", LANGUAGES, ids=lambda language: language.name)
def test_every_entry_of_the_table_leads_back_to_its_language(language: Language) -> None:
    paths = [f"src/example{end}" for end in language.extensions]
    paths += [f"src/{name}" for name in language.filenames]
    assert [path for path in paths if language_of_path(path) is not language] == []
    names = (language.name, language.name.upper(), *language.aliases)
    assert [name for name in names if find_language(name) is not language] == []


def test_every_grammar_is_one_that_the_language_pack_ships() -> None:
    grammars = {language.grammar for language in LANGUAGES if language.grammar is not None}
    assert grammars - set(get_args(SupportedLanguage)) == set()


def test_cobol_names_no_grammar_because_its_parser_can_hang() -> None:
    cobol = find_language("cobol")
    assert cobol is not None
    assert cobol.grammar is None


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("a/b/main.py", "Python"),
        ("setup.PY", "Python"),
        ("include/vector.h", "C"),
        ("src/vector.hpp", "C++"),
        ("src/vector.C", "C++"),
        ("src/vector.H", "C++"),
        ("DOS/VECTOR.C", "C"),
        ("src/vector.c", "C"),
        ("boot/start.S", "Assembly"),
        ("kernel.cu", "CUDA"),
        ("view.mm", "Objective-C"),
        ("solve.m", "MATLAB"),
        ("web/index.js", "JavaScript"),
        ("web/App.jsx", "JavaScript"),
        ("web/index.ts", "TypeScript"),
        ("web/index.d.ts", "TypeScript"),
        ("web/App.tsx", "TSX"),
        ("web/App.vue", "Vue"),
        ("page.blade.php", "Blade"),
        ("page.php", "PHP"),
        ("notes.coffee.md", "Literate CoffeeScript"),
        ("proof.lagda.md", "Literate Agda"),
        ("README.md", "Markdown"),
        ("report.Rmd", "RMarkdown"),
        ("docs/index.rst", "reStructuredText"),
        ("page.jsp", "Java Server Pages"),
        ("api.proto", "Protocol Buffer"),
        ("analysis.R", "R"),
        ("lib.pl", "Perl"),
        ("counter.v", "Verilog"),
        ("counter.sv", "SystemVerilog"),
        ("schema.sql", "SQL"),
        ("thesis.cls", "TeX"),
        ("init.el", "Emacs Lisp"),
        ("lib.ml", "OCaml"),
        ("lib.mli", "OCaml Interface"),
        ("a/Makefile", "Makefile"),
        ("a/Makefile.am", "Makefile"),
        ("a/Makefile.py", "Python"),
        ("a/Makefile.PL", "Perl"),
        ("a/Dockerfile", "Dockerfile"),
        ("a/Dockerfile.dev", "Dockerfile"),
        ("CMakeLists.txt", "CMake"),
        ("Rakefile", "Ruby"),
        ("home/.bashrc", "Shell"),
        ("home/.vimrc", "Vim Script"),
        ("Cargo.toml", "TOML"),
        ("Cargo.lock", "TOML"),
        ("module.ll", "LLVM"),
        ("pom.xml", "XML"),
        ("style.xsl", "XSLT"),
        ("archive.tar.py", "Python"),
        ("PAYROLL.CBL", "COBOL"),
    ],
)
def test_a_usual_name_tells_its_language(path: str, name: str) -> None:
    assert name_of(language_of_path(path)) == name


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "src/main.py/",
        ".",
        "..",
        "...",
        "notes.txt",
        "LICENSE",
        "cmakelists.txt",
        "main.py/README",
        "home/.py",
        "home/.C",
        "main.py\n",
        "main.\udcff",
        ".py" + "x" * 1000,
    ],
)
def test_a_name_that_tells_nothing_has_no_language(path: str) -> None:
    assert language_of_path(path) is None


@pytest.mark.parametrize(
    "path", ["line\nbreak.py", "lone\udcff.py", "İ" * 50 + ".py", "." * 100_000 + "py"]
)
def test_an_odd_name_is_judged_by_its_ending_all_the_same(path: str) -> None:
    assert name_of(language_of_path(path)) == "Python"


any_text = st.text(st.characters(exclude_categories=()))


@given(path=any_text, ending=st.sampled_from(["", ".", "/", ".py", ".C", ".d.ts", "Makefile"]))
def test_any_text_is_a_path_that_can_be_asked_about(path: str, ending: str) -> None:
    found = language_of_path(path + ending)
    assert found is None or found in LANGUAGES


@given(name=any_text)
def test_any_text_is_a_name_that_can_be_asked_about(name: str) -> None:
    found = find_language(name)
    assert found is None or found in LANGUAGES


@pytest.mark.parametrize(
    ("alias", "name"),
    [
        ("java server pages", "Java Server Pages"),
        ("VimL", "Vim Script"),
        ("Vim script", "Vim Script"),
        ("Wolfram Language", "Mathematica"),
        ("Visual Basic .NET", "Visual Basic"),
        ("Unix Assembly", "Assembly"),
        ("golang", "Go"),
        ("Lean 4", "Lean"),
        ("no such language", None),
        ("", None),
    ],
)
def test_a_language_is_found_by_name_or_alias_in_any_case(alias: str, name: str | None) -> None:
    assert name_of(find_language(alias)) == name


@pytest.mark.parametrize(
    "names",
    [
        ("C", "C++", "CUDA", "Objective-C"),
        ("JavaScript", "TypeScript", "TSX", "CoffeeScript", "Literate CoffeeScript"),
        ("Haskell", "Literate Haskell"),
        ("OCaml", "OCaml Interface"),
        ("F#", "F# Signature"),
        ("Shell", "Zsh"),
    ],
)
def test_dialects_share_a_family(names: tuple[str, ...]) -> None:
    found = [find_language(name) for name in names]
    assert len({language.family for language in found if language is not None}) == 1
    assert None not in found
