"""The log of a service: lines that parse, say what they should, and say no secret."""

import json
import logging
import math
import random
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from gristmill.runtime.adapters.json_log import LONGEST_VALUE, JsonLog, library_log
from gristmill.runtime.model import Reason


class Clock:
    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> datetime:
        start = datetime(2026, 1, 2, 5, 4, 5, 6789, timezone(timedelta(hours=2)))
        return start + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return self.seconds


class Written:
    """A log and what came out of it."""

    def __init__(self) -> None:
        self.stream = StringIO()
        self.clock = Clock()
        self.log = JsonLog("syntax", stream=self.stream, clock=self.clock, ordinal=3)

    @property
    def lines(self) -> list[dict[str, Any]]:
        text = self.stream.getvalue()
        assert text == "" or text.endswith("\n")
        assert text.isascii()
        assert all(char.isprintable() or char == "\n" for char in text)
        return [json.loads(line, parse_constant=pytest.fail) for line in text.splitlines()]

    def shown(self, **fields: object) -> Any:
        self.log.info("seen", **fields)
        line = self.lines[-1]
        (name,) = fields
        return line[name]


@pytest.fixture
def written() -> Written:
    return Written()


def test_a_line(written: Written) -> None:
    written.log.info("batch committed", records=12, seconds=0.02)
    assert list(written.lines[0].items()) == [
        ("time", "2026-01-02T03:04:05.006Z"),
        ("level", "info"),
        ("service", "syntax"),
        ("event", "batch committed"),
        ("ordinal", 3),
        ("records", 12),
        ("seconds", 0.02),
    ]


def test_levels(written: Written) -> None:
    written.log.info("one")
    written.log.warning("two")
    written.log.error("three")
    told = [(line["level"], line["event"]) for line in written.lines]
    assert told == [("info", "one"), ("warning", "two"), ("error", "three")]


def test_bound_fields_stay_with_the_child(written: Written) -> None:
    child = written.log.bind(topic="t", ordinal=4)
    child.bind(topic="u").info("inner", ordinal=5)
    child.info("middle")
    written.log.info("outer")
    told = [(line.get("topic"), line["ordinal"]) for line in written.lines]
    assert told == [("u", 5), ("t", 4), (None, 3)]


def test_a_field_cannot_pose_as_part_of_the_line(written: Written) -> None:
    written.log.info("seen", time=1, level="x", service="y", event="z")
    line = written.lines[0]
    assert (line["level"], line["service"], line["event"]) == ("info", "syntax", "seen")
    assert [line[f"field_{name}"] for name in ("time", "level", "service", "event")] == [
        1,
        "x",
        "y",
        "z",
    ]


def test_the_log_goes_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    JsonLog("dedup").warning("broker away")
    out, err = capsys.readouterr()
    assert out == ""
    line = json.loads(err)
    assert (line["service"], line["event"]) == ("dedup", "broker away")
    assert abs(datetime.now(UTC) - datetime.fromisoformat(line["time"])) < timedelta(minutes=1)


def test_control_characters_and_broken_text_are_escaped(written: Written) -> None:
    text = "a\x1b[31m\n\x00\x7f\x9b\u2028\ud800é"
    written.log.warning("seen\n\x1b", text=text)
    assert written.lines[0]["text"] == text
    assert written.lines[0]["event"] == "seen\n\x1b"
    assert written.stream.getvalue().count("\n") == 1


@pytest.mark.parametrize("length", [LONGEST_VALUE, LONGEST_VALUE + 1, 10_000_000])
def test_long_values_are_cut(written: Written, length: int) -> None:
    shown = written.shown(path="x" * length)
    assert len(shown) == LONGEST_VALUE
    assert shown.endswith("…") == (length > LONGEST_VALUE)


class Partition(NamedTuple):
    topic: str
    number: int


@dataclass
class Document:
    text: str = "somebody's code"


class Unprintable:
    def __str__(self) -> str:
        raise RuntimeError("no")

    __repr__ = __str__


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, None),
        (True, True),
        (0, 0),
        (-(2**63), -(2**63)),
        (2**70, hex(2**70)),
        (1.5, 1.5),
        (math.nan, "nan"),
        (-math.inf, "-inf"),
        (np.int64(7), 7),
        (np.float32(0.5), 0.5),
        (Reason.BINARY, "binary"),
        (Partition("t", 1), ["t", 1]),
        (frozenset({1}), [1]),
        ({"a": {"b": 1}, 2: None}, {"a": {"b": 1}, "2": None}),
        (list(range(1000)), list(range(50))),
        (Path("/a/b"), "/a/b"),
        (datetime(2026, 1, 1, tzinfo=UTC), "2026-01-01T00:00:00+00:00"),
        (b"somebody's code", "<bytes>"),
        (bytearray(b"somebody's code"), "<bytearray>"),
        (memoryview(b"somebody's code"), "<memoryview>"),
        (Document(), "<Document>"),
        (Unprintable(), "<Unprintable>"),
        ([[[[[1]]]]], [[["<list>"]]]),
    ],
)
def test_values(written: Written, value: object, shown: object) -> None:
    assert written.shown(value=value) == shown


def test_a_number_of_any_size_is_shown(written: Written) -> None:
    assert len(written.shown(value=10**100_000)) == LONGEST_VALUE


def test_a_value_that_holds_itself_ends(written: Written) -> None:
    loop: list[object] = []
    loop.append(loop)
    mapping: dict[str, object] = {}
    mapping["again"] = mapping
    assert written.shown(loop=loop) == [[["<list>"]]]
    assert written.shown(mapping=mapping) == {"again": {"again": {"again": "<dict>"}}}


# --- errors ---------------------------------------------------------------------------------------


def caught(message: str, depth: int = 0) -> ValueError:
    def fail(left: int) -> None:
        if left:
            fail(left - 1)
        raise ValueError(message)

    try:
        fail(depth)
    except ValueError as error:
        return error
    raise AssertionError


def test_an_error_is_told_with_its_traceback(written: Written) -> None:
    written.log.error("commit failed", error=caught("the reason"))
    error = written.lines[0]["error"]
    assert error["type"] == "ValueError"
    assert error["message"] == "ValueError: the reason"
    assert "in fail" in error["traceback"]
    assert error["traceback"].endswith("ValueError: the reason\n")


@pytest.mark.parametrize(("message", "depth"), [("short", 500), ("long " * 100_000, 2)])
def test_a_traceback_is_bounded(written: Written, message: str, depth: int) -> None:
    written.log.error("commit failed", error=caught(message, depth))
    assert len(written.stream.getvalue()) < 3 * LONGEST_VALUE


def test_an_error_without_a_traceback(written: Written) -> None:
    assert written.shown(error=OSError(2, "gone"))["type"] == "FileNotFoundError"


# --- secrets --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["password", "sasl_plain_password", "CLIENT_SECRET", "secrets", "apiToken", "token"]
)
def test_secret_fields_are_never_shown(written: Written, name: str) -> None:
    assert written.shown(**{name: "hunter2"}) == "***"
    written.log.bind(**{name: b"hunter2"}).info("seen", settings={"kafka": {name: "hunter2"}})
    assert written.lines[-1]["settings"] == {"kafka": {name: "***"}}
    assert "hunter2" not in written.stream.getvalue()


@pytest.mark.parametrize(
    "text",
    [
        "cannot log in with password=hunter2, sorry",
        "{'sasl_plain_password': 'hunter2'}",
        'token: "hunter2 or so"',
        "GET https://me:hunter2@example.org/x",
        "secret_key = hunter2",
        "x" * (LONGEST_VALUE - 12) + " password=hunter2 and more",
    ],
)
def test_secrets_in_texts_are_hidden(written: Written, text: str) -> None:
    written.log.error("seen", message=text, error=caught(text))
    written.log.error("seen", error=RuntimeError(text))
    assert "hunter" not in written.stream.getvalue()


def test_hiding_secrets_takes_no_time(written: Written) -> None:
    for text in ("token" * 10**6, "password=" * 10**6, "://" * 10**6, "token'" * 10**6):
        assert len(written.shown(message=text)) <= LONGEST_VALUE


# --- standing in nobody's way ---------------------------------------------------------------------


class BrokenStream(StringIO):
    def write(self, text: str) -> int:
        raise BrokenPipeError


def test_a_line_that_cannot_be_written_is_lost(capsys: pytest.CaptureFixture[str]) -> None:
    JsonLog("syntax", stream=BrokenStream()).error("seen")
    closed = StringIO()
    closed.close()
    JsonLog("syntax", stream=closed).error("seen")
    assert capsys.readouterr() == ("", "")


def test_lines_of_many_threads_stay_whole(written: Written) -> None:
    def write(number: int) -> None:
        for _ in range(100):
            written.log.info("seen", number=number)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(written.lines) == 500


# --- libraries ------------------------------------------------------------------------------------


@pytest.fixture
def libraries(written: Written) -> Iterator[Written]:
    with library_log(written.log, clock=written.clock):
        yield written


KAFKA = logging.getLogger("kafka.net.manager")


def test_what_the_kafka_client_warns_of_is_an_event(libraries: Written) -> None:
    KAFKA.debug("quiet")
    KAFKA.info("quiet")
    KAFKA.warning("Bootstrap connection to %s failed: %s", "b:9092", OSError("refused"))
    [line] = libraries.lines
    assert (line["level"], line["event"], line["ordinal"]) == ("warning", "kafka client", 3)
    assert line["logger"] == "kafka.net.manager"
    assert line["message"] == "Bootstrap connection to b:9092 failed: refused"


def test_other_libraries_are_told_apart(libraries: Written) -> None:
    logging.getLogger("kafkaesque").error("strange")
    logging.getLogger("grpc").critical("broken", exc_info=caught("why"))
    one, two = libraries.lines
    assert (one["event"], one["logger"], one["level"]) == ("library", "kafkaesque", "error")
    assert (two["level"], two["error"]["message"]) == ("error", "ValueError: why")


def test_a_flood_of_one_message_is_bounded(libraries: Written) -> None:
    for number in range(10_000):  # 100 seconds
        libraries.clock.seconds = number / 100
        KAFKA.error("<conn %#x>: Connection lost after %d ms", 0x7F00 + number, number)
    lines = libraries.lines
    assert len(lines) == 10
    assert "left_out" not in lines[0]
    assert [line["left_out"] for line in lines[1:]] == [999] * 9


def test_a_flood_of_many_messages_is_bounded(libraries: Written) -> None:
    chance = random.Random(1)
    for _ in range(10_000):
        KAFKA.warning("".join(chance.choices("abcdefgh", k=12)))
    assert len(libraries.lines) == 101


def test_a_flood_of_messages_in_turn_is_bounded(libraries: Written) -> None:
    for number in range(3_000):  # 30 seconds
        libraries.clock.seconds = number / 100
        for message in ("connection lost", "not ready", "bootstrap failed"):
            KAFKA.error(message)
    told = [line.get("left_out", 0) for line in libraries.lines]
    assert len(told) == 9
    assert min(told[3:]) > 990


def test_what_was_left_out_is_told_when_the_flood_is_over(libraries: Written) -> None:
    for _ in range(5):
        KAFKA.warning("away")
    libraries.clock.seconds = 11
    KAFKA.warning("something else")
    told = [(line["message"], line.get("left_out")) for line in libraries.lines]
    assert told == [("away", None), ("away", 4), ("something else", None)]


def test_what_was_left_out_is_told_at_the_end(written: Written) -> None:
    with library_log(written.log, clock=written.clock):
        for _ in range(5):
            KAFKA.warning("away")
    assert [line.get("left_out") for line in written.lines] == [None, 4]


def test_a_library_that_logs_wrongly_does_no_harm(libraries: Written) -> None:
    ours = JsonLog.__module__  # others that listen here are pytest's, and raise
    [handler] = [one for one in logging.getLogger().handlers if type(one).__module__ == ours]
    for message, arguments in (("%d records", ("many",)), ("%(a)s", ({"b": 1},))):
        handler.handle(logging.LogRecord("kafka", logging.WARNING, "", 0, message, arguments, None))
    assert [line["message"] for line in libraries.lines] == ["%d records", "%(a)s"]


def test_afterwards_libraries_log_as_before(written: Written) -> None:
    before = logging.getLogger().handlers[:], logging.getLogger("kafka").level
    with library_log(written.log):
        pass
    KAFKA.error("quiet")
    assert written.lines == []
    assert (logging.getLogger().handlers, logging.getLogger("kafka").level) == before
