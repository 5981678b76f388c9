"""`gristmill run`: sources in, finished tables out."""

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from gristmill.cli.console import ERR, print_json
from gristmill.cli.selecting import (
    Archives,
    Exclude,
    GitHead,
    Include,
    Map,
    MetadataFile,
    columns_of,
    metadata_of,
    selection_of,
)

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
    git_head: GitHead = False,
    mapping: Map = None,
    metadata: MetadataFile = None,
    route: Annotated[
        str, typer.Option(metavar="default|paper", help="`paper` deduplicates before the gates.")
    ] = "default",
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object on stdout at the end.")
    ] = False,
) -> None:
    """Curate source code into Iceberg tables under DIR.

    SOURCE is a directory, a glob, a file, an archive (.zip, .tar with .gz, .xz, .zst or .bz2), a
    bare git repository (its HEAD), s3://bucket/prefix or https://host/file. Archives are read as
    streams and never unpacked to disk. Running the same command again goes on where it stopped; a
    source that has changed is judged anew and adds only what is new.

    Example: gristmill run ~/src 'dists/*.tar.gz' --out corpus

    Example: gristmill run mirrors/*.git --metadata repositories.jsonl --out corpus

    Example: gristmill run ~/src/kettle --git-head --out corpus

    Example: gristmill run s3://bucket/the-stack --map the-stack --out corpus

    Example: gristmill run texts.jsonl.zst --map content=text,path=name,repository=repo --out corpus
    """
    from gristmill.cli import local
    from gristmill.cli.progress import make_progress

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
        selection=selection_of(include, exclude, out, archives=archives),
        columns=columns_of(mapping),
        metadata=metadata_of(metadata),
        git_head=git_head,
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
    from gristmill.cli.kept_tokens import LEDGER_COLUMNS, tokens_in
    from gristmill.cli.reading import (
        COUNTED,
        accepted_ids,
        count,
        decisions,
        open_tables,
        table_facts,
    )

    tables = open_tables(out)
    ledger = decisions(tables, sorted({*COUNTED, *LEDGER_COLUMNS}), result.source_ids)
    taken = accepted_ids(tables)
    summary = count(ledger, route, taken)
    tokens = tokens_in(tables, ledger, route, taken)
    added = result.report.added
    if not as_json:
        print_funnel(summary, seconds, tokens)
        ERR.print(f"{added:,} documents are new in {out}")
        return
    facts = {name: table_facts(tables, name) for name in ("files", "ledger")}
    print_json(
        {
            "documents": summary.documents,
            "bytes": summary.size_bytes,
            "kept": summary.kept,
            "accepted": summary.accepted,
            "below_cut": summary.below_cut or 0,
            "dropped": summary.dropped,
            "dead": summary.dead,
            "quarantined": summary.quarantined,
            "absent_blobs": result.absent_blobs,
            "by_language": {
                name: {"documents": documents, "kept": kept}
                for name, (documents, kept) in summary.languages.items()
            },
            "tokens": tokens.as_json() if tokens else None,
            "seconds": round(seconds, 3),
            "new": added,
            "tables": {
                name: {"rows": fact["rows"], "snapshot": fact["snapshot"]}
                for name, fact in facts.items()
            },
        }
    )
