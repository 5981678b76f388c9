"""Where a text goes wrong first, for people who look at it."""

from dataclasses import dataclass
from typing import Final

from gristmill.runtime.model.languages import Language
from gristmill.syntax.cfamily.least import GRAMMARS, least_errors
from gristmill.syntax.grammars import grammar_of
from gristmill.syntax.literate import code_of
from gristmill.syntax.opinions import opinion_on
from gristmill.syntax.parse import Errors, errors_in, parser_for
from gristmill.syntax.readings import Reading, best_reading, place_in_text

_SHOWN_CHARS: Final = 30


@dataclass(frozen=True, slots=True)
class Fault:
    """One error; line and column count from 1, in characters."""

    line: int
    column: int
    message: str


def first_fault(language: Language, text: str) -> Fault | None:
    """Return the first error in a text, None where nobody finds one or says where it is.

    Of a grammar it is the first in the reading with the fewest.
    """
    opinion = opinion_on(language.name, text)
    if opinion is not None:
        if not opinion.line:
            return None
        return Fault(opinion.line, max(1, opinion.column), opinion.detail.partition(": ")[2])
    grammar = grammar_of(language)
    if grammar is None:
        return None
    code = code_of(language.name, text)
    reading, errors = _read(grammar, code)
    if not errors.spans:
        return None
    source = reading.text.encode()
    start, end = errors.spans[0]
    before = code[: place_in_text(code, reading, len(source[:start].decode()))]
    line_begin = before.rfind("\n") + 1
    found = " ".join(source[start:end].decode(errors="replace").split())
    message = f"unexpected {found[:_SHOWN_CHARS]}" if found else "something is missing"
    return Fault(before.count("\n") + 1, len(before) - line_begin + 1, message)


def _read(grammar: str, code: str) -> tuple[Reading, Errors]:
    """Return the reading with the fewest errors, and them."""
    source = code.encode()
    if grammar in GRAMMARS:
        tree = parser_for(grammar).parse(source)
        return Reading(grammar, code), least_errors(grammar, source, tree)
    return best_reading(grammar, code, errors_in(grammar, source))
