"""Tokens of real runs: the same for any number of workers, near the full count, with their name."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gristmill.cli.reading import open_tables, scan
from gristmill.runtime.adapters.tokenizer import load_tokenizer

Mill = Any  # see conftest


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory, mill: Mill, source: Path) -> tuple[Path, Any]:
    """A run by one worker, and what it told."""
    out = tmp_path_factory.mktemp("tokens") / "corpus"
    return out, mill.run(source, "--out", out, "--workers", "1")["tokens"]


def full_count(directory: Path) -> int:
    texts = scan(open_tables(str(directory)), "files", ["content"])["content"].to_pylist()
    return sum(map(load_tokenizer().count, texts))


def test_a_run_tells_tokens_within_their_margin(corpus: tuple[Path, Any]) -> None:
    out, told = corpus
    assert told["tokenizer"] == load_tokenizer().name
    assert told["sampled"] == min(200, told["documents"])
    assert abs(told["kept"]["estimate"] - full_count(out)) <= told["kept"]["margin"]
    assert told["accepted"] == told["kept"]
    stages = list(told["stages"].values())
    assert stages == sorted(stages, reverse=True)
    assert stages[-1] == told["kept"]["estimate"]


def test_other_workers_and_batches_give_the_same_tokens(
    corpus: tuple[Path, Any], mill: Mill, source: Path, tmp_path: Path
) -> None:
    other = mill.with_environment(GRISTMILL_RUN_BATCH_DOCUMENTS="7")
    assert other.run(source, "--out", tmp_path / "out", "--workers", "2")["tokens"] == corpus[1]


def test_funnel_and_report_show_them_with_the_tokenizer(
    corpus: tuple[Path, Any], mill: Mill, source: Path, tmp_path: Path
) -> None:
    out, told = corpus
    funnel = mill("run", source, "--out", out).out
    assert told["tokenizer"] in funnel
    assert "~ tokens" in funnel
    page = tmp_path / "report.html"
    assert mill("report", out, "-o", page, "--json").told["tokens"] == told
    assert f"by {told['tokenizer']}" in page.read_text()
    assert "Tokens kept" in page.read_text()


def test_a_plan_tells_what_ingestion_would_keep(
    corpus: tuple[Path, Any], mill: Mill, source: Path
) -> None:
    out, told = corpus
    plan = mill("plan", "tokens", source, "--like", out, "--json").told
    assert plan["tokenizer"] == told["tokenizer"]
    passed = told["stages"]["ingestion"]
    assert plan["ingested"]["estimate"] == pytest.approx(passed, rel=0.25)
    assert plan["like"]["kept"]["share"] == told["kept"]["estimate"] / passed
    assert plan == mill("plan", "tokens", source, "--like", out, "--json").told
    shown = mill("plan", "tokens", source).out
    assert told["tokenizer"] in shown
    assert "--like DIR" in shown


def test_texts_that_hold_a_tokenizer_up_or_speak_its_language_are_counted(
    mill: Mill, tmp_path: Path
) -> None:
    source, out = tmp_path / "source", tmp_path / "out"
    source.mkdir()
    (source / "special.py").write_text("x = '<|endoftext|>'\n" * 20)
    long = "".join(f"def {'a' * 60}_{n}(x):\n    return x + {n}\n" for n in range(3_000))
    (source / "letters.py").write_text(long)
    (source / "nothing.bin").write_bytes(b"\0" * 100)
    told = mill.run(source, "--out", out)["tokens"]
    assert told["documents"] == told["sampled"] == 2
    # The long ones are told by pieces of them: nearly the full count.
    assert told["kept"]["estimate"] == pytest.approx(full_count(out), rel=0.02)


def test_without_text_there_are_no_tokens(
    mill: Mill, tmp_path: Path, kept_ids: Callable[[Path], list[str]]
) -> None:
    source, out = tmp_path / "source", tmp_path / "out"
    source.mkdir()
    (source / "nothing.bin").write_bytes(b"\0" * 100)
    assert mill.run(source, "--out", out)["tokens"] is None
    assert kept_ids(out) == []
    assert mill("run", source, "--out", out).code == 0
    assert mill("report", out, "-o", tmp_path / "r.html", "--json").told["tokens"] is None
    assert mill("plan", "tokens", source, "--json").told["ingested"]["estimate"] == 0
    planned = mill("plan", "tokens", source, "--like", out)
    assert (planned.code, "nothing was kept" in planned.err) == (2, True)
    shutil.rmtree(source)
    assert mill("plan", "tokens", source).code == 2
    source.mkdir()
    planned = mill("plan", "tokens", source)
    assert (planned.code, "there is no text" in planned.err) == (2, True)
