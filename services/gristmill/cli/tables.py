"""`gristmill tables`: what a directory holds."""

from typing import Annotated

import typer

from gristmill.cli.console import OUT, human_bytes, print_json


def command(
    directory: Annotated[str, typer.Argument(metavar="DIR", help="The output of a run.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Show the tables of a directory; --json adds how far each source is taken in.

    Example: gristmill tables corpus
    """
    from gristmill.cli.reading import open_tables, table_facts
    from gristmill.runtime.adapters.iceberg_schemas import TABLES

    tables = open_tables(directory)
    there = [name for name in TABLES if tables.has(name)]
    facts = {
        name: {
            **table_facts(tables, name),
            "location": tables.load(name).location(),
            "positions": dict(tables.positions(name)),
        }
        for name in there
    }
    if as_json:
        print_json(facts)
        return
    for name, fact in facts.items():
        OUT.print(
            f"[bold]{name:<10}[/bold] {fact['rows']:>10,} rows  {fact['data_files']:>5,} files  "
            f"{human_bytes(fact['bytes']):>10}  snapshot {fact['snapshot'] or '-'}"
        )
        OUT.print(f"           [dim]{TABLES[name].explanation} {fact['location']}[/dim]")
