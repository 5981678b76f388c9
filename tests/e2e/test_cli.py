"""What a person meets at the command line: help, answers, exit codes, one line for an error."""

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from gristmill import __version__
from gristmill.runtime.adapters.run_directory import SCHEMA_VERSION


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A little project with one file for each thing that `why` explains."""
    root = tmp_path_factory.mktemp("sources") / "project"
    (root / "lib").mkdir(parents=True)
    (root / "lib" / "good.py").write_text("def good():\n    return 1\n")
    (root / "lib" / "same.py").write_text("def good():\n    return 1\n")
    (root / "broken.c").write_text("int main( { return ;;;; (((\n" * 9)
    (root / "yarn.lock").write_text("# a lock file\n")
    (root / "evil \x1b[31m.py").write_text("# \x1b[31m\nx = 1\n")
    return root


@pytest.fixture(scope="module")
def finished(mill: Any, small: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("out") / "out"
    mill.run(small, "--out", out, "--workers", "1")
    return out


def test_version_and_help(mill: Any) -> None:
    assert mill("--version").out == f"gristmill {__version__}\n"
    for command in (
        ("run",), ("why",), ("tables",), ("diff",), ("upgrade",), ("config", "show"),
        ("measure", "dedup"), ("dedup", "rebuild"),
    ):  # fmt: skip
        helped = mill(*command, "--help")
        assert helped.code == 0
        assert "Example: " in helped.out, command


def test_run_tells_one_json_object_last(mill: Any, small: Path, tmp_path: Path) -> None:
    told = mill.run(small, "--out", tmp_path / "out")
    assert told["documents"] == 5
    assert told["dropped"] == {"exact_duplicate": 1, "lock_file": 1, "syntax_errors": 1}
    assert told["by_language"]["Python"] == {"documents": 3, "kept": 2}
    assert set(told) == {
        "absent_blobs", "documents", "bytes", "kept", "accepted", "below_cut", "dropped", "dead",
        "quarantined", "by_language", "tokens", "seconds", "tables", "new",
    }  # fmt: skip
    assert set(told["tables"]["files"]) == {"rows", "snapshot"}


def test_run_draws_the_funnel_for_people(mill: Any, small: Path, tmp_path: Path) -> None:
    shown = mill("run", small, "--out", tmp_path / "out")
    assert shown.code == 0
    assert "5 documents" in shown.out
    assert "exact_duplicate" in shown.out
    assert "byte for byte the same as a document that was kept" in shown.out


def test_why_names_the_document_that_was_kept(mill: Any, finished: Path) -> None:
    (document,) = mill("why", finished, "--path", "lib/same.py", "--json").told["documents"]
    assert (document["status"], document["reason"]) == ("dropped", "exact_duplicate")
    decision = document["decisions"][-1]
    assert decision["matched"]["path"] == "lib/good.py"
    assert decision["similarity"] == 1.0
    assert [one["stage"] for one in document["decisions"]] == ["ingestion", "syntax", "dedup"]
    assert "the one kept is project lib/good.py" in mill("why", finished, "--path", "same.py").out


def test_why_answers_by_id_by_repository_and_by_absolute_path(
    mill: Any, finished: Path, small: Path
) -> None:
    everything = mill("why", finished, "--repository", "project", "--json").told["documents"]
    assert len(everything) == 5
    one = everything[0]
    (same,) = mill("why", finished, "--id", one["document_id"], "--json").told["documents"]
    assert same == one
    found = mill("why", finished, "--path", small / "broken.c", "--json").told["documents"]
    assert [document["reason"] for document in found] == ["syntax_errors"]


def test_why_for_something_unknown_is_one_line_and_exit_2(mill: Any, finished: Path) -> None:
    for question in (("--path", "nowhere.py"), ("--id", "00ff"), ("--repository", "nobody/none")):
        answer = mill("why", finished, *question)
        assert answer.code == 2
        assert answer.err.count("\n") == 1
        assert "Traceback" not in answer.err


def test_names_cannot_steer_the_terminal(mill: Any, finished: Path) -> None:
    assert "\x1b[31m" not in mill("why", finished, "--repository", "project").out


def test_tables_shows_rows_and_positions(mill: Any, finished: Path) -> None:
    told = mill("tables", finished, "--json").told
    assert told["files"]["rows"] == 2
    assert told["ledger"]["rows"] == 5 + 4 + 3 + 2 + 2
    assert told["files"]["positions"] == told["ledger"]["positions"] != {}


def test_a_foreign_directory_is_refused(mill: Any, small: Path, tmp_path: Path) -> None:
    for command in (("why", small, "--path", "x"), ("tables", small), ("diff", small, small)):
        refused = mill(*command)
        assert refused.code == 2
        assert "is not the output of a gristmill run" in refused.err
    refused = mill("run", small, "--out", small)
    assert refused.code == 2
    assert sorted(path.name for path in small.iterdir()) == sorted(
        ["lib", "broken.c", "yarn.lock", "evil \x1b[31m.py"]
    )


def test_another_schema_version_names_upgrade(mill: Any, tmp_path: Path) -> None:
    (tmp_path / "gristmill.json").write_text('{"schema": 99}')
    refused = mill("tables", tmp_path)
    assert refused.code == 2
    assert f"gristmill upgrade {tmp_path}" in refused.err
    assert mill("upgrade", tmp_path).code == 2


def test_a_missing_source_is_refused_before_anything_is_written(
    mill: Any, small: Path, tmp_path: Path
) -> None:
    refused = mill("run", small, tmp_path / "missing", "--out", tmp_path / "out")
    assert refused.code == 2
    assert refused.err.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_usage_errors_are_exit_2(mill: Any, small: Path, tmp_path: Path) -> None:
    assert mill("run", small).code == 2
    assert mill("run", small, "--out", tmp_path / "out", "--route", "scenic").code == 2
    assert mill("nothing-like-this").code == 2
    assert mill("why", tmp_path).code == 2


def test_a_limit_stops_and_a_later_run_goes_on(mill: Any, small: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert mill.run(small, "--out", out, "--limit", "2")["documents"] == 2
    assert mill.run(small, "--out", out, "--limit", "2")["new"] == 0
    assert mill.run(small, "--out", out, "--limit", "4")["documents"] == 4
    whole = mill.run(small, "--out", out)
    assert whole["documents"] == 5
    assert whole["kept"] == whole["tables"]["files"]["rows"] == 2


def test_several_sources_are_one_corpus(mill: Any, small: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "copy.py").write_text("def good():\n    return 1\n")
    told = mill.run(small, other, small, "--out", tmp_path / "out")
    assert told["documents"] == 6
    assert told["dropped"]["exact_duplicate"] == 2


def test_a_mended_rule_brings_back_what_it_dropped(mill: Any, small: Path, tmp_path: Path) -> None:
    out, config = tmp_path / "out", tmp_path / "config.toml"
    config.write_text("[syntax]\nerror_budget = 1.0\n")
    before = mill.run(small, "--out", out)
    mended = mill("run", small, "--out", out, "--config", config, "--json")
    assert "settings have changed" in mended.err
    assert mended.told["new"] == 1
    assert mended.told["dropped"]["resubmitted"] == before["kept"]


def test_diff_says_what_a_changed_setting_keeps(
    mill: Any, small: Path, finished: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    mill.with_environment(GRISTMILL_SYNTAX_ERROR_BUDGET="1").run(small, "--out", out)
    told = mill("diff", finished, out, "--json").told
    (change,) = told["changes"]
    assert (change["before"], change["after"]) == ("syntax_errors", "kept")
    assert (change["documents"], change["by_language"]) == (1, {"C": 1})
    assert change["samples"][0]["path"] == "broken.c"
    assert "syntax_errors -> kept" in mill("diff", finished, out).out
    assert "same fate" in mill("diff", finished, finished).out


def test_config_show_says_where_a_value_came_from(mill: Any, tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text("[ingestion]\nmax_file_bytes = 10\ndrop_vendored = false\n")
    paced = mill.with_environment(GRISTMILL_INGESTION_MAX_FILE_BYTES="20")
    told = paced("config", "show", "--config", config, "--json").told
    assert told["ingestion"]["max_file_bytes"] == {
        "value": 20,
        "origin": "GRISTMILL_INGESTION_MAX_FILE_BYTES",
    }
    assert told["ingestion"]["drop_vendored"] == {"value": False, "origin": str(config)}
    assert told["syntax"]["drop_unknown"]["origin"] == "default"
    misspelt = mill.with_environment(GRISTMILL_INGESTION_MAX_FILES="1")("config", "show")
    assert misspelt.code == 2
    assert "GRISTMILL_INGESTION_MAX_FILES" in misspelt.err


def test_measure_dedup_counts_pairs_of_equal_files(mill: Any, tmp_path: Path) -> None:
    files = [("a", "x = 1\n"), ("b", "x = 1\n"), ("c", "y = 2\n")]
    lines = [json.dumps({"id": i, "content": c, "encoding": "utf-8"}) for i, c in files]
    (tmp_path / "files.jsonl").write_text("\n".join(lines))
    pairs = [{"a": "a", "b": "b", "jaccard5": 1.0}, {"a": "a", "b": "c", "jaccard5": 0.1}]
    (tmp_path / "similar_pairs.jsonl").write_text("\n".join(map(json.dumps, pairs)))
    told = mill("measure", "dedup", "--data", tmp_path, "--json").told
    assert told["pairs_equal_found"]["value"] == 1.0
    assert told["pairs_unequal_called_equal"]["numerator"] == 0
    assert told["run_copies_removed"]["n"] == 1
    assert set(told["pairs_equal_found"]) == {"value", "numerator", "n", "ci95"}
    assert mill("measure", "dedup", "--data", tmp_path / "missing").code == 2


def test_a_lost_index_is_refused_and_rebuilt_from_the_tables(
    mill: Any, small: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    before = mill.run(small, "--out", out)
    (out / "index" / "data.mdb").unlink()
    (small / "z.py").write_text("z = 1\n")
    try:
        refused = mill("run", small, "--out", out)
        assert refused.code == 2
        assert f"gristmill dedup rebuild {out}" in refused.err
        rebuilt = mill("dedup", "rebuild", out, "--json").told
        assert rebuilt == {"directory": str(out), "documents": before["kept"]}
        assert mill("upgrade", out, "--json").told["schema"] == SCHEMA_VERSION
        after = mill.run(small, "--out", out)
    finally:
        (small / "z.py").unlink()
    assert after["new"] == 1
    assert after["dropped"]["resubmitted"] == before["kept"]


def test_one_directory_has_one_writer(mill: Any, small: Path, tmp_path: Path) -> None:
    import fcntl

    out = tmp_path / "out"
    mill.run(small, "--out", out)
    with (out / "lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        refused = mill("run", small, "--out", out)
    assert refused.code == 2
    assert "another run is writing" in refused.err


def test_the_catalog_is_plain_sqlite(finished: Path) -> None:
    with sqlite3.connect(finished / "catalog.db") as catalog:
        names = {name for (name,) in catalog.execute("select table_name from iceberg_tables")}
    assert {"files", "ledger", "takedowns"} <= names
