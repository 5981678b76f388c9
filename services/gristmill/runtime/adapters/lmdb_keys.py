"""The store of keys in LMDB: what was accepted at the front door, durable with each batch.

Two tables: of each key what was accepted and in which batch, and of each batch when it was and
which keys it held, so that the oldest can be forgotten. Several processes may share a directory.
"""

import os
import struct
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import lmdb

from gristmill.runtime.model import Fatal
from gristmill.runtime.ports import Clock, Remembered

KEY_BYTES = 20
DIGEST_BYTES = 16

_VALUE = struct.Struct(f">{DIGEST_BYTES}sIQ")  # digest, number of records, batch
_BATCH = struct.Struct(">Q")
_MOMENT = struct.Struct(">d")
_BYTES_A_KEY = 400  # twice what was measured: pages of a tree are half full at worst
_LEAST_BYTES = 64 << 20
_DAY_SECONDS = 86_400
_FORGOTTEN_A_KEPT = 3  # how many are forgotten for one that is kept: no batch waits for long


class LmdbKeys:
    """See the port. At most `most` keys, and none older than `days`, give or take a batch."""

    def __init__(self, directory: str, *, most: int, days: float, clock: Clock) -> None:
        """Open or make the store. Raises Fatal when that cannot be done."""
        self._directory = directory
        self._most = most
        self._seconds = days * _DAY_SECONDS
        self._clock = clock
        with self._explained():
            os.makedirs(directory, exist_ok=True)
            self._environment: Any = lmdb.open(  # Any: the library has no types
                directory, map_size=_LEAST_BYTES + most * _BYTES_A_KEY, max_dbs=2
            )
            self._environment.reader_check()  # places of processes that were killed
            self._keys = self._environment.open_db(b"keys")
            self._batches = self._environment.open_db(b"batches")

    def get(self, keys: Sequence[bytes]) -> Sequence[Remembered | None]:
        """Return what was accepted under each key; see the port."""
        with self._explained(), self._environment.begin(db=self._keys) as transaction:
            return [_remembered(transaction.get(key)) for key in keys]

    def put(self, entries: Mapping[bytes, Remembered]) -> None:
        """Remember all of them in one durable transaction; see the port."""
        with self._explained(), self._environment.begin(write=True) as transaction:
            cursor = transaction.cursor(self._batches)
            batch = _BATCH.unpack(cursor.key())[0] + 1 if cursor.last() else 0
            for key, remembered in entries.items():
                value = _VALUE.pack(remembered.digest, remembered.num_items, batch)
                transaction.put(key, value, db=self._keys)
            now = self._clock.now().timestamp()
            held = _MOMENT.pack(now) + b"".join(entries)
            transaction.put(_BATCH.pack(batch), held, db=self._batches, append=True)
            self._forget(transaction, now, _FORGOTTEN_A_KEPT * len(entries))

    def _forget(self, transaction: Any, now: float, limit: int) -> None:  # noqa: ANN401  # see above
        """Forget the oldest batches that are too many or too old; the newest batch stays."""
        cursor = transaction.cursor(self._batches)
        forgotten = 0
        while forgotten < limit and cursor.first():
            number, held = cursor.key(), cursor.value()
            is_old = now - _MOMENT.unpack_from(held)[0] > self._seconds
            if not is_old and transaction.stat(self._keys)["entries"] <= self._most:
                break
            keys = [held[at : at + KEY_BYTES] for at in range(_MOMENT.size, len(held), KEY_BYTES)]
            for key in keys:
                value = transaction.get(key, db=self._keys)
                if value is not None and value.endswith(number):  # not kept again since
                    transaction.delete(key, db=self._keys)
            cursor.delete()
            forgotten += len(keys)

    def close(self) -> None:
        """Close it; twice is harmless."""
        self._environment.close()

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except (lmdb.Error, OSError) as error:
            raise Fatal(
                f"the keys of what was submitted, in {self._directory}, fail: {error}"
            ) from error


def _remembered(value: bytes | None) -> Remembered | None:
    if value is None:
        return None
    digest, num_items, _ = _VALUE.unpack(value)
    return Remembered(digest, num_items)
