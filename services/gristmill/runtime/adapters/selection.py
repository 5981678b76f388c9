"""Which files of a source are wanted, and what the names of files say of how to read them."""

from dataclasses import dataclass

import pathspec

from gristmill.runtime.adapters.archives import is_archive
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

    def __call__(self, path: str, *, opened: bool = False) -> bool:
        """Tell; what is opened can be excluded whole, what it holds is included."""
        if not opened and self._include is not None and not self._include.match_file(path):
            return False
        return self._exclude is None or not self._exclude.match_file(path)


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
