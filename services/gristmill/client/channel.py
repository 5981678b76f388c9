"""The connection to a server, and how a call that failed is tried again."""

import random
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from gristmill.runtime.model import BadInput, GristmillError

MESSAGE_BYTES = 64 << 20
"""The largest answer that is taken."""

_KEEPALIVE_MS = 30_000
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """PEM files: who may have signed the server's certificate, and the client's own for mTLS."""

    ca: str = ""
    """Empty takes the authorities that the machine trusts."""

    certificate: str = ""
    key: str = ""

    server_name: str = ""
    """The name in the server's certificate, where it is not the one in the address."""

    def __post_init__(self) -> None:
        if bool(self.certificate) != bool(self.key):
            raise BadInput("a TLS certificate and the key to it go together")


class CallError(GristmillError):
    """A call failed for good; `status` is the name of its gRPC status."""

    def __init__(self, status: str, message: str, retry_after_seconds: float | None = None) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status
        self.retry_after_seconds = retry_after_seconds

    @property
    def may_be_retried(self) -> bool:
        """Whether the same call may succeed later; a message that is too large never does."""
        is_full = self.status == "RESOURCE_EXHAUSTED" and self.retry_after_seconds is not None
        return is_full or self.status == "UNAVAILABLE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Retries:
    """How often a call is tried, and how long it waits between: longer each time, with jitter."""

    attempts: int = 6
    first_seconds: float = 0.2
    longest_seconds: float = 10.0
    told: Callable[[CallError], object] = lambda _: None
    """Is told before each pause why the call failed; it may be called from several threads."""

    def pause(self, failures: int, asked_seconds: float | None) -> float:
        """Return how long to wait after so many failures; at least what the server asked for."""
        most: float = min(self.longest_seconds, self.first_seconds * 2 ** (failures - 1))
        return max(asked_seconds or 0.0, most * random.uniform(0.5, 1.0))  # noqa: S311  # no secret


def open_channel(address: str, tls: Tls | None) -> Any:  # noqa: ANN401  # gRPC carries no types
    """Return a channel; nothing is sent yet.

    Raises BadInput for an address that is empty and for files that cannot be used.
    """
    if not address.strip():
        raise BadInput("the address is empty: host:port is needed")
    options: list[tuple[str, int | str]] = [
        ("grpc.max_receive_message_length", MESSAGE_BYTES),
        ("grpc.max_send_message_length", -1),
        ("grpc.keepalive_time_ms", _KEEPALIVE_MS),  # a server that vanished is noticed
        ("grpc.max_reconnect_backoff_ms", 5000),
        ("grpc.initial_reconnect_backoff_ms", 200),
    ]
    if tls is None:
        return grpc.insecure_channel(address, options=options)
    if tls.server_name:
        options.append(("grpc.ssl_target_name_override", tls.server_name))
    return grpc.secure_channel(address, _credentials(tls), options=options)


def _credentials(tls: Tls) -> Any:  # noqa: ANN401  # gRPC carries no types
    """Return what the files hold; gRPC itself would tell only its own log that they do not fit."""
    try:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        if tls.ca:
            context.load_verify_locations(tls.ca)
        if tls.certificate:
            context.load_cert_chain(tls.certificate, tls.key, password=_no_password)
        roots, key, chain = map(_read, (tls.ca, tls.key, tls.certificate))
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        files = ", ".join(path for path in (tls.ca, tls.certificate, tls.key) if path)
        raise BadInput(f"the TLS files {files} cannot be used: {error}") from error
    return grpc.ssl_channel_credentials(roots, key, chain)


def _no_password() -> str:
    raise ValueError("the key is encrypted")


def _read(path: str) -> bytes | None:
    if not path:
        return None
    with open(path, "rb") as stream:
        return stream.read()


def call_error(error: Any) -> CallError:  # noqa: ANN401  # gRPC carries no types
    """Return what gRPC raised as an error of ours, with the pause that the server asked for."""
    seconds = None
    try:
        status = rpc_status.from_call(error)
    except ValueError:  # details of another call: no hint then
        status = None
    for detail in status.details if status else ():
        hint = error_details_pb2.RetryInfo()
        if detail.Unpack(hint):
            seconds = hint.retry_delay.seconds + hint.retry_delay.nanos / 1e9
    return CallError(error.code().name, error.details() or "no reason given", seconds)


def with_retries(
    call: Callable[[float], T],
    *,
    timeout_seconds: float,
    retries: Retries,
    now: Callable[[], float] = time.monotonic,
    wait: Callable[[float], object] = time.sleep,
) -> T:
    """Call until it succeeds; `call` is told the seconds that are left.

    Raises CallError when the server refuses, or is not there for too long.
    """
    deadline = now() + timeout_seconds
    failures = 0
    while True:
        try:
            return call(max(0.001, deadline - now()))
        except grpc.RpcError as raised:
            error = call_error(raised)
            failures += 1
            pause = retries.pause(failures, error.retry_after_seconds)
            if not error.may_be_retried or failures >= retries.attempts:
                raise error from raised
            if now() + pause >= deadline:
                raise error from raised
            retries.told(error)
            wait(pause)
