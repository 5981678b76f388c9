"""What stages and engine need of the outside world, as protocols; adapters provide it."""

from gristmill.runtime.ports.blobs import BlobStore
from gristmill.runtime.ports.clock import Clock
from gristmill.runtime.ports.event_log import EventLog
from gristmill.runtime.ports.index import (
    Admission,
    Candidate,
    Comparison,
    DedupIndex,
    DedupLookup,
    Duplicate,
    Fingerprint,
    Kept,
    Resubmitted,
)
from gristmill.runtime.ports.keys import KeyStore, Remembered
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
from gristmill.runtime.ports.scorer import Scorer
from gristmill.runtime.ports.sink import Arrived, Batch, Decided, Sink
from gristmill.runtime.ports.source import Entry, Listing, ReadEntry, Source
from gristmill.runtime.ports.spool import Spool, Spooled
from gristmill.runtime.ports.stage import Remembers, Stage, StagePlugin, UsesParsers
from gristmill.runtime.ports.tables import Columns, Span, Tables, Takedowns

__all__ = [
    "METRICS",
    "Admission",
    "Arrived",
    "Batch",
    "BlobStore",
    "Candidate",
    "Clock",
    "Columns",
    "Committed",
    "Comparison",
    "Decided",
    "DedupIndex",
    "DedupLookup",
    "Delivery",
    "Duplicate",
    "Entry",
    "EventLog",
    "Fingerprint",
    "Headers",
    "Kept",
    "KeyStore",
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
    "Remembered",
    "Remembers",
    "Resubmitted",
    "Rewound",
    "Scorer",
    "Sink",
    "Source",
    "Span",
    "Spool",
    "Spooled",
    "Stage",
    "StagePlugin",
    "Tables",
    "Takedowns",
    "UsesParsers",
    "Writer",
]
