"""Iceberg tables, and the one function through which everybody commits to them.

pyiceberg's own retries are off: measured, they double rows and lose positions. Here a commit reads
the newest vector of positions, refuses a batch that does not begin where the table stands, and
carries the vector forward in the snapshot that adds the rows. The tables are the truth; whoever
feeds them asks them where to go on.
"""

import errno
import json
import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress

import pyarrow as pa
import pyarrow.compute as pc
from pyiceberg.catalog import Catalog
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.exceptions import (
    CommitFailedException,
    NamespaceAlreadyExistsError,
    NoSuchTableError,
)
from pyiceberg.table import Table
from pyiceberg.table.snapshots import Snapshot
from sqlalchemy import URL
from sqlalchemy.exc import SQLAlchemyError

from gristmill.runtime.adapters.iceberg_expiry import EXPIRY, expire_old
from gristmill.runtime.adapters.iceberg_schemas import SEQUENCE, TABLES, TableDefinition
from gristmill.runtime.model import BadInput, Fatal, Stale
from gristmill.runtime.ports import Columns, Span, Takedowns

NAMESPACE = "gristmill"
POSITIONS = "gristmill.positions"
COMMIT_NUMBER = "gristmill.commit"
SETTINGS = "gristmill.settings"
_ATTEMPTS = 20  # conflicts in a row with other writers, after which something is wrong
_FORMAT = {"format-version": "2"}
_PROPERTIES = {
    **EXPIRY,
    "commit.manifest-merge.enabled": "true",
    "commit.retry.num-retries": "0",
    "write.parquet.compression-codec": "zstd",
    "write.parquet.compression-level": "3",
    "write.target-file-size-bytes": str(512 << 20),
    "write.metadata.delete-after-commit.enabled": "true",
    "write.metadata.previous-versions-max": "20",
}


def local_catalog(directory: str) -> Catalog:
    """Return the catalog of a local run: SQLite and files under `directory`."""
    root = os.path.realpath(directory)
    # pyiceberg takes what follows # or ? in an address off, and never decodes %: a plain path then.
    scheme = "" if "#" in root or "?" in root else "file://"
    with explained():
        return SqlCatalog(
            "gristmill",
            uri=URL.create("sqlite", database=f"{root}/catalog.db").render_as_string(),
            warehouse=f"{scheme}{root}/warehouse",
        )


def _bring_up(table: Table, definition: TableDefinition) -> None:
    """Add what a table made by an earlier version lacks: columns, null in what it holds."""
    known = {field.name for field in table.schema().fields}
    missing = [column for column in definition.columns if column.name not in known]
    if missing:
        with table.update_schema() as update:
            for column in missing:
                update.add_column(column.name, column.type, doc=column.explanation)
    unset = {name: one for name, one in _PROPERTIES.items() if name not in table.properties}
    if unset:
        with table.transaction() as transaction:
            transaction.set_properties(unset)


class IcebergTables:
    """The tables of one catalog; made at first use."""

    def __init__(self, catalog: Catalog, *, settings_fingerprint: str = "") -> None:
        """Take the catalog; each snapshot will carry the fingerprint of the settings."""
        self._catalog = catalog
        self._settings = settings_fingerprint

    def create(self) -> None:
        """Make the namespace, the tables, and the columns that are not there yet."""
        with explained():
            with suppress(NamespaceAlreadyExistsError):
                self._catalog.create_namespace(NAMESPACE)
            for name, definition in TABLES.items():
                table = self._catalog.create_table_if_not_exists(
                    (NAMESPACE, name),
                    definition.iceberg_schema(),
                    sort_order=definition.sort_order(),
                    properties={**_FORMAT, **_PROPERTIES},
                )
                with suppress(CommitFailedException):  # another process adds them too
                    _bring_up(table, definition)
                if table.current_snapshot() is None and definition.is_fed:
                    with suppress(CommitFailedException):  # another process makes them too
                        self._append(table, definition.arrow_schema().empty_table(), {}, 0)

    def load(self, table: str) -> Table:
        """Return a table as it stands now. Raises BadInput when it was never made."""
        try:
            return self._catalog.load_table((NAMESPACE, table))
        except NoSuchTableError as error:
            raise BadInput(
                f"there is no table {NAMESPACE}.{table} yet: the first run was stopped at its "
                "start; run it again"
            ) from error

    def has(self, table: str) -> bool:
        """Tell whether a table was made: an earlier version may not have known it."""
        return self._catalog.table_exists((NAMESPACE, table))

    def read(self, table: str) -> pa.Table:
        """Return all rows of a small table; none where an earlier version did not make it."""
        if not self.has(table):
            return TABLES[table].arrow_schema().empty_table()
        return self.load(table).scan().to_arrow()

    def append(self, table: str, columns: Columns) -> None:
        """Add rows to a table that no stage feeds; it is made if it is not there."""
        self.create()
        data = _arrow(TABLES[table], columns, 0)
        with explained():
            for _ in range(_ATTEMPTS):
                try:
                    self.load(table).append(data)
                except CommitFailedException:  # another writer was quicker
                    continue
                return
        raise Fatal(f"table {table}: {_ATTEMPTS} writes in a row met another writer's")

    def positions(self, table: str) -> Mapping[str, int]:
        """Return, per source, the offset before which the table holds everything."""
        return vector_of(newest_own_snapshot(self.load(table)))

    def num_rows(self, table: str) -> int:
        """Return how many rows the table has."""
        snapshot = self.load(table).current_snapshot()
        total = snapshot.summary.get("total-records") if snapshot and snapshot.summary else None
        return int(total or 0)

    def takedowns(self) -> Takedowns:
        """Return what may not be written any more."""
        table = self.load("takedowns")
        if table.current_snapshot() is None:
            return Takedowns()
        rows = table.scan(selected_fields=("document_id", "content_sha256")).to_arrow()
        return Takedowns(
            document_ids=frozenset(filter(None, rows["document_id"].to_pylist())),
            content_sha256s=frozenset(filter(None, rows["content_sha256"].to_pylist())),
        )

    def commit(
        self, table: str, spans: Mapping[str, Span], rows: Callable[[Takedowns], Columns]
    ) -> int:
        """Add rows and move the vector in one atomic step; see the port."""
        with explained():
            for _ in range(_ATTEMPTS):
                try:
                    return self._try_commit(table, spans, rows)
                except CommitFailedException:  # another writer was quicker: look again
                    continue
        raise Fatal(f"table {table}: {_ATTEMPTS} commits in a row met another writer's")

    def _try_commit(
        self, name: str, spans: Mapping[str, Span], rows: Callable[[Takedowns], Columns]
    ) -> int:
        table = self.load(name)
        newest = newest_own_snapshot(table)
        vector = vector_of(newest)
        for source, span in spans.items():
            if vector.get(source, 0) != span.begin:
                raise Stale(
                    f"table {name} stands at {vector.get(source, 0)} in source {source}, "
                    f"the batch begins at {span.begin}"
                )
        number = _last_commit_number(table, newest) + 1
        data = _arrow(TABLES[name], rows(self.takedowns()), number)
        vector.update((source, span.end) for source, span in spans.items())
        self._append(table, data, vector, number)
        expire_old(table)
        return len(data)

    def _append(self, table: Table, data: pa.Table, vector: Mapping[str, int], number: int) -> None:
        with table.transaction() as transaction:
            transaction.append(
                data,
                snapshot_properties={
                    # In the order in which sources were first taken: a rebuilt index needs it.
                    POSITIONS: json.dumps(vector, separators=(",", ":")),
                    COMMIT_NUMBER: str(number),
                    SETTINGS: self._settings,
                },
            )
            transaction.set_properties({COMMIT_NUMBER: str(number)})


def newest_own_snapshot(table: Table) -> Snapshot | None:
    """Return the newest snapshot of main that carries positions: other engines' do not.

    Raises Fatal when it has expired: without it nobody knows what the table has taken in.
    """
    snapshot = table.current_snapshot()
    while snapshot is not None and snapshot_property(snapshot, POSITIONS) is None:
        parent = snapshot.parent_snapshot_id
        snapshot = table.snapshot_by_id(parent) if parent is not None else None
    if snapshot is None and COMMIT_NUMBER in table.properties:
        raise Fatal(
            f"table {'.'.join(table.name())}: the snapshots that carry {POSITIONS} have expired; "
            "whoever expires snapshots must keep the newest of gristmill's own"
        )
    return snapshot


def snapshot_property(snapshot: Snapshot | None, name: str) -> str | None:
    """Return a property that a snapshot carries."""
    return snapshot.summary.get(name) if snapshot is not None and snapshot.summary else None


def vector_of(snapshot: Snapshot | None) -> dict[str, int]:
    """Return the vector of positions that a snapshot carries."""
    stored = snapshot_property(snapshot, POSITIONS)
    return dict(json.loads(stored)) if stored else {}


def _last_commit_number(table: Table, snapshot: Snapshot | None) -> int:
    """Return the highest number given so far, also to commits that were taken back since."""
    given = table.properties.get(COMMIT_NUMBER, "0")
    return max(int(given), int(snapshot_property(snapshot, COMMIT_NUMBER) or 0))


def _arrow(definition: TableDefinition, columns: Columns, commit_number: int) -> pa.Table:
    """Return the rows sorted as the table wants them, with their sequence numbers."""
    schema = definition.arrow_schema()
    with_sequence = SEQUENCE in schema.names
    num_rows = len(next(iter(columns.values())))
    arrays = [
        pa.array(columns[field.name], type=field.type)
        if field.name != SEQUENCE
        else pa.nulls(num_rows, pa.int64())
        for field in schema
    ]
    unchecked = pa.schema([field.with_nullable(nullable=True) for field in schema])
    table = pa.Table.from_arrays(arrays, schema=unchecked)
    keys = [(name, "ascending", "at_start") for name in definition.sort_by]
    # Nulls first, as the table's sort order says to other engines.
    table = table.take(pc.sort_indices(table, sort_keys=keys))
    if with_sequence:
        first = commit_number << 32
        numbers = pa.array(range(first, first + num_rows), type=pa.int64())
        table = table.set_column(schema.get_field_index(SEQUENCE), SEQUENCE, numbers)
    return table.cast(schema)


@contextmanager
def explained() -> Iterator[None]:
    """Turn a full disk, wherever it is noticed, into one clear error."""
    try:
        yield
    except (OSError, SQLAlchemyError, sqlite3.Error) as error:
        text = str(error)
        full = isinstance(error, OSError) and error.errno == errno.ENOSPC
        if full or "No space left" in text or "disk is full" in text:
            raise Fatal("the disk is full: the tables could not be written") from error
        raise Fatal(f"the tables could not be written: {text.splitlines()[0]}") from error
