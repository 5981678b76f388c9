"""The embedded dedup index: LMDB as an append-only log of what was kept.

One record a batch, in one durable transaction together with the watermarks. The claims are derived
from the log when the index opens. The tables are the truth: an index opens for one `files` table,
gives back what that table never took in, and refuses a table that it does not know.
"""

import errno
import json
import os
import struct
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

import lmdb

from gristmill.runtime.adapters.claims import ExactClaims, Owner, advance
from gristmill.runtime.model import BadInput, Fatal, Kind, Position
from gristmill.runtime.ports import Admission, Fingerprint

_FORMAT = 1
_MAP_BYTES = 1 << 38  # address space, not disk: LMDB grows its file as it fills
_BATCH_BYTES = 256 << 10  # more than a batch takes, with the pages that LMDB copies for it
_KINDS = tuple(Kind)
# One kept document: id, content hash, number of its kind, number of its source, offset.
_RECORD = struct.Struct("<16s32sBIQ")
# What LMDB and unpacking raise where a store is damaged; ValueError: JSON and text that are none.
_UNREADABLE = (
    lmdb.InvalidError, lmdb.CorruptedError, lmdb.VersionMismatchError, lmdb.PageNotFoundError,
    ValueError, LookupError, struct.error,
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """The tables an index belongs to, as they stand.

    The UUID is that of `files`; `positions` is what it has taken in, `num_documents` its rows.
    """

    uuid: str
    positions: Mapping[str, int]
    num_documents: int


class LmdbIndex:
    """Claims that survive: see the port for what `admit` promises. One process at a time."""

    def __init__(self, path: str, table: Table, *, map_bytes: int = _MAP_BYTES) -> None:
        """Open or make the index at `path` for `table`.

        Raises BadInput, naming `gristmill dedup rebuild`, when index and table are not of one
        making.
        """
        self._path = path
        self._claims = ExactClaims()
        self._source_numbers: dict[str, int] = {}
        self._watermarks: dict[str, int] = {}
        try:
            os.makedirs(path, exist_ok=True)
            self._environment = lmdb.open(path, map_size=map_bytes, max_dbs=3, readahead=False)
        except _UNREADABLE as error:
            raise _needs_rebuild(path, f"cannot be read ({error})") from error
        except (lmdb.Error, OSError) as error:
            raise _full_or_broken(error, path) from error
        try:
            self._log = self._environment.open_db(b"log")
            self._sources = self._environment.open_db(b"sources")
            self._meta = self._environment.open_db(b"meta")
            self._adopt(table)
        except _UNREADABLE as error:
            self.close()
            raise _needs_rebuild(path, f"cannot be read ({error})") from error
        except (lmdb.Error, OSError) as error:
            self.close()
            raise _full_or_broken(error, path) from error
        except BaseException:
            self.close()
            raise

    def __len__(self) -> int:
        return len(self._claims)

    def admit(self, fingerprints: Sequence[Fingerprint]) -> Sequence[Admission]:
        """Decide a batch and make it durable, or raise and be as before."""
        admissions, added = self._claims.admit(fingerprints)
        watermarks = dict(self._watermarks)
        advance(watermarks, fingerprints)
        if added or watermarks != self._watermarks:
            numbers = dict(self._source_numbers)
            try:
                self._append(added, watermarks)
            except (lmdb.Error, OSError) as error:
                self._claims.withdraw(added)
                self._source_numbers = numbers
                raise _full_or_broken(error, self._path) from error
        self._watermarks = watermarks
        return admissions

    def watermarks(self) -> Mapping[str, int]:
        """Return, per source, the offset after the last position decided."""
        return dict(self._watermarks)

    def release(self, written: AbstractSet[str], current: AbstractSet[str]) -> None:
        """Give up the claims of documents that were not written, `current` sources apart.

        In a current source, where a rerun goes on, they must stand as they did before.
        """
        try:
            with self._environment.begin(write=True) as transaction:
                for number, records in list(_items(transaction, self._log)):
                    owners = list(self._unpack(records))
                    kept = [
                        owner
                        for owner in owners
                        if owner.document_id in written or owner.position.source in current
                    ]
                    if len(kept) < len(owners):
                        packed = b"".join(self._pack(owner, transaction) for owner in kept)
                        transaction.put(number, packed, db=self._log)
                claims = ExactClaims()
                claims.load(self._owners(transaction))
        except (lmdb.Error, OSError) as error:
            raise _full_or_broken(error, self._path) from error
        self._claims = claims

    def close(self) -> None:
        """Release the store."""
        self._environment.close()

    def _append(self, added: Sequence[Owner], watermarks: Mapping[str, int]) -> None:
        with self._environment.begin(write=True) as transaction:
            records = b"".join(self._pack(owner, transaction) for owner in added)
            if records:
                cursor = transaction.cursor(self._log)
                number = int.from_bytes(cursor.key(), "big") + 1 if cursor.last() else 0
                transaction.put(number.to_bytes(8, "big"), records, db=self._log, append=True)
            self._put_watermarks(transaction, watermarks)

    def _put_watermarks(self, transaction: lmdb.Transaction, marks: Mapping[str, int]) -> None:
        for source, offset in marks.items():
            if self._watermarks.get(source) != offset:
                value = offset.to_bytes(8, "big")
                transaction.put(b"watermark " + source.encode(), value, db=self._meta)

    def _pack(self, owner: Owner, transaction: lmdb.Transaction) -> bytes:
        source = owner.position.source
        if (number := self._source_numbers.get(source)) is None:
            number = self._source_numbers[source] = len(self._source_numbers)
            transaction.put(number.to_bytes(4, "big"), source.encode(), db=self._sources)
        return _RECORD.pack(
            bytes.fromhex(owner.document_id),
            bytes.fromhex(owner.content_sha256),
            _KINDS.index(owner.kind),
            number,
            owner.position.offset,
        )

    # --- opening ----------------------------------------------------------------------------------

    def _adopt(self, table: Table) -> None:
        with self._environment.begin(write=True) as transaction:
            stored = transaction.get(b"about", db=self._meta)
            if stored is None:
                if table.positions:
                    raise _needs_rebuild(self._path, "is missing, but its tables hold documents")
                about = json.dumps({"format": _FORMAT, "files": table.uuid}).encode()
                transaction.put(b"about", about, db=self._meta)
            else:
                self._check(json.loads(stored), table)
            self._load_numbers(transaction)
            self._give_back(transaction, table.positions)
            self._claims.load(self._owners(transaction))
            if len(self._claims) < table.num_documents:
                raise _needs_rebuild(self._path, "knows fewer documents than the tables beside it")

    def _check(self, about: Mapping[str, object], table: Table) -> None:
        if about.get("format") != _FORMAT:
            raise _needs_rebuild(self._path, "was written by another version of gristmill")
        if about.get("files") != table.uuid:
            raise _needs_rebuild(self._path, "belongs to other tables than those beside it")

    def _load_numbers(self, transaction: lmdb.Transaction) -> None:
        for number, source in _items(transaction, self._sources):
            self._source_numbers[source.decode()] = int.from_bytes(number, "big")
        for key, value in _items(transaction, self._meta):
            if key.startswith(b"watermark "):
                name = key.removeprefix(b"watermark ").decode()
                self._watermarks[name] = int.from_bytes(value, "big")

    def _owners(self, transaction: lmdb.Transaction) -> Iterator[Owner]:
        for _, records in _items(transaction, self._log):
            yield from self._unpack(records)

    def _unpack(self, records: bytes) -> Iterator[Owner]:
        names = {number: source for source, number in self._source_numbers.items()}
        for document_id, sha256, kind, source, offset in _RECORD.iter_unpack(records):
            position = Position(source=names[source], offset=offset)
            yield Owner(document_id.hex(), _KINDS[kind], sha256.hex(), position)

    def _give_back(self, transaction: lmdb.Transaction, positions: Mapping[str, int]) -> None:
        """Take claims back whose documents never reached the table: a run was killed in between.

        They are the log's tail, since both are written in one order.
        """
        cursor = transaction.cursor(self._log)
        found = cursor.last()
        while found:
            owners = list(self._unpack(bytes(cursor.value())))
            kept = [o for o in owners if o.position.offset < positions.get(o.position.source, 0)]
            if len(kept) == len(owners):
                break
            if kept:
                records = b"".join(self._pack(owner, transaction) for owner in kept)
                transaction.put(cursor.key(), records, db=self._log)
                break
            cursor.delete()
            found = cursor.last()
        lowered = {s: min(m, positions.get(s, 0)) for s, m in self._watermarks.items()}
        for source, offset in lowered.items():
            value = offset.to_bytes(8, "big")
            transaction.put(b"watermark " + source.encode(), value, db=self._meta)
        self._watermarks = lowered


def _items(transaction: lmdb.Transaction, database: object) -> Iterator[tuple[bytes, bytes]]:
    """Yield keys and values; without `buffers` LMDB gives bytes, which its types do not say."""
    for key, value in transaction.cursor(database):  # type: ignore[arg-type]  # a private class
        yield bytes(key), bytes(value)


def _needs_rebuild(path: str, what: str) -> BadInput:
    directory = os.path.dirname(os.path.abspath(path))
    return BadInput(
        f"the dedup index {what}; "
        f"`gristmill dedup rebuild {directory}` makes it anew from the tables"
    )


def _full_or_broken(error: Exception, path: str) -> Fatal:
    if isinstance(error, lmdb.MapFullError):
        return Fatal(f"the dedup index at {path} is full: it has reached its largest size")
    full = isinstance(error, OSError) and error.errno == errno.ENOSPC
    if full or "No space left" in str(error) or _is_full(path):
        return Fatal(f"the disk is full: the dedup index at {path} could not be written")
    return Fatal(f"the dedup index at {path} could not be written: {error}")


def _is_full(path: str) -> bool:
    """Tell whether the disk has no room for a batch: LMDB reports a short write as an I/O error."""
    try:
        status = os.statvfs(path)
    except OSError:
        return False
    return status.f_bavail * status.f_frsize < _BATCH_BYTES
