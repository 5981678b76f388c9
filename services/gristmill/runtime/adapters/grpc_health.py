"""Answers grpc.health.v1 out of `Health`: the truth of the moment, and changes at once.

Not the package's own servicer: that one keeps a state of its own, which somebody would have to
keep true. A watcher that does not read waits by itself; there are few of them.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import grpc
from google.protobuf.message import DecodeError
from grpc_health.v1 import health_pb2

from gristmill.runtime.adapters.grpc_errors import abort
from gristmill.runtime.adapters.health import Health
from gristmill.runtime.model import Overloaded

SERVICE = "grpc.health.v1.Health"
_TICK_SECONDS = 0.2  # how soon a stall is noticed: nothing happens then
_MOST_WATCHERS = 8

# gRPC and its health package carry no types.
_Request = Any
_Response = Any
_Context = Any
_Status = Any


class HealthServicer:
    """Knows the services named; it runs in one event loop."""

    def __init__(self, services: Mapping[str, Callable[[], bool]], health: Health) -> None:
        """Take what tells of each service whether it serves; `health` tells when to look again."""
        self._services = dict(services)
        self._health = health
        self._num_watchers = 0
        self._closing = False
        self._woken: set[asyncio.Event] = set()

    def handler(self) -> Any:  # noqa: ANN401  # gRPC carries no types
        """Return what answers the calls."""
        response = health_pb2.HealthCheckResponse.SerializeToString
        methods = {
            "Check": grpc.unary_unary_rpc_method_handler(
                self.check, request_deserializer=_parsed, response_serializer=response
            ),
            "Watch": grpc.unary_stream_rpc_method_handler(
                self.watch, request_deserializer=_parsed, response_serializer=response
            ),
        }
        return grpc.method_handlers_generic_handler(SERVICE, methods)

    def close(self) -> None:
        """Report that nothing is served, and end the streams."""
        self._closing = True
        for event in self._woken:
            event.set()

    async def check(self, request: _Request, context: _Context) -> _Response:
        """Tell the state of a service."""
        status = self._status(await _known(request, context))
        if status == health_pb2.HealthCheckResponse.SERVICE_UNKNOWN:
            await context.abort(grpc.StatusCode.NOT_FOUND)
        return health_pb2.HealthCheckResponse(status=status)

    async def watch(self, request: _Request, context: _Context) -> AsyncIterator[_Response]:
        """Tell the state of a service, and again whenever it has changed."""
        service = await _known(request, context)
        if self._num_watchers >= _MOST_WATCHERS:
            await abort(context, Overloaded(f"{_MOST_WATCHERS} watchers of health at most"))
        loop, event = asyncio.get_running_loop(), asyncio.Event()

        def wake() -> None:
            loop.call_soon_threadsafe(event.set)

        self._num_watchers += 1
        self._woken.add(event)
        self._health.subscribe(wake)
        told = None
        try:
            while True:
                closing = self._closing
                event.clear()
                status = self._status(service)
                if status != told:
                    told = status
                    yield health_pb2.HealthCheckResponse(status=status)
                if closing:
                    return
                await _woken(event)
        finally:
            self._health.unsubscribe(wake)
            self._woken.discard(event)
            self._num_watchers -= 1

    def _status(self, service: str) -> _Status:
        if (serves := self._services.get(service)) is None:
            return health_pb2.HealthCheckResponse.SERVICE_UNKNOWN
        if self._closing or not serves():
            return health_pb2.HealthCheckResponse.NOT_SERVING
        return health_pb2.HealthCheckResponse.SERVING


async def _woken(event: asyncio.Event) -> None:
    try:
        await asyncio.wait_for(event.wait(), _TICK_SECONDS)
    except TimeoutError:
        return


def _parsed(request: bytes) -> _Request:
    """Return a request, or None; what is raised here gRPC would log."""
    try:
        return health_pb2.HealthCheckRequest.FromString(request)
    except DecodeError:
        return None


async def _known(request: _Request, context: _Context) -> str:
    if request is None:
        await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "not a HealthCheckRequest")
    return str(request.service)
