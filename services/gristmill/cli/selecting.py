"""The options that say which files of a source are wanted: the same for `run` and `feed`."""

from typing import Annotated

import typer

Include = Annotated[
    list[str] | None,
    typer.Option(metavar="PATTERN", help="Only paths like this (as in a .gitignore)."),
]
Exclude = Annotated[list[str] | None, typer.Option(metavar="PATTERN", help="No paths like this.")]
Archives = Annotated[
    bool, typer.Option("--archives/--no-archives", help="Open archives found in directories.")
]
