"""Looks into the embedded dedup index that another process writes; it changes nothing there.

Before each answer it takes in what was admitted since, so that it says what the writer would.
"""

import os
from collections.abc import Sequence
from threading import Lock

import lmdb

from gristmill.runtime.adapters.claims import Claims
from gristmill.runtime.adapters.lmdb_index import CUTS, unseal
from gristmill.runtime.model import BadInput, Transient
from gristmill.runtime.ports import Admission, Candidate, Fingerprint
from gristmill.runtime.ports.index import SCHEME

_FILE = "data.mdb"


class LmdbIndexReader:
    """Follows an index: see the port for what it answers. Any thread may ask."""

    def __init__(self, path: str, *, threshold: float) -> None:
        """Open the index at `path`. Raises Transient while there is none."""
        self._path = path
        self._threshold = threshold
        self._asking = Lock()
        self._environment: lmdb.Environment | None = None
        self._opened = 0  # the file that is open, by its number
        self._cuts = b""
        self._claims = Claims(threshold)
        self._last = b""  # the key of the last batch taken in
        with self._asking:
            self._follow()

    def is_there(self) -> bool:
        """Tell whether there is an index now."""
        return os.path.exists(os.path.join(self._path, _FILE))

    def look(self, fingerprints: Sequence[Fingerprint]) -> Sequence[Admission]:
        """Return what `admit` would answer now."""
        with self._asking:
            self._follow()
            return self._claims.look(fingerprints)

    def candidates(self, fingerprint: Fingerprint) -> Sequence[Candidate]:
        """Return the owners of the bands of a signature."""
        with self._asking:
            self._follow()
            return self._claims.candidates(fingerprint)

    def close(self) -> None:
        """Close the store; twice is harmless."""
        if self._environment is not None:
            self._environment.close()

    def _follow(self) -> None:
        """Take in what was admitted since the last time."""
        try:
            environment = self._current()
            with environment.begin() as transaction:
                self._take_in(environment, transaction)
        except (lmdb.Error, OSError, LookupError, ValueError) as error:
            raise Transient(f"the dedup index at {self._path} cannot be read: {error}") from error

    def _current(self) -> lmdb.Environment:
        """Return the open store; it is opened anew where another file has taken its place."""
        number = os.stat(os.path.join(self._path, _FILE)).st_ino
        if self._environment is None or number != self._opened:
            self.close()
            self._environment = lmdb.open(self._path, readonly=True, max_dbs=4, readahead=False)
            self._opened, self._cuts = number, b""
        return self._environment

    def _take_in(self, environment: lmdb.Environment, transaction: lmdb.Transaction) -> None:
        databases = {
            name: environment.open_db(name.encode(), txn=transaction, create=False)
            for name in ("log", "sources", "domains", "meta")
        }
        about = bytes(transaction.get(b"about", b"", db=databases["meta"]))
        if SCHEME.encode() not in about:
            raise BadInput(f"the dedup index at {self._path} is one of another version")
        cuts = bytes(transaction.get(CUTS, b"0", db=databases["meta"]))
        if cuts != self._cuts:
            self._claims, self._last, self._cuts = Claims(self._threshold), b"", cuts
        claims = self._claims
        for kind, names in (("sources", claims.sources), ("domains", claims.domains)):
            cursor = transaction.cursor(databases[kind])
            if cursor.set_range(len(names).to_bytes(4, "big")):
                for _, name in cursor:
                    names.number(bytes(name).decode())
        cursor = transaction.cursor(databases["log"])
        if cursor.set_range(self._last + b"\0"):
            for number, packed in cursor:
                claims.load([unseal(bytes(packed))])
                self._last = bytes(number)
