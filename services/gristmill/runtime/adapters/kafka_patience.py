"""Waiting for a cluster that is still about what it has accepted."""

import time
from collections.abc import Callable
from threading import Event
from typing import TypeVar

from kafka import errors

_PATIENCE_SECONDS = 30.0  # a broker carries out what it accepted within milliseconds, if it is well
_STEP_SECONDS = 0.1

T = TypeVar("T")


def patiently(call: Callable[[], T]) -> T:
    """Call until nothing is in the making any more: leaders, coordinators, the topic of offsets."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            return call()
        except errors.KafkaError as error:
            if not error.retriable or time.monotonic() > deadline:
                raise
        Event().wait(_STEP_SECONDS)
