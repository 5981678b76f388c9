"""From what a source delivered to a document: faults, path rules, encoding, text rules."""

from collections.abc import Sequence

from gristmill.ingestion.decode import decode
from gristmill.ingestion.rules import VERSION, judge_path, judge_text
from gristmill.ingestion.settings import IngestionSettings
from gristmill.runtime.model import (
    Document,
    Drop,
    Evidence,
    FileText,
    Keep,
    Outcome,
    RawFile,
    Reason,
)
from gristmill.runtime.model.fingerprint import fingerprint
from gristmill.runtime.model.languages import language_of_path
from gristmill.runtime.ports import StagePlugin


class IngestionStage:
    """Keeps text that a person wrote; drops the rest with its reason."""

    def __init__(self, settings: IngestionSettings) -> None:
        self._settings = settings
        self.version = f"ingestion-{VERSION}.{fingerprint(settings)}"

    def process(self, batch: Sequence[RawFile]) -> Sequence[Outcome]:
        """Decide each file; a kept one becomes a FILE document."""
        return [self._decide(raw) for raw in batch]

    def _decide(self, raw: RawFile) -> Outcome:
        path = raw.origin.path
        if (reason := judge_path(path, self._settings)) is not None:
            return Drop(reason)
        if raw.fault is not None:
            return Drop(raw.fault, Evidence(detail=raw.detail))
        assert raw.content is not None, "a file has content or a fault"
        # Readers look at the size first; what others put into the log they may not have.
        if len(raw.content) > self._settings.max_file_bytes:
            return Drop(Reason.TOO_LARGE)
        text = decode(raw.content)
        if isinstance(text, Reason):
            return Drop(text)
        reason = judge_text(path, text.content, language_of_path(path), self._settings)
        if reason is not None:
            return Drop(reason)
        document = Document(
            id=raw.id,
            kind=raw.kind,
            origin=raw.origin,
            position=raw.position,
            body=FileText(content=text.content, encoding=text.encoding),
            content_sha256=raw.content_sha256,
            size_bytes=raw.size_bytes,
        )
        return Keep(document)


PLUGIN = StagePlugin(name="ingestion", settings=IngestionSettings, build=IngestionStage)
