"""The embedded dedup index: LMDB as an append-only log of what was kept.

One record a batch, in one durable transaction together with the watermarks. The claims are derived
from the log when the index opens. The tables are the truth: an index opens for one `files` table,
gives back what that table never took in, and refuses a table that it does not know.
"""

import errno
import json
import os
import zlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from threading import Lock

import lmdb
import numpy as np
from numpy.typing import NDArray

from gristmill.runtime.adapters.claims import (
    KINDS,
    Claims,
    Names,
    Records,
    advance,
    binary_ids,
    held_by,
)
from gristmill.runtime.adapters.claims_kernel import RECORD
from gristmill.runtime.model import BadInput, Fatal
from gristmill.runtime.ports import Admission, Candidate, Fingerprint
from gristmill.runtime.ports.index import DEFAULT_THRESHOLD, SCHEME

_FORMAT = 2
_SEAL_BYTES = 4
CUTS = b"cuts"
"""The key that counts how often records were taken out of the log; readers begin anew then."""
_MAP_BYTES = 1 << 38  # address space, not disk: LMDB grows its file as it fills
_BATCH_BYTES = 16 << 20  # more than any batch takes, with the pages that LMDB copies for it
# What LMDB and unpacking raise where a store is damaged; ValueError: JSON and text that are none.
_UNREADABLE = (
    lmdb.InvalidError, lmdb.CorruptedError, lmdb.BadTxnError, lmdb.VersionMismatchError,
    lmdb.PageNotFoundError, ValueError, LookupError,
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """The tables an index belongs to, as they stand.

    The UUID is that of `files`; `positions` is what it has taken in, `num_documents` its rows.
    """

    uuid: str
    positions: Mapping[str, int]
    num_documents: int
    is_last: bool = True
    """Whether what is not in the table never will be: behind a log it may still be on its way."""


class LmdbIndex:
    """Claims that survive: see the port for what `admit` promises. One process at a time."""

    def __init__(
        self,
        path: str,
        table: Table,
        *,
        threshold: float = DEFAULT_THRESHOLD,
        map_bytes: int = _MAP_BYTES,
    ) -> None:
        """Open or make the index at `path` for `table`.

        Raises BadInput, naming `gristmill dedup rebuild`, when index and table are not of one
        making.
        """
        self._path = path
        self._threshold = threshold
        self._asking = Lock()  # whoever looks does so from another thread than who admits
        self._claims = Claims(threshold)
        self._named: dict[str, int] = {}  # how many names of each database are durable
        self._watermarks: dict[str, int] = {}
        self._follows = ""
        try:
            os.makedirs(path, exist_ok=True)
            self._environment = lmdb.open(path, map_size=map_bytes, max_dbs=4, readahead=False)
        except _UNREADABLE as error:
            raise _needs_rebuild(path, f"cannot be read ({error})") from error
        except (lmdb.Error, OSError) as error:
            raise _full_or_broken(error, path) from error
        try:
            _lengthen(self._environment, path)
            self._log = self._environment.open_db(b"log")
            self._names = {
                name: self._environment.open_db(name.encode()) for name in ("sources", "domains")
            }
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

    @property
    def follows(self) -> str:
        """What `follow` was told last; empty where it never was."""
        return self._follows

    @property
    def num_bytes(self) -> dict[str, int]:
        """The memory in use, by part."""
        return self._claims.num_bytes

    def admit(self, fingerprints: Sequence[Fingerprint]) -> Sequence[Admission]:
        """Decide a batch and make it durable, or raise and be as before."""
        with self._asking:
            return self._admit(fingerprints)

    def _admit(self, fingerprints: Sequence[Fingerprint]) -> Sequence[Admission]:
        admissions, added = self._claims.admit(fingerprints)
        watermarks = dict(self._watermarks)
        advance(watermarks, fingerprints)
        if added or watermarks != self._watermarks:
            try:
                self._append(added, watermarks)
            except BaseException as error:
                self._claims.withdraw()
                if isinstance(error, lmdb.Error | OSError):
                    raise _full_or_broken(error, self._path) from error
                raise
        self._watermarks = watermarks
        return admissions

    def look(self, fingerprints: Sequence[Fingerprint]) -> Sequence[Admission]:
        """Return what `admit` would answer now."""
        with self._asking:
            return self._claims.look(fingerprints)

    def candidates(self, fingerprint: Fingerprint) -> Sequence[Candidate]:
        """Return the owners of the bands of a signature."""
        with self._asking:
            return self._claims.candidates(fingerprint)

    def restore(self, fingerprints: Sequence[Fingerprint]) -> None:
        """Take in documents that were kept before, whatever is like them, in the order given."""
        records = self._claims.pack(fingerprints)
        watermarks = dict(self._watermarks)
        advance(watermarks, fingerprints)
        try:
            self._append(records.tobytes(), watermarks)
        except (lmdb.Error, OSError) as error:
            raise _full_or_broken(error, self._path) from error
        self._claims.load([records])
        self._watermarks = watermarks

    def watermarks(self) -> Mapping[str, int]:
        """Return, per source, the offset after the last position decided."""
        return dict(self._watermarks)

    def release(self, document_ids: Collection[str]) -> int:
        """Give up the claims of kept documents, durably; return how many of them held any."""
        released = binary_ids(document_ids)
        return self._keep(lambda records: ~held_by(records, released))

    def release_unwritten(self, written: AbstractSet[str], current: AbstractSet[str]) -> int:
        """Give up the claims of documents that were not written, `current` sources apart.

        In a current source, where a rerun goes on, they must stand as they did before.
        """
        ids = binary_ids(written)
        return self._keep(
            lambda records: held_by(records, ids) | self._from_sources(records, current)
        )

    def follow(self, log: str) -> None:
        """Remember durably which log the claims go with: admitted from it, written through it."""
        try:
            with self._environment.begin(write=True) as transaction:
                transaction.put(b"follows", log.encode(), db=self._meta)
        except (lmdb.Error, OSError) as error:
            raise _full_or_broken(error, self._path) from error
        self._follows = log

    def _keep(self, stays: Callable[[Records], NDArray[np.bool_]]) -> int:
        """Cut the log down to the records that stay, and derive the claims anew."""
        before = len(self._claims)
        try:
            with self._environment.begin(write=True) as transaction:
                for number, packed in list(_items(transaction, self._log)):
                    records = self._unpack(packed)
                    kept = records[stays(records)]
                    if len(kept) < len(records):
                        transaction.put(number, seal(kept.tobytes()), db=self._log)
                self._count_cut(transaction)
                claims = self._load(transaction)
        except (lmdb.Error, OSError) as error:
            raise _full_or_broken(error, self._path) from error
        self._claims = claims
        return before - len(claims)

    def close(self) -> None:
        """Close the store; twice is harmless."""
        self._environment.close()

    def _append(self, records: bytes, watermarks: Mapping[str, int]) -> None:
        """Make records, the names that they brought and the watermarks durable in one step."""
        claims = self._claims
        with self._environment.begin(write=True) as transaction:
            if records:
                cursor = transaction.cursor(self._log)
                number = int.from_bytes(cursor.key(), "big") + 1 if cursor.last() else 0
                sealed = seal(records)
                transaction.put(number.to_bytes(8, "big"), sealed, db=self._log, append=True)
            named = {
                "sources": self._put_names(transaction, "sources", claims.sources),
                "domains": self._put_names(transaction, "domains", claims.domains),
            }
            self._put_watermarks(transaction, watermarks)
        self._named = named

    def _put_names(self, transaction: lmdb.Transaction, kind: str, names: Names) -> int:
        for number in range(self._named[kind], len(names)):
            name = names.names[number].encode()
            transaction.put(number.to_bytes(4, "big"), name, db=self._names[kind])
        return len(names)

    def _put_watermarks(self, transaction: lmdb.Transaction, marks: Mapping[str, int]) -> None:
        for source, offset in marks.items():
            if self._watermarks.get(source) != offset:
                value = offset.to_bytes(8, "big")
                transaction.put(b"watermark " + source.encode(), value, db=self._meta)

    # --- opening ----------------------------------------------------------------------------------

    def _adopt(self, table: Table) -> None:
        with self._environment.begin(write=True) as transaction:
            stored = transaction.get(b"about", db=self._meta)
            if stored is None:
                if table.positions:
                    raise _needs_rebuild(self._path, "is missing, but its tables hold documents")
                about = json.dumps({"format": _FORMAT, "files": table.uuid, "scheme": SCHEME})
                transaction.put(b"about", about.encode(), db=self._meta)
            else:
                self._check(json.loads(stored), table)
            self._follows = bytes(transaction.get(b"follows", b"", db=self._meta)).decode()
            self._load_watermarks(transaction)
            self._load_names(transaction, self._claims)
            if table.is_last:
                self._give_back(transaction, table.positions)
            self._claims = self._load(transaction)
            if len(self._claims) < table.num_documents:
                raise _needs_rebuild(self._path, "knows fewer documents than the tables beside it")

    def _check(self, about: Mapping[str, object], table: Table) -> None:
        if about.get("format") != _FORMAT:
            raise _needs_rebuild(self._path, "was written by another version of gristmill")
        if about.get("scheme") != SCHEME:
            raise _needs_rebuild(self._path, "holds signatures of another scheme")
        if about.get("files") != table.uuid:
            raise _needs_rebuild(self._path, "belongs to other tables than those beside it")

    def _load_watermarks(self, transaction: lmdb.Transaction) -> None:
        for key, value in _items(transaction, self._meta):
            if key.startswith(b"watermark "):
                name = key.removeprefix(b"watermark ").decode()
                self._watermarks[name] = int.from_bytes(value, "big")

    def _load_names(self, transaction: lmdb.Transaction, claims: Claims) -> None:
        for kind, names in (("sources", claims.sources), ("domains", claims.domains)):
            for _, name in _items(transaction, self._names[kind]):
                names.number(name.decode())
            self._named[kind] = len(names)

    def _load(self, transaction: lmdb.Transaction) -> Claims:
        """Derive the claims from the log."""
        claims = Claims(self._threshold)
        self._load_names(transaction, claims)
        claims.load(self._unpack(packed) for _, packed in _items(transaction, self._log))
        return claims

    def _unpack(self, packed: bytes) -> Records:
        records = unseal(packed)
        limits = {
            "kind": len(KINDS), "source": self._named["sources"], "domain": self._named["domains"],
        }  # fmt: skip
        for name, limit in limits.items():
            if records.size and records[name].max() >= limit:
                raise ValueError(f"a record with the {name} number {records[name].max()}")
        return records

    def _from_sources(self, records: Records, sources: AbstractSet[str]) -> NDArray[np.bool_]:
        """Tell for each record whether its source is one of these."""
        chosen = [n for n, name in enumerate(self._claims.sources.names) if name in sources]
        return np.isin(records["source"], chosen)

    def _count_cut(self, transaction: lmdb.Transaction) -> None:
        cuts = int(transaction.get(CUTS, b"0", db=self._meta)) + 1
        transaction.put(CUTS, b"%d" % cuts, db=self._meta)

    def _give_back(self, transaction: lmdb.Transaction, positions: Mapping[str, int]) -> None:
        """Take claims back whose documents never reached the table: a run was killed in between.

        They are the log's tail, since both are written in one order.
        """
        names = self._claims.sources.names
        ends = np.array([positions.get(name, 0) for name in names], np.uint64)
        cursor = transaction.cursor(self._log)
        found = cursor.last()
        while found:
            records = self._unpack(bytes(cursor.value()))
            written = records["offset"] < ends[records["source"]]
            if written.all():
                break
            if written.any():
                kept = seal(records[written].tobytes())
                transaction.put(cursor.key(), kept, db=self._log)
                break
            cursor.delete()
            found = cursor.last()
        self._count_cut(transaction)
        lowered = {s: min(m, positions.get(s, 0)) for s, m in self._watermarks.items()}
        for source, offset in lowered.items():
            value = offset.to_bytes(8, "big")
            transaction.put(b"watermark " + source.encode(), value, db=self._meta)
        self._watermarks = lowered


def seal(records: bytes) -> bytes:
    """Return records as the log holds them: with a checksum behind, since LMDB keeps none."""
    return records + zlib.crc32(records).to_bytes(_SEAL_BYTES, "big")


def unseal(packed: bytes) -> Records:
    """Return records as the log held them. Raises ValueError where they are damaged."""
    if zlib.crc32(packed[:-_SEAL_BYTES]) != int.from_bytes(packed[-_SEAL_BYTES:], "big"):
        raise ValueError("a record is damaged")
    records: Records = np.frombuffer(packed[:-_SEAL_BYTES], RECORD)
    return records


def _lengthen(environment: lmdb.Environment, path: str) -> None:
    """Give a file that was cut off its length back: its pages of zeros are damage, which is told.

    To read behind the end would kill the process. A whole file may lack free pages at its end.
    """
    file = os.path.join(path, "data.mdb")
    whole = (environment.info()["last_pgno"] + 1) * environment.stat()["psize"]
    if os.path.getsize(file) < whole:
        os.truncate(file, whole)


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
