"""The tokens of a C or C++ text, with what encloses each: enough to tell where a macro stands."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

# Alternatives never give back what they took, so time grows with the text and no faster.
_TOKEN: Final = re.compile(
    r"""
    (?P<skip> //[^\n]*+ | /\*(?:[^*]|\*(?!/))*+(?:\*/|\Z) )
  | (?P<string> (?:u8|[uUL])?R"(?P<mark>[^()\\\s"]{0,16})\(.*?(?:\)(?P=mark)"|\Z)
      | (?:u8|[uUL])?"(?:[^"\\\n]|\\.)*+"? | (?:u8|[uUL])?'(?:[^'\\\n]|\\.)*+'? )
  | (?P<number> \.?\d(?:[eEpP][+-]|'(?=\w)|[\w.])*+ )
  | (?P<word> [^\W\d][\w$]*+ )
  | (?P<sign> ::|&&|->|\.\.\.|[^\s\w] )
    """,
    re.VERBOSE | re.DOTALL,
)
_OPEN: Final = {"(": ")", "[": "]", "{": "}"}
_CLOSE: Final = frozenset(_OPEN.values())


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
    texts: list[str] = []
    kinds: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    for match in _TOKEN.finditer(text):
        kind = match.lastgroup
        if kind != "skip":
            texts.append(match.group())
            kinds.append("string" if kind == "mark" else kind or "")
            starts.append(match.start())
            ends.append(match.end())
    partner, enclosing = _match_brackets(texts, kinds)
    return Tokens(texts, kinds, starts, ends, partner, enclosing)


def _match_brackets(texts: Sequence[str], kinds: Sequence[str]) -> tuple[list[int], list[int]]:
    partner = [-1] * len(texts)
    enclosing = [-1] * len(texts)
    opened: list[int] = []
    for at, text in enumerate(texts):
        if kinds[at] == "sign" and text in _CLOSE:
            if opened and _OPEN[texts[opened[-1]]] == text:
                other = opened.pop()
                partner[at], partner[other] = other, at
            enclosing[at] = opened[-1] if opened else -1
        else:
            enclosing[at] = opened[-1] if opened else -1
            if kinds[at] == "sign" and text in _OPEN:
                opened.append(at)
    return partner, enclosing
