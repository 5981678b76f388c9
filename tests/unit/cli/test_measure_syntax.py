"""`gristmill measure syntax` and `gristmill syntax calibrate` on a handful of labelled files."""

import base64
import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from gristmill.cli.measure_syntax import measure_syntax
from gristmill.cli.syntax_calibrate import calibrate_on
from gristmill.runtime.model import BadInput
from gristmill.syntax.budgets import TABLE
from gristmill.syntax.verdict import RULES

GOOD_GO = "package a\n\nfunc f() int {\n\treturn 1\n}\n"
BROKEN_GO = "package a\n\nfunc f() int {\n\treturn (1\n}\n"


def record(number: int, language: str, content: str, status: str = "", **more: Any) -> Any:
    syntax = {"status": status, **more.pop("syntax", {})} if status else None
    found = {"id": str(number), "language": language, "content": content, **more}
    return {**found, "syntax": syntax} if syntax else found


def lay_out(directory: Path, records: list[Any]) -> str:
    with gzip.open(directory / "files.jsonl.gz", "wt") as stream:
        stream.writelines(json.dumps(one) + "\n" for one in records)
    return str(directory)


def figures(directory: str) -> dict[str, tuple[int, int]]:
    measured = measure_syntax(directory).figures()
    return {name: (figure.numerator, figure.n) for name, figure in measured.items()}


def test_verdicts_are_held_against_labels(tmp_path: Path) -> None:
    data = lay_out(
        tmp_path,
        [
            record(1, "Go", GOOD_GO, "ok"),
            record(2, "Go", BROKEN_GO, "ok"),
            record(3, "Go", BROKEN_GO, "error"),
            record(4, "Go", GOOD_GO, "error"),
            record(5, "Python", "def f():\nreturn 1\n", "error"),
            record(6, "JSON", "[1]", "ok"),
        ],
    )
    found = figures(data)
    assert found["false_rejections"] == (1, 3)
    assert found["misses"] == (1, 3)
    assert found["misses_python"] == found["misses_Python"] == (0, 1)
    assert found["false_rejections_Go"] == (1, 2)
    assert found["misses_Go"] == (1, 2)
    assert [one["id"] for one in measure_syntax(data).as_json()["wrong"]] == ["2", "4"]


def test_what_has_no_verdict_of_its_own_counts_nowhere(tmp_path: Path) -> None:
    data = lay_out(
        tmp_path,
        [
            record(1, "Python", "print 'a'\n", "error", syntax={"dialect": "Python 2"}),
            record(2, "JSON", "[1e999]", "implementation-defined"),
            record(3, "Go", BROKEN_GO),
            record(4, "no such language", "(", "ok"),
            record(5, "Prolog", "(", "ok"),
        ],
    )
    assert set(figures(data).values()) == {(0, 0)}
    assert measure_syntax(data).as_json()["unchecked"] == {"Prolog": 1}


def test_a_dialect_of_json_is_no_miss_and_python_2_without_a_label_is_one(tmp_path: Path) -> None:
    commented = '{\n  // why\n  "a": 1\n}\n'
    data = lay_out(
        tmp_path,
        [record(1, "JSON", commented, "error"), record(2, "Python", "print 'a'\n", "error")],
    )
    found = figures(data)
    assert found["misses_JSON"] == (0, 1)
    assert found["misses_Python"] == (1, 1)


def test_pieces_of_programs_count_apart(tmp_path: Path) -> None:
    data = lay_out(tmp_path, [record(1, "Go", BROKEN_GO, "ok", fragment=True)])
    assert figures(data)["pieces_rejected"] == (1, 1)
    assert figures(data)["false_rejections"] == (0, 0)


def test_content_may_be_bytes(tmp_path: Path) -> None:
    packed = base64.b64encode(GOOD_GO.encode()).decode()
    data = lay_out(tmp_path, [record(1, "Go", packed, "ok", encoding="base64")])
    assert figures(data)["false_rejections_Go"] == (0, 1)


def test_a_record_that_is_no_file_is_named(tmp_path: Path) -> None:
    data = lay_out(tmp_path, [record(7, "Go", "a", "ok", encoding="base64")])
    with pytest.raises(BadInput, match="7"):
        measure_syntax(data)
    with pytest.raises(BadInput, match="not a directory"):
        measure_syntax(str(tmp_path / "nowhere"))


def test_budgets_come_from_labelled_files(tmp_path: Path) -> None:
    slightly = GOOD_GO * 20 + "\n" + "x" * 3 + " :=\n"
    data = lay_out(
        tmp_path,
        [record(n, "Go", f"// {n}\n{GOOD_GO}", "ok") for n in range(30)]
        + [record(100 + n, "Go", f"// {n}\n{slightly}", path=f"{n}/a.go") for n in range(10)]
        + [record(200, "Go", BROKEN_GO, "error")],
    )
    row = calibrate_on([data], most=100).languages["Go"]
    assert row.budget > 0.0
    assert (row.sound, row.rejected, row.broken) == (40, 0, 1)


def test_a_file_of_a_test_suite_is_trusted_only_with_a_label(tmp_path: Path) -> None:
    data = lay_out(
        tmp_path,
        [
            record(1, "Go", GOOD_GO, "ok", path="tests/a.go"),
            record(2, "Go", BROKEN_GO, path="tests/b.go"),
        ],
    )
    assert calibrate_on([data], most=100).languages["Go"].sound == 1


def test_budgets_come_from_files_as_they_lie(tmp_path: Path) -> None:
    for name in ("a.go", "b.go", "tests/broken.go", "deep/down/c.go", "d.go.in", "e.sql"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(BROKEN_GO if "broken" in name else f"// {name}\n{GOOD_GO}")
    table = calibrate_on([str(tmp_path)], most=100)
    assert (table.languages["Go"].sound, table.languages["Go"].budget) == (3, 0.0)
    assert table.languages.keys() == {"Go"}
    assert table.version == TABLE.version + 1
    assert calibrate_on([str(tmp_path)], most=10).languages["Go"].sound == 3
    assert calibrate_on([str(tmp_path)], most=2).languages["Go"].sound == 2


def test_one_folder_gives_a_fifth_of_the_files_at_most(tmp_path: Path) -> None:
    for number in range(12):
        name = f"{'a' if number < 10 else 'b'}/{number}.go"
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(f"// {name}\n{GOOD_GO}")
    assert calibrate_on([str(tmp_path)], most=20).languages["Go"].sound == 6


def test_the_same_text_counts_once(tmp_path: Path) -> None:
    (tmp_path / "a.go").write_text(GOOD_GO)
    (tmp_path / "b.go").write_text(GOOD_GO)
    assert calibrate_on([str(tmp_path)], most=100).languages["Go"].sound == 1


def test_the_table_says_what_it_was_measured_on(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.go").write_text(GOOD_GO)
    (tmp_path / "two" / "b.go").write_text(f"// é\n{GOOD_GO}")
    table = calibrate_on([str(tmp_path / "one"), str(tmp_path / "two")], most=100)
    one, two = table.sources
    assert (one.name, one.files, one.bytes) == ("one", 1, len(GOOD_GO))
    assert (two.name, two.files, two.bytes) == ("two", 1, len(GOOD_GO) + 6)
    assert one.digest != two.digest
    assert calibrate_on([str(tmp_path / "one")], most=9).sources == (one,)
    assert (table.most, table.rules) == (100, RULES)


def test_sound_files_are_damaged_once_each(tmp_path: Path) -> None:
    (tmp_path / "a.go").write_text(GOOD_GO)
    (tmp_path / "b.go").write_text(BROKEN_GO)
    row = calibrate_on([str(tmp_path)], most=100).languages["Go"]
    assert (row.sound, row.damaged, row.unnoticed) == (2, 1, 0)


def test_macros_of_c_leave_a_curve(tmp_path: Path) -> None:
    (tmp_path / "a.c").write_text("API int f(void) NOTHROW;\n")
    points = calibrate_on([str(tmp_path)], most=100).curve
    assert {point.language for point in points} == {"C"}
    assert points[0].damaged == 1
