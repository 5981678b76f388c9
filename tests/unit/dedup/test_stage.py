"""The dedup stage: what the index answers becomes an outcome with its evidence."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gristmill.dedup.fingerprint import sign
from gristmill.dedup.settings import DedupSettings
from gristmill.dedup.stage import PLUGIN, DedupStage, domain, fingerprints_of, text_of
from gristmill.runtime.adapters.memory_index import MemoryIndex
from gristmill.runtime.model import (
    Annotations,
    Commit,
    Document,
    Drop,
    Evidence,
    FileText,
    Keep,
    Kind,
    Origin,
    Position,
    Reason,
    Repository,
    RepositoryMember,
    WebPage,
)
from gristmill.runtime.model.document import Body, document_id, sha256_hex
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

    def release(self, document_ids: Collection[str]) -> int:
        return 0

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
    assert outcome == Drop(
        Reason.NEAR_DUPLICATE, Evidence(matched_id=A.id, similarity=0.83, threshold=0.7)
    )


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


# --- what a document is compared by ---------------------------------------------------------------


@settings(max_examples=40)
@given(st.one_of([documents(kind) for kind in Kind]))
def test_a_fingerprint_says_who_what_and_where(document: Document) -> None:
    (fingerprint,) = fingerprints_of([document])
    assert fingerprint.document_id == document.id
    assert fingerprint.kind is document.kind
    assert fingerprint.content_sha256 == document.content_sha256
    assert fingerprint.position == document.position
    made = sign([text_of(document)])
    assert fingerprint.num_shingles == made.num_shingles[0]
    assert fingerprint.signature == (made.rows.tobytes() if fingerprint.num_shingles else b"")
    assert fingerprint.domain == domain(
        document.kind, document.annotations.language, document.origin.path
    )


@settings(max_examples=25)
@given(st.lists(st.one_of([documents(kind) for kind in Kind]), max_size=6))
def test_a_document_has_the_same_fingerprint_in_any_company(batch: list[Document]) -> None:
    assert fingerprints_of(batch) == [fingerprints_of([one])[0] for one in batch]


BODIES: list[tuple[Body, bytes]] = [
    (FileText(content="größe = 1\r\n", encoding="latin-1"), "größe = 1\r\n".encode()),
    (WebPage(text="a page", code_blocks=("x = 1",), has_code_tags=True), b"a page"),
    (Commit(message="fix", patch="+x\n", merged=True, context="y"), b"fix\n+x\n"),
    (
        Repository(
            members=(
                RepositoryMember(path="a", content_sha256="0" * 64, size_bytes=1, language=""),
            ),
            packed=b"a b c d e f",
        ),
        b"",
    ),
]


@pytest.mark.parametrize(("body", "text"), BODIES, ids=lambda one: type(one).__name__)
def test_the_text_compared_is_that_of_the_body_and_of_some_kinds_none(
    body: Body, text: bytes
) -> None:
    assert text_of(replace(A, body=body)) == text


def test_a_lone_surrogate_is_no_hindrance() -> None:
    assert text_of(replace(A, body=FileText(content="\ud800", encoding="utf-8"))) == b"\xed\xa0\x80"


@pytest.mark.parametrize(
    ("language", "path", "expected"),
    [
        ("Python", "a.py", "file/python"),
        ("Python", "a.c", "file/python"),  # what a stage found comes before the path
        ("TypeScript", "", "file/javascript"),  # a family, not a language
        ("", "lib/a.ts", "file/javascript"),
        ("", "a.cpp", "file/c"),
        ("", "a.h", "file/c"),
        ("no such language", "a.py", "file/python"),
        ("", "README", "file"),
        ("", "", "file"),
    ],
)
def test_the_domain_is_kind_and_language_family(language: str, path: str, expected: str) -> None:
    assert domain(Kind.FILE, language, path) == expected
    annotations = Annotations(language=language)
    (one,) = fingerprints_of([replace(document(path, 0), annotations=annotations)])
    assert one.domain == expected


def test_kinds_are_domains_of_their_own() -> None:
    domains = {domain(kind, language, "") for kind in Kind for language in ("Python", "C", "")}
    assert len(domains) == 3 * len(Kind)


# --- over a real index ----------------------------------------------------------------------------

BODY = "".join(f"def function_{n}(argument):\n    return {n} * argument\n" for n in range(40))
LICENCE = "# Licensed under one licence or another.\n"


def reasons(stage: DedupStage, *batch: Document) -> list[Reason | None]:
    return [o.reason if isinstance(o, Drop) else None for o in stage.process(batch)]


def test_another_header_makes_a_near_duplicate_with_its_similarity() -> None:
    first, second = document("a.py", 0, BODY), document("b.py", 1, LICENCE + BODY)
    kept, dropped = DedupStage(DedupSettings(), MemoryIndex()).process([first, second])
    rows = sign([BODY.encode(), (LICENCE + BODY).encode()]).rows
    similarity = float((rows[0] == rows[1]).mean())
    assert kept == Keep(first)
    assert dropped == Drop(
        Reason.NEAR_DUPLICATE,
        Evidence(matched_id=first.id, similarity=similarity, threshold=0.7),
    )
    assert 0.8 < similarity < 1


def test_a_text_is_near_to_texts_of_its_language_family_only() -> None:
    paths = ("a.js", "b.ts", "c.py", "d.md", "e.pyi", "f.unknown", "g.unknown")
    batch = [document(path, at, BODY + f"{at}\n") for at, path in enumerate(paths)]
    stage = DedupStage(DedupSettings(), MemoryIndex())
    near = Reason.NEAR_DUPLICATE
    assert reasons(stage, *batch) == [None, near, None, None, near, None, near]


def test_a_copy_is_found_in_any_language() -> None:
    batch = [document(path, at, BODY) for at, path in enumerate(("a.js", "b.py", "c"))]
    stage = DedupStage(DedupSettings(), MemoryIndex())
    assert reasons(stage, *batch) == [None, Reason.EXACT_DUPLICATE, Reason.EXACT_DUPLICATE]


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


# --- settings -------------------------------------------------------------------------------------


@pytest.mark.parametrize("threshold", [0.49, 1.01, -1, float("nan")])
def test_a_threshold_that_the_bands_cannot_serve_is_refused(threshold: float) -> None:
    with pytest.raises(ValueError, match=r"between 0\.5 and 1"):
        DedupSettings(threshold=threshold)


def test_another_threshold_is_another_version() -> None:
    versions = {
        DedupStage(DedupSettings(threshold=threshold), MemoryIndex()).version
        for threshold in (0.7, 0.7, 0.8)
    }
    assert len(versions) == 2
