"""Progress of a run on stderr: a live bar on a terminal, a plain line now and then elsewhere."""

import time

from rich.markup import escape
from rich.progress import (
    BarColumn,
    Progress,
    SpinnerColumn,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)

from gristmill.cli.console import ERR, human_bytes, safe
from gristmill.runtime.ports import Progress as ProgressPort

_PLAIN_SECONDS = 5.0


def make_progress() -> ProgressPort:
    """Return what suits stderr."""
    return LiveProgress() if ERR.is_terminal else PlainProgress()


def _lines(text: str) -> str:
    return "\n".join(safe(line) for line in text.splitlines())


class LiveProgress:
    """A bar with documents, rate and time left, for a terminal."""

    def __init__(self) -> None:
        self._bar = Progress(
            SpinnerColumn(),
            BarColumn(bar_width=30),
            TaskProgressColumn(),
            TextColumn("{task.fields[documents]:,} documents, {task.fields[kept]:,} kept"),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
            console=ERR,
        )
        self._began = time.monotonic()
        self._task = self._bar.add_task("", total=None, documents=0, kept=0, rate="")

    def start(self, *, total_bytes: int, done_bytes: int) -> None:
        """Show the bar."""
        self._began = time.monotonic()
        self._bar.update(self._task, total=max(1, total_bytes), completed=done_bytes)
        self._bar.start()

    def advance(self, *, documents: int, kept: int, done_bytes: int) -> None:
        """Move the bar."""
        seconds = max(1e-3, time.monotonic() - self._began)
        self._bar.update(
            self._task,
            completed=done_bytes,
            documents=documents,
            kept=kept,
            rate=f"{documents / seconds:,.0f}/s",
        )

    def say(self, line: str) -> None:
        """Print a line above the bar."""
        ERR.print(escape(_lines(line)))

    def close(self) -> None:
        """Take the bar down."""
        self._bar.stop()


class PlainProgress:
    """A line every few seconds, for logs."""

    def __init__(self) -> None:
        self._total = self._first = 0
        self._began = self._last = time.monotonic()

    def start(self, *, total_bytes: int, done_bytes: int) -> None:
        """Say how much there is."""
        self._total, self._first = total_bytes, done_bytes
        self._began = self._last = time.monotonic()
        done = f", {human_bytes(done_bytes)} done before" if done_bytes else ""
        self.say(f"reading {human_bytes(total_bytes)}{done}")

    def advance(self, *, documents: int, kept: int, done_bytes: int) -> None:
        """Say where it stands, when it is time again."""
        now = time.monotonic()
        if now - self._last < _PLAIN_SECONDS:
            return
        self._last = now
        seconds = now - self._began
        share = done_bytes / max(1, self._total)
        line = f"{share:4.0%}  {documents:,} documents, {kept:,} kept, {documents / seconds:,.0f}/s"
        if done_bytes > self._first:
            rest = (self._total - done_bytes) * seconds / (done_bytes - self._first)
            line += f", about {rest:,.0f} s left"
        self.say(line)

    def say(self, line: str) -> None:
        """Print a line."""
        ERR.print(escape(_lines(line)))

    def close(self) -> None:
        """Do nothing: there is no display to end."""
