"""The end of every route: documents into their table, then all decisions into the ledger.

There is no commit over two tables. Each has its own vector of positions; a batch gives each table
what that table lacks, so a crash between the two is healed by writing the batch again.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

from gristmill.runtime.model import Drop
from gristmill.runtime.model.decision import decision_on
from gristmill.runtime.ports import Arrived, Batch, Columns, Decided, Span, Tables, Takedowns
from gristmill.shards.rows import file_columns, ledger_columns
from gristmill.shards.stage import NAME, VERSION, ShardsStage


class TableWriter:
    """A sink over the tables."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def positions(self) -> Mapping[str, int]:
        """Return, per source, the offset before which both tables hold everything."""
        files, ledger = self._tables.positions("files"), self._tables.positions("ledger")
        return {source: min(files.get(source, 0), at) for source, at in ledger.items()}

    def write(self, batch: Batch, decided_at: datetime) -> int:
        """Write what each table lacks of the batch; return the rows added to documents tables."""
        added = self._write_files(batch)
        self._write_ledger(batch, decided_at)
        return added

    def _write_files(self, batch: Batch) -> int:
        spans = self._lacking("files", batch.spans)
        documents = [one.document for one in batch.documents if _within(one, spans)]

        def rows(takedowns: Takedowns) -> Columns:
            outcomes = ShardsStage(takedowns).process(documents)
            return file_columns(
                document
                for document, outcome in zip(documents, outcomes, strict=True)
                if not isinstance(outcome, Drop)
            )

        return self._tables.commit("files", spans, rows) if spans else 0

    def _write_ledger(self, batch: Batch, decided_at: datetime) -> None:
        spans = self._lacking("ledger", batch.spans)
        if not spans:
            return
        decided = [one for one in batch.decisions if _within(one, spans)]
        arrived = [one for one in batch.documents if _within(one, spans)]

        def rows(takedowns: Takedowns) -> Columns:
            return ledger_columns([*decided, *_own_decisions(arrived, takedowns, decided_at)])

        self._tables.commit("ledger", spans, rows)

    def _lacking(self, table: str, spans: Mapping[str, Span]) -> dict[str, Span]:
        """Return the part of each span that lies behind where the table stands."""
        stands = self._tables.positions(table)
        return {
            source: Span(max(span.begin, stands.get(source, 0)), span.end)
            for source, span in spans.items()
            if span.end > stands.get(source, 0)
        }


def _within(item: Arrived | Decided, spans: Mapping[str, Span]) -> bool:
    span = spans.get(item.place.source)
    return span is not None and span.begin <= item.place.offset < span.end


def _own_decisions(
    arrived: Sequence[Arrived], takedowns: Takedowns, decided_at: datetime
) -> list[Decided]:
    documents = [one.document for one in arrived]
    outcomes = ShardsStage(takedowns).process(documents)
    return [
        Decided(
            one.place,
            decision_on(one.document, outcome, stage=NAME, version=VERSION),
            decided_at,
        )
        for one, outcome in zip(arrived, outcomes, strict=True)
    ]
