"""Which grammar judges a language, where it comes from, and why some languages have none.

Grammars come inside packages, pinned and hash-locked: nothing is fetched at run time. Most are in
one pack. A wheel of its own stands where it knows its language better, or where the pack has none.
"""

import importlib
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from tree_sitter import Language as Grammar
from tree_sitter import Parser
from tree_sitter_language_pack import get_parser

from gristmill.runtime.model.languages import Language
from gristmill.syntax.budgets import TABLE


@dataclass(frozen=True, slots=True)
class Package:
    """Where a grammar comes from; the same version stands in the requirements."""

    distribution: str
    version: str
    module: str = ""
    """Empty for the pack, which knows its grammars by name."""
    function: str = "language"


TREE_SITTER: Final = "tree-sitter:"
"""Before the name of a grammar, where the ledger says who judged."""

PACK: Final = Package("tree-sitter-language-pack", "0.13.0")

WHEELS: Final[Mapping[str, Package]] = {
    "batch": Package("tree-sitter-batch", "0.11.1", "tree_sitter_batch"),
    "bsv": Package("tree-sitter-bsv", "0.1.1", "tree_sitter_bsv"),
    "fsharp": Package("tree-sitter-fsharp", "0.3.12", "tree_sitter_fsharp"),
    "fsharp_signature": Package(
        "tree-sitter-fsharp", "0.3.12", "tree_sitter_fsharp", "language_signature"
    ),
    "glsl": Package("tree-sitter-glsl-spec", "1.0.0", "tree_sitter_glsl_spec"),
    "groovy": Package("dekobon-tree-sitter-groovy", "0.3.0", "dekobon_tree_sitter_groovy"),
    "perl": Package("tree-sitter-perl", "2.0.3", "tree_sitter_perl"),
    "php": Package("tree-sitter-php", "0.25.1", "tree_sitter_php", "language_php"),
    "powershell": Package("tree-sitter-pwsh", "0.38.1", "tree_sitter_pwsh"),
    "scala": Package("tree-sitter-scala", "0.26.3", "tree_sitter_scala"),
    "swift": Package("tree-sitter-swift", "0.7.4", "tree_sitter_swift"),
    "systemverilog": Package("tree-sitter-systemverilog", "0.4.1", "tree_sitter_systemverilog"),
}
"""By the name of the grammar; what is not here comes from the pack."""

_GRAMMARS: Final[Mapping[str, str]] = {
    "Batchfile": "batch",
    "Bluespec": "bsv",
    "Java Server Pages": "embeddedtemplate",
    "Literate Agda": "agda",
    "Literate Haskell": "haskell",
    "OpenCL": "c",
    "SystemVerilog": "systemverilog",
    "Verilog": "systemverilog",
}
"""Languages that have another grammar here than in the table of languages, or one only here."""

_NONE_ON_OFFER: Final = "no wheel for Python 3.11 has a grammar of it"
_ANYTHING_GOES: Final = "any text is well-formed in it"

UNCHECKED: Final[Mapping[str, str]] = {
    "COBOL": "its grammar never returns on some short texts",
    "CSV": _ANYTHING_GOES,
    "Haxe": "the grammar on offer finds errors in 4 of 31 sound files",
    "JSON5": "the one package with a grammar of it comes as source alone, which takes a compiler",
    "Less": "the grammar on offer finds errors in three of five sound files, in selectors that "
    "start with `>` and in variables among others",
    "Literate CoffeeScript": "CoffeeScript has no grammar",
    "Markdown": _ANYTHING_GOES,
    "Org": _ANYTHING_GOES,
    "RMarkdown": _ANYTHING_GOES,
    "SAS": "the grammar on offer finds errors in a quarter of sound files, in macros above all",
    "Smalltalk": "the grammar on offer reads one export format only",
    "SQL": "its dialects differ too much: the two best grammars together find errors in more than "
    "a quarter of the sound files",
    "TSV": _ANYTHING_GOES,
    "TeX": "macros change what is well-formed",
    "Visual Basic": "the grammar on offer reads VB.NET only and nearly no file of VB6 and VBA",
    "Zsh": "the grammar of Bash finds errors in 17 of 24 sound files",
    "reStructuredText": _ANYTHING_GOES,
}
"""Languages whose files pass unchecked, by name, with the reason."""


def candidate_of(language: Language) -> str | None:
    """Return the name of the best grammar of a language, whether or not it is good enough."""
    if language.name in UNCHECKED:
        return None
    return _GRAMMARS.get(language.name, language.grammar)


def grammar_of(language: Language) -> str | None:
    """Return the name of the grammar that judges a language, None where it is not checked."""
    measured = TABLE.languages.get(language.name)
    if measured is not None and not measured.is_fit:
        return None
    return candidate_of(language)


def checker_of(language: Language) -> str:
    """Return what the ledger calls the grammar of a language; empty where it is not checked."""
    grammar = grammar_of(language)
    return "" if grammar is None else f"{TREE_SITTER}{grammar}"


def why_unchecked(language: Language) -> str:
    """Return why a language has no grammar."""
    measured = TABLE.languages.get(language.name)
    if measured is None or candidate_of(language) is None:
        return UNCHECKED.get(language.name, _NONE_ON_OFFER)
    wrong, num = measured.rejected + measured.aside, measured.sound + measured.aside
    return f"the best grammar takes {wrong} of {num} trusted files for broken"


def package_of(grammar: str) -> Package:
    """Return where a grammar comes from."""
    return WHEELS.get(grammar, PACK)


def load_parser(grammar: str) -> Parser:
    """Return a new parser of a grammar, by the grammar's name."""
    package = WHEELS.get(grammar)
    if package is None:
        parser: Parser = get_parser(grammar)  # type: ignore[arg-type]  # its names are a Literal
        return parser
    make = getattr(importlib.import_module(package.module), package.function)
    with warnings.catch_warnings():
        # Older wheels give the address of their grammar as a number.
        warnings.simplefilter("ignore", DeprecationWarning)
        return Parser(Grammar(make()))
