"""TLS of the gRPC servers: certificates from files, taken anew when the files change."""

import os
import ssl
from dataclasses import dataclass
from typing import Any

import grpc

from gristmill.runtime.model import BadInput
from gristmill.runtime.ports import EventLog

_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsSettings:
    """Who may talk to the gRPC servers, and how they prove who they are."""

    certificate: str = ""
    """PEM file of the server's certificate and those between it and its CA; empty: no TLS."""

    key: str = ""
    """PEM file of the certificate's private key, not encrypted."""

    client_ca: str = ""
    """PEM file of the CAs whose clients may call (mutual TLS); empty: whoever reaches the port."""

    plaintext: bool = False
    """Whether to serve without TLS on other addresses than loopback, too."""

    def __post_init__(self) -> None:
        if bool(self.certificate) != bool(self.key):
            raise ValueError("certificate and key go together")
        if self.client_ca and not self.certificate:
            raise ValueError("client_ca needs a certificate and a key")


class Certificates:
    """The certificates of a server: the newest that could be read."""

    def __init__(self, settings: TlsSettings, log: EventLog) -> None:
        """Read the files. Raises BadInput when they do not fit together."""
        self._settings = settings
        self._log = log
        self._seen = self._stamps()
        self._read()  # a wrong file is told at the start

    def credentials(self) -> Any:  # noqa: ANN401  # gRPC carries no types
        """Return what a server listens with; each new connection asks for what is current."""
        return grpc.dynamic_ssl_server_credentials(
            self._read(), self._renewed, require_client_authentication=bool(self._paths()[2])
        )

    def _renewed(self) -> Any | None:  # noqa: ANN401  # gRPC carries no types
        """Return the certificates if the files have changed, or None to go on as before."""
        stamps = self._stamps()
        if stamps == self._seen:
            return None
        try:
            renewed = self._read()
        except BadInput as error:  # a file that is just being written: the old ones are still good
            self._log.warning("certificates not renewed", error=str(error))
            return None
        self._seen = stamps
        self._log.info("certificates renewed")
        return renewed

    def _paths(self) -> tuple[str, str, str]:
        return self._settings.certificate, self._settings.key, self._settings.client_ca

    def _stamps(self) -> list[tuple[int, int] | None]:
        return [_stamp(path) for path in self._paths() if path]

    def _read(self) -> Any:  # noqa: ANN401  # gRPC carries no types
        certificate, key, client_ca = self._paths()
        try:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate, key, password=_no_password)
            if client_ca:
                context.load_verify_locations(client_ca)
            chain = [(_bytes(key), _bytes(certificate))]
            roots = _bytes(client_ca) if client_ca else None
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
            files = ", ".join(path for path in self._paths() if path)
            raise BadInput(f"the certificates {files} cannot be used: {error}") from error
        return grpc.ssl_server_certificate_configuration(chain, root_certificates=roots)


def require_private(settings: TlsSettings, host: str) -> None:
    """Raise BadInput where everybody could listen and nobody asked for it."""
    if not settings.certificate and host not in _LOOPBACK and not settings.plaintext:
        raise BadInput(f"gRPC on {host} needs tls.certificate and tls.key, or tls.plaintext = true")


def _no_password() -> str:
    raise ValueError("the key is encrypted")


def _stamp(path: str) -> tuple[int, int] | None:
    try:
        about = os.stat(path)
    except OSError:
        return None
    return about.st_mtime_ns, about.st_ino


def _bytes(path: str) -> bytes:
    with open(path, "rb") as stream:
        return stream.read()
