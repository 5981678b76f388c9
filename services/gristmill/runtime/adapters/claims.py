"""What every index keeps in memory: who owns which content, and how far each source was decided.

Derived from a log, never the truth itself.
"""

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from gristmill.runtime.model import Kind, Position
from gristmill.runtime.ports import Admission, Duplicate, Fingerprint, Kept, Resubmitted

_ROW = struct.Struct("<16sIQ")  # document id, number of its source, offset


@dataclass(frozen=True, slots=True)
class Owner:
    """A kept document, as it stands in the log."""

    document_id: str
    kind: Kind
    content_sha256: str
    position: Position


class ExactClaims:
    """Who owns which content, per kind: the first that was kept. About 200 bytes an owner."""

    def __init__(self) -> None:
        self._row_of: dict[Kind, dict[bytes, int]] = {kind: {} for kind in Kind}
        self._rows = bytearray()
        self._sources: dict[str, int] = {}
        self._source_names: list[str] = []

    def __len__(self) -> int:
        return len(self._rows) // _ROW.size

    def admit(self, fingerprints: Sequence[Fingerprint]) -> tuple[list[Admission], list[Owner]]:
        """Decide a batch; return the verdicts and the owners that are new."""
        admissions: list[Admission] = []
        added: list[Owner] = []
        for fingerprint in fingerprints:
            content = bytes.fromhex(fingerprint.content_sha256)
            row = self._row_of[fingerprint.kind].get(content)
            if row is not None:
                admissions.append(self._verdict(fingerprint, row))
                continue
            owner = Owner(
                fingerprint.document_id,
                fingerprint.kind,
                fingerprint.content_sha256,
                fingerprint.position,
            )
            self._add(owner)
            added.append(owner)
            admissions.append(Kept())
        return admissions, added

    def load(self, owners: Iterable[Owner]) -> None:
        """Take owners in from the log, in its order."""
        for owner in owners:
            self._add(owner)

    def withdraw(self, owners: Sequence[Owner]) -> None:
        """Take back the owners added last, which did not become durable."""
        for owner in owners:
            del self._row_of[owner.kind][bytes.fromhex(owner.content_sha256)]
        del self._rows[len(self._rows) - _ROW.size * len(owners) :]

    def _add(self, owner: Owner) -> None:
        self._row_of[owner.kind][bytes.fromhex(owner.content_sha256)] = len(self)
        source = owner.position.source
        if source not in self._sources:
            self._sources[source] = len(self._source_names)
            self._source_names.append(source)
        identity = bytes.fromhex(owner.document_id)
        self._rows += _ROW.pack(identity, self._sources[source], owner.position.offset)

    def _verdict(self, fingerprint: Fingerprint, row: int) -> Admission:
        identity, source, offset = _ROW.unpack_from(self._rows, row * _ROW.size)
        if identity.hex() != fingerprint.document_id:
            return Duplicate(of=identity.hex(), similarity=1.0, match="exact")
        owner_position = Position(source=self._source_names[source], offset=offset)
        return Kept() if owner_position == fingerprint.position else Resubmitted()


def advance(watermarks: dict[str, int], fingerprints: Sequence[Fingerprint]) -> None:
    """Move the watermarks behind the positions of a batch; they never go back."""
    for fingerprint in fingerprints:
        source, behind = fingerprint.position.source, fingerprint.position.offset + 1
        if behind > watermarks.get(source, 0):
            watermarks[source] = behind
