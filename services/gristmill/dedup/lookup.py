"""What would be said of documents that came now: asks the index and claims nothing."""

from collections.abc import Sequence
from dataclasses import replace

from gristmill.dedup.settings import DedupSettings
from gristmill.dedup.stage import fingerprints_of, outcome_of, version_of
from gristmill.runtime.model import Document, Outcome
from gristmill.runtime.ports import Comparison, DedupLookup, Duplicate, Fingerprint, Resubmitted


class DedupReader:
    """Answers as the stage would; any thread may ask."""

    def __init__(self, settings: DedupSettings, index: DedupLookup) -> None:
        self.version = version_of(settings)
        self._index = index
        self._threshold = settings.threshold

    def check(self, batch: Sequence[Document]) -> Sequence[Outcome]:
        """Return what the stage would decide of a batch now."""
        admissions = self._index.look(fingerprints_of(batch))
        return [
            outcome_of(document, admission, self._threshold)
            for document, admission in zip(batch, admissions, strict=True)
        ]

    def explain(self, document: Document) -> Comparison:
        """Return how one document compares with what was kept."""
        (claim,) = fingerprints_of([document])
        (admission,) = self._index.look([claim])
        return Comparison(
            document_id=document.id,
            domain=claim.domain,
            num_shingles=claim.num_shingles,
            exact_match=self._exact_match(claim),
            candidates=self._index.candidates(claim),
            threshold=self._threshold,
            outcome=outcome_of(document, admission, self._threshold),
        )

    def _exact_match(self, claim: Fingerprint) -> str | None:
        """Return who owns the content, whoever is like it and came first."""
        (admission,) = self._index.look([replace(claim, signature=b"", num_shingles=0)])
        if isinstance(admission, Resubmitted):
            return claim.document_id
        return admission.of if isinstance(admission, Duplicate) else None
