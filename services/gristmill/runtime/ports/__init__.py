"""What stages and engine need of the outside world, as protocols; adapters provide it."""

from gristmill.runtime.ports.clock import Clock
from gristmill.runtime.ports.index import (
    Admission,
    DedupIndex,
    Duplicate,
    Fingerprint,
    Kept,
    Resubmitted,
)
from gristmill.runtime.ports.progress import Progress
from gristmill.runtime.ports.sink import Batch, Sink
from gristmill.runtime.ports.source import Entry, Listing, ReadEntry, Source
from gristmill.runtime.ports.stage import Stage, StagePlugin
from gristmill.runtime.ports.tables import Columns, Span, Tables, Takedowns

__all__ = [
    "Admission",
    "Batch",
    "Clock",
    "Columns",
    "DedupIndex",
    "Duplicate",
    "Entry",
    "Fingerprint",
    "Kept",
    "Listing",
    "Progress",
    "ReadEntry",
    "Resubmitted",
    "Sink",
    "Source",
    "Span",
    "Stage",
    "StagePlugin",
    "Tables",
    "Takedowns",
]
