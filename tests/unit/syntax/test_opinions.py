"""Second opinions: right about sound and broken texts, and never anything but an opinion."""

import ast
import pyexpat
import sys
import warnings

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gristmill.runtime.model.languages import LANGUAGES
from gristmill.syntax import opinions
from gristmill.syntax.opinions import (
    DIALECTS,
    JSON_LINES,
    JSON_WITH_COMMENTS,
    PYTHON_2,
    PYTHON_CHECKER,
    Opinion,
    opinion_on,
)
from gristmill.syntax.python_versions import as_python_3, is_only_python_3, without_newer_syntax

_WITH_OPINION = ["JSON", "Python", "TOML", "XML", "XSLT"]


def opinion(language: str, text: str) -> Opinion:
    found = opinion_on(language, text)
    assert found is not None
    return found


def verdict(language: str, text: str) -> str:
    """Return ok, error, or the dialect."""
    found = opinion(language, text)
    return found.dialect or ("ok" if found.is_ok else "error")


@pytest.mark.parametrize(
    ("language", "text", "checker"),
    [
        ("Python", "def f(x: int, *, y=1) -> int:\n    return x @ y\n", PYTHON_CHECKER),
        ("Python", "", PYTHON_CHECKER),
        ("Python", "\ufeffx = 1\r\ny = 2\r", PYTHON_CHECKER),
        ("JSON", ' {"a": [1, -2.5e3, true, null], "a": "\\ud800"} ', "json"),
        ("JSON", "1e999", "json"),
        ("TOML", "a.b = 1\n[c]\nd = 1979-05-27T07:32:00Z\n[[e]]\n", "tomli"),
        ("TOML", "a = {\n  b = 1, # TOML 1.1\n}\nc = 07:32\n", "tomli"),
        ("XML", '<?xml version="1.0" encoding="UTF-16"?>\n<a b="é">x<!-- y --></a>', "expat"),
        ("XML", '<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', "expat"),
        ("XML", '<!DOCTYPE a SYSTEM "http://example.org/a.dtd"><a>&nbsp;</a>', "expat"),
        ("XSLT", '<x:a xmlns:x="http://example.org/x"/>', "expat"),
    ],
)
def test_sound_texts_are_ok(language: str, text: str, checker: str) -> None:
    assert opinion(language, text) == Opinion(is_ok=True, checker=checker)


@pytest.mark.parametrize(
    ("language", "text", "line", "column"),
    [
        ("Python", "x = 1\ny = = 2\n", 2, 5),
        ("Python", "def f():\nreturn 1\n", 2, 1),
        ("Python", "if x:\n    a\n  b\n", 3, 4),
        ("Python", "<<<<<<< HEAD\nx = 1\n", 1, 1),
        ("JSON", '{"a": 1,}', 1, 9),
        ("JSON", '["a\nb"]', 1, 4),
        ("JSON", "", 1, 1),
        ("TOML", "a = 1\na = 2\n", 2, 6),
        ("TOML", "a = 'x\n", 2, 1),
        ("XML", "<a>\n  <b></a>\n", 2, 8),
        ("XML", "<a/><b/>", 1, 5),
        ("XML", "<a>&nbsp;</a>", 1, 4),
    ],
)
def test_broken_texts_are_not_and_the_place_is_named(
    language: str, text: str, line: int, column: int
) -> None:
    found = opinion(language, text)
    assert not found.is_ok
    assert not found.dialect
    assert (found.line, found.column) == (line, column)
    assert found.detail.startswith(f"{line}:{column}: ")


@pytest.mark.parametrize("text", ["[NaN]", '{"a": -Infinity}'])
def test_constants_of_javascript_are_no_json(text: str) -> None:
    found = opinion("JSON", text)
    assert not found.is_ok
    assert (found.line, found.column) == (0, 0)


def test_all_other_languages_have_none() -> None:
    names = {each.name for each in LANGUAGES}
    assert [name for name in sorted(names) if opinion_on(name, "]")] == _WITH_OPINION


@pytest.mark.parametrize(
    "text",
    [
        "print 'a', b\n",
        "print >>err, 'a' % b,\nprint >>err\nprint 'c',\n",
        "if a: print 'x'; print\n",
        "print [x for x in y]\n",
        "print\tnot a\n",
        "exec code in scope\n",
        "raise ValueError, 'no', trace\n",
        "try:\n    a\nexcept (A, B), e:\n    b\n",
        "try:\n    a\nexcept (\n    A,\n    B,\n), e:\n    b\n",
        "try:\n    a\nexcept A, (code, text):\n    b\n",
        "if a <> b or `a` == 0777 or 10L > 0xFFL:\n    pass\n",
        "s = ur'\\d' + u'\\N' + b'é'\n",
        "def f(a, (b, (c, d)), e=(1, 2)):\n    pass\n",
        "f = lambda (a, b), c: a\n",
        "f = lambda(a): a\ng = sorted(x, key=lambda (a, b): `b`)\n",
        "async = await = nonlocal = True = 1\n",
        "if a:\n\tb\n        c\n",
        '"""print\n"""\nprint "it\'s" "\\""\n',
        "x = [\n  1,  # print 'no'\n]\nprint x\n",
        "[y for y in a, b]\n",
        "x = [a if b else c for d, e in (1, 2), f for g in 'h', i if g in j]\n",
        "x = [[a for a in b, c] for d in e]\n",
        "x = `f(`1`, 2)` + `a + `b`` + ``c``\n",
        "x = a\n`b`\nprint; `1.` + `.5` + `2`\n",
        "print `x`, not `x`, `None`, -`[1]`, `'a'`\n",
        "def f(a=`x`, (b, c)=`y, z`):\n    raise `a, b`, c\n",
    ],
)
def test_python_2_is_recognised(text: str) -> None:
    found = opinion("Python", text)
    assert (found.is_ok, found.dialect) == (True, PYTHON_2)
    assert found.detail, "the error that Python 3 finds is told"


@pytest.mark.parametrize(
    "text",
    [
        "print 'a'\nx = = 1\n",
        "print 'a\n",
        "print f'{a}'\n",
        "def f(a: int):\n    print a\n",
        "def f() -> int:\n    print 1\n",
        "def f(a, *, b):\n    print a\n",
        "async def f():\n    print 1\n",
        "print (yield from a), 1\nprint b c\n",
        "print a if b\n",
        "(print a)\n",
        "x = print a\n",
        "a := 1\n",
        "x = [a for a in b if c, d]\n",
        "x = [f(a for a in b, c)]\n",
        "x = {a for a in b, c}\n",
        "x = ``\n",
        "x = `a\nprint 1\n",
        "x = a `b`\n",
        "x = `a` `b`\n",
        "max(j for j in a if j == 1, default=-1)\n",
        "def f(x: int):\n    if x:\n\ty\n        z\n",
    ],
)
def test_what_is_in_neither_version_is_an_error(text: str) -> None:
    assert verdict("Python", text) == "error"


def test_what_python_3_reads_is_left_as_it_is() -> None:
    text = "print(a, b)\nexec(code)\nprint.x = print\nraise A(b, c)\nx[0, 1] = {'print': 1}\n"
    assert ast.dump(ast.parse(as_python_3(text))) == ast.dump(
        ast.parse(text.replace("'print'", "''"))
    )
    assert not is_only_python_3(ast.parse(text))


# What came after 3.11, by the version that reads it.
NEWER = {
    (3, 12): [
        "type X = int\n",
        "type X[T: (int, str), *Ts, **P] = dict[T, P]\n",
        "def first[T](xs: list[T]) -> T: ...\n",
        "def first[\n    T,  # why, or *Ts\n    *Ts,\n](xs: T): ...\n",
        "def first[T: (int, *a) , U: {'a': 1}[x, 2:3], **P](xs: T): ...\n",
        "type Größe[T] = f(*a, **b) | T\n",
        "class Box[T: int](Base[T], key=1):\n    async def get[U](self): ...\n",
        'f\'{x["a"]}\' f"{x["a"]}"\n',
        "f'{', '.join(x)!r:>{width}}'\n",
        "f\"{'\\n'.join(x)}\"\n",
        "f'{\n  x  # why\n}'\n",
        "f'{f'{f'{x}'}'}'\n",
        'f"{x:{y:{z}}}" f"{x!r:>{y:{z["a"]}}}"\n',
        'if a:\n    type X = int\n    y = f"{a["b"]}"\n',
    ],
    (3, 13): [
        "class Box[T = int, *Ts = *tuple[int], **P = [str]]: ...\n",
        "type X[T = int] = T\n",
        "type X[*Ts = *tuple[int]] = C\n",
        "def first[T = int, *Ts = tuple, U: str = 1, **P = [*a]](xs: T): ...\n",
        "type X[\n    T: (int, str) = int,\n    *Ts = *tuple[int, ...],\n    **P = [int],\n] = C\n",
    ],
    (3, 14): [
        "try:\n    a\nexcept KeyError, ValueError:\n    b\n",
        "try:\n    a\nexcept a.Error, b.Error, C:\n    b\n",
        "try:\n    a\nexcept* A, B:\n    b\n",
        "t'a {b}' + rt'{c:>3}' + t''\n",
    ],
    (3, 15): [
        "lazy import a\nlazy from a import b\n",
        "x = [*a for a in b]\n",
        "x = {*a for a in b}\n",
        "x = {**a for a in b if a} | {**c, 'd': 1}\n",
        "x = list(*a for a in b)\n",
    ],
}


@pytest.mark.parametrize("text", [text for texts in NEWER.values() for text in texts])
def test_newer_syntax_is_no_error(text: str) -> None:
    found = opinion("Python", text)
    assert (found.is_ok, found.dialect) == (True, "")
    assert found.checker in {PYTHON_CHECKER, f"{PYTHON_CHECKER}+newer"}


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="the interpreter reads some of it itself")
@pytest.mark.parametrize("text", [text for texts in NEWER.values() for text in texts])
def test_newer_syntax_is_told_from_what_the_interpreter_reads(text: str) -> None:
    assert opinion("Python", text).checker == f"{PYTHON_CHECKER}+newer"


@pytest.mark.parametrize(
    "text",
    [
        "type X[T] = \n",
        "type X = int\nx = = 1\n",
        "def f[T T](): ...\n",
        "def f[T]: ...\n",
        "class A[T = int, U = ]: ...\n",
        "type X[*Ts = *] = C\n",
        "type X[T] = int\nx = f(*a, b=*c)\n",
        'f"{x:{y:{}}}"\n',
        'f"{x:{y:{z z}}}"\n',
        "class A[T](: ...\n",
        "f'{a b}'\n",
        "f'{}'\n",
        'f"{x["a"}"\n',
        "t'{'\n",
        "try:\n    a\nexcept A, B as e:\n    b\n",
        "lazy x\n",
        "type(x) = 3\n",
        "type X.y = 3\n",
        "type X[1] = 3\n",
        "type X[T].y = 3\n",
        "type X: int = 3\n",
        "type *X = 3\n",
        "type X = *a\n",
        "class A[1]: pass\n",
        "class A[T][U]: pass\n",
        "class A(B)[C]: pass\n",
        "def f[x + 1](y): return y\n",
        "def f['x'](y): pass\n",
        "def f[a.b](y): pass\n",
        "def f[T := int](y): pass\n",
        "def f[T = *a](y): pass\n",
        "def f[*Ts: int](y): pass\n",
        "def f[**P: int](y): pass\n",
        "f'{a['x']!z}'\n",
        "f'{a['x']:{b!z}}'\n",
        "t'{a!z}'\n",
        "{**a: 1 for a in b}\n",
        "x = {**a: 1}\n",
    ],
)
def test_newer_syntax_hides_no_error(text: str) -> None:
    assert verdict("Python", text) == "error"


def test_one_small_name_is_caught_as_in_python_2_and_a_class_as_in_newer_python() -> None:
    text = "try:\n    a\nexcept A, {}:\n    b\n"
    assert verdict("Python", text.format("e")) == PYTHON_2
    assert verdict("Python", text.format("E")) == "ok"


def test_the_rest_of_a_text_stays_without_its_newer_syntax() -> None:
    text = "x = 'ä'\ndef f[T](x: T) -> T:\n    return x\n"
    assert without_newer_syntax(text) == text.replace("[T]", "")
    assert without_newer_syntax("x = f'{y}'\n") == "x = f'{y}'\n"


def test_names_declared_wrong_are_no_syntax_error() -> None:
    for text in ("return\n", "def f(a, a): pass\n", "def f():\n    x = 1\n    global x\n"):
        assert verdict("Python", text) == "ok"


def test_warnings_stay_inside() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert verdict("Python", "x = '\\d' is 1\n") == "ok"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"a": 1}\n{"a": [2]}\n', JSON_LINES),
        ("[1]\n\n[2]\r\n", JSON_LINES),
        ("[1][2]", "error"),
        ("1\n2\n", "error"),
        ('{"a": 1}\n{"a": 2\n', "error"),
        ('// why\n{"a": "http://b/*c*/", /* d */ "e": [1, 2,],}\n', JSON_WITH_COMMENTS),
        ('{"a": 1} // end', JSON_WITH_COMMENTS),
        ('{"a": [1,]}', "error"),
        ('{"a": "// no"}', "ok"),
        ('{"a": 1} /* open', "error"),
        ('{"a": 1} /*/', "error"),
        ("[,] // comma", "error"),
        ('{"a": , "b": 1} // comma', "error"),
        ("[[1 , ] , // one\n]", JSON_WITH_COMMENTS),
        ("// nothing\n", "error"),
        ('{"a": 1,,} // two', "error"),
        ("{'a': 1} // quotes", "error"),
    ],
)
def test_dialects_of_json(text: str, expected: str) -> None:
    assert verdict("JSON", text) == expected


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("JSON", "[" * 100_000),
        ("TOML", "a = " + "[" * 100_000),
        ("TOML", "a = " + "1" * 5000),
        ("Python", "-" * 100_000 + "1"),
        ("Python", "x" + "()" * 50_000),
        ("Python", "x = " + "1" * 5000),
        ("Python", "x = '\ud800'"),
        ("XML", "<a>\ud800</a>"),
    ],
)
def test_what_is_too_much_for_the_parser_has_no_opinion(language: str, text: str) -> None:
    assert opinion_on(language, text) is None


def test_entities_do_not_unfold_without_bound() -> None:
    levels = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 12))
    text = f'<!DOCTYPE a [<!ENTITY e0 "text">{levels}]><a>&e11;</a>'
    assert verdict("XML", text) == "error"


def test_an_old_expat_has_no_opinion_on_entities(monkeypatch: pytest.MonkeyPatch) -> None:
    assert opinions._HAS_BOUNDED_ENTITIES is (pyexpat.version_info >= (2, 4, 1))
    monkeypatch.setattr(opinions, "_HAS_BOUNDED_ENTITIES", False)
    assert opinion_on("XML", '<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>') is None
    assert verdict("XML", "<a/>") == "ok"


def test_a_detail_is_one_short_line() -> None:
    found = opinion("TOML", f"[{'x' * 500}]\n[{'x' * 500}]\n")
    assert not found.is_ok
    assert len(found.detail) <= 200
    assert "\n" not in found.detail


_PIECES = st.sampled_from(
    ["print ", "def f(", "(", ")", ":", "\n", "    ", "\t", "e", ",", "'", '"', '"""', "`", "0777",
     "lambda ", "except ", "raise ", "exec ", "[", "]", "{", "}", "//", "/*", "*/", "<a>", "</a>",
     "&b;", "<!", "=", "type X", "f'", "\\", "\\\n", ";", "#", "é", "\x00", "\r\n", "1", "."]
)  # fmt: skip


@settings(max_examples=300)
@given(st.sampled_from(_WITH_OPINION), st.text() | st.lists(_PIECES, max_size=30).map("".join))
@example("Python", "except " * 500)
@example("Python", "lambda (" * 500)
@example("Python", "def f((" * 500)
@example("Python", '"""\\"""' * 500)
@example("JSON", '"\\' * 500)
@example("JSON", "/*" * 500)
def test_any_text_gets_an_opinion_or_none(language: str, text: str) -> None:
    found = opinion_on(language, text)
    if found is not None:
        assert found.is_ok or found.detail
        assert found.dialect in {"", *DIALECTS}
        assert len(found.detail) <= 200
        assert found.line >= 0
        assert found.column >= 0
        assert found == opinion_on(language, text)


@pytest.mark.parametrize("chain", [" + ".join(['"a"'] * 3000), "[" * 60 + "]" * 60])
def test_python_2_with_a_long_chain_is_python_2(chain: str) -> None:
    assert verdict("Python", f"print 'x'\ny = {chain}\n") == PYTHON_2


def test_what_the_parser_refused_stays_refused_when_memory_runs_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def run_out(text: str) -> str:
        raise MemoryError

    monkeypatch.setattr(opinions, "as_python_3", run_out)
    with pytest.raises(MemoryError):  # the document is too much, which is no verdict
        opinion_on("Python", "if x:\ny\n")
    assert verdict("Python", "x = 1\n") == "ok"


def test_what_is_caught_is_looked_at_once_whatever_closes_too_often() -> None:
    assert verdict("Python", "except )\n" * 20_000) == "error"
