"""What counts as a death at a record, and what does not."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import pytest

from gristmill.runtime.adapters.memory_log import Unnoted
from gristmill.runtime.engine.attempts import Attempts, Mark
from gristmill.runtime.model import Transient
from gristmill.runtime.ports import Committed, Delivery, Partition, Rewound

Mill = Any  # see conftest
SOURCE = "gristmill.syntax.v1"
FIRST, SECOND = Partition(SOURCE, 0), Partition(SOURCE, 1)


class Life:
    """One start of a worker that has polled what there is."""

    def __init__(self, mill: Mill, instance: str = "one") -> None:
        self.log = mill.broker.log(group="gristmill.syntax", instance=instance, topics=[SOURCE])
        self.attempts = Attempts(self.log, instance)
        self.deliveries: Sequence[Delivery] = self.log.poll(0).deliveries

    def begin(self) -> "Life":
        self.attempts.begin(self.deliveries)
        return self

    def careful(self) -> list[int]:
        return [one.offset for one in self.deliveries if self.attempts.is_careful(one)]

    def answer(self, count: int) -> None:
        """Commit the first records of a partition."""
        last = self.deliveries[count - 1]
        committed = self.attempts.answered(last.partition, last.offset + 1)
        assert self.log.transact([], {last.partition: committed})
        self.attempts.committed(last.partition, committed)
        self.deliveries = self.deliveries[count:]


def note(mill: Mill, partition: Partition = FIRST) -> Mark:
    return Mark.read(mill.broker.committed("gristmill.syntax")[partition].note)


def test_a_start_leaves_its_mark_and_answers_keep_it_until_an_orderly_end(mill: Mill) -> None:
    mill.feed("a", "b", "c")
    life = Life(mill).begin()
    mark = note(mill)
    assert (mark.deaths, mark.until, mark.instance) == (0, 3, "one")
    life.answer(1)
    assert mill.broker.committed("gristmill.syntax")[FIRST] == Committed(1, mark.note())
    life.attempts.wipe()
    assert mill.broker.committed("gristmill.syntax")[FIRST] == Committed(1)


def test_a_death_behind_answers_counts_and_only_answers_past_it_forgive_it(mill: Mill) -> None:
    mill.feed("a", "b", "c")
    first = Life(mill).begin()
    first.answer(1)
    second = Life(mill).begin()
    assert note(mill).deaths == 1
    second.answer(1)
    assert note(mill).deaths == 1
    second.answer(1)
    assert note(mill).deaths == 0


def test_deaths_are_forgiven_although_something_is_always_in_work(mill: Mill) -> None:
    """A worker under load is ended from outside now and then: no record pays for it."""
    mill.feed(*"abcdefghij")
    for at in range(0, 8, 2):
        life = Life(mill)
        life.attempts.begin(life.deliveries[:1])
        for ahead in (2, 3):  # the next is begun before the one before is answered
            life.attempts.begin(life.deliveries[:2])
            life.answer(1)
            assert mill.broker.committed("gristmill.syntax")[FIRST].offset == at + ahead - 1
        life.attempts.begin(life.deliveries[:1])
        assert life.careful() == []
        assert note(mill).deaths == 0 or at == 0
    assert note(mill).deaths <= 1


def test_suspect_is_only_what_was_in_work_at_every_death(mill: Mill) -> None:
    mill.feed("a", "b", "c")
    Life(mill).begin()
    second = Life(mill)
    second.attempts.begin(second.deliveries[:1])
    third = Life(mill).begin()
    assert third.careful() == [0]
    third.attempts.alone(third.deliveries[0])
    third.answer(1)
    assert note(mill).deaths == 0


def test_a_death_at_others_begins_to_count_anew(mill: Mill) -> None:
    mill.feed("a", "b")
    first = Life(mill)
    first.attempts.begin(first.deliveries[:1])
    second = Life(mill)
    second.attempts.begin(second.deliveries[:1])
    second.attempts.begin(second.deliveries)
    second.answer(1)
    third = Life(mill).begin()
    assert third.careful() == []
    assert (note(mill).deaths, note(mill).suspect) == (1, 2)


def test_the_third_start_takes_one_by_one_what_was_in_work_and_no_more(mill: Mill) -> None:
    mill.feed("a", "b")
    Life(mill).begin()
    assert Life(mill).begin().careful() == []
    mill.feed("c")
    third = Life(mill).begin()
    assert third.careful() == [0, 1]
    assert not third.attempts.is_condemned(third.deliveries[0])
    third.attempts.alone(third.deliveries[0])
    third.answer(1)
    third.attempts.alone(third.deliveries[0])
    third.answer(1)
    assert mill.broker.committed("gristmill.syntax")[FIRST].offset == 2
    assert note(mill).deaths == 0
    assert third.careful() == []


def die_alone(mill: Mill) -> Life:
    """Return the start after two deaths of the first record alone, behind two beside others."""
    for _ in range(2):
        Life(mill).begin()
    for _ in range(2):
        life = Life(mill).begin()
        assert not life.attempts.is_condemned(life.deliveries[0])
        life.attempts.alone(life.deliveries[0])
    return Life(mill).begin()


def test_condemned_is_who_was_alone_at_two_deaths_behind_two_beside_others(mill: Mill) -> None:
    mill.feed("b", "c")
    life = die_alone(mill)
    assert life.attempts.is_condemned(life.deliveries[0])
    life.answer(1)
    assert life.careful() == []  # the culprit is out: what was in work beside it is cleared


def test_who_was_alone_at_one_death_and_lived_is_innocent_and_the_others_stay_suspect(
    mill: Mill,
) -> None:
    """Somebody ended the process from outside while it took its suspects one by one."""
    mill.feed("a", "b", "c")
    for _ in range(2):
        Life(mill).begin()
    third = Life(mill).begin()
    third.attempts.alone(third.deliveries[0])
    fourth = Life(mill).begin()
    assert fourth.careful() == [0, 1, 2]
    fourth.attempts.alone(fourth.deliveries[0])
    fourth.attempts.survived(fourth.deliveries[0])
    fourth.answer(1)
    assert fourth.careful() == [1, 2]
    for _ in range(2):
        assert not fourth.attempts.is_condemned(fourth.deliveries[0])
        fourth.attempts.alone(fourth.deliveries[0])
        fourth = Life(mill).begin()
    assert fourth.attempts.is_condemned(fourth.deliveries[0])


def test_behind_a_doubt_the_committed_note_says_what_holds(mill: Mill) -> None:
    """The answer that set the culprit aside took effect, and nobody told: the next is innocent."""
    mill.feed("a", "b")
    life = die_alone(mill)
    assert life.attempts.is_condemned(life.deliveries[0])
    committed = life.attempts.answered(FIRST, 1)
    assert life.log.transact([], {FIRST: committed})
    life.attempts.forget_all()
    left = life.deliveries[1:]
    life.attempts.begin(left)
    assert not life.attempts.is_condemned(left[0])
    assert not life.attempts.is_careful(left[0])
    assert not life.attempts.is_condemned(life.deliveries[0])


def test_who_was_not_in_work_at_later_deaths_is_not_condemned(mill: Mill) -> None:
    mill.feed("a", "b")
    for _ in range(6):  # the third and later die before they take anything alone
        life = Life(mill).begin()
    assert life.careful() == [0, 1]
    assert not life.attempts.is_condemned(life.deliveries[0])


def test_a_record_that_comes_again_in_one_life_has_not_died(mill: Mill) -> None:
    mill.feed("a")
    for _ in range(2):
        Life(mill).begin()
    life = Life(mill).begin()
    for _ in range(5):
        life.attempts.alone(life.deliveries[0])
        assert not life.attempts.is_condemned(life.deliveries[0])
        life.log.rewind()
        life.deliveries = life.log.poll(0).deliveries
        life.begin()


def test_the_mark_of_a_worker_that_is_still_there_tells_of_a_rebalance(wide_mill: Mill) -> None:
    wide_mill.feed("a")
    wide_mill.feed("b", partition=1)
    first = Life(wide_mill).begin()
    second = Life(wide_mill, "two")
    while not second.deliveries:
        first.attempts.forget(first.log.poll(0).lost)
        second.deliveries = second.log.poll(0).deliveries
    [delivery] = second.deliveries
    assert note(wide_mill, delivery.partition).instance == "one"
    assert second.begin().careful() == []
    mark = note(wide_mill, delivery.partition)
    assert (mark.deaths, mark.instance) == (0, "two")


def test_workers_that_take_turns_at_dying_are_counted_together(mill: Mill) -> None:
    """Each is away for longer than its session, and the other has its partition meanwhile."""
    mill.feed("a")
    for name in ("one", "two"):
        assert Life(mill, name).begin().careful() == []
        mill.broker.expire("gristmill.syntax", name)
    third = Life(mill).begin()
    assert third.careful() == [0]
    third.attempts.alone(third.deliveries[0])
    mill.broker.expire("gristmill.syntax", "one")
    fourth = Life(mill, "two").begin()
    fourth.attempts.alone(fourth.deliveries[0])
    mill.broker.expire("gristmill.syntax", "two")
    fifth = Life(mill).begin()
    assert fifth.attempts.is_condemned(fifth.deliveries[0])


def test_a_death_is_not_counted_before_it_is_known_who_is_there(mill: Mill) -> None:
    mill.feed("a")
    Life(mill).begin()
    mill.broker.expire("gristmill.syntax", "one")
    life = Life(mill, "two")
    mill.broker.silent = True
    with pytest.raises(Transient):
        life.begin()
    mill.broker.silent = False
    assert note(mill).instance == "one"
    life.begin()
    assert (note(mill).deaths, note(mill).instance) == (1, "two")


def test_a_partition_that_comes_back_has_not_died(mill: Mill) -> None:
    mill.feed("a")
    life = Life(mill).begin()
    for _ in range(5):
        mill.broker.expire("gristmill.syntax", "one")
        again = life.log.poll(0)
        life.attempts.forget(again.lost)
        life.deliveries = again.deliveries
        assert life.begin().careful() == []
    assert note(mill).deaths == 0


def test_a_planned_end_is_no_death_and_forgives_none(mill: Mill) -> None:
    mill.feed("a")
    for _ in range(5):
        Life(mill).begin().attempts.wipe()
    assert note(mill) == Mark()
    Life(mill).begin()
    for _ in range(5):
        Life(mill).begin().attempts.wipe()
    assert note(mill).deaths == 1


def test_who_ends_after_a_doubt_and_before_it_takes_a_suspect_again_is_no_victim(
    mill: Mill,
) -> None:
    mill.feed("a")
    for _ in range(2):
        Life(mill).begin()
    for _ in range(2):
        life = Life(mill).begin()
        life.attempts.alone(life.deliveries[0])
        life.attempts.forget_all()
        life.begin()  # the doubt is over, and nothing is at work
    last = Life(mill).begin()
    assert not last.attempts.is_condemned(last.deliveries[0])


def test_each_partition_has_its_own_mark(wide_mill: Mill) -> None:
    wide_mill.feed("a", "b")
    for _ in range(2):
        Life(wide_mill).begin()
    wide_mill.feed("c", partition=1)
    life = Life(wide_mill).begin()
    assert [one.partition for one in life.deliveries if life.attempts.is_careful(one)] == [
        FIRST,
        FIRST,
    ]
    assert note(wide_mill, SECOND).deaths == 0


@pytest.mark.parametrize("applied", [True, False])
def test_a_mark_that_may_not_have_been_left_is_not_counted_twice(mill: Mill, applied: bool) -> None:
    mill.feed("a")
    mill.broker.script("one", [Unnoted(applied)] * 4)
    life = Life(mill)
    for _ in range(5):
        with suppress(Rewound):
            life.begin()
        life.deliveries = life.log.poll(0).deliveries or life.deliveries
    assert note(mill).deaths == 0


@pytest.mark.parametrize(
    "text", ["", "hello", "1;2", "1;2;3;one", "a;2;3;one;s", "1;-2;3;one;s", "²;1;1;;", "1;2;one;s"]
)
def test_a_note_that_is_none_of_ours_says_nothing(text: str) -> None:
    assert Mark.read(text) == Mark()


@pytest.mark.parametrize(
    "mark", [Mark(), Mark(2, 7), Mark(0, 0, 7, "one-0", "abc"), Mark(3, 1, 2, "x")]
)
def test_a_mark_reads_as_it_was_written(mark: Mark) -> None:
    assert Mark.read(mark.note()) == mark
