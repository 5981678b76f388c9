"""A stream of requests and their answers, begun again where it breaks, as long as that may help."""

import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

import grpc

from gristmill.client.channel import CallError, Retries, call_error
from gristmill.client.window import Window

T = TypeVar("T")

# gRPC carries no types.
Open = Callable[[Iterator[bytes]], Any]
"""Begins a call that sends these requests; iterated, it gives the responses."""

_END = object()


def exchange(
    open_call: Open,
    window: Window,
    settle: Callable[[bytes], Iterable[T]],
    *,
    silence: CallError,
    timeout_seconds: float,
    retries: Retries,
) -> Iterator[T]:
    """Send what a window has and yield what `settle` makes of each response.

    `settle` tells the window what was answered: what was not is sent again when a stream breaks.
    A response that settles nothing is no progress.
    `silence` is how it breaks when no response comes for so long though one is due. Raises
    CallError when it breaks too often without an answer, and what the window's source raised.
    """
    failures = 0
    try:
        while not window.is_done():
            error = None
            try:
                for response in _responses(open_call, window, silence, timeout_seconds):
                    for settled in settle(response):
                        failures = 0
                        yield settled
            except CallError as raised:
                error = raised
            if window.error is not None:
                raise window.error
            if window.is_done():
                return
            if error is None and (rest := window.rest_seconds()) is not None:
                time.sleep(rest)  # what was put off goes with the next stream
                continue
            error = error or CallError("UNAVAILABLE", "the stream ended before all was answered")
            failures += 1
            if not error.may_be_retried or failures >= retries.attempts:
                raise error
            retries.told(error)
            time.sleep(retries.pause(failures, error.retry_after_seconds))
        if window.error is not None:
            raise window.error
    finally:
        window.close()


def _responses(
    open_call: Open, window: Window, silence: CallError, timeout_seconds: float
) -> Iterator[bytes]:
    """Yield the responses of one stream. Raises CallError when it breaks, or falls silent."""
    received: queue.Queue[Any] = queue.Queue()  # bounded by what has no answer
    call = open_call(window.requests(received.put))
    threading.Thread(target=_receive, args=(call, received), daemon=True).start()
    try:
        while True:
            try:
                left = timeout_seconds - window.silent_seconds()
                told = received.get(timeout=max(0.0, left))
            except queue.Empty:
                if window.silent_seconds() >= timeout_seconds:
                    raise silence from None
                continue
            if told is _END:
                return
            if isinstance(told, Exception):
                raise told
            window.heard()
            yield told
    finally:
        call.cancel()


def _receive(call: Any, received: "queue.Queue[Any]") -> None:  # noqa: ANN401  # as above
    try:
        for response in call:
            received.put(response)
        received.put(_END)
    except grpc.RpcError as error:
        received.put(call_error(error))
    except Exception as error:  # noqa: BLE001  # whoever waits must learn it
        received.put(error)
