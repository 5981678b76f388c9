"""`gristmill report`: a directory as one page for people."""

from typing import Annotated

import typer

from gristmill.cli.console import ERR, human_bytes, print_json, safe


def command(
    directory: Annotated[str, typer.Argument(metavar="DIR", help="The output of a run.")],
    out: Annotated[
        str, typer.Option("--out", "-o", metavar="FILE", help="The page; replaced if it is there.")
    ] = "report.html",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Write what a directory holds as one HTML page that needs no network.

    It shows the funnel as a flow, languages, scores with the cut, clusters of near-duplicates with
    pairs side by side, samples for each reason, time per stage, settings and versions. Texts of
    dropped documents are read again from their sources, tokens are estimated from a sample of the
    kept ones. DIR is only read, also while workers write.

    Example: gristmill report corpus -o report.html
    """
    from gristmill.cli.report.contents import read_report
    from gristmill.cli.report.page import write_report

    report = read_report(directory)
    size_bytes = write_report(report, out)
    if as_json:
        print_json(
            {
                "report": out,
                "bytes": size_bytes,
                "documents": report.summary.documents,
                "kept": report.summary.kept,
                "tokens": report.tokens.as_json() if report.tokens else None,
                "pairs": sum(pair.compared is not None for pair in report.duplicates.pairs),
                "samples": sum(len(group.samples) for group in report.groups),
            }
        )
        return
    ERR.print(f"{safe(out)}: {human_bytes(size_bytes)}; open it in a browser", markup=False)
