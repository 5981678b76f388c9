"""The options that say what a source is read as: the same for `run` and `feed`."""

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from gristmill.runtime.adapters.listing import Selection
    from gristmill.runtime.adapters.metadata import Metadata
    from gristmill.runtime.adapters.table_columns import Columns

Include = Annotated[
    list[str] | None,
    typer.Option(metavar="PATTERN", help="Only paths like this (as in a .gitignore)."),
]
Exclude = Annotated[list[str] | None, typer.Option(metavar="PATTERN", help="No paths like this.")]
Archives = Annotated[
    bool, typer.Option("--archives/--no-archives", help="Open archives found in directories.")
]
GitHead = Annotated[
    bool,
    typer.Option(
        "--git-head", help="Read the commit at HEAD of directories that are git work trees."
    ),
]
Map = Annotated[
    list[str] | None,
    typer.Option(
        "--map",
        metavar="KEY=COLUMN,…",
        help="Read Parquet and JSON lines row by row; keys: content, path, repository, revision, "
        "licence, url. `the-stack` names The Stack's columns.",
    ),
]
MetadataFile = Annotated[
    str | None,
    typer.Option(
        "--metadata", metavar="FILE", help="What is known of repositories, as JSON lines."
    ),
]


def selection_of(
    include: list[str] | None, exclude: list[str] | None, out: str, *, archives: bool
) -> "Selection":
    """Return which files are wanted; none of those under `out`, where the command itself writes."""
    from gristmill.cli.local import out_of_sight
    from gristmill.runtime.adapters.listing import Selection

    return Selection(
        include=tuple(include or ()),
        exclude=tuple(exclude or ()),
        open_archives=archives,
        skip=out_of_sight(out),
    )


def columns_of(mapping: list[str] | None) -> "Columns | None":
    """Return the columns that `--map` names."""
    from gristmill.runtime.adapters.table_columns import parse_mapping

    return parse_mapping(mapping or ())


def metadata_of(path: str | None) -> "Metadata | None":
    """Return what `--metadata` holds."""
    from gristmill.runtime.adapters.metadata import load_metadata

    return load_metadata(path) if path else None
