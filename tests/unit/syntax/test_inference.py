"""The language of a file: what decides in which order, and that nothing can break it."""

import time
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gristmill.runtime.model.languages import LANGUAGES, SHARED, language_of_path
from gristmill.syntax.inference import (
    How,
    Inferred,
    classify,
    infer_content,
    infer_language,
)
from gristmill.syntax.inference.features import LOOKED_AT, features


def found(path: str, text: str) -> tuple[str | None, How]:
    inferred = infer_language(path, text)
    return inferred.language.name if inferred.language else None, inferred.how


# --- names ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "language"),
    [("a/b.py", "Python"), ("Makefile", "Makefile"), ("x.tcl", "Tcl"), ("Makefile.PL", "Perl")],
)
def test_a_name_of_one_meaning_decides_whatever_the_text_says(path: str, language: str) -> None:
    expected = (language, How.NAME) if path != "Makefile.PL" else (language, How.SHEBANG)
    text = "#!/usr/bin/perl\n# -*- mode: ruby -*-\n<?php echo 1;\n"
    assert found(path, text) == expected


@pytest.mark.parametrize("path", ["notes.txt", "a.unknown", "photo.jpeg", "x.tar.gz", "v1.2"])
def test_an_unknown_ending_is_not_guessed_at(path: str) -> None:
    assert found(path, "import os\n\n\ndef main():\n    pass\n" * 9) == (None, How.NOTHING)


def test_an_unknown_ending_may_have_a_shebang() -> None:
    assert found("start.unknown", "#!/bin/sh\nexit 0\n") == ("Shell", How.SHEBANG)


# --- shebangs -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "language"),
    [
        ("#!/bin/sh", "Shell"),
        ("#! /bin/bash -e", "Shell"),
        ("#!/usr/bin/env python3", "Python"),
        ("#!/usr/bin/env -S python3.11 -u", "Python"),
        ("#!/usr/bin/env PATH=/opt node", "JavaScript"),
        ("#!/usr/local/bin/ruby2.7", "Ruby"),
        ("#!/usr/bin/perl -w", "Perl"),
        ("#!/usr/bin/tclsh8.6", "Tcl"),
        ("#!/usr/bin/env Rscript", "R"),
        ("#!/usr/bin/env escript", "Erlang"),
        ("#!/usr/bin/swipl -q", "Prolog"),
        ("#!/usr/bin/env runhaskell", "Haskell"),
        ("#!/usr/bin/make -f", "Makefile"),
        ("#!/usr/bin/gawk -f", "AWK"),
        ("#!/usr/bin/osascript", "AppleScript"),
        ("#!/bin/tcsh", "Tcsh"),
        ("#!/bin/zsh", "Zsh"),
        ("#compdef git", "Zsh"),
        ("#autoload", "Zsh"),
        ("#autoloaded", None),
        ("#!/usr/bin/env pwsh", "PowerShell"),
        ("#!/usr/bin/env scala", "Scala"),
        ("#!/usr/bin/env rust-script", "Rust"),
        ("#!/usr/bin/env groovy", "Groovy"),
        ("#!C:\\php\\php.exe", None),
        ("#!/usr/bin/env", None),
        ("#!/usr/bin/env -S", None),
        ("#!", None),
        ("# !/bin/sh", None),
        ("#!/usr/bin/no-such-thing", None),
    ],
)
def test_a_shebang_names_the_language_of_its_interpreter(line: str, language: str | None) -> None:
    name, how = found("bin/tool", f"{line}\n")
    assert (name if how is How.SHEBANG else None) == language


def test_a_shell_script_that_starts_another_interpreter_on_itself_is_the_others() -> None:
    text = '#!/bin/sh\n# the next line starts Tcl \\\nexec tclsh "$0" "$@"\nputs hello\n'
    assert found("hello", text) == ("Tcl", How.SHEBANG)


def test_a_shell_script_that_starts_another_program_stays_one() -> None:
    assert found("run", "#!/bin/sh\nexec python -m tool\n") == ("Shell", How.SHEBANG)


@pytest.mark.parametrize(
    ("path", "text", "expected"),
    [
        ("a.zsh", "#!/bin/sh\n", ("Zsh", How.NAME)),
        ("agnoster.zsh-theme", "", ("Zsh", How.NAME)),
        ("home/.zshrc", "", ("Zsh", How.NAME)),
        ("a.sh", "#!/bin/zsh\n", ("Zsh", How.SHEBANG)),
        ("a.sh", "# vim: ft=zsh\n", ("Zsh", How.MODELINE)),
        ("a.sh", "#!/bin/bash\n", ("Shell", How.NAME)),
        ("a.sh", '#!/bin/sh\nexec java -jar "$0"\n', ("Shell", How.NAME)),
        ("a.sh", "zsh -c ls\n", ("Shell", How.NAME)),
    ],
)
def test_a_script_is_zsh_by_its_name_or_its_word(
    path: str, text: str, expected: tuple[str, How]
) -> None:
    assert found(path, text) == expected


def test_an_interpreter_of_a_relative_does_not_outdo_the_ending() -> None:
    text = "#!/usr/bin/env node\nimport { x } from './x';\nconst y: number = x;\n"
    assert found("cli.ts", text)[0] == "TypeScript"


def test_an_interpreter_of_a_stranger_outdoes_an_ambiguous_ending() -> None:
    assert found("01-basic.t", "#!/bin/sh\necho 1..1\n") == ("Shell", How.SHEBANG)


# --- modelines ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("// -*- C++ -*-\nint x;\n", "C++"),
        ("/* -*- mode: C++; tab-width: 4 -*- */\n", "C++"),
        ("// -*- tab-width: 8; mode: objc -*-\n", "Objective-C"),
        ("#!/does/not/exist\n# -*- mode: ruby -*-\n", "Ruby"),
        ("# vim: set ft=perl :\n", "Perl"),
        ("x\n" * 500 + "-- vim: ts=2:sw=2:syntax=lua\n", "Lua"),
        ("# vi: filetype=tcl\n", "Tcl"),
        ("/* ex: set ft=cpp: */\n", "C++"),
    ],
)
def test_a_modeline_names_the_language(text: str, language: str) -> None:
    assert found("thing", text) == (language, How.MODELINE)


@pytest.mark.parametrize(
    "text",
    [
        "# -*- coding: utf-8 -*-\n",
        "# -*- no such mode -*-\n",
        "x\n" * 9 + "# vim: ft=perl\n" + "x\n" * 9,
        "vim: is an editor\n",
        "-*-" * 300,
    ],
)
def test_what_only_looks_like_a_modeline_names_nothing(text: str) -> None:
    assert found("thing", text)[1] is not How.MODELINE


def test_a_modeline_for_a_language_that_the_ending_never_means_is_passed_over() -> None:
    assert found("scan.l", "/* -*- C -*- */\n%option noyywrap\n%%\n")[0] == "Lex"


# --- endings of several languages -----------------------------------------------------------------

SAMPLES = tomllib.loads(Path(__file__).with_name("inference.toml").read_text("utf-8"))["file"]
AMBIGUOUS = [
    pytest.param(sample["path"], sample["text"], sample.get("language"), id=str(number))
    for number, sample in enumerate(SAMPLES)
    if sample["path"]
]
TEXTS = {sample["language"]: sample["text"] for sample in SAMPLES if not sample["path"]}


@pytest.mark.parametrize(("path", "text", "language"), AMBIGUOUS)
def test_content_decides_what_an_ending_means(path: str, text: str, language: str | None) -> None:
    assert found(path, text)[0] == language


@pytest.mark.parametrize(("path", "text", "language"), AMBIGUOUS)
def test_line_ends_of_windows_change_nothing(path: str, text: str, language: str | None) -> None:
    assert found(path, text.replace("\n", "\r\n"))[0] == language


def test_where_nothing_speaks_against_it_an_ending_means_the_usual() -> None:
    for ending, names in SHARED.items():
        usual = language_of_path(f"x{ending}")
        assert usual is None or usual.name == names[0]
        expected = (names[0], How.USUAL) if usual else (None, How.NOTHING)
        assert found(f"x{ending}", "") == expected


# --- content alone --------------------------------------------------------------------------------


@pytest.mark.parametrize("language", TEXTS)
def test_a_text_without_a_name_is_known_by_its_looks(language: str) -> None:
    assert classify(TEXTS[language])[0].name == language
    assert found("no-ending", TEXTS[language]) == (language, How.CONTENT)


def test_prose_without_an_ending_is_in_no_language() -> None:
    text = (
        "Permission is granted, free of charge, to any person who obtains a copy of this work,\n"
        "to use it without restriction, provided that this notice stays in all copies of it.\n"
    )
    assert found("LICENSE", text) == (None, How.NOTHING)


def test_typescript_without_a_type_is_javascript() -> None:
    untyped = "import { a } from './a.js';\n\nexport const b = () => a(1);\nexport default b;\n"
    assert classify(untyped)[0].name == "JavaScript"


def test_a_ranking_holds_every_language_once_and_falls() -> None:
    ranking = classify(TEXTS["Go"])
    assert len({guess.name for guess in ranking}) == len(ranking) > 80
    assert sum(guess.certainty for guess in ranking) == pytest.approx(1)


def test_what_stands_beyond_the_beginning_changes_nothing() -> None:
    text = TEXTS["Go"] * 100
    assert len(text) > LOOKED_AT
    assert classify(text) == classify(text[:LOOKED_AT] + "\nclass Foo(object):\n" * 1000)


def test_what_comments_and_strings_say_does_not_count() -> None:
    one = features('/* public class Foo */ x = "import java.util"; // static void\n')
    other = features('/* def main(): */ x = "end"; // nothing\n')
    assert one == other


# --- anything at all ------------------------------------------------------------------------------

anything = st.text(st.characters(exclude_categories=()))
endings = st.sampled_from(["", ".", ".unknown", ".py", "/", *SHARED])
openings = st.sampled_from(
    ["", "#!", "#!/usr/bin/env ", "-*-", "vim: ft=", "/*", '"""', "<!--", "\0"]
)


@given(path=anything, ending=endings, opening=openings, text=anything)
def test_any_path_and_any_text_have_an_answer(
    path: str, ending: str, opening: str, text: str
) -> None:
    inferred = infer_language(path + ending, opening + text)
    assert isinstance(inferred, Inferred)
    assert inferred.language is None or inferred.language in LANGUAGES
    assert 0 <= inferred.certainty <= 1
    assert inferred == infer_language(path + ending, opening + text)
    assert infer_content(opening + text).how in {How.SHEBANG, How.MODELINE, How.CONTENT}


HOSTILE = [
    "a" * 50_000, "\n" * 50_000, " " * 50_000, "\t\n" * 25_000, "/*" * 25_000, '"""' * 17_000,
    '"' * 50_000, "<!--" * 12_000, "(" * 50_000, "[a " * 17_000, "-*-" * 17_000, "vim:" * 12_000,
    "#!" + "/" * 50_000, "#!/usr/bin/env " + "-x " * 17_000, "class " * 9_000, "a b\n" * 12_000,
    "template<" * 6_000, ":-" * 25_000, "a(" * 25_000, "\\" * 50_000, "A::" * 17_000, "{-" * 25_000,
    "<" * 50_000, "x = " * 12_000, "public " * 8_000, "\r" * 50_000, "::" * 25_000, "é" * 50_000,
]  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: repr(text[:12]))
def test_no_text_takes_long_under_any_name(text: str) -> None:
    infer_language("x.h", "")
    started = time.process_time()
    for ending in (*SHARED, ""):
        infer_language(f"x{ending}", text)
    assert (time.process_time() - started) / len(SHARED) < 0.05  # seconds of CPU
