"""What every index keeps in memory: who owns which content and which bands.

Derived from a log, never the truth itself. One record of 292 bytes for each kept document, laid out
as in the log, and two tables of claims that point into the records.
"""

import math
import mmap
from collections.abc import Collection, Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gristmill.runtime.adapters import claims_kernel as kernel
from gristmill.runtime.adapters.claims_kernel import CELLS, RECORD
from gristmill.runtime.model import Fatal, Kind
from gristmill.runtime.ports import Admission, Candidate, Duplicate, Fingerprint, Kept, Resubmitted
from gristmill.runtime.ports.index import (
    BANDS,
    DEFAULT_THRESHOLD,
    PERMUTATIONS,
    SIGNATURE_BYTES,
)

KINDS = tuple(Kind)

_MAX_LOAD = 0.7  # of a table; chains grow long beyond
_GROWTH = 1.5
_FIRST_SLOTS = 1024
_MOVED_SLOTS = 1 << 20
_PAGE_SLOTS = mmap.PAGESIZE // 8
MAX_DOCUMENTS = (1 << 32) - 2  # a claim has 32 bits for its owner
_MAX_DOMAINS = 1 << 16
_NO_SIGNATURE = bytes(SIGNATURE_BYTES)

Records = NDArray[Any]  # of dtype RECORD


@dataclass(slots=True)
class _Pending:
    """What the last batch changed, so that it can be taken back."""

    held: int
    used: int
    num_sources: int
    num_domains: int
    undo: NDArray[np.int64]
    written: int = 0


class Names:
    """Names that records hold by number, in the order in which they were first met."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self.names: list[str] = []

    def __len__(self) -> int:
        return len(self.names)

    def number(self, name: str) -> int:
        """Return the number of a name, a new one if need be."""
        if (number := self._numbers.get(name)) is None:
            number = self._numbers[name] = len(self.names)
            self.names.append(name)
        return number

    def forget_from(self, length: int) -> None:
        """Take back the names numbered `length` and more."""
        for name in self.names[length:]:
            del self._numbers[name]
        del self.names[length:]


class Claims:
    """The claims of kept documents, exact and near: 490 to 590 bytes of memory a document."""

    def __init__(self, threshold: float = DEFAULT_THRESHOLD) -> None:
        """Begin empty; `threshold` is the similarity, 0 to 1, from which two texts match."""
        self.sources = Names()
        self.domains = Names()
        # Less a little: rounding must not turn 0.75 * 112 = 84 into 85.
        self._least = max(1, math.ceil(threshold * PERMUTATIONS - 1e-9))
        self._least_ratio = threshold - 1e-9
        self._rows = _Rows()
        self._held = 0
        self._used = 0  # slots of bands
        self._bands = _table(_FIRST_SLOTS)
        self._exact = _table(_FIRST_SLOTS)
        self._pending: _Pending | None = None

    def __len__(self) -> int:
        return self._held

    @property
    def num_bytes(self) -> dict[str, int]:
        """The memory in use, by part."""
        return {
            "records": self._held * RECORD.itemsize,
            "band table": self._bands.nbytes,
            "exact table": self._exact.nbytes,
        }

    @property
    def num_claims(self) -> int:
        """Bands that have an owner."""
        return self._used

    def admit(self, fingerprints: Sequence[Fingerprint]) -> tuple[list[Admission], bytes]:
        """Decide a batch; return the verdicts and the records that are new, in order."""
        size = len(fingerprints)
        pending = self._pending = _Pending(
            self._held, self._used, len(self.sources), len(self.domains),
            np.empty(size * (BANDS + 1), np.int64),
        )  # fmt: skip
        try:
            batch = self.pack(fingerprints)
            self._reserve(size)
        except BaseException:
            self.withdraw()
            raise
        verdicts = np.empty(size, np.uint8)
        matches = np.empty(size, np.int64)
        agreements = np.zeros(size, np.int64)
        self._held, pending.written, _ = kernel.admit(
            self._bands, self._exact, self._rows.cells, self._held, _cells(batch), self._least,
            self._least_ratio, verdicts, matches, agreements, pending.undo,
        )  # fmt: skip
        self._used += pending.written - (self._held - pending.held)
        admissions = self._admissions(fingerprints, batch, verdicts, matches, agreements)
        return admissions, self._rows.records[pending.held : self._held].tobytes()

    def withdraw(self) -> None:
        """Take back the last batch, which did not become durable."""
        pending = self._pending
        assert pending is not None, "there is a batch to take back"
        kernel.withdraw(self._bands, self._exact, pending.undo, pending.written)
        self._held, self._used = pending.held, pending.used
        self.sources.forget_from(pending.num_sources)
        self.domains.forget_from(pending.num_domains)
        self._pending = None

    def look(self, fingerprints: Sequence[Fingerprint]) -> list[Admission]:
        """Return the verdicts that a batch would get, and be as before."""
        admissions, _ = self.admit(fingerprints)
        self.withdraw()
        return admissions

    def candidates(self, fingerprint: Fingerprint) -> list[Candidate]:
        """Return who owns bands of a document's signature, in the order of their admission."""
        if not fingerprint.signature:
            return []
        num_sources, num_domains = len(self.sources), len(self.domains)
        row = self.pack([fingerprint])
        self.sources.forget_from(num_sources)
        self.domains.forget_from(num_domains)
        owners = np.empty(BANDS, np.int64)
        kernel.owners(self._bands, self._rows.cells, _cells(row)[0], owners)
        return [self._candidate(owner, owners, row[0]) for owner in np.unique(owners[owners >= 0])]

    def _candidate(self, owner: int, owners: NDArray[np.int64], row: Any) -> Candidate:  # noqa: ANN401  # numpy's record
        record = self._rows.records[owner]
        equal = int(np.count_nonzero(record["signature"] == row["signature"]))
        counts = int(record["num_shingles"]), int(row["num_shingles"])
        return Candidate(
            of=record["document_id"].tobytes().hex(),
            bands=tuple(np.flatnonzero(owners == owner).tolist()),
            similarity=equal / PERMUTATIONS,
            matches=equal >= self._least and min(counts) >= self._least_ratio * max(counts),
        )

    def load(self, log: Iterable[Records]) -> None:
        """Take records in from a log, in its order, with the claims that are still free."""
        end = self._held
        for records in log:
            self._rows.reserve(end + len(records))
            self._rows.records[end : end + len(records)] = records
            end += len(records)
        self._reserve(end - self._held)
        used, _ = kernel.restore(self._bands, self._exact, self._rows.cells, self._held, end)
        self._held, self._used = end, self._used + used

    def release(self, document_ids: Collection[str]) -> int:
        """Forget documents; the others claim anew, in order. Return how many are forgotten."""
        records = self._rows.records[: self._held]
        stays = ~held_by(records, binary_ids(document_ids))
        others = records[stays]
        del records  # nobody may look at the rows when they grow
        released = self._held - len(others)
        self._held = self._used = 0
        self._bands[:] = self._exact[:] = 0
        self.load([others])
        return released

    def pack(self, fingerprints: Sequence[Fingerprint]) -> Records:
        """Return the records of documents, numbering the names that are new."""
        batch = np.empty(len(fingerprints), RECORD)
        signatures = b"".join([f.signature or _NO_SIGNATURE for f in fingerprints])
        if not {len(f.signature) for f in fingerprints} <= {0, SIGNATURE_BYTES}:
            raise ValueError(f"a signature has {SIGNATURE_BYTES} bytes or none")
        batch["signature"] = np.frombuffer(signatures, "<u2").reshape(-1, PERMUTATIONS)
        batch["content_sha256"] = _hex([f.content_sha256 for f in fingerprints], 32)
        batch["document_id"] = _hex([f.document_id for f in fingerprints], 16)
        batch["kind"] = [KINDS.index(f.kind) for f in fingerprints]
        batch["num_shingles"] = [f.num_shingles if f.signature else 0 for f in fingerprints]
        number = self.domains.number
        domains = [number(f.domain) for f in fingerprints]
        number = self.sources.number
        batch["source"] = [number(f.position.source) for f in fingerprints]
        batch["offset"] = [f.position.offset for f in fingerprints]
        if len(self.domains) > _MAX_DOMAINS:
            raise Fatal(f"the dedup index is full: it holds {_MAX_DOMAINS:,} domains at most")
        batch["domain"] = domains
        return batch

    def _reserve(self, extra: int) -> None:
        """Make room for a batch: nothing grows inside one."""
        if self._held + extra > MAX_DOCUMENTS:
            raise Fatal(f"the dedup index is full: it holds {MAX_DOCUMENTS:,} documents at most")
        self._rows.reserve(self._held + extra)
        self._bands = _with_room(self._bands, self._used + extra * BANDS)
        self._exact = _with_room(self._exact, self._held + extra)

    def _admissions(
        self,
        fingerprints: Sequence[Fingerprint],
        batch: Records,
        verdicts: NDArray[np.uint8],
        matches: NDArray[np.int64],
        agreements: NDArray[np.int64],
    ) -> list[Admission]:
        admissions: list[Admission] = [Kept()] * len(fingerprints)
        records = self._rows.records
        for at in np.flatnonzero(verdicts != kernel.KEPT).tolist():
            owner = records[matches[at]]
            identity = owner["document_id"].tobytes().hex()
            if verdicts[at] == kernel.NEAR:
                similarity = float(agreements[at]) / PERMUTATIONS
                admissions[at] = Duplicate(of=identity, similarity=similarity, match="near")
            elif identity != fingerprints[at].document_id:
                admissions[at] = Duplicate(of=identity, similarity=1.0, match="exact")
            elif (owner["source"], owner["offset"]) != (batch[at]["source"], batch[at]["offset"]):
                admissions[at] = Resubmitted()
        return admissions


class _Rows:
    """The records, in anonymous memory that grows in place and costs nothing until written."""

    def __init__(self) -> None:
        self._map = _anonymous(_FIRST_SLOTS * RECORD.itemsize)
        self._view()

    def reserve(self, length: int) -> None:
        """Make room for `length` records in all."""
        if length > len(self.records):
            wanted = max(length, int(len(self.records) * _GROWTH)) * RECORD.itemsize
            del self.records, self.cells  # a map cannot move while there are views on it
            try:
                self._map.resize(wanted)
            except BufferError:  # somebody else still looks at it
                moved = _anonymous(wanted)
                moved[: len(self._map)] = self._map[:]
                self._map = moved
            except OSError as error:
                raise Fatal(f"there is no memory for {length:,} kept documents") from error
            finally:
                self._view()

    def _view(self) -> None:
        self.records: Records = np.frombuffer(self._map, RECORD)
        self.cells = _cells(self.records)


def binary_ids(document_ids: Collection[str]) -> frozenset[bytes]:
    """Return document ids as records hold them."""
    return frozenset(map(bytes.fromhex, document_ids))


def held_by(records: Records, ids: AbstractSet[bytes]) -> NDArray[np.bool_]:
    """Tell for each record whether it is that of one of the documents."""
    found = (one.tobytes() in ids for one in records["document_id"])
    return np.fromiter(found, bool, len(records))


def _anonymous(num_bytes: int) -> mmap.mmap:
    return mmap.mmap(-1, num_bytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)


def _cells(records: Records) -> NDArray[np.uint16]:
    return records.view("<u2").reshape(-1, CELLS)


def _with_room(table: NDArray[np.uint64], claims: int) -> NDArray[np.uint64]:
    """Return a table in which so many claims fit: this one, or a larger one with its claims."""
    if claims <= _MAX_LOAD * table.size:
        return table
    larger = _table(math.ceil(max(claims / _MAX_LOAD, table.size * _GROWTH)))
    mapping: mmap.mmap = table.base.obj  # type: ignore[union-attr]  # of the view on it
    free = kernel.first_free(table)
    for begin, end in ((free, table.size), (0, free)):
        given_back = -(-begin // _PAGE_SLOTS)  # in whole pages: others still hold claims
        for at in range(begin, end, _MOVED_SLOTS):
            upto = min(at + _MOVED_SLOTS, end)
            kernel.move(table, larger, at, upto)
            # What has moved goes at once: old and new never stand side by side whole.
            pages = upto // _PAGE_SLOTS - given_back
            if pages > 0:
                start, length = given_back * mmap.PAGESIZE, pages * mmap.PAGESIZE
                mapping.madvise(mmap.MADV_DONTNEED, start, length)
                given_back += pages
    return larger


def _table(slots: int) -> NDArray[np.uint64]:
    return np.frombuffer(_anonymous(slots * 8), np.uint64)


def _hex(values: Sequence[str], width: int) -> Records:
    return np.frombuffer(bytes.fromhex("".join(values)), f"V{width}")


def advance(watermarks: dict[str, int], fingerprints: Sequence[Fingerprint]) -> None:
    """Move the watermarks behind the positions of a batch; they never go back."""
    for fingerprint in fingerprints:
        source, behind = fingerprint.position.source, fingerprint.position.offset + 1
        if behind > watermarks.get(source, 0):
            watermarks[source] = behind
