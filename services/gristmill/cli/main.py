"""`gristmill …`: the commands, how they end, and nothing of what they do.

Exit codes: 0 done, 1 a failure of ours, 2 bad usage or input, 130 interrupted.
"""

import io
import sys
from typing import Annotated

import typer

from gristmill import __version__
from gristmill.cli import (
    config,
    dead,
    dedup,
    diff,
    drops,
    export,
    feed,
    measure,
    ping,
    plan,
    quality,
    run,
    serve,
    status,
    submit,
    syntax,
    tables,
    topics,
    upgrade,
    why,
)
from gristmill.cli.report import command as report
from gristmill.runtime.model import GristmillError

app = typer.Typer(
    name="gristmill",
    help=(
        "Turn crawled code into the training corpora of a code LLM, every decision on record.\n\n"
        "Example: gristmill run ~/src --out corpus"
    ),
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode="rich",
)
app.command("run")(run.command)
app.command("serve")(serve.command)
app.command("feed")(feed.command)
app.command("submit")(submit.command)
app.command("status")(status.command)
app.command("ping")(ping.command)
app.command("export")(export.command)
app.command("why")(why.command)
app.command("tables")(tables.command)
app.command("drops")(drops.command)
app.command("diff")(diff.command)
app.command("report")(report.command)
app.command("upgrade")(upgrade.command)
app.add_typer(config.app, name="config")
app.add_typer(measure.app, name="measure")
app.add_typer(dedup.app, name="dedup")
app.add_typer(plan.app, name="plan")
app.add_typer(syntax.app, name="syntax")
app.add_typer(quality.app, name="quality")
app.add_typer(dead.app, name="dead")
app.add_typer(topics.app, name="topics")


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"gristmill {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show it.")
    ] = False,
) -> None:
    del version


def main() -> None:
    """Run the command line and leave with its exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal without our signs gets them escaped
            stream.reconfigure(errors="backslashreplace")
    try:
        app()  # typer leaves with 2 for bad usage and with 130 when interrupted
    except GristmillError as error:
        typer.echo(f"gristmill: {error}", err=True)
        sys.exit(error.exit_code)
    except OSError as error:
        typer.echo(f"gristmill: {error.filename or 'system'}: {error.strerror or error}", err=True)
        sys.exit(2 if isinstance(error, PermissionError | FileNotFoundError) else 1)


if __name__ == "__main__":
    main()
