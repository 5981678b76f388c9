"""A scorer: one figure for how good a document is to learn from."""

from collections.abc import Sequence
from typing import Protocol

from gristmill.runtime.model import Document, Quality


class Scorer(Protocol):
    """Judges documents in batches; the same document always gets the same score."""

    @property
    def name(self) -> str:
        """Name the scorer and its version: it is written beside every score."""
        ...

    def score(self, batch: Sequence[Document]) -> Sequence[Quality]:
        """Judge each document, 0 (worst) to 1; same length, same order."""
        ...
