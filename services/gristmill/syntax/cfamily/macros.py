"""C and C++ with their unknown macros taken out, as far as their place gives them away.

A grammar knows no macros. `API int f(void)`, `FOREACH(x, list) {` and a line `Q_OBJECT` are errors
to it and none to a compiler. A macro is told by its spelling (capitals, leading underscores) and
by where it stands; it is replaced by what usually stands there, or by nothing. Inside function
bodies only the neighbourhood of errors is looked at. The caller keeps a result only if it has
fewer errors.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import Final

from gristmill.syntax.cfamily.gaps import GAPS, GAPS_OF_WORDS
from gristmill.syntax.cfamily.places import Places
from gristmill.syntax.cfamily.runs import Item, Run, gather, macros_of
from gristmill.syntax.cfamily.tokens import Tokens, tokenize
from gristmill.syntax.cfamily.words import (
    ATTRIBUTES,
    KEYWORDS,
    RESERVED,
    SPECIFIERS,
    STATEMENTS,
    TAGS,
    TYPES,
)

_BEFORE_STATEMENT: Final = frozenset(("", ";", "{", "}", ":"))
_BEFORE_RUN: Final = frozenset(("", ";", "{", "}", ":", "(", ",", ")", "<", ">"))
_BEFORE_TRAILING: Final = frozenset((")", "]", "const", "noexcept", "override", "final"))
_BEHIND_TRAILING: Final = frozenset(";{,):=")
_BLOCKS: Final = frozenset(("forever", "__try"))
_OPERATORS: Final = frozenset(("=", "+", "-", "|", "return", "?"))
_REACH: Final = 24
"""How many tokens around an error count as near."""
_LONGEST_CALL: Final = 400
"""Tokens of a call whose arguments are looked at one by one."""

Spans = Sequence[tuple[int, int]]
"""Ranges of characters, in order."""


def without_macros(text: str, errors: Spans, *, cplusplus: bool, everywhere: bool) -> str:
    """Return the text with what looks like a macro replaced or blanked.

    In function bodies that is done around the errors, in declarations also `everywhere`.
    """
    places = Places(text, tokenize(text), cplusplus)
    near = _near(places.tokens, text, errors)
    return _Rewriting(places, near, everywhere=everywhere).result()


def _near(tokens: Tokens, text: str, errors: Spans) -> bytearray:
    """Return for each token whether it is within, or near to, an error."""
    near = bytearray(len(tokens))
    done = 0  # the end of the last line that was looked at: a line may hold many errors
    for begin, end in errors:
        first = bisect_left(tokens.starts, begin) - _REACH
        last = bisect_left(tokens.starts, end) + _REACH
        if end >= done:
            line_begin, line_end = text.rfind("\n", 0, begin), text.find("\n", end)
            done = len(text) if line_end < 0 else line_end
            first = min(first, bisect_left(tokens.starts, max(0, line_begin)))
            last = max(last, bisect_left(tokens.starts, done))
        first, last = max(0, first), min(last, len(tokens))
        near[first:last] = b"\1" * (last - first)
    return near


class _Rewriting:
    """One pass over the tokens of a text."""

    def __init__(self, places: Places, near: bytearray, *, everywhere: bool) -> None:
        self._places = places
        self._tokens = places.tokens
        self._text = places.text
        self._near = near
        self._everywhere = everywhere
        self._edits: list[tuple[int, int, str]] = []
        self._before = ""
        """The last token that stayed."""

    def result(self) -> str:
        texts, kinds, near = self._tokens.texts, self._tokens.kinds, self._near
        mends_signs = self._places.cplusplus
        at, count = 0, len(texts)
        while at < count:
            # Most tokens are signs, and nothing is done about them where no error is near.
            is_word = kinds[at] == "word"
            end = self._step(at) if is_word or (mends_signs and near[at]) else at
            if end <= at:
                is_end = is_word and texts[at] == "end" and self._tokens.text(at - 1) == "@"
                self._before = ";" if is_end else texts[at]
                end = at + 1
            at = end
        return "".join(self._pieces())

    def _pieces(self) -> Iterator[str]:
        done = 0
        for start, end, put in self._edits:
            yield self._text[done:start]
            yield put + "\n" * self._text.count("\n", start, end)
            done = end
        yield self._text[done:]

    def _replace(self, first: int, last: int, put: str = "", before: str = "") -> int:
        self._edits.append((self._tokens.starts[first], self._tokens.ends[last], f" {put} "))
        if put:
            self._before = before or put
        return last + 1

    def _keep(self, end: int) -> int:
        self._before = self._tokens.texts[end - 1]
        return end

    def _step(self, at: int) -> int:
        """Look at one token and what follows; return where to go on, `at` if nothing was done."""
        tokens = self._tokens
        end = self._gap(at) if self._places.cplusplus and self._near[at] else at
        if end > at or not tokens.is_word(at):
            return end
        word = tokens.texts[at]
        if tokens.text(at + 1) == "(" and self._is_attribute(at):
            return self._replace(at, tokens.partner[at + 1])
        if word == "namespace" or word in TAGS:
            return self._head(at)
        if word in KEYWORDS:
            return self._keyword(at)
        if not self._near[at] and (not self._everywhere or self._places.is_in_code(at)):
            return at
        rules = (self._statement, self._trailing, self._beside, self._run, self._call)
        return next((end for rule in rules if (end := rule(at)) > at), at)

    def _keyword(self, at: int) -> int:
        """Take out what follows a keyword, or the keyword, where no grammar has it."""
        tokens = self._tokens
        word, is_call = tokens.texts[at], tokens.text(at + 1) == "("
        if word in ("public", "protected", "private"):
            if tokens.is_word(at + 1) and tokens.text(at + 2) == ":":  # public slots:
                self._replace(at + 1, at + 1)
                return self._keep(at + 3)
        elif word in ("asm", "__asm", "__asm__") and self._before == ")" and is_call:
            if tokens.behind(at + 1) > 0:
                return self._replace(at, tokens.partner[at + 1])
        elif word == "if" and self._places.is_macro(at + 1) and tokens.text(at + 2) == "(":
            self._before = word
            return self._replace(at + 1, at + 1)
        return at

    def _gap(self, at: int) -> int:
        """Mend what the grammar of C++ does not know, around errors."""
        tokens = self._tokens
        for form in GAPS.get(tokens.texts[at], GAPS_OF_WORDS if tokens.is_word(at) else ()):
            if all(tokens.text(at + more) == one for more, one in enumerate(form.behind, 1)):
                if form.first:
                    self._before = tokens.texts[at]
                return self._replace(at + form.first, at + form.last, form.put)
        return at

    def _is_attribute(self, at: int) -> bool:
        """Tell `__attribute__((...))`, and any word before such brackets at such a place."""
        tokens = self._tokens
        end = tokens.behind(at + 1)
        if end < 0 or tokens.texts[at] in ATTRIBUTES:
            return end >= 0
        is_double = tokens.text(at + 2) == "(" and tokens.partner[at + 2] == end - 2
        at_place = self._before == ")" or self._before in SPECIFIERS
        stops = tokens.text(end) in (";", "{", ",") or tokens.is_word(end)
        return is_double and at_place and stops and tokens.texts[at] not in RESERVED

    def _head(self, at: int) -> int:
        """Mend `class EXPORT Name final : ...` and `namespace name VISIBILITY(default) {`."""
        tokens = self._tokens
        words: list[Item] = []
        place = at + 1
        while tokens.is_word(place) and tokens.texts[place] not in RESERVED:
            last = place
            if tokens.text(place + 1) == "(" and tokens.behind(place + 1) > 0:
                last = tokens.partner[place + 1]
            while tokens.text(last + 1) == "::" and tokens.is_word(last + 2):
                last += 2
            words.append(Item(place, last, has_arguments=tokens.texts[last] == ")"))
            place = last + 1
        while tokens.text(place) == "final":
            place += 1
        is_function = bool(words) and words[-1].has_arguments and not self._is_macro(words[-1])
        if tokens.text(place) not in ("{", ":", "<") or len(words) < 2 or is_function:
            return self._run(at)
        names = (one for one in words if not (one.has_arguments or self._is_macro(one)))
        kept = next(names, words[-1])
        for one in words:
            if one is not kept:
                self._replace(one.first, one.last)
        return self._keep(place)

    def _is_macro(self, item: Item) -> bool:
        return self._places.is_macro(item.first)

    def _statement(self, at: int) -> int:
        """Replace a macro that stands for a statement, a loop's head or a declaration's."""
        tokens = self._tokens
        is_start = self._before in _BEFORE_STATEMENT
        if tokens.texts[at] in RESERVED or not (is_start or self._before in (")", "else", ",")):
            return at
        if tokens.text(at + 1) != "(":
            return self._bare_statement(at) if self._before != "," else at
        end = tokens.behind(at + 1)
        if end < 0 or self._before == "," or self._places.is_list(tokens.enclosing[at]):
            return at
        behind = tokens.text(end)
        if behind in ("{", "=") or not self._stands_alone(at, end):
            return self._opening(at, end, behind) if self._before != ")" else at
        return self._replace(at, end - 1, "" if is_start and self._before != "}" else ";")

    def _opening(self, at: int, end: int, behind: str) -> int:
        """Replace a macro before a block: the head of a loop, of a function, of a variable."""
        is_macro = self._places.is_macro(at)
        if behind == "{" and self._places.is_body(self._tokens.enclosing[at]):
            word = self._tokens.texts[at]
            if is_macro or "for" in word or "each" in word or word == "__catch":
                return self._replace(at, end - 1, "while (1)", ")")
        elif behind == "{" and is_macro:
            is_enum = self._before == "typedef"
            return self._replace(at, end - 1, "enum x" if is_enum else "void f()", ")")
        elif behind == "=" and is_macro and self._before in _BEFORE_STATEMENT:
            return self._replace(at, end - 1, "int x")
        return at

    def _stands_alone(self, at: int, end: int) -> bool:
        """Return whether a call is a macro's that needs no semicolon, or one in no function."""
        tokens = self._tokens
        word, behind = tokens.texts[at], tokens.text(end)
        is_macro = self._places.is_macro(at)
        is_outside = tokens.enclosing[at] < 0 and self._before in _BEFORE_STATEMENT
        if behind == ";" and is_outside:
            return bool(self._near[at])
        if not (is_macro or is_outside or "foreach" in word or "for_each" in word):
            return False
        if behind in ("", "}"):
            return True
        if not tokens.is_word(end) or not self._places.is_new_line(end):
            return False
        is_type = is_macro and self._places.names_function(end)
        return not is_type or self._places.is_body(tokens.enclosing[at])

    def _bare_statement(self, at: int) -> int:
        """Replace a macro without arguments that stands for a statement or a declaration."""
        tokens = self._tokens
        behind = tokens.text(at + 1)
        opened = tokens.enclosing[at]
        is_body = self._places.is_body(opened)
        is_block = behind == "{"
        if not self._places.is_macro(at) and not (is_block and tokens.texts[at] in _BLOCKS):
            return at
        if is_block and (is_body or self._before != ")"):
            return self._replace(at, at, "" if is_body else "void f()")
        if behind == ":" and opened >= 0 and not is_body and self._before in (";", "{", "}"):
            self._replace(at, at, "public")  # signals of Qt, in a class
            return self._keep(at + 2)
        if not self._ends_line(at) or self._places.names_function(at + 1):
            return at
        return self._replace(at, at, "" if self._before in _BEFORE_STATEMENT else ";")

    def _ends_line(self, at: int) -> bool:
        """Return whether something new begins behind a macro."""
        tokens = self._tokens
        behind = tokens.text(at + 1)
        if behind == "}":
            return not self._places.is_list(tokens.enclosing[at])
        if behind in ("", "~", "@") or behind in STATEMENTS:
            return True
        is_begin = behind == "[" or tokens.is_word(at + 1)
        return is_begin and self._places.is_new_line(at + 1)

    def _trailing(self, at: int) -> int:
        """Take out attributes behind parameters: `int f(void) NOTHROW PRINTF(1, 2);`."""
        tokens = self._tokens
        if self._before not in _BEFORE_TRAILING or self._places.is_cast(at - 1):
            return at
        # Outside of code nothing else but old C's parameters stands there, and those are two words.
        is_outside = self._before == ")" and not self._places.is_in_code(at)
        end = self._places.behind_macros(at, any_case=is_outside)
        if end > at and tokens.text(end) in _BEHIND_TRAILING:
            return self._replace(at, end - 1)
        return at

    def _beside(self, at: int) -> int:
        """Take out what joins strings, and one macro beside another inside an expression."""
        tokens = self._tokens
        end = at + 1
        if tokens.text(end) == "(":
            end = tokens.behind(end)
            if end < 0:
                return at
        is_macro = self._places.is_macro(at)
        is_call = end > at + 1
        behind_string = at > 0 and tokens.kinds[at - 1] == "string"
        before_string = end < len(tokens) and tokens.kinds[end] == "string"
        if (behind_string and before_string) or (behind_string and is_macro):
            return self._replace(at, end - 1)
        if before_string and is_call and tokens.texts[at] not in RESERVED:
            return self._replace(at, end - 1, '""')
        goes_on = self._places.is_macro(end) and not self._places.is_new_line(end)
        if is_macro and self._before in _OPERATORS and goes_on:
            return self._replace(at, end - 1)
        return at

    def _run(self, at: int) -> int:
        """Take out words of a declaration: more than a type and a name need are macros."""
        if self._before not in _BEFORE_RUN:
            return at
        if self._before == "(" and self._pointer_macro(at):
            return at + 1
        run = gather(self._places, at)
        if self._is_static_macro(run):
            return self._replace(run.names[0].first, run.names[0].last, "int x;", ";")
        is_near = any(self._near[item.first] for item in run.names)
        taken = macros_of(self._places, run, is_near=is_near)
        if taken is None or not (taken or any(item.has_arguments for item in run.names)):
            return at
        gone = set(taken)
        for item in run.names:
            if item in gone or item.has_arguments:
                self._replace(item.first, item.last, "" if item in gone else "T")
        return self._keep(run.end)

    def _is_static_macro(self, run: Run) -> bool:
        """Tell `static DEFINE(name)` before another declaration."""
        if not run.names or not run.names[0].has_arguments:
            return False
        end = run.names[0].last + 1
        is_next = self._tokens.text(end) in SPECIFIERS and self._places.is_new_line(end)
        return is_next and self._tokens.text(run.names[0].first - 1) in SPECIFIERS

    def _pointer_macro(self, at: int) -> bool:
        """Mend `(CALLBACK *name)(...)` and `(APIENTRYP name)(...)`; return whether it was one."""
        tokens = self._tokens
        place = at + 1
        while tokens.text(place) == "*":
            place += 1
        is_name = tokens.is_word(place) and tokens.text(place + 1) == ")"
        if not (self._places.is_macro(at) and is_name and tokens.text(place + 2) == "("):
            return False
        self._replace(at, at, "" if place > at + 1 else "*")
        return True

    def _call(self, at: int) -> int:
        """Replace arguments that no function takes: a type, an operator, statements."""
        tokens = self._tokens
        end = tokens.behind(at + 1) if tokens.text(at + 1) == "(" else -1
        is_pointer = "*" in (tokens.text(at + 2), tokens.text(at + 3)) and tokens.text(end) == "("
        if end < 0 or is_pointer or tokens.texts[at] in RESERVED or not self._near[at]:
            return at
        is_macro = self._places.is_macro(at)
        if is_macro and self._before in ("{", ",") and self._places.is_list(tokens.enclosing[at]):
            stops = tokens.text(end) in (",", "}", "=", "+", "|", "-", "*", "[", ".")
            return self._replace(at, end - 1, "x" if stops else "x,", "" if stops else ",")
        if self._is_declared(at):
            is_enum = self._before == "typedef" and tokens.text(end) == "{"
            put = "enum x" if is_enum else "f()"
            return self._replace(at, end - 1, put, ")") if is_macro else at
        if is_macro:
            self._replace(at + 1, end - 1, "(0)", ")")
            return end
        is_short = end - at < _LONGEST_CALL
        if is_short and self._places.is_in_code(at) and self._arguments(at + 1, end - 1):
            return self._keep(end)
        return at

    def _arguments(self, opened: int, closed: int) -> bool:
        """Replace the arguments of a call that are none; return whether there were any."""
        tokens = self._tokens
        begin = opened + 1
        edited = len(self._edits)
        for place in range(begin, closed + 1):
            if place == closed or (
                tokens.enclosing[place] == opened and tokens.texts[place] == ","
            ):
                if begin < place and self._is_no_argument(begin, place):
                    self._replace(begin, place - 1, "0")
                begin = place + 1
        return len(self._edits) > edited

    def _is_no_argument(self, begin: int, end: int) -> bool:
        tokens = self._tokens
        first = tokens.texts[begin]
        if all(tokens.kinds[place] == "sign" for place in range(begin, end)):
            return True
        if first in STATEMENTS:
            return True
        is_typed = first in TYPES or first in TAGS or first in ("const", "volatile")
        return is_typed or (tokens.is_word(begin) and tokens.texts[end - 1] == "*")

    def _is_declared(self, at: int) -> bool:
        """Return whether the word stands where a declaration has its name."""
        before = self._before
        is_type = bool(before) and (before[0].isalpha() or before[0] == "_")
        if is_type and before not in KEYWORDS:
            return True
        if before in ("*", "&", ">", "~"):
            return not self._places.is_in_code(at)
        return before in _BEFORE_STATEMENT and not self._places.is_in_code(at)
