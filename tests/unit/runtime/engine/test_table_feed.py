"""The shards worker over a log and tables in memory: the tables say where to go on."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import count
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gristmill.runtime.adapters.blobs import MemoryBlobStore, blob_reference
from gristmill.runtime.adapters.memory_log import (
    Crashed,
    End,
    MemoryBroker,
    Pause,
    Step,
    Unnoted,
    Yield,
)
from gristmill.runtime.adapters.memory_tables import MemoryTables
from gristmill.runtime.engine.envelope import (
    DEAD_TOPIC,
    LEDGER_TOPIC,
    Envelope,
    place_of_letter,
)
from gristmill.runtime.engine.stream_settings import StreamSettings
from gristmill.runtime.engine.table_feed import TableFeed
from gristmill.runtime.model import Document, Drop, Keep, Position, Reason, Stale, Transient
from gristmill.runtime.model.decision import decision_on
from gristmill.runtime.ports import Columns, Message, Partition, Span, Takedowns
from gristmill.runtime.wire import (
    encode_body,
    encode_decisions,
    encode_document,
    encode_document_without_body,
)
from gristmill.shards.writer import TableWriter

SHARDS = "gristmill.shards.v1"
GROUP = "gristmill.shards"
SOURCES = {SHARDS: "cluster/shards", LEDGER_TOPIC: "cluster/ledger"}
MakeDocument = Callable[..., Document]


class FaultyTables(MemoryTables):
    """Tables at whose commits something happens, as planned: a name of a fault for each."""

    def __init__(self) -> None:
        super().__init__()
        self.plan: list[str] = []
        self.silent = False

    def positions(self, table: str) -> Mapping[str, int]:
        if self.silent:
            raise Transient("the catalog does not answer")
        return super().positions(table)

    def commit(
        self, table: str, spans: Mapping[str, Span], rows: Callable[[Takedowns], Columns]
    ) -> int:
        fault = self.plan.pop(0) if self.plan else ""
        if fault == "die before":
            raise Crashed("between the tables")
        if fault == "transient":
            raise Transient("the catalog does not answer")
        if fault == "stale":
            raise Stale("another writer was there first")
        added = super().commit(table, spans, rows)
        if fault == "die behind":
            raise Crashed("behind a table")
        if fault == "transient behind":
            raise Transient("nobody knows")
        return added


class DoubtfulWriter:
    """Writes, and does not hear of it as often as planned."""

    def __init__(self, broker: MemoryBroker) -> None:
        self._writer = broker.writer()
        self.doubts = 0

    def write(self, messages: Sequence[Message]) -> None:
        self._writer.write(messages)
        if self.doubts:
            self.doubts -= 1
            raise Transient("no answer in time")

    def close(self) -> None: ...


class Place:
    """The shards worker and all around it."""

    def __init__(self, clock: Any, metrics: Any, events: Any, make: MakeDocument) -> None:
        self.broker = MemoryBroker({SHARDS: 2, LEDGER_TOPIC: 1, DEAD_TOPIC: 1})
        self.tables = FaultyTables()
        self.blobs = MemoryBlobStore()
        self.clock, self.metrics, self.events = clock, metrics, events
        self.writer = DoubtfulWriter(self.broker)
        self.announced = 0
        self.announcing: Exception | None = None
        self._make = make
        self._numbers = count()

    def feed(self, number: int, partition: int = 0) -> list[Document]:
        """Write documents as the stage before would: each with its decision in the ledger."""
        documents = [self._make(f"x = {at}\n", at) for at, _ in zip(self._numbers, range(number))]  # noqa: B905
        self.write(
            *((SHARDS, encode_document(one)) for one in documents),
            (LEDGER_TOPIC, encode_decisions(list(map(decided, documents)), self.clock.now())),
            partition=partition,
        )
        return documents

    def write(self, *records: tuple[str, bytes], partition: int = 0) -> None:
        self.broker.writer().write(
            [
                Message(
                    topic=topic,
                    key=b"k",
                    value=value,
                    partition=partition if topic == SHARDS else 0,
                )
                for topic, value in records
            ]
        )

    def start(self, **settings: Any) -> TableFeed:
        feed: TableFeed

        def announce() -> None:
            if self.announcing is not None:
                raise self.announcing
            self.announced += 1

        def start_at(partition: Partition) -> int:
            return feed.start_at(partition)

        reader = self.broker.log(
            group=GROUP,
            instance="one",
            topics=[SHARDS, LEDGER_TOPIC],
            start_at=start_at,
        )
        self.reader = reader
        feed = TableFeed(
            reader=reader,
            sink=TableWriter(self.tables),
            writer=self.writer,
            envelope=Envelope(
                stage="shards",
                source="cluster/shards",
                next_topics={},
                blobs=self.blobs,
                new_blob=blob_reference,
            ),
            sources=SOURCES,
            version="shards-1",
            announce=announce,
            letters=lambda: filter(
                None,
                (place_of_letter(one, "shards") for one in self.broker.records(DEAD_TOPIC)),
            ),
            clock=self.clock,
            metrics=self.metrics,
            events=self.events,
            settings=StreamSettings(**{"commit_seconds": 1.0} | settings),
        )
        return feed

    def finish(self, feed: TableFeed) -> None:
        """Take turns until the tables hold everything."""
        for _ in range(1000):
            feed.step()
            if self.is_done() and feed.is_idle:
                return
            self.clock.seconds += 0.25
        raise AssertionError("it does not come to an end")

    def live_through(self, **settings: Any) -> None:
        for _ in range(60):
            try:
                self.finish(self.start(**settings))
            except Crashed:
                continue
            return
        raise AssertionError("it dies for ever")

    def is_done(self) -> bool:
        self.tables.silent = False
        stands = TableWriter(self.tables).positions()
        return all(
            one.offset < stands.get(f"{SOURCES[topic]}/{one.partition.number}", 0)
            for topic in SOURCES
            for one in self.broker.records(topic)
        )

    def files(self) -> list[str]:
        return sorted(row["document_id"] for row in self.tables.rows.get("files", []))

    def ledger(self, stage: str) -> list[str]:
        rows = self.tables.rows.get("ledger", [])
        return sorted(row["document_id"] for row in rows if row["stage"] == stage)

    def holds(self, documents: Sequence[Document]) -> None:
        """Hold the tables to hold each of these once, with both decisions."""
        expected = sorted(one.id for one in documents)
        assert self.files() == expected
        assert self.ledger("dedup") == expected
        assert self.ledger("shards") == expected


def decided(document: Document) -> Any:
    return decision_on(document, Keep(document), stage="dedup", version="dedup-1")


@pytest.fixture
def place(clock: Any, metrics: Any, events: Any, make_document: MakeDocument) -> Place:
    return Place(clock, metrics, events, make_document)


def test_documents_and_decisions_are_written_once(place: Place) -> None:
    fed = [*place.feed(3), *place.feed(2, partition=1)]
    place.finish(place.start())
    place.holds(fed)
    assert TableWriter(place.tables).positions() == {
        "cluster/shards/0": 3,
        "cluster/shards/1": 2,
        "cluster/ledger/0": 2,
    }
    stands = {one: at.offset for one, at in place.broker.committed(GROUP).items()}
    assert stands == {
        Partition(SHARDS, 0): 3,
        Partition(SHARDS, 1): 2,
        Partition(LEDGER_TOPIC, 0): 2,
    }


def test_what_comes_is_gathered_until_it_is_old(place: Place) -> None:
    place.broker.script("one", [Yield(2)] * 20)
    place.feed(6)
    feed = place.start(commit_seconds=10.0)
    for _ in range(4):
        feed.step()
        place.clock.seconds += 1
    assert place.files() == []
    assert not feed.is_idle
    place.clock.seconds += 10
    feed.step()
    assert len(place.files()) == 6
    assert feed.is_idle


def test_what_is_gathered_waits_still_and_is_as_old_as_its_oldest_record(place: Place) -> None:
    place.broker.seconds = place.clock.now().timestamp() - 30
    place.feed(3)
    feed = place.start(commit_seconds=10.0)
    feed.step()
    gauges = place.metrics.gauges
    assert gauges["gristmill_lag_records", "shards", SHARDS] == 3
    assert gauges["gristmill_lag_seconds", "shards"] == 30
    place.finish(feed)
    place.clock.seconds += 1
    feed.step()
    assert gauges["gristmill_lag_records", "shards", SHARDS] == 0
    assert gauges["gristmill_lag_seconds", "shards"] == 0


def test_or_until_it_is_much(place: Place) -> None:
    fed = place.feed(5)
    feed = place.start(commit_seconds=1e9, commit_bytes=len(encode_document(fed[0])))
    feed.step()
    assert len(place.files()) == 5


def test_a_stop_writes_what_is_there(place: Place) -> None:
    fed = place.feed(3)
    feed = place.start(commit_seconds=1e9)
    feed.step()
    feed.stop()
    feed.run(lambda: None)
    place.holds(fed)


@pytest.mark.parametrize(
    "plan",
    [
        ["die before"],
        ["die behind"],
        ["", "die before"],
        ["", "die behind"],
        ["transient"],
        ["", "transient"],
        ["transient behind"],
        ["", "transient behind"],
        ["stale"],
        ["", "stale"],
        ["die behind", "stale", "", "die before", "transient behind"],
    ],
    ids="-".join,
)
def test_a_fault_at_or_between_the_tables_doubles_and_loses_nothing(
    place: Place, plan: list[str]
) -> None:
    fed = place.feed(4)
    place.tables.plan = plan
    place.live_through()
    place.holds(fed)


def test_stale_begins_again_where_the_tables_stand(place: Place) -> None:
    """Another writer of the same stream was there first: what it wrote is not written again."""
    fed = place.feed(4)
    feed = place.start(commit_seconds=5.0)
    feed.step()
    other = Place(place.clock, place.metrics, place.events, place._make)
    other.broker, other.tables = place.broker, place.tables
    place.broker.script("one", [])
    rival = other.start(commit_seconds=0.0)
    rival.step()
    place.holds(fed)
    del feed
    more = place.feed(2)
    place.finish(place.start())
    place.holds([*fed, *more])


def test_a_worker_with_an_old_view_is_refused_and_looks_again(place: Place) -> None:
    fed = place.feed(4)
    feed = place.start(commit_seconds=1.0)
    feed.step()
    spans = {"cluster/shards/0": Span(0, 4), "cluster/ledger/0": Span(0, 1)}
    for table, ids in (("files", [one.id for one in fed]), ("ledger", [])):
        place.tables.commit(table, spans, lambda _, ids=ids: {"document_id": ids})
    more = place.feed(1)
    place.clock.seconds += 2
    feed.step()
    place.finish(feed)
    assert place.files() == sorted(one.id for one in [*fed, *more])


def test_a_crash_before_the_group_is_told_writes_nothing_twice(place: Place) -> None:
    fed = place.feed(3)
    place.broker.script("one", [Unnoted(applied=False)])
    feed = place.start()
    place.finish(feed)
    more = place.feed(2)
    place.finish(feed)
    place.holds([*fed, *more])


@pytest.mark.parametrize("applied", [False, True])
@pytest.mark.parametrize("wanted", [1, 2, 3, 4])
def test_an_offset_that_is_not_told_in_the_midst_of_a_poll_writes_nothing_twice(
    place: Place, wanted: int, applied: bool
) -> None:
    """The reader goes back then: what is left of the poll comes again, and may not stay too."""
    fed = place.feed(5)
    weight = len(encode_document(fed[0]))
    place.broker.script("one", [Unnoted(applied=applied)])
    feed = place.start(commit_bytes=wanted * weight - weight // 2)
    place.finish(feed)
    place.holds(fed)


def test_partitions_that_were_taken_away_are_forgotten(place: Place) -> None:
    fed = place.feed(3)
    feed = place.start(commit_seconds=5.0)
    feed.step()
    assert not feed.is_idle
    place.broker.expire(GROUP, "one")
    feed.step()
    assert feed.is_idle
    place.finish(feed)
    place.holds(fed)


def test_unreadable_is_set_aside_on_record(place: Place) -> None:
    fed = place.feed(1)
    place.write((SHARDS, b"\xff"), (LEDGER_TOPIC, b""))
    fed += place.feed(1)
    place.finish(place.start())
    letters = place.broker.records(DEAD_TOPIC)
    assert sorted(one.value for one in letters) == [b"", b"\xff"]
    for letter in letters:
        assert dict(letter.headers)["dead-reason"] == b"unreadable"
    own = [row for row in place.tables.rows["ledger"] if row["reason"] == "unreadable"]
    assert sorted((row["stage"], row["outcome"], row["path"]) for row in own) == [
        ("shards", "reject", "0/1"),
        ("shards", "reject", "0/1"),
    ]
    assert {row["repository"] for row in own} == {SHARDS, LEDGER_TOPIC}
    assert place.files() == sorted(one.id for one in fed)
    assert place.metrics.counts["gristmill_dead_letters_total", "shards", "unreadable"] == 2


def test_a_body_that_lies_elsewhere_is_fetched_and_an_outage_waited_out(place: Place) -> None:
    first = place.feed(1)
    body = encode_body(first[0].body)
    reference = blob_reference(body, place.clock.now())
    place.blobs.put(reference, body)
    twin = replace(first[0], id="f" * 32)
    place.write((SHARDS, encode_document_without_body(twin, reference)))
    place.blobs.silent = True
    feed = place.start()
    for _ in range(20):
        feed.step()
        place.clock.seconds += 0.25
    assert place.files() == []
    assert place.reader.assignment()
    place.blobs.silent = False
    place.finish(feed)
    assert place.files() == sorted([first[0].id, twin.id])


def test_tables_out_of_reach_at_the_start_are_waited_for(place: Place) -> None:
    fed = place.feed(2)
    place.tables.silent = True
    feed = place.start()
    for _ in range(5):
        feed.step()
        place.clock.seconds += 0.25
    assert feed.is_idle
    place.finish(feed)
    place.holds(fed)


def test_what_waits_for_tables_out_of_reach_is_as_old_as_it_was(place: Place) -> None:
    place.broker.seconds = place.clock.now().timestamp() - 600
    place.feed(2)
    feed = place.start()
    feed.step()
    assert place.metrics.gauges["gristmill_lag_seconds", "shards"] == 600
    place.tables.silent = True
    for _ in range(8):
        place.clock.seconds += 2
        feed.step()
    assert feed.is_waiting
    assert place.metrics.gauges["gristmill_lag_seconds", "shards"] >= 600


def test_what_was_dropped_before_has_only_its_decisions(
    place: Place, make_document: MakeDocument
) -> None:
    document = make_document("dropped")
    fallen = decision_on(document, Drop(Reason.EXACT_DUPLICATE), stage="dedup", version="dedup-1")
    moment: datetime = place.clock.now()
    place.write((LEDGER_TOPIC, encode_decisions([fallen], moment)))
    place.clock.seconds += 100
    place.finish(place.start())
    (row,) = place.tables.rows["ledger"]
    assert (row["document_id"], row["decided_at"]) == (document.id, moment)
    assert place.files() == []


def test_the_position_in_the_ledger_is_where_the_document_was_found(place: Place) -> None:
    (document,) = place.feed(1)
    place.finish(place.start())
    rows = place.tables.rows["ledger"]
    assert {
        Position(source=row["position_source"], offset=row["position_offset"]) for row in rows
    } == {document.position}


def test_finished_snapshots_are_announced_and_those_of_an_earlier_start(place: Place) -> None:
    feed = place.start()
    feed.step()
    assert place.announced == 1
    feed.step()
    assert place.announced == 1
    place.feed(1)
    place.finish(feed)
    assert place.announced == 2


def test_an_announcement_that_fails_is_made_again_and_holds_nothing_up(place: Place) -> None:
    fed = place.feed(3)
    place.announcing = Transient("no answer")
    feed = place.start(commit_seconds=10.0)
    for _ in range(50):
        feed.step()
        place.clock.seconds += 0.5
    place.holds(fed)
    assert place.announced == 0
    place.announcing = None
    for _ in range(50):
        feed.step()
        place.clock.seconds += 0.5
    assert place.announced == 1


STEPS = st.one_of(
    st.builds(Yield, st.integers(1, 4)),
    st.builds(Pause, st.integers(1, 3)),
    st.builds(Unnoted, st.booleans()),
    st.just(End()),
)
FAULTS = st.sampled_from(
    ["", "", "die before", "die behind", "transient", "transient behind", "stale"]
)


@settings(max_examples=80)
@given(
    counts=st.lists(st.integers(0, 5), min_size=1, max_size=5),
    steps=st.lists(STEPS, max_size=10),
    plan=st.lists(FAULTS, max_size=10),
    commit_records=st.sampled_from([0, 1, 2, 3, 1000]),
)
def test_whatever_befalls_it_each_row_is_there_once(
    make_place: Callable[[], Place],
    counts: list[int],
    steps: list[Step],
    plan: list[str],
    commit_records: int,
) -> None:
    place = make_place()
    fed = [
        document
        for at, number in enumerate(counts)
        for document in place.feed(number, partition=at % 2)
    ]
    place.broker.script("one", steps)
    place.tables.plan = plan
    weight = max((len(encode_document(one)) for one in fed), default=1)
    place.live_through(commit_bytes=max(1, commit_records * weight))
    place.holds(fed)


def letters(place: Place) -> list[bytes]:
    return sorted(one.value for one in place.broker.records(DEAD_TOPIC))


@pytest.mark.parametrize("plan", [["die before"], ["die behind"], ["", "die before"]])
def test_a_letter_is_written_once_whenever_the_worker_dies(place: Place, plan: list[str]) -> None:
    fed = place.feed(2)
    place.write((SHARDS, b"\xff"), (LEDGER_TOPIC, b""), (SHARDS, b"\xff"))
    place.tables.plan = plan
    place.live_through()
    assert letters(place) == [b"", b"\xff", b"\xff"]
    assert place.files() == sorted(one.id for one in fed)


@pytest.mark.parametrize("fault", ["transient", "transient behind", "stale"])
def test_a_letter_is_written_once_although_the_tables_begin_again(place: Place, fault: str) -> None:
    fed = place.feed(2)
    place.write((SHARDS, b"\xff"))
    place.tables.plan = [fault, fault]
    place.finish(place.start())
    assert letters(place) == [b"\xff"]
    assert place.files() == sorted(one.id for one in fed)


def test_a_letter_that_may_have_arrived_is_looked_for_before_it_is_written_again(
    place: Place,
) -> None:
    fed = place.feed(2)
    place.write((SHARDS, b"\xff"))
    place.writer.doubts = 2
    place.finish(place.start())
    assert letters(place) == [b"\xff"]
    place.write((SHARDS, b"\xfe"))
    place.finish(place.start())
    assert letters(place) == [b"\xfe", b"\xff"]
    assert place.files() == sorted(one.id for one in fed)


def test_letters_of_others_and_of_another_topic_are_no_reason_to_write_none(place: Place) -> None:
    """A topic that was made anew counts from 0 again, and its records are others."""
    place.write((SHARDS, b"\xff"))
    place.finish(place.start())
    [letter] = place.broker.records(DEAD_TOPIC)
    found = place_of_letter(letter, "shards")
    assert found is not None
    assert found.offset == 0
    assert place_of_letter(letter, "dedup") is None
    assert place_of_letter(replace(letter, value=b"\xfe"), "shards") != found
    broken = tuple((k, b"x" if k == "dead-offset" else v) for k, v in letter.headers)
    assert place_of_letter(replace(letter, headers=broken), "shards") is None


@pytest.fixture(scope="session")
def make_place(
    make_around: Callable[[], tuple[Any, Any, Any]], make_document: MakeDocument
) -> Callable[[], Place]:
    return lambda: Place(*make_around(), make_document)


def test_an_orderly_end_has_the_tables_pass_the_markers_behind_what_they_hold(
    place: Place,
) -> None:
    """Retention may take all that lies before: a start must not meet a gap of markers alone."""
    place.feed(2)
    log = place.broker.log(group="upstream", instance="u", topics=[DEAD_TOPIC])
    log.poll(0)
    assert log.transact([Message(topic=SHARDS, key=b"k", value=b"garbage", partition=0)], {})
    feed = place.start()
    place.finish(feed)
    feed.step()
    before = dict(TableWriter(place.tables).positions())
    assert before["cluster/shards/0"] == 3  # two documents, and what was set aside
    feed.stop()
    feed.run(lambda: None)
    after = TableWriter(place.tables).positions()
    assert after["cluster/shards/0"] == 4  # and the marker


def test_what_is_long_quiet_has_the_tables_pass_markers_too(place: Place) -> None:
    place.feed(1)
    log = place.broker.log(group="upstream", instance="u", topics=[DEAD_TOPIC])
    log.poll(0)
    assert log.transact([Message(topic=SHARDS, key=b"k", value=b"garbage", partition=0)], {})
    feed = place.start()
    place.finish(feed)
    place.clock.seconds += 1000
    feed.step()
    feed.step()
    assert TableWriter(place.tables).positions()["cluster/shards/0"] == 3


def test_an_outage_is_told_as_waiting(place: Place) -> None:
    place.feed(1)
    place.tables.plan = ["transient"]
    feed = place.start(commit_seconds=0.0)
    assert not feed.is_waiting
    feed.step()
    assert feed.is_waiting
    place.clock.seconds += 10
    place.finish(feed)
    assert not feed.is_waiting


def test_a_poll_that_brings_more_than_a_commit_is_written_in_parts(place: Place) -> None:
    place.feed(6)
    feed = place.start(commit_bytes=1)
    for _ in range(3):
        feed.step()
    assert len(place.files()) == 6
    assert place.metrics.counts["gristmill_transactions_total", "shards", "committed"] == 7
    assert place.metrics.counts["gristmill_documents_total", "shards", "keep", ""] == 6
