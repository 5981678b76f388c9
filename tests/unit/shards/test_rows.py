"""Documents and decisions as columns: the names, the nulls, the values."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gristmill.runtime.adapters.iceberg_schemas import SEQUENCE, TABLES
from gristmill.runtime.model import (
    Annotations,
    Decision,
    Document,
    Evidence,
    FileText,
    Kind,
    Origin,
    OutcomeKind,
    Position,
    Reason,
    ScoreParts,
    Syntax,
)
from gristmill.runtime.ports import Decided
from gristmill.runtime.testing.strategies import decisions, documents
from gristmill.shards.rows import file_columns, ledger_columns

NOW = datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)

FULL = Document(
    id="0" * 32,
    kind=Kind.FILE,
    origin=Origin(
        source="crawl",
        repository="host/owner/name",
        path="a/b.py",
        url="https://host/a",
        revision="r1",
        licence="MIT",
        fetched_at=NOW,
    ),
    position=Position(source="p", offset=5),
    body=FileText(content="x = 1\r\n", encoding="cp1252"),
    content_sha256="f" * 64,
    size_bytes=7,
    annotations=Annotations(
        language="Python",
        syntax=Syntax(error_share=0.0, checker="cpython-ast-3.11", dialect="Python 2"),
        score=0.0,
        scorer="v1",
        tokens=0,
        score_parts=ScoreParts(
            readability=7.0, modularity=0.0, clarity=10.0, reusability=2.5, zero_rule="data"
        ),
    ),
)
BARE = replace(
    FULL, origin=Origin(source="crawl", repository="r", path="a.py"), annotations=Annotations()
)


def decided(decision: Decision) -> Decided:
    return Decided(Position(source="elsewhere", offset=1), decision, NOW)


def names_of(table: str) -> list[str]:
    return [column.name for column in TABLES[table].columns if column.name != SEQUENCE]


@pytest.mark.parametrize("some", [[], [FULL], [FULL, BARE]], ids=len)
def test_the_columns_of_files_are_the_table_s_without_sequence(some: list[Document]) -> None:
    columns = file_columns(some)
    assert list(columns) == names_of("files")
    assert {len(column) for column in columns.values()} == {len(some)}


@settings(max_examples=30)
@given(st.lists(decisions(), max_size=3))
def test_the_columns_of_the_ledger_are_the_table_s(some: list[Decision]) -> None:
    columns = ledger_columns(map(decided, some))
    assert list(columns) == names_of("ledger")
    assert {len(column) for column in columns.values()} == {len(some)}


def only_row(columns: dict[str, object]) -> dict[str, object]:
    return {name: values[0] for name, values in columns.items()}  # type: ignore[index]


def test_a_file_is_written_with_all_that_is_known() -> None:
    assert only_row(dict(file_columns([FULL]))) == {
        "document_id": "0" * 32,
        "content": "x = 1\r\n",
        "content_sha256": "f" * 64,
        "encoding": "cp1252",
        "source": "crawl",
        "repository": "host/owner/name",
        "path": "a/b.py",
        "revision": "r1",
        "language": "Python",
        "licence": "MIT",
        "error_share": 0.0,
        "score": 0.0,
        "scorer": "v1",
        "tokens": 0,
        "fetched_at": NOW,
        "checker": "cpython-ast-3.11",
        "dialect": "Python 2",
        "readability": 7.0,
        "modularity": 0.0,
        "clarity": 10.0,
        "reusability": 2.5,
        "zero_rule": "data",
    }


def test_what_is_not_known_of_a_file_is_null_and_nought_is_not() -> None:
    row = only_row(dict(file_columns([BARE])))
    unknown = {name for name, value in row.items() if value is None}
    assert unknown == {
        *("revision", "language", "licence", "error_share", "score", "scorer", "tokens"),
        *("fetched_at", "checker", "dialect"),
        *("readability", "modularity", "clarity", "reusability", "zero_rule"),
    }


def test_a_decision_is_written_with_all_that_is_known() -> None:
    decision = Decision(
        document_id="0" * 32,
        content_sha256="f" * 64,
        kind=Kind.FILE,
        origin=FULL.origin,
        position=FULL.position,
        size_bytes=7,
        stage="dedup",
        outcome=OutcomeKind.DROP,
        version="dedup-1",
        language="Python",
        reason=Reason.EXACT_DUPLICATE,
        evidence=Evidence(
            matched_id="1" * 32,
            similarity=1.0,
            error_share=0.0,
            score=0.0,
            threshold=0.0,
            checker="tree-sitter:c",
            detail="d",
        ),
    )
    assert only_row(dict(ledger_columns([decided(decision)]))) == {
        "document_id": "0" * 32,
        "content_sha256": "f" * 64,
        "kind": "file",
        "source": "crawl",
        "repository": "host/owner/name",
        "path": "a/b.py",
        "url": "https://host/a",
        "revision": "r1",
        "stage": "dedup",
        "outcome": "drop",
        "reason": "exact_duplicate",
        "matched_id": "1" * 32,
        "similarity": 1.0,
        "error_share": 0.0,
        "score": 0.0,
        "threshold": 0.0,
        "version": "dedup-1",
        "decided_at": NOW,
        "language": "Python",
        "size_bytes": 7,
        "position_source": "p",
        "position_offset": 5,
        "detail": "d",
        "checker": "tree-sitter:c",
    }


@settings(max_examples=30)
@given(documents(Kind.FILE), decisions())
def test_required_columns_are_never_null(document: Document, decision: Decision) -> None:
    written = {"files": file_columns([document]), "ledger": ledger_columns([decided(decision)])}
    for table, columns in written.items():
        for column in TABLES[table].columns:
            if column.required and column.name != SEQUENCE:
                assert columns[column.name][0] is not None, column.name


@settings(max_examples=30)
@given(decisions())
def test_the_reason_is_written_as_its_code_alone(decision: Decision) -> None:
    (reason,) = ledger_columns([decided(decision)])["reason"]
    assert reason == (None if decision.reason is None else decision.reason.value)
    assert type(reason) in {str, type(None)}
