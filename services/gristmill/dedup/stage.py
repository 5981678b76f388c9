"""The dedup decision: what the index admits is kept, what it knows is dropped as a copy of it."""

from collections.abc import Sequence

from gristmill.dedup.settings import DedupSettings
from gristmill.runtime.model import Document, Drop, Evidence, Keep, Outcome, Reason
from gristmill.runtime.ports import (
    Admission,
    DedupIndex,
    Duplicate,
    Fingerprint,
    Kept,
    StagePlugin,
)

VERSION = 1


class DedupStage:
    """Admits documents in the order given; the index remembers them."""

    version = f"dedup-{VERSION}"

    def __init__(self, settings: DedupSettings, index: DedupIndex) -> None:
        del settings
        self._index = index

    def process(self, batch: Sequence[Document]) -> Sequence[Outcome]:
        """Decide a batch; every claim behind a Keep is durable when this returns."""
        admissions = self._index.admit([fingerprint_of(document) for document in batch])
        return [_outcome(document, a) for document, a in zip(batch, admissions, strict=True)]


def fingerprint_of(document: Document) -> Fingerprint:
    """Return what a document claims by."""
    return Fingerprint(
        document_id=document.id,
        kind=document.kind,
        content_sha256=document.content_sha256,
        position=document.position,
    )


def _outcome(document: Document, admission: Admission) -> Outcome:
    if isinstance(admission, Kept):
        return Keep(document)
    if isinstance(admission, Duplicate):
        reason = Reason.EXACT_DUPLICATE if admission.match == "exact" else Reason.NEAR_DUPLICATE
        evidence = Evidence(matched_id=admission.of, similarity=admission.similarity)
        return Drop(reason, evidence)
    return Drop(Reason.RESUBMITTED, Evidence(matched_id=document.id, similarity=1.0))


PLUGIN = StagePlugin(name="dedup", settings=DedupSettings, build_stateful=DedupStage)
