"""Dead letters sent in again: each once, whatever happens to the transactions."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from gristmill.runtime.adapters.memory_log import (
    Abort,
    MemoryBroker,
    MemoryLog,
    Step,
    Unknown,
    Yield,
)
from gristmill.runtime.engine.envelope import DEAD_TOPIC, MEMBER_BITS, dead_letter
from gristmill.runtime.engine.replay import replay_letters
from gristmill.runtime.model import Reason, Transient
from gristmill.runtime.ports import Delivery, Headers, Message, Partition

SOURCE = "gristmill.syntax.v1"
DEDUP = "gristmill.dedup.v1"
NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Letters:
    """A dead topic with letters in it, and what a replay makes of them."""

    def __init__(self, count: int) -> None:
        self.broker = MemoryBroker({DEAD_TOPIC: 1, SOURCE: 1, DEDUP: 1})
        self.broker.begin("replay", DEAD_TOPIC)
        self.count = count
        self.entries: dict[str, str] = {}
        for number in range(count):
            came = Delivery(
                partition=Partition(SOURCE, 0),
                offset=number * 2,
                key=b"%d" % number,
                value=b"body %d" % number,
                headers=(("trace", b"t"), ("own", b"1"), ("own", b"2"), ("dead-end", b"3")),
            )
            told: dict[str, Any] = {"stage": "syntax", "version": "v1", "detail": ""}
            letter = dead_letter(came, reason=Reason.UNHANDLED, at=NOW, **told)
            self.broker.writer().write([letter])

    def log(self, instance: str = "replay") -> MemoryLog:
        return self.broker.log(group="replay", instance=instance, topics=[DEAD_TOPIC])

    def replay(self, log: MemoryLog | None = None, meant: str = "") -> tuple[int, int]:
        return replay_letters(
            log or self.log(),
            {Partition(DEAD_TOPIC, 0): self.count - 1},
            lambda letter: letter.value.decode().endswith(meant),
            lambda topic: f"cluster/{topic}",
            lambda topic: self.entries.get(topic, topic),
        )

    def sent_in(self) -> list[str]:
        return [one.value.decode() for one in self.broker.records(SOURCE)]

    def left(self) -> list[str]:
        """Return the letters behind the place of the group."""
        (place,) = self.broker.committed("replay").values()
        letters = self.broker.records(DEAD_TOPIC)
        return [one.value.decode() for one in letters if one.offset >= place.offset]


def bodies(count: int) -> list[str]:
    return [f"body {number}" for number in range(count)]


def test_a_letter_goes_in_as_it_was_with_its_first_position_and_one_more_attempt() -> None:
    letters = Letters(2)
    assert letters.replay() == (2, 0)
    assert letters.sent_in() == bodies(2)
    assert letters.left() == []
    second = letters.broker.records(SOURCE)[1]
    assert second.key == b"1"
    assert second.headers == (
        *(("trace", b"t"), ("own", b"1"), ("own", b"2"), ("dead-end", b"3")),
        ("position-source", f"cluster/{SOURCE}/0".encode()),
        ("position-offset", b"%d" % (2 << MEMBER_BITS)),
        ("attempt", b"2"),
    )


def test_letters_that_are_not_meant_stay_behind_the_others() -> None:
    letters = Letters(3)
    assert letters.replay(meant="1") == (1, 2)
    assert letters.sent_in() == ["body 1"]
    assert letters.left() == ["body 0", "body 2"]


@pytest.mark.parametrize(
    "steps",
    [
        [Abort()],
        [Yield(1), Abort(), Yield(2), Unknown(applied=False)],
        [Yield(2), Unknown(applied=True)],
    ],
    ids=repr,
)
def test_a_transaction_that_fails_doubles_and_loses_nothing(steps: Sequence[Step]) -> None:
    letters = Letters(5)
    letters.broker.script("replay", steps)
    letters.replay()
    assert letters.sent_in() == bodies(5)
    assert letters.left() == []


def test_letters_that_come_while_the_group_is_arranged_anew_are_not_passed_over() -> None:
    letters = Letters(4)
    letters.broker.script("replay", [Yield(1), Yield(1), Yield(5)])

    class Unsettled(MemoryLog):
        refusals = 2

        def transact(self, messages: Sequence[Message], committed: Any) -> bool:
            if self.refusals:
                self.refusals -= 1
                return False
            return super().transact(messages, committed)

    log = letters.log()
    log.__class__ = Unsettled
    assert letters.replay(log) == (4, 0)
    assert letters.sent_in() == bodies(4)


def test_a_replay_whose_partitions_are_taken_away_ends() -> None:
    letters = Letters(1)
    log = letters.log()
    log.poll(0)
    letters.broker.expire("replay", "replay")
    letters.log("another").poll(0)
    with pytest.raises(Transient, match="another replay is going on"):
        letters.replay(log)


def test_a_log_that_gives_nothing_is_not_waited_for_without_end() -> None:
    letters = Letters(1)
    letters.broker.silent = True
    with pytest.raises(Transient, match="does not give"):
        letters.replay()


def test_a_letter_goes_in_by_the_topic_that_its_own_is_entered_by() -> None:
    letters = Letters(2)
    letters.entries = {SOURCE: DEDUP}
    assert letters.replay() == (2, 0)
    assert letters.sent_in() == []
    sent = letters.broker.records(DEDUP)
    assert [one.value.decode() for one in sent] == bodies(2)
    assert dict(sent[0].headers)["position-source"] == f"cluster/{SOURCE}/0".encode()


@pytest.mark.parametrize(
    "headers",
    [
        (),
        (("dead-topic", b"t"), ("dead-partition", b"one"), ("dead-offset", b"1")),
        (("dead-topic", b"t"), ("dead-partition", b"0"), ("dead-offset", b"-1")),
        (("dead-topic", b"t"), ("dead-partition", b"0"), ("dead-offset", b"9" * 5000)),
        (("dead-topic", b"\xff"), ("dead-partition", b"0"), ("dead-offset", b"1")),
        (("dead-topic", b"t"), ("dead-partition", b"0"), ("dead-offset", b"1"), ("attempt", b"x")),
        (("dead-topic", SOURCE.encode()), ("dead-partition", b"0"), ("dead-offset", b"1"),
         ("dead-sha256", b"0" * 64)),
    ],
)  # fmt: skip
def test_a_letter_that_cannot_be_sent_in_stays_and_holds_no_other_up(headers: Headers) -> None:
    """It does not say where it came from, or its bytes were too many for it."""
    letters = Letters(1)
    odd = Message(topic=DEAD_TOPIC, key=b"", value=b"who am I", headers=headers)
    letters.broker.writer().write([odd])
    letters.count = 2
    assert letters.replay() == (1, 1)
    assert letters.sent_in() == ["body 0"]
    assert letters.left() == ["who am I"]
