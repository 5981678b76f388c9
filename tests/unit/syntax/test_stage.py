"""The syntax gate: reasons, the border of the budget, and what it writes on a kept document."""

from dataclasses import replace

import pytest

from gristmill.runtime.model import (
    Annotations,
    Document,
    Drop,
    Evidence,
    FileText,
    Keep,
    Kind,
    Origin,
    Outcome,
    Position,
    Reason,
)
from gristmill.runtime.model.document import UNCHECKED, document_id, sha256_hex
from gristmill.runtime.model.languages import LANGUAGES, Language
from gristmill.syntax import budgets, stage
from gristmill.syntax.grammars import grammar_of
from gristmill.syntax.opinions import PYTHON_CHECKER
from gristmill.syntax.parse import error_share
from gristmill.syntax.settings import SyntaxSettings
from gristmill.syntax.stage import PLUGIN, SyntaxStage
from gristmill.syntax.verdict import examine

GOOD = "def area(w, h):\n    return w * h\n"
BAD = "def ) = (:\n  ]] return \\ * *\n"
GOOD_GO = 'package area\n\nimport "fmt"\n\nfunc Show(w int) { fmt.Println(w) }\n'
BAD_GO = "func ) = (:\n  ]] return \\ * *\n"
HALF_BAD_GO = GOOD_GO + "func f() { return 1 }\n" * 10 + BAD_GO


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
    assert after.annotations.syntax.checker == PYTHON_CHECKER == outcome.evidence.checker
    assert (outcome.evidence.error_share, outcome.evidence.threshold) == (0.0, 0.0)
    assert replace(after, annotations=before.annotations) == before


def test_annotations_of_earlier_stages_stay() -> None:
    before = replace(
        document("a.py", GOOD), annotations=Annotations(score=0.5, scorer="x", tokens=3)
    )
    annotations = kept(decide(before)).annotations
    assert (annotations.score, annotations.scorer, annotations.tokens) == (0.5, "x", 3)


def test_features_come_from_the_same_parse() -> None:
    features = kept(decide(document("area.go", GOOD_GO))).annotations.syntax
    assert features is not None
    assert features.checker == "tree-sitter:go"
    assert features.features is not None
    assert features.features.num_functions == 1
    assert features.features.imports == ("fmt",)


def test_syntax_errors_beyond_the_budget_drop_with_the_figures() -> None:
    outcome = decide(document("area.go", BAD_GO))
    assert isinstance(outcome, Drop)
    assert outcome.reason is Reason.SYNTAX_ERRORS
    assert outcome.evidence.checker == "tree-sitter:go"
    assert outcome.evidence.error_share == error_share("go", BAD_GO) > 0.0
    assert outcome.evidence.threshold == 0.0


def test_a_language_s_own_parser_rules_and_says_why() -> None:
    outcome = decide(document("area.py", "def area(w, h):\nreturn w * h\n"))
    assert isinstance(outcome, Drop)
    assert outcome.evidence.checker == PYTHON_CHECKER
    assert outcome.evidence.detail.startswith("2:1: expected an indented block")
    assert outcome.evidence.error_share is None


def test_a_share_of_exactly_the_budget_is_kept() -> None:
    share = error_share("go", HALF_BAD_GO)
    assert 0.0 < share < 1.0
    record = document("area.go", HALF_BAD_GO)
    outcome = decide(record, SyntaxSettings(error_budget=share))
    syntax = kept(outcome).annotations.syntax
    assert syntax is not None
    assert syntax.error_share == share
    assert (outcome.evidence.error_share, outcome.evidence.threshold) == (share, share)
    below = decide(record, SyntaxSettings(error_budget=share * 0.999))
    assert isinstance(below, Drop)


def test_a_budget_of_one_keeps_everything_and_of_nought_only_the_faultless() -> None:
    whole, none = SyntaxSettings(error_budget=1.0), SyntaxSettings(error_budget=0.0)
    assert isinstance(decide(document("a.go", BAD_GO), whole), Keep)
    assert isinstance(decide(document("a.go", GOOD_GO), none), Keep)
    assert isinstance(decide(document("a.go", HALF_BAD_GO), none), Drop)


@pytest.mark.parametrize("budget", [-0.1, 1.1, float("nan")])
def test_a_budget_is_a_share(budget: float) -> None:
    with pytest.raises(ValueError, match="error_budget"):
        SyntaxSettings(error_budget=budget)


def test_a_language_s_own_budget_is_the_threshold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budgets, "BUDGETS", {"Go": 1.0})
    outcome = decide(document("a.go", BAD_GO))
    assert isinstance(outcome, Keep)
    assert outcome.evidence.threshold == 1.0
    assert isinstance(decide(document("a.rs", BAD_GO)), Drop)


def test_python_2_is_labelled_and_kept_or_dropped_as_it_is_set() -> None:
    record = document("a.py", "print 'a'\n")
    syntax = kept(decide(record)).annotations.syntax
    assert syntax is not None
    assert (syntax.dialect, syntax.error_share) == ("Python 2", 0.0)
    outcome = decide(record, SyntaxSettings(drop_python_2=True))
    assert isinstance(outcome, Drop)
    assert outcome.reason is Reason.UNWANTED_DIALECT
    assert outcome.evidence.detail == "Python 2"
    assert isinstance(decide(document("b.py", GOOD), SyntaxSettings(drop_python_2=True)), Keep)


def test_a_header_is_judged_as_what_it_holds() -> None:
    annotations = kept(
        decide(document("a.h", "template <class T> class A { T f(); };\n"))
    ).annotations
    assert annotations.language == "C++"


def test_an_exact_copy_is_not_parsed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    parsed: list[str] = []

    def counted(language: Language | None, text: str, **options: float) -> object:
        parsed.append(text)
        return examine(language, text, **options)

    monkeypatch.setattr(stage, "examine", counted)
    gate = SyntaxStage(SyntaxSettings())
    copies = [document("a.go", GOOD_GO), document("b/c.go", GOOD_GO), document("d.go", BAD_GO)]
    outcomes = gate.process([*copies, copies[2]])
    assert parsed == [GOOD_GO, BAD_GO]
    assert kept(outcomes[0]).annotations == kept(outcomes[1]).annotations
    assert outcomes[2] == outcomes[3]
    gate.process([document("a.rs", GOOD_GO)])
    assert len(parsed) == 3, "the same text in another language is another question"


class Shared(dict[bytes, bytes]):
    """A memo in a dictionary."""

    def put(self, key: bytes, value: bytes) -> None:
        self[key] = value


def test_what_another_worker_found_is_not_found_out_again(monkeypatch: pytest.MonkeyPatch) -> None:
    shared = Shared()
    first, second, strict = (SyntaxStage(SyntaxSettings()) for _ in range(3))
    for gate in (first, second, other := SyntaxStage(SyntaxSettings(error_budget=0.5))):
        gate.remember_in(shared, 4.0)
    outcomes = first.process([document("a.go", GOOD_GO), document("b.go", BAD_GO)])
    assert len(shared) == 2
    monkeypatch.setattr(stage, "examine", None)  # nobody may ask
    again = second.process([document("a.go", GOOD_GO), document("b.go", BAD_GO)])
    assert again == outcomes
    for gate in (strict, other):  # without the memory, or by other rules
        with pytest.raises(TypeError):
            gate.process([document("a.go", GOOD_GO)])


def test_parser_limit_for_a_copy_of_what_used_up_its_seconds_without_another_parse(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shared = Shared()
    first, second, patient = (SyntaxStage(SyntaxSettings()) for _ in range(3))
    for gate, cpu_seconds in ((first, 4.0), (second, 4.0), (patient, 8.0)):
        gate.remember_in(shared, cpu_seconds)
    first.remember_ended(document("a.go", GOOD_GO))
    monkeypatch.setattr(stage, "examine", None)  # nobody may ask
    limit = Drop(Reason.PARSER_LIMIT, Evidence(checker="tree-sitter:go"))
    assert first.process([document("b.go", GOOD_GO)]) == [limit]
    assert second.process([document("c/d.go", GOOD_GO)]) == [limit]
    with pytest.raises(TypeError):  # it may use more: it is tried again
        patient.process([document("a.go", GOOD_GO)])
    with pytest.raises(TypeError):  # in another language it is another question
        second.process([document("a.rs", GOOD_GO)])


def test_the_parser_of_a_record_is_told_without_asking_it() -> None:
    gate = SyntaxStage(SyntaxSettings())
    assert gate.parser_of(document("a.go", BAD)) == "tree-sitter:go"
    assert gate.parser_of(document("a.cob", BAD)) == ""
    assert gate.parser_of(document("README", BAD)) == ""
    assert gate.parser_of(document("script", "#!/bin/sh\n")) == "tree-sitter:bash"


@pytest.mark.parametrize("path", ["notes.txt", "a.unheardof", "README", "", "dir.py/file"])
def test_unknown_language_drops_what_no_name_tells(path: str) -> None:
    assert decide(document(path, GOOD)) == Drop(Reason.UNKNOWN_LANGUAGE)


def test_unknown_languages_may_be_kept_as_they_are() -> None:
    before = document("notes.txt", BAD)
    assert decide(before, SyntaxSettings(drop_unknown=False)) == Keep(before)


_UNCHECKED = [language for language in LANGUAGES if grammar_of(language) is None]


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
        SyntaxSettings(drop_python_2=True),
    )
    assert len({SyntaxStage(settings).version for settings in every}) == len(every)


def test_the_plugin_builds_the_stage() -> None:
    assert PLUGIN.name == "syntax"
    assert not PLUGIN.stateful
    assert PLUGIN.build is not None
    assert isinstance(PLUGIN.build(PLUGIN.settings()), SyntaxStage)
