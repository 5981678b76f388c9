"""Second opinions: what a language's own parser says of a text, where it is cheap and safe.

It rules where it exists. A parser that gives up on a text (too deep, too large) has no opinion,
and the grammar's verdict stands. YAML has none here: both common parsers refuse valid files.
"""

import ast
import json
import pyexpat
import re
import symtable
import sys
import warnings
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass

import tomli

from gristmill.syntax.python_versions import (
    as_python_3,
    is_only_python_3,
    without_newer_syntax,
)

VERSION = 5
"""Grows with every change to an opinion."""

PYTHON_2 = "Python 2"
JSON_LINES = "JSON Lines"
JSON_WITH_COMMENTS = "JSON with Comments"
DIALECTS = (PYTHON_2, JSON_LINES, JSON_WITH_COMMENTS)

PYTHON_CHECKER = f"cpython-ast-{sys.version_info.major}.{sys.version_info.minor}"
NEWER_CHECKER = f"{PYTHON_CHECKER}+newer"
"""Rules on a text in syntax newer than the interpreter's, which it gets without that."""
_DETAIL_CHARS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Opinion:
    """What a language's own parser says.

    A text in a dialect is well-formed in the dialect and not in the language; `is_ok` is true of
    it. `detail`, one line, tells the language's first error, of a text in a dialect too. `line`
    and `column` count from 1 and are 0 where the parser names no place.
    """

    is_ok: bool
    checker: str
    detail: str = ""
    dialect: str = ""
    line: int = 0
    column: int = 0


@dataclass(frozen=True, slots=True)
class _Fault:
    """The first error of a text, as its parser reports it."""

    message: str
    line: int = 0
    column: int = 0


def opinion_on(language_name: str, text: str) -> Opinion | None:
    """Return what the language's own parser says; None without one, and where it gives up.

    Parses in this process: time and memory grow with the text, nothing is run or fetched.
    """
    checker = _CHECKERS.get(language_name)
    if checker is None:
        return None
    try:
        return checker(text.removeprefix("\ufeff"))
    except (RecursionError, UnicodeEncodeError):
        return None


def _opinion(checker: str, fault: _Fault | None, dialect: str = "") -> Opinion:
    if fault is None:
        return Opinion(is_ok=True, checker=checker)
    place = f"{fault.line}:{fault.column}: " if fault.line else ""
    return Opinion(
        is_ok=bool(dialect),
        checker=checker,
        detail=" ".join((place + fault.message).split())[:_DETAIL_CHARS],
        dialect=dialect,
        line=fault.line,
        column=fault.column,
    )


def _on_python(text: str) -> Opinion | None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            fault = _python_fault(text)
        except MemoryError:  # so it calls nesting that is too deep for it, too
            return None
        if fault is None:
            return _opinion(PYTHON_CHECKER, None)
        if "integer string conversion" in fault.message:  # a limit of the interpreter's
            return None
        is_too_deep = "too many nested" in fault.message  # in any dialect
        if not is_too_deep and _is_python_2(text):
            return _opinion(PYTHON_CHECKER, fault, PYTHON_2)
        with suppress(RecursionError):
            if not is_too_deep and _python_fault(without_newer_syntax(text)) is None:
                return Opinion(is_ok=True, checker=NEWER_CHECKER)
    return _opinion(PYTHON_CHECKER, fault)


def _python_fault(text: str) -> _Fault | None:
    # The table of symbols costs three fifths of a tree. It refuses more than grammar does (a name
    # global after its use), so the tree has the last word.
    try:
        symtable.symtable(text, "<text>", "exec")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        pass
    else:
        return None
    try:
        ast.parse(text)
    except SyntaxError as error:
        return _Fault(error.msg, error.lineno or 0, error.offset or 0)
    except UnicodeEncodeError:
        raise
    except ValueError as error:  # a NUL
        return _Fault(str(error))
    return None


def _is_python_2(text: str) -> bool:
    try:
        return not is_only_python_3(ast.parse(as_python_3(text)))
    except (SyntaxError, ValueError):
        return False
    except RecursionError:  # the parser has taken it, only the tree of objects is too deep
        return True


def _on_json(text: str) -> Opinion:
    fault = _json_fault(text)
    dialect = ""
    if fault is not None:
        if _is_json_lines(text):
            dialect = JSON_LINES
        elif _is_json_with_comments(text):
            dialect = JSON_WITH_COMMENTS
    return _opinion("json", fault, dialect)


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is no value")


# No number is built: long ones cost much and have limits of their own.
_JSON = json.JSONDecoder(parse_constant=_refuse, parse_int=len, parse_float=len)


def _json_fault(text: str) -> _Fault | None:
    try:
        _JSON.decode(text)
    except json.JSONDecodeError as error:
        return _Fault(error.msg, error.lineno, error.colno)
    except ValueError as error:
        return _Fault(str(error))
    return None


def _is_json_lines(text: str) -> bool:
    """Tell whether a text is several objects or arrays, one a line."""
    lines = [line for line in text.split("\n") if line and not line.isspace()]
    return len(lines) > 1 and all(
        line.lstrip()[0] in "{[" and _json_fault(line) is None for line in lines
    )


# Strings are matched so that what looks like a comment in them stays. Each alternative takes
# what is not closed up to its end: no place is looked at twice.
_COMMENT = re.compile(r'"(?:[^"\\\n]|\\.)*+"?|//[^\n]*|/\*.*?(?:\*/|\Z)', re.DOTALL)
_LAST_COMMA = re.compile(r'"(?:[^"\\\n]|\\.)*+"?|,(?=\s*[\]}])', re.DOTALL)


def _is_json_with_comments(text: str) -> bool:
    """Tell whether a text has comments, and with them a comma too many at most, before a bracket.

    Without a comment such a comma is an error.
    """
    found = 0

    def without_comment(match: re.Match[str]) -> str:
        nonlocal found
        is_open = match[0].startswith("/*") and (len(match[0]) < 4 or not match[0].endswith("*/"))
        if match[0].startswith('"') or is_open:
            return match[0]
        found += 1
        return " "

    def without_last_comma(match: re.Match[str]) -> str:
        at = match.start() - 1
        while at >= 0 and bare[at].isspace():
            at -= 1
        is_behind_value = match[0] == "," and at >= 0 and bare[at] not in "[{,:"
        return " " if is_behind_value else match[0]

    bare = _COMMENT.sub(without_comment, text)
    return found > 0 and _json_fault(_LAST_COMMA.sub(without_last_comma, bare)) is None


def _on_toml(text: str) -> Opinion | None:
    try:
        tomli.loads(text)
    except tomli.TOMLDecodeError as error:
        return _opinion("tomli", _Fault(error.msg, error.lineno, error.colno))
    except ValueError:  # a number too long for the interpreter
        return None
    return _opinion("tomli", None)


# Before 2.4.1 entities may unfold without bound.
_HAS_BOUNDED_ENTITIES = pyexpat.version_info >= (2, 4, 1)


def _on_xml(text: str) -> Opinion | None:
    if "<!ENTITY" in text and not _HAS_BOUNDED_ENTITIES:
        return None
    parser = pyexpat.ParserCreate("utf-8")  # whatever encoding it declares, this is text already
    try:
        parser.Parse(text.encode(), True)  # noqa: FBT003 - C, by position alone
    except pyexpat.ExpatError as error:
        message = pyexpat.ErrorString(error.code) or "not well-formed"
        return _opinion("expat", _Fault(message, error.lineno, error.offset + 1))
    return _opinion("expat", None)


_CHECKERS: Mapping[str, Callable[[str], Opinion | None]] = {
    "JSON": _on_json,
    "Python": _on_python,
    "TOML": _on_toml,
    "XML": _on_xml,
    "XSLT": _on_xml,
}
