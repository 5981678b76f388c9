"""`gristmill`, with one thing about it changed: what a test cannot set from outside.

python serve_faulty.py pill WORD serve dedup          its process dies at a document with WORD
python serve_faulty.py impatient SECONDS serve faulty its group waits so long for its next poll
"""

import ctypes
import sys
from collections.abc import Sequence
from typing import Any

from kafka import KafkaConsumer

from gristmill.cli.main import main
from gristmill.dedup import stage
from gristmill.dedup.stage import text_of
from gristmill.runtime.adapters import kafka_client
from gristmill.runtime.model import Document, Outcome


def _with_pill(word: bytes) -> None:
    """Dedup keeps its state in its own process: no pool of workers stands before a crash."""
    process = stage.DedupStage.process

    def crashing(self: stage.DedupStage, batch: Sequence[Document]) -> Sequence[Outcome]:
        if any(word in text_of(document) for document in batch):
            ctypes.string_at(0)
        return process(self, batch)

    stage.DedupStage.process = crashing  # type: ignore[method-assign]


def _impatient(seconds: float) -> None:
    def consumer(**options: Any) -> KafkaConsumer:
        if options["group_id"] is not None:
            options["max_poll_interval_ms"] = round(seconds * 1000)
        return KafkaConsumer(**options)

    kafka_client.KafkaConsumer = consumer


if __name__ == "__main__":
    what, how = sys.argv.pop(1), sys.argv.pop(1)
    if what == "pill":
        _with_pill(how.encode())
    else:
        _impatient(float(how))
    main()
