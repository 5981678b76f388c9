"""A source's tokens before any run: archives too, the same at every look, what is no text apart."""

import tarfile
from pathlib import Path

import pytest

from gristmill.cli.plan_tokens import plan_tokens
from gristmill.ingestion.settings import IngestionSettings
from gristmill.runtime.adapters.archives import ArchiveLimits
from gristmill.runtime.adapters.listing import LocalSource, Selection
from gristmill.runtime.adapters.tokenizer import load_tokenizer
from gristmill.runtime.model import BadInput

SETTINGS = IngestionSettings()
LIMITS = ArchiveLimits(
    max_member_bytes=SETTINGS.max_file_bytes, max_ratio=100, free_bytes=10**9, free_members=10**6
)


def listed(path: Path) -> LocalSource:
    selection = Selection(include=(), exclude=(), open_archives=True)
    return LocalSource(str(path), selection=selection, limits=LIMITS, rules=())


def text(number: int) -> str:
    return f"def f_{number}(value):\n    return value + {number}\n" * (1 + number % 7)


@pytest.fixture
def sources(tmp_path: Path) -> list[LocalSource]:
    """300 files, half of them in an archive, and what is no text."""
    folder, packed = tmp_path / "folder", tmp_path / "packed"
    for place in (folder, packed):
        place.mkdir()
    for number in range(300):
        ((folder, packed)[number % 2] / f"{number}.py").write_text(text(number))
    with tarfile.open(tmp_path / "packed.tar.gz", "w:gz") as archive:
        archive.add(packed, "packed")
    (folder / "empty.py").write_text("")
    (folder / "yarn.lock").write_text("a\n" * 1_000)
    (folder / "huge.txt").write_bytes(b"a" * (SETTINGS.max_file_bytes + 1))
    (folder / "numbers.bin").write_bytes(b"\0\1" * 40)
    return [listed(folder), listed(tmp_path / "packed.tar.gz")]


def test_the_estimate_is_near_and_what_is_no_text_has_no_part_in_it(
    sources: list[LocalSource],
) -> None:
    told = plan_tokens(sources, SETTINGS, None)
    truth = sum(load_tokenizer().count(text(number)) for number in range(300))
    assert told["ingested"]["estimate"] == pytest.approx(truth, rel=0.01)
    assert 0 < told["ingested"]["margin"] < truth / 100
    assert (told["documents"], told["no_text"], told["sampled"]) == (304, 2, 200)
    assert told["tokenizer"] == load_tokenizer().name
    assert set(told["by_language"]) == {"Python", "unknown"}


def test_the_same_in_any_order_and_at_every_look(sources: list[LocalSource]) -> None:
    told = plan_tokens(sources, SETTINGS, None)
    assert plan_tokens(sources, SETTINGS, None) == told
    assert plan_tokens(sources[::-1], SETTINGS, None) == told


def test_nothing_that_may_be_text(tmp_path: Path) -> None:
    (tmp_path / "yarn.lock").write_text("a\n")
    with pytest.raises(BadInput, match="no text"):
        plan_tokens([listed(tmp_path)], SETTINGS, None)
