"""The syntax gate: a file's language, the verdict on its text, and what one parse tells of it."""

from collections.abc import Sequence
from dataclasses import replace

from gristmill.runtime.model import (
    Document,
    Drop,
    Evidence,
    FileText,
    Keep,
    Outcome,
    Reason,
    Syntax,
)
from gristmill.runtime.model.fingerprint import fingerprint
from gristmill.runtime.model.languages import Language
from gristmill.runtime.ports import Memo, StagePlugin
from gristmill.syntax.grammars import TREE_SITTER, checker_of
from gristmill.syntax.inference import infer, infer_language
from gristmill.syntax.installed import parsers
from gristmill.syntax.memo import Examined, Remembered, UsedUp
from gristmill.syntax.opinions import PYTHON_2, PYTHON_CHECKER
from gristmill.syntax.settings import SyntaxSettings
from gristmill.syntax.verdict import VERSION, Verdict, examine


class SyntaxStage:
    """Keeps files that are well-formed in their language, and annotates them."""

    def __init__(self, settings: SyntaxSettings) -> None:
        self._settings = settings
        # The interpreter counts: its parser rules on Python.
        rules = f"{VERSION}.{infer.VERSION}.{fingerprint(settings)}.{parsers()}"
        self.version = f"syntax-{rules}.{PYTHON_CHECKER}"
        self._known = Remembered(f"{VERSION} {settings.error_budget} {parsers()}")

    def process(self, batch: Sequence[Document]) -> Sequence[Outcome]:
        """Decide each FILE document."""
        return [self._decide(document) for document in batch]

    def remember_in(self, memo: Memo, cpu_seconds: float) -> None:
        """Look there, too, for what was found in a text before."""
        self._known.memo = memo
        self._known.cpu_seconds = cpu_seconds

    def remember_ended(self, record: Document) -> None:
        """Remember that the text used up its CPU seconds."""
        assert isinstance(record.body, FileText), "files alone have this route"
        language = infer_language(record.origin.path, record.body.content).language
        if language is not None:
            self._known.put_ended(record.content_sha256, language.name)

    def parser_of(self, record: Document) -> str:
        """Name the grammar that a record goes to; what its language is read by is bounded."""
        text = record.body.content if isinstance(record.body, FileText) else ""
        language = infer_language(record.origin.path, text).language
        return "" if language is None else checker_of(language)

    def _decide(self, document: Document) -> Outcome:
        body = document.body
        assert isinstance(body, FileText), "files alone have this route"
        language = infer_language(document.origin.path, body.content).language
        if language is None:
            if self._settings.drop_unknown:
                return Drop(Reason.UNKNOWN_LANGUAGE)
            return Keep(document)
        found = self._examine(document.content_sha256, language, body.content)
        if isinstance(found, UsedUp):
            return Drop(Reason.PARSER_LIMIT, Evidence(checker=checker_of(language)))
        verdict, features = found
        syntax = Syntax(
            error_share=verdict.error_share,
            checker=verdict.checker,
            features=features,
            dialect=verdict.dialect,
        )
        if syntax.checked_by is None:
            evidence = Evidence()
        else:
            is_measured = verdict.is_ok or verdict.checker.startswith(TREE_SITTER)
            evidence = Evidence(
                error_share=verdict.error_share if is_measured else None,
                threshold=verdict.budget,
                checker=verdict.checker,
                detail=verdict.dialect or verdict.detail,
            )
        if reason := reason_to_drop(verdict, self._settings):
            return Drop(reason, evidence)
        annotations = replace(document.annotations, language=language.name, syntax=syntax)
        return Keep(replace(document, annotations=annotations), evidence)

    def _examine(self, content_sha256: str, language: Language, text: str) -> Examined | UsedUp:
        """Return what is found in a text; that of an exact copy is what was found before."""
        known = self._known.get(content_sha256, language.name)
        if known is not None:
            return known
        found = examine(language, text, least_budget=self._settings.error_budget)
        self._known.put(content_sha256, language.name, found)
        return found


def reason_to_drop(verdict: Verdict, settings: SyntaxSettings) -> Reason | None:
    """Return why a text with the verdict is dropped, None where it is kept."""
    if not verdict.is_ok:
        return Reason.SYNTAX_ERRORS
    if verdict.dialect == PYTHON_2 and settings.drop_python_2:
        return Reason.UNWANTED_DIALECT
    return None


PLUGIN = StagePlugin(name="syntax", settings=SyntaxSettings, build=SyntaxStage)
