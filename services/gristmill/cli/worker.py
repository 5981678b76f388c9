"""The worker process of a run or of a streaming stage: `python -m gristmill.cli.worker …`."""

import ctypes
import mmap
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from gristmill.runtime.adapters.blobs import BlobSettings, blob_reference, open_blob_store
from gristmill.runtime.adapters.files import reader
from gristmill.runtime.adapters.plugins import load_plugins
from gristmill.runtime.engine.envelope import Envelope
from gristmill.runtime.engine.judging import Judging, JudgingBatches
from gristmill.runtime.engine.passage import NamedStage
from gristmill.runtime.engine.worker import Deliveries, Entries, Limits, Toolbox, serve
from gristmill.runtime.model import Kind
from gristmill.runtime.ports import Remembers
from gristmill.runtime.wire.judging import decode_raw_item, decode_source_file

COMMAND = (sys.executable, "-P", "-m", "gristmill.cli.worker")
"""-P: a file in the working directory must not pass for one of our modules."""
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_KEPT_BYTES = 32 << 20  # the most that glibc takes for M_MMAP_THRESHOLD
_NICE = 5
"""Whoever keeps the group and commits goes before whoever parses: readers wait for commits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSetup:
    """What a worker is told at its start; `settings` holds one dataclass for each stage named."""

    segments: Sequence[Sequence[str]]
    settings: Mapping[str, Any]  # Any: each stage's own settings class
    max_file_bytes: int
    limits: Limits
    memo: str = ""
    """Directory of what was found out before; empty for none."""

    def build(self) -> Toolbox:
        """Return what the worker works with."""
        segments = [
            _stages(names, self.settings, self.memo, self.limits) for names in self.segments
        ]
        return Toolbox(Entries(reader(self.max_file_bytes)), segments)


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamSetup:
    """What a worker of a streaming stage is told: the stage, and where its records go on."""

    stage: str
    settings: Any  # the stage's own settings class
    source: str
    next_topics: Mapping[Kind, str]
    blobs: BlobSettings
    limits: Limits
    memo: str = ""

    def build(self) -> Toolbox:
        """Return what the worker works with."""
        os.nice(_NICE)
        stages = _stages([self.stage], {self.stage: self.settings}, self.memo, self.limits)
        return Toolbox(Deliveries(self.envelope(), stages[0][1].version), [stages])

    def envelope(self) -> Envelope:
        """Return what opens and closes the records of the stage."""
        return Envelope(
            stage=self.stage,
            source=self.source,
            next_topics=self.next_topics,
            blobs=open_blob_store(self.blobs),
            new_blob=blob_reference,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiSetup:
    """What a worker behind a stage's service is told."""

    stage: str
    settings: Any  # the stage's own settings class
    limits: Limits
    memo: str = ""
    whole: bool = False
    """Whether it is given batches whole rather than file by file."""

    def build(self) -> Toolbox:
        """Return what the worker works with."""
        os.nice(_NICE)
        stages = _stages([self.stage], {self.stage: self.settings}, self.memo, self.limits)
        if self.whole:
            _keep_freed_memory()
            return Toolbox(JudgingBatches(), [stages])
        read = decode_raw_item if self.stage == "ingestion" else decode_source_file
        return Toolbox(Judging(read), [stages])


def _stages(
    names: Sequence[str], settings: Mapping[str, Any], memo: str, limits: Limits
) -> list[NamedStage]:
    plugins = load_plugins(names)  # dedup's compiler has no business here
    stages = []
    for name in names:
        build = plugins[name].build
        assert build is not None, "stateful stages never run in a worker"
        stage = build(settings[name])
        if memo and isinstance(stage, Remembers):
            from gristmill.runtime.adapters.lmdb_memo import LmdbMemo

            stage.remember_in(LmdbMemo(memo), limits.cpu_seconds)
        stages.append((name, stage))
    return stages


def _keep_freed_memory() -> None:
    """Have malloc keep what is freed, up to some bytes, for the next batch.

    It would give back the bytes of each batch, and every page would be asked for anew: a page fault
    costs as much as what is done with its 4 KiB. Other libraries of C than glibc have no such call.
    """
    set_option = getattr(ctypes.CDLL(None), "mallopt", None)
    if set_option is not None:
        set_option(_M_TRIM_THRESHOLD, _KEPT_BYTES)
        set_option(_M_MMAP_THRESHOLD, _KEPT_BYTES)


def main(arguments: Sequence[str]) -> None:
    """Serve the parent that started this process."""
    connection = Connection(int(arguments[0]))
    marks = mmap.mmap(int(arguments[1]), mmap.PAGESIZE)
    setup: WorkerSetup | StreamSetup | ApiSetup = connection.recv()
    serve(connection, marks, setup.limits, setup.build)


if __name__ == "__main__":
    main(sys.argv[1:])
