"""The language that a file names for editors: the modelines of Emacs and Vim."""

import re
from collections.abc import Mapping
from typing import Final

_LINES: Final = 5
"""Vim reads as many lines at either end; Emacs reads the first, and the second under a shebang."""
_CHARS: Final = 1_000

# The bounds keep the work linear in the text: no part can grow with it.
_EMACS: Final = re.compile(
    r"-\*-(?:[^\n]{0,200}?\bmode:)?[ \t]{0,8}([A-Za-z][\w+#./ -]{0,30}?)[ \t]{0,8}(?:;|-\*-)",
    re.IGNORECASE,
)
_VIM: Final = re.compile(
    r"\b(?:vim?|ex)(?:[<=>]?\d{1,4})?:[^\n]{0,200}?\b(?:ft|filetype|syn|syntax)=([A-Za-z][\w+#-]{0,30})"
)

# Modes whose name is not a name or alias of their language.
_LANGUAGES: Final[Mapping[str, str]] = {
    "bib": "BibTeX",
    "cc": "C++",
    "conf": "INI",
    "cs": "C#",
    "f90": "Fortran",
    "gas": "Assembly",
    "js2": "JavaScript",
    "lhaskell": "Literate Haskell",
    "ml": "OCaml",
    "nxml": "XML",
    "plain-tex": "TeX",
    "plaintex": "TeX",
    "ps1": "PowerShell",
    "tuareg": "OCaml",
    "typescriptreact": "TSX",
}


def name_of_modeline(content: str) -> str | None:
    """Return the name of a language or a mode called like one, None without a modeline.

    >>> name_of_modeline("// vim: set ts=4 ft=glsl :")
    'glsl'
    """
    head = "\n".join(content[:_CHARS].split("\n", _LINES)[:_LINES])
    tail = "\n".join(content[-_CHARS:].rsplit("\n", _LINES + 1)[-_LINES - 1 :])
    emacs = "\n".join(head.split("\n", 2)[:2])
    found = _EMACS.search(emacs) if "-*-" in emacs else None
    if found is None:
        for text in (head, tail):
            found = _VIM.search(text) if "=" in text else None
            if found is not None:
                break
    if found is None:
        return None
    name = found[1].lower().removesuffix("-mode").removesuffix("-ts")
    return _LANGUAGES.get(name, name)
