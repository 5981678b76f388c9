"""The tokens of a C or C++ text, with what encloses each: enough to tell where a macro stands."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, compress
from typing import Final

# Alternatives never give back what they took, so time grows with the text and no faster. Together
# they take every character.
_RAW_STRING: Final = r'(?:u8|[uUL])?R"(?P<mark>[^()\\\s"]{0,16})\(.*?(?:\)(?P=mark)"|\Z)'
_OTHERS: Final = r"""
    \s++ | //[^\n]*+ | /\*(?:[^*]|\*(?!/))*+(?:\*/|\Z)
  | (?:u8|[uUL])?"(?:[^"\\\n]|\\.)*+"? | (?:u8|[uUL])?'(?:[^'\\\n]|\\.)*+'?
  | \.?\d(?:[eEpP][+-]|'(?=\w)|[\w.])*+
  | [^\W\d][\w$]*+
  | ::|&&|->|\.\.\.|[^\s\w]
"""
_TOKEN: Final = re.compile(_OTHERS, re.VERBOSE | re.DOTALL)
_TOKEN_OR_RAW_STRING: Final = re.compile(f"{_RAW_STRING} | {_OTHERS}", re.VERBOSE | re.DOTALL)
_OPEN: Final = {"(": ")", "[": "]", "{": "}"}
_BRACKETS: Final = frozenset((*_OPEN, *_OPEN.values()))


@dataclass(frozen=True, slots=True)
class Tokens:
    """Tokens side by side, one list a property; comments are none."""

    texts: Sequence[str]
    kinds: Sequence[str]
    """word, string, number or sign."""
    starts: Sequence[int]
    ends: Sequence[int]
    partner: Sequence[int]
    """The place of the matching bracket, -1 for a token without one."""
    enclosing: Sequence[int]
    """The place of the innermost bracket around it, -1 outside of all."""

    def __len__(self) -> int:
        return len(self.texts)

    def text(self, at: int) -> str:
        """Return the token's text, nothing beyond either end."""
        return self.texts[at] if 0 <= at < len(self.texts) else ""

    def is_word(self, at: int) -> bool:
        """Return whether a word stands there."""
        return 0 <= at < len(self.kinds) and self.kinds[at] == "word"

    def behind(self, at: int) -> int:
        """Return the place behind a bracket's partner, or -1 where it has none."""
        return self.partner[at] + 1 if self.partner[at] > at else -1


def tokenize(text: str) -> Tokens:
    """Return the tokens of any text."""
    found = _split(text)
    ends = list(accumulate(map(len, found)))
    kind_of = {one: _kind(one) for one in set(found)}
    kinds = [kind_of[one] for one in found]  # none where there is no token
    texts = list(compress(found, kinds))
    starts = list(compress([0, *ends], kinds))
    partner, enclosing = _match_brackets(texts)
    kept = list(filter(None, kinds))
    return Tokens(texts, kept, starts, list(compress(ends, kinds)), partner, enclosing)


def _split(text: str) -> list[str]:
    """Return tokens, comments and blanks: joined they are the text."""
    if 'R"' in text:
        return [match.group() for match in _TOKEN_OR_RAW_STRING.finditer(text)]
    return _TOKEN.findall(text)  # without groups this is twice as fast


def _kind(text: str) -> str:
    first = text[0]
    if first.isspace() or text.startswith(("//", "/*")):
        return ""
    if text[-1] in "\"'" or first in "\"'":
        return "string"
    if first.isdecimal() or (first == "." and text[1:2].isdecimal()):
        return "number"
    if first.isalnum() or first == "_":
        return "string" if '"' in text or "'" in text else "word"
    return "sign"


def _match_brackets(texts: Sequence[str]) -> tuple[list[int], list[int]]:
    partner = [-1] * len(texts)
    enclosing: list[int] = []
    opened: list[int] = []
    around = -1
    for at in [at for at, text in enumerate(texts) if text in _BRACKETS]:
        enclosing += [around] * (at - len(enclosing))
        if texts[at] in _OPEN:
            enclosing.append(around)
            opened.append(at)
            around = at
        else:
            if opened and _OPEN[texts[opened[-1]]] == texts[at]:
                other = opened.pop()
                partner[at], partner[other] = other, at
            around = opened[-1] if opened else -1
            enclosing.append(around)
    enclosing += [around] * (len(texts) - len(enclosing))
    return partner, enclosing
