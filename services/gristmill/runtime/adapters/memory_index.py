"""The dedup index in memory: the twin of the embedded one, for tests and measurements."""

from collections.abc import Collection, Mapping, Sequence

from gristmill.runtime.adapters.claims import Claims, advance
from gristmill.runtime.ports import Admission, Candidate, Fingerprint
from gristmill.runtime.ports.index import DEFAULT_THRESHOLD


class MemoryIndex:
    """Forgets everything when it goes; otherwise the embedded index to the letter."""

    def __init__(self, *, threshold: float = DEFAULT_THRESHOLD) -> None:
        self._claims = Claims(threshold)
        self._watermarks: dict[str, int] = {}

    def admit(self, fingerprints: Sequence[Fingerprint]) -> Sequence[Admission]:
        """Decide a batch, one after the other."""
        admissions, _ = self._claims.admit(fingerprints)
        advance(self._watermarks, fingerprints)
        return admissions

    def look(self, fingerprints: Sequence[Fingerprint]) -> Sequence[Admission]:
        """Return what `admit` would answer now."""
        return self._claims.look(fingerprints)

    def candidates(self, fingerprint: Fingerprint) -> Sequence[Candidate]:
        """Return the owners of the bands of a signature."""
        return self._claims.candidates(fingerprint)

    def watermarks(self) -> Mapping[str, int]:
        """Return, per source, the offset after the last position decided."""
        return dict(self._watermarks)

    def release(self, document_ids: Collection[str]) -> int:
        """Give up the claims of kept documents."""
        return self._claims.release(document_ids)

    def close(self) -> None:
        """Do nothing: there is nothing to close."""
