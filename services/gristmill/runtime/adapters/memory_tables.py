"""Tables in memory, with the same commit rule: the twin of the Iceberg tables, for tests."""

from collections.abc import Callable, Mapping
from typing import Any

from gristmill.runtime.model import Stale
from gristmill.runtime.ports import Columns, Span, Takedowns


class MemoryTables:
    """Rows as dictionaries, by table; `takedowns` may be set by a test."""

    def __init__(self) -> None:
        self.rows: dict[str, list[dict[str, Any]]] = {}
        self.takedowns = Takedowns()
        self._vectors: dict[str, dict[str, int]] = {}

    def positions(self, table: str) -> Mapping[str, int]:
        """Return, per source, the offset before which the table holds everything."""
        return dict(self._vectors.get(table, {}))

    def commit(
        self, table: str, spans: Mapping[str, Span], rows: Callable[[Takedowns], Columns]
    ) -> int:
        """Add rows and move the vector in one step; see the port."""
        vector = dict(self.positions(table))
        for source, span in spans.items():
            if vector.get(source, 0) != span.begin:
                raise Stale(f"table {table} stands elsewhere in {source}")
        columns = rows(self.takedowns)
        added = [
            dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)
        ]
        self.rows.setdefault(table, []).extend(added)
        vector.update((source, span.end) for source, span in spans.items())
        self._vectors[table] = vector
        return len(added)
