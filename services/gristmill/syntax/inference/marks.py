"""Marks: what only one of several languages with the same ending would have.

They stand in `marks.toml`. No mark says that a text is in a language: it speaks for one language
against the others that an ending may mean.
"""

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Final

MARKS: Final = "marks.toml"

# How a line begins, indented or not, and how it begins at its margin.
_LINES: Final = {"lines": r"\n[ \t]{{0,80}}(?:{})", "margin": r"\n(?:{})"}


@dataclass(frozen=True, slots=True)
class _Marks:
    """The patterns of one language."""

    lines: Sequence[re.Pattern[str]]
    """They begin with the line break before the line, which is found fast."""
    anywhere: Sequence[re.Pattern[str]]


def has_marks(language: str) -> bool:
    """Tell whether there is any mark of a language to look for."""
    return language in _table()


def marked(language: str, text: str) -> bool:
    """Tell whether a text has a mark of a language."""
    marks = _marks(language)
    broken = f"\n{text}"
    return any(pattern.search(broken) for pattern in marks.lines) or any(
        pattern.search(text) for pattern in marks.anywhere
    )


def num_marks(language: str, text: str) -> int:
    """Return how many marks of a language a text has."""
    marks = _marks(language)
    broken = f"\n{text}"
    found = [pattern.finditer(broken) for pattern in marks.lines]
    found += [pattern.finditer(text) for pattern in marks.anywhere]
    return sum(1 for matches in found for _ in matches)


@cache
def _marks(language: str) -> _Marks:
    marks = _table().get(language, {})
    flags = re.MULTILINE | (re.IGNORECASE if marks.get("blind") else 0)
    lines = [line.format("|".join(marks[key])) for key, line in _LINES.items() if key in marks]
    return _Marks(
        lines=[re.compile(pattern, flags) for pattern in lines],
        anywhere=[re.compile(pattern, flags) for pattern in marks.get("anywhere", ())],
    )


@cache
def _table() -> Mapping[str, Mapping[str, Any]]:
    text = files("gristmill.syntax.inference").joinpath(MARKS).read_text(encoding="utf-8")
    return tomllib.loads(text)
