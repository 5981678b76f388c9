"""Putting the tables of a directory right after its one writer was stopped anywhere.

A batch goes to `files` first and to `ledger` next. A writer killed in between leaves `files` ahead:
here it is rolled back to where the ledger stands, and the batch is written again or judged anew.
Only for local tables, under the directory's lock: with other writers about, this would be wrong.
"""

import os
from collections.abc import Iterator, Mapping

from pyiceberg.table import Table
from pyiceberg.table.snapshots import Snapshot

from gristmill.runtime.adapters.iceberg import (
    IcebergTables,
    explained,
    vector_of,
)
from gristmill.runtime.adapters.iceberg_schemas import TABLES


def recover(tables: IcebergTables) -> int:
    """Roll back what reached `files` alone, delete what no snapshot needs; return files deleted."""
    with explained():
        _roll_back(tables)
        for name in TABLES:
            _expire_abandoned(tables.load(name))
        return remove_orphans(tables)


def _roll_back(tables: IcebergTables) -> None:
    """Take back the commits to `files` that the ledger lacks, and nothing else.

    What other engines did before them stays. Where another engine wrote on top, or the snapshot
    before has expired, nothing is taken back: the same source, run again, completes the ledger.
    """
    table, ledger = tables.load("files"), tables.positions("ledger")
    snapshot = current = table.current_snapshot()
    while snapshot is not None and _is_ahead(snapshot, ledger):
        parent = snapshot.parent_snapshot_id
        snapshot = table.snapshot_by_id(parent) if parent is not None else None
    if snapshot is not None and snapshot is not current:
        table.manage_snapshots().rollback_to_snapshot(snapshot.snapshot_id).commit()


def _is_ahead(snapshot: Snapshot, ledger: Mapping[str, int]) -> bool:
    vector = vector_of(snapshot)
    return any(offset > ledger.get(source, 0) for source, offset in vector.items())


def _expire_abandoned(table: Table) -> None:
    """Forget the snapshots that no branch or tag leads to: those rolled back."""
    reachable: set[int] = set()
    for reference in table.refs().values():
        snapshot = table.snapshot_by_id(reference.snapshot_id)
        while snapshot is not None and snapshot.snapshot_id not in reachable:
            reachable.add(snapshot.snapshot_id)
            parent = snapshot.parent_snapshot_id
            snapshot = table.snapshot_by_id(parent) if parent is not None else None
    abandoned = [s.snapshot_id for s in table.snapshots() if s.snapshot_id not in reachable]
    if abandoned:
        table.maintenance.expire_snapshots().by_ids(abandoned).commit()


def remove_orphans(tables: IcebergTables) -> int:
    """Delete data files that no snapshot knows: what a killed writer left. Return how many."""
    return sum(_remove_orphans(tables.load(name)) for name in TABLES)


def _remove_orphans(table: Table) -> int:
    directory = os.path.join(_local_path(table.location()), "data")
    known = set(_data_files(table))
    removed = 0
    for folder, _, files in os.walk(directory):
        for file in files:
            path = os.path.join(folder, file)
            if path not in known:
                os.unlink(path)
                removed += 1
    return removed


def _data_files(table: Table) -> Iterator[str]:
    seen: set[str] = set()
    for snapshot in table.snapshots():
        for manifest in snapshot.manifests(table.io):
            if manifest.manifest_path in seen:
                continue
            seen.add(manifest.manifest_path)
            for entry in manifest.fetch_manifest_entry(table.io, discard_deleted=False):
                yield _local_path(entry.data_file.file_path)


def _local_path(location: str) -> str:
    return location.removeprefix("file://")
