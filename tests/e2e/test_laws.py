"""The laws of a local run, on a small source, or with `--corpus DIR` on any.

What is kept depends on the source alone. Nothing is lost, nothing is doubled.
"""

import os
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from gristmill.cli.quality_cut import propose, scores_of
from gristmill.cli.reading import open_tables, scan
from gristmill.runtime.adapters.cuts import COLUMNS, accepted

KeptIds = Callable[[Path], list[str]]


def scored(directory: Path) -> list[tuple[Any, ...]]:
    """Return each kept file's id, scorer and score, and whether a cut of a third accepts it."""
    tables = open_tables(str(directory))
    files = scan(tables, "files", COLUMNS)
    cut = propose(scores_of(tables), name="cut", scorer=None, drop=0.3, by_language=True)
    taken = accepted(files, cut).to_pylist()
    assert 0 < sum(taken) < len(taken)
    columns = [files[name].to_pylist() for name in ("document_id", "scorer", "score")]
    return sorted(zip(*columns, taken, strict=True))


@pytest.fixture(scope="module")
def baseline(
    mill: Any, source: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, Any], float]:
    """One undisturbed run: where it is, what it told, and its wall seconds."""
    out = tmp_path_factory.mktemp("baseline") / "out"
    began = time.monotonic()
    told = mill.run(source, "--out", out, "--workers", "2")
    return out, told, time.monotonic() - began


def test_every_document_is_kept_dropped_or_dead(
    baseline: tuple[Path, dict[str, Any], float],
) -> None:
    _, told, _ = baseline
    assert told["documents"] == told["kept"] + sum(told["dropped"].values()) + told["dead"]
    assert told["kept"] == told["tables"]["files"]["rows"] == told["new"] == told["accepted"]
    assert told["documents"] == sum(c["documents"] for c in told["by_language"].values())
    assert told["kept"] == sum(c["kept"] for c in told["by_language"].values())


def test_every_stage_decides_what_the_stage_before_let_through(
    baseline: tuple[Path, dict[str, Any], float],
) -> None:
    out, told, _ = baseline
    ledger = scan(open_tables(str(out)), "ledger", ["stage", "outcome"]).to_pylist()
    counts = Counter((row["stage"], row["outcome"]) for row in ledger)
    arriving = told["documents"]
    for stage in ("ingestion", "syntax", "dedup", "quality", "shards"):
        decided = sum(count for (name, _), count in counts.items() if name == stage)
        assert decided == arriving, stage
        arriving = counts[stage, "keep"]
    assert arriving == told["kept"]


@pytest.mark.parametrize(
    ("workers", "batch"), [("1", "1000"), ("2", "100"), ("2", "2000"), ("4", "7")]
)
def test_workers_and_batches_do_not_change_what_is_kept(
    mill: Any,
    source: Path,
    baseline: tuple[Path, dict[str, Any], float],
    kept_ids: KeptIds,
    tmp_path: Path,
    workers: str,
    batch: str,
) -> None:
    paced = mill.with_environment(GRISTMILL_RUN_BATCH_DOCUMENTS=batch)
    told = paced.run(source, "--out", tmp_path / "out", "--workers", workers)
    assert kept_ids(tmp_path / "out") == kept_ids(baseline[0])
    assert scored(tmp_path / "out") == scored(baseline[0])
    assert told["dropped"] == baseline[1]["dropped"]
    shutil.rmtree(tmp_path / "out")


def test_three_kills_of_the_whole_tree_lose_and_double_nothing(
    mill: Any,
    source: Path,
    baseline: tuple[Path, dict[str, Any], float],
    kept_ids: KeptIds,
    moments: Callable[[int], Sequence[float]],
    tmp_path: Path,
) -> None:
    out, told, seconds = baseline
    # Small commits, so that a kill falls before, between and inside them.
    often = mill.with_environment(GRISTMILL_RUN_COMMIT_SECONDS=str(min(2.0, seconds / 20)))
    arguments = (source, "--workers", "2")
    working = told["seconds"]
    killed = [often.kill_run(working * share, tmp_path / "out", *arguments) for share in moments(3)]
    assert any(killed)
    print(f"killed {sum(killed)} of 3 runs")
    again = often.run(*arguments, "--out", tmp_path / "out")
    assert kept_ids(tmp_path / "out") == kept_ids(out)
    assert scored(tmp_path / "out") == scored(out)
    assert {name: again[name] for name in ("documents", "bytes", "kept", "dropped", "dead")} == {
        name: told[name] for name in ("documents", "bytes", "kept", "dropped", "dead")
    }
    _assert_no_data_file_is_left_over(tmp_path / "out")
    shutil.rmtree(tmp_path / "out")


def _assert_no_data_file_is_left_over(out: Path) -> None:
    tables = open_tables(str(out))
    for name in ("files", "ledger"):
        known = {task.file.file_path for task in tables.load(name).scan().plan_files()}
        found = {f"file://{path}" for path in (out / "warehouse").rglob(f"{name}/data/*.parquet")}
        assert found == known


def test_a_second_run_adds_nothing(
    mill: Any,
    source: Path,
    baseline: tuple[Path, dict[str, Any], float],
) -> None:
    out, told, _ = baseline
    again = mill.run(source, "--out", out)
    assert again["new"] == 0
    assert {**again, "new": 0, "seconds": 0} == {**told, "new": 0, "seconds": 0}


def test_a_file_added_at_the_front_adds_that_file_alone(
    mill: Any,
    source: Path,
    kept_ids: KeptIds,
    tmp_path: Path,
) -> None:
    out = tmp_path / "out"
    told = mill.run(source, "--out", out)
    before = kept_ids(out)
    front = source / "!first.py"
    front.write_text("FIRST = 'nothing else is like this'\n")
    try:
        again = mill.run(source, "--out", out)
    finally:
        front.unlink()
    assert again["new"] == 1
    assert again["dropped"]["resubmitted"] == told["kept"]
    assert len(kept_ids(out)) == len(before) + 1
    assert set(before) < set(kept_ids(out))


# --- in parts -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def parts(
    request: pytest.FixtureRequest, source: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[list[Path]]:
    """The source's files by sorted path, cut into directories of about as many bytes each."""
    root = tmp_path_factory.mktemp("parts")
    count = 10 if request.config.getoption("--corpus") else 2
    files = sorted(
        (os.path.relpath(found, source), found.stat().st_size)
        for found in source.rglob("*")
        if found.is_file() and not found.is_symlink()
    )
    before, total = 0, sum(size for _, size in files)
    for path, size in files:
        copy = root / f"part-{count * before // total}" / path
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source / path, copy)
        before += size
    made = sorted(root.iterdir())
    assert len(made) == count
    yield made
    shutil.rmtree(root)


@pytest.fixture(scope="module")
def parted(
    mill: Any, parts: list[Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Path, Path]]:
    """Where one run over all parts went, and where one after the other for each part went."""
    root = tmp_path_factory.mktemp("parted")
    whole, in_parts = root / "whole", root / "in-parts"
    told = mill.run(*parts, "--out", whole, "--workers", "2")
    seconds = [mill.run(part, "--out", in_parts, "--workers", "2")["seconds"] for part in parts]
    print(f"whole {told['seconds']} s, in parts {seconds} s, dropped {told['dropped']}")
    yield whole, in_parts
    shutil.rmtree(root)


def test_runs_over_parts_one_after_the_other_are_one_run_over_all(
    parted: tuple[Path, Path], kept_ids: KeptIds
) -> None:
    assert kept_ids(parted[1]) == kept_ids(parted[0])
    order = ("position_source", "position_offset", "stage", "document_id")
    columns = (*order, "outcome", "reason", "matched_id", "similarity", "version")
    ledgers = [
        scan(open_tables(str(out)), "ledger", columns).sort_by(
            [(name, "ascending") for name in order]
        )
        for out in parted
    ]
    assert ledgers[0].num_rows > 0
    assert ledgers[1].equals(ledgers[0])


def test_an_audit_finds_hardly_a_wrong_drop_or_a_missed_pair(
    mill: Any, parted: tuple[Path, Path]
) -> None:
    began = time.monotonic()
    audit = mill("dedup", "audit", parted[1], "--json")
    assert audit.code == 0, audit.err
    told = audit.told
    print(f"audited in {time.monotonic() - began:.1f} s: {told}")
    assert (told["exact_wrong"], told["unreadable"]) == (0, 0)
    assert sum(told["wrong_drops"].values()) <= 0.002 * told["near_drops"]
    for level, share in (("0.8", 0.015), ("0.9", 0.001)):
        pairs, missed = (told["levels"][level][name] for name in ("pairs", "missed"))
        # Of the few pairs of a small source one may be missed by chance.
        assert missed <= max(1, share * pairs), level
