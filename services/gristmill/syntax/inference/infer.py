"""The language of a file: by its name, else by what its text says of itself, else by its looks.

In this order, and the first that is sure decides: the whole name or the ending, where it has one
meaning; the interpreter in the first line; a modeline for editors; marks of the languages that an
ending may mean; the classifier. An unknown ending is not guessed at: it stands for something, only
not for a language of the table.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from gristmill.runtime.model.languages import (
    Language,
    find_language,
    language_of_path,
    languages_of_path,
)
from gristmill.syntax.inference.classifier import shipped
from gristmill.syntax.inference.dialects import told_apart
from gristmill.syntax.inference.features import beginning
from gristmill.syntax.inference.guess import Guess
from gristmill.syntax.inference.marks import has_marks, marked, num_marks
from gristmill.syntax.inference.modeline import name_of_modeline
from gristmill.syntax.inference.shebang import name_of_shebang

VERSION: Final = 2
"""Grows with every change to a rule or to the weights."""

SURE: Final = 0.5
"""Certainty from which the classifier alone is believed: of a file without an ending."""

CONTRARY: Final = 0.9
"""Certainty from which it is believed against the usual meaning of an ending, without a mark."""


class How(StrEnum):
    """What decided."""

    NAME = "name"
    SHEBANG = "shebang"
    MODELINE = "modeline"
    MARK = "mark"
    CONTENT = "content"
    USUAL = "usual"
    """Nothing spoke against what the ending usually means."""
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Inferred:
    """The language of a file, if it is known, and what it was known by."""

    language: Language | None
    how: How
    certainty: float = 1.0
    """Below 1 where the classifier decided; 0 where nothing did."""


_UNKNOWN: Final = Inferred(None, How.NOTHING, 0.0)


def infer_language(path: str, content: str) -> Inferred:
    """Return a file's language; None also for a language that the table does not know.

    Any path and any text are allowed. Only a bounded part of the text is looked at.
    """
    names, usual = languages_of_path(path), language_of_path(path)
    if usual is not None and len(names) == 1:
        return _zsh(usual, content) or Inferred(usual, How.NAME)
    said = _said(content)
    if said is not None and _credible(said, names, usual):
        return said
    if names:
        return _among(names, usual, content)
    if "." in path[path.rfind("/") + 1 :].lstrip("."):
        return _UNKNOWN
    guess = classify(content)[0]
    language = find_language(guess.name)
    if guess.certainty < SURE or language is None:
        return _UNKNOWN
    return Inferred(language, How.CONTENT, guess.certainty)


def _zsh(usual: Language, content: str) -> Inferred | None:
    """Return zsh where a script whose name is of any shell says that it is in it."""
    said = _said(content) if usual.name == "Shell" else None
    return said if said is not None and said.language == find_language("Zsh") else None


def infer_content(content: str) -> Inferred:
    """Return the language of a text without a name: what it says itself, else the best guess."""
    said = _said(content)
    if said is not None:
        return said
    guess = classify(content)[0]
    return Inferred(find_language(guess.name), How.CONTENT, guess.certainty)


def classify(content: str) -> Sequence[Guess]:
    """Return all languages that the classifier knows, the likeliest first.

    Some names are of none of the table's languages; "Text" is prose.
    """
    text = beginning(content)
    return told_apart(shipped().rank(text), text)


def _said(content: str) -> Inferred | None:
    """Return the language that a text itself names."""
    for how, name in (
        (How.SHEBANG, name_of_shebang(content)),
        (How.MODELINE, name_of_modeline(content)),
    ):
        language = find_language(name) if name else None
        if language is not None:
            return Inferred(language, how)
    return None


def _among(names: Sequence[str], usual: Language | None, content: str) -> Inferred:
    """Choose among the languages that an ending may mean."""
    text = beginning(content)
    left = [name for name in names if marked(name, text)]
    if not left:
        return _unmarked(names, usual, text)
    if len(left) == 1:
        return Inferred(find_language(left[0]), How.MARK)
    ranked = shipped().rank(text, left)
    if len(ranked) < len(left):  # the classifier does not know them all
        most = max(left, key=lambda name: num_marks(name, text))
        return Inferred(find_language(most), How.MARK)
    return _best(ranked, text)


def _unmarked(names: Sequence[str], usual: Language | None, text: str) -> Inferred:
    """Return the usual language, unless a classifier that knows it is sure of another one."""
    if usual is None:
        return _UNKNOWN
    ranked = shipped().rank(text, names) if has_marks(usual.name) else []
    known = any(guess.name == usual.name for guess in ranked)
    if known and ranked[0].certainty >= CONTRARY:
        best = _best(ranked, text)
        if best.language is not usual:
            return best
    return Inferred(usual, How.USUAL)


def _best(ranked: Sequence[Guess], text: str) -> Inferred:
    first = told_apart(ranked, text)[0]
    return Inferred(find_language(first.name), How.CONTENT, first.certainty)


def _credible(said: Inferred, names: Sequence[str], usual: Language | None) -> bool:
    """Tell whether to believe what a text says of itself against what its ending may mean.

    A modeline may be for the language around it: a grammar for yacc calls itself C. An interpreter
    runs relatives too: `node` in a file .ts does not make it JavaScript.
    """
    language = said.language
    if usual is None or language is None or language.name in names:
        return True
    return said.how is How.SHEBANG and language.family != usual.family
