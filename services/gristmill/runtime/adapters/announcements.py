"""Telling the world of finished snapshots, on the topic `gristmill.shards-finalized.v1`.

What is told follows from the tables alone. At start the topic says which snapshots were told of;
those that a stopped worker left untold are told then, in order; what nobody confirmed may be told
twice, under the same snapshot. A table of which the end of the topic holds no record is told from
the oldest snapshot on that it still has: the same records once more.
"""

import json
from collections.abc import Iterable, Iterator

from pyiceberg.table import Table
from pyiceberg.table.snapshots import Snapshot

from gristmill.runtime.adapters.iceberg import (
    POSITIONS,
    IcebergTables,
    snapshot_property,
    vector_of,
)
from gristmill.runtime.ports import Message, Writer

TOPIC = "gristmill.shards-finalized.v1"
_TABLES = ("files", "ledger")


class Announcer:
    """Announces what the tables hold and was not announced; `told` are the topic's last records.

    `log` are the names, as sources of partitions, of the topics that the tables are fed from.
    """

    def __init__(
        self, tables: IcebergTables, writer: Writer, told: Iterable[bytes], log: Iterable[str]
    ) -> None:
        self._tables = tables
        self._writer = writer
        self._log = frozenset(log)
        self._told = {(one["table"], one["snapshot"]) for one in map(json.loads, told)}

    def __call__(self) -> None:
        """Announce every snapshot of ours that nobody was told of. Raises Transient."""
        if self._log & torn(self._tables):
            return  # a batch is in one table alone: it is finished first
        for name in _TABLES:
            table = self._tables.load(name)
            if untold := self._untold(name, table):
                self._writer.write([_message(name, one) for one in untold])
                self._told.update((_full(name), one.snapshot_id) for one in untold)
                self._forget_old(name, table)

    def _forget_old(self, name: str, table: Table) -> None:
        """Forget snapshots that the table has forgotten."""
        held = {snapshot.snapshot_id for snapshot in table.snapshots()}
        self._told = {one for one in self._told if one[0] != _full(name) or one[1] in held}

    def _untold(self, name: str, table: Table) -> list[Snapshot]:
        """Return snapshots of main that carry positions, oldest first, behind the last one told."""
        found: list[Snapshot] = []
        for snapshot in _history(table):
            if (_full(name), snapshot.snapshot_id) in self._told:
                break
            if vector_of(snapshot):
                found.append(snapshot)
        return found[::-1]


def torn(tables: IcebergTables) -> frozenset[str]:
    """Return the topics, as sources of partitions, whose last batch is in one table alone.

    Of the log that feeds the tables it comes again; of a log that was replaced it never will.
    """
    files, ledger = tables.positions("files"), tables.positions("ledger")
    return frozenset(
        one.rpartition("/")[0]
        for one in files.keys() | ledger.keys()
        if files.get(one) != ledger.get(one)
    )


def _history(table: Table) -> Iterator[Snapshot]:
    snapshot = table.current_snapshot()
    while snapshot is not None:
        yield snapshot
        parent = snapshot.parent_snapshot_id
        snapshot = table.snapshot_by_id(parent) if parent is not None else None


def _full(name: str) -> str:
    return f"gristmill.{name}"


def _message(name: str, snapshot: Snapshot) -> Message:
    content = {
        "table": _full(name),
        "snapshot": snapshot.snapshot_id,
        "files": int(snapshot_property(snapshot, "added-data-files") or 0),
        "rows": int(snapshot_property(snapshot, "added-records") or 0),
        "positions": json.loads(snapshot_property(snapshot, POSITIONS) or "{}"),
    }
    return Message(
        topic=TOPIC,
        key=_full(name).encode(),
        value=json.dumps(content, separators=(",", ":")).encode(),
        headers=(("schema", b"gristmill.shards-finalized.v1+json"),),
    )
