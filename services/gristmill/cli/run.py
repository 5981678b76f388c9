"""`gristmill run`: sources in, finished tables out."""

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from gristmill.cli.console import ERR, print_json
from gristmill.cli.selecting import Archives, Exclude, Include

if TYPE_CHECKING:
    from gristmill.cli.local import RunResult


def command(
    sources: Annotated[list[str], typer.Argument(metavar="SOURCE…", help="What to read.")],
    out: Annotated[str, typer.Option("--out", metavar="DIR", help="Where the tables go.")],
    workers: Annotated[
        int | None, typer.Option(min=1, max=1024, help="Worker processes; default: one a core.")
    ] = None,
    config: Annotated[
        str | None, typer.Option(metavar="FILE", help="Settings as TOML; see `config show`.")
    ] = None,
    include: Include = None,
    exclude: Exclude = None,
    limit: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Stop after N documents in all.")
    ] = None,
    archives: Archives = True,
    route: Annotated[
        str, typer.Option(metavar="default|paper", help="`paper` deduplicates before the gates.")
    ] = "default",
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object on stdout at the end.")
    ] = False,
) -> None:
    """Curate source code into Iceberg tables under DIR.

    SOURCE is a directory, a glob, a file or an archive (.zip, .tar with .gz, .xz, .zst or .bz2).
    Archives are read as streams and never unpacked to disk. Running the same command again goes on
    where it stopped; a source that has changed is judged anew and adds only what is new.

    Example: gristmill run ~/src 'dists/*.tar.gz' --out corpus
    """
    from gristmill.cli import local
    from gristmill.cli.progress import make_progress
    from gristmill.runtime.adapters.listing import Selection

    if route not in {"default", "paper"}:
        raise typer.BadParameter("default or paper", param_hint="--route")
    began = time.monotonic()
    request = local.RunRequest(
        sources=tuple(sources),
        out=out,
        config=config,
        workers=workers,
        limit=limit,
        paper_route=route == "paper",
        selection=Selection(
            include=tuple(include or ()),
            exclude=tuple(exclude or ()),
            open_archives=archives,
            skip=local.out_of_sight(out),
        ),
    )
    plan = local.plan_run(request)
    result = local.run(request, plan, make_progress())
    _tell(out, (*plan.route, local.SINK), result, time.monotonic() - began, as_json=as_json)
    if result.report.interrupted:
        ERR.print("interrupted: run the same command again to go on")
        raise typer.Exit(130)


def _tell(
    out: str, route: Sequence[str], result: "RunResult", seconds: float, *, as_json: bool
) -> None:
    """Say what the ledger holds of the run's sources, and what this run added."""
    from gristmill.cli.funnel import print_funnel
    from gristmill.cli.reading import open_tables, summarize, table_facts

    tables = open_tables(out)
    summary = summarize(tables, route, result.source_ids)
    added = result.report.added
    if not as_json:
        print_funnel(summary, seconds)
        ERR.print(f"{added:,} documents are new in {out}")
        return
    facts = {name: table_facts(tables, name) for name in ("files", "ledger")}
    print_json(
        {
            "documents": summary.documents,
            "bytes": summary.size_bytes,
            "kept": summary.kept,
            "accepted": summary.kept,  # until there is a scorer and a cut
            "dropped": summary.dropped,
            "dead": summary.dead,
            "quarantined": summary.quarantined,
            "by_language": {
                name: {"documents": documents, "kept": kept}
                for name, (documents, kept) in summary.languages.items()
            },
            "seconds": round(seconds, 3),
            "new": added,
            "tables": {
                name: {"rows": fact["rows"], "snapshot": fact["snapshot"]}
                for name, fact in facts.items()
            },
        }
    )
