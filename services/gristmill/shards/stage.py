"""The last decision: a document is written unless it was taken down."""

from collections.abc import Sequence

from gristmill.runtime.model import Document, Drop, Keep, Outcome, Reason
from gristmill.runtime.ports import Takedowns

NAME = "shards"
VERSION = "shards-1"


class ShardsStage:
    """Keeps what may be written; `takedowns` is what was read for this very commit."""

    version = VERSION

    def __init__(self, takedowns: Takedowns) -> None:
        self._takedowns = takedowns

    def process(self, batch: Sequence[Document]) -> Sequence[Outcome]:
        """Keep every document but those that were taken down by id or by content."""
        return [
            Drop(Reason.BLOCKED) if self._is_taken_down(document) else Keep(document)
            for document in batch
        ]

    def _is_taken_down(self, document: Document) -> bool:
        return (
            document.id in self._takedowns.document_ids
            or document.content_sha256 in self._takedowns.content_sha256s
        )
