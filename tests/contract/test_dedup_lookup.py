"""Asking the dedup index: what `admit` would answer, and nothing is changed by it."""

import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from gristmill.dedup.lookup import DedupReader
from gristmill.dedup.settings import DedupSettings
from gristmill.dedup.stage import DedupStage, fingerprints_of
from gristmill.runtime.adapters.lmdb_index_reader import LmdbIndexReader
from gristmill.runtime.model import (
    Document,
    FileText,
    Kind,
    Origin,
    Position,
    Reason,
    Transient,
)
from gristmill.runtime.model.document import document_id, sha256_hex
from gristmill.runtime.ports import Duplicate, Fingerprint, Kept, Resubmitted

Fresh = Callable[..., AbstractContextManager[Any]]
Mark = Callable[..., Fingerprint]

LINES = [f"value_{n} = compute(value_{n - 1}, {n * n})" for n in range(1, 60)]
TEXT = "\n".join(LINES)
NEAR = "\n".join([*LINES[:55], "print(value_3)", *LINES[56:]])
OTHER = "\n".join(f"def other_{n}(a, b): return a * {n} + b" for n in range(40))


def document(path: str, text: str, offset: int = 0, source: str = "s") -> Document:
    origin = Origin(source="", repository="r", path=path)
    sha256 = sha256_hex(text.encode())
    return Document(
        id=document_id(Kind.FILE, origin, sha256),
        kind=Kind.FILE,
        origin=origin,
        position=Position(source=source, offset=offset),
        body=FileText(content=text, encoding="utf-8"),
        content_sha256=sha256,
        size_bytes=len(text),
    )


BATCHES: Sequence[Sequence[Document]] = (
    [document("a.py", TEXT, 0), document("b.py", OTHER, 1)],
    [document("c.py", NEAR, 2), document("d.py", TEXT, 3), document("a.py", TEXT, 4)],
    [document("e.py", "x", 5), document("f.py", "x", 6)],
)


def test_a_look_answers_what_admission_then_answers(fresh: Fresh) -> None:
    with fresh() as index:
        for batch in BATCHES:
            claims = fingerprints_of(batch)
            looked = [list(index.look(claims)) for _ in range(3)]
            assert looked[0] == looked[1] == looked[2] == list(index.admit(claims))


def test_a_look_changes_nothing(fresh: Fresh, mark: Mark) -> None:
    with fresh() as index:
        index.admit([mark(0, "a")])
        marks = index.watermarks()
        assert list(index.look([mark(7, "b", source="elsewhere")])) == [Kept()]
        assert list(index.look([mark(8, "b", source="elsewhere")])) == [Kept()]
        assert index.watermarks() == marks
        assert list(index.admit([mark(1, "b")])) == [Kept()]


def test_the_same_document_asked_about_is_resubmitted(fresh: Fresh) -> None:
    with fresh() as index:
        index.admit(fingerprints_of(BATCHES[0]))
        (admission,) = index.look(fingerprints_of([document("a.py", TEXT, 0, source="api")]))
        assert admission == Resubmitted()


def test_candidates_are_the_owners_of_the_bands(fresh: Fresh) -> None:
    first, second = BATCHES[0]
    with fresh() as index:
        index.admit(fingerprints_of([first, second]))
        (same,) = index.candidates(fingerprints_of([first])[0])
        assert (same.of, same.similarity, same.matches) == (first.id, 1.0, True)
        assert same.bands == tuple(range(16))
        (near,) = index.candidates(fingerprints_of([document("c.py", NEAR)])[0])
        assert near.of == first.id
        assert near.matches
        assert 0.7 <= near.similarity < 1
        assert 0 < len(near.bands) < 16
        assert list(index.candidates(fingerprints_of([document("e.py", "x")])[0])) == []
        (claim,) = fingerprints_of([document("c.py", NEAR)])
        (verdict,) = index.look([claim])
        assert verdict == Duplicate(of=first.id, similarity=near.similarity, match="near")


def test_the_reader_says_what_the_stage_would(fresh: Fresh) -> None:
    settings = DedupSettings()
    with fresh() as index:
        stage, reader = DedupStage(settings, index), DedupReader(settings, index)
        assert reader.version == stage.version
        for batch in BATCHES:
            assert reader.check(batch) == stage.process(batch)


def test_an_explanation_has_the_figures_of_the_verdict(fresh: Fresh) -> None:
    settings = DedupSettings()
    first = BATCHES[0][0]
    with fresh() as index:
        DedupStage(settings, index).process(BATCHES[0])
        reader = DedupReader(settings, index)
        near = reader.explain(document("c.py", NEAR))
        assert near.exact_match is None
        assert near.domain == "file/python"
        assert near.num_shingles > 100
        assert near.threshold == settings.threshold
        assert near.outcome.reason == Reason.NEAR_DUPLICATE  # type: ignore[union-attr]
        copy = reader.explain(document("copy.py", TEXT))
        assert copy.exact_match == first.id
        itself = reader.explain(document("a.py", TEXT, source="api"))
        assert itself.exact_match == itself.document_id == first.id
        assert itself.outcome.reason == Reason.RESUBMITTED  # type: ignore[union-attr]
        fresh_one = reader.explain(document("new.py", "a + b"))
        assert (fresh_one.exact_match, fresh_one.candidates) == (None, [])


# --- from another process -------------------------------------------------------------------------


_READER = """
import pickle, sys
from gristmill.runtime.adapters.lmdb_index_reader import LmdbIndexReader

reader = LmdbIndexReader(sys.argv[1], threshold=0.7)
while True:
    try:
        name, argument = pickle.load(sys.stdin.buffer)
    except EOFError:
        break
    pickle.dump(getattr(reader, name)(argument), sys.stdout.buffer)
    sys.stdout.buffer.flush()
reader.close()
"""


@contextmanager
def elsewhere(path: Path) -> Iterator[Callable[[str, Any], Any]]:
    """Ask a reader in a process of its own: LMDB opens a store once a process."""
    child = subprocess.Popen(
        [sys.executable, "-c", _READER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert child.stdin is not None
    assert child.stdout is not None
    with child, child.stdin, child.stdout:

        def ask(name: str, argument: Any) -> Any:
            pickle.dump((name, argument), child.stdin)
            child.stdin.flush()
            return pickle.load(child.stdout)

        yield ask


def test_a_reader_follows_what_is_admitted(store: Any) -> None:
    with store.opened() as index:
        index.admit(fingerprints_of(BATCHES[0]))
        with elsewhere(store.path) as ask:
            for batch in BATCHES[1:]:
                claims = fingerprints_of(batch)
                assert ask("look", claims) == index.look(claims)
                index.admit(claims)
                later = fingerprints_of([document("late.py", NEAR, 99)])
                assert ask("look", later) == index.look(later) != [Kept()]
                assert ask("candidates", later[0]) == index.candidates(later[0]) != []


def test_a_reader_forgets_what_was_released(store: Any) -> None:
    first = BATCHES[0][0]
    with store.opened() as index:
        index.admit(fingerprints_of(BATCHES[0]))
        claims = fingerprints_of([document("copy.py", TEXT, 9)])
        with elsewhere(store.path) as ask:
            assert ask("look", claims) == [Duplicate(of=first.id, similarity=1.0, match="exact")]
            assert index.release([first.id]) == 1
            assert ask("look", claims) == [Kept()]


def test_a_reader_follows_to_an_index_that_was_made_anew(store: Any, tmp_path: Path) -> None:
    store.fill(fingerprints_of(BATCHES[0]))
    claims = fingerprints_of([document("copy.py", TEXT, 9)])
    with elsewhere(store.path) as ask:
        assert ask("look", claims) != [Kept()]
        store.path.rename(tmp_path / "index.old")
        store.fill(fingerprints_of([document("b.py", OTHER, 1)]))
        assert ask("look", claims) == [Kept()]


def test_without_an_index_a_reader_says_so(tmp_path: Path) -> None:
    with pytest.raises(Transient, match="cannot be read"):
        LmdbIndexReader(str(tmp_path / "none"), threshold=0.7)
