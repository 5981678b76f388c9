"""Rows of Parquet: a batch at a time, only the columns that are wanted.

Text is taken as bytes, valid or not: what it says is for ingestion to decode. Arrow reads the file;
what it may unpack to is bounded by what the file says of itself before, and by what came out.
"""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pyarrow as pa
from pyarrow import parquet
from pyarrow import types as kinds

from gristmill.runtime.adapters.archive_member import ArchiveLimits, LimitReachedError
from gristmill.runtime.adapters.table_columns import Columns
from gristmill.runtime.adapters.table_values import (
    MAX_LICENCES,
    MAX_NAME_BYTES,
    Odd,
    RawRow,
    Value,
    odd_type,
    too_long,
)

_BATCH_BYTES = 4 << 20
_MAX_BATCH_ROWS = 1024
_BUFFER_BYTES = 1 << 20
_FOOTER_LIMIT = 64 << 20  # of text in a footer, and of entries: many columns and row groups

# Any: Arrow carries no types.
_Array = Any


def read_parquet(
    file: io.RawIOBase, size: int, columns: Columns, limits: ArchiveLimits
) -> Iterator[RawRow]:
    """Yield all rows. Raises ARCHIVE_ERRORS where the file is broken, BadInput for no column."""
    with _opened(file, columns.content) as table:
        columns.check(table.schema_arrow.names, "the table")
        wanted = list(dict.fromkeys(columns.named().values()))
        allowed, number = limits.bytes_allowed(size), 0
        for group in range(table.num_row_groups):
            num_rows, num_bytes = _measure(table.metadata.row_group(group), wanted)
            if num_bytes > allowed:
                raise LimitReachedError(f"unpacks to more than {allowed >> 20:,} MiB")
            rows = max(1, min(_MAX_BATCH_ROWS, _BATCH_BYTES * num_rows // max(1, num_bytes)))
            for batch in table.iter_batches(rows, row_groups=[group], columns=wanted):
                yield from _rows(batch, number, columns, limits.max_member_bytes)
                number += batch.num_rows


def parquet_columns(file: io.RawIOBase) -> list[str]:
    """Return the names of the columns. Raises ARCHIVE_ERRORS."""
    with _opened(file, "") as table:
        return list(table.schema_arrow.names)


@contextmanager
def _opened(file: io.RawIOBase, content: str) -> "Iterator[parquet.ParquetFile]":
    """Open a table; what only Arrow raises becomes what every reader of archives raises."""
    try:
        with io.BufferedReader(file, _BUFFER_BYTES) as buffered:
            metadata = _parquet_file(buffered).metadata
            leaves = {metadata.schema.column(n).path for n in range(metadata.num_columns)}
            # One long text that many rows share stays one: each row's copy would be a bomb.
            shared = [content] if content in leaves else []
            with _parquet_file(buffered, metadata=metadata, read_dictionary=shared) as table:
                yield table
    except pa.ArrowException as error:
        if isinstance(error, MemoryError):
            raise
        text = (str(error).splitlines() or [repr(error)])[0]
        raise ValueError(text) from error


# Any: typeshed binds a buffered reader to what it reads; Arrow's options.
def _parquet_file(buffered: Any, **options: Any) -> "parquet.ParquetFile":  # noqa: ANN401
    return parquet.ParquetFile(
        buffered,
        buffer_size=_BUFFER_BYTES,
        pre_buffer=False,
        thrift_string_size_limit=_FOOTER_LIMIT,
        thrift_container_size_limit=_FOOTER_LIMIT,
        **options,
    )


# Any: Arrow's description of a row group.
def _measure(group: Any, wanted: list[str]) -> tuple[int, int]:  # noqa: ANN401
    """Return how many rows a row group says it has, and what the columns wanted unpack to."""
    chunks = (group.column(n) for n in range(group.num_columns))
    sizes = (c.total_uncompressed_size for c in chunks if c.path_in_schema.split(".")[0] in wanted)
    return max(1, group.num_rows), sum(sizes)


def _rows(batch: _Array, first: int, columns: Columns, max_bytes: int) -> Iterator[RawRow]:
    cells = {
        key: _Cells(key, batch.column(name), max_bytes if key == "content" else MAX_NAME_BYTES)
        for key, name in columns.named().items()
    }
    for row in range(batch.num_rows):
        values = {key: cell.value(row) for key, cell in cells.items()}
        num_bytes = sum(_num_bytes(value) for value in values.values())
        yield RawRow(number=first + row, values=values, num_bytes=num_bytes)


def _num_bytes(value: Value) -> int:
    return value.size_bytes if isinstance(value, Odd) else len(value or b"")


class _Cells:
    """A column of a batch, of which values of text are given as bytes."""

    def __init__(self, key: str, column: _Array, most: int) -> None:
        self._key, self._most = key, most
        self._column = column
        self._indices: _Array = None
        if kinds.is_dictionary(column.type):
            self._column, self._indices = column.dictionary, column.indices
        self._odd = None
        type_ = self._column.type
        self._is_list = key == "licence" and _is_list(type_) and _is_text(type_.value_type)
        if not (self._is_list or _is_text(type_) or kinds.is_null(type_)):
            self._odd = odd_type(key, str(type_)[:100])

    def value(self, row: int) -> Value:
        if self._odd is not None:
            return self._odd
        if self._indices is not None:
            if (at := self._indices[row].as_py()) is None:
                return None
            row = at
        cell = self._column[row]
        if not cell.is_valid:
            return None
        if self._is_list:
            return self._joined(cell)
        found = cell.as_buffer()
        if found.size > self._most:
            return too_long(self._key, found.size)
        content: bytes = found.to_pybytes()
        return content

    def _joined(self, cell: _Array) -> Value:
        if len(cell) > MAX_LICENCES:
            return odd_type(self._key, f"a list of {len(cell):,}")
        found = [one.as_buffer() for one in cell.values if one.is_valid]
        size = sum(one.size for one in found)
        if size > self._most:
            return too_long(self._key, size)
        return b", ".join(one.to_pybytes() for one in found)


def _is_text(type_: _Array) -> bool:
    return bool(
        kinds.is_string(type_)
        or kinds.is_large_string(type_)
        or kinds.is_string_view(type_)
        or kinds.is_binary(type_)
        or kinds.is_large_binary(type_)
        or kinds.is_binary_view(type_)
        or kinds.is_fixed_size_binary(type_)
    )


def _is_list(type_: _Array) -> bool:
    return bool(kinds.is_list(type_) or kinds.is_large_list(type_))
