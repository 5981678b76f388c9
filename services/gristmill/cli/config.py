"""`gristmill config`: every setting, its value and where it came from."""

from typing import Annotated, Any

import typer
from pydantic import SecretStr
from rich.markup import escape

from gristmill.cli.console import OUT, print_json

app = typer.Typer(
    help="Look at the settings.\n\nExample: gristmill config show", no_args_is_help=True
)


@app.callback()
def _group() -> None:
    """Look at the settings."""


@app.command("show")
def show(
    config: Annotated[
        str | None, typer.Option(metavar="FILE", help="Settings as TOML, as given to `run`.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Show the effective settings: defaults, then the file, then the environment.

    Example: GRISTMILL_INGESTION_MAX_FILE_BYTES=2000000 gristmill config show
    """
    from gristmill.cli.sections import settings_sections
    from gristmill.runtime.adapters.plugins import load_plugins
    from gristmill.runtime.adapters.settings import load_settings

    settings = load_settings(settings_sections(load_plugins()), config)
    if as_json:
        sections: dict[str, dict[str, Any]] = {name: {} for name in settings.sections}
        for one in settings.listed:
            value = str(one.value) if isinstance(one.value, SecretStr) else one.value
            sections[one.section][one.name] = {"value": value, "origin": one.origin}
        print_json(sections)
        return
    section = ""
    for one in settings.listed:
        if one.section != section:
            section = one.section
            OUT.print(f"\n[bold]{escape(f'[{section}]')}[/bold]")
        changed = "" if one.origin == "default" else f"  [yellow]({escape(one.origin)})[/yellow]"
        OUT.print(f"{one.name} = {escape(str(one.value))}{changed}")
        OUT.print(f"    [dim]{escape(one.explanation)}[/dim]")
