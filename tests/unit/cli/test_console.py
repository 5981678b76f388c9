"""What a document brought along is shown on a terminal: all of it, and it steers nothing."""

import re
import sys
import unicodedata

import pytest

from gristmill.cli.console import is_seen, safe


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a b", "a b"),
        ("\x1b[31m\u202e", r"\x1b[31m\u202e"),
        ("no\u00a0break", "no break"),
        ("x\ufe0fy", r"x\ufe0fy"),
        ("\u3164\u115f\u1160\uffa0", r"\u3164\u115f\u1160\uffa0"),
        ("é e\u0301 한 🙂", "é e\u0301 한 🙂"),
    ],
)
def test_everything_is_shown(text: str, shown: str) -> None:
    assert safe(text) == shown


def test_nothing_that_is_a_selector_or_a_filler_of_no_width_is_seen() -> None:
    hidden = re.compile("VARIATION SELECTOR|HANGUL.* FILLER|GRAPHEME JOINER|VOWEL INHERENT").search
    named = ((char, unicodedata.name(char, "")) for char in map(chr, range(sys.maxunicode + 1)))
    seen = [name for char, name in named if is_seen(char) and hidden(name)]
    assert seen == []
