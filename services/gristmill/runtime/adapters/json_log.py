"""A service's log: one JSON object a line on stderr, for machines to search.

It is not for people at a terminal, and it stands in nobody's way: a line that cannot be written is
lost. What could be the text of a document is not shown (bytes, objects), nor is what looks like a
secret; longer values are cut.
"""

import json
import logging
import re
import sys
import traceback
from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date
from itertools import islice
from numbers import Integral, Real
from os import PathLike, fsdecode
from threading import RLock
from typing import TextIO

from gristmill.runtime.adapters.clock import SystemClock
from gristmill.runtime.ports import Clock, EventLog

LONGEST_VALUE = 2000
"""Characters of one value; a longer one is cut and ends with an ellipsis."""

HIDDEN = "***"

_MOST_ITEMS = 50
_DEEPEST = 3
_MOST_FRAMES = 8  # the innermost calls of a traceback
_OWN_NAMES = frozenset({"time", "level", "service", "event"})
_SECRET_NAME = re.compile(r"password|secret|token", re.IGNORECASE)
# In texts that others wrote: `password=…`, `token: "…"`, and the user in an address.
_SECRET_VALUE = re.compile(
    r"""((?:password|secret|token)\w*['"]?\s?[=:]\s?)('[^']*'|"[^"]*"|[^\s,;)}\]]+)""",
    re.IGNORECASE,
)
_ADDRESS_USER = re.compile(r"://[^/\s@]{1,200}@")


class JsonLog:
    """Writes events with the fields bound to it; for any thread.

    A field named like a secret shows `***`, one named like a part of the line itself is written as
    `field_<name>`, an exception becomes its type, message and the end of its traceback.
    """

    def __init__(
        self,
        service: str,
        *,
        stream: TextIO | None = None,
        clock: Clock | None = None,
        **fields: object,
    ) -> None:
        self._lines = _Lines(service, stream, clock or SystemClock())
        self._bound: Mapping[str, object] = fields

    def bind(self, **fields: object) -> "JsonLog":
        """Return a log that writes these fields with every event, too."""
        child = object.__new__(JsonLog)
        child._lines = self._lines
        child._bound = {**self._bound, **fields}
        return child

    def info(self, event: str, /, **fields: object) -> None:
        """Tell what happened as it should."""
        self._lines.write("info", event, {**self._bound, **fields})

    def warning(self, event: str, /, **fields: object) -> None:
        """Tell what went wrong and is being put right."""
        self._lines.write("warning", event, {**self._bound, **fields})

    def error(self, event: str, /, **fields: object) -> None:
        """Tell what went wrong and needs somebody."""
        self._lines.write("error", event, {**self._bound, **fields})


class _Lines:
    """Where the lines go, shared by a log and its children."""

    def __init__(self, service: str, stream: TextIO | None, clock: Clock) -> None:
        self._service = service
        self._stream = stream
        self._clock = clock
        self._lock = RLock()  # a signal handler may write while its own thread does

    def write(self, level: str, event: str, fields: Mapping[str, object]) -> None:
        now = self._clock.now().astimezone(UTC).isoformat(timespec="milliseconds")
        entry: dict[str, object] = {
            "time": now.replace("+00:00", "Z"),
            "level": level,
            "service": self._service,
            "event": _shown_text(event),
        }
        for name, value in fields.items():
            entry[f"field_{name}" if name in _OWN_NAMES else name] = _shown(name, value)
        # JSON escapes all control characters but this one.
        line = json.dumps(entry, ensure_ascii=True).replace("\x7f", "\\u007f") + "\n"
        stream = self._stream or sys.stderr
        try:
            with self._lock:
                stream.write(line)
                stream.flush()
        except (OSError, ValueError, RuntimeError):  # full, closed, or interrupted by a signal
            return


def _shown(name: str, value: object, depth: int = 0) -> object:
    """Return what JSON holds of a value."""
    shown: object = f"<{type(value).__name__}>"
    if _SECRET_NAME.search(name):
        shown = HIDDEN
    elif value is None or isinstance(value, bool):
        shown = value
    elif isinstance(value, str):
        shown = _shown_text(value)
    elif isinstance(value, Integral | Real):
        shown = _shown_number(value)
    elif isinstance(value, BaseException):
        shown = _shown_error(value)
    elif isinstance(value, Mapping):
        shown = _shown_mapping(value, depth) if depth < _DEEPEST else shown
    elif isinstance(value, list | tuple | AbstractSet):
        shown = _shown_items(value, depth) if depth < _DEEPEST else shown
    elif isinstance(value, date):  # a datetime is one
        shown = value.isoformat()
    elif isinstance(value, PathLike):
        shown = _shown_text(fsdecode(value))
    return shown


def _shown_text(text: str) -> str:
    # What is cut away first may be half of a secret: hide, then cut.
    text = _SECRET_VALUE.sub(rf"\1{HIDDEN}", text[: 2 * LONGEST_VALUE])
    text = _ADDRESS_USER.sub(f"://{HIDDEN}@", text)
    return text if len(text) <= LONGEST_VALUE else text[: LONGEST_VALUE - 1] + "…"


def _shown_number(value: Integral | Real) -> object:
    if isinstance(value, Integral):
        whole = int(value)
        return whole if whole.bit_length() <= 64 else _shown_text(hex(whole))
    number = float(value)
    # JSON has no infinities and no NaN.
    return number if number - number == 0 else str(number)


def _shown_mapping(value: Mapping[object, object], depth: int) -> object:
    shown: dict[str, object] = {}
    for name in islice(value, _MOST_ITEMS):
        text = _shown_text(name) if isinstance(name, str) else str(_shown("", name, _DEEPEST))
        shown[text] = _shown(text, value[name], depth + 1)
    return shown


def _shown_items(value: Iterable[object], depth: int) -> object:
    return [_shown("", one, depth + 1) for one in islice(value, _MOST_ITEMS)]


def _shown_error(error: BaseException) -> dict[str, object]:
    told = traceback.TracebackException.from_exception(error, limit=-_MOST_FRAMES, compact=True)
    text = "".join(told.format())
    if len(text) > LONGEST_VALUE:
        text = "…" + text[1 - LONGEST_VALUE :]  # its end says what it was
    return {
        "type": type(error).__name__,
        "message": _shown_text("".join(told.format_exception_only()).strip()),
        "traceback": _shown_text(text),
    }


# --- what libraries log ---------------------------------------------------------------------------

_FLOOD_SECONDS = 10.0
_MOST_MESSAGES = 100  # different ones in that time; the rest counts as one message
_OTHER = "(other messages)"
_VARYING = re.compile(r"0x[0-9a-f]+|\d+", re.IGNORECASE)


@contextmanager
def library_log(log: JsonLog, *, clock: Clock | None = None) -> Iterator[None]:
    """Write what libraries warn of into `log`; the same message once in ten seconds.

    The event is `kafka client`, or `library` for others. Messages are the same when they differ in
    digits only; `left_out` says how many were not written since the last one.
    """
    handler = _LibraryHandler(log, clock or SystemClock())
    root, kafka = logging.getLogger(), logging.getLogger("kafka")
    level = kafka.level
    root.addHandler(handler)
    kafka.setLevel(logging.WARNING)
    try:
        yield
    finally:
        root.removeHandler(handler)
        kafka.setLevel(level)
        handler.tell_left_out()


@dataclass(slots=True)
class _Repeated:
    """A message that was written, and how often it came since."""

    since: float
    record: logging.LogRecord
    left_out: int = 0


class _LibraryHandler(logging.Handler):
    """Takes the records of all loggers, and lets few of them through."""

    def __init__(self, log: EventLog, clock: Clock) -> None:
        super().__init__(logging.WARNING)
        self._log = log
        self._clock = clock
        self._messages: dict[tuple[str, str], _Repeated] = {}
        self._swept = clock.monotonic()

    def emit(self, record: logging.LogRecord) -> None:
        now = self._clock.monotonic()
        key = (record.name, _VARYING.sub("0", _message(record)[:LONGEST_VALUE]))
        if now - self._swept >= _FLOOD_SECONDS:
            self._sweep(now, keep=key)
        if key not in self._messages and len(self._messages) >= _MOST_MESSAGES:
            key = ("", _OTHER)
        known = self._messages.get(key)
        if known is None:
            self._messages[key] = _Repeated(now, record)
            self._write(record, 0)
        elif now - known.since >= _FLOOD_SECONDS:
            self._messages[key] = _Repeated(now, record)
            self._write(record, known.left_out)
        else:
            known.record = record
            known.left_out += 1

    def tell_left_out(self) -> None:
        """Write once more what came again and was left out."""
        with self.lock or RLock():
            self._sweep(float("inf"))

    def _sweep(self, now: float, keep: tuple[str, str] = ("", "")) -> None:
        """Forget messages whose time is over; what came again in it is written once more."""
        self._swept = now
        for key, known in list(self._messages.items()):
            if key != keep and now - known.since >= _FLOOD_SECONDS:
                if known.left_out:
                    self._write(known.record, known.left_out)
                    self._messages[key] = _Repeated(now, known.record)
                else:
                    del self._messages[key]

    def _write(self, record: logging.LogRecord, left_out: int) -> None:
        write = self._log.error if record.levelno >= logging.ERROR else self._log.warning
        event = "kafka client" if record.name.partition(".")[0] == "kafka" else "library"
        fields: dict[str, object] = {"logger": record.name, "message": _message(record)}
        if left_out:
            fields["left_out"] = left_out
        if record.exc_info and record.exc_info[1]:
            fields["error"] = record.exc_info[1]
        write(event, **fields)


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except (TypeError, ValueError, KeyError, AttributeError):  # a library's own mistake
        return str(record.msg)
