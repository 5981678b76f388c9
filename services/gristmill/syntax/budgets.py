"""How much of a file may be a syntax error: a table by language, and what it was measured on.

The table is `budgets.toml`; `gristmill syntax calibrate` writes it. A language that is not in it
has none, and the settings may allow more in all of them.
"""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Final

MOST_REJECTED: Final = 0.05
"""The share of sound files above which a grammar may not judge, however few were seen: so of less
than twenty none. What is rarely met gains little by a check and loses whole files by a bad one."""
MOST_ASIDE: Final = 0.2
"""The same for files that are mostly errors, of all that were seen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A language's budget and the files that it was measured on."""

    budget: float
    """Share of a file's bytes, 0 to 1, that may lie under errors."""
    sound: int = 0
    """Files known or trusted to be well-formed."""
    rejected: int = 0
    """Those of them that the budget rejects."""
    broken: int = 0
    """Files known not to be well-formed."""
    missed: int = 0
    """Those of them that pass."""
    aside: int = 0
    """Files that are mostly errors: in another language, in all likelihood, and not counted."""
    damaged: int = 0
    """Sound files from which one bracket or semicolon was taken."""
    unnoticed: int = 0
    """Those of them that pass."""

    @property
    def is_fit(self) -> bool:
        """Return whether the grammar, with this budget, may judge."""
        is_foreign = self.aside > MOST_ASIDE * (self.sound + self.aside)
        return not is_foreign and self.rejected <= MOST_REJECTED * self.sound


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A directory that budgets were measured on."""

    name: str
    files: int
    """Those that counted."""
    bytes: int
    digest: str
    """SHA-256 over those of the files, in order: the same files give the same one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """What another budget would do in a language."""

    language: str
    budget: float
    sound: int
    rejected: int
    broken: int
    missed: int
    damaged: int
    unnoticed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table of budgets as it stands in a file."""

    version: int
    languages: Mapping[str, Measured]
    curve: Sequence[Point] = ()
    rules: int = 0
    """The version of the rules by which errors were counted."""
    most: int = 0
    """Trusted files of one language that were taken from one source, at most."""
    sources: Sequence[Source] = ()


def read_table(text: str) -> Table:
    """Return the table that a text in TOML holds."""
    found = tomllib.loads(text)
    return Table(
        version=found["version"],
        languages={name: Measured(**row) for name, row in found.get("languages", {}).items()},
        curve=tuple(Point(**point) for point in found.get("curve", ())),
        rules=found.get("rules", 0),
        most=found.get("most", 0),
        sources=tuple(Source(**source) for source in found.get("sources", ())),
    )


def table_text(table: Table) -> str:
    """Return the table in TOML."""
    lines = [
        "# Written by `gristmill syntax calibrate`: what of a file may lie under errors, and what",
        "# that was measured on. `make budgets LABELLED=DIR` repeats it.",
        f"version = {table.version}",
        f"rules = {table.rules}",
        f"most = {table.most}",
    ]
    for source in table.sources:
        lines += ["", "[[sources]]", *_lines(source)]
    lines += ["", "[languages]"]
    lines += [f'"{name}" = {_inline(row)}' for name, row in sorted(table.languages.items())]
    for point in table.curve:
        lines += ["", "[[curve]]", *_lines(point)]
    return "\n".join(lines) + "\n"


def _lines(row: Point | Source) -> list[str]:
    return [f"{key} = {_value(value)}" for key, value in _fields(row)]


def _inline(row: Measured) -> str:
    return f"{{ {', '.join(f'{key} = {_value(value)}' for key, value in _fields(row))} }}"


def _fields(row: Measured | Point | Source) -> list[tuple[str, float | int | str]]:
    return [(name, getattr(row, name)) for name in row.__slots__]


def _value(value: float | str) -> str:
    if isinstance(value, str):
        return f'"{value}"'
    return str(value) if isinstance(value, int) else f"{value:g}"


TABLE: Final = read_table(files(__package__).joinpath("budgets.toml").read_text("utf-8"))
VERSION: Final = TABLE.version
BUDGETS: Mapping[str, float] = {name: row.budget for name, row in TABLE.languages.items()}


def budget_for(language: str, least: float) -> float:
    """Return the share of bytes, 0 to 1, that may lie under errors in a file of the language."""
    return max(BUDGETS.get(language, 0.0), least)
