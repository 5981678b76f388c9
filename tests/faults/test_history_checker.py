"""The checker itself: it finds nothing in a good history, and exactly what is planted in one."""

import itertools
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import pytest
from fault_documents import Fate, Planned, document, documents, large_documents
from fault_history import (
    Decided,
    Delivery,
    FileRow,
    Finding,
    History,
    Kind,
    Letter,
    Place,
    Record,
    check,
    flows,
    told,
)

from gristmill.runtime.engine.envelope import INLINE_BYTES

_ROUTE = ("ingestion", "syntax", "dedup", "shards")
_TOPICS = {stage: "crawl" if stage == "ingestion" else stage for stage in _ROUTE}
_LEDGER, _DEAD = "ledger", "dead"


@dataclass
class _Mill:
    """A mill that works as it should, played by hand: enough of one to tell its history."""

    planned: list[Planned]
    records: defaultdict[str, list[Record]] = field(default_factory=lambda: defaultdict(list))
    ledger: list[Decided] = field(default_factory=list)
    letters: list[Letter] = field(default_factory=list)
    shards: list[Decided] = field(default_factory=list)
    files: list[FileRow] = field(default_factory=list)

    def play(self) -> History:
        for one in self.planned:
            self._write(_TOPICS["ingestion"], one.document_id, None)
        seen: set[str] = set()
        by_id = {one.document_id: one for one in self.planned}
        for number, stage in enumerate(_ROUTE):
            for record in list(self.records[_TOPICS[stage]]):
                planned = by_id[record.document_id]
                outcome, reason = _verdict(stage, planned, seen)
                decided = Decided(stage, record.delivery, record.document_id, outcome, reason)
                (self.shards if stage == "shards" else self.ledger).append(decided)
                self._write(_LEDGER, "", None)
                if outcome == "reject":
                    self.letters.append(Letter(stage, record.place))
                    self._write(_DEAD, "", None)
                elif outcome == "keep" and stage == "shards":
                    sha256 = planned.content_sha256
                    self.files.append(FileRow(record.document_id, sha256, sha256))
                elif outcome == "keep":
                    self._write(_ROUTE[number + 1], record.document_id, record.delivery)
        return History(
            route=_ROUTE,
            topics=_TOPICS,
            planned=self.planned,
            final=dict(self.records),
            concurrent={
                (topic, 0): [(one.place.offset, one.digest) for one in records]
                for topic, records in self.records.items()
            },
            ledger=self.ledger,
            letters=self.letters,
            files=self.files,
            table_ledger=[*self.ledger, *self.shards],
        )

    def _write(self, topic: str, identity: str, delivery: Delivery | None) -> None:
        offset = 2 * len(self.records[topic])  # with gaps, as markers leave them
        own = Delivery(f"{topic}/0", offset << 20)
        digest = f"{topic} {offset}".encode()
        place = Place(topic, 0, offset)
        self.records[topic].append(Record(place, digest, own, delivery or own, identity))


def _verdict(stage: str, planned: Planned, seen: set[str]) -> tuple[str, str]:
    if stage == "ingestion" and planned.fate is Fate.BINARY:
        return "drop", "binary"
    if stage == "syntax" and planned.fate is Fate.BROKEN:
        return "drop", "syntax_errors"
    if stage == "syntax" and planned.fate is Fate.POISON:
        return "reject", "unhandled"
    if stage == "dedup":
        if planned.cluster in seen:
            return "drop", "exact_duplicate"
        seen.add(planned.cluster)
    return "keep", ""


@pytest.fixture
def good() -> History:
    pill = document("checker", 1000, "pill = 1\n", Fate.POISON)
    return _Mill([*documents("checker", 60), pill]).play()


def test_a_good_history_has_nothing_wrong(good: History) -> None:
    assert check(good) == []
    flow = flows(good)
    for before, after in itertools.pairwise(_ROUTE):
        assert flow[before].kept == flow[after].came
    assert flow["ingestion"].came == 61
    assert flow["syntax"].set_aside == 1


def _without(history: History, topic: str, number: int) -> History:
    """Return the history without a record, as if it had never been."""
    records = [one for at, one in enumerate(history.final[topic]) if at != number]
    seen = [one for at, one in enumerate(history.concurrent[topic, 0]) if at != number]
    return replace(
        history,
        final={**history.final, topic: records},
        concurrent={**history.concurrent, (topic, 0): seen},
    )


def _with_copy(history: History, topic: str, number: int) -> History:
    """Return the history with a record once more, at the end of its topic."""
    last = history.final[topic][-1].place.offset
    record = history.final[topic][number]
    place = Place(topic, 0, last + 2)
    copy = replace(record, place=place, own=Delivery(f"{topic}/0", place.offset << 20))
    seen = [*history.concurrent[topic, 0], (place.offset, copy.digest)]
    return replace(
        history,
        final={**history.final, topic: [*history.final[topic], copy]},
        concurrent={**history.concurrent, (topic, 0): seen},
    )


def _lost_document(history: History) -> History:
    return replace(
        history,
        planned=[*history.planned, document("checker", 1001, "never = 1\n", Fate.POISON)],
    )


def _lost_output(history: History) -> History:
    return _without(history, "dedup", 3)


def _doubled_output(history: History) -> History:
    return _with_copy(history, "dedup", -1)


def _aborted_read(history: History) -> History:
    seen = history.concurrent["syntax", 0]
    return replace(
        history, concurrent={**history.concurrent, ("syntax", 0): [*seen, (9999, b"aborted")]}
    )


def _changed_record(history: History) -> History:
    seen = list(history.concurrent["syntax", 0])
    seen[4] = (seen[4][0], b"other bytes")
    return replace(history, concurrent={**history.concurrent, ("syntax", 0): seen})


def _reordered_read(history: History) -> History:
    seen = list(history.concurrent["syntax", 0])
    seen[4], seen[5] = seen[5], seen[4]
    return replace(history, concurrent={**history.concurrent, ("syntax", 0): seen})


def _reordered_output(history: History) -> History:
    """Two records have changed places before anybody read them."""
    records = list(history.final["dedup"])
    one, other = records[4], records[5]
    records[4] = replace(other, place=one.place, own=one.own, digest=one.digest)
    records[5] = replace(one, place=other.place, own=other.own, digest=other.digest)
    return replace(history, final={**history.final, "dedup": records})


def _skipped_poll(history: History) -> History:
    seen = history.concurrent["shards", 0]
    return replace(
        history, concurrent={**history.concurrent, ("shards", 0): [*seen[:2], *seen[4:]]}
    )


def _skipped_partition(history: History) -> History:
    return replace(history, concurrent={**history.concurrent, ("dead", 0): []})


def _doubled_row(history: History) -> History:
    return replace(history, files=[*history.files, history.files[0]])


def _lost_row(history: History) -> History:
    return replace(history, files=history.files[1:])


def _row_from_nowhere(history: History) -> History:
    return replace(history, files=[*history.files, FileRow("0" * 32, "", "")])


def _changed_text(history: History) -> History:
    return _with_first_row(history, replace(history.files[0], text_sha256="0" * 64))


def _changed_hash(history: History) -> History:
    return _with_first_row(history, replace(history.files[0], told_sha256="0" * 64))


def _text_of_another(history: History) -> History:
    other = replace(history.files[1], document_id=history.files[0].document_id)
    return _with_first_row(history, other)


def _with_first_row(history: History, row: FileRow) -> History:
    return replace(history, files=[row, *history.files[1:]])


def _doubled_ledger_row(history: History) -> History:
    return replace(history, table_ledger=[*history.table_ledger, history.ledger[7]])


def _lost_ledger_row(history: History) -> History:
    return replace(history, table_ledger=history.table_ledger[1:])


def _doubled_decision(history: History) -> History:
    again = next(one for one in history.ledger if one.outcome == "drop")
    return _with_decision(history, again)


def _disagreeing_decision(history: History) -> History:
    again = next(one for one in history.ledger if one.outcome == "drop")
    return _with_decision(history, replace(again, reason="exact_duplicate"))


def _with_decision(history: History, decided: Decided) -> History:
    return replace(
        history,
        ledger=[*history.ledger, decided],
        table_ledger=[*history.table_ledger, decided],
    )


def _undecided(history: History) -> History:
    gone = next(one for one in history.ledger if one.reason == "exact_duplicate")
    return replace(
        history,
        ledger=[one for one in history.ledger if one is not gone],
        table_ledger=[one for one in history.table_ledger if one is not gone],
    )


def _decision_from_nowhere(history: History) -> History:
    other = Decided("dedup", Delivery("crawl/0", 5), "1" * 32, "drop", "exact_duplicate")
    return _with_decision(history, other)


def _lost_letter(history: History) -> History:
    return replace(history, letters=[])


def _doubled_letter(history: History) -> History:
    return replace(history, letters=[*history.letters, history.letters[0]])


def _wrong_fate(history: History) -> History:
    """A binary file was called something else, everywhere alike."""

    def changed(one: Decided) -> Decided:
        return replace(one, reason="empty") if one is binary else one

    binary = next(one for one in history.ledger if one.reason == "binary")
    return replace(
        history,
        ledger=[changed(one) for one in history.ledger],
        table_ledger=[changed(one) for one in history.table_ledger],
    )


@pytest.mark.parametrize(
    ("plant", "kind", "where"),
    [
        (_lost_document, Kind.LOST, "crawl"),
        (_lost_output, Kind.LOST, "dedup"),
        (_aborted_read, Kind.ABORTED_READ, "syntax/0"),
        (_changed_record, Kind.ABORTED_READ, "syntax/0"),
        (_reordered_read, Kind.REORDERED, "syntax/0"),
        (_reordered_output, Kind.REORDERED, "dedup"),
        (_skipped_poll, Kind.SKIPPED_POLL, "shards/0"),
        (_skipped_partition, Kind.SKIPPED_POLL, "dead/0"),
        (_doubled_row, Kind.ROWS_DOUBLED, "files"),
        (_lost_row, Kind.LOST, "files"),
        (_row_from_nowhere, Kind.FROM_NOWHERE, "files"),
        (_changed_text, Kind.WRONG_TEXT, "files"),
        (_changed_hash, Kind.WRONG_TEXT, "files"),
        (_text_of_another, Kind.WRONG_TEXT, "files"),
        (_doubled_ledger_row, Kind.ROWS_DOUBLED, "ledger"),
        (_lost_ledger_row, Kind.LOST, "ledger"),
        (_doubled_decision, Kind.DOUBLED, "ingestion"),
        (_disagreeing_decision, Kind.DISAGREEING, "ingestion"),
        (_undecided, Kind.NOT_CONSERVED, "dedup"),
        (_decision_from_nowhere, Kind.FROM_NOWHERE, "dedup"),
        (_lost_letter, Kind.LOST, "dead letters"),
        (_doubled_letter, Kind.DOUBLED, "dead letters"),
        (_wrong_fate, Kind.WRONG_FATE, None),
    ],
)
def test_a_planted_fault_is_found_and_nothing_else(
    good: History, plant: Callable[[History], History], kind: Kind, where: str | None
) -> None:
    findings = [one for one in check(plant(good)) if not _follows(one, kind)]
    assert findings
    assert {one.kind for one in findings} == {kind}, told(findings)
    assert where in {None, *(one.where for one in findings)}


def _follows(finding: Finding, planted: Kind) -> bool:
    """Tell what a planted fault brings along: what never came has no decision, nor its own fate."""
    consequences = {
        Kind.LOST: {Kind.FROM_NOWHERE},  # the next stage decided on what is not there any more
        Kind.DISAGREEING: {Kind.WRONG_FATE},
    }
    return finding.kind in consequences.get(planted, set())


def test_an_output_that_is_there_twice_is_doubled_and_once_undecided(good: History) -> None:
    findings = check(_doubled_output(good))
    assert {one.kind for one in findings} == {Kind.DOUBLED, Kind.NOT_CONSERVED}
    assert [one.where for one in findings if one.kind is Kind.DOUBLED] == ["dedup"]


def test_documents_are_the_same_for_ever_and_differ_by_name() -> None:
    first, again, other = (
        [one.item.content for one in documents(name, 40)] for name in ("a", "a", "b")
    )
    assert first == again
    assert not set(first) & set(other)
    sizes = [len(content or b"") for content in first]
    assert min(sizes) > 150
    assert max(sizes) < 2600


def test_large_documents_travel_as_references_and_every_fifth_is_a_copy() -> None:
    large = list(large_documents("a", 10))
    assert all(len(one.content) > INLINE_BYTES for one in large)
    assert all(len(one.message().value) < 1000 for one in large)
    assert len({one.content for one in large}) == 8
    assert len({one.cluster for one in large}) == 8
    assert len({one.document_id for one in large}) == 10
