"""`gristmill dedup`: look after the dedup index of a directory."""

import os
import shutil
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from gristmill.cli.console import ERR

if TYPE_CHECKING:
    from gristmill.runtime.adapters.iceberg import IcebergTables
    from gristmill.runtime.ports import Fingerprint

app = typer.Typer(
    help="Look after the dedup index.\n\nExample: gristmill dedup rebuild corpus",
    no_args_is_help=True,
)

_BATCH = 10_000


@app.callback()
def _group() -> None:
    """Look after the dedup index."""


@app.command("rebuild")
def rebuild(
    directory: Annotated[str, typer.Argument(metavar="DIR", help="The output of a run.")],
) -> None:
    """Make the dedup index anew from the tables; the old one is set aside as DIR/index.old.

    Example: gristmill dedup rebuild corpus
    """
    from gristmill.cli.reading import open_tables
    from gristmill.runtime.adapters.iceberg_recovery import recover
    from gristmill.runtime.adapters.run_directory import RunDirectory

    where = RunDirectory(directory)
    with where.writing():
        tables = open_tables(directory)
        if where.unfinished:
            recover(tables)
        num_documents = _rebuild(where.index, tables)
    ERR.print(f"the index of {directory} holds {num_documents:,} documents")


def _rebuild(path: str, tables: "IcebergTables") -> int:
    """Write the claims of everything kept to a fresh index, then put it in the old one's place."""
    from gristmill.runtime.adapters.lmdb_index import LmdbIndex, Table

    fresh, old = f"{path}.new", f"{path}.old"
    shutil.rmtree(fresh, ignore_errors=True)
    uuid = str(tables.load("files").metadata.table_uuid)
    index = LmdbIndex(fresh, Table(uuid=uuid, positions={}, num_documents=0))
    try:
        for batch in _kept(tables):
            index.admit(batch)
        num_documents = len(index)
    finally:
        index.close()
    shutil.rmtree(old, ignore_errors=True)
    if os.path.exists(path):
        os.rename(path, old)
    os.rename(fresh, path)
    return num_documents


def _kept(tables: "IcebergTables") -> Iterator[list["Fingerprint"]]:
    """Yield what was admitted, in the order of admission, from the ledger."""
    from gristmill.cli.reading import equal, scan
    from gristmill.runtime.model import Kind, Position
    from gristmill.runtime.ports import Fingerprint

    order = ("decided_at", "position_source", "position_offset")
    columns = ("document_id", "content_sha256", "kind", "outcome", *order)
    rows = scan(tables, "ledger", columns, equal("stage", "dedup"))
    rows = rows.sort_by([(name, "ascending") for name in order])
    for batch in rows.to_batches(_BATCH):
        yield [
            Fingerprint(
                document_id=row["document_id"],
                kind=Kind(row["kind"]),
                content_sha256=row["content_sha256"],
                position=Position(source=row["position_source"], offset=row["position_offset"]),
            )
            for row in batch.to_pylist()
            if row["outcome"] == "keep"
        ]
