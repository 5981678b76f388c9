"""Which files of a source are wanted, and what the names of files say of how to read them."""

from dataclasses import dataclass

import pathspec

from gristmill.runtime.adapters.archives import is_archive
from gristmill.runtime.adapters.files import text_path
from gristmill.runtime.adapters.items import OPENED, UNLISTED, Item
from gristmill.runtime.adapters.table_columns import is_table
from gristmill.runtime.model import BadInput


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which files of a source are wanted.

    `include` and `exclude` are patterns as in a `.gitignore`, matched on paths relative to the
    source's root (inside an archive: on member names, in a table: on the rows' paths).
    `open_archives` turns archives found in a directory into their members; an archive that is
    named itself is always opened.
    """

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    open_archives: bool = True
    skip: tuple[bytes, ...] = ()


class Patterns:
    """Whether a path is wanted, by include and exclude patterns."""

    def __init__(self, selection: Selection) -> None:
        """Compile the patterns. Raises BadInput for what is no pattern."""
        self._include = _compiled(selection.include)
        self._exclude = _compiled(selection.exclude)

    def __call__(self, path: str) -> bool:
        """Tell of a file, a member or a row."""
        is_included = self._include is None or self._include.match_file(path)
        return is_included and not self._is_excluded(path)

    def wants(self, item: Item) -> bool:
        """Tell of an item; one that stands for many files can be excluded whole, not included.

        Nothing hides that a source could not be listed to its end.
        """
        path = text_path(item.path)
        if item.type in UNLISTED:
            return path == "." or not self._is_excluded(f"{path}/")
        return not self._is_excluded(path) if item.type in OPENED else self(path)

    def _is_excluded(self, path: str) -> bool:
        return self._exclude is not None and self._exclude.match_file(path)


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """What is opened and read as many documents, by its name."""

    archives: bool
    tables: bool

    def type_of(self, name: bytes) -> str:
        """Return the type of an item that is a regular file: `archive`, `table` or `file`."""
        if self.archives and is_archive(name):
            return "archive"
        return "table" if self.tables and is_table(name) else "file"


def _compiled(patterns: tuple[str, ...]) -> "pathspec.GitIgnoreSpec | None":
    try:
        return pathspec.GitIgnoreSpec.from_lines(patterns) if patterns else None
    except ValueError as error:
        raise BadInput(f"not a pattern as in a .gitignore: {error}") from error
