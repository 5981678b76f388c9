"""Serves judges: one batch a call, or batch after batch in a stream.

Bytes go in and out: what they hold is read where they are judged. There are so many places for
batches; a call without one is refused, a stream without one waits, and its sender with it.
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from typing import Any, Protocol

import grpc

from gristmill.runtime.adapters.grpc_calls import caller_of
from gristmill.runtime.model import BadInput, Fatal, Overloaded, TooLate, Transient, Unfit

_STEADY = 0.8  # of the pace so far, in each new figure
_FAILING_SECONDS = 10.0
_OWN_FAULTS = (BadInput, Fatal, Transient)  # about what is here, not what was asked

# gRPC carries no types.
_Context = Any


class Judge(Protocol):
    """Answers requests, in processes or threads of its own."""

    num_workers: int

    def submit(self, request: bytes) -> "Future[Any]":
        """Begin; cancelling the future takes back what has not begun. Raises Unfit."""
        ...

    def answer(self, judged: Any) -> bytes:  # noqa: ANN401  # the judge knows what it gave
        """Return the response. Raises Unfit."""
        ...


@contextmanager
def _naming(number: int) -> Iterator[None]:
    """Have what is unfit name the batch of the stream."""
    try:
        yield
    except Unfit as error:
        raise error.in_batch(number) from error


class Places:
    """Places for batches: so many in all, and so many of one client, who shuts nobody out."""

    def __init__(self, most: int, most_of_caller: int) -> None:
        self._all = asyncio.Semaphore(most)
        self._most_of_caller = most_of_caller
        self._own: dict[str, asyncio.Semaphore] = {}
        self._num_of: Counter[str] = Counter()

    def are_taken(self, caller: str) -> bool:
        """Tell whether a client would have to wait."""
        return self._all.locked() or (caller in self._own and self._own[caller].locked())

    async def take(self, caller: str) -> None:
        """Wait for a place."""
        self._num_of[caller] += 1
        own = self._own.setdefault(caller, asyncio.Semaphore(self._most_of_caller))
        try:
            await own.acquire()
            try:
                await self._all.acquire()
            except BaseException:
                own.release()
                raise
        except BaseException:
            self._forget(caller)
            raise

    def give(self, caller: str) -> None:
        """Give a place back."""
        self._all.release()
        self._own[caller].release()
        self._forget(caller)

    def _forget(self, caller: str) -> None:
        self._num_of[caller] -= 1
        if not self._num_of[caller]:
            del self._num_of[caller], self._own[caller]


class BatchCalls:
    """One method and its stream, over a judge that comes when it is ready. In one event loop."""

    def __init__(self, most_batches: int, most_of_client: int) -> None:
        self.judge: Judge | None = None
        self._places = Places(most_batches, most_of_client)
        self._num_taken = 0
        self._failed_at: float | None = None
        self._last_end = 0.0
        self._reading: set[asyncio.Task[None]] = set()
        self._pace = 0.0  # seconds from the end of one batch to that of the next, while busy

    @property
    def answers(self) -> bool:
        """Whether there is a judge, and what it judged last did not fail by its own fault just now.

        After a while it counts as mended: nobody asks one that says that it does not answer.
        """
        if self._failed_at is not None and time.monotonic() - self._failed_at > _FAILING_SECONDS:
            self._failed_at = None
        return self.judge is not None and self._failed_at is None

    def handlers(self, name: str, *, streamed: bool = True) -> dict[str, Any]:
        """Return what serves the method, and the one behind its name with Stream."""
        handlers = {name: grpc.unary_unary_rpc_method_handler(self.one)}
        if streamed:
            handlers[f"{name}Stream"] = grpc.stream_stream_rpc_method_handler(self.many)
        return handlers

    async def one(self, request: bytes, context: _Context) -> bytes:
        """Answer one batch."""
        judge, caller = self._ready(), caller_of(context)
        if self._places.are_taken(caller):
            raise Overloaded("all places for batches are taken")
        left = context.time_remaining()
        ahead = self._num_taken - judge.num_workers
        if left is not None and ahead >= 0 and left < self._pace * (ahead + 1):
            raise TooLate("the batches before this one take longer than its deadline leaves")
        await self._places.take(caller)
        return judge.answer(await self._begun(judge, caller, request))

    async def many(self, requests: AsyncIterator[bytes], context: _Context) -> None:
        """Answer batches in order; as many as the judge has workers, and one, are in work."""
        judge, caller = self._ready(), caller_of(context)
        begun: asyncio.Queue[asyncio.Future[Any] | None] = asyncio.Queue()
        room = asyncio.Semaphore(judge.num_workers + 1)

        async def read() -> None:
            number = 0
            async for request in requests:
                await room.acquire()
                await self._places.take(caller)
                with _naming(number):
                    begun.put_nowait(self._begun(judge, caller, request))
                number += 1

        reading = asyncio.create_task(read())
        self._reading.add(reading)
        reading.add_done_callback(lambda _: begun.put_nowait(None))
        try:
            number = 0
            while (batch := await begun.get()) is not None:
                with _naming(number):
                    answer = judge.answer(await batch)
                await context.write(answer)
                room.release()
                number += 1
            if reading.cancelled():
                raise Transient("the server ends; send again what has no answer")
            reading.result()  # what it failed of, if it did
        finally:
            self._reading.discard(reading)
            reading.cancel()
            while not begun.empty():
                if (batch := begun.get_nowait()) is not None:
                    batch.cancel()

    def drain(self) -> None:
        """Have streams read no further: each ends when what it has sent is answered."""
        for reading in self._reading:
            reading.cancel()

    def _ready(self) -> Judge:
        if self.judge is None:
            raise Transient("the stage is not ready yet")
        return self.judge

    def _begun(self, judge: Judge, caller: str, request: bytes) -> "asyncio.Future[Any]":
        """Begin a batch that has a place; it gives the place back whatever becomes of it."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        self._num_taken += 1
        try:
            future = judge.submit(request)
        except BaseException:
            self._end(caller, began)
            raise

        def ended(done: "Future[Any]") -> None:
            if not done.cancelled():
                failed = isinstance(done.exception(), _OWN_FAULTS)
                self._failed_at = time.monotonic() if failed else None
            with suppress(RuntimeError):  # the loop has ended before it
                loop.call_soon_threadsafe(self._end, caller, began)

        future.add_done_callback(ended)
        return asyncio.wrap_future(future)

    def _end(self, caller: str, began: float) -> None:
        now = asyncio.get_running_loop().time()
        took = now - max(began, self._last_end)
        self._pace = _STEADY * self._pace + (1 - _STEADY) * took
        self._last_end = now
        self._num_taken -= 1
        self._places.give(caller)
