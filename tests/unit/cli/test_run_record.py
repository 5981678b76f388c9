"""What a run leaves behind about itself: what it was told, and what it took."""

import json
from pathlib import Path
from typing import Any

import pytest

from gristmill.cli.run_record import RunRecord, recorded
from gristmill.runtime.adapters.run_directory import RunDirectory
from gristmill.runtime.adapters.settings import Setting
from gristmill.runtime.engine.runner import RunReport, Spent
from gristmill.runtime.ports import Listing


@pytest.fixture
def directory(tmp_path: Path) -> RunDirectory:
    return RunDirectory.create(str(tmp_path / "out"))


@pytest.fixture
def record() -> RunRecord:
    return RunRecord(
        segments=(("ingestion", "syntax"), ("dedup",), ("quality",)),
        sink="shards",
        sources=[Listing(source="5f", name="src", total_bytes=1000, num_entries=10)],
        settings=[Setting("dedup", "threshold", 0.7, 0.8, "GRISTMILL_DEDUP_THRESHOLD", "")],
        settings_fingerprint="00ff",
        workers=2,
        limit=None,
        listing_seconds=0.25,
    )


def read(directory: RunDirectory) -> dict[str, Any]:
    about: dict[str, Any] = json.loads((Path(directory.path) / "runs" / "1.json").read_bytes())
    return about


def test_of_a_run_that_came_to_its_end(directory: RunDirectory, record: RunRecord) -> None:
    with recorded(directory, record):
        assert read(directory)["ended"] is None
        report = RunReport(documents=10, kept=7, dead=1, added=6)
        report.admission = Spent(wall_seconds=2.0, cpu_seconds=1.0)
        report.writing = Spent(wall_seconds=4.0, cpu_seconds=3.0)
        record.done(report, {(0, -1): 0.5, (0, 0): 1.5, (0, 1): 2.5, (1, 0): 3.5})
    about = read(directory)
    assert about["route"] == ["ingestion", "syntax", "dedup", "quality", "shards"]
    assert about["ended"] >= about["began"]
    assert about["wall_seconds"] >= 0
    assert set(about["cpu_seconds"]) == {"main", "workers"}
    assert (about["documents"], about["kept"], about["dead"], about["added"]) == (10, 7, 1, 6)
    steps = [(one["step"], one["cpu_seconds"], one["wall_seconds"]) for one in about["steps"]]
    assert steps == [
        ("reading", 0.5, None),
        ("ingestion", 1.5, None),
        ("syntax", 2.5, None),
        ("dedup", 1.0, 2.0),
        ("quality", 3.5, None),
        ("shards", 3.0, 4.0),
    ]
    assert about["sources"] == [{"id": "5f", "name": "src", "listed": 10, "bytes": 1000}]
    (setting,) = about["settings"]
    assert (setting["value"], setting["default"]) == ("0.7", "0.8")
    assert {"gristmill", "python", "numpy", "tree-sitter-language-pack"} <= set(about["versions"])


def test_of_one_that_broke_off_the_beginning_stays(
    directory: RunDirectory, record: RunRecord
) -> None:
    with pytest.raises(ValueError, match="broken"), recorded(directory, record):
        raise ValueError("broken")
    about = read(directory)
    assert about["ended"] is None
    assert "steps" not in about
    assert about["settings"]
