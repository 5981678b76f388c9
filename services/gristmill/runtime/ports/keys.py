"""The keys of what was accepted at the front door: what makes a retried submission harmless."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol


class Remembered(NamedTuple):
    """What was accepted under a key: a digest of what it was, and how many records it became."""

    digest: bytes
    num_items: int


class KeyStore(Protocol):
    """Remembers keys durably, the oldest not for ever. Several threads may use it at once."""

    def get(self, keys: Sequence[bytes]) -> Sequence[Remembered | None]:
        """Return what was accepted under each key, None where nothing is remembered.

        Raises Fatal when the store cannot be read.
        """
        ...

    def put(self, entries: Mapping[bytes, Remembered]) -> None:
        """Remember all of them, durably when it returns. Raises Fatal when they cannot be kept."""
        ...

    def close(self) -> None:
        """Close it; twice is harmless."""
        ...
