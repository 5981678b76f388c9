"""Where finished documents and decisions go at the end of a route."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from gristmill.runtime.model import Decision, Document, Position
from gristmill.runtime.ports.tables import Span


@dataclass(frozen=True, slots=True)
class Arrived:
    """A document, with the place in its span at which it came."""

    place: Position
    document: Document


@dataclass(frozen=True, slots=True)
class Decided:
    """A decision, with the place in its span at which it came, and when it was taken."""

    place: Position
    decision: Decision
    decided_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What reached the end of the route together, and the span of every source it covers.

    In a local run a place is the position of the document. From the log it is where the record
    stands in the topic that the sink reads.
    """

    spans: Mapping[str, Span]
    documents: Sequence[Arrived] = field(default=())
    decisions: Sequence[Decided] = field(default=())


class Sink(Protocol):
    """Takes batches in; what a call took in survives any crash after it."""

    def positions(self) -> Mapping[str, int]:
        """Return, per source, the offset before which everything has been taken in."""
        ...

    def write(self, batch: Batch, decided_at: datetime) -> int:
        """Take in what of the batch is new; return the number of documents added.

        `decided_at` is the time of the sink's own decisions.
        """
        ...
