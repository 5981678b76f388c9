"""A TCP proxy in front of Kafka brokers that loses, holds and delays what it is told to.

    with FaultProxy(kafka.proxy_routes) as proxy:  # of a KafkaCluster(..., proxied=True)
        lost = proxy.lose_next_answer()
        ...                                        # a client of kafka.proxied_bootstrap commits
        assert lost.error_code(timeout_s=10) == 0  # the broker committed, the client never hears

It knows as much of Kafka's protocol as faults at exact places need: messages have four bytes of
length before them, a request begins with api key (int16), api version (int16) and correlation id
(int32), an answer with the correlation id of its request. Nothing happens by chance or by the
clock: every fault is one call, and a handle tells what it caught.

The proxy is one thread that runs an event loop; closing it closes every socket of it.
"""

import asyncio
import contextlib
import socket
import struct
import threading
from collections import Counter
from collections.abc import Coroutine, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Literal, Self, TypeVar

END_TXN = 26
# From this version on the headers of EndTxn end in tagged fields, of which there are none.
_END_TXN_FLEXIBLE = 3
_HOST = "127.0.0.1"
_LENGTH = struct.Struct(">i")
_REQUEST = struct.Struct(">hhi")
_CORRELATION = struct.Struct(">i")

# What becomes of the client's connection: it is closed, or stays open and carries nothing more.
Then = Literal["close", "hang"]
_T = TypeVar("_T")


@dataclass(frozen=True)
class Request:
    """A request as a client sent it, without its length."""

    api_key: int
    api_version: int
    correlation_id: int
    frame: bytes

    @classmethod
    def of(cls, frame: bytes) -> Self:
        """Read the fixed part of the header."""
        api_key, api_version, correlation_id = _REQUEST.unpack_from(frame)
        return cls(api_key, api_version, correlation_id, frame)

    def error_code(self, answer: bytes) -> int:
        """Return the error code in the answer to an EndTxn."""
        assert self.api_key == END_TXN, "the only answer that is understood here"
        header = 5 if self.api_version >= _END_TXN_FLEXIBLE else 4
        (code,) = struct.unpack_from(">h", answer, header + 4)  # behind the throttle time
        return int(code)


class LostAnswer:
    """An answer that the broker gave and the client never got."""

    def __init__(self, api_key: int, then: Then) -> None:
        self.api_key = api_key
        self.then = then
        self.caught: Future[tuple[Request, bytes]] = Future()

    def error_code(self, timeout_s: float = 10) -> int:
        """Wait for the answer; return the error code in it: 0 where the broker did as asked."""
        request, answer = self.caught.result(timeout_s)
        return request.error_code(answer)


class HeldRequest:
    """A request that was kept from the broker, to be delivered late or never."""

    def __init__(self, proxy: "FaultProxy", api_key: int, then: Then) -> None:
        self.api_key = api_key
        self.then = then
        self.caught: Future[tuple[Request, int]] = Future()
        self._proxy = proxy

    def wait(self, timeout_s: float = 10) -> Request:
        """Wait until the client has sent it."""
        return self.caught.result(timeout_s)[0]

    def deliver(self, timeout_s: float = 10) -> int:
        """Give it to the broker, whatever became of the client; return the error code answered."""
        request, target = self.caught.result(timeout_s)
        return request.error_code(self._proxy.ask(target, request.frame, timeout_s))


class FaultProxy:
    """The proxy; passes everything on until told otherwise. Its methods are for other threads."""

    def __init__(self, routes: Mapping[int, int]) -> None:
        """Routes: the port to listen on -> the port of the broker to pass on to."""
        self.requests: Counter[int] = Counter()  # how many clients have sent, by api key
        # What the links look at for every message. Set whole, and so from any thread.
        self.swallowing = False
        self.delay_s = 0.0
        self.seconds_per_byte = 0.0
        self.to_lose: list[LostAnswer] = []
        self.to_hold: list[HeldRequest] = []
        self._routes = dict(routes)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._loop.run_forever, name="fault proxy", daemon=True
        )
        # For the thread of the loop only.
        self._listeners: list[socket.socket] = []
        self._links: dict[asyncio.Task[None], _Link] = {}

    def __enter__(self) -> Self:
        self._thread.start()
        try:
            self._do(self._listen())
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def lose_next_answer(self, api_key: int = END_TXN, *, then: Then = "hang") -> LostAnswer:
        """Keep the next answer of this kind, once the broker has given it, from its client."""
        lost = LostAnswer(api_key, then)
        self.to_lose.append(lost)
        return lost

    def hold_next_request(self, api_key: int = END_TXN, *, then: Then = "hang") -> HeldRequest:
        """Keep the next request of this kind from the broker until it is told to be delivered."""
        held = HeldRequest(self, api_key, then)
        self.to_hold.append(held)
        return held

    def refuse(self) -> None:
        """Refuse connections and cut those that are open, as where no broker runs."""
        self._do(self._refuse())

    def black_hole(self) -> None:
        """Accept connections and messages, and let none through, in either direction."""
        self.swallowing = True

    def delay(self, seconds: float) -> None:
        """Let every request wait for so long before it goes to the broker, one after another."""
        self.delay_s = seconds

    def pace(self, bytes_per_second: float) -> None:
        """Let each connection send no more than so much to the broker."""
        self.seconds_per_byte = 1 / bytes_per_second

    def heal(self) -> None:
        """End all of these faults; a connection that lost a message is cut."""
        self.swallowing = False
        self.delay_s = self.seconds_per_byte = 0.0
        self._do(self._cut(only_silent=True))
        self._do(self._listen())

    def ask(self, broker: int, frame: bytes, timeout_s: float) -> bytes:
        """Send one request to a broker over a connection of its own; return the answer."""
        return self._do(_ask(broker, frame), timeout_s)

    def close(self) -> None:
        """Close all sockets and end the thread."""
        self._do(self._refuse())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _do(self, work: Coroutine[Any, Any, _T], timeout_s: float = 10) -> _T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout_s)

    async def _listen(self) -> None:
        if not self._listeners:
            for port, broker in self._routes.items():
                listener = socket.create_server((_HOST, port))
                listener.setblocking(False)
                self._listeners.append(listener)
                self._loop.add_reader(listener, self._accept, listener, broker)

    def _accept(self, listener: socket.socket, broker: int) -> None:
        # By hand: a server of asyncio loses a connection that comes in while it is being closed.
        with contextlib.suppress(OSError):
            client, _ = listener.accept()
            link = _Link(self, client, broker)
            self._links[task := self._loop.create_task(link.run())] = link
            task.add_done_callback(self._links.pop)
            # Even where it was cut before it ran.
            task.add_done_callback(lambda _: client.close())

    async def _refuse(self) -> None:
        for listener in self._listeners:
            self._loop.remove_reader(listener)
            listener.close()
        self._listeners.clear()
        await self._cut()

    async def _cut(self, *, only_silent: bool = False) -> None:
        tasks = [task for task, link in self._links.items() if link.silent or not only_silent]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
            await asyncio.sleep(0)  # in which the last sockets are closed


class _Link:
    """The connection of one client, and the one to the broker that belongs to it."""

    def __init__(self, proxy: FaultProxy, client: socket.socket, broker: int) -> None:
        # The connection stays open, and no request goes to the broker any more ...
        self.silent = False
        # ... and no answer to the client: Kafka's clients want answers in order and without gaps.
        self._mute = False
        self._proxy = proxy
        self._client = client
        self._broker = broker
        self._unanswered: dict[int, Request] = {}

    async def run(self) -> None:
        """Pass messages on until one side goes, a fault ends the connection, or it is cut."""
        with contextlib.suppress(OSError, asyncio.CancelledError), contextlib.ExitStack() as opened:
            reader, writer = await _connect(opened, sock=self._client)
            if self._proxy.swallowing:  # there may not even be a broker
                self.silent = True
                while await reader.read(65536):
                    pass
                return
            answers, requests = await _connect(opened, host=_HOST, port=self._broker)
            pumps = [
                asyncio.create_task(self._pass_requests(reader, requests)),
                asyncio.create_task(self._pass_answers(answers, writer)),
            ]
            try:
                await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for pump in pumps:
                    pump.cancel()
                await asyncio.wait(pumps)

    async def _pass_requests(
        self, client: asyncio.StreamReader, broker: asyncio.StreamWriter
    ) -> None:
        while (frame := await _read(client)) is not None:
            request = Request.of(frame)
            self._proxy.requests[request.api_key] += 1
            if self._proxy.swallowing:
                self.silent = self._mute = True
            if self.silent:
                continue
            if held := _next(self._proxy.to_hold, request):
                # First the connection, then who waits: what they see next is the fault.
                self.silent = True
                held.caught.set_result((request, self._broker))
                if held.then == "close":
                    return
                continue
            await asyncio.sleep(self._proxy.delay_s + self._proxy.seconds_per_byte * len(frame))
            self._unanswered[request.correlation_id] = request
            await _write(broker, frame)

    async def _pass_answers(
        self, broker: asyncio.StreamReader, client: asyncio.StreamWriter
    ) -> None:
        while (answer := await _read(broker)) is not None:
            (correlation_id,) = _CORRELATION.unpack_from(answer)
            request = self._unanswered.pop(correlation_id)
            if self._proxy.swallowing:
                self.silent = self._mute = True
            if self._mute:
                continue
            if lost := _next(self._proxy.to_lose, request):
                self.silent = self._mute = True
                lost.caught.set_result((request, answer))
                if lost.then == "close":
                    return
                continue
            await _write(client, answer)
        if self.silent:  # a connection that hangs does so whatever becomes of the broker
            await asyncio.Event().wait()


_Fault = TypeVar("_Fault", LostAnswer, HeldRequest)


def _next(faults: list[_Fault], request: Request) -> _Fault | None:
    """Take the first fault that waits for a request like this one."""
    for fault in faults:
        if fault.api_key == request.api_key:
            faults.remove(fault)
            return fault
    return None


async def _ask(broker: int, frame: bytes) -> bytes:
    with contextlib.ExitStack() as opened:
        reader, writer = await _connect(opened, host=_HOST, port=broker)
        await _write(writer, frame)
        answer = await _read(reader)
    if answer is None:
        raise ConnectionError("the broker closed the connection without an answer")
    return answer


async def _connect(
    opened: contextlib.ExitStack, **where: Any
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection(**where)
    # To close it in an orderly way would be to wait for a peer that may never read what is left.
    opened.callback(writer.transport.abort)
    return reader, writer


async def _read(reader: asyncio.StreamReader) -> bytes | None:
    """Return the next message, without its length; None once the peer has gone, however it went."""
    try:
        (length,) = _LENGTH.unpack(await reader.readexactly(_LENGTH.size))
        return await reader.readexactly(length)
    except (OSError, EOFError):
        return None


async def _write(writer: asyncio.StreamWriter, frame: bytes) -> None:
    with contextlib.suppress(OSError):  # who reads from a peer that has gone learns it
        writer.write(_LENGTH.pack(len(frame)) + frame)
        await writer.drain()
