"""The verdict on a text in a language: who judged it, how much is wrong, and how much may be."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from tree_sitter import Tree

from gristmill.runtime.model.document import UNCHECKED
from gristmill.runtime.model.features import LEAST_CODE_BYTES, WINDOW_BYTES, Features
from gristmill.runtime.model.languages import Language
from gristmill.syntax import budgets, features, opinions
from gristmill.syntax.budgets import budget_for
from gristmill.syntax.cfamily.least import GRAMMARS, least_errors
from gristmill.syntax.features import WIDER, features_of, features_of_text, look
from gristmill.syntax.grammars import TREE_SITTER, candidate_of, grammar_of
from gristmill.syntax.literate import code_of, places_of
from gristmill.syntax.opinions import opinion_on
from gristmill.syntax.parse import errors_under, parser_for
from gristmill.syntax.readings import best_reading

_TREELESS: Final = frozenset(("JSON",))
"""Languages of nothing but data: a tree would add little to what lines tell."""

_BEGINNINGS: Final = tuple(
    f"\n{indent}{word}" for indent in ("", "    ") for word in ("def ", "class ", "@", "async def ")
)
"""What begins something new in Python."""

RULES: Final = 4
"""Grows with every change of a grammar or of how texts are read before they are judged."""

VERSION: Final = f"{RULES}.{budgets.VERSION}.{opinions.VERSION}.{features.VERSION}"
"""What a verdict and the features depend on besides the text and the least budget."""


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


@dataclass(frozen=True, slots=True)
class _Parse:
    """What a grammar made of a text, or of the code in it."""

    grammar: str
    code: str
    source: bytes
    tree: Tree


def judge(language: Language | None, text: str, *, least_budget: float = 0.0) -> Verdict:
    """Return the verdict; a language's own budget counts where it is above the least one.

    Parses in this process, with all that may happen to a process that parses hostile text.
    """
    return _judge(language, text, least_budget)[0]


def examine(
    language: Language | None, text: str, *, least_budget: float = 0.0
) -> tuple[Verdict, Features | None]:
    """Return the verdict and, of a text that is ok, the features, out of the same parse."""
    verdict, parse = _judge(language, text, least_budget)
    if not verdict.is_ok:
        return verdict, None
    if parse is not None:
        found = features_of(parse.tree, parse.source, parse.grammar)
        return verdict, found if parse.code == text else _placed(found, places_of(parse.code, text))
    grammar = None if language is None or language.name in _TREELESS else grammar_of(language)
    if grammar is None:
        return verdict, features_of_text(text.encode())
    return verdict, _features_of_window(grammar, text)


def _placed(features: Features, place: Callable[[int], int]) -> Features:
    """Return features whose spans are those of the text that the code was taken from."""
    return features._replace(
        comment_spans=tuple(map(place, features.comment_spans)),
        docstring_spans=tuple(map(place, features.docstring_spans)),
        function_spans=tuple(map(place, features.function_spans)),
    )


def _features_of_window(grammar: str, text: str) -> Features:
    """Return the features of a text that nothing but them needs a tree of."""
    size = WINDOW_BYTES
    while size < len(text):
        end = (text.rfind("\n", 0, size) + 1) or size
        parse = _parse(grammar, text[:end])
        is_misread = _is_misread(parse.tree)
        if is_misread:  # it may end inside of brackets alone
            end = max(text.rfind(begin, size // 2, end) for begin in _BEGINNINGS) + 1
            if end:
                parse = _parse(grammar, text[:end])
                is_misread = _is_misread(parse.tree)
        if not is_misread:
            found, is_enough = look(parse.tree, parse.source, grammar)
            if is_enough:
                return found
        size *= WIDER
    parse = _parse(grammar, text)
    return features_of(parse.tree, parse.source, grammar)


def _is_misread(window: Tree) -> bool:
    """Tell whether its end makes a window another text: inside a string, what is prose is code."""
    spans = errors_under(window.root_node).spans
    return bool(spans) and spans[0][0] < LEAST_CODE_BYTES


def _judge(
    language: Language | None, text: str, least_budget: float
) -> tuple[Verdict, _Parse | None]:
    """Return the verdict, and the parse of the text as it is where there was one."""
    grammar = None if language is None else grammar_of(language)
    opinion = None if language is None else opinion_on(language.name, text)
    if language is not None and opinion is not None:
        verdict = Verdict(
            is_ok=opinion.is_ok,
            error_share=0.0,
            budget=0.0,
            checker=opinion.checker,
            dialect=opinion.dialect,
            detail=opinion.detail,
        )
        return verdict, None
    if language is None or grammar is None:
        return Verdict(is_ok=True, error_share=0.0, budget=1.0, checker=UNCHECKED), None
    budget = budget_for(language.name, least_budget)
    parse = _parse(grammar, code_of(language.name, text))
    wrong, dialect = _best_reading(parse, text, budget)
    verdict = Verdict(
        is_ok=wrong <= budget,
        dialect=dialect,
        error_share=wrong,
        budget=budget,
        checker=f"{TREE_SITTER}{grammar}",
    )
    return verdict, parse


def share_of_errors(language: Language, text: str, *, enough: float = 0.0) -> float:
    """Return the share of bytes under errors of the language's grammar, 0 without a grammar.

    Of several readings the best counts, or the first whose share is no more than `enough`.
    """
    grammar = candidate_of(language)
    if grammar is None:
        return 0.0
    return _best_reading(_parse(grammar, code_of(language.name, text)), text, enough)[0]


def _parse(grammar: str, code: str) -> _Parse:
    source = code.encode()
    return _Parse(grammar, code, source, parser_for(grammar).parse(source))


def _best_reading(parse: _Parse, text: str, enough: float) -> tuple[float, str]:
    """Return the share of errors in the best reading of a text, and the dialect that it is in.

    `parse` is that of the text as it is, or of the code in it.
    """
    errors = errors_under(parse.tree.root_node)
    if not errors.num_bytes or not text:
        return 0.0, ""
    size = len(parse.source) if parse.code is text else len(text.encode())
    if parse.grammar in GRAMMARS:
        most = int(enough * size)
        errors = least_errors(parse.grammar, parse.source, parse.tree, enough=most)
        return min(1.0, errors.num_bytes / size), ""
    reading, errors = best_reading(parse.grammar, parse.code, errors)
    return min(1.0, errors.num_bytes / size), reading.dialect
