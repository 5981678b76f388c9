"""Other readings of a text in which a grammar finds errors, without what the grammar lacks.

A reading never adds to a program, the end of its last line apart; it leaves out or renames what is
well-formed beyond doubt where it stands.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from gristmill.syntax.markup import place_among_tags, without_tags
from gristmill.syntax.parse import Errors, errors_in

FLOW: Final = "Flow"
_FLOW_PRAGMA: Final = "@flow"
_PRAGMA_CHARS: Final = 2_000
# `import("./a.js").Name` as a type, which declaration files are full of.
_IMPORTED_TYPE: Final = re.compile(r"""\bimport\(\s*(?:"[^"\n]*"|'[^'\n]*')\s*\)(?=\s*[.\[])""")
# `interface Name<in A, out B>`: how a parameter may vary.
_VARIANCE: Final = re.compile(r"([<,]\s*)(?:in\s+out|in|out)\s+(?=[A-Za-z_$])")
# `#\ ` and `#\(` are characters; `for symbol being each external-symbol of` goes over a package.
_CHARACTER: Final = re.compile(r"#\\[^\w\n]")
_BEING: Final = re.compile(r"\bbeing\s++(?:each|the)\s++[\w-]++\s++(?:of|in)\b", re.IGNORECASE)
# `$(NAME:.c=.o)`, of which the grammar of Makefile knows `$(NAME:%.c=%.o)` alone.
_SUBSTITUTION: Final = re.compile(r"\$([({])([\w.-]++):[^(){}$\s:#=]*+=[^(){}$\s:#]*+([)}])")
# A message outside of rules, with brackets in it: `$(error no target (see README))`.
_MESSAGE: Final = re.compile(r"^ *+\$[({](?:error|info|warning) .*$", re.MULTILINE)
# `..\..\tools\run.exe`: the grammar of Batchfile takes a command for no path that begins so.
_FROM_HERE: Final = re.compile(r"(?<![\w\\.%~:])(?:\.{1,2}\\)++")


@dataclass(frozen=True, slots=True)
class Reading:
    """A text in place of another one, the grammar that judges it, and its dialect, if any."""

    grammar: str
    text: str
    dialect: str = ""


def best_reading(grammar: str, text: str, errors: Errors) -> tuple[Reading, Errors]:
    """Return the reading with the fewest errors, and them; the text has those given."""
    best = Reading(grammar, text)
    if not errors.num_bytes:
        return best, errors
    for reading in other_readings(grammar, text):
        found = errors_in(reading.grammar, reading.text.encode())
        if found.num_bytes < errors.num_bytes:
            best, errors = reading, found
    return best, errors


def place_in_text(text: str, reading: Reading, place: int) -> int:
    """Return where a character of a reading stands in the text: on that line, if not right there.

    A reading differs from its text within lines. Behind all that differs in a line, and before it,
    the place is exact.
    """
    if reading.grammar == "html" and reading.text != text:
        return place_among_tags(text, place)
    lines, others = text.split("\n"), reading.text.split("\n")
    if len(lines) != len(others):
        return min(place, len(text))
    row = reading.text.count("\n", 0, place)
    line, other = lines[row], others[row]
    column = place - reading.text.rfind("\n", 0, place) - 1
    pairs = enumerate(zip(line, other, strict=False))
    alike = next((at for at, (one, another) in pairs if one != another), len(line))
    if column > alike:
        column = max(alike, len(line) - (len(other) - column))
    return sum(len(one) + 1 for one in lines[:row]) + column


def other_readings(grammar: str, text: str) -> Iterator[Reading]:
    """Return the readings whose errors, if fewer, are those of the text."""
    if grammar in ("typescript", "tsx"):
        yield Reading(grammar, _VARIANCE.sub(r"\1", _IMPORTED_TYPE.sub("imported", text)))
    elif grammar == "javascript" and _FLOW_PRAGMA in text[:_PRAGMA_CHARS]:
        # JavaScript with types: those of Flow are nearly those of TypeScript.
        yield Reading("tsx", _VARIANCE.sub(r"\1", text), FLOW)
    elif grammar == "make":
        yield Reading(grammar, _MESSAGE.sub("", _SUBSTITUTION.sub(r"$\1\2\3", text)))
    elif grammar == "batch":
        yield Reading(grammar, _FROM_HERE.sub("", text))
    elif grammar == "commonlisp":
        # Its strings may be no format that the grammar knows.
        plain = _CHARACTER.sub(r"#\\a", text.replace("~", "-"))
        yield Reading(grammar, _BEING.sub("in", plain))
    elif grammar in ("gitattributes", "gitignore") and not text.endswith("\n"):
        yield Reading(grammar, f"{text}\n")
    elif grammar == "html":
        yield Reading(grammar, without_tags(text))
    elif grammar == "haskell":
        yield Reading(grammar, text.expandtabs())  # its layout counts by them, its grammar does not
