"""Runs that are stopped at the worst moments: between two tables, and while nothing is read."""

import json
import os
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gristmill.cli.reading import open_tables, scan

_COMMAND = (sys.executable, "-m", "gristmill.cli.main")
# The real command line, which dies after the n-th commit to `files`, before the ledger's.
_DIES_IN_BETWEEN = """
import os, sys
from gristmill.cli.main import main
from gristmill.shards.writer import TableWriter

left = [int(sys.argv.pop(1))]
write_ledger = TableWriter._write_ledger

def die(self, batch, decided_at):
    left[0] -= 1
    if left[0] == 0:
        os._exit(9)
    write_ledger(self, batch, decided_at)

TableWriter._write_ledger = die
main()
"""


def gristmill(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*_COMMAND, *map(str, arguments)],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        check=False,
    )


def told(*arguments: str | Path) -> dict[str, Any]:
    done = gristmill(*arguments, "--json")
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


@pytest.fixture
def source(tmp_path: Path) -> Path:
    root = tmp_path / "source"
    root.mkdir()
    for number in range(300):
        (root / f"f{number:03}.py").write_text(f"x = {number}\n")
    return root


@pytest.fixture
def stopped(source: Path, tmp_path: Path) -> Callable[[int], Path]:
    """A run that died after its n-th commit to `files` and before that of the ledger."""

    def stop(commits: int) -> Path:
        out = tmp_path / "out"
        environment = {
            **os.environ,
            "GRISTMILL_RUN_BATCH_DOCUMENTS": "50",
            "GRISTMILL_RUN_COMMIT_BYTES": "50000",
        }
        command = (sys.executable, "-c", _DIES_IN_BETWEEN, str(commits), "run", str(source))
        done = subprocess.run(
            [*command, "--out", str(out)], env=environment, capture_output=True, check=False
        )
        assert done.returncode == 9, done.stderr
        return out

    return stop


def laws_hold(out: Path) -> None:
    """What `files` holds is what the ledger says was written, once each."""
    tables = open_tables(str(out))
    ids = scan(tables, "files", ["document_id"])["document_id"].to_pylist()
    ledger = scan(tables, "ledger", ["document_id", "stage", "outcome"]).to_pylist()
    written = [r["document_id"] for r in ledger if (r["stage"], r["outcome"]) == ("shards", "keep")]
    assert sorted(ids) == sorted(written)
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("commits", [1, 2])
def test_a_stop_between_the_tables_is_healed_though_the_source_has_changed(
    stopped: Callable[[int], Path], source: Path, commits: int
) -> None:
    out = stopped(commits)
    (source / "aaa_new.py").write_text("new = True\n")
    result = told("run", source, "--out", out)
    assert result["tables"]["files"]["rows"] == 301
    laws_hold(out)
    (document,) = told("why", out, "--path", "f000.py")["documents"][:1]
    assert document["status"] == "kept"


def test_a_rebuild_after_such_a_stop_knows_every_document(
    stopped: Callable[[int], Path], source: Path
) -> None:
    out = stopped(2)
    assert gristmill("dedup", "rebuild", out).returncode == 0
    result = told("run", source, "--out", out)
    assert result["tables"]["files"]["rows"] == 300
    laws_hold(out)
    assert told("run", source, "--out", out)["new"] == 0


def interrupted(
    source: Path, out: Path, *, after_seconds: float, within_seconds: float
) -> tuple[int, str]:
    """Interrupt a run, workers and all, once it has begun; return its exit code and stderr."""
    process = subprocess.Popen(
        [*_COMMAND, "run", str(source), "--out", str(out)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    while process.poll() is None and not (out / "unfinished").exists():
        time.sleep(0.01)
    time.sleep(after_seconds)
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=within_seconds)
    return process.returncode, errors


def test_a_run_that_reads_without_a_word_is_stopped_by_one_signal(tmp_path: Path) -> None:
    folder = tarfile.TarInfo("folder")
    folder.type = tarfile.DIRTYPE
    with (tmp_path / "silent.tar").open("wb") as archive:  # 200,000 folders, seconds to read
        for _ in range(200):
            archive.write(folder.tobuf() * 1000)
        archive.write(bytes(10240))
    code, errors = interrupted(
        tmp_path / "silent.tar", tmp_path / "out", after_seconds=0.3, within_seconds=20
    )
    assert code == 130
    assert "Traceback" not in errors


def test_a_signal_to_the_whole_group_while_workers_start_is_no_traceback(
    source: Path, tmp_path: Path
) -> None:
    code, errors = interrupted(source, tmp_path / "out", after_seconds=0.05, within_seconds=60)
    assert code in {130, 0}
    assert "Traceback" not in errors
    assert told("run", source, "--out", tmp_path / "out")["kept"] == 300
