"""What stages and engine need of the outside world, as protocols; adapters provide it."""

from gristmill.runtime.ports.blobs import BlobStore
from gristmill.runtime.ports.clock import Clock
from gristmill.runtime.ports.event_log import EventLog
from gristmill.runtime.ports.index import (
    Admission,
    DedupIndex,
    Duplicate,
    Fingerprint,
    Kept,
    Resubmitted,
)
from gristmill.runtime.ports.log import (
    Committed,
    Delivery,
    Headers,
    Log,
    Message,
    Partition,
    Polled,
    Reader,
    Rewound,
    Writer,
)
from gristmill.runtime.ports.memo import Memo
from gristmill.runtime.ports.metrics import METRICS, Metric, Metrics
from gristmill.runtime.ports.progress import Progress
from gristmill.runtime.ports.sink import Arrived, Batch, Decided, Sink
from gristmill.runtime.ports.source import Entry, Listing, ReadEntry, Source
from gristmill.runtime.ports.stage import Remembers, Stage, StagePlugin, UsesParsers
from gristmill.runtime.ports.tables import Columns, Span, Tables, Takedowns

__all__ = [
    "METRICS",
    "Admission",
    "Arrived",
    "Batch",
    "BlobStore",
    "Clock",
    "Columns",
    "Committed",
    "Decided",
    "DedupIndex",
    "Delivery",
    "Duplicate",
    "Entry",
    "EventLog",
    "Fingerprint",
    "Headers",
    "Kept",
    "Listing",
    "Log",
    "Memo",
    "Message",
    "Metric",
    "Metrics",
    "Partition",
    "Polled",
    "Progress",
    "ReadEntry",
    "Reader",
    "Remembers",
    "Resubmitted",
    "Rewound",
    "Sink",
    "Source",
    "Span",
    "Stage",
    "StagePlugin",
    "Tables",
    "Takedowns",
    "UsesParsers",
    "Writer",
]
