"""What the classifier sees of a text: its words and signs, and which stand beside one another.

What comments and strings say is left out, only that they are there counts: a licence at the top of
a file says more about the project than about the language. All in one pass over the beginning of
the text; whatever opens and is never closed ends with it, so the time grows with the text alone.
"""

import re
from itertools import pairwise
from typing import Final, TypeAlias

Feature: TypeAlias = str | tuple[str, str]
"""A token as it stands, or two neighbours in lower case."""

LOOKED_AT: Final = 8_192
"""Characters of a text that count; the beginning of a file says enough."""

_LONGEST_WORD: Final = 24

_TOKEN: Final = re.compile(
    r"""
      [A-Za-z_][A-Za-z0-9_]*
    | [0-9]+
    | \n[ \t]*(?:(?:\#+(?=[ \t])|--|;+|%+(?=[ \t])|//)[^\n]*)?   # a line's beginning, or a comment
    | /\*[\s\S]*?(?:\*/|\Z) | \(\*[\s\S]*?(?:\*\)|\Z) | \{-[\s\S]*?(?:-\}|\Z)
    | <!--[\s\S]*?(?:-->|\Z) | (?<![:\w])//[^\n]*
    | \"\"\"[\s\S]*?(?:\"\"\"|\Z) | "[^"\n]{0,300}"
    | [^\sA-Za-z0-9_]
    """,
    re.VERBOSE,
)


def beginning(content: str) -> str:
    """Return the part of a content that counts, with plain line ends."""
    text = content[:LOOKED_AT]
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def features(text: str) -> set[Feature]:
    """Return the features of a beginning."""
    tokens = [_token(found) for found in _TOKEN.findall(f"\n{text}\n")]
    lower = [token.lower() for token in tokens]
    found: set[Feature] = set(tokens)
    found.update(pairwise(lower))
    if len(lower) > 2:  # the line breaks put around the text stand for its two ends
        found.update((("^", lower[1]), (lower[-2], "$")))
    return found


def _token(found: str) -> str:
    """Return what stands for a token: itself, or its kind."""
    first = found[0]
    if first == "\n":
        return "\n" + found.lstrip()[:2].rstrip()
    if first.isdigit():
        return "0"
    if first > "\x7f":
        return "\x80"
    if first.isalpha() or first == "_":
        return found if len(found) <= _LONGEST_WORD else "W"
    if first == '"' and len(found) > 1:
        return '"""' if found.startswith('"""') else '""'
    return found[:2]
