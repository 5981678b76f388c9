"""A memo in an LMDB directory, shared by the processes of a machine and kept for later runs.

It is never synced: after a power cut it may be damaged, and then it is deleted like any cache.
"""

import os
from typing import Any, Final

import lmdb

_MOST_BYTES: Final = 2 << 30


class LmdbMemo:
    """See the port. The directory is opened at the first use, by each process for itself."""

    def __init__(self, directory: str, *, most_bytes: int = _MOST_BYTES) -> None:
        """Take the directory; once it holds `most_bytes`, it is read and not written."""
        self._directory = directory
        self._most_bytes = most_bytes
        self._environment: Any = None
        self._process = 0
        self._is_full = False

    def get(self, key: bytes) -> bytes | None:
        """Return the value, None where it is not known."""
        try:
            with self._open().begin() as transaction:
                value: bytes | None = transaction.get(key)
                return value
        except (lmdb.Error, OSError):
            return None

    def put(self, key: bytes, value: bytes) -> None:
        """Keep a value, if there is room for it."""
        if self._is_full:
            return
        try:
            with self._open().begin(write=True) as transaction:
                transaction.put(key, value)
        except (lmdb.Error, OSError):
            self._is_full = True

    def _open(self) -> Any:  # noqa: ANN401  # the library has no types
        """Return this very process's environment: one that was forked must not use its parent's."""
        if self._environment is None or self._process != os.getpid():
            self._environment = lmdb.open(
                self._directory, map_size=self._most_bytes, sync=False, metasync=False
            )
            self._environment.reader_check()  # places of processes that were ended
            self._process = os.getpid()
        return self._environment
