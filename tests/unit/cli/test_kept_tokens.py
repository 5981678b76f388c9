"""Tokens of a directory: the same however its tables were written, near to the full count."""

import hashlib
import random
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from gristmill.cli.kept_tokens import LEDGER_COLUMNS, tokens_in, tokens_of_directory
from gristmill.cli.reading import COUNTED, decisions
from gristmill.cli.tokens import Tokens
from gristmill.runtime.adapters.cuts import add_cut
from gristmill.runtime.adapters.iceberg import IcebergTables, local_catalog
from gristmill.runtime.adapters.iceberg_schemas import TABLES
from gristmill.runtime.adapters.run_directory import RunDirectory
from gristmill.runtime.adapters.tokenizer import load_tokenizer
from gristmill.runtime.model.cut import Bar, Cut
from gristmill.runtime.ports import Span

ROUTE = ("ingestion", "shards")
WORDS = ("return", "value", "self.", "= 1\n", "    ", "if ", "größe", "0x1f", "(a, b)")
HOSTILE = ("<|endoftext|>" * 50, "a" * 100_000, "\n" * 100_000, "^" * 5_000)
Row = dict[str, Any]


def documents(count: int) -> list[Row]:
    chance = random.Random(7)
    texts = [*HOSTILE, *("".join(chance.choices(WORDS, k=chance.randrange(5, 400)))
                         for _ in range(count - len(HOSTILE)))]  # fmt: skip
    return [
        {
            "document_id": hashlib.sha256(f"{number}".encode()).hexdigest()[:32],
            "content": text,
            "language": "Python" if number % 3 else None,
            "path": f"{number}.py" if number % 2 else f"{number}.c",
            "size_bytes": len(text.encode()),
            "score": number / count,
        }
        for number, text in enumerate(texts)
    ]


def columns(table: str, rows: Sequence[Row], **more: Any) -> dict[str, list[Any]]:
    """Return rows as columns of a table, with something in each that may not be empty."""
    texts = ("content_sha256", "encoding", "source", "repository", "kind", "version", "detail")
    always: Row = dict.fromkeys((*texts, "position_source"), "x")
    always |= {"decided_at": datetime(2026, 1, 1, tzinfo=UTC), "outcome": "keep", "scorer": "s"}
    return {
        column.name: [(always | {"position_offset": n} | row | more).get(column.name)
                      for n, row in enumerate(rows)]
        for column in TABLES[table].columns
    }  # fmt: skip


class Directory:
    def __init__(self, path: Path) -> None:
        directory = RunDirectory.create(str(path))
        self.path = directory.path
        self.tables = IcebergTables(local_catalog(directory.path))
        self.tables.create()

    def add(self, rows: Sequence[Row], *, written: bool = True) -> None:
        """Keep documents, in one commit."""
        for table, parts in (
            ("files", [columns("files", rows)] if written else []),
            ("ledger", [columns("ledger", rows, stage=stage) for stage in ROUTE]),
        ):
            for part in parts:
                begin = self.tables.positions(table).get("x", 0)
                span = {"x": Span(begin, begin + 1)}
                self.tables.commit(table, span, lambda _, part=part: part)

    def tokens(self) -> Tokens | None:
        ledger = decisions(self.tables, sorted({*COUNTED, *LEDGER_COLUMNS}))
        return tokens_in(self.tables, ledger, ROUTE)


@pytest.fixture
def make(tmp_path: Path) -> Callable[[str], Directory]:
    return lambda name: Directory(tmp_path / name)


def test_the_same_in_any_order_and_any_number_of_commits(make: Callable[[str], Directory]) -> None:
    rows = documents(320)
    whole, parts = make("whole"), make("parts")
    whole.add(rows)
    random.Random(1).shuffle(rows)
    for begin, end in ((0, 10), (10, 200), (200, 320)):
        parts.add(rows[begin:end])
    told = whole.tokens()
    assert told is not None
    assert parts.tokens() == told
    assert tokens_of_directory(parts.path) == told
    assert (told.sampled, told.documents) == (200, 320)
    assert told.tokenizer in told.basis


def test_the_estimate_is_near_the_full_count(make: Callable[[str], Directory]) -> None:
    rows, count = documents(320), load_tokenizer().count
    directory = make("out")
    directory.add(rows)
    told = directory.tokens()
    assert told is not None
    truth = sum(count(row["content"]) for row in rows)
    assert 0 < abs(told.kept.tokens - truth) <= told.kept.margin
    assert told.stages == dict.fromkeys(ROUTE, told.kept.tokens)
    assert sum(one.tokens for one in told.by_language.values()) == pytest.approx(
        told.kept.tokens, abs=len(told.by_language)
    )
    assert set(told.by_language) == {"Python", "C"}


def test_a_few_documents_are_all_counted(make: Callable[[str], Directory]) -> None:
    rows = documents(30)
    directory = make("out")
    directory.add(rows)
    told = directory.tokens()
    assert told is not None
    assert told.sampled == told.documents == 30
    count = load_tokenizer().count
    assert abs(told.kept.tokens - sum(count(row["content"]) for row in rows)) <= 10
    assert told.kept.margin <= 1  # of the two long ones, which are the same all over, by pieces
    assert "all 30 kept documents" in told.basis


def test_what_a_cut_accepts_is_told_apart(make: Callable[[str], Directory]) -> None:
    directory = make("out")
    directory.add(documents(40))
    whole = directory.tokens()
    assert whole is not None
    assert whole.accepted == whole.kept
    now = datetime(2026, 1, 2, tzinfo=UTC)
    add_cut(
        directory.tables, Cut(name="c", scorer="s", made_at=now, bars={None: Bar(threshold=0.5)})
    )
    cut = tokens_of_directory(directory.path)
    assert cut is not None
    assert cut.kept == whole.kept
    assert 0 < cut.accepted.tokens < cut.kept.tokens


def test_what_is_not_written_yet_is_no_part_of_the_sample(
    make: Callable[[str], Directory],
) -> None:
    rows = documents(40)
    directory = make("out")
    assert directory.tokens() is None
    directory.add(rows[:10], written=False)
    assert directory.tokens() is None
    directory.add(rows[10:])
    told = directory.tokens()
    assert told is not None
    assert (told.sampled, told.documents) == (30, 40)
    assert told.kept.margin > 0
