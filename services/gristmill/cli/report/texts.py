"""The texts that a report shows: kept ones from the table, dropped ones from where they were read.

A dropped document's text is in no table. It is read again from its source, as `gristmill why` does,
and is missing where the source is gone or has changed.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from gristmill.cli.originals import Originals
from gristmill.cli.reading import one_of, scan
from gristmill.runtime.adapters.iceberg import IcebergTables

# Any: rows are what the tables' columns hold.
Row = Mapping[str, Any]
Place = tuple[str, int]
"""One delivery: the source's identity, and the offset in it."""

_COLUMNS = ("document_id", "repository", "path", "language", "content")


def place_of(row: Row) -> Place:
    """Return where a document was delivered."""
    return row["position_source"], row["position_offset"]


def kept_texts(tables: IcebergTables, ids: Iterable[str]) -> dict[str, Row]:
    """Return rows of `files`, content included, by document id; what is gone is left out."""
    wanted = sorted(set(ids))
    if not wanted:
        return {}
    rows = scan(tables, "files", _COLUMNS, one_of("document_id", wanted)).to_pylist()
    return {row["document_id"]: row for row in rows}


def dropped_texts(directory: str, rows: Iterable[Row]) -> Iterator[tuple[Place, str]]:
    """Yield place and text of each document that can be read again, a source after the other."""
    by_source: defaultdict[str, dict[int, str]] = defaultdict(dict)
    for row in rows:
        source, offset = place_of(row)
        by_source[source][offset] = row["content_sha256"]
    originals = Originals(directory)
    for source, hashes in by_source.items():
        for offset, text in originals.stream(source, hashes.keys(), hashes):
            yield (source, offset), text.decode()
