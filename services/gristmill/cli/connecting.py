"""The options by which commands reach gRPC services, and what a client shows them."""

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from gristmill.cli.mill import LocalMill
    from gristmill.client import CallError, Tls

TlsCa = Annotated[
    str, typer.Option(metavar="FILE", help="PEM: who signed the server's certificate.")
]
TlsCertificate = Annotated[
    str, typer.Option(metavar="FILE", help="PEM: your own certificate, for mutual TLS.")
]
TlsKey = Annotated[str, typer.Option(metavar="FILE", help="PEM: the key to it.")]


def tls_of(ca: str, certificate: str, key: str) -> "Tls | None":
    """Return what the options name; None where there are none. Raises BadInput."""
    from gristmill.client import Tls  # with gRPC, which most commands need not

    return Tls(ca=ca, certificate=certificate, key=key) if ca or certificate or key else None


def mill_tls(address: str, mill: "LocalMill") -> "Tls | None":
    """Return what a client shows a service of the mill; None for others, and for plaintext."""
    from gristmill.client import Tls

    own = {_named(about["grpc"]) for about in mill.services.values()}
    return Tls(**mill.tls) if mill.tls and _named(address) in own else None


def why_failed(error: "CallError", tls: "Tls | None") -> str:
    """Return why a call failed, with a hint where it may be for want of TLS.

    A server that asks for TLS only closes the connection; one that answers has no need of it.
    """
    is_silent = error.status == "UNAVAILABLE" and error.retry_after_seconds is None
    hint = "; if it asks for TLS, see --tls-ca, --tls-certificate and --tls-key"
    return f"{error}{hint if is_silent and tls is None else ''}"


def _named(address: str) -> str:
    host, _, port = address.rpartition(":")
    return f"127.0.0.1:{port}" if host == "localhost" else address
