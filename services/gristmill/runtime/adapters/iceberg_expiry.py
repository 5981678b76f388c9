"""Forgetting old snapshots, so that a commit costs the same however many came before it.

pyiceberg copies a table's whole metadata for every step of a commit: with 300 snapshots a commit
took six times the CPU of the first ones. No row goes with a snapshot, only the way back to it.
"""

from collections.abc import Mapping
from contextlib import suppress

from pyiceberg.exceptions import CommitFailedException
from pyiceberg.table import Table, TableProperties
from pyiceberg.utils.datetime import millis_to_datetime
from pyiceberg.utils.properties import property_as_int

_TOGETHER = 20  # at least: forgetting is a commit of its own
EXPIRY: Mapping[str, str] = {
    TableProperties.MIN_SNAPSHOTS_TO_KEEP: "100",
    TableProperties.MAX_SNAPSHOT_AGE_MS: str(1_800_000),
}
"""Iceberg's own properties of a table, as it is made: half an hour, and a hundred at least."""


def expire_old(table: Table) -> None:
    """Forget the snapshots that are too many and too old, by the table's own properties.

    The newest must be ours: it carries the positions. Branches and tags stay. Manifests that were
    merged into others are left to engines that look for orphans.
    """
    snapshots = sorted(table.metadata.snapshots, key=lambda one: one.timestamp_ms)
    # A table whose properties were taken away keeps everything.
    least = property_as_int(table.properties, TableProperties.MIN_SNAPSHOTS_TO_KEEP)
    age = property_as_int(table.properties, TableProperties.MAX_SNAPSHOT_AGE_MS)
    if least is None or age is None or len(snapshots) < least + _TOGETHER:
        return
    kept_from = min(snapshots[-least].timestamp_ms, snapshots[-1].timestamp_ms - age)
    if sum(one.timestamp_ms < kept_from for one in snapshots) < _TOGETHER:
        return
    with suppress(CommitFailedException):  # another writer was quicker: the next commit does it
        table.maintenance.expire_snapshots().older_than(millis_to_datetime(kept_from)).commit()
        left = {one.snapshot_id for one in table.metadata.snapshots}
        for one in snapshots:
            if one.snapshot_id not in left:
                with suppress(FileNotFoundError):  # the rows are in: nothing here may fail them
                    table.io.delete(one.manifest_list)
