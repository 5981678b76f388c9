"""The gRPC face of the front door: who calls, and bytes in and out. What is done is the door's."""

from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Sequence
from typing import Any, Protocol

import grpc

from gristmill.runtime.adapters.grpc_calls import CERTIFICATE, caller_of
from gristmill.runtime.model import Poison, Reason, Transient, client_problem
from gristmill.runtime.wire import decode_known_request, encode_known

CLIENT_KEY = "gristmill-client"
"""The metadata by which a client without a certificate names itself."""

# gRPC carries no types.
_Context = Any


Submit = Callable[[str, AsyncIterable[bytes]], AsyncGenerator[bytes, None]]
"""Answers the requests of a client: bytes of `SubmitRequest` in, of `SubmitResponse` out."""


class Door(Protocol):
    """What the calls need of the front door."""

    @property
    def is_cut_off(self) -> bool:
        """Whether the log, or what else is behind the door, failed a moment ago."""
        ...

    async def known(self, client: str, keys: Sequence[str]) -> list[bool]:
        """Tell which keys of a client were accepted."""
        ...

    def drain(self) -> None:
        """Let streams read no further."""
        ...

    async def close(self) -> None:
        """Finish what is in work."""
        ...


class IngestionCalls:
    """The calls of `IngestionService` for crawlers, over a door that opens when it is ready."""

    def __init__(self) -> None:
        self._open: tuple[Door, Submit] | None = None

    def open(self, door: Door, submit: Submit) -> None:
        """Let calls through."""
        self._open = door, submit

    @property
    def is_open(self) -> bool:
        """Whether the door is open, and what is behind it answers."""
        return self._open is not None and not self._open[0].is_cut_off

    def handlers(self) -> dict[str, Any]:
        """Return what serves each method."""
        return {
            "Submit": grpc.stream_stream_rpc_method_handler(self.submit),
            "Known": grpc.unary_unary_rpc_method_handler(self.known),
        }

    async def submit(self, requests: AsyncIterator[bytes], context: _Context) -> None:
        """Answer a stream of items."""
        _, submit = self._opened()
        responses = submit(client_of(context), requests)
        try:
            async for response in responses:
                await context.write(response)
        finally:
            await responses.aclose()

    async def known(self, request: bytes, context: _Context) -> bytes:
        """Answer which keys are known."""
        keys = decode_known_request(request)
        door, _ = self._opened()
        return encode_known(await door.known(client_of(context), keys))

    def drain(self) -> None:
        """Let streams read no further; each ends when what it sent is safe."""
        if self._open is not None:
            self._open[0].drain()

    async def close(self) -> None:
        """Close the door when what is in work is safe."""
        if self._open is not None:
            await self._open[0].close()

    def _opened(self) -> tuple[Door, Submit]:
        if self._open is None:
            raise Transient("the front door is not open yet")
        return self._open


def client_of(context: _Context) -> str:
    """Return who calls: the name in a certificate, else the one given, else the address.

    Keys and quotas belong to it. Without certificates a client may call itself by any name. Raises
    Poison for one that is no name.
    """
    caller = caller_of(context)
    if caller.startswith(CERTIFICATE):
        return caller
    for key, value in context.invocation_metadata() or ():
        if key == CLIENT_KEY:
            if problem := client_problem(value if isinstance(value, str) else ""):
                raise Poison(Reason.UNREADABLE, f"{CLIENT_KEY}: {problem}")
            return f"name:{value}"
    return caller
