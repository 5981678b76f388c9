"""Settings from a TOML file and the environment, checked once, with where each value came from.

A section a service: `[ingestion]` in the file, `GRISTMILL_INGESTION_…` in the environment, which
wins. Every unknown name is an error: a misspelt setting never passes in silence.
"""

import ast
import inspect
import os
import textwrap
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from itertools import pairwise
from typing import Any

from pydantic import TypeAdapter, ValidationError

from gristmill.runtime.model import BadInput

PREFIX = "GRISTMILL_"


@dataclass(frozen=True, slots=True)
class Setting:
    """One effective setting, for people: its value, where it came from and what it means."""

    section: str
    name: str
    value: object
    default: object
    origin: str
    explanation: str

    @property
    def variable(self) -> str:
        """The environment variable that sets it."""
        return f"{PREFIX}{self.section}_{self.name}".upper()


# Any: sections are dataclasses of the services' own; whoever asks for one knows its type.
Sections = Mapping[str, type]


@dataclass(frozen=True, slots=True)
class Settings:
    """The effective settings: one checked dataclass a section, and the list for people."""

    sections: Mapping[str, Any]
    listed: tuple[Setting, ...]


def load_settings(
    sections: Sections, file: str | None = None, environment: Mapping[str, str] = os.environ
) -> Settings:
    """Read, merge and check. Raises BadInput naming the file or variable that is wrong."""
    given = _from_file(file, sections) if file else {}
    given |= _from_environment(environment, sections)
    values: dict[str, Any] = {}
    listed: list[Setting] = []
    for section, kind in sections.items():
        values[section] = _checked(section, kind, given)
        explanations = field_docs(kind)
        for field in fields(kind):
            _, origin = given.get((section, field.name), (None, "default"))
            value = getattr(values[section], field.name)
            text = explanations.get(field.name, "")
            listed.append(Setting(section, field.name, value, field.default, origin, text))
    return Settings(values, tuple(listed))


_Given = dict[tuple[str, str], tuple[object, str]]  # (section, name) -> (value, origin)


def _from_file(file: str, sections: Sections) -> _Given:
    try:
        with open(file, "rb") as stream:
            content = tomllib.load(stream)
    except OSError as error:
        raise BadInput(f"cannot read {file}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadInput(f"{file} is not valid TOML: {error}") from error
    given: _Given = {}
    for section, values in content.items():
        if section not in sections or not isinstance(values, dict):
            known = ", ".join(sections)
            raise BadInput(f"{file}: unknown section [{section}]; there are {known}")
        names = {field.name for field in fields(sections[section])}
        for name, value in values.items():
            if name not in names:
                raise BadInput(f"{file}: [{section}] has no setting {name!r}")
            given[section, name] = (value, file)
    return given


def _from_environment(environment: Mapping[str, str], sections: Sections) -> _Given:
    known = {
        f"{PREFIX}{section}_{field.name}".upper(): (section, field.name)
        for section, kind in sections.items()
        for field in fields(kind)
    }
    given: _Given = {}
    for variable, value in environment.items():
        if variable.startswith(PREFIX):
            if variable not in known:
                raise BadInput(f"there is no setting behind the environment variable {variable}")
            given[known[variable]] = (value, variable)
    return given


def _checked(section: str, kind: type, given: _Given) -> object:
    values = {name: value for (where, name), (value, _) in given.items() if where == section}
    try:
        checked: object = TypeAdapter(kind).validate_python(values)
    except ValidationError as error:
        first = error.errors()[0]
        # No field is named where the section's own check refused, no origin where one is missing.
        name = str(first["loc"][0]) if first["loc"] else ""
        _, origin = given.get((section, name), (None, "settings"))
        where = f"{section}.{name}" if name else section
        raise BadInput(f"{origin}: {where}: {first['msg'].lower()}") from error
    for name, value in values.items():
        origin, taken = given[section, name][1], getattr(checked, name)
        if isinstance(value, bool) and not isinstance(taken, bool):  # pydantic takes true for 1
            raise BadInput(f"{origin}: {section}.{name}: true and false are not values of it")
        if isinstance(taken, int | float) and not taken >= 0:  # negative, or not a number
            raise BadInput(f"{origin}: {section}.{name} is negative or not a number")
    return checked


def field_docs(kind: type) -> dict[str, str]:
    """Return the docstring under each field of a dataclass, on one line."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(kind)))
    body = tree.body[0].body if isinstance(tree.body[0], ast.ClassDef) else []
    docs: dict[str, str] = {}
    for field, text in pairwise(body):
        if (
            isinstance(field, ast.AnnAssign)
            and isinstance(field.target, ast.Name)
            and isinstance(text, ast.Expr)
            and isinstance(text.value, ast.Constant)
        ):
            docs[field.target.id] = " ".join(str(text.value.value).split())
    return docs
