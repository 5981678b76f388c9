"""The dedup index: who owns a document's claims, decided once and for ever.

Claims belong to kept documents only, so drops never chain. The exact claim is global per kind; the
near claim (signature and domain on the fingerprint, `similarity` below 1 in the answer) joins this
port with near-dedup.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from gristmill.runtime.model import Kind, Position


@dataclass(frozen=True, slots=True, kw_only=True)
class Fingerprint:
    """What a document claims by: its content, with who it is and where it was delivered."""

    document_id: str
    kind: Kind
    content_sha256: str
    position: Position


@dataclass(frozen=True, slots=True)
class Kept:
    """The document owns its claims: admitted now, or before from this very position."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Duplicate:
    """Another document, admitted first, owns the claim; `similarity` runs from 0 to 1."""

    of: str
    similarity: float
    match: Literal["exact", "near"]


@dataclass(frozen=True, slots=True)
class Resubmitted:
    """The same document owns the claim from an earlier position."""


Admission = Kept | Duplicate | Resubmitted


class DedupIndex(Protocol):
    """Admits documents in the order given; its answers are durable when the call returns."""

    def admit(self, fingerprints: Sequence[Fingerprint]) -> Sequence[Admission]:
        """Decide a batch, one after the other; all of it becomes durable or none.

        How a stream is cut into batches never changes a verdict. A replay (same id, same position)
        is answered as it was the first time. Positions of one source must not go back, replays
        apart. Raises `Fatal` when the store is full, and then is as it was before the call.
        """
        ...

    def watermarks(self) -> Mapping[str, int]:
        """Return, per source, the offset after the last position decided."""
        ...

    def close(self) -> None:
        """Release the store; twice is harmless."""
        ...
