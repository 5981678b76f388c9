"""A gRPC server on a thread and an event loop of its own, beside whatever the process does.

Health, reflection and the services given are one server on one port. It bounds what callers can
take: messages, streams, connections, pings.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from threading import Thread
from typing import Any, TypeVar

import grpc
from grpc_reflection.v1alpha import reflection

from gristmill.runtime.adapters.grpc_calls import CallInterceptor
from gristmill.runtime.adapters.grpc_health import SERVICE as HEALTH_SERVICE
from gristmill.runtime.adapters.grpc_health import HealthServicer
from gristmill.runtime.adapters.grpc_tls import Certificates
from gristmill.runtime.adapters.health import Health

_T = TypeVar("_T")

_HEALTH_MESSAGE_BYTES = 1 << 12
_IDLE_SECONDS = 300
_KEEPALIVE_SECONDS = 30
_LEAST_CLOSE_SECONDS = 0.5
_LEAST_PING_SECONDS = 10  # a client that pings more often is sent away


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """What a server serves besides health: handlers by method, by service; and its limits."""

    handlers: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # gRPC has no types
    serves: Mapping[str, Callable[[], bool]] = field(default_factory=dict)
    """Tells of a service whether its calls are answered; of others health tells alone."""
    interceptor: CallInterceptor | None = None
    drain: Callable[[], object] = lambda: None
    """Called in the event loop when the process is told to end."""
    close: Callable[[], Awaitable[object]] | None = None
    """Awaited there when no calls are left, within the time for the end."""
    certificates: Certificates | None = None
    max_message_bytes: int = _HEALTH_MESSAGE_BYTES
    max_streams: int = 32
    max_connections: int = 2048


class GrpcServer:
    """A server that listens from its construction on; 0 takes any free port."""

    def __init__(
        self, services: Services, health: Health, name: str, *, host: str, port: int
    ) -> None:
        """Start to listen. Raises RuntimeError when the port is not to be had."""

        def is_ready() -> bool:
            return health.report().ready

        known = dict.fromkeys(("", name, *services.handlers), is_ready)
        self._services = services
        self._process_health = health
        self._health = HealthServicer({**known, **services.serves}, health)
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever, name="grpc", daemon=True)
        self._thread.start()
        self._closed = False
        address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        try:
            self._server, self.port = self._do(self._start(services, address))
        except BaseException:
            self._end_loop()
            raise
        health.subscribe(self._look)

    def _look(self) -> None:
        """Drain once the process is told to end; it may be called by a signal handler."""
        if self._process_health.ends:
            self._loop.call_soon_threadsafe(self._services.drain)

    def close(self, grace_seconds: float) -> None:
        """Take no more calls, and end those that run after so long; twice is harmless."""
        if not self._closed:
            self._closed = True
            self._process_health.unsubscribe(self._look)
            self._do(self._stop(grace_seconds))
            self._end_loop()

    async def _start(self, services: Services, address: str) -> tuple[Any, int]:
        interceptors = [services.interceptor] if services.interceptor else []
        server = grpc.aio.server(interceptors=interceptors, options=_options(services))
        server.add_generic_rpc_handlers((self._health.handler(),))
        for name, methods in services.handlers.items():
            handler = grpc.method_handlers_generic_handler(name, methods)
            server.add_generic_rpc_handlers((handler,))
        names = (*services.handlers, HEALTH_SERVICE, reflection.SERVICE_NAME)
        reflection.enable_server_reflection(names, server)
        if services.certificates is None:
            port = server.add_insecure_port(address)
        else:
            port = server.add_secure_port(address, services.certificates.credentials())
        await server.start()
        return server, int(port)

    async def _stop(self, grace_seconds: float) -> None:
        ends = self._loop.time() + grace_seconds
        self._health.close()
        self._services.drain()
        await self._server.stop(grace_seconds)
        if self._services.close is not None:
            # What takes longer is given up, as by a kill: a worker that failed must be gone, so
            # that another one can take its place.
            with suppress(TimeoutError):
                left = max(_LEAST_CLOSE_SECONDS, ends - self._loop.time())
                await asyncio.wait_for(self._services.close(), left)

    def _do(self, work: Coroutine[Any, Any, _T]) -> _T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def _end_loop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


def _options(services: Services) -> list[tuple[str, int]]:
    return [
        ("grpc.so_reuseport", 0),  # or two workers would share a port without a word
        ("grpc.max_receive_message_length", services.max_message_bytes),
        ("grpc.max_send_message_length", -1),
        ("grpc.max_concurrent_streams", services.max_streams),
        ("grpc.max_allowed_incoming_connections", services.max_connections),
        ("grpc.max_connection_idle_ms", _IDLE_SECONDS * 1000),
        ("grpc.keepalive_time_ms", _KEEPALIVE_SECONDS * 1000),  # who vanished leaves his place
        ("grpc.keepalive_timeout_ms", 10_000),
        ("grpc.http2.min_recv_ping_interval_without_data_ms", _LEAST_PING_SECONDS * 1000),
        ("grpc.http2.min_ping_interval_without_data_ms", _LEAST_PING_SECONDS * 1000),
        ("grpc.http2.max_ping_strikes", 2),
    ]


def unary(answer: Callable[[bytes], bytes]) -> Any:  # noqa: ANN401  # gRPC carries no types
    """Return the handler of a call that is answered at once."""

    async def called(request: bytes, context: Any) -> bytes:  # noqa: ANN401  # as above
        del context
        return answer(request)

    return grpc.unary_unary_rpc_method_handler(called)
