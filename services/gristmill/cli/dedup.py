"""`gristmill dedup`: look after the dedup index of a directory."""

import os
from typing import Annotated

import typer

from gristmill.cli.console import ERR

app = typer.Typer(help="Look after the dedup index.", no_args_is_help=True)

_BATCH = 10_000


@app.callback()
def _group() -> None:
    """Look after the dedup index."""


@app.command("rebuild")
def rebuild(
    directory: Annotated[str, typer.Argument(metavar="DIR", help="The output of a run.")],
) -> None:
    """Make the dedup index anew from the tables; the old one is set aside, not deleted.

    Example: gristmill dedup rebuild corpus
    """
    from gristmill.runtime.adapters.iceberg import IcebergTables, local_catalog
    from gristmill.runtime.adapters.run_directory import RunDirectory

    where = RunDirectory(directory)
    with where.writing():
        num_documents = _rebuild(where.index, IcebergTables(local_catalog(directory)))
    ERR.print(f"the index of {directory} holds {num_documents:,} documents")


def _rebuild(path: str, tables: "IcebergTables") -> int:  # noqa: F821
    from gristmill.cli.reading import scan
    from gristmill.runtime.adapters.lmdb_index import LmdbIndex, Table
    from gristmill.runtime.model import Kind, Position
    from gristmill.runtime.ports import Fingerprint

    columns = ["document_id", "content_sha256", "kind", "position_source", "position_offset"]
    from pyiceberg.expressions import And, EqualTo

    kept = And(EqualTo("stage", "dedup"), EqualTo("outcome", "keep"))
    rows = scan(tables, "ledger", [*columns, "decided_at"], kept).sort_by(
        [
            ("decided_at", "ascending"),
            ("position_source", "ascending"),
            ("position_offset", "ascending"),
        ]
    )
    fingerprints = [
        Fingerprint(
            document_id=row["document_id"],
            kind=Kind(row["kind"]),
            content_sha256=row["content_sha256"],
            position=Position(source=row["position_source"], offset=row["position_offset"]),
        )
        for row in rows.to_pylist()
    ]
    fresh = f"{path}.new"
    positions = tables.positions("files")
    uuid = str(tables.load("files").metadata.table_uuid)
    _remove(fresh)
    index = LmdbIndex(fresh, Table(uuid=uuid, positions={}, num_documents=0))
    try:
        for start in range(0, len(fingerprints), _BATCH):
            index.admit(fingerprints[start : start + _BATCH])
        del positions
        num_documents = len(index)
    finally:
        index.close()
    if os.path.exists(path):
        _remove(f"{path}.old")
        os.rename(path, f"{path}.old")
    os.rename(fresh, path)
    return num_documents


def _remove(path: str) -> None:
    import shutil

    if os.path.isdir(path):
        shutil.rmtree(path)
