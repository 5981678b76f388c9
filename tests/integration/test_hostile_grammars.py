"""Every grammar against files meant to cost it much: each is decided, none harms another."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from gristmill.cli.reading import open_tables, scan
from gristmill.runtime.testing.hostile import hostile_files

_GOOD = {f"good{number}.py": f"def part():\n    return {number}\n" for number in range(20)}
_SIZE_BYTES = 4 << 10


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int]:
    """Return the output of a run over all of them, and how many there are."""
    place = tmp_path_factory.mktemp("hostile")
    source = place / "source"
    source.mkdir()
    hostile = list(hostile_files(_SIZE_BYTES))
    for number, (path, content) in enumerate(hostile):
        place_of_it = source / f"{number:05d}-{path}"
        place_of_it.parent.mkdir()
        place_of_it.write_bytes(content)
    step = len(hostile) // len(_GOOD)
    for number, (name, text) in enumerate(_GOOD.items()):  # in between, wherever that is
        (source / f"{number * step:05d}-{name}").write_text(text)
    command = [sys.executable, "-m", "gristmill.cli.main", "run", str(source)]
    done = subprocess.run(
        [*command, "--out", str(place / "out"), "--json"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["dead"] == 0
    return place / "out", len(hostile) + len(_GOOD)


def test_every_file_is_decided_once(out: tuple[Path, int]) -> None:
    rows = scan(open_tables(str(out[0])), "ledger", ["stage", "path"]).to_pylist()
    first = [row["path"] for row in rows if row["stage"] == "ingestion"]
    assert len(first) == len(set(first)) == out[1]


def test_ordinary_files_among_them_are_kept(out: tuple[Path, int]) -> None:
    paths = scan(open_tables(str(out[0])), "files", ["path"])["path"].to_pylist()
    assert {path.partition("-")[2] for path in paths} >= _GOOD.keys()


def test_whose_parse_was_ended_has_its_grammar_on_record(out: tuple[Path, int]) -> None:
    columns = ["reason", "checker", "detail"]
    rows = scan(open_tables(str(out[0])), "ledger", columns).to_pylist()
    ended = [row for row in rows if row["reason"] == "parser_limit"]
    assert all((row["checker"] or "").startswith("tree-sitter:") for row in ended)
