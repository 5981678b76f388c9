"""The dedup decision: what the index admits is kept, what it knows is dropped as a copy of it."""

from collections.abc import Sequence
from dataclasses import replace

from gristmill.dedup.fingerprint import sign
from gristmill.dedup.settings import DedupSettings
from gristmill.runtime.model import (
    Commit,
    Document,
    Drop,
    Evidence,
    FileText,
    Keep,
    Kind,
    Outcome,
    Reason,
    WebPage,
)
from gristmill.runtime.model.fingerprint import fingerprint
from gristmill.runtime.model.languages import find_language, language_of_path
from gristmill.runtime.ports import (
    Admission,
    DedupIndex,
    Duplicate,
    Fingerprint,
    Kept,
    StagePlugin,
)

VERSION = 2


class DedupStage:
    """Admits documents in the order given; the index remembers them."""

    def __init__(self, settings: DedupSettings, index: DedupIndex) -> None:
        self.version = version_of(settings)
        self._index = index
        self._threshold = settings.threshold

    def process(self, batch: Sequence[Document]) -> Sequence[Outcome]:
        """Decide a batch; every claim behind a Keep is durable when this returns."""
        admissions = self._index.admit(fingerprints_of(batch))
        return [
            outcome_of(document, admission, self._threshold)
            for document, admission in zip(batch, admissions, strict=True)
        ]


def version_of(settings: DedupSettings) -> str:
    """Name the rules and settings that decide."""
    return f"dedup-{VERSION}.{fingerprint(settings)}"


def fingerprints_of(batch: Sequence[Document]) -> list[Fingerprint]:
    """Return what documents claim by, in order."""
    signatures = sign([text_of(document) for document in batch])
    return [
        Fingerprint(
            document_id=document.id,
            kind=document.kind,
            content_sha256=document.content_sha256,
            position=document.position,
            domain=domain(document.kind, document.annotations.language, document.origin.path),
            signature=signatures.signature(number),
            num_shingles=int(signatures.num_shingles[number]),
        )
        for number, document in enumerate(batch)
    ]


def text_of(document: Document) -> bytes:
    """Return the text by which a document is like others; empty where only equality counts."""
    match document.body:
        case FileText(content=text) | WebPage(text=text):
            return _utf8(text)
        case Commit(message=message, patch=patch):
            return _utf8(f"{message}\n{patch}")
        case _:
            return b""


def domain(kind: Kind, language: str, path: str) -> str:
    """Return what a document is compared with: documents of its kind and language family.

    The language is the one that a stage found, else the one that the path gives away.
    """
    found = find_language(language) or language_of_path(path)
    return f"{kind}/{found.family}" if found else str(kind)


def _utf8(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def outcome_of(document: Document, admission: Admission, threshold: float) -> Outcome:
    """Return what an answer of the index means for a document."""
    if isinstance(admission, Kept):
        return Keep(document)
    if isinstance(admission, Duplicate):
        evidence = Evidence(matched_id=admission.of, similarity=admission.similarity)
        if admission.match == "exact":
            return Drop(Reason.EXACT_DUPLICATE, evidence)
        return Drop(Reason.NEAR_DUPLICATE, replace(evidence, threshold=threshold))
    return Drop(Reason.RESUBMITTED, Evidence(matched_id=document.id, similarity=1.0))


PLUGIN = StagePlugin(name="dedup", settings=DedupSettings, build_stateful=DedupStage)
