"""Where finished documents and decisions go at the end of a route."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from gristmill.runtime.model import Decision, Document
from gristmill.runtime.ports.tables import Span


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What reached the end of the route together, and the span of every source it covers."""

    spans: Mapping[str, Span]
    documents: Sequence[Document] = field(default=())
    decisions: Sequence[Decision] = field(default=())


class Sink(Protocol):
    """Takes batches in; what a call took in survives any crash after it."""

    def positions(self) -> Mapping[str, int]:
        """Return, per source, the offset before which everything has been taken in."""
        ...

    def write(self, batch: Batch, decided_at: datetime) -> int:
        """Take in what of the batch is new; return the number of documents added."""
        ...
