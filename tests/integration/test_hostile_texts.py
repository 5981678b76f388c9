"""What a grammar gets that nothing before it stops: it ends the one text, never its neighbours."""

import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from gristmill.cli.worker import COMMAND, WorkerSetup
from gristmill.runtime.engine.passage import Passage
from gristmill.runtime.engine.pool import WorkerPool
from gristmill.runtime.engine.worker import Limits
from gristmill.runtime.model import (
    Decision,
    Document,
    FileText,
    Kind,
    Origin,
    OutcomeKind,
    Position,
    Reason,
)
from gristmill.runtime.model.document import document_id, sha256_hex
from gristmill.runtime.model.languages import find_language
from gristmill.runtime.testing.hostile import NUM_BRACKETS, large_hostile_files
from gristmill.syntax.grammars import UNCHECKED, grammar_of
from gristmill.syntax.settings import SyntaxSettings

# COBOL passes unchecked because of this grammar; here it is checked.
WITH_COBOL = """
import sys

from gristmill.cli.worker import main
from gristmill.syntax import grammars

grammars.UNCHECKED = {{}}
grammars._GRAMMARS = {{"COBOL": "cobol"}}
{more}
main(sys.argv[1:])
"""
NO_PARSE = "from gristmill.syntax import stage; stage.examine = None"  # to ask is an error
HANGS = "x"
SOUND = "       IDENTIFICATION DIVISION.\n       PROGRAM-ID. A.\n"
NEIGHBOURS = {"before.go": "package a\n", "after.py": "x = 1\n"}
# One with a parser of its own, one whose grammar has a scanner, one that is read several times.
LANGUAGES = ("JSON", "Shell", "C")


def document(path: str, text: str) -> Document:
    origin, content = Origin(source="s", repository="r", path=path), text.encode()
    return Document(
        id=document_id(Kind.FILE, origin, sha256_hex(content)),
        kind=Kind.FILE,
        origin=origin,
        position=Position(source="s", offset=0),
        body=FileText(content=text, encoding="utf-8"),
        content_sha256=sha256_hex(content),
        size_bytes=len(content),
    )


def decisions(
    command: Sequence[str], cpu_seconds: float, texts: Sequence[tuple[str, str]], memo: str = ""
) -> list[Decision]:
    """Return what the syntax stage decides in a worker process, all in one chunk."""
    setup = WorkerSetup(
        segments=[["syntax"]],
        settings={"syntax": SyntaxSettings()},
        max_file_bytes=1 << 20,
        limits=Limits(cpu_seconds=cpu_seconds),
        memo=memo,
    )
    pool: WorkerPool[Passage] = WorkerPool(command, setup, 1)
    try:
        passages = pool.submit(0, [document(path, text) for path, text in texts]).result(120)
    finally:
        pool.close()
    return [passage.decisions[-1] for passage in passages]


def with_cobol(place: Path, more: str = "") -> tuple[str, ...]:
    """Return the command of a worker that checks COBOL."""
    script = place / f"worker{len(more)}.py"
    script.write_text(WITH_COBOL.format(more=more))
    return (sys.executable, "-P", str(script))


def test_the_hang_of_cobol_s_grammar_ends_at_its_limit_alone(tmp_path: Path) -> None:
    assert "COBOL" in UNCHECKED
    first, last = NEIGHBOURS.items()
    texts = [first, ("sound.cob", SOUND), ("hangs.cob", HANGS), last]
    before, sound, hangs, after = decisions(with_cobol(tmp_path), 8.0, texts)
    assert (hangs.outcome, hangs.reason) == (OutcomeKind.DROP, Reason.PARSER_LIMIT)
    assert hangs.evidence.checker == sound.evidence.checker == "tree-sitter:cobol"
    kept = (before, sound, after)
    assert {decision.outcome for decision in kept} == {OutcomeKind.KEEP}


def test_a_copy_of_what_hung_is_not_tried_again(tmp_path: Path) -> None:
    memo = tmp_path / "verdicts"
    memo.mkdir()
    (ended,) = decisions(with_cobol(tmp_path), 8.0, [("hangs.cob", HANGS)], str(memo))
    without = with_cobol(tmp_path, NO_PARSE)
    (again,) = decisions(without, 8.0, [("b/copy.cob", HANGS)], str(memo))
    assert (again.outcome, again.reason) == (ended.outcome, ended.reason)
    assert again.evidence == ended.evidence
    (tried,) = decisions(without, 16.0, [("b/copy.cob", HANGS)], str(memo))
    assert tried.reason is Reason.UNHANDLED, "with more time it is tried again"


@pytest.mark.parametrize("name", LANGUAGES)
def test_each_large_text_is_decided_between_neighbours_that_are_kept(name: str) -> None:
    language = find_language(name)
    assert language is not None
    first, last = NEIGHBOURS.items()
    large = [(path, content.decode()) for path, content in large_hostile_files([language])]
    found = decisions(COMMAND, 1.0, [each for one in large for each in (first, one, last)])
    assert len(found) == 3 * len(large)
    hostile = found[1::3]
    assert {decision.outcome for decision in found[::3] + found[2::3]} == {OutcomeKind.KEEP}
    reasons = {Reason.SYNTAX_ERRORS, Reason.PARSER_LIMIT}
    assert all(d.outcome == OutcomeKind.KEEP or d.reason in reasons for d in hostile)


def test_the_large_texts_are_the_same_each_time_and_as_large_as_they_are_meant_to_be() -> None:
    language = find_language("Go Module")  # it has a file name and no ending
    assert language is not None
    texts = dict(large_hostile_files([language]))
    assert texts == dict(large_hostile_files([language]))
    kinds = {path.partition("-")[0]: content for path, content in texts.items()}
    assert kinds["line"].count(b"\n") == 0
    assert all(0.9 < len(kinds[kind]) / (1 << 20) <= 1 for kind in ("line", "noise", "bytes"))
    runs = [content for kind, content in kinds.items() if kind.startswith(("brackets", "nested"))]
    assert {len(run) for run in runs} == {NUM_BRACKETS}
    assert {path.partition("/")[2] for path in texts} == {"go.mod"}
    assert grammar_of(language) == "gomod"
