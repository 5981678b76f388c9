"""The finished tables, each with the vector of positions that it has taken in.

The tables are the truth about progress. A commit states where it begins in every source; a writer
whose view is stale is refused, so nothing is lost or doubled.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Span:
    """Offsets `begin` (inclusive) to `end` (exclusive) of one source."""

    begin: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Takedowns:
    """Documents that may not be written any more, by id and by content hash."""

    document_ids: frozenset[str] = field(default=frozenset())
    content_sha256s: frozenset[str] = field(default=frozenset())


# Any: a column holds text, numbers, times or nulls, as the table's schema says.
Columns = Mapping[str, Sequence[Any]]
"""Rows by column: one sequence per column of the table, all of one length."""


class Tables(Protocol):
    """The documents tables and the ledger of one place."""

    def positions(self, table: str) -> Mapping[str, int]:
        """Return, per source, the offset before which the table holds everything."""
        ...

    def commit(
        self, table: str, spans: Mapping[str, Span], rows: Callable[[Takedowns], Columns]
    ) -> int:
        """Add rows and move the vector in one atomic step; return the number of rows added.

        `rows` is called after the takedowns were read, again for each attempt. Raises `Stale`
        when a span does not begin where the table stands, and `Fatal` when the disk is full.
        """
        ...
