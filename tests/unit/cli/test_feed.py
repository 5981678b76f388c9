"""Every source that a run takes can be fed: what is written names it, and holds what it gave."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from gristmill.cli import feed, mill
from gristmill.cli.sections import settings_sections
from gristmill.runtime.adapters import kafka_writer
from gristmill.runtime.adapters.plugins import load_plugins
from gristmill.runtime.adapters.settings import load_settings
from gristmill.runtime.model import BadInput, CrawlItem, Reason
from gristmill.runtime.ports import Message
from gristmill.runtime.testing.git import FILE, GitRepository
from gristmill.runtime.wire import decode_crawl_item


@pytest.fixture
def fed(monkeypatch: pytest.MonkeyPatch) -> list[CrawlItem]:
    """What was put on the topic, once `feed.command` was called."""
    items: list[CrawlItem] = []

    class Writer:
        def __init__(self, settings: Any) -> None: ...

        def write(self, batch: Sequence[Message]) -> None:
            items.extend(decode_crawl_item(message.value) for message in batch)

        def close(self) -> None: ...

    settings = load_settings(settings_sections(load_plugins()), environment={})
    monkeypatch.setattr(kafka_writer, "KafkaWriter", Writer)
    monkeypatch.setattr(mill, "find_mill", lambda directory: directory)
    monkeypatch.setattr(mill, "mill_settings", lambda directory: settings)
    return items


def test_a_git_repository_is_fed_with_its_revision(tmp_path: Path, fed: list[CrawlItem]) -> None:
    repository = GitRepository(str(tmp_path / "kettle.git"))
    blob = repository.blob(b"a = 1\n")
    commit = repository.commit(
        repository.tree([(b"a.py", FILE, blob), (b"gone.py", FILE, b"1" * 40)])
    )
    feed.command([repository.directory], as_json=True)
    good, gone = fed
    assert (good.origin.repository, good.origin.path) == ("kettle", "a.py")
    assert (good.origin.revision, good.content) == (commit.decode(), b"a = 1\n")
    assert gone.fault is Reason.UNREADABLE


def test_a_table_is_fed_row_by_row_with_what_is_known_of_its_repositories(
    tmp_path: Path, fed: list[CrawlItem], capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [{"t": "a = 1\n", "p": "a.py", "r": "one"}, {"t": "b = 1\n", "p": "b.py", "r": "two"}]
    (tmp_path / "t.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    known = {"repository": "one", "name": "example.org/a/one", "licence": "MIT"}
    (tmp_path / "metadata.jsonl").write_text(json.dumps(known))
    feed.command(
        [str(tmp_path / "t.jsonl")],
        mapping=["content=t,path=p", "repository=r"],
        metadata=str(tmp_path / "metadata.jsonl"),
    )
    assert [(item.origin.repository, item.origin.licence, item.content) for item in fed] == [
        ("example.org/a/one", "MIT", b"a = 1\n"),
        ("two", "", b"b = 1\n"),
    ]
    said = " ".join(capsys.readouterr().err.split())
    assert "of 2 repositories read, 1 have a line and 1 have none (two)" in said


def test_where_nothing_is_read_nothing_is_said_of_repositories(
    tmp_path: Path, fed: list[CrawlItem], capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "metadata.jsonl").write_text('{"repository": "one"}')
    feed.command([str(tmp_path / "empty")], metadata=str(tmp_path / "metadata.jsonl"))
    assert fed == []
    said = capsys.readouterr().err
    assert "metadata" not in said
    assert "\n\n" not in said


def test_a_work_tree_is_fed_at_head_when_asked(tmp_path: Path, fed: list[CrawlItem]) -> None:
    tree = GitRepository(str(tmp_path / "kettle"), bare=False)
    tree.commit_files({"a.py": b"a = 1\n"})
    feed.command([str(tmp_path / "kettle")], git_head=True)
    assert [item.origin.path for item in fed] == ["a.py"]


def test_wrong_columns_are_bad_input_before_anything_is_fed(
    tmp_path: Path, fed: list[CrawlItem]
) -> None:
    (tmp_path / "t.jsonl").write_text('{"t": "x"}\n')
    with pytest.raises(BadInput, match="has no column body; it has t"):
        feed.command([str(tmp_path / "t.jsonl")], mapping=["content=body"])
    assert fed == []
