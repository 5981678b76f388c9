"""Counting how often a process died at its work, outside of the process.

The counter is the note beside a committed offset. A start leaves its mark there before it takes
anything into work, and with every answer; an orderly end takes it back. A start that finds the mark
of an earlier one of the same name knows that it died, and so it is with the mark of a worker that
has left the group: those that die in turns are counted together. What was in work at a death is
under suspicion; the death is forgiven once all of that is answered. What was in work at two deaths
in a row is taken one by one, each with a mark of its own; the one that was alone in work at two
more is set aside unseen. Once is not enough: while records are taken alone there is always one in
work, and whoever ends the process from outside would condemn it.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from uuid import uuid4

from gristmill.runtime.ports import Committed, Delivery, Log, Partition

_DEATHS_BEFORE_CARE = 2
_DEATHS_ALONE = 2


@dataclass(frozen=True, slots=True)
class Mark:
    """What a note says: `deaths` here so far, and which start is at work here now.

    Records before `suspect` were in work at all of them. What is in work now lies before `until`.
    An empty `instance` says that nothing is at work.
    """

    deaths: int = 0
    suspect: int = 0
    until: int = 0
    instance: str = ""
    start: str = ""

    @classmethod
    def read(cls, note: str) -> "Mark":
        """Read a note; one that is none of ours says nothing."""
        parts = note.split(";")
        if len(parts) == 5 and all(part.isdecimal() for part in parts[:3]):
            deaths, suspect, until = map(int, parts[:3])
            return cls(deaths, suspect, until, parts[3], parts[4])
        return cls()

    def note(self) -> str:
        """Return the note that says it."""
        if not self.deaths and not self.instance:
            return ""
        return f"{self.deaths};{self.suspect};{self.until};{self.instance};{self.start}"


class Attempts:
    """The marks of one worker's partitions; `instance` is its name, the same after a restart."""

    def __init__(self, log: Log, instance: str) -> None:
        self._log = log
        self._instance = instance
        self._start = uuid4().hex[:12]
        self._marks: dict[Partition, Mark] = {}

    def begin(self, deliveries: Iterable[Delivery]) -> None:
        """Leave a mark in every partition whose last one does not cover these records."""
        ends: dict[Partition, int] = {}
        for delivery in deliveries:
            ends[delivery.partition] = delivery.offset + 1
        for partition, end in ends.items():
            found = mark = self._marks.get(partition, Mark())
            if partition not in self._marks:
                stands = self._log.committed(partition)
                found = Mark.read(stands.note)
                mark = self._taken_over(found, stands.offset)
            if mark.deaths < _DEATHS_BEFORE_CARE:  # beyond, none is at work before it is alone
                until = max(mark.until, end)
                mark = replace(mark, until=until, instance=self._instance, start=self._start)
            self._leave(partition, mark, found)

    def _taken_over(self, found: Mark, offset: int) -> Mark:
        """Return what holds at `offset` for this start, of a mark that it has found."""
        if found.start == self._start and found.deaths < _DEATHS_BEFORE_CARE:
            return found
        if not self._has_died(found):
            return Mark(found.deaths, found.suspect)
        alone = found.deaths >= _DEATHS_BEFORE_CARE  # of all suspects only the first was in work
        suspect = found.suspect if alone else min(found.suspect, found.until)
        if found.deaths and suspect > offset:
            return Mark(found.deaths + 1, suspect)
        return Mark(1, found.until)  # nothing that is left was in work at the deaths before, too

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
        return mark.deaths >= _DEATHS_BEFORE_CARE and delivery.offset < mark.suspect

    def alone(self, delivery: Delivery) -> None:
        """Leave a mark for a record that is taken alone, the first that is not answered."""
        known = self._marks[delivery.partition]
        until = delivery.offset + 1
        mark = replace(known, until=until, instance=self._instance, start=self._start)
        self._leave(delivery.partition, mark, known)

    def survived(self, delivery: Delivery) -> None:
        """Take back the mark of a record that was taken alone: nobody died at its work.

        What comes now is its answer, and whoever is ended while nothing takes that is no victim.
        """
        known = self._marks[delivery.partition]
        self._leave(delivery.partition, replace(known, instance="", start=""), known)

    def is_condemned(self, delivery: Delivery) -> bool:
        """Tell whether a record that must be taken alone has seen enough deaths."""
        return self._marks[delivery.partition].deaths >= _DEATHS_BEFORE_CARE + _DEATHS_ALONE

    def answered(self, partition: Partition, offset: int) -> Committed:
        """Return what to commit when everything before `offset` is answered."""
        mark = self._marks.get(partition, Mark())
        if mark.deaths >= _DEATHS_BEFORE_CARE + _DEATHS_ALONE:
            mark = Mark()  # the culprit is out: what was in work beside it is cleared
        if mark.deaths >= _DEATHS_BEFORE_CARE and offset < mark.suspect:
            return Committed(offset, Mark(_DEATHS_BEFORE_CARE, mark.suspect).note())
        # Deaths are forgotten behind what may have caused them; that this start is at work is not,
        # or the death at a record that comes later would go unseen.
        deaths, suspect = (mark.deaths, mark.suspect) if offset < mark.suspect else (0, 0)
        until = max(mark.until, offset)
        return Committed(offset, Mark(deaths, suspect, until, self._instance, self._start).note())

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
