"""Pack what ingestion keeps of a source into one Parquet file, in the order of its listing.

So that every contestant of the dedup benchmark reads the same bytes in the same way, and neither
file system nor archives are measured.
"""

import hashlib
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice

import pyarrow as pa
import pyarrow.parquet as pq

from gristmill.cli import local
from gristmill.dedup.stage import domain, text_of
from gristmill.runtime.adapters.files import reader
from gristmill.runtime.adapters.listing import Selection
from gristmill.runtime.model import Document, Keep, languages
from gristmill.runtime.ports import Stage

_FORMAT = "1"
_ROWS = 2000  # in a row group, which is what contestants read at a time: 15 MB of text
_SCHEMA = pa.schema(
    [
        ("id", pa.string()), ("kind", pa.string()), ("path", pa.string()), ("domain", pa.string()),
        ("content_sha256", pa.string()), ("offset", pa.int64()), ("content", pa.binary()),
    ]
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Pack:
    """A packed corpus. `content` holds UTF-8."""

    path: str
    num_documents: int
    text_bytes: int
    key: str
    """Changes with whatever could change the file."""


def pack(source: str, path: str) -> Pack:
    """Pack the source, unless that was done before and nothing has changed."""
    request = local.RunRequest(sources=(source,), out="", selection=Selection())
    plan = local.plan_run(request)
    key = _key(plan)
    if (packed := _existing(path, key)) is not None:
        return packed
    os.makedirs(os.path.dirname(path), exist_ok=True)
    num_documents = text_bytes = 0
    seen: set[str] = set()
    with pq.ParquetWriter(
        f"{path}.part", _SCHEMA, compression="zstd", use_dictionary=["kind", "domain"]
    ) as writer:
        kept = _kept(plan)
        while documents := list(islice(kept, _ROWS)):
            table = _table(documents)
            writer.write_table(table)
            num_documents += len(documents)
            text_bytes += sum(map(len, table["content"].to_pylist()))
            seen.update(document.id for document in documents)
            print(f"packed {num_documents:,} documents", file=sys.stderr, flush=True)
        assert len(seen) == num_documents, "an id names one document"
        writer.add_key_value_metadata({"key": key, "text_bytes": str(text_bytes)})
    os.replace(f"{path}.part", path)
    return Pack(path=path, num_documents=num_documents, text_bytes=text_bytes, key=key)


def first_documents(whole: Pack, count: int) -> Pack:
    """Return the pack as if it ended after `count` documents; what is shorter stays as it is."""
    if count >= whole.num_documents:
        return whole
    left, text_bytes = count, 0
    packed = pq.ParquetFile(whole.path, pre_buffer=False)
    for group in range(packed.num_row_groups):
        column = packed.read_row_group(group, columns=["content"])["content"].slice(0, left)
        text_bytes += sum(map(len, column.to_pylist()))
        left -= len(column)
    return replace(whole, num_documents=count, text_bytes=text_bytes)


def _key(plan: local.Plan) -> str:
    """Name what is listed, the rules of ingestion, and what this module makes of it."""
    named = hashlib.sha256(f"{_FORMAT} {_ROWS} {_ingestion(plan).version}".encode())
    for line in plan.sources[0].lines():
        named.update(line.encode())
    with open(languages.__file__, "rb") as stream:  # the domains
        named.update(stream.read())
    return named.hexdigest()[:16]


def _ingestion(plan: local.Plan) -> Stage:
    build = plan.plugins["ingestion"].build
    assert build is not None, "ingestion is pure"
    return build(plan.settings.sections["ingestion"])


def _existing(path: str, key: str) -> Pack | None:
    try:
        metadata = pq.read_metadata(path)
    except FileNotFoundError:
        return None
    about = metadata.metadata or {}
    if about.get(b"key", b"").decode() != key:
        return None
    text_bytes = int(about[b"text_bytes"])
    return Pack(path=path, num_documents=metadata.num_rows, text_bytes=text_bytes, key=key)


def _kept(plan: local.Plan) -> Iterator[Document]:
    """Yield what ingestion keeps."""
    read = reader(plan.settings.sections["ingestion"].max_file_bytes)
    stage = _ingestion(plan)
    for entry in plan.sources[0].entries(0):
        for outcome in stage.process([read(entry)]):
            if isinstance(outcome, Keep):
                yield outcome.document


def _table(documents: Sequence[Document]) -> pa.Table:
    columns = [
        [document.id for document in documents],
        [str(document.kind) for document in documents],
        [document.origin.path for document in documents],
        [domain(d.kind, d.annotations.language, d.origin.path) for d in documents],
        [document.content_sha256 for document in documents],
        [document.position.offset for document in documents],
        [text_of(document) for document in documents],
    ]
    arrays = [pa.array(column, field.type) for column, field in zip(columns, _SCHEMA, strict=True)]
    return pa.table(arrays, schema=_SCHEMA)
