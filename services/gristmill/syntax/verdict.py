"""The verdict on a text in a language: who judged it, how much is wrong, and how much may be."""

from dataclasses import dataclass
from typing import Final

from gristmill.runtime.model.document import UNCHECKED
from gristmill.runtime.model.languages import Language
from gristmill.syntax import budgets, opinions
from gristmill.syntax.budgets import budget_for
from gristmill.syntax.cfamily.least import GRAMMARS, least_error_bytes
from gristmill.syntax.grammars import candidate_of, grammar_of
from gristmill.syntax.literate import code_of
from gristmill.syntax.opinions import opinion_on
from gristmill.syntax.parse import errors_in, share
from gristmill.syntax.readings import other_readings

_RULES: Final = 1
"""Grows with every change of a grammar or of how texts are read before they are judged."""

VERSION: Final = f"{_RULES}.{budgets.VERSION}.{opinions.VERSION}"
"""What a verdict depends on besides the text and the default budget."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What was found. A language's own parser rules; where there is none, share and budget do."""

    is_ok: bool
    error_share: float
    """Share of bytes under errors of the grammar; 0 where nothing was parsed by one."""
    budget: float
    """The share that is allowed; 0 where the language's own parser ruled."""
    checker: str
    """A grammar, the language's own parser, or UNCHECKED."""
    dialect: str = ""
    """The dialect in which the text is well-formed though it is not in the language."""
    detail: str = ""
    """The first error as the language's own parser tells it."""


def judge(language: Language | None, text: str, *, default_budget: float = 0.0) -> Verdict:
    """Return the verdict; languages without a budget of their own have the default.

    Parses in this process, with all that may happen to a process that parses hostile text.
    """
    if language is None:
        return Verdict(is_ok=True, error_share=0.0, budget=1.0, checker=UNCHECKED)
    opinion = opinion_on(language.name, text)
    grammar = grammar_of(language)
    if opinion is not None:
        wrong = 0.0
        if not opinion.is_ok and grammar is not None:
            wrong = share_of_errors(language, text)
        return Verdict(
            is_ok=opinion.is_ok,
            error_share=wrong,
            budget=0.0,
            checker=opinion.checker,
            dialect=opinion.dialect,
            detail=opinion.detail,
        )
    if grammar is None:
        return Verdict(is_ok=True, error_share=0.0, budget=1.0, checker=UNCHECKED)
    budget = budget_for(language.name, default_budget)
    wrong, dialect = _best_reading(language, grammar, text, budget)
    return Verdict(
        is_ok=wrong <= budget,
        dialect=dialect,
        error_share=wrong,
        budget=budget,
        checker=f"tree-sitter:{grammar}",
    )


def share_of_errors(language: Language, text: str, *, enough: float = 0.0) -> float:
    """Return the share of bytes under errors of the language's grammar, 0 without a grammar.

    Of several readings the best counts, or the first whose share is no more than `enough`.
    """
    grammar = candidate_of(language)
    return 0.0 if grammar is None else _best_reading(language, grammar, text, enough)[0]


def _best_reading(language: Language, grammar: str, text: str, enough: float) -> tuple[float, str]:
    """Return the share of errors in the best reading of a text, and the dialect that it is in."""
    source = text.encode()
    if grammar in GRAMMARS:
        most = int(enough * len(source))
        return share(least_error_bytes(grammar, text, enough=most), source), ""
    code = code_of(language.name, text)
    least, dialect = errors_in(grammar, code.encode()).num_bytes, ""
    for reading in other_readings(grammar, code) if least else ():
        errors = errors_in(reading.grammar, reading.text.encode()).num_bytes
        if errors < least:
            least, dialect = errors, reading.dialect
    return share(least, source), dialect
