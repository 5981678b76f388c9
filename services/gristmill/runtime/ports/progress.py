"""How a long run tells people where it stands."""

from typing import Protocol


class Progress(Protocol):
    """Told by the engine after every batch; shows it as it likes."""

    def start(self, *, total_bytes: int, done_bytes: int) -> None:
        """Begin; `total_bytes` is the size of all that is listed, `done_bytes` of what is done."""
        ...

    def advance(self, *, documents: int, kept: int, done_bytes: int) -> None:
        """Tell the totals so far of this run, and the listed bytes that are done."""
        ...

    def say(self, line: str) -> None:
        """Show one line of news without breaking the display."""
        ...

    def close(self) -> None:
        """End the display; called once, also after an error."""
        ...
