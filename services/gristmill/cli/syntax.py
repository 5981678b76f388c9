"""`gristmill syntax`: what the syntax check says, and what it is measured on."""

from typing import Annotated

import typer

from gristmill.cli.console import ERR, print_json

app = typer.Typer(
    help="Look into the syntax check.\n\nExample: gristmill syntax check src/area.py",
    no_args_is_help=True,
)


@app.callback()
def _group() -> None:
    """Look into the syntax check."""


@app.command("check")
def check(
    files: Annotated[list[str], typer.Argument(metavar="FILE…", help="The files to check.")],
    language: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="The language of them all; default: found out for each."),
    ] = None,
    config: Annotated[
        str | None, typer.Option(metavar="FILE", help="Settings as TOML, as given to `run`.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object for each file.")
    ] = False,
) -> None:
    """Show what the syntax stage finds in files: language, errors, who checked, features.

    A file is `ok`, or the stage with its settings would drop it: then the reason stands there, and
    the exit code is 1. Other stages may drop what is `ok`: lock files, generated or vendored ones,
    data and copies are not looked for. docs/reasons.md lists the reasons, docs/syntax.md who checks
    which language and what is allowed.

    Example: gristmill syntax check src/*.c
    """
    from gristmill.cli.sections import settings_sections
    from gristmill.cli.syntax_check import check_files, show
    from gristmill.runtime.adapters.plugins import load_plugins
    from gristmill.runtime.adapters.settings import load_settings

    settings = load_settings(settings_sections(load_plugins()), config).sections["syntax"]
    is_fine = True
    for found in check_files(files, language, settings):
        is_fine = is_fine and found.reason is None
        if as_json:
            print_json(found.as_json())
        else:
            show(found)
    raise typer.Exit(0 if is_fine else 1)


@app.command("calibrate")
def calibrate(
    data: Annotated[
        list[str],
        typer.Option("--data", metavar="DIR", help="Files, or *.jsonl[.gz] of them; repeatable."),
    ],
    out: Annotated[
        str | None, typer.Option(metavar="FILE", help="Where the table goes; default: stdout.")
    ] = None,
    most: Annotated[
        int, typer.Option(min=1, metavar="N", help="Trusted files of one language in one DIR.")
    ] = 400,
) -> None:
    """Derive the error budgets from files that are known or trusted to be sound.

    A DIR with *.jsonl or *.jsonl.gz holds files as JSON lines (`language`, `path`, `content`,
    `encoding`, and where known `syntax` with `status` ok or error); one without a status is
    trusted. In any other DIR each file is trusted, its language inferred; folders of tests and
    templates are left out. A budget is the least step that rejects 2 % of a language's sound files
    at most, those apart that no step saves.

    Example: gristmill syntax calibrate --data labelled --data /usr/include --out budgets.toml
    """
    from gristmill.cli.syntax_calibrate import calibrate_on
    from gristmill.syntax.budgets import table_text

    table = calibrate_on(data, most=most)
    if out is None:
        typer.echo(table_text(table), nl=False)
        return
    with open(out, "w", encoding="utf-8") as stream:
        stream.write(table_text(table))
    ERR.print(f"{out}: version {table.version}, {len(table.languages)} languages")
