"""`gristmill syntax check` on files of every kind, hostile ones among them."""

import json
import mmap
import resource
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from gristmill.cli import syntax_check
from gristmill.cli.main import app
from gristmill.runtime.engine.worker import Limits
from gristmill.syntax.inference import How

GOOD = "import os\n\n\ndef area(w, h):\n    return w * h\n"
HANGS = '"' * 400_000  # its grammar takes minutes for it


@pytest.fixture(autouse=True)
def _limits_are_for_the_file_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """The checker is forked: what libraries of other tests hold here would count against it."""
    held = int(Path("/proc/self/statm").read_text().split()[5]) * mmap.PAGESIZE
    most = Limits().memory_bytes + held
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)

    def limit_memory() -> None:
        resource.setrlimit(resource.RLIMIT_DATA, (most, hard))

    monkeypatch.setattr(syntax_check, "_limit_memory", limit_memory)


def check(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["syntax", "check", *map(str, arguments)])


def told(*arguments: str | Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in check(*arguments, "--json").stdout.splitlines()]


def write(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def test_a_sound_file_is_shown_with_who_ruled_and_its_features(tmp_path: Path) -> None:
    path = write(tmp_path / "area.py", GOOD)
    result = check(path)
    assert result.exit_code == 0
    assert "ok  Python (by its name)" in result.stdout
    assert "checked by cpython-ast-" in result.stdout
    assert "functions 1" in result.stdout
    (found,) = told(path)
    assert (found["ok"], found["language"], found["fault"]) == (True, "Python", None)
    features = found["features"]
    assert isinstance(features, dict)
    assert (features["num_functions"], features["imports"]) == (1, ["os"])


def test_a_caret_stands_under_the_first_error(tmp_path: Path) -> None:
    path = write(tmp_path / "a.go", "package a\n\nfunc f() {\n\tg(1, ]]], 2)\n}\n")
    result = check(path)
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    shown = next(number for number, line in enumerate(lines) if "g(1" in line)
    assert lines[shown + 1].index("^") == lines[shown].index("]]]")
    assert "0.00% allowed" in result.stdout
    (found,) = told(path)
    assert (found["ok"], found["reason"]) == (False, "syntax_errors")
    assert found["fault"] == {"line": 4, "column": 7, "message": "unexpected ]]],"}


def test_each_file_has_its_answer_whatever_is_beside_it(tmp_path: Path) -> None:
    files = [
        write(tmp_path / "image", b"\x89PNG\0\0"),
        write(tmp_path / "no-such.ending", "]]]"),
        write(tmp_path / "a.cob", "]]]"),
        write(tmp_path / "area.py", GOOD),
    ]
    found = told(*files)
    assert [one["reason"] for one in found] == ["binary", "unknown_language", None, None]
    assert found[2]["checker"] == "unchecked"


def test_a_file_that_hangs_its_grammar_costs_itself_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gristmill.cli.syntax_check.Limits", lambda: Limits(cpu_seconds=0.3))
    files = [write(tmp_path / "a.fs", HANGS), write(tmp_path / "area.py", GOOD)]
    found, beside = told(*files)
    assert (found["reason"], beside["reason"]) == ("parser_limit", None)
    assert (found["language"], found["how"]) == ("F#", "usual")
    assert (found["checker"], found["size_bytes"]) == ("tree-sitter:fsharp", len(HANGS))
    shown = check(*files).stdout
    assert "parser_limit  F# (as usual for its ending)" in shown
    assert "that one document may use, in tree-sitter:fsharp" in shown


def test_what_is_not_checked_or_known_is_shown_with_what_a_reader_can_do(tmp_path: Path) -> None:
    shown = check(write(tmp_path / "a.cob", "]]]"), write(tmp_path / "b.zzz", "]]]")).stdout
    assert "not checked: its grammar never returns on some short texts" in shown
    assert "if it is in one: --language NAME" in shown


def test_syntax_newer_than_the_interpreter_s_is_said_to_be(tmp_path: Path) -> None:
    shown = check(write(tmp_path / "a.py", "lazy import json\n")).stdout
    assert "+newer, in syntax newer than that" in shown


def test_every_way_to_know_a_language_has_its_words(tmp_path: Path) -> None:
    ways = {how.value for how in How if how is not How.NOTHING} | {"told"}
    assert set(syntax_check._KNOWN) == ways
    shown = check(write(tmp_path / "run", "#!/bin/sh\necho a\n")).stdout
    assert "Shell (by its first line)" in shown


def test_a_language_may_be_told(tmp_path: Path) -> None:
    path = write(tmp_path / "area.txt", GOOD)
    (found,) = told(path, "--language", "python")
    assert (found["language"], found["how"], found["ok"]) == ("Python", "told", True)
    assert "Python (as --language says)" in check(path, "--language", "python").stdout


def test_what_steers_a_terminal_is_shown_and_not_sent(tmp_path: Path) -> None:
    path = write(tmp_path / "a.py", "x = \x1b[31m)\n")
    assert "\x1b" not in check(path).stdout


def test_a_language_that_is_not_known_is_bad_input(tmp_path: Path) -> None:
    result = check(write(tmp_path / "a.py", GOOD), "--language", "nope")
    assert "'nope'; docs/syntax.md lists them" in str(result.exception)


def test_a_file_that_is_missing_or_empty_is_told_and_the_others_are_looked_at(
    tmp_path: Path,
) -> None:
    empty, good = write(tmp_path / "empty.py", " \n"), write(tmp_path / "a.py", GOOD)
    result = check(tmp_path / "missing.py", empty, good, "--json")
    told = [json.loads(line) for line in result.stdout.splitlines()]
    assert [one["reason"] for one in told] == ["unreadable", "empty", None]
    assert result.exit_code == 1


def test_features_of_a_long_file_are_said_to_be_of_its_beginning(tmp_path: Path) -> None:
    path = write(tmp_path / "a.py", "def f(x):\n    return x + 1\n\n\n" * 1000)
    assert "features of the first 8 KiB" in check(path).stdout
    told = json.loads(check(path, "--json").stdout)
    assert told["size_bytes"] == 29_000
    assert (told["error_share"], told["budget"]) == (None, None)  # its own parser ruled


@pytest.mark.parametrize(
    ("name", "text", "line"),
    [("a.py", "x = 1\ry = (\rz = 2\r", "y = ("), ("a.xml", "<a>\r<b>\r</a>", "</a>")],
)
def test_a_bare_return_ends_a_line_too(tmp_path: Path, name: str, text: str, line: str) -> None:
    files = [write(tmp_path / name, text), write(tmp_path / "area.py", GOOD)]
    assert [one["ok"] for one in told(*files)] == [False, True]
    assert f"    {line}\n" in check(files[0]).stdout


def test_the_caret_stands_right_behind_wide_characters(tmp_path: Path) -> None:
    lines = check(write(tmp_path / "a.py", 'x = "中文中" + ) 1\n')).stdout.splitlines()
    shown = next(number for number, line in enumerate(lines) if "中文中" in line)
    assert lines[shown + 1].index("^") == lines[shown].index(")") + 3


def test_a_file_that_a_run_would_not_read_is_told_so(tmp_path: Path) -> None:
    (found,) = told(write(tmp_path / "a.py", "x = 1\n" * 200_000))
    assert (found["ok"], found["reason"]) == (False, "too_large")


def test_the_caret_passes_over_what_a_macro_excuses_in_c(tmp_path: Path) -> None:
    text = (
        "void each(struct list *l)\n{\n    int x;\n    FOREACH(x, l) {\n        use(x);\n    }\n}\n"
        "\nint id(int a)\n{\n    return a;\n}\n\nint wrong(int a)\n{\n    return a +;\n}\n"
    )
    (found,) = told(write(tmp_path / "a.c", text))
    assert not found["ok"]
    assert found["fault"]["line"] == 16
    (found,) = told(write(tmp_path / "b.c", text.replace("a +;", "a;")))
    assert found["ok"]
    assert found["fault"] is None


def test_the_settings_of_the_syntax_stage_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, wrong = (
        write(tmp_path / "old.py", "print 'a'\n"),
        write(tmp_path / "a.go", "package a b\n"),
    )
    unknown = write(tmp_path / "b.zzz", "]]]")
    reasons = [one["reason"] for one in told(old, wrong, unknown)]
    assert reasons == [None, "syntax_errors", "unknown_language"]
    monkeypatch.setenv("GRISTMILL_SYNTAX_DROP_PYTHON_2", "true")
    monkeypatch.setenv("GRISTMILL_SYNTAX_ERROR_BUDGET", "0.5")
    monkeypatch.setenv("GRISTMILL_SYNTAX_DROP_UNKNOWN", "false")
    reasons = [one["reason"] for one in told(old, wrong, unknown)]
    assert reasons == ["unwanted_dialect", None, None]
    shown = check(old, wrong, unknown).stdout
    assert "50.00% allowed" in shown
    assert "in no known language: it is kept unchecked" in shown


def test_settings_may_stand_in_a_file(tmp_path: Path) -> None:
    old = write(tmp_path / "old.py", "print 'a'\n")
    config = write(tmp_path / "g.toml", "[syntax]\ndrop_python_2 = true\n")
    (found,) = told(old, "--config", config)
    assert (found["ok"], found["reason"]) == (False, "unwanted_dialect")
