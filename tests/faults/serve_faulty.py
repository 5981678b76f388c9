"""`gristmill`, with one thing about it changed: what a test cannot set from outside.

python serve_faulty.py pill WORD serve dedup          its process dies at a document with WORD
python serve_faulty.py torn shards serve shards       it is killed between its tables, at records
                                                      that it sets aside
python serve_faulty.py impatient SECONDS serve faulty its group waits so long for its next poll
python serve_faulty.py watched SECONDS serve syntax   its watchdog waits so long for progress

What each of them needs is imported there: a worker that starts slowly is out for longer.
"""

import ctypes
import json
import os
import signal
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from kafka import KafkaConsumer

from gristmill.cli.main import main
from gristmill.runtime.model import Document, Outcome
from gristmill.runtime.ports import Batch


def _with_pill(word: bytes) -> None:
    """Dedup keeps its state in its own process: no pool of workers stands before a crash."""
    from gristmill.dedup import stage

    process = stage.DedupStage.process

    def crashing(self: stage.DedupStage, batch: Sequence[Document]) -> Sequence[Outcome]:
        if any(word in stage.text_of(document) for document in batch):
            ctypes.string_at(0)
        return process(self, batch)

    stage.DedupStage.process = crashing  # type: ignore[method-assign]


def _torn(stage: str) -> None:
    """The rows of a batch go into `files` once only: so it is killed once for each record."""
    from gristmill.shards import writer

    write_files = writer.TableWriter._write_files

    def killed(self: writer.TableWriter, batch: Batch) -> int:
        lacking = self._lacking("files", batch.spans)
        aside = [one for one in batch.decisions if one.decision.stage == stage]
        is_torn = any(writer._within(one, lacking) for one in aside)
        added = write_files(self, batch)
        if is_torn:
            os.kill(os.getpid(), signal.SIGKILL)
        return added

    writer.TableWriter._write_files = killed  # type: ignore[method-assign]


def _impatient(seconds: float) -> None:
    from gristmill.runtime.adapters import kafka_client

    def consumer(**options: Any) -> KafkaConsumer:
        if options["group_id"] is not None:
            options["max_poll_interval_ms"] = round(seconds * 1000)
        made = KafkaConsumer(**options)
        if options["group_id"] is not None:
            told = {
                "time": datetime.now(UTC).isoformat(),
                "event": "consumer made",
                "max_poll_seconds": made.config["max_poll_interval_ms"] / 1000,
            }
            print(json.dumps(told), file=sys.stderr, flush=True)
        return made

    kafka_client.KafkaConsumer = consumer


def _watched(seconds: float) -> None:
    from gristmill.cli import serving
    from gristmill.runtime.adapters.watchdog import Watchdog

    def watchdog(**options: Any) -> Watchdog:
        return Watchdog(**{**options, "no_progress_seconds": seconds})

    serving.Watchdog = watchdog  # type: ignore[assignment,attr-defined]


if __name__ == "__main__":
    what, how = sys.argv.pop(1), sys.argv.pop(1)
    match what:
        case "pill":
            _with_pill(how.encode())
        case "torn":
            _torn(how)
        case "impatient":
            _impatient(float(how))
        case "watched":
            _watched(float(how))
    main()
