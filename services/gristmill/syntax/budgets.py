"""How much of a file may be a syntax error: a table by language, and what it was measured on.

The table is `budgets.toml`; `gristmill syntax calibrate` writes it. A language that is not in it
has none, and the settings may allow more in all of them.
"""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Final

_FEW: Final = 20
_MOST_REJECTED: Final = 0.05
_MOST_ASIDE: Final = 0.2


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

    @property
    def is_fit(self) -> bool:
        """Return whether the grammar, with this budget, may judge."""
        num = self.sound + self.aside
        if num < _FEW:
            return 2 * self.rejected <= max(num, 2)
        return self.rejected <= _MOST_REJECTED * self.sound and self.aside <= _MOST_ASIDE * num


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
    """Sound files from which one bracket or semicolon was taken."""
    unnoticed: int
    """Those of them that pass."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table of budgets as it stands in a file."""

    version: int
    languages: Mapping[str, Measured]
    curve: Sequence[Point] = ()


def read_table(text: str) -> Table:
    """Return the table that a text in TOML holds."""
    found = tomllib.loads(text)
    return Table(
        version=found["version"],
        languages={name: Measured(**row) for name, row in found.get("languages", {}).items()},
        curve=tuple(Point(**point) for point in found.get("curve", ())),
    )


def table_text(table: Table) -> str:
    """Return the table in TOML."""
    lines = [
        "# Written by `gristmill syntax calibrate`: what of a file may lie under errors, and what",
        "# that was measured on.",
        f"version = {table.version}",
        "",
        "[languages]",
    ]
    lines += [f'"{name}" = {_inline(row)}' for name, row in sorted(table.languages.items())]
    for point in table.curve:
        lines += ["", "[[curve]]", *(f"{key} = {_value(value)}" for key, value in _fields(point))]
    return "\n".join(lines) + "\n"


def _inline(row: Measured) -> str:
    return f"{{ {', '.join(f'{key} = {_value(value)}' for key, value in _fields(row))} }}"


def _fields(row: Measured | Point) -> list[tuple[str, float | int | str]]:
    return [(name, getattr(row, name)) for name in row.__slots__]


def _value(value: float | str) -> str:
    return f'"{value}"' if isinstance(value, str) else f"{value:g}"


TABLE: Final = read_table(files(__package__).joinpath("budgets.toml").read_text("utf-8"))
VERSION: Final = TABLE.version
BUDGETS: Mapping[str, float] = {name: row.budget for name, row in TABLE.languages.items()}


def budget_for(language: str, least: float) -> float:
    """Return the share of bytes, 0 to 1, that may lie under errors in a file of the language."""
    return max(BUDGETS.get(language, 0.0), least)
