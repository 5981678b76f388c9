"""A mill with several partitions a topic: order is lost between them, and nothing else."""

import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gristmill.cli.reading import open_tables, scan

SCRIPT = Path(__file__).resolve().parents[2] / "deploy" / "local" / "mill.py"
PACE = {"GRISTMILL_STREAM_COMMIT_SECONDS": "0.5", "GRISTMILL_STREAM_WORKERS": "1"}
_SECONDS = 180


def _script(command: str, home: Path, *more: str) -> None:
    done = subprocess.run(
        [sys.executable, str(SCRIPT), command, "--home", str(home), *more],
        env={**os.environ, **PACE},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def directories(
    mill: Any, source: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Path, Path]]:
    """What a run and what a mill of three partitions made of one source; the mill still runs."""
    root = tmp_path_factory.mktemp("partitions")
    mill.run(source, "--out", root / "run")
    home = root / "home"
    try:
        _script("up", home, "--partitions", "3")
        fed = mill("feed", source, "--mill", home, "--json")
        assert fed.code == 0, fed.err
        deadline = time.monotonic() + _SECONDS
        while (told := mill("status", "--mill", home, "--json").told)["lag"]:
            assert time.monotonic() < deadline, told
        yield root / "run", home / "tables"
    finally:
        _script("down", home)


def _decided(directory: Path) -> list[dict[str, Any]]:
    columns = ("document_id", "content_sha256", "stage", "outcome", "reason", "position_source")
    return scan(open_tables(str(directory)), "ledger", columns).to_pylist()


def test_the_records_were_spread_over_partitions(directories: tuple[Path, Path]) -> None:
    _, streamed = directories
    sources = {row["position_source"] for row in _decided(streamed)}
    assert {source.rpartition("/")[2] for source in sources} == {"0", "1", "2"}


def test_the_same_contents_survive_each_once(directories: tuple[Path, Path]) -> None:
    """Of equal documents one stays, whichever; what is nearly equal is the audit's business."""
    clusters = []
    for directory in directories:
        rows = [row for row in _decided(directory) if row["stage"] == "dedup"]
        kept = Counter(row["content_sha256"] for row in rows if row["outcome"] == "keep")
        assert kept
        assert set(kept.values()) == {1}, "one survivor of each cluster of equal documents"
        near = {row["content_sha256"] for row in rows if row["reason"] == "near_duplicate"}
        exact = {row["content_sha256"] for row in rows if row["reason"] == "exact_duplicate"}
        assert exact <= set(kept), "what falls as a copy has its content kept"
        clusters.append(set(kept) | near)
    assert clusters[0] == clusters[1]


def test_pure_stages_decide_as_in_a_run(directories: tuple[Path, Path]) -> None:
    decided = [
        Counter(
            (row["document_id"], row["stage"], row["outcome"], row["reason"])
            for row in _decided(directory)
            if row["stage"] in {"ingestion", "syntax"}
        )
        for directory in directories
    ]
    assert decided[0] == decided[1]


def test_the_audit_explains_what_is_nearly_equal(mill: Any, directories: tuple[Path, Path]) -> None:
    """Dropped texts are read again from the crawl topic: every verdict is looked at."""
    _, streamed = directories
    audit = mill("dedup", "audit", streamed, "--json")
    assert audit.code == 0, audit.err
    assert audit.told["unreadable"] == 0
    assert audit.told["near_drops"] > 0
    assert sum(audit.told["wrong_drops"].values()) == 0
    assert audit.told["exact_wrong"] == 0


def test_why_shows_the_difference_to_what_was_kept(
    mill: Any, directories: tuple[Path, Path]
) -> None:
    _, streamed = directories
    near = next(row for row in _decided(streamed) if row["reason"] == "near_duplicate")
    told = mill("why", streamed, "--id", near["document_id"])
    assert told.code == 0, told.err
    assert "--- kept: " in told.out
    assert "+++ dropped: " in told.out
