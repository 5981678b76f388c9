"""The store of keys in memory: the twin for tests."""

from collections.abc import Mapping, Sequence

from gristmill.runtime.ports import Remembered


class MemoryKeys:
    """Remembers the newest `most` keys, until it is gone with its process."""

    def __init__(self, *, most: int = 1_000_000) -> None:
        self._most = most
        self._held: dict[bytes, Remembered] = {}

    def get(self, keys: Sequence[bytes]) -> Sequence[Remembered | None]:
        """Return what was accepted under each key; see the port."""
        return [self._held.get(key) for key in keys]

    def put(self, entries: Mapping[bytes, Remembered]) -> None:
        """Remember all of them; see the port."""
        for key, remembered in entries.items():
            self._held.pop(key, None)
            self._held[key] = remembered
        while len(self._held) > self._most:
            self._held.pop(next(iter(self._held)))

    def close(self) -> None:
        """Do nothing: a test may open it again."""
