"""A user's stage that goes wrong on purpose, for the mill of the fault suite alone.

It keeps every document but those that its settings mark: it breaks on them, kills its process at
them, or takes its time.
"""

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from threading import Event

from gristmill.runtime.model import Document, FileText, Keep, Outcome
from gristmill.runtime.ports import StagePlugin


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultySettings:
    """What goes wrong; empty words mark nothing."""

    break_on: str = ""
    """A document with this word breaks the stage."""

    crash_on: str = ""
    """A document with this word is a segmentation fault of the worker process."""

    slow_on: str = ""
    """A document with this word takes `slow_seconds`."""

    slow_seconds: float = 0.0
    """How long a slow document takes."""


class FaultyStage:
    """Keeps what it survives."""

    def __init__(self, settings: FaultySettings) -> None:
        self._settings = settings
        self.version = "faulty-1"

    def process(self, batch: Sequence[Document]) -> Sequence[Outcome]:
        """Keep every document that is not marked."""
        return [self._decide(document) for document in batch]

    def _decide(self, document: Document) -> Outcome:
        assert isinstance(document.body, FileText)
        text, marks = document.body.content, self._settings
        if marks.break_on and marks.break_on in text:
            raise ZeroDivisionError("a bug in somebody's stage")
        if marks.crash_on and marks.crash_on in text:
            ctypes.string_at(0)
        if marks.slow_on and marks.slow_on in text:
            Event().wait(marks.slow_seconds)
        return Keep(document)


PLUGIN = StagePlugin(name="faulty", settings=FaultySettings, build=FaultyStage, after="syntax")
