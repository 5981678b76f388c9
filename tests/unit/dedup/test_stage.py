"""The dedup stage: what the index answers becomes an outcome with its evidence."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gristmill.dedup.settings import DedupSettings
from gristmill.dedup.stage import PLUGIN, DedupStage, fingerprints_of
from gristmill.runtime.adapters.memory_index import MemoryIndex
from gristmill.runtime.model import (
    Document,
    Drop,
    Evidence,
    FileText,
    Keep,
    Kind,
    Origin,
    Position,
    Reason,
)
from gristmill.runtime.model.document import document_id, sha256_hex
from gristmill.runtime.ports import Admission, Duplicate, Fingerprint, Kept, Resubmitted
from gristmill.runtime.testing.strategies import documents


class ScriptedIndex:
    """Answers what it is told to, and remembers what it was asked."""

    def __init__(self, *answers: Admission) -> None:
        self.answers = answers
        self.asked: list[Sequence[Fingerprint]] = []

    def admit(self, fingerprints: Sequence[Fingerprint]) -> Sequence[Admission]:
        self.asked.append(fingerprints)
        return self.answers

    def watermarks(self) -> Mapping[str, int]:
        return {}

    def close(self) -> None:
        pass


def document(path: str, offset: int, text: str = "x = 1\n") -> Document:
    origin = Origin(source="s", repository="r", path=path)
    sha256 = sha256_hex(text.encode())
    return Document(
        id=document_id(Kind.FILE, origin, sha256),
        kind=Kind.FILE,
        origin=origin,
        position=Position(source="s", offset=offset),
        body=FileText(content=text, encoding="utf-8"),
        content_sha256=sha256,
        size_bytes=len(text),
    )


A, B = document("a.py", 0), document("b.py", 1)


def test_what_the_index_keeps_goes_on_unchanged() -> None:
    assert list(DedupStage(DedupSettings(), ScriptedIndex(Kept())).process([A])) == [Keep(A)]


def test_exact_duplicate_names_the_document_it_repeats() -> None:
    index = ScriptedIndex(Duplicate(of=A.id, similarity=1.0, match="exact"))
    (outcome,) = DedupStage(DedupSettings(), index).process([B])
    expected = Evidence(matched_id=A.id, similarity=1.0)
    assert outcome == Drop(Reason.EXACT_DUPLICATE, expected)


def test_near_duplicate_carries_the_similarity_measured() -> None:
    index = ScriptedIndex(Duplicate(of=A.id, similarity=0.83, match="near"))
    (outcome,) = DedupStage(DedupSettings(), index).process([B])
    assert outcome == Drop(Reason.NEAR_DUPLICATE, Evidence(matched_id=A.id, similarity=0.83))


def test_resubmitted_matches_the_document_itself() -> None:
    (outcome,) = DedupStage(DedupSettings(), ScriptedIndex(Resubmitted())).process([A])
    assert outcome == Drop(Reason.RESUBMITTED, Evidence(matched_id=A.id, similarity=1.0))


def test_a_batch_is_asked_about_in_one_call_in_its_order() -> None:
    index = ScriptedIndex(Kept(), Resubmitted())
    outcomes = DedupStage(DedupSettings(), index).process([A, B])
    assert [type(outcome) for outcome in outcomes] == [Keep, Drop]
    assert index.asked == [fingerprints_of([A, B])]


def test_an_index_that_answers_too_little_is_a_bug_that_shows() -> None:
    with pytest.raises(ValueError, match="shorter"):
        DedupStage(DedupSettings(), ScriptedIndex(Kept())).process([A, B])


@settings(max_examples=40)
@given(st.one_of([documents(kind) for kind in Kind]))
def test_a_fingerprint_says_who_what_and_where(document: Document) -> None:
    (fingerprint,) = fingerprints_of([document])
    assert fingerprint.document_id == document.id
    assert fingerprint.kind is document.kind
    assert fingerprint.content_sha256 == document.content_sha256
    assert fingerprint.position == document.position


def test_over_a_real_index_copies_fall_and_a_replay_does_not() -> None:
    stage = DedupStage(DedupSettings(), MemoryIndex())
    again = replace(A, position=Position(source="s", offset=2))
    batch = [A, B, again]
    first = stage.process(batch)
    assert [o.reason if isinstance(o, Drop) else None for o in first] == [
        None,
        Reason.EXACT_DUPLICATE,
        Reason.RESUBMITTED,
    ]
    assert stage.process(batch) == first


def test_the_plugin_is_stateful() -> None:
    assert PLUGIN.name == "dedup"
    assert PLUGIN.stateful
    assert PLUGIN.build is None
    assert PLUGIN.build_stateful is not None
    assert isinstance(PLUGIN.build_stateful(PLUGIN.settings(), MemoryIndex()), DedupStage)
