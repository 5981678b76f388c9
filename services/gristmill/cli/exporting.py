"""Writing kept documents as Parquet files or compressed JSON lines, part by part.

JSON lines carry no types: `datasets.load_dataset` takes a column's type from the first 10 MB and
refuses a text behind ten megabytes of nulls. So rows that show the type of every column go first.
"""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import zstandard

from gristmill.cli.reading import one_of, scan, stream
from gristmill.runtime.adapters.cuts import accepted
from gristmill.runtime.adapters.iceberg import IcebergTables
from gristmill.runtime.adapters.iceberg_schemas import SEQUENCE, TABLES
from gristmill.runtime.model import BadInput
from gristmill.runtime.model.cut import Cut

_PART_BYTES = 256 << 20
_LEVEL = 3
_LIKE_A_TIME = r"^\d{4}-\d\d-\d\d"
"""A text that readers of JSON take for a time: it shows nothing of its column's type."""

Rows: TypeAlias = pa.Table | pa.RecordBatch
Write = Callable[[Rows], None]


@dataclass(frozen=True, slots=True)
class Done:
    """What was written."""

    path: str
    kept: int
    written: int
    parts: int
    cut: str | None

    def as_json(self) -> dict[str, Any]:
        """Return it for a machine."""
        return asdict(self)


def export(
    tables: IcebergTables,
    cut: Cut | None,
    out: str,
    format_: str,
    advance: Callable[[int], None],
) -> Done:
    """Write the kept files that a cut accepts, or all, into the new directory `out`.

    Raises BadInput when it is there already. It appears when everything is written.
    """
    if os.path.lexists(out):
        raise BadInput(f"{out} is there already: name another place, or remove it")
    parent, name = os.path.split(os.path.abspath(out))
    unfinished = os.path.join(parent, f".{name}.{os.getpid()}")
    try:
        os.makedirs(unfinished)
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise BadInput(f"{out} cannot be made: {why}") from error
    try:
        parts = _Parts(unfinished, format_)
        kept = 0
        columns = _columns(tables)
        first = [] if format_ == "parquet" else _showing_types(tables, cut)
        parts.add(scan(tables, "files", columns, one_of("document_id", first)))
        for batch in stream(tables, "files", columns):
            kept += batch.num_rows
            written = pc.is_in(batch["document_id"], pa.array(first, batch["document_id"].type))
            parts.add(_accepted(batch.filter(pc.invert(written)), cut))
            advance(batch.num_rows)
        parts.close()
        os.rename(unfinished, out)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    return Done(out, kept, parts.rows, parts.number, cut.name if cut else None)


def _columns(tables: IcebergTables) -> list[str]:
    known = {field.name for field in tables.load("files").schema().fields}
    names = [one.name for one in TABLES["files"].columns if one.name != SEQUENCE]
    return [name for name in names if name in known]


def _accepted(batch: pa.RecordBatch, cut: Cut | None) -> pa.RecordBatch:
    return batch if cut is None else batch.filter(accepted(batch, cut))


def _showing_types(tables: IcebergTables, cut: Cut | None) -> list[str]:
    """Return the ids of a few rows in which every column has a value, if it has one anywhere."""
    names = [name for name in _columns(tables) if name != "content"]
    found: dict[str, str] = {}
    in_need: dict[str, str] = {}
    for batch in stream(tables, "files", names):
        taken = _accepted(batch, cut)
        for name in names:
            if name not in found:
                values = taken[name]
                _note_first(found, name, taken, pc.fill_null(_shows_type(values), fill_value=False))
                _note_first(in_need, name, taken, pc.is_valid(values))
    return list(dict.fromkeys((in_need | found).values()))


def _shows_type(values: pa.Array) -> pa.Array:
    if pa.types.is_string(values.type) or pa.types.is_large_string(values.type):
        return pc.invert(pc.match_substring_regex(values, _LIKE_A_TIME))
    return pc.is_valid(values)


def _note_first(into: dict[str, str], name: str, rows: pa.RecordBatch, which: pa.Array) -> None:
    at = pc.index(which, True).as_py()
    if at >= 0:
        into.setdefault(name, rows["document_id"][at].as_py())


class _Parts:
    """Files of a directory, each begun when the one before has grown large."""

    def __init__(self, directory: str, format_: str) -> None:
        self._directory = directory
        self._format = format_
        self._open = ExitStack()
        self._write: Write | None = None
        self._bytes = 0
        self.rows = 0
        self.number = 0

    def add(self, batch: Rows) -> None:
        """Write rows; a part is begun even for none, for its columns."""
        if self._write is None or self._bytes >= _PART_BYTES:
            self.close()
            path = os.path.join(self._directory, f"part-{self.number:05d}.{self._format}")
            opened = _parquet(path, batch.schema) if self._format == "parquet" else _lines(path)
            self._write = self._open.enter_context(opened)
            self._bytes = 0
            self.number += 1
        if batch.num_rows:  # some readers stumble over a row group of none
            self._write(batch)
        self.rows += batch.num_rows
        self._bytes += pc.sum(pc.binary_length(batch["content"])).as_py() or 0

    def close(self) -> None:
        """End the part that is being written."""
        self._open.close()
        self._write = None


@contextmanager
def _parquet(path: str, schema: pa.Schema) -> Iterator[Write]:
    with pq.ParquetWriter(path, schema, compression="zstd", compression_level=_LEVEL) as writer:
        yield writer.write


@contextmanager
def _lines(path: str) -> Iterator[Write]:
    with (
        open(path, "wb") as raw,
        zstandard.ZstdCompressor(level=_LEVEL).stream_writer(raw) as stream_,
    ):

        def write(batch: Rows) -> None:
            for row in batch.to_pylist():
                line = json.dumps(row, ensure_ascii=False, default=_as_text)
                stream_.write(line.encode() + b"\n")

        yield write


def _as_text(value: object) -> str:
    assert isinstance(value, datetime), "a column holds text, numbers, times or nulls"
    return value.isoformat(timespec="microseconds")  # one form: without them it reads as a time
