"""`gristmill export`: kept documents as files that other tools read."""

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from gristmill.cli.console import ERR, print_json, safe

if TYPE_CHECKING:
    from gristmill.cli.exporting import Done


class Format(StrEnum):
    """What is written."""

    PARQUET = "parquet"
    JSONL_ZST = "jsonl.zst"


def command(
    directory: Annotated[str, typer.Argument(metavar="DIR", help="The output of a run.")],
    out: Annotated[str, typer.Option(metavar="PATH", help="A directory to make.")],
    format_: Annotated[Format, typer.Option("--format", help="Of the files.")] = Format.PARQUET,
    only_accepted: Annotated[
        bool, typer.Option("--accepted", help="Only what the cut accepts; else all that is kept.")
    ] = False,
    cut: Annotated[
        str | None, typer.Option(metavar="NAME", help="Which cut; default: the newest.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Write the kept files as Parquet or as compressed JSON lines.

    PATH becomes a directory with part-00000 and so on, of some 256 MiB of text each; it appears
    when all is written. `datasets.load_dataset("parquet", data_files="PATH/*")` reads it, and
    "json" the other format; its first rows are some that show the type of every column. The score
    and what it is made of are columns.

    Example: gristmill export corpus --accepted --out accepted
    """
    from rich.progress import Progress

    from gristmill.cli.exporting import export
    from gristmill.cli.reading import open_tables
    from gristmill.runtime.adapters.cuts import find_cut
    from gristmill.runtime.model import BadInput

    if cut is not None and not only_accepted:
        raise BadInput("--cut says which cut: it goes with --accepted")
    tables = open_tables(directory)
    chosen = find_cut(tables, cut) if only_accepted else None
    with Progress(console=ERR, disable=not ERR.is_terminal) as progress:
        task = progress.add_task("documents", total=tables.num_rows("files"))
        done = export(
            tables, chosen, out, format_.value, lambda count: progress.advance(task, count)
        )
    _tell(done, format_, as_json=as_json)


def _tell(done: "Done", format_: Format, *, as_json: bool) -> None:
    if as_json:
        print_json(done.as_json())
        return
    taken = f" that {safe(done.cut)} accepts" if done.cut else ""
    counts = f"{done.written:,} of {done.kept:,} kept documents{taken}, in {done.parts} files"
    ERR.print(f"{safe(done.path)}: {counts}", markup=False)
    if not done.written:
        columns = "has the columns" if format_ is Format.PARQUET else "has not even columns"
        ERR.print(f"no document is in it: part-00000 {columns}, and `load_dataset` refuses that")
