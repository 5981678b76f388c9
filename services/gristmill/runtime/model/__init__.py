"""The vocabulary of Gristmill: frozen values and tables. No input or output happens here."""

from gristmill.runtime.model.decision import Decision
from gristmill.runtime.model.document import (
    Annotations,
    BlobReference,
    Commit,
    CrawlItem,
    Document,
    FileText,
    Kind,
    Origin,
    Position,
    RawFile,
    Repository,
    RepositoryMember,
    Syntax,
    WebPage,
)
from gristmill.runtime.model.errors import (
    BadInput,
    Fatal,
    GristmillError,
    Poison,
    Stale,
    TooMuchAside,
    Transient,
)
from gristmill.runtime.model.features import Features
from gristmill.runtime.model.outcome import (
    Drop,
    Evidence,
    Keep,
    Outcome,
    OutcomeKind,
    Reject,
    Split,
)
from gristmill.runtime.model.reason import Reason
from gristmill.runtime.model.routes import PAPER_ROUTES, ROUTES, route_with

__all__ = [
    "PAPER_ROUTES",
    "ROUTES",
    "Annotations",
    "BadInput",
    "BlobReference",
    "Commit",
    "CrawlItem",
    "Decision",
    "Document",
    "Drop",
    "Evidence",
    "Fatal",
    "Features",
    "FileText",
    "GristmillError",
    "Keep",
    "Kind",
    "Origin",
    "Outcome",
    "OutcomeKind",
    "Poison",
    "Position",
    "RawFile",
    "Reason",
    "Reject",
    "Repository",
    "RepositoryMember",
    "Split",
    "Stale",
    "Syntax",
    "TooMuchAside",
    "Transient",
    "WebPage",
    "route_with",
]
