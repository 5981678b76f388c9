"""Scores, cuts and exports: every reader counts the same documents."""

import ast
import json
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import datasets
import duckdb
import pytest

from gristmill.cli.reading import open_tables
from gristmill.runtime.adapters.cuts import add_cut
from gristmill.runtime.adapters.iceberg import IcebergTables, local_catalog
from gristmill.runtime.model.cut import Bar, Cut

Mill = Any  # see conftest
FIXTURE = Path(__file__).parents[1] / "golden" / "quality"


@pytest.fixture(scope="module")
def calibrated(
    tmp_path_factory: pytest.TempPathFactory, mill: Mill
) -> tuple[Path, dict[str, dict[str, Any]]]:
    """A run over files that people have labelled, and what was told of two cuts when made."""
    out = tmp_path_factory.mktemp("quality") / "corpus"
    mill.run(FIXTURE, "--out", out)
    told = [
        mill("quality", "calibrate", out, *arguments, "--json").told
        for arguments in (
            ["--drop", "0.3"],
            ["--drop", "0.6", "--by", "language", "--name", "strict"],
        )
    ]
    return out, {one["cut"]: one for one in told}


@pytest.fixture(scope="module")
def corpus(calibrated: tuple[Path, dict[str, dict[str, Any]]]) -> Path:
    """The directory of that run."""
    return calibrated[0]


def parquet_of(tables: IcebergTables, table: str) -> list[str]:
    """Return the data files of a table, for an engine that knows nothing of gristmill."""
    tasks = tables.load(table).scan().plan_files()
    return [task.file.file_path.removeprefix("file://") for task in tasks]


def counted_by_sql(tables: IcebergTables, cut: str) -> int:
    files, cuts = (parquet_of(tables, name) for name in ("files", "cuts"))
    counted = duckdb.sql(
        f"""
        WITH files AS (SELECT * FROM read_parquet({files})),
             cuts AS (SELECT * FROM read_parquet({cuts}) WHERE cut = '{cut}')
        SELECT count(*) FROM files
        LEFT JOIN cuts own ON own.language = files.language
        LEFT JOIN cuts rest ON rest.language IS NULL
        WHERE files.scorer = rest.scorer AND files.score >= coalesce(own.threshold, rest.threshold)
        """
    ).fetchall()
    return int(counted[0][0])


def test_every_kept_file_has_a_score_in_the_table_and_in_the_ledger(corpus: Path) -> None:
    tables = open_tables(str(corpus))
    files = {row["document_id"]: row for row in tables.load("files").scan().to_arrow().to_pylist()}
    ledger = tables.load("ledger").scan().to_arrow().to_pylist()
    decided = {row["document_id"]: row for row in ledger if row["stage"] == "quality"}
    assert files.keys() == decided.keys()
    assert len(files) >= 60
    for name, row in files.items():
        assert row["score"] == decided[name]["score"]
        assert row["scorer"] == "static-3"
        assert (row["zero_rule"] is not None) == (row["score"] == 0.0)
        assert 0.0 <= row["readability"] <= 10.0


@pytest.mark.parametrize("cut", ["cut-1", "strict"])
def test_all_readers_of_a_cut_count_the_same(
    calibrated: tuple[Path, dict[str, dict[str, Any]]], mill: Mill, tmp_path: Path, cut: str
) -> None:
    corpus, made = calibrated
    shown = mill("quality", "show", corpus, "--cut", cut, "--json").told
    exported = mill(
        "export", corpus, "--accepted", "--cut", cut, "--out", tmp_path / "out", "--json"
    ).told
    assert {**shown, "written": True} == made[cut]
    counted = counted_by_sql(open_tables(str(corpus)), cut)
    assert made[cut]["accepted"] == exported["written"] == counted
    assert shown["documents"] == exported["kept"]
    fallen = mill("drops", corpus, "--reason", "below_cut", "--cut", cut, "--json").told["count"]
    assert shown["below_cut"] == fallen == shown["documents"] - shown["accepted"]
    assert shown["unscored"] == 0
    assert 0 < shown["accepted"] < shown["documents"]


def test_the_benchmark_of_cuts_counts_what_sql_counts(tmp_path: Path) -> None:
    bench = Path(__file__).parents[2] / "benchmarks" / "cut_bench.py"
    arguments = ("--rows", "2000", "--out", str(tmp_path / "bench"), "--json")
    done = subprocess.run(
        [sys.executable, bench, *arguments], capture_output=True, text=True, check=True
    )
    told = json.loads(done.stdout)
    tables = IcebergTables(local_catalog(str(tmp_path / "bench")))
    assert told["rows"] == 2000
    assert [one["accepted"] for one in told["moved"]] == [
        counted_by_sql(tables, one["cut"]) for one in told["moved"]
    ]
    assert 0 < told["moved"][1]["accepted"] < told["moved"][0]["accepted"] < 2000


def test_why_and_the_report_say_what_the_newest_cut_accepts(
    corpus: Path, mill: Mill, tmp_path: Path
) -> None:
    accepted = mill("quality", "show", corpus, "--json").told["accepted"]
    documents = mill("why", corpus, "--repository", "quality", "--json").told["documents"]
    cuts = [document["cut"] for document in documents if document["status"] == "kept"]
    assert {cut["cut"] for cut in cuts} == {"strict"}
    assert sum(cut["accepted"] for cut in cuts) == accepted
    assert all(cut["accepted"] == (cut["score"] >= cut["threshold"]) for cut in cuts)
    assert "accepted: score" in mill("why", corpus, "--path", "good/lru-cache.js").out
    page = tmp_path / "report.html"
    assert mill("report", corpus, "-o", page).code == 0
    assert f"The newest cut accepts {accepted:,} of them." in page.read_text()


def test_why_says_the_score_and_what_it_is_made_of_without_a_cut(
    mill: Mill, tmp_path: Path
) -> None:
    mill.run(FIXTURE / "zero", FIXTURE / "poor", "--out", tmp_path / "corpus")
    (poor,) = mill("why", tmp_path / "corpus", "--path", "sync.go", "--json").told["documents"]
    assert poor["cut"] is None
    assert poor["quality"]["scorer"] == "static-3"
    parts = [poor["quality"][name] for name in ("readability", "clarity", "reusability")]
    parts.append(poor["quality"]["modularity"])
    score = (0.7 * sum(parts) / 4 + 0.3 * min(parts)) / 10
    assert poor["quality"]["score"] == pytest.approx(score, abs=1e-4)
    printed = mill("why", tmp_path / "corpus", "--path", "sync.go").out
    assert f"{poor['quality']['score']:.4f}, readability {parts[0]:.1f}, modularity" in printed
    zero = mill("why", tmp_path / "corpus", "--path", "catalogue.json").out
    assert "0.0000, 0 by the rule configuration, readability" in zero
    dropped = mill("why", tmp_path / "corpus", "--path", "telemetry.pb.go", "--json").told
    assert dropped["documents"][0]["quality"] is None


def test_the_funnel_counts_what_the_newest_cut_accepts(
    corpus: Path, mill: Mill, tmp_path: Path
) -> None:
    shown = mill("quality", "show", corpus, "--json").told
    told = mill.run(FIXTURE, "--out", corpus)
    assert told["kept"] == shown["documents"]
    assert (told["accepted"], told["below_cut"]) == (shown["accepted"], shown["below_cut"])
    part = mill.run(FIXTURE / "zero", "--out", corpus)  # another source: nothing in it is accepted
    assert part["kept"] == part["accepted"] == part["below_cut"] == 0
    printed = mill("run", FIXTURE, "--out", corpus).out
    assert f"accepted {shown['accepted']:,}" in printed
    assert re.search(rf"below_cut\W.*\b{shown['below_cut']:,}\b", printed)
    page = tmp_path / "report.html"
    mill("report", corpus, "-o", page)
    assert f"below_cut <b>{shown['below_cut']:,}</b>" in page.read_text()


def test_the_time_of_the_stage_is_counted_like_that_of_others(corpus: Path) -> None:
    told = json.loads((corpus / "runs" / "1.json").read_text())["steps"]
    steps = {step["step"]: step["cpu_seconds"] for step in told}
    assert list(steps) == ["reading", "ingestion", "syntax", "dedup", "quality", "shards"]
    assert steps["quality"] > 0


def test_the_newest_cut_is_used_unless_another_is_named(corpus: Path, mill: Mill) -> None:
    assert mill("quality", "show", corpus, "--json").told["cut"] == "strict"


def test_making_a_cut_rewrites_no_document(corpus: Path, mill: Mill) -> None:
    before = mill("tables", corpus, "--json").told["files"]
    told = mill("quality", "calibrate", corpus, "--drop", "0.5", "--dry-run", "--json").told
    assert told["written"] is False
    assert mill("tables", corpus, "--json").told["files"] == before
    assert {row["cut"] for row in open_tables(str(corpus)).read("cuts").to_pylist()} == {
        "cut-1",
        "strict",
    }


def test_a_name_is_given_once_and_an_unknown_one_is_refused(corpus: Path, mill: Mill) -> None:
    again = mill("quality", "calibrate", corpus, "--name", "strict")
    assert (again.code, "already" in again.err) == (2, True)
    unknown = mill("quality", "show", corpus, "--cut", "lost")
    assert (unknown.code, "there are cut-1, strict" in unknown.err) == (2, True)


def test_a_name_that_steers_a_terminal_is_refused_and_an_old_one_is_shown(
    corpus: Path, mill: Mill, tmp_path: Path
) -> None:
    refused = mill("quality", "calibrate", corpus, "--name", "e\x1b[31mx", "--dry-run")
    assert refused.code == 2
    assert "letters, digits" in refused.err
    assert "\x1b" not in refused.err
    named = tmp_path / "corpus"
    mill.run(FIXTURE / "good", "--out", named)
    cut = Cut(
        name="e\x1b[31mx",
        scorer="s\x1b[1m",
        made_at=datetime.now(UTC),
        bars={None: Bar(threshold=0.5)},
    )
    add_cut(open_tables(str(named)), cut)
    for command in (
        ("quality", "show", named),
        ("quality", "show", named, "--near-cut", "2"),
        ("why", named, "--path", "good/lru-cache.js"),
        ("export", named, "--accepted", "--out", tmp_path / "out"),
    ):
        done = mill(*command)
        assert done.code == 0
        assert r"e\x1b[31mx" in done.out + done.err
        assert "\x1b" not in done.out + done.err
    unknown = mill("quality", "show", named, "--cut", "lost")
    assert "\x1b" not in unknown.err


def test_documents_on_both_sides_of_the_cut_are_shown(corpus: Path, mill: Mill) -> None:
    told = mill("quality", "show", corpus, "--near-cut", "4", "--cut", "cut-1", "--json").told
    threshold = mill("quality", "show", corpus, "--cut", "cut-1", "--json").told["thresholds"][""]
    above, below = ([row["score"] for row in told[side]] for side in ("above", "below"))
    assert (len(above), len(below)) == (4, 4)
    assert sorted(above) == above
    assert min(above) >= threshold > max(below)
    assert sorted(below, reverse=True) == below
    shown = mill("quality", "show", corpus, "--near-cut", "4", "--cut", "cut-1").out
    assert shown.index(told["above"][0]["path"]) < shown.index("the cut")
    assert shown.index("the cut") < shown.index(told["below"][0]["path"])


def printed_by_code_of(page: str, corpus: Path, more: str = "") -> Any:
    """Run the code that a page shows for pyiceberg, beside a directory of the name it has there."""
    text = (Path(__file__).parents[2] / page).read_text()
    (code,) = (
        block.partition("```")[0]
        for block in text.split("```python\n")[1:]
        if "pyiceberg" in block.partition("```")[0]
    )
    done = subprocess.run(
        [sys.executable, "-c", code + more],
        cwd=corpus.parent,
        capture_output=True,
        text=True,
        check=True,
    )
    return ast.literal_eval(done.stdout)


def test_the_documentation_s_way_of_reading_counts_the_same(corpus: Path, mill: Mill) -> None:
    counted = sum(count for _, count in printed_by_code_of("docs/reading.md", corpus))
    assert counted == mill("quality", "show", corpus, "--json").told["accepted"]


def test_the_readme_s_way_of_reading_finds_the_files_of_a_language(
    corpus: Path, mill: Mill
) -> None:
    told = mill("quality", "show", corpus, "--json").told["languages"]
    found = printed_by_code_of("README.md", corpus, "print(files.num_rows)")
    assert found == told["Python"]["documents"] > 0


@pytest.mark.parametrize(("format_", "reader"), [("parquet", "parquet"), ("jsonl.zst", "json")])
def test_an_export_is_loaded_by_datasets(
    corpus: Path, mill: Mill, tmp_path: Path, format_: str, reader: str
) -> None:
    out = tmp_path / "out"
    told = mill("export", corpus, "--format", format_, "--out", out, "--json").told
    assert [one.name for one in out.iterdir()] == [f"part-00000.{format_}"]
    loaded = datasets.load_dataset(
        reader,
        data_files=[str(one) for one in out.iterdir()],
        split="train",
        cache_dir=str(tmp_path / "cache"),
    )
    rows = open_tables(str(corpus)).load("files").scan().to_arrow()
    assert loaded.num_rows == told["written"] == rows.num_rows
    by_id = {row["document_id"]: row["content"] for row in rows.to_pylist()}
    assert {row["document_id"]: row["content"] for row in loaded} == by_id


def test_an_export_never_writes_over_anything(corpus: Path, mill: Mill, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    refused = mill("export", corpus, "--out", tmp_path / "out")
    assert (refused.code, "is there already" in refused.err) == (2, True)
    assert mill("export", corpus, "--cut", "strict", "--out", tmp_path / "other").code == 2
    assert [one.name for one in tmp_path.iterdir()] == ["out"]


def test_other_weights_read_no_source_again(corpus: Path, mill: Mill) -> None:
    weighted = mill.with_environment(GRISTMILL_QUALITY_CLARITY="3")
    assert weighted.run(FIXTURE, "--out", corpus)["new"] == 0
