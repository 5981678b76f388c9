"""Serves a worker's health and metrics: HTTP for Prometheus and the kubelet; and its gRPC server.

Both tell what `Health` says at that moment; they keep no state of their own. Health answers anybody
who reaches the port, so it says nothing secret, and no client, slow or mad, can shut others out:
connections, streams and threads are few, and the oldest gives way.
"""

import json
import socket
import sys
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingTCPServer
from threading import Lock, Thread
from typing import Self, TypeVar

from gristmill.runtime.adapters.clock import SystemClock
from gristmill.runtime.adapters.grpc_server import GrpcServer, Services
from gristmill.runtime.adapters.health import Health
from gristmill.runtime.model import BadInput
from gristmill.runtime.ports import EventLog

Exposition = Callable[[str], tuple[str, bytes]]
"""Takes an Accept header, returns a content type and the metrics."""

_TICK_SECONDS = 0.2  # how soon a stall, a connection past its time or an end is noticed
_IO_SECONDS = 5.0  # one read or write of a client
_CONNECTION_SECONDS = 10.0  # one connection, whatever it does; Prometheus gives up after 10, too
_MOST_CONNECTIONS = 32


class HealthServers:
    """Both servers of one worker. The ports are taken when it is made; 0 takes any free one.

    gRPC knows the services "" and "gristmill.<stage>". Raises BadInput when a port is not to be
    had.
    """

    def __init__(
        self,
        stage: str,
        health: Health,
        exposition: Exposition,
        log: EventLog,
        *,
        host: str,
        http_port: int = 0,
        grpc_port: int = 0,
        services: Services | None = None,
    ) -> None:
        self._http = _taken(host, http_port, lambda: _HttpServer(host, http_port))
        self._http.serve(health, exposition, log)
        try:
            name = f"gristmill.{stage}"
            served = services or Services()
            self._grpc = _taken(
                host,
                grpc_port,
                lambda: GrpcServer(served, health, name, host=host, port=grpc_port),
            )
        except BaseException:
            self._http.close()
            raise

    @property
    def http_port(self) -> int:
        """The port that HTTP is served on."""
        return self._http.port

    @property
    def grpc_port(self) -> int:
        """The port that gRPC is served on."""
        return self._grpc.port

    def close(self, deadline_seconds: float = 5.0) -> None:
        """Let go of the ports, end all streams, and wait no longer than this; twice is harmless."""
        self._grpc.close(deadline_seconds / 2)
        self._http.close()

    def finish_calls(self, deadline_seconds: float) -> None:
        """Take no more calls and wait for those that run, no longer than this; then end them."""
        self._grpc.close(deadline_seconds)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


_Server = TypeVar("_Server")


def _taken(host: str, port: int, take: Callable[[], _Server]) -> _Server:
    try:
        return take()
    except (OSError, OverflowError, RuntimeError) as error:
        raise BadInput(f"cannot listen on port {port} of {host}: {error}") from error


# --- HTTP -----------------------------------------------------------------------------------------


_Connection = socket.socket | tuple[bytes, socket.socket]


class _HttpServer(ThreadingTCPServer):
    """A thread a connection; a connection that is too old or one too many is cut off."""

    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128  # what waits to be accepted costs nothing

    def __init__(self, host: str, port: int) -> None:
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._clock = SystemClock()
        self._lock = Lock()
        self._open: dict[_Connection, float] = {}
        self._thread: Thread | None = None
        super().__init__((host, port), _Handler)

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def serve(self, health: Health, exposition: Exposition, log: EventLog) -> None:
        self.health, self.exposition, self.log = health, exposition, log
        self._thread = Thread(
            target=self.serve_forever, args=(_TICK_SECONDS,), name="health http", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        if self._thread is not None:
            self.shutdown()
            self._thread.join()
            self._thread = None
        self.server_close()
        self._cut_off(older_than=0.0)

    def process_request(self, request: _Connection, client_address: object) -> None:
        with self._lock:
            oldest = next(iter(self._open)) if len(self._open) >= _MOST_CONNECTIONS else None
            if oldest is not None:
                del self._open[oldest]
            self._open[request] = self._clock.monotonic()
        if oldest is not None:
            _hang_up(oldest)
        super().process_request(request, client_address)

    def shutdown_request(self, request: _Connection) -> None:
        with self._lock:
            self._open.pop(request, None)
        super().shutdown_request(request)

    def service_actions(self) -> None:
        self._cut_off(older_than=_CONNECTION_SECONDS)

    def _cut_off(self, *, older_than: float) -> None:
        now = self._clock.monotonic()
        with self._lock:
            late = [one for one, since in self._open.items() if now - since >= older_than]
        for connection in late:
            _hang_up(connection)

    def handle_error(self, request: _Connection, client_address: object) -> None:  # noqa: ARG002
        """Tell of our own faults; a client that went away or talks nonsense is none."""
        error = sys.exception()
        if not isinstance(error, OSError):
            self.log.error("health request failed", error=error)


def _hang_up(connection: _Connection) -> None:
    """End it under the thread that waits for it, which then closes it."""
    assert isinstance(connection, socket.socket), "TCP has no other kind"
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # it has ended by itself


class _Handler(BaseHTTPRequestHandler):
    """Answers GET and HEAD of three paths."""

    server: _HttpServer
    timeout = _IO_SECONDS

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def _answer(self, *, with_body: bool) -> None:
        status, kind, body = self._page(self.path.partition("?")[0])
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        if with_body:
            self.wfile.write(body)

    def _page(self, path: str) -> tuple[HTTPStatus, str, bytes]:
        if path == "/metrics":
            return HTTPStatus.OK, *self.server.exposition(self.headers.get("Accept", ""))
        report = self.server.health.report()
        if path == "/livez":
            good = report.live
        elif path == "/readyz":
            good = report.ready
        else:
            return HTTPStatus.NOT_FOUND, "text/plain", b"there are /livez, /readyz and /metrics\n"
        line = json.dumps({"state": report.state, "detail": report.detail}) + "\n"
        status = HTTPStatus.OK if good else HTTPStatus.SERVICE_UNAVAILABLE
        return status, "application/json", line.encode()

    def version_string(self) -> str:
        return "gristmill"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Log nothing: requests come every few seconds for ever."""
