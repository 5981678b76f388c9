"""Measuring languages: what counts for which figure, and how right and wrong are told."""

import base64
import gzip
import json
from pathlib import Path

import pytest

from gristmill.cli.measure_language import COMMON, measure_language
from gristmill.runtime.model import BadInput
from gristmill.runtime.model.languages import find_language

PYTHON = (
    "import os\n\n\ndef names(root):\n    for name in os.listdir(root):\n        yield name\n" * 3
)
PROSE = "This is a text that says nothing in any language of programs, and says it at length.\n" * 3


def record(language: str, path: str, content: str, **more: object) -> dict[str, object]:
    return {"language": language, "path": path, "content": content, "encoding": "utf-8", **more}


def lay_out(folder: Path, *records: dict[str, object]) -> str:
    lines = "".join(json.dumps(line) + "\n" for line in records)
    (folder / "files.jsonl.gz").write_bytes(gzip.compress(lines.encode()))
    return str(folder)


def test_the_thirty_are_thirty_of_the_89() -> None:
    assert len(COMMON) == 30
    languages = [find_language(name) for name in COMMON]
    assert all(language is not None and language.paper for language in languages)
    assert {language.name for language in languages if language is not None} == COMMON


def test_right_and_wrong_answers_are_told_by_language(tmp_path: Path) -> None:
    data = lay_out(
        tmp_path,
        record("Python", "a.py", PYTHON),
        record("Ruby", "b.py", PYTHON),
        record("Awk", "c.awk", "BEGIN { print 1 }\n"),
    )
    told = measure_language(data).as_json()
    assert (told["named_accuracy_89"]["numerator"], told["named_accuracy_89"]["n"]) == (2, 3)
    assert told["named_accuracy_89_mistaken"] == [{"truth": "Ruby", "answer": "Python", "n": 1}]
    assert told["named_accuracy_89_by_language"]["AWK"]["value"] == 1
    assert (told["content_accuracy_30"]["numerator"], told["content_accuracy_30"]["n"]) == (1, 2)
    assert told["content_accuracy_30_macro"] == 0.5
    assert set(told["content_accuracy_30_by_language"]) == {"Python", "Ruby"}


def test_content_alone_is_judged_without_the_path(tmp_path: Path) -> None:
    told = measure_language(lay_out(tmp_path, record("Python", "a.rb", PYTHON))).as_json()
    assert told["content_accuracy_30"]["value"] == 1
    assert told["named_accuracy_89"]["value"] == 0


def test_an_alias_is_the_language_and_a_part_is_the_whole(tmp_path: Path) -> None:
    data = lay_out(
        tmp_path,
        record("Wolfram Language", "a.wl", "f[x_] := x\n"),
        record("OCaml", "a.mli", "val f : int -> int\n"),
        record("F#", "a.fsi", "val f : int -> int\n"),
    )
    assert measure_language(data).named.figure().numerator == 3


@pytest.mark.parametrize(
    ("more", "named", "content"),
    [
        ({}, 1, 1),
        ({"set": "language-samples"}, 1, 1),
        ({"set": "history"}, 0, 1),
        ({"set": "grammar-examples"}, 0, 0),
        ({"set": "parse-suites", "fragment": True}, 0, 0),
    ],
)
def test_each_set_counts_where_its_labels_hold(
    tmp_path: Path, more: dict[str, object], named: int, content: int
) -> None:
    measured = measure_language(lay_out(tmp_path, record("Python", "a.py", PYTHON, **more)))
    assert (measured.named.figure().n, measured.content.figure().n) == (named, content)


def test_short_texts_and_foreign_languages_are_apart(tmp_path: Path) -> None:
    data = lay_out(
        tmp_path,
        record("JSON", "a.json", "[1, 2]"),
        record("Python", "a.py", PYTHON),
        record("No Such", "README", PROSE),
    )
    figures = measure_language(data).figures()
    assert {name: figure.n for name, figure in figures.items()} == {
        "named_accuracy_89": 2,
        "content_accuracy_30": 1,
        "content_accuracy_30_short": 1,
        "content_accuracy_30_all": 2,
        "foreign_left_unknown": 1,
    }
    assert figures["foreign_left_unknown"].numerator == 1


def test_bytes_that_are_no_text_are_judged_all_the_same(tmp_path: Path) -> None:
    content = base64.b64encode(b"# \xff\xfe\x00\n" + PYTHON.encode()).decode()
    odd = {"language": "Python", "path": "a.py", "content": content, "encoding": "base64"}
    measured = measure_language(lay_out(tmp_path, odd, {"id": "no file"}))
    assert measured.named.figure().n == measured.content.figure().n == 1


def test_a_directory_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="not a directory"):
        measure_language(str(tmp_path / "nowhere"))


def test_a_content_that_is_none_is_refused(tmp_path: Path) -> None:
    broken = {"language": "Python", "path": "a.py", "content": "%", "encoding": "base64"}
    with pytest.raises(BadInput, match="not a file"):
        measure_language(lay_out(tmp_path, {**broken, "content": 1}))
