"""A memory of what was found out before: only a memory, which may forget anything at any time."""

from typing import Protocol


class Memo(Protocol):
    """Keeps values by key; never raises: what it cannot keep or find is as if it never was."""

    def get(self, key: bytes) -> bytes | None:
        """Return the value, None where it is not known."""
        ...

    def put(self, key: bytes, value: bytes) -> None:
        """Keep a value, if there is room for it."""
        ...
