r"""Source text as markup that shows all of it and runs none of it.

Everything is escaped. What a reader would not see, or what would move what a reader sees, stands
there as an escape: controls as `\x1b`, marks of direction as `\u202e`. Long lines and long texts
are cut, and what is left out is counted.
"""

import re
import signal
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from types import FrameType

from markupsafe import Markup, escape
from pygments.lexer import Lexer
from pygments.lexers import get_lexer_by_name
from pygments.token import _TokenType
from pygments.util import ClassNotFound

from gristmill.cli.console import is_seen
from gristmill.runtime.model.languages import find_language

_MOST_LINES = 40
_LINES_BEFORE = 8
MOST_LINE_CHARS = 180
_MOST_MARKUP_BYTES = 20_000
_CPU_SECONDS = 0.5  # of an excerpt's colours; a lexer that is lured into more gives none
_CLASSES = {
    "Token.Comment": "c",
    "Token.Literal.String": "s",
    "Token.Literal.Number": "m",
    "Token.Keyword": "k",
    "Token.Name.Function": "f",
    "Token.Name.Class": "f",
    "Token.Name.Attribute": "f",
    "Token.Name.Decorator": "b",
    "Token.Name.Builtin": "b",
    "Token.Name.Tag": "k",
}


@dataclass(frozen=True, slots=True)
class Line:
    """One line: its number, its markup, and how many characters of it are left out."""

    number: int
    markup: Markup
    num_cut: int


@dataclass(frozen=True, slots=True)
class Excerpt:
    """Consecutive lines of a text that has `num_lines`; `marked` is one to look at."""

    lines: tuple[Line, ...]
    num_lines: int
    num_chars: int
    marked: int | None

    @property
    def is_whole(self) -> bool:
        """Whether it holds all of the text."""
        return len(self.lines) == self.num_lines and not any(line.num_cut for line in self.lines)


def excerpt(text: str, language: str | None, marked: int | None = None) -> Excerpt:
    """Return the beginning of a text, or what stands around the line `marked` (from 1)."""
    all_lines = text.split("\n")
    if not all_lines[-1]:
        all_lines.pop()
    if marked is not None and not 1 <= marked <= len(all_lines):
        marked = None
    begin = max(0, (marked or 1) - 1 - _LINES_BEFORE)
    shown = [line.removesuffix("\r") for line in all_lines[begin : begin + _MOST_LINES]]
    cut = [line[:MOST_LINE_CHARS] for line in shown]
    lines: list[Line] = []
    size = 0
    for at, markup in enumerate(coloured(cut, language)):
        size += len(markup.encode())
        if size > _MOST_MARKUP_BYTES and lines:
            break
        lines.append(Line(begin + at + 1, markup, len(shown[at]) - len(cut[at])))
    return Excerpt(tuple(lines), len(all_lines), len(text), marked)


def coloured(lines: Sequence[str], language: str | None) -> list[Markup]:
    """Return each line as markup, coloured where its language is one that can be."""
    lexer = _lexer(language)
    if lines and lexer is not None:
        with suppress(_TooLong, RecursionError), _within(_CPU_SECONDS):
            text = "\n".join(lines)
            # Straight to the tokens: what prepares a text for them would change it.
            tokens = [(kind, value) for _, kind, value in lexer.get_tokens_unprocessed(text)]
            if "".join(value for _, value in tokens) == text:
                return list(_coloured(tokens))
    return [visible(line) for line in lines]


def _lexer(language: str | None) -> Lexer | None:
    known = find_language(language) if language else None
    names = [known.name, *known.aliases] if known else []
    for name in names:
        with suppress(ClassNotFound):
            return get_lexer_by_name(name.lower(), stripnl=False, ensurenl=False)
    return None


def _coloured(tokens: Iterable[tuple[_TokenType, str]]) -> Iterator[Markup]:
    line: list[Markup] = []
    for kind, value in tokens:
        css_class = _css_class(str(kind))
        first, *following = value.split("\n")
        line.append(_token(first, css_class))
        for part in following:
            yield Markup("").join(line)
            line = [_token(part, css_class)]
    yield Markup("").join(line)


@cache
def _css_class(kind: str) -> str:
    return next((name for token, name in _CLASSES.items() if kind.startswith(token)), "")


def _token(value: str, css_class: str) -> Markup:
    markup = visible(value)
    if not css_class or not value:
        return markup
    return Markup('<span class="{}">{}</span>').format(css_class, markup)


_HIDDEN = re.compile(r"[^\t !-~\u00a1-\u00ac\u00ae-\u02ff\u0370-\u04ff]+")
"""Runs to look at closely; what is usual in code is never among them."""


def visible(text: str) -> Markup:
    r"""Return text as markup in which all of it can be seen.

    >>> str(visible("a<b\u202e"))
    'a&lt;b<span class="odd">\\u202e</span>'
    """
    if text.isascii() and text.isprintable():
        return escape(text)
    parts: list[Markup] = []
    end = 0
    for run in _HIDDEN.finditer(text):
        parts.append(escape(text[end : run.start()]))
        parts.extend(_looked_at(run[0]))
        end = run.end()
    parts.append(escape(text[end:]))
    return Markup("").join(parts)


def _looked_at(run: str) -> Iterator[Markup]:
    for can_be_seen, chars in groupby(run, is_seen):
        part = "".join(chars)
        if can_be_seen:
            yield escape(part)
        else:
            escapes = part.encode("unicode_escape").decode()
            yield Markup('<span class="odd">{}</span>').format(escapes)


class _TooLong(Exception):
    pass


@contextmanager
def _within(seconds: float) -> Iterator[None]:
    """Raise `_TooLong` when what happens takes more CPU; patterns are searched with an ear for it.

    Only the main thread can be told; elsewhere it takes what it takes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def ring(number: int, frame: FrameType | None) -> None:
        del number, frame
        raise _TooLong

    before = signal.signal(signal.SIGVTALRM, ring)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
