"""`gristmill ping`: who serves at an address, in which version, under which settings."""

from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from gristmill.cli.connecting import TlsCa, TlsCertificate, TlsKey, mill_tls, tls_of, why_failed
from gristmill.cli.console import ERR, OUT, print_json
from gristmill.cli.mill import DIRECTORY

if TYPE_CHECKING:
    from gristmill.client import Client, Tls

_ASK_SECONDS = 5.0


def command(
    addresses: Annotated[
        list[str] | None,
        typer.Argument(metavar="ADDRESS…", help="host:port of gRPC; else those of `make up`."),
    ] = None,
    tls_ca: TlsCa = "",
    tls_certificate: TlsCertificate = "",
    tls_key: TlsKey = "",
    mill: Annotated[
        str, typer.Option(metavar="DIR", help="Where `make up` left its state.")
    ] = DIRECTORY,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Ask services for their health, version and settings; exit code 1 unless all of them serve.

    Example: gristmill ping

    Example: gristmill ping dedup.example:50051 --tls-ca ca.pem
    """
    from gristmill.cli.mill import find_mill
    from gristmill.runtime.model import BadInput

    found = find_mill(mill)
    asked = addresses or [about["grpc"] for about in found.services.values()]
    if not asked:
        raise BadInput(f"no address given, and no services in {mill}; `make up` starts them")
    given = tls_of(tls_ca, tls_certificate, tls_key)
    told = [_ask(address, given or mill_tls(address, found)) for address in asked]
    if as_json:
        print_json({"services": told})
    else:
        for one in told:
            _print(one)
    if not all(one["serving"] for one in told):
        raise typer.Exit(1)


def _ask(address: str, tls: "Tls | None") -> dict[str, Any]:
    """Return what a server says of itself, or why it does not."""
    from gristmill.client import CallError, Client, Retries
    from gristmill.runtime.wire.services import state_of

    once = Retries(attempts=1)
    told: dict[str, Any] = {"address": address, "serving": False}
    try:
        with Client(address, tls=tls, timeout_seconds=_ASK_SECONDS, retries=once) as client:
            info = client.info()
            answers = _answers(client, info.stage)
            told |= {
                "serving": client.is_serving() and answers is not False,
                "answers": answers,
                "stage": info.stage,
                "state": state_of(info),
                "detail": info.detail,
                "version": info.version,
                "settings": info.settings,
                "started_at": info.started_at.ToDatetime().isoformat() + "Z",
            }
    except CallError as error:
        told["error"] = why_failed(error, tls)
    return told


def _answers(client: "Client", stage: str) -> bool | None:
    """Return whether the calls of a stage are answered; None where it serves none."""
    from gristmill.client import CallError
    from gristmill.runtime.wire.services import SERVICES

    if (service := SERVICES.get(stage)) is None:
        return None
    try:
        return client.is_serving(service)
    except CallError as error:
        if error.status != "NOT_FOUND":
            raise
        return None


def _print(told: dict[str, Any]) -> None:
    if "error" in told:
        ERR.print(f"{told['address']:<22} {escape(told['error'])}")
        return
    silent = "  [red]its calls are not answered now[/red]" if told["answers"] is False else ""
    OUT.print(
        f"{escape(told['stage']):<10} {escape(told['state']):<9} {escape(told['version']):<9} "
        f"settings {told['settings']}  [dim]grpc {told['address']}[/dim]{silent}"
    )
