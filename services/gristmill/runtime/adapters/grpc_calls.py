"""Stands before every call of ours: counts it, refuses what cannot be served, and names failures.

Health and reflection pass by: they must answer when nothing else does.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import unquote

import grpc

from gristmill.runtime.adapters.grpc_errors import abort, code_of
from gristmill.runtime.adapters.health import Health
from gristmill.runtime.model import GristmillError, Overloaded, TooLate, Transient
from gristmill.runtime.ports import EventLog, Metrics

CERTIFICATE = "certificate:"
_OURS = "/gristmill."
_ALWAYS = "InfoService"  # answers while the server starts and ends, too

# gRPC carries no types.
_Handler = Any
_Context = Any
_Method = Callable[[Any, _Context], Awaitable[Any]]


class CallInterceptor(grpc.aio.ServerInterceptor):  # type: ignore[misc]  # gRPC carries no types
    """The one interceptor of a server."""

    def __init__(
        self,
        health: Health,
        metrics: Metrics,
        log: EventLog,
        *,
        most_calls: int,
        most_of_caller: int,
    ) -> None:
        """Take how many calls there may be at once, and how many of one caller."""
        self._health = health
        self._metrics = metrics
        self._log = log
        self._most_calls = most_calls
        self._most_of_caller = most_of_caller
        self._num_calls: Counter[str] = Counter()
        self._num_of_callers: Counter[str] = Counter()

    async def intercept_service(
        self,
        continuation: Callable[[Any], Awaitable[_Handler]],
        call: Any,  # noqa: ANN401  # as above
    ) -> _Handler:
        """Return the handler of a call with all this around it."""
        handler = await continuation(call)
        if handler is None or not call.method.startswith(_OURS):
            return handler
        name = ".".join(call.method.rpartition(".")[2].split("/"))
        if handler.stream_stream is not None:
            return grpc.stream_stream_rpc_method_handler(self._around(name, handler.stream_stream))
        return grpc.unary_unary_rpc_method_handler(self._around(name, handler.unary_unary))

    def _around(self, name: str, method: _Method) -> _Method:
        async def called(request: Any, context: _Context) -> Any:  # noqa: ANN401  # as above
            async with self._measured(name, context):
                return await method(request, context)

        return called

    @asynccontextmanager
    async def _measured(self, name: str, context: _Context) -> AsyncIterator[None]:
        began = asyncio.get_running_loop().time()
        code = "OK"
        caller = caller_of(context)
        self._count_in_flight(name, caller, 1)
        try:
            self._require_served(name, caller, context)
            yield
        except asyncio.CancelledError:
            left = context.time_remaining()
            code = "CANCELLED" if left is None or left > 0 else "DEADLINE_EXCEEDED"
            raise
        except Exception as error:  # noqa: BLE001  # whatever it is, the caller learns of it
            code = code_of(error)
            if not isinstance(error, GristmillError) or code == "INTERNAL":
                self._log.error("call failed", method=name, error=error)
            await abort(context, error)
        finally:
            self._count_in_flight(name, caller, -1)
            seconds = asyncio.get_running_loop().time() - began
            self._metrics.count("gristmill_calls_total", method=name, code=code)
            self._metrics.observe("gristmill_call_seconds", seconds, method=name)

    def _count_in_flight(self, name: str, caller: str, change: int) -> None:
        self._num_of_callers[caller] += change
        if not self._num_of_callers[caller]:
            del self._num_of_callers[caller]
        self._num_calls[name] += change
        self._metrics.set("gristmill_calls_in_flight", self._num_calls[name], method=name)

    def _require_served(self, name: str, caller: str, context: _Context) -> None:
        if name.startswith(_ALWAYS):
            return
        if self._health.ends:
            raise Transient("the server ends; another one takes the call")
        if self._num_calls.total() > self._most_calls:
            raise Overloaded(f"more than {self._most_calls} calls at once")
        if self._num_of_callers[caller] > self._most_of_caller:
            raise Overloaded(f"more than {self._most_of_caller} calls of one client at once")
        left = context.time_remaining()
        if left is not None and left <= 0:
            raise TooLate("the deadline has passed")


def caller_of(context: _Context) -> str:
    """Return who calls, by what nobody can make up: the name in a certificate, or the address."""
    authenticated = context.auth_context()
    for kind in ("x509_common_name", "x509_subject_alternative_name"):
        if names := authenticated.get(kind):
            return f"{CERTIFICATE}{names[0].decode('utf-8', 'replace')}"
    return f"address:{unquote(context.peer()).rpartition(':')[0]}"
