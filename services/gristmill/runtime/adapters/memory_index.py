"""The dedup index in memory: the twin of the embedded one, for tests and measurements."""

from collections.abc import Mapping, Sequence

from gristmill.runtime.adapters.claims import ExactClaims
from gristmill.runtime.ports import Admission, Fingerprint


class MemoryIndex:
    """Forgets everything when it goes; otherwise the embedded index to the letter."""

    def __init__(self) -> None:
        self._claims = ExactClaims()
        self._watermarks: dict[str, int] = {}

    def admit(self, fingerprints: Sequence[Fingerprint]) -> Sequence[Admission]:
        """Decide a batch, one after the other."""
        admissions, _ = self._claims.admit(fingerprints)
        advance(self._watermarks, fingerprints)
        return admissions

    def watermarks(self) -> Mapping[str, int]:
        """Return, per source, the offset after the last position decided."""
        return dict(self._watermarks)

    def close(self) -> None:
        """Do nothing: there is nothing to release."""


def advance(watermarks: dict[str, int], fingerprints: Sequence[Fingerprint]) -> None:
    """Move the watermarks behind the positions of a batch; they never go back."""
    for fingerprint in fingerprints:
        source, behind = fingerprint.position.source, fingerprint.position.offset + 1
        if behind > watermarks.get(source, 0):
            watermarks[source] = behind
