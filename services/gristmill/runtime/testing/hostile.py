"""Files that are meant to cost a parser more than they are worth, for every language."""

import random
from collections.abc import Iterable, Iterator
from typing import Final

from gristmill.runtime.model.languages import LANGUAGES, Language

_SEED: Final = 20261126
# Lines of their own: one long line is minified, and bare brackets are data, to ingestion.
_NESTING: Final = ("f(", "(", "[", "{", "if x {", "begin", "<a>", '"', "'", "#(", "/*", "`")

NUM_BRACKETS: Final = 200_000
_LARGE_BYTES: Final = 1 << 20  # what is larger is not read
# Sound in their languages, however often they stand in one line.
_STATEMENTS: Final = {
    name.strip(): statement
    for statement, names in {
        "int f(int a) { return g(a, 1); } ": "C, C++, CUDA, D, GLSL, ISPC, Dart",
        "class A { int f(int a) { return g(a, 1); } } ": "Java, C#, Apex, Groovy",
        "f(a, 'b', 1); ": "JavaScript, TypeScript, TSX, Perl, Lua, Luau, Squirrel, Python, Ruby, "
        "R, Julia, Starlark",
        "<?php f($a, 1); ?> ": "PHP",
        "func f(a int) { g(a, 1) }; ": "Go",
        "fn f(a: u8) { g(a, 1); } ": "Rust",
        "(f a (g 1)) ": "Clojure, Common Lisp, Emacs Lisp, Fennel, Janet, Racket, Scheme",
        "<p class='a'>b</p> ": "Astro, HEEx, HTML, Java Server Pages, Svelte, Vue, XML, XSLT",
        ".a { b: c; } ": "CSS",
        "f a 'b' 1; ": "Fish, Shell, Tcl",
        '{"a": [1, "b"]} ': "JSON, YAML",
    }.items()
    for name in names.split(",")
}
_ANY_STATEMENT: Final = 'f(a, "b", 1); '


def hostile_files(size_bytes: int) -> Iterator[tuple[str, bytes]]:
    """Yield names and contents of hostile files, each of about the size, by language and kind."""
    for language in LANGUAGES:
        for number, opening in enumerate(_NESTING):
            line = f"{opening} x{number}\n"
            content = (line * (size_bytes // len(line))).encode()
            yield _path(f"deep{number}", language), content
        yield _path("noise", language), _noise(language.name, size_bytes)


def large_hostile_files(languages: Iterable[Language] = LANGUAGES) -> Iterator[tuple[str, bytes]]:
    """Yield long lines, noise and arbitrary bytes of 1 MiB, and long runs of brackets.

    They are what a parser gets if nothing before it stops them: all of them are UTF-8.
    """
    for language in languages:
        statement = _STATEMENTS.get(language.name, _ANY_STATEMENT)
        line = statement * (_LARGE_BYTES // len(statement))
        yield _path("line", language), line.encode()
        yield _path("noise", language), _noise(language.name, _LARGE_BYTES)
        yield _path("bytes", language), _arbitrary(language.name)
        for number, brackets in enumerate(("(", "[", "{", "<", "([{<", "()")):
            run = brackets * (NUM_BRACKETS // len(brackets))
            yield _path(f"brackets{number}", language), run.encode()
        half = NUM_BRACKETS // 2
        yield _path("nested", language), b"(" * half + b")" * half


def _path(kind: str, language: Language) -> str:
    """Return a path that says the language."""
    name = language.filenames[0] if not language.extensions else f"x{language.extensions[0]}"
    return f"{kind}-{language.name.replace(' ', '_').replace('/', '_')}/{name}"


def _noise(seed: str, size_bytes: int) -> bytes:
    """Return printable characters by chance, in lines."""
    chance = random.Random(f"{_SEED}/{seed}")  # noqa: S311 - the same in every run
    signs = "(){}[]<>\"'`;:,.=+-*/\\|&%$#@!?~^ \t\nabcdefghxyz0123456789"
    text = "".join(chance.choices(signs, k=size_bytes))
    return "\n".join(text[at : at + 80] for at in range(0, len(text), 80)).encode()[:size_bytes]


def _arbitrary(seed: str) -> bytes:
    """Return bytes by chance, decoded as Latin-1: no byte is missing, NUL and controls too."""
    chance = random.Random(f"{_SEED}/bytes/{seed}")  # noqa: S311 - the same in every run
    # Half of the characters take two bytes.
    return chance.randbytes(_LARGE_BYTES * 5 // 8).decode("latin-1").encode()
