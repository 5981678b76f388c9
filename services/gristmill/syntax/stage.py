"""The syntax gate: a language by name, a parse, and a budget for errors."""

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
from gristmill.runtime.model.document import UNCHECKED
from gristmill.runtime.model.fingerprint import fingerprint
from gristmill.runtime.model.languages import Language, language_of_path
from gristmill.runtime.ports import StagePlugin
from gristmill.syntax.budgets import VERSION, budget_for
from gristmill.syntax.parse import error_share
from gristmill.syntax.settings import SyntaxSettings


class SyntaxStage:
    """Keeps files whose share of syntax errors stays within their language's budget."""

    def __init__(self, settings: SyntaxSettings) -> None:
        self._settings = settings
        self.version = f"syntax-{VERSION}.{fingerprint(settings)}"

    def process(self, batch: Sequence[Document]) -> Sequence[Outcome]:
        """Decide each FILE document."""
        return [self._decide(document) for document in batch]

    def _decide(self, document: Document) -> Outcome:
        body = document.body
        assert isinstance(body, FileText), "files alone have this route"
        language = language_of_path(document.origin.path)
        if language is None:
            if self._settings.drop_unknown:
                return Drop(Reason.UNKNOWN_LANGUAGE)
            return Keep(document)
        if language.grammar is None:
            return Keep(_annotated(document, language, Syntax(error_share=0.0, checker=UNCHECKED)))
        share = error_share(language.grammar, body.content)
        budget = budget_for(language.name, self._settings.error_budget)
        evidence = Evidence(error_share=share, threshold=budget)
        if share > budget:
            return Drop(Reason.SYNTAX_ERRORS, evidence)
        checked = Syntax(error_share=share, checker=f"tree-sitter:{language.grammar}")
        return Keep(_annotated(document, language, checked), evidence)


def _annotated(document: Document, language: Language, syntax: Syntax) -> Document:
    annotations = replace(document.annotations, language=language.name, syntax=syntax)
    return replace(document, annotations=annotations)


PLUGIN = StagePlugin(name="syntax", settings=SyntaxSettings, build=SyntaxStage)
