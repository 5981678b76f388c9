"""Source text in a page: all of it can be seen, none of it is markup, and it is bounded."""

import re
from html import unescape

import pytest
from pygments.lexer import RegexLexer
from pygments.token import Keyword

from gristmill.cli.report import sourcecode
from gristmill.cli.report.sourcecode import MOST_LINE_CHARS, coloured, excerpt, visible


def text_of(markup: str) -> str:
    """What a browser shows of it."""
    return unescape(re.sub(r"<[^>]*>", "", markup))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("x = 1", "x = 1"),
        ("<script>alert(1)</script>", "<script>alert(1)</script>"),
        ("a\tb", "a\tb"),
        ("\x1b[31mred\x07", r"\x1b[31mred\x07"),
        ("safe\u202eevil\u2066", r"safe\u202eevil\u2066"),
        ("zero\u200bwidth\ufeff", r"zero\u200bwidth\ufeff"),
        ("one\u2028two\u2029", r"one\u2028two\u2029"),
        ("no\u00a0break", r"no\xa0break"),
        ("null\0", r"null\x00"),
        ("\ud800", r"\ud800"),
        ("\U000e0041tag", r"\U000e0041tag"),
        ("x\ufe0f\U000e0100y\u034f", r"x\ufe0f\U000e0100y\u034f"),
        ("\u115f\u1160\u3164\uffa0 = 1", r"\u115f\u1160\u3164\uffa0 = 1"),
        ("\u17b4\u17b5\u180b\u180f", r"\u17b4\u17b5\u180b\u180f"),
        ("größer 漢字 שלום 🙂", "größer 漢字 שלום 🙂"),
        ("&lt; stays", "&lt; stays"),
    ],
)
def test_everything_is_shown_and_nothing_is_hidden(text: str, shown: str) -> None:
    markup = visible(text)
    assert text_of(markup) == shown
    assert set(re.findall(r"<[^>]*>", markup)) <= {'<span class="odd">', "</span>"}
    markup.encode()


@pytest.mark.parametrize("language", ["Python", "C", "HTML", "JavaScript", "PHP", "Shell", None])
def test_colours_change_no_character(language: str | None) -> None:
    lines = ['def f(a, "b</script>"): # <b>', "", "\tif (x < 1 && y) { /* \x1b */", "'''", "<?php"]
    found = coloured(lines, language)
    assert [text_of(line) for line in found] == [text_of(visible(line)) for line in lines]
    tags = set(re.findall(r"<[^>]*>", "".join(found)))
    assert all(re.fullmatch(r'<span class="[a-z]+">|</span>', tag) for tag in tags)


def test_a_language_that_can_be_is_coloured() -> None:
    (line,) = coloured(["def f(): return 'x'  # y"], "Python")
    assert '<span class="k">def</span>' in line
    assert '<span class="f">f</span>' in line
    assert '<span class="s">' in line
    assert '<span class="c"># y</span>' in line
    assert coloured(["def"], "no such language") == ["def"]


def test_a_long_line_is_cut_and_what_is_cut_is_counted() -> None:
    found = excerpt("x" * 10_000_000, "JavaScript")
    (line,) = found.lines
    assert len(text_of(line.markup)) == MOST_LINE_CHARS
    assert line.num_cut == 10_000_000 - MOST_LINE_CHARS
    assert (found.num_lines, found.num_chars, found.is_whole) == (1, 10_000_000, False)


def test_a_long_text_is_cut_around_the_line_to_look_at() -> None:
    text = "".join(f"line {n}\r\n" for n in range(1, 501))
    first = excerpt(text, None)
    assert [line.number for line in first.lines] == list(range(1, 41))
    assert first.lines[0].markup == "line 1"
    assert first.num_lines == 500
    middle = excerpt(text, None, marked=250)
    assert middle.lines[0].number == 242
    assert middle.marked == 250
    assert excerpt(text, None, marked=9999).marked is None
    assert excerpt("a\nb", None).is_whole
    assert excerpt("", "Python").lines == ()


def test_what_is_nothing_but_escapes_is_bounded_too() -> None:
    found = excerpt("\u202ea" * 90 + "\n" + ("\u202ea" * 90 + "\n") * 400, "Python")
    assert sum(len(line.markup) for line in found.lines) <= 20_000
    wide = excerpt("\U0001f642" * 180 + "\n" + ("\U0001f642" * 180 + "\n") * 400, None)
    assert sum(len(line.markup.encode()) for line in wide.lines) <= 20_000


def test_a_text_that_holds_a_lexer_up_is_shown_without_colours(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Slow(RegexLexer):
        tokens = {"root": [(r"(a*)*b", Keyword), (r"a", Keyword)]}  # noqa: RUF012

    monkeypatch.setattr(sourcecode, "_lexer", lambda _: Slow())
    monkeypatch.setattr(sourcecode, "_CPU_SECONDS", 0.05)
    assert coloured(["a" * 28], "Slow") == ["a" * 28]
    assert coloured(["ab"], "Slow") == ['<span class="k">ab</span>']
