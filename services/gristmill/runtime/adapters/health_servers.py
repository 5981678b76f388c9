"""Serves a worker's health and metrics: HTTP for Prometheus and the kubelet, gRPC for whom it may.

Both tell what `Health` says at that moment; they keep no state of their own. They answer anybody
who reaches the port, so they say nothing secret, and no client, slow or mad, can shut others out:
connections, streams and threads are few, and the oldest gives way.
"""

import json
import socket
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from queue import Empty, SimpleQueue
from socketserver import ThreadingTCPServer
from threading import BoundedSemaphore, Event, Lock, Thread
from typing import Any, Self, TypeVar

import grpc
from google.protobuf.message import DecodeError
from grpc_health.v1 import health_pb2

from gristmill.runtime.adapters.clock import SystemClock
from gristmill.runtime.adapters.health import Health
from gristmill.runtime.model import BadInput
from gristmill.runtime.ports import EventLog

Exposition = Callable[[str], tuple[str, bytes]]
"""Takes an Accept header, returns a content type and the metrics."""

_TICK_SECONDS = 0.2  # how soon a stall, a connection past its time or an end is noticed
_IO_SECONDS = 5.0  # one read or write of a client
_CONNECTION_SECONDS = 10.0  # one connection, whatever it does; Prometheus gives up after 10, too
_MOST_CONNECTIONS = 32
_MOST_WATCHERS = 8
_CHECK_THREADS = 4
_SERVICE = "grpc.health.v1.Health"


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
    ) -> None:
        self._http = _taken(host, http_port, lambda: _HttpServer(host, http_port))
        self._http.serve(health, exposition, log)
        try:
            services = frozenset({"", f"gristmill.{stage}"})
            self._grpc = _taken(host, grpc_port, lambda: _GrpcServer(host, grpc_port))
            self._grpc.serve(_Servicer(services, health))
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
        clock = SystemClock()
        until = clock.monotonic() + deadline_seconds
        ended = self._grpc.stop(deadline_seconds / 2)
        self._http.close()
        ended.wait(max(0.0, until - clock.monotonic()))
        self._grpc.close()

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


# --- gRPC -----------------------------------------------------------------------------------------

# gRPC and its health package carry no types.
_Request = Any
_Response = Any
_Context = Any
_Status = Any


class _Servicer:
    """Answers grpc.health.v1; not the package's own servicer.

    That one sends to all watchers under one lock, so that a single one which does not read would
    hold up the others and every check. Here each watcher has a thread, and there are few.
    """

    def __init__(self, services: frozenset[str], health: Health) -> None:
        self._services = services
        self._health = health
        self._places = BoundedSemaphore(_MOST_WATCHERS)
        self._closing = False

    def close(self) -> None:
        """Report that nothing is served, and end the streams within a tick."""
        self._closing = True

    def check(self, request: _Request, context: _Context) -> _Response:
        status = self._status(request.service)
        if status == health_pb2.HealthCheckResponse.SERVICE_UNKNOWN:
            context.set_code(grpc.StatusCode.NOT_FOUND)
            return health_pb2.HealthCheckResponse()
        return health_pb2.HealthCheckResponse(status=status)

    def watch(self, request: _Request, context: _Context) -> Iterator[_Response]:
        if not self._places.acquire(blocking=False):
            context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "too many watchers")
        woken: SimpleQueue[None] = SimpleQueue()  # the one queue that a signal handler may fill

        def wake() -> None:
            woken.put(None)

        self._health.subscribe(wake)
        context.add_callback(wake)
        told = None
        try:
            while context.is_active():
                closing = self._closing
                status = self._status(request.service)
                if status != told:
                    told = status
                    yield health_pb2.HealthCheckResponse(status=status)
                if closing:
                    return
                _wait(woken)
        finally:
            self._health.unsubscribe(wake)
            self._places.release()

    def _status(self, service: str) -> _Status:
        if service not in self._services:
            return health_pb2.HealthCheckResponse.SERVICE_UNKNOWN
        if self._closing or not self._health.report().ready:
            return health_pb2.HealthCheckResponse.NOT_SERVING
        return health_pb2.HealthCheckResponse.SERVING


def _wait(woken: "SimpleQueue[None]") -> None:
    try:
        woken.get(timeout=_TICK_SECONDS)
    except Empty:
        return


class _GrpcServer:
    """A gRPC server of one service."""

    def __init__(self, host: str, port: int) -> None:
        self._threads = ThreadPoolExecutor(_MOST_WATCHERS + _CHECK_THREADS, "health grpc")
        self._server = grpc.server(
            self._threads,
            options=[
                ("grpc.so_reuseport", 0),  # or two workers would share a port without a word
                ("grpc.max_concurrent_streams", _MOST_CONNECTIONS),
                ("grpc.max_receive_message_length", 1 << 12),
                ("grpc.keepalive_time_ms", 30_000),  # a watcher that vanished leaves its place
            ],
            maximum_concurrent_rpcs=2 * _MOST_CONNECTIONS,
        )
        self._servicer: _Servicer | None = None
        try:
            self.port: int = self._server.add_insecure_port(
                f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
            )
        except RuntimeError:
            self._threads.shutdown(wait=False)
            raise

    def serve(self, servicer: _Servicer) -> None:
        self._servicer = servicer
        response = health_pb2.HealthCheckResponse.SerializeToString
        methods = {
            "Check": grpc.unary_unary_rpc_method_handler(
                servicer.check, request_deserializer=_parsed, response_serializer=response
            ),
            "Watch": grpc.unary_stream_rpc_method_handler(
                servicer.watch, request_deserializer=_parsed, response_serializer=response
            ),
        }
        self._server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler(_SERVICE, methods),)
        )
        self._server.start()

    def stop(self, grace_seconds: float) -> Event:
        """Take no more calls; return what is set when all have ended, at last by force."""
        if self._servicer is not None:
            self._servicer.close()
        ended: Event = self._server.stop(grace_seconds)
        return ended

    def close(self) -> None:
        self._threads.shutdown(wait=False)


def _parsed(request: bytes) -> _Request:
    """Return a request, or None, which gRPC refuses; what is raised here it would log instead."""
    try:
        return health_pb2.HealthCheckRequest.FromString(request)
    except DecodeError:
        return None
