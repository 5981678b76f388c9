"""`gristmill status`: where the mill stands, its lag and its funnel."""

import json
import os
from http.client import HTTPConnection, HTTPException
from typing import Annotated, Any

import typer
from rich.markup import escape

from gristmill.cli.console import ERR, OUT, print_json
from gristmill.cli.mill import DIRECTORY
from gristmill.runtime.model import TooMuchAside

_ASK_SECONDS = 2.0


def command(
    mill: Annotated[
        str, typer.Option(metavar="DIR", help="Where `make up` left its state.")
    ] = DIRECTORY,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Show the workers, the records that still wait (0 when all is done), and the funnel.

    Example: gristmill status
    """
    from gristmill.cli.funnel import print_funnel
    from gristmill.cli.mill import find_mill, mill_settings, route_of_mill
    from gristmill.cli.reading import open_tables, summarize, table_facts
    from gristmill.runtime.adapters.kafka_admin import group_lag, oldest_transaction_seconds
    from gristmill.runtime.adapters.kafka_mending import find_lost_ends
    from gristmill.runtime.engine.envelope import LEDGER_TOPIC, group_of, topic_of

    found = find_mill(mill)
    settings = mill_settings(found)
    route = (*route_of_mill(settings), "shards")
    # Upstream first: what moves on while this counts is counted further down.
    groups = {group_of(stage): [topic_of(stage)] for stage in route}
    groups[group_of("shards")].append(LEDGER_TOPIC)
    kafka = settings.sections["kafka"]
    lags = {group: sum(one.values()) for group, one in group_lag(kafka, groups).items()}
    told: dict[str, Any] = {
        "lag": sum(lags.values()),
        "services": {
            name: {**about, "state": _state(about)} for name, about in found.services.items()
        },
        "tables": {},
        "oldest_transaction_seconds": round(oldest_transaction_seconds(kafka), 3),
        "lost_transaction_ends": len(
            find_lost_ends(kafka, {topic for topics in groups.values() for topic in topics})
        ),
    }
    directory = settings.sections["serve"].directory
    tables = open_tables(directory) if os.path.isdir(directory) else None
    if tables is not None:
        told["tables"] = {name: table_facts(tables, name) for name in ("files", "ledger")}
    if as_json:
        print_json(told)
        return
    for name, about in told["services"].items():
        waiting = lags.get(f"gristmill.{name}", 0)
        OUT.print(
            f"{escape(name):<10} {escape(about['state']):<9} {waiting:>9,} waiting  "
            f"[dim]metrics {about['metrics']}  grpc {about['grpc']}[/dim]"
        )
        if about["state"] == "stopped":
            ERR.print(f"{name} has too much to set aside; its error is in the mill's log")
    if not told["services"]:
        ERR.print("no workers of this machine; `make up` starts them")
    OUT.print(f"[bold]{told['lag']:,} records wait[/bold]")
    if told["lost_transaction_ends"]:
        ERR.print("a broker lost the end of a transaction; `gristmill topics mend` writes it")
    if tables is not None:
        print_funnel(summarize(tables, route))


def _state(about: dict[str, Any]) -> str:
    """Return what a worker says of itself, or that it is left stopped, or does not answer."""
    if not about["pid"] and about["exit_code"] == TooMuchAside.exit_code:
        return "stopped"
    connection = HTTPConnection(about["metrics"], timeout=_ASK_SECONDS)
    try:
        connection.request("GET", "/readyz")
        return str(json.load(connection.getresponse())["state"])
    except (OSError, HTTPException, ValueError, LookupError):
        return "away"
    finally:
        connection.close()
