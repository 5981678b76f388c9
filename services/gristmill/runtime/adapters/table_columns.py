"""Tables as sources: which files are tables, and which of their columns hold what.

A mapping names the columns: `content=text,path=file_name`, or a preset.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields

from gristmill.runtime.model import BadInput

PARQUET_SUFFIX = b".parquet"
_LINES_SUFFIXES = (b".jsonl", b".ndjson")
_COMPRESSIONS = (b"", b".gz", b".zst")

PRESETS: Mapping[str, Mapping[str, str]] = {
    "the-stack": {
        "content": "content",
        "path": "max_stars_repo_path",
        "repository": "max_stars_repo_name",
        "revision": "max_stars_repo_head_hexsha",
        "licence": "max_stars_repo_licenses",
    },
}
"""Columns of public data sets, by the name that stands for them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """The columns that hold a document's content and what is known of it; empty: there is none."""

    content: str
    path: str = ""
    repository: str = ""
    revision: str = ""
    licence: str = ""
    url: str = ""

    def named(self) -> dict[str, str]:
        """Return the columns that are there, by what they hold."""
        pairs = ((field.name, getattr(self, field.name)) for field in fields(self))
        return {name: column for name, column in pairs if column}

    def check(self, present: Iterable[str], table: str) -> None:
        """Raise BadInput if a column is not among those of the table."""
        if lacking := self.lacking(present, table):
            raise BadInput(lacking)

    def lacking(self, present: Iterable[str], table: str) -> str:
        """Return a sentence on the columns that are not among those of the table, if there are."""
        there = list(present)
        missing = sorted(set(self.named().values()) - set(there))
        if not missing:
            return ""
        return f"{table} has no column {' or '.join(missing)}; it has {', '.join(there[:50])}"


def parse_mapping(parts: Iterable[str]) -> Columns | None:
    """Return the columns that `--map` names, each part a preset or `key=column`, by commas.

    Later parts win over earlier ones. Raises BadInput for what is neither.

    >>> parse_mapping(["content=text,path=name"]).named()
    {'content': 'text', 'path': 'name'}
    """
    keys = [field.name for field in fields(Columns)]
    given: dict[str, str] = {}
    words = [word.strip() for part in parts for word in part.split(",")]
    for word in filter(None, words):
        key, equals, column = word.partition("=")
        if not equals and key in PRESETS:
            given.update(PRESETS[key])
        elif equals and key.strip() in keys and column.strip():
            given[key.strip()] = column.strip()
        else:
            raise BadInput(
                f"--map {word!r} is neither key=column, with a key of {', '.join(keys)}, "
                f"nor one of {', '.join(PRESETS)}"
            )
    if given and "content" not in given:
        raise BadInput("--map has to say which column holds the content, as content=text")
    return Columns(**given) if given else None


def is_table(name: bytes) -> bool:
    """Tell by its name whether a file is a table that can be mapped."""
    lowered = name.lower()
    return lowered.endswith(PARQUET_SUFFIX) or is_json_lines(lowered)


def is_json_lines(name: bytes) -> bool:
    """Tell by its name whether a file holds JSON objects, one a line."""
    lowered = name.lower()
    return any(lowered.endswith(s + c) for s in _LINES_SUFFIXES for c in _COMPRESSIONS)
