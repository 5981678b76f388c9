"""Rows of tables as documents: one row, one record, whatever is wrong with it.

Parquet and JSON lines are read as streams of rows, within limits. A table that breaks off or wants
too much gives up its good rows and one record more, for the table itself, that says what was wrong.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from gristmill.runtime.adapters.archive_member import (
    ARCHIVE_ERRORS,
    ArchiveLimits,
    LimitReachedError,
    is_unsafe,
)
from gristmill.runtime.adapters.archives import Open, explained
from gristmill.runtime.adapters.files import text_path
from gristmill.runtime.adapters.items import to_text
from gristmill.runtime.adapters.json_rows import LOOKED_AT, json_columns, read_json_lines
from gristmill.runtime.adapters.parquet_rows import parquet_columns, read_parquet
from gristmill.runtime.adapters.table_columns import Columns, is_json_lines
from gristmill.runtime.adapters.table_values import Odd, RawRow, Value
from gristmill.runtime.model import BadInput, Reason

_ROW_BYTES = 32  # what a row has to weigh, beyond those that are free: each costs a record


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row of a table; `path` is None for the record that stands for the table itself."""

    number: int
    path: str | None
    size_bytes: int = 0
    content: bytes | None = None
    repository: str = ""
    revision: str = ""
    licence: str = ""
    url: str = ""
    fault: Reason | None = None
    detail: str = ""


def read_rows(
    name: bytes, columns: Columns, limits: ArchiveLimits, note: Callable[[int], None], opened: Open
) -> Iterator[Row]:
    """Yield the rows of a table in its own order. Never raises for a bad table.

    `note` is told how many of the table's bytes have been read.
    """
    following = 0
    try:
        file, size = opened()
        with file:
            if is_json_lines(name):
                found = read_json_lines(file, name, columns, limits)
            else:
                found = read_parquet(file, size, columns, limits)
            for raw in _within(found, size, limits):
                note(file.tell())
                following = raw.number + 1
                yield _row(raw)
    except (LimitReachedError, BadInput, *ARCHIVE_ERRORS) as error:
        fault, detail = explained(error)
        yield Row(number=following, path=None, fault=fault, detail=detail[:200])
    else:
        if not following:
            yield Row(number=0, path=None, fault=Reason.EMPTY, detail="a table without rows")


def check_columns(name: bytes, columns: Columns, opened: Open) -> str:
    """Raise BadInput if a table lacks a column; one that cannot be read is a record of the run.

    Of JSON lines the first are looked at. What they lack beside the content may come later, or not
    at all: a sentence on it is returned.
    """
    is_lines, table = is_json_lines(name), text_path(name)
    try:
        file, _ = opened()
        with file:
            present = json_columns(file, name) if is_lines else parquet_columns(file)
    except ARCHIVE_ERRORS:
        return ""
    if not present:
        return ""
    if not is_lines:
        columns.check(present, table)
        return ""
    lacking = columns.lacking(present, f"{table}, in its first {LOOKED_AT:,} lines,")
    if columns.content not in present:
        raise BadInput(lacking)
    return lacking


def _within(rows: Iterator[RawRow], size: int, limits: ArchiveLimits) -> Iterator[RawRow]:
    allowed, given = limits.bytes_allowed(size), 0
    for count, row in enumerate(rows, 1):
        given += row.num_bytes
        if given > allowed:
            raise LimitReachedError(f"unpacks to more than {allowed >> 20:,} MiB")
        if count > limits.free_members + given // _ROW_BYTES:
            raise LimitReachedError(f"more than {count - 1:,} rows of few bytes")
        yield row


def _row(raw: RawRow) -> Row:
    values = raw.values
    named = _without_root(values.get("path"))
    path = _text(named) or f"row {raw.number + 1}"
    odd = raw.odd or next((value for value in values.values() if isinstance(value, Odd)), None)
    if odd is None and values.get("content") is None:
        odd = Odd(fault=Reason.UNREADABLE, detail="it has no content")
    if odd is None and is_unsafe(to_text(named)):
        odd = Odd(fault=Reason.UNSAFE_MEMBER, detail="a path that points outside")
    content = values.get("content")
    if odd is not None or not isinstance(content, bytes):
        content = None
    return Row(
        number=raw.number,
        path=path,
        size_bytes=len(content) if content is not None else odd.size_bytes if odd else 0,
        content=content,
        fault=odd.fault if odd else None,
        detail=odd.detail[:200] if odd else "",
        **{key: _text(values.get(key)) for key in ("repository", "revision", "licence", "url")},
    )


def _without_root(path: Value) -> bytes:
    """Return the path without what stands for a root: data sets differ in that alone."""
    return path.removeprefix(b"./").lstrip(b"/") if isinstance(path, bytes) else b""


def _text(value: Value) -> str:
    # A NUL parts the fields that a document's id is made of.
    return text_path(value).replace("\0", "\\x00") if isinstance(value, bytes) else ""
