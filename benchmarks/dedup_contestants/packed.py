"""What every contestant shares: reading the packed corpus, and telling what it did.

Needs pyarrow and nothing else, because peers run in environments of their own.
"""

import json
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any

import pyarrow.parquet as pq


def batches(path: str, columns: list[str], most: int) -> Iterator[dict[str, Any]]:
    """Yield the first `most` documents as Arrow arrays by column, a row group at a time."""
    packed = pq.ParquetFile(path, pre_buffer=False)
    left = most
    for group in range(packed.num_row_groups):
        if left <= 0:
            return
        # One thread and the lowest overhead: the reader should cost everybody as little as it can.
        table = packed.read_row_group(group, columns=columns, use_threads=False).slice(0, left)
        left -= len(table)
        yield {name: table.column(name).chunk(0) for name in columns}


class Report:
    """What a contestant prints at its end: CPU seconds by phase, and what it found."""

    def __init__(self) -> None:
        """Begin; what the process has used so far is the phase `start`."""
        self._phases: dict[str, float] = {}
        self._last = 0.0
        self.lap("start")

    def lap(self, phase: str) -> None:
        """Count the CPU seconds since the last lap for the phase."""
        now = time.process_time()
        self._phases[phase] = self._phases.get(phase, 0.0) + now - self._last
        self._last = now

    def finish(self, out: str, removed: Iterable[str], *, documents: int, setting: str) -> None:
        """Write the lines of the removed documents and print the report."""
        with open(out, "w", encoding="ascii") as stream:
            stream.writelines(f"{line}\n" for line in removed)
        self.lap("write")
        phases = {name: round(seconds, 4) for name, seconds in self._phases.items()}
        told = {"documents": documents, "setting": setting, "phases": phases}
        print(json.dumps(told), flush=True)


def arguments() -> tuple[str, str, int]:
    """Return what every contestant is called with: PACK OUT DOCUMENTS."""
    with suppress(ValueError):
        _, path, out, most = sys.argv
        return path, out, int(most)
    sys.exit(f"usage: {sys.argv[0]} PACK OUT DOCUMENTS")
