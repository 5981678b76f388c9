"""The dedup index: who owns a document's claims, decided once and for ever.

A document claims its content (exact, global per kind) and the bands of its MinHash signature (near,
within its domain). Claims belong to kept documents only, so drops never chain.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, Protocol

from gristmill.runtime.model import Kind, Outcome, Position

BANDS: Final = 16
ROWS: Final = 7
PERMUTATIONS: Final = BANDS * ROWS
SIGNATURE_BYTES: Final = 2 * PERMUTATIONS
"""A signature is one unsigned 16-bit number, little-endian, for each permutation."""
DEFAULT_THRESHOLD: Final = 0.7
"""The similarity from which documents match, unless somebody says otherwise."""
SCHEME: Final = "5-token-minhash-112x16-v1"
"""How signatures are made. It changes with every change to them: an index holds one scheme only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fingerprint:
    """What a document claims by: its content, with who it is and where it was delivered.

    `signature` is empty (and `num_shingles` 0) for what is too short to be compared: it has an
    exact claim only. `domain` names what it is compared with: kind and language family.
    """

    document_id: str
    kind: Kind
    content_sha256: str
    position: Position
    domain: str = ""
    signature: bytes = b""
    num_shingles: int = 0


@dataclass(frozen=True, slots=True)
class Kept:
    """The document owns its claims: admitted now, or before from this very position."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Duplicate:
    """Another document, admitted first, owns the claim; `similarity` runs from 0 to 1.

    For a near match it is the share of equal rows in both signatures, which estimates Jaccard.
    """

    of: str
    similarity: float
    match: Literal["exact", "near"]


@dataclass(frozen=True, slots=True)
class Resubmitted:
    """The same document owns the claim from an earlier position."""


Admission = Kept | Duplicate | Resubmitted


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A kept document that owns bands of a signature, and how alike the two are, 0 to 1."""

    of: str
    bands: tuple[int, ...]
    similarity: float
    matches: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """How one document compares with what was kept, and what is said of it."""

    document_id: str
    domain: str
    num_shingles: int
    exact_match: str | None
    candidates: Sequence[Candidate]
    threshold: float
    outcome: Outcome


class DedupLookup(Protocol):
    """Asks an index and changes nothing, from any thread."""

    def look(self, fingerprints: Sequence[Fingerprint]) -> Sequence[Admission]:
        """Return what `admit` would answer to this batch now."""
        ...

    def candidates(self, fingerprint: Fingerprint) -> Sequence[Candidate]:
        """Return the owners of the bands of a signature, those that were admitted first first."""
        ...


class DedupIndex(Protocol):
    """Admits documents in the order given; its answers are durable when the call returns."""

    def admit(self, fingerprints: Sequence[Fingerprint]) -> Sequence[Admission]:
        """Decide a batch, one after the other; all of it becomes durable or none.

        The owner of the content is a match. So is, inside the domain, an owner of one of the bands
        whose signature agrees in at least the threshold's share of rows; a band belongs to its
        first kept owner. The match that was admitted first is reported. Without one the document
        is kept and claims its content and the bands that are free.

        How a stream is cut into batches never changes a verdict. A replay (same id, same position)
        is answered as it was the first time. Positions of one source must not go back, replays
        apart. Raises `Fatal` when the store is full, and then is as it was before the call.
        """
        ...

    def watermarks(self) -> Mapping[str, int]:
        """Return, per source, the offset after the last position decided."""
        ...

    def release(self, document_ids: Collection[str]) -> int:
        """Give up the claims of kept documents, durably; return how many of them held any.

        What they owned goes to the documents that would own it had those never come. Watermarks
        stay. It takes time in proportion to the whole index: it serves takedowns only.
        """
        ...

    def close(self) -> None:
        """Close the store; twice is harmless."""
        ...
