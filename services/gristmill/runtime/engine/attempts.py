"""Counting how often a process died at its work, outside of the process.

The counter is the note beside a committed offset. Every start leaves its mark there first, and with
every answer; an orderly end takes it back. A start that finds the mark of an earlier one of the
same name knows that it died, and so it is with the mark of a worker that has left the group: those
that die in turns are counted together. Answers forgive deaths once they are past all that was in
work. After two deaths in a row records are taken one by one, each with a mark of its own; the one
that was alone in work at the third is set aside unseen.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from uuid import uuid4

from gristmill.runtime.ports import Committed, Delivery, Log, Partition

DEATHS_PER_RECORD = 3
_DEATHS_BEFORE_CARE = DEATHS_PER_RECORD - 1


@dataclass(frozen=True, slots=True)
class Mark:
    """What a note says: `deaths` at this place so far, and which start is at work here now.

    Records before `until` were in work. An empty `instance` says that nothing is at work now.
    """

    deaths: int = 0
    until: int = 0
    instance: str = ""
    start: str = ""

    @classmethod
    def read(cls, note: str) -> "Mark":
        """Read a note; one that is none of ours says nothing."""
        parts = note.split(";")
        if len(parts) == 4 and parts[0].isdecimal() and parts[1].isdecimal():
            return cls(int(parts[0]), int(parts[1]), parts[2], parts[3])
        return cls()

    def note(self) -> str:
        """Return the note that says it."""
        if not self.deaths and not self.instance:
            return ""
        return f"{self.deaths};{self.until};{self.instance};{self.start}"


class Attempts:
    """The marks of one worker's partitions; `instance` is its name, the same after a restart."""

    def __init__(self, log: Log, instance: str) -> None:
        self._log = log
        self._instance = instance
        self._start = uuid4().hex[:12]
        self._marks: dict[Partition, Mark] = {}
        self._begun: dict[Partition, int] = {}  # the end of what was ever in work here

    def begin(self, deliveries: Iterable[Delivery]) -> None:
        """Leave a mark in every partition of which these are the first records.

        While a death is not forgiven, whatever else comes into work is under suspicion, too.
        """
        ends: dict[Partition, int] = {}
        for delivery in deliveries:
            ends[delivery.partition] = delivery.offset + 1
        self._begun |= ends
        for partition, end in ends.items():
            if (known := self._marks.get(partition)) is not None:
                if 0 < known.deaths < _DEATHS_BEFORE_CARE and end > known.until:
                    self._leave(partition, replace(known, until=end), known)
                continue
            stands = self._log.committed(partition)
            found = Mark.read(stands.note)
            deaths = found.deaths + self._has_died(found)
            if deaths >= _DEATHS_BEFORE_CARE:
                mark = Mark(deaths, found.until)  # none is at work before it is alone
            else:
                until = max(end, found.until) if deaths else end
                mark = Mark(deaths, until, self._instance, self._start)
            self._leave(partition, mark, found)

    def _has_died(self, found: Mark) -> bool:
        """Tell whether the start that left a mark ended without taking it back.

        Another worker that is in the group still has only handed the partition over.
        """
        if not found.instance or found.start == self._start:
            return False
        return found.instance == self._instance or found.instance not in self._log.members()

    def _leave(self, partition: Partition, mark: Mark, found: Mark) -> None:
        if mark != found:
            offset = self._log.committed(partition).offset
            self._log.note(partition, Committed(offset, mark.note()))
        self._marks[partition] = mark

    def is_careful(self, delivery: Delivery) -> bool:
        """Tell whether a record must be taken alone."""
        mark = self._marks.get(delivery.partition, Mark())
        return mark.deaths >= _DEATHS_BEFORE_CARE and delivery.offset < mark.until

    def alone(self, delivery: Delivery) -> None:
        """Leave a mark for a record that is taken alone, the first that is not answered."""
        known = self._marks[delivery.partition]
        mark = replace(known, instance=self._instance, start=self._start)
        self._leave(delivery.partition, mark, known)

    def is_condemned(self, delivery: Delivery) -> bool:
        """Tell whether a record that must be taken alone has seen enough deaths."""
        return self._marks[delivery.partition].deaths >= DEATHS_PER_RECORD

    def answered(self, partition: Partition, offset: int) -> Committed:
        """Return what to commit when everything before `offset` is answered."""
        mark = self._marks.get(partition, Mark())
        if mark.deaths >= DEATHS_PER_RECORD:
            mark = Mark()  # the culprit is out: what was in work beside it is cleared
        if mark.deaths >= _DEATHS_BEFORE_CARE and offset < mark.until:
            return Committed(offset, Mark(_DEATHS_BEFORE_CARE, mark.until).note())
        # Deaths are forgotten behind what may have caused them; that this start is at work is not,
        # or the death at a record that comes later would go unseen.
        deaths = mark.deaths if offset < mark.until else 0
        until = max(offset, self._begun.get(partition, 0))
        return Committed(offset, Mark(deaths, until, self._instance, self._start).note())

    def committed(self, partition: Partition, committed: Committed) -> None:
        """Take notice that what `answered` returned is committed."""
        self._marks[partition] = Mark.read(committed.note)

    def forget(self, partitions: Iterable[Partition]) -> None:
        """Forget partitions that were taken away."""
        for partition in partitions:
            self._marks.pop(partition, None)

    def forget_all(self) -> None:
        """Forget everything behind a doubt: the committed notes say what holds."""
        self._marks.clear()

    def wipe(self) -> None:
        """Take the marks of this start back: it ends in order, no record ended it."""
        for partition in self._marks.keys() & self._log.assignment():
            stands = self._log.committed(partition)
            found = Mark.read(stands.note)
            if found.start == self._start:
                left = replace(found, instance="", start="")
                self._log.note(partition, Committed(stands.offset, left.note()))
        self._marks.clear()
