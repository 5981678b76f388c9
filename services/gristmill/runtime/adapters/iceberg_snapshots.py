"""What the tables of a directory hold, for callers: names, rows, the newest snapshots."""

from datetime import UTC, datetime
from itertools import islice

from pyiceberg.table.snapshots import Snapshot

from gristmill.runtime.adapters.iceberg import IcebergTables
from gristmill.runtime.adapters.iceberg_schemas import TABLES
from gristmill.runtime.model import SnapshotFacts, TableFacts, Unfit


def list_tables(tables: IcebergTables, name: str, limit: int) -> list[TableFacts]:
    """Return all tables by name, or the one named, with so many snapshots. Raises Unfit."""
    if name and not (name in TABLES and tables.has(name)):
        raise Unfit("table", f"there is no table {name!r}")
    names = [name] if name else sorted(one for one in TABLES if tables.has(one))
    return [_facts(tables, one, limit) for one in names]


def _facts(tables: IcebergTables, name: str, limit: int) -> TableFacts:
    table = tables.load(name)
    snapshots = sorted(table.snapshots(), key=lambda one: one.sequence_number or 0, reverse=True)
    return TableFacts(
        name=name,
        num_rows=_number(snapshots[0], "total-records") if snapshots else 0,
        snapshots=tuple(_snapshot(one) for one in islice(snapshots, limit)),
    )


def _snapshot(snapshot: Snapshot) -> SnapshotFacts:
    summary = snapshot.summary
    return SnapshotFacts(
        id=snapshot.snapshot_id,
        committed_at=datetime.fromtimestamp(snapshot.timestamp_ms / 1000, UTC),
        operation=summary.operation.value if summary else "",
        added_rows=_number(snapshot, "added-records"),
        total_rows=_number(snapshot, "total-records"),
    )


def _number(snapshot: Snapshot, name: str) -> int:
    return int((snapshot.summary.get(name) if snapshot.summary else None) or 0)
