"""The directory of a local run: what it accepts, who may write, what says that a run broke off."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import zstandard

from gristmill.runtime.adapters.run_directory import LOG, SCHEMA_VERSION, RunDirectory
from gristmill.runtime.model import BadInput


@pytest.fixture
def directory(tmp_path: Path) -> RunDirectory:
    return RunDirectory.create(str(tmp_path / "out"))


class Listed:
    """A source with a listing, which counts how often it was asked."""

    def __init__(self, *lines: str) -> None:
        self._lines = lines
        self.asked = 0

    def lines(self) -> Iterator[str]:
        self.asked += 1
        return iter(self._lines)


# --- what runs say of themselves ------------------------------------------------------------------


def test_runs_are_numbered_and_the_newest_come_first(directory: RunDirectory) -> None:
    assert (directory.new_run(), directory.num_runs, directory.load_runs(9)) == (1, 0, [])
    for number in range(1, 12):
        directory.save_run(directory.new_run(), {"ended": None})
        directory.save_run(number, {"ended": number})
    assert directory.new_run() == 12
    assert [one["ended"] for one in directory.load_runs(3)] == [11, 10, 9]
    assert directory.load_runs(1) == [{"ended": 11, "run": 11}]


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff"])
def test_a_damaged_record_of_a_run_is_passed_over(directory: RunDirectory, content: bytes) -> None:
    directory.save_run(1, {"ended": 1})
    (Path(directory.path) / "runs" / "2.json").write_bytes(content)
    (Path(directory.path) / "runs" / "note.txt").write_bytes(b"")
    assert directory.load_runs(5) == [{"ended": 1, "run": 1}]
    assert directory.new_run() == 3


# --- opening and making --------------------------------------------------------------------------


def test_a_missing_directory_is_made_with_its_parents(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b"
    made = RunDirectory.create(str(path))
    about = json.loads((path / "gristmill.json").read_text())
    assert about == {"schema": SCHEMA_VERSION, "home": os.path.realpath(path), "fed_by": "run"}
    assert made.path == str(path)
    assert made.index == str(path / "index")


def test_an_empty_directory_is_taken_over(tmp_path: Path) -> None:
    RunDirectory.create(str(tmp_path))
    assert {path.name for path in tmp_path.iterdir()} == {"gristmill.json", "making.lock"}


def test_making_again_opens_what_is_there(directory: RunDirectory) -> None:
    (Path(directory.path) / "catalog.db").touch()
    assert RunDirectory.create(directory.path).path == directory.path


@pytest.mark.parametrize("left", ["lock", "gristmill.json.new"])
def test_what_a_run_killed_at_its_start_left_is_no_hindrance(tmp_path: Path, left: str) -> None:
    (tmp_path / left).write_bytes(b"")
    RunDirectory.create(str(tmp_path))
    RunDirectory(str(tmp_path))


def test_a_foreign_directory_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("mine")
    for open_it in (RunDirectory, RunDirectory.create):
        with pytest.raises(BadInput, match="not the output of a gristmill run") as caught:
            open_it(str(tmp_path))
        assert str(tmp_path) in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_directory_that_is_missing_is_not_made_by_opening(tmp_path: Path) -> None:
    path = tmp_path / "out"
    with pytest.raises(BadInput, match="not the output"):
        RunDirectory(str(path))
    assert not path.exists()


@pytest.mark.parametrize("name", ["file", "file/below"])
def test_a_file_in_the_place_of_a_directory_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("mine")
    path = str(tmp_path / name)
    for open_it in (RunDirectory, RunDirectory.create):
        with pytest.raises(BadInput) as caught:
            open_it(path)
        assert path in str(caught.value)
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize("version", [SCHEMA_VERSION + 1, SCHEMA_VERSION - 1, "1", None])
def test_another_schema_version_names_the_command_that_helps(
    directory: RunDirectory, version: object
) -> None:
    about = Path(directory.path) / "gristmill.json"
    about.write_text(json.dumps({"schema": version}))
    for open_it in (RunDirectory, RunDirectory.create):
        with pytest.raises(BadInput, match=str(version)) as caught:
            open_it(directory.path)
        assert f"gristmill upgrade {directory.path}" in str(caught.value)


@pytest.mark.parametrize("text", ["", "{", "{}", "[]", "7", "null", '"schema"'])
def test_a_damaged_description_is_named(directory: RunDirectory, text: str) -> None:
    about = Path(directory.path) / "gristmill.json"
    about.write_text(text)
    with pytest.raises(BadInput, match=r"gristmill\.json cannot be read"):
        RunDirectory(directory.path)


# --- one writer ----------------------------------------------------------------------------------


def test_a_second_writer_is_refused_until_the_first_is_done(directory: RunDirectory) -> None:
    second = RunDirectory(directory.path)
    with directory.writing():
        for _ in range(2):
            with (
                pytest.raises(BadInput, match="another run is writing") as caught,
                second.writing(),
            ):
                pytest.fail("two writers at once")
            assert directory.path in str(caught.value)
    with second.writing():
        pass


def test_a_writer_that_fails_lets_the_next_one_in(directory: RunDirectory) -> None:
    with pytest.raises(RuntimeError), directory.writing():
        raise RuntimeError
    with directory.writing():
        pass


def test_the_lock_of_a_process_that_died_holds_nobody_up(directory: RunDirectory) -> None:
    program = (
        "import os, sys\n"
        "from gristmill.runtime.adapters.run_directory import RunDirectory\n"
        "with RunDirectory(sys.argv[1]).writing():\n"
        "    os._exit(7)\n"
    )
    child = subprocess.run([sys.executable, "-c", program, directory.path], check=False)
    assert child.returncode == 7
    with directory.writing():
        pass


# --- the mark of an unfinished run ---------------------------------------------------------------


def test_a_fresh_directory_is_not_unfinished(directory: RunDirectory) -> None:
    assert not directory.unfinished


def test_a_run_is_unfinished_until_it_ends_in_order(directory: RunDirectory) -> None:
    with directory.unfinished_until_done():
        assert RunDirectory(directory.path).unfinished
    assert not directory.unfinished


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_a_run_that_fails_stays_unfinished_until_one_succeeds(
    directory: RunDirectory, error: type[BaseException]
) -> None:
    with pytest.raises(error), directory.unfinished_until_done():
        raise error
    assert directory.unfinished
    with directory.unfinished_until_done():
        pass
    assert not directory.unfinished


# --- listings ------------------------------------------------------------------------------------


def test_a_listing_is_written_down_once(directory: RunDirectory) -> None:
    first, second = Listed("a 1", "ü 2"), Listed("other")
    directory.save_listing("abc", first)
    directory.save_listing("abc", second)
    stored = Path(directory.path) / "listings" / "abc.jsonl.zst"
    assert zstandard.decompress(stored.read_bytes()).decode() == "a 1\nü 2\n"
    assert (first.asked, second.asked) == (1, 0)
    assert [path.name for path in stored.parent.iterdir()] == ["abc.jsonl.zst"]


def test_a_directory_that_was_moved_or_copied_is_refused(tmp_path: Path) -> None:
    RunDirectory.create(str(tmp_path / "a"))
    shutil.copytree(tmp_path / "a", tmp_path / "copy")
    (tmp_path / "a").rename(tmp_path / "moved")
    for path in ("copy", "moved"):
        with pytest.raises(BadInput, match="moved or copied from"):
            RunDirectory(str(tmp_path / path))
    (tmp_path / "moved").rename(tmp_path / "a")
    (tmp_path / "link").symlink_to(tmp_path / "a")
    assert RunDirectory(str(tmp_path / "link")).path == str(tmp_path / "link")


def test_a_name_that_is_no_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="UTF-8"):
        RunDirectory.create(str(tmp_path / "o\udcff"))


def test_a_directory_of_runs_is_refused_to_the_log_and_the_other_way_round(tmp_path: Path) -> None:
    RunDirectory.create(str(tmp_path / "run"))
    RunDirectory.create(str(tmp_path / "log"), fed_by=LOG)
    with pytest.raises(BadInput, match="belongs to `gristmill run`"):
        RunDirectory.create(str(tmp_path / "run"), fed_by=LOG)
    with pytest.raises(BadInput, match="gristmill feed"):
        RunDirectory.create(str(tmp_path / "log"))


def test_a_directory_from_before_the_log_belongs_to_runs(tmp_path: Path) -> None:
    about = {"schema": SCHEMA_VERSION, "home": os.path.realpath(tmp_path)}
    (tmp_path / "gristmill.json").write_text(json.dumps(about))
    assert RunDirectory.create(str(tmp_path)).fed_by == "run"


def test_one_process_admits_at_a_time(tmp_path: Path) -> None:
    directory = RunDirectory.create(str(tmp_path))
    with directory.admitting(), pytest.raises(BadInput, match="another worker is admitting"):
        directory.admitting().__enter__()
