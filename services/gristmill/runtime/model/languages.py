"""Languages by name and by path: what is known before a file is opened.

Nothing here looks at content. An ending that several languages use gives its usual owner, or None
where there is no usual one; `languages_of_path` names them all, for the stage that asks the
content.
"""

from collections.abc import Mapping
from typing import Final, TypeAlias

from gristmill.runtime.model.language_table import LANGUAGES, Language

__all__ = [
    "LANGUAGES",
    "SHARED",
    "Language",
    "find_language",
    "language_of_path",
    "languages_of_path",
]

# Foreign names are languages that the table does not know: a file in one is in no known language.
# Left out are dialects of the owner, and foreign languages too rare to open every file for.
SHARED: Final[dict[str, tuple[str, ...]]] = {
    ending: tuple(name.strip() for name in names.split(","))
    for endings, names in {
        ".al": "Perl, AL",
        ".as": "ActionScript, AngelScript",
        ".bas": "Visual Basic, BASIC, B4X",
        ".bb": "BitBake, Clojure, BlitzBasic",
        ".cake": "C#, CoffeeScript",
        ".cgi": "Perl, Python, Shell, Ruby, PHP, Tcl, C",
        ".cl": "OpenCL, Common Lisp, Cool",
        ".cls": "TeX, Visual Basic, Apex, ObjectScript, OpenEdge ABL",
        ".cs": "C#, Smalltalk",
        ".d": "D, Makefile, DTrace",
        ".es": "JavaScript, Erlang",
        ".ex": "Elixir, Euphoria",
        ".f .for": "Fortran, Forth",
        ".fcgi": "Perl, Python, Ruby, PHP, Lua, Shell",
        ".frag": "GLSL, JavaScript",
        ".frm": "Visual Basic, INI",
        ".fs": "F#, GLSL, Forth, Filterscript",
        ".g": "ANTLR, GAP, G-code",
        ".gd": "GDScript, GAP",
        ".gs": "JavaScript, GLSL, Genie, Gosu",
        ".h": "C, C++, Objective-C",
        ".hh": "C++, Hack",
        ".i": "Assembly, C, SWIG",
        ".ice": "JSON, Slice",
        ".inc": "PHP, Pascal, Assembly, C++, C, HTML, SQL, BitBake, Makefile, SourcePawn, NASL, "
        "POV-Ray SDL",
        ".l": "Lex, Common Lisp, PicoLisp, Roff",
        ".m": "MATLAB, Objective-C, Mathematica, Mercury, M, MUF, Limbo",
        ".ma": "Mathematica, Maya ASCII",
        ".ml": "OCaml, Standard ML",
        ".mm": "Objective-C, XML",
        ".ms": "Assembly, Roff, MAXScript, MiniScript",
        ".pl": "Perl, Prolog, Raku",
        ".plt": "Prolog, Gnuplot",
        ".pm": "Perl, Raku, X PixMap",
        ".pp": "Puppet, Pascal",
        ".pro": "Prolog, QMake, IDL, Proguard, INI",
        ".r": "R, Rebol, Rez",
        ".re": "ReasonML, C++",
        ".rpy": "Python, Ren'Py",
        ".rs": "Rust, XML, RenderScript",
        ".sc": "Scala, SuperCollider",
        ".scd": "Markdown, SuperCollider",
        ".sch": "Scheme, XML, KiCad Schematic",
        ".shader": "GLSL, ShaderLab",
        ".sls": "Scheme, YAML, Salt",
        ".spec": "Python, Ruby, JavaScript, RPM Spec",
        ".st": "Smalltalk, StringTemplate",
        ".t": "Perl, Raku, Turing, Terra",
        ".tab": "SQL",
        ".tact": "JSON, Tact",
        ".tag": "Java Server Pages",
        ".toc": "TeX",
        ".trigger": "Apex, Shell",
        ".ts": "TypeScript, XML",
        ".tsx": "TSX, XML",
        ".typ": "Typst, XML",
        ".v": "Verilog, V, Rocq Prover",
        ".vba": "Visual Basic, Vim Script",
        ".yy": "Yacc, JSON",
    }.items()
    for ending in endings.split()
}
"""Endings with several meanings, the likeliest first: the owner, where the ending has one."""

_SHARED_FILENAMES: Final = dict.fromkeys((".eslintrc", ".releaserc"), ("JSON", "YAML"))

_BY_NAME: Final = {
    name: language for language in LANGUAGES for name in (language.name.lower(), *language.aliases)
}
_Meaning: TypeAlias = tuple[Language | None, tuple[str, ...]]
_NOTHING: Final[_Meaning] = (None, ())


def _meanings(
    owners: Mapping[str, Language], shared: Mapping[str, tuple[str, ...]]
) -> dict[str, _Meaning]:
    """Join the owner of each ending or file name with all that it may mean."""
    meanings: dict[str, _Meaning] = {key: (owners.get(key), names) for key, names in shared.items()}
    for key, language in owners.items():
        meanings.setdefault(key, (language, (language.name,)))
    return meanings


_BY_FILENAME: Final = _meanings(
    {name: language for language in LANGUAGES for name in language.filenames}, _SHARED_FILENAMES
)
_BY_EXTENSION: Final = _meanings(
    {end: language for language in LANGUAGES for end in language.extensions}, SHARED
)
_LONGEST_EXTENSION: Final = max(map(len, _BY_EXTENSION))

# Variants such as Dockerfile.dev and Makefile.am say their language before the dot. They count
# only where the ending says nothing: Makefile.py is Python.
_BY_STEM: Final = {stem: _BY_FILENAME[stem] for stem in ("Dockerfile", "Makefile", "makefile")}

# On case-preserving systems .C and .H are C++ by convention; FOO.C is a C file from DOS days.
_CPP: Final[_Meaning] = (_BY_NAME["c++"], ("C++",))


def language_of_path(path: str) -> Language | None:
    """Return the language a file's name stands for, None where the name does not tell.

    A whole file name wins over its ending, a longer ending over a shorter one. Folders play no
    part, and a leading dot starts no ending. Any string is allowed.

    >>> language_of_path("web/src/index.d.ts").name
    'TypeScript'
    """
    return _look_up(path)[0]


def languages_of_path(path: str) -> tuple[str, ...]:
    """Return the names of all languages that a file's name may stand for, the likeliest first.

    One name is certain if `language_of_path` gives it too. Some names are foreign: of languages
    that the table does not know.

    >>> languages_of_path("include/vector.h")
    ('C', 'C++', 'Objective-C')
    """
    return _look_up(path)[1]


def _look_up(path: str) -> _Meaning:
    name = path[path.rfind("/") + 1 :]
    meaning = _BY_FILENAME.get(name)
    if meaning is not None:
        return meaning
    if name[-2:] in {".C", ".H"} and len(name) > 2 and not name.isupper():
        return _CPP
    # Cutting first bounds the work on absurdly long names; name[1:] keeps dot files out.
    tail = name[1:][-_LONGEST_EXTENSION:].lower()
    dot = tail.find(".")
    while dot != -1:
        meaning = _BY_EXTENSION.get(tail[dot:])
        if meaning is not None:
            return meaning
        dot = tail.find(".", dot + 1)
    return _BY_STEM.get(name.partition(".")[0], _NOTHING)


def find_language(name: str) -> Language | None:
    """Return the language of that name or alias in any case, None where it is unknown.

    >>> find_language("VimL").name
    'Vim Script'
    """
    return _BY_NAME.get(name.lower())
