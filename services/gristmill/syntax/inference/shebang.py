"""The language that a script's first line names, by its interpreter."""

import re
from collections.abc import Mapping
from typing import Final

_LONGEST_LINE: Final = 300
_MOST_LINES: Final = 6
"""How far down the `exec` of a script that starts itself again may stand."""

# Interpreters whose name, without its version, is not a name or alias of their language.
_LANGUAGES: Final[Mapping[str, str]] = {
    interpreter: language
    for language, interpreters in {
        "AppleScript": "osascript",
        "C": "tcc",
        "AWK": "gawk mawk nawk runawk",
        "Clojure": "clj bb babashka",
        "CoffeeScript": "iced",
        "Common Lisp": "sbcl ccl clisp ecl",
        "Elixir": "iex",
        "Emacs Lisp": "emacsclient",
        "Erlang": "escript erl",
        "F#": "fsharpi fsi dotnet-fsi",
        "Go": "gorun",
        "Haskell": "runghc runhaskell runhugs stack cabal",
        "JavaScript": "nodejs deno bun d8 gjs qjs rhino v8 v8-shell chakra jsc",
        "Java": "jbang",
        "Kotlin": "kotlinc kscript",
        "Lua": "luajit",
        "MATLAB": "octave-cli",
        "Mathematica": "wolframscript wolframkernel mathkernel mathematicascript math",
        "OCaml": "ocamlrun ocamlscript",
        "PHP": "php-cgi php-cli",
        "Pascal": "instantfpc",
        "PowerShell": "powershell",
        "Prolog": "swipl yap gprolog",
        "Python": "pypy jython ipython bpython uv sage",
        "R": "littler lr",
        "Raku": "rakudo",
        "Ruby": "rake rbx",
        "Rust": "rust-script cargo run-cargo-script cargo-script",
        "Scala": "amm scala-cli",
        "Scheme": "guile bigloo chicken csi gosh r6rs scheme-script",
        "Shell": "ash dash mksh pdksh rc rbash busybox openrc-run",
        "Smalltalk": "gst",
        "Standard ML": "mosml mlton poly smlnj",
        "Stata": "stata-mp stata-se",
        "Tcl": "tclsh wish expect jimsh itclsh",
        "TypeScript": "ts-node tsx",
    }.items()
    for interpreter in interpreters.split()
}

# Functions that zsh completes with or loads when they are called begin so.
_FUNCTION_OF_ZSH: Final = re.compile(r"#(?:compdef|autoload)\b")
_SHELLS: Final = frozenset(("sh", "bash", "dash", "ksh", "zsh"))


def name_of_shebang(content: str) -> str | None:
    """Return the name of a language, or of an interpreter called like one, None without a shebang.

    A shell script that does nothing but start another interpreter on itself counts as that one's.

    >>> name_of_shebang("#!/usr/bin/env -S python3.11 -u")
    'python'
    """
    if _FUNCTION_OF_ZSH.match(content):
        return "zsh"
    if content[:2] != "#!":
        return None
    lines = content[: _LONGEST_LINE * _MOST_LINES].split("\n", _MOST_LINES)[:_MOST_LINES]
    interpreter = _interpreter(lines[0][2:_LONGEST_LINE].split())
    if interpreter in _SHELLS:
        for line in lines[1:]:
            words = line.split()
            if words[:1] == ["exec"] and ("$0" in line or "$BASH_SOURCE" in line):
                interpreter = _interpreter(words[1:]) or interpreter
                break
    return _LANGUAGES.get(interpreter, interpreter) or None


def _interpreter(words: list[str]) -> str:
    """Return the program that a command starts, without folder, version and what `env` takes."""
    for word in words:
        program = word.strip("\"'").rpartition("/")[2].lower()
        if program in {"env", "nice", "nohup", "sudo"} or word.startswith("-") or "=" in word:
            continue
        return program.removesuffix(".exe").rstrip("0123456789.-") or program
    return ""
