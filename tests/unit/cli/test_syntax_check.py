"""`gristmill syntax check` on files of every kind, hostile ones among them."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from gristmill.cli.main import app
from gristmill.runtime.engine.worker import Limits

GOOD = "import os\n\n\ndef area(w, h):\n    return w * h\n"
HANGS = '"' * 400_000  # its grammar takes minutes for it


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
    assert "ok  Python (by name)" in result.stdout
    assert "ruled by cpython-ast-" in result.stdout
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
    assert [one["reason"] for one in told(*files)] == ["parser_limit", None]


def test_a_language_may_be_told(tmp_path: Path) -> None:
    path = write(tmp_path / "area.txt", GOOD)
    (found,) = told(path, "--language", "python")
    assert (found["language"], found["how"], found["ok"]) == ("Python", "as told", True)


def test_what_steers_a_terminal_is_shown_and_not_sent(tmp_path: Path) -> None:
    path = write(tmp_path / "a.py", "x = \x1b[31m)\n")
    assert "\x1b" not in check(path).stdout


@pytest.mark.parametrize("arguments", [["nope.py"], ["a.py", "--language", "nope"]])
def test_what_cannot_be_looked_at_is_bad_input(tmp_path: Path, arguments: list[str]) -> None:
    write(tmp_path / "a.py", GOOD)
    result = check(*[tmp_path / arguments[0], *arguments[1:]])
    assert "nope" in str(result.exception)


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


def test_a_fault_in_c_is_told_as_the_text_stands(tmp_path: Path) -> None:
    shown = check(write(tmp_path / "a.c", "API int f(void) NOTHROW;\nint g() { return +; }\n"))
    assert "a macro may excuse it" in shown.stdout
