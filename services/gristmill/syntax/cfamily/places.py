"""Where in a C or C++ text a token stands: in a body, in a list, in a declaration.

Every look around is bounded, so that a hostile text costs no more than a long one.
"""

from dataclasses import dataclass, field
from typing import Final

from gristmill.syntax.cfamily.tokens import Tokens
from gristmill.syntax.cfamily.words import KEYWORDS, RESERVED, is_macro

_BEFORE_BODY: Final = frozenset((")", "else", "do", "try", ";", "{", "}", ":", "const", "noexcept"))
_HEAD: Final = 60
"""Tokens before a brace among which the name of its class is looked for."""
_LONGEST_ANGLE: Final = 200
_LONGEST_CHAIN: Final = 16
_DEEPEST: Final = 64


@dataclass(frozen=True, slots=True)
class Places:
    """A text's tokens, and what can be asked about a place among them."""

    text: str
    tokens: Tokens
    cplusplus: bool
    _in_code: dict[int, bool] = field(default_factory=dict)
    """What was found out about brackets."""

    def is_macro(self, at: int) -> bool:
        """Return whether the token is spelled like a macro."""
        return self.tokens.is_word(at) and is_macro(self.tokens.texts[at], cplusplus=self.cplusplus)

    def is_new_line(self, at: int) -> bool:
        """Return whether the token is the first of its line."""
        start, end = self.tokens.ends[at - 1], self.tokens.starts[at]
        return self.text.find("\n", start, end) >= 0

    def is_in_code(self, at: int) -> bool:
        """Return whether the innermost braces are those of a function's body, or of a list."""
        opened = self.tokens.enclosing[at]
        known = self._in_code.get(opened)
        if known is None:
            known = self._in_code[opened] = self._is_code_in(opened)
        return known

    def _is_code_in(self, opened: int) -> bool:
        for _ in range(_DEEPEST):
            if opened < 0 or self.tokens.texts[opened] == "{":
                return self.is_body(opened) or self.is_list(opened)
            opened = self.tokens.enclosing[opened]
        return True

    def is_body(self, opened: int) -> bool:
        """Return whether a brace opens a function's or a statement's body."""
        if opened < 0 or self.tokens.texts[opened] != "{":
            return False
        return self.tokens.text(opened - 1) in _BEFORE_BODY or self.is_macro(opened - 1)

    def is_list(self, opened: int) -> bool:
        """Return whether a brace opens an initializer's or an enumeration's list."""
        tokens = self.tokens
        for _ in range(_DEEPEST):
            if opened < 0 or tokens.texts[opened] != "{":
                return False
            if tokens.text(opened - 1) in ("=", ",", "enum", "return"):
                return True
            if self._is_enumeration(opened):
                return True
            opened -= 1
        return False

    def _is_enumeration(self, opened: int) -> bool:
        """Tell `enum class name : type {`."""
        for place in range(opened - 1, max(-1, opened - 8), -1):
            if self.tokens.texts[place] == "enum":
                return True
            if not self.tokens.is_word(place) and self.tokens.texts[place] not in (":", "::"):
                return False
        return False

    def names_function(self, at: int) -> bool:
        """Return whether a function's name, and no type of its own, stands there."""
        tokens = self.tokens
        if not tokens.is_word(at) or tokens.texts[at] in RESERVED or tokens.text(at + 1) != "(":
            return False
        end = tokens.behind(at + 1)
        return end > 0 and tokens.text(end) in ("{", ";")

    def is_constructor(self, name: str, at: int) -> bool:
        """Return whether a name is that of the class around it."""
        tokens = self.tokens
        opened = tokens.enclosing[at]
        if not self.cplusplus or opened < 0:
            return False
        return any(
            tokens.texts[place] == name
            and (tokens.text(place - 1) in _CLASSES or tokens.text(place - 2) in _CLASSES)
            for place in range(max(0, opened - _HEAD), opened)
        )

    def is_cast(self, closed: int) -> bool:
        """Return whether a closing bracket is that of a cast rather than of parameters."""
        opened = self.tokens.partner[closed] if closed >= 0 else -1
        if opened < 0 or self.tokens.texts[closed] != ")":
            return False
        is_operator = self.tokens.text(opened - 2) == "operator"
        return self.tokens.text(opened - 1) in _BEFORE_CAST and not is_operator

    def behind_macros(self, at: int, *, any_case: bool = False) -> int:
        """Return the place behind macros, with and without arguments, that follow one another.

        In `any_case` a word with an underscore counts as one.
        """
        tokens = self.tokens
        for _ in range(_LONGEST_CHAIN):
            is_word = any_case and "_" in tokens.text(at) and tokens.texts[at] not in RESERVED
            if not (self.is_macro(at) or (is_word and tokens.is_word(at))):
                break
            end = tokens.behind(at + 1) if tokens.text(at + 1) == "(" else at + 1
            if end < 0:
                break
            at = end
        return at

    def behind_angle(self, at: int) -> int:
        """Return the place behind template arguments, -1 where the sign is no bracket."""
        tokens = self.tokens
        depth = 0
        for place in range(at, min(at + _LONGEST_ANGLE, len(tokens))):
            text = tokens.texts[place]
            depth += (text == "<") - (text == ">")
            if depth == 0:
                return place + 1
            if text in (";", "{", "}"):
                break
        return -1

    def is_argument_list(self, at: int, *, begins: bool) -> bool:
        """Return whether the brackets behind a word are a macro's: a declaration goes on there.

        A macro that `begins` a declaration makes its type, so a name follows. Behind a type, a word
        in small letters is a function's name; old C declares its parameters behind the brackets.
        """
        tokens = self.tokens
        end = tokens.behind(at + 1)
        is_macro = self.is_macro(at)
        if end < 0 or not (begins or is_macro):
            return False
        behind = self.behind_macros(end)
        is_end = tokens.text(behind) in (";", "{", ":", "=")
        if behind > end and is_end and not (begins and is_macro):
            return False  # parameters, and attributes behind them
        if tokens.is_word(end):
            return tokens.texts[end] not in KEYWORDS and tokens.texts[end] != "const"
        if tokens.text(end) not in ("*", "&") or not is_macro:
            return False
        return tokens.is_word(end + 1) or tokens.text(end + 1) in ("*", ")", ",", "(")


_BEFORE_CAST: Final = frozenset(("=", "(", ",", "return", "+", "-", "|", "&", "?", ":", "["))
_CLASSES: Final = frozenset(("class", "struct"))
