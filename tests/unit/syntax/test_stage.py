"""The syntax gate: reasons, the border of the budget, and what it writes on a kept document."""

from dataclasses import replace

import pytest

from gristmill.runtime.model import (
    Annotations,
    Document,
    Drop,
    FileText,
    Keep,
    Kind,
    Origin,
    Outcome,
    Position,
    Reason,
)
from gristmill.runtime.model.document import document_id, sha256_hex
from gristmill.runtime.model.languages import LANGUAGES, Language
from gristmill.syntax import budgets
from gristmill.syntax.parse import error_share
from gristmill.syntax.settings import SyntaxSettings
from gristmill.syntax.stage import PLUGIN, UNCHECKED, SyntaxStage

GOOD = "def area(w, h):\n    return w * h\n"
BAD = "def ) = (:\n  ]] return \\ * *\n"
HALF_BAD = GOOD * 10 + BAD


def document(path: str, text: str) -> Document:
    origin = Origin(source="s", repository="r", path=path)
    sha256 = sha256_hex(text.encode())
    return Document(
        id=document_id(Kind.FILE, origin, sha256),
        kind=Kind.FILE,
        origin=origin,
        position=Position(source="s", offset=0),
        body=FileText(content=text, encoding="utf-8"),
        content_sha256=sha256,
        size_bytes=len(text.encode()),
    )


def decide(record: Document, settings: SyntaxSettings | None = None) -> Outcome:
    (outcome,) = SyntaxStage(settings or SyntaxSettings()).process([record])
    return outcome


def kept(outcome: Outcome) -> Document:
    assert isinstance(outcome, Keep)
    return outcome.document


def test_good_text_is_kept_with_language_checker_and_share() -> None:
    before = document("area.py", GOOD)
    outcome = decide(before)
    after = kept(outcome)
    assert after.annotations.language == "Python"
    assert after.annotations.syntax is not None
    assert after.annotations.syntax.error_share == 0.0
    assert after.annotations.syntax.checker == "tree-sitter:python"
    assert (outcome.evidence.error_share, outcome.evidence.threshold) == (0.0, 0.01)
    assert replace(after, annotations=before.annotations) == before


def test_annotations_of_earlier_stages_stay() -> None:
    before = replace(
        document("a.py", GOOD), annotations=Annotations(score=0.5, scorer="x", tokens=3)
    )
    annotations = kept(decide(before)).annotations
    assert (annotations.score, annotations.scorer, annotations.tokens) == (0.5, "x", 3)


def test_syntax_errors_beyond_the_budget_drop_with_the_figures() -> None:
    outcome = decide(document("area.py", BAD))
    assert isinstance(outcome, Drop)
    assert outcome.reason is Reason.SYNTAX_ERRORS
    assert outcome.evidence.error_share == error_share("python", BAD) > 0.01
    assert outcome.evidence.threshold == 0.01


def test_a_share_of_exactly_the_budget_is_kept() -> None:
    share = error_share("python", HALF_BAD)
    assert 0.0 < share < 1.0
    record = document("area.py", HALF_BAD)
    outcome = decide(record, SyntaxSettings(error_budget=share))
    syntax = kept(outcome).annotations.syntax
    assert syntax is not None
    assert syntax.error_share == share
    assert (outcome.evidence.error_share, outcome.evidence.threshold) == (share, share)
    below = decide(record, SyntaxSettings(error_budget=share * 0.999))
    assert isinstance(below, Drop)


def test_a_budget_of_one_keeps_everything_and_of_nought_only_the_faultless() -> None:
    assert isinstance(decide(document("a.py", BAD), SyntaxSettings(error_budget=1.0)), Keep)
    assert isinstance(decide(document("a.py", GOOD), SyntaxSettings(error_budget=0.0)), Keep)
    assert isinstance(decide(document("a.py", HALF_BAD), SyntaxSettings(error_budget=0.0)), Drop)


def test_a_language_s_own_budget_is_the_threshold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budgets, "BUDGETS", {"Python": 1.0})
    outcome = decide(document("a.py", BAD))
    assert isinstance(outcome, Keep)
    assert outcome.evidence.threshold == 1.0
    assert isinstance(decide(document("a.json", BAD)), Drop)


@pytest.mark.parametrize("path", ["notes.txt", "a.unheardof", "README", "", "dir.py/file"])
def test_unknown_language_drops_what_no_name_tells(path: str) -> None:
    assert decide(document(path, GOOD)) == Drop(Reason.UNKNOWN_LANGUAGE)


def test_unknown_languages_may_be_kept_as_they_are() -> None:
    before = document("notes.txt", BAD)
    assert decide(before, SyntaxSettings(drop_unknown=False)) == Keep(before)


_UNCHECKED = [language for language in LANGUAGES if language.grammar is None]


@pytest.mark.parametrize("found", _UNCHECKED, ids=lambda language: language.name)
def test_a_language_without_a_grammar_passes_unchecked(found: Language) -> None:
    paths = [*(f"a{end}" for end in found.extensions), *found.filenames]
    annotations = kept(decide(document(paths[0], BAD))).annotations
    assert annotations.language == found.name
    assert annotations.syntax is not None
    assert annotations.syntax.checker == UNCHECKED
    assert annotations.syntax.error_share == 0.0


def test_a_text_with_a_mark_characters_and_no_last_newline_is_checked() -> None:
    assert isinstance(decide(document("a.py", "s = 'ünïcödé 😀'")), Keep)


def test_the_version_changes_with_every_setting() -> None:
    every = (
        SyntaxSettings(),
        SyntaxSettings(error_budget=0.02),
        SyntaxSettings(drop_unknown=False),
    )
    assert len({SyntaxStage(settings).version for settings in every}) == len(every)


def test_the_plugin_builds_the_stage() -> None:
    assert PLUGIN.name == "syntax"
    assert not PLUGIN.stateful
    assert PLUGIN.build is not None
    assert isinstance(PLUGIN.build(PLUGIN.settings()), SyntaxStage)
