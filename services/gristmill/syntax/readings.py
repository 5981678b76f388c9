"""Other readings of a text in which a grammar finds errors, without what the grammar lacks.

A reading never adds to a program; it leaves out what is well-formed beyond doubt where it stands.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

FLOW: Final = "Flow"
_FLOW_PRAGMA: Final = "@flow"
_PRAGMA_CHARS: Final = 2_000
# `import("./a.js").Name` as a type, which declaration files are full of.
_IMPORTED_TYPE: Final = re.compile(r"""\bimport\(\s*(?:"[^"\n]*"|'[^'\n]*')\s*\)(?=\s*[.\[])""")
# `interface Name<in A, out B>`: how a parameter may vary.
_VARIANCE: Final = re.compile(r"([<,]\s*)(?:in\s+out|in|out)\s+(?=[A-Za-z_$])")


@dataclass(frozen=True, slots=True)
class Reading:
    """A text in place of another one, the grammar that judges it, and its dialect, if any."""

    grammar: str
    text: str
    dialect: str = ""


def other_readings(grammar: str, text: str) -> Iterator[Reading]:
    """Return the readings whose errors, if fewer, are those of the text."""
    if grammar in ("typescript", "tsx"):
        yield Reading(grammar, _VARIANCE.sub(r"\1", _IMPORTED_TYPE.sub("imported", text)))
    elif grammar == "javascript" and _FLOW_PRAGMA in text[:_PRAGMA_CHARS]:
        # JavaScript with types: those of Flow are nearly those of TypeScript.
        yield Reading("tsx", _VARIANCE.sub(r"\1", text), FLOW)
    elif grammar == "haskell":
        yield Reading(grammar, text.expandtabs())  # its layout counts by them, its grammar does not
