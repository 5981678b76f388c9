"""What is away for a while, and what is gone for good: workers wait for the one, stop at the other.

One mill of real parts. Every test starts the workers that it needs and ends them.
"""

import io
import json
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import fault_cases as faults
import pytest
from fault_documents import documents
from fault_mill import Limits, Mill
from kafka import TopicPartition
from kafka_broker import KafkaError, fetch

from gristmill.runtime.adapters.announcements import TOPIC as FINALIZED_TOPIC
from gristmill.runtime.adapters.announcements import Announcer, torn
from gristmill.runtime.adapters.iceberg import IcebergTables, local_catalog
from gristmill.runtime.adapters.json_log import JsonLog
from gristmill.runtime.adapters.kafka_admin import administration, num_records
from gristmill.runtime.adapters.kafka_reader import KafkaReader
from gristmill.runtime.adapters.kafka_scan import scan_topic
from gristmill.runtime.adapters.kafka_writer import KafkaWriter
from gristmill.runtime.engine.envelope import (
    CRAWL_TOPIC,
    DEAD_TOPIC,
    topic_of,
)
from gristmill.runtime.model import Transient
from gristmill.runtime.ports import Batch, Span
from gristmill.runtime.wire import decode_document
from gristmill.shards.writer import TableWriter

_SECONDS = 60.0
# Of a turn without a broker the longest waits add up to 19 s: for its heartbeat's answer (10), its
# producer (3), its place (3) and its group (3). The broker is away for longer than both limits.
# No progress for longer than a request of the client is waited for, which is 10 s.
_STALL_S, _NO_PROGRESS_S, _AWAY_S = 20.0, 15.0, 30.0
_WATCHED = ("ingestion", "syntax")

# A client that is cut off in the middle of things says so when it is collected.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture(scope="module")
def mill(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mill]:
    try:
        fetch()
    except KafkaError as error:
        pytest.skip(str(error))
    limits = Limits(session_s=2.0, transaction_s=5.0, commit_s=3.0, drain_s=5.0, stall_s=_STALL_S)
    with Mill(tmp_path_factory.mktemp("mill"), limits=limits) as mill:
        yield mill


def feed(mill: Mill, name: str, count: int) -> set[str]:
    """Feed documents of which each is like no other; return their ids."""
    unlike = [one for one in documents(name, 2 * count) if one.number % 20 < 15][:count]
    writer = KafkaWriter(mill.settings)
    try:
        writer.write([one.message() for one in unlike])
    finally:
        writer.close()
    return {one.document_id for one in unlike}


def values(mill: Mill, topic: str) -> list[bytes]:
    return [one.value for one in scan_topic(mill.settings, topic)]


def documents_for(mill: Mill, stage: str) -> list[str]:
    return [decode_document(one).id for one in values(mill, topic_of(stage))]


def trim(mill: Mill, topic: str, before: int = -1) -> None:
    """Delete the records before an offset, or all that are there, as retention does."""
    with administration(mill.settings) as admin:
        admin.delete_records({TopicPartition(topic, 0): before})


def wait_for(condition: Callable[[], object], what: str, seconds: float = _SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with suppress(Transient):  # a broker that is coming back
            if condition():
                return
        time.sleep(0.1)
    raise AssertionError(f"not in {seconds:.0f} s: {what}")


# --- away -----------------------------------------------------------------------------------------


def test_a_worker_that_waits_for_its_broker_is_not_ended_by_the_watchdog(mill: Mill) -> None:
    for stage in _WATCHED:
        mill.start_worker(stage, command=faults.changed("watched", str(_NO_PROGRESS_S)))
    try:
        mill.workers.wait_serving()
        lives = mill.workers.running()
        fed = feed(mill, "watched", 400)
        wait_for(lambda: documents_for(mill, "syntax"), "work goes on")
        mill.cluster.freeze()
        time.sleep(_AWAY_S)
        mill.cluster.thaw()
        wait_for(lambda: fed <= set(documents_for(mill, "dedup")), "it goes on to its end")
    finally:
        for stage in _WATCHED:
            mill.workers.stop(stage)
    assert [life.process.returncode for life in lives] == [0, 0]


@contextmanager
def joiner(mill: Mill, topic: str) -> Iterator[KafkaReader]:
    """Give a reader that gets to its broker through the proxy, which is well again behind it.

    Its group is new: the assignor runs in it, as it does not for a member that comes back.
    """
    group = f"joiners-{uuid.uuid4().hex}"
    reader = KafkaReader(
        replace(mill.settings, bootstrap=mill.cluster.proxied_bootstrap, session_seconds=2.0),
        group=group,
        instance=f"{group}-0",
        topics=[topic],
        log=JsonLog("joiners", stream=io.StringIO()),
        start_at=lambda _: 0,
    )
    try:
        yield reader
    finally:
        mill.proxy.heal()
        reader.close()


def test_a_reader_tells_that_it_is_cut_off_and_that_it_is_no_longer(mill: Mill) -> None:
    with joiner(mill, topic_of("faulty")) as reader:

        def told() -> tuple[bool, int | None]:
            reader.poll(0.1)
            reader.lag()
            return reader.is_cut_off, reader.known_lag

        wait_for(lambda: told() == (False, 0), "it has settled")
        mill.proxy.refuse()
        wait_for(lambda: told() == (True, None), "it is cut off, and its lag is not known", 20)
        mill.proxy.heal()
        wait_for(lambda: told() == (False, 0), "it is back", 20)


def test_a_reader_comes_back_into_its_group_whatever_it_had_left_it_for(mill: Mill) -> None:
    """While a broker goes or comes, topics may be missing from what a client knows of them."""
    topic = topic_of("faulty")  # which nobody here writes to
    with joiner(mill, topic) as reader:

        def is_member() -> bool:
            reader.poll(0.1)
            return reader.is_member

        coordinator, known = reader._consumer._coordinator, {topic: {0}}
        wait_for(
            lambda: is_member() and coordinator._assignment_snapshot == known, "it has settled"
        )
        coordinator._assignment_snapshot = {}  # as if it had known of no topic
        mill.proxy.black_hole()
        assert not is_member()
        coordinator._assignment_snapshot = known
        mill.proxy.heal()
        wait_for(is_member, "it is back", 10)


# --- gone -----------------------------------------------------------------------------------------


def test_a_worker_ends_at_records_that_are_gone_until_they_are_skipped(mill: Mill) -> None:
    mill.start_worker("ingestion")
    mill.workers.wait_serving()
    life = mill.workers.life("ingestion")
    mill.freeze(life)
    time.sleep(1)  # what it asked for before is answered by then
    stood = num_records(mill.settings, CRAWL_TOPIC)
    gone, there = feed(mill, "gone", 6), feed(mill, "there", 4)
    trim(mill, CRAWL_TOPIC, stood + len(gone))
    mill.thaw(life)
    assert life.process.wait(_SECONDS) == 1
    mill.workers.stop("ingestion")
    [line] = [one for one in life.events() if one.get("event") == "cannot go on"]
    assert "records that gristmill.ingestion has not read are gone" in line["error"]
    assert "`gristmill topics skip-lost --help` says how" in line["error"]

    def skipped() -> bool:  # not before the session of the worker has ended
        return mill.run("topics", "skip-lost").returncode == 0

    wait_for(skipped, "what is lost is skipped")
    mill.start_worker("ingestion")
    wait_for(lambda: there <= set(documents_for(mill, "syntax")), "it goes on behind the gap")
    mill.workers.stop("ingestion")
    passed_on = documents_for(mill, "syntax")
    assert not gone & set(passed_on)
    assert len(passed_on) == len(set(passed_on))


def test_a_replay_takes_what_retention_has_left_and_never_waits_for_more(mill: Mill) -> None:
    def letters() -> list[int]:
        return [one.offset for one in scan_topic(mill.settings, DEAD_TOPIC)]

    mill.start_worker("ingestion")
    mill.write(CRAWL_TOPIC, [b"\xff no message at all"] * 6)
    wait_for(lambda: len(letters()) == 6, "all are set aside")
    trim(mill, DEAD_TOPIC, letters()[4])
    assert len(mill.run("dead", "list", "--json").stdout.splitlines()) == 2
    done = mill.run("dead", "replay")
    assert done.returncode == 0
    assert done.stderr.splitlines() == ["2 dead letters sent in again, 0 left"]
    wait_for(lambda: len(letters()) == 4, "those are set aside once more")
    mill.workers.stop("ingestion")
    trim(mill, DEAD_TOPIC)
    done = mill.run("dead", "replay")  # at once: the replay before has left its group
    assert done.returncode == 0
    assert done.stderr.splitlines() == ["0 dead letters sent in again, 0 left"]


def test_snapshots_are_told_again_only_where_the_topic_forgot_the_newest(
    mill: Mill, tmp_path: Path
) -> None:
    tables = IcebergTables(local_catalog(str(tmp_path)))
    tables.create()
    kafka = KafkaWriter(mill.settings)
    try:

        def start() -> None:
            """Announce as the shards worker does at its start."""
            known = values(mill, FINALIZED_TOPIC)
            Announcer(tables, kafka, known, ["this log/shards"])()

        def told() -> dict[str, list[bytes]]:
            by_table = defaultdict(list)
            for one in values(mill, FINALIZED_TOPIC):
                by_table[json.loads(one)["table"]].append(one)
            return by_table

        for number in range(3):
            spans = {"this log/shards/0": Span(number, number + 1)}
            TableWriter(tables).write(Batch(spans=spans), datetime.now(UTC))
            start()
        all_told = told()
        assert [len(one) for one in all_told.values()] == [3, 3]
        trim(mill, FINALIZED_TOPIC)
        start()
        assert told() == all_told  # the same records, in the same order
        start()
        assert told() == all_told
        newest = num_records(mill.settings, FINALIZED_TOPIC) - 1
        trim(mill, FINALIZED_TOPIC, newest)  # of `ledger`; `files` has none left
        start()
        files, ledger = "gristmill.files", "gristmill.ledger"
        assert told() == {ledger: all_told[ledger][-1:], files: all_told[files]}

        nothing = {column.name: [] for column in tables.load("files").schema().fields}
        tables.commit("files", {"old log/shards/0": Span(0, 5)}, lambda _: nothing)
        assert torn(tables) == {"old log/shards"}
        start()  # that batch never comes again: nothing waits for it
        assert len(told()[files]) == len(all_told[files]) + 1
        tables.commit("files", {"this log/shards/0": Span(3, 4)}, lambda _: nothing)
        start()  # and this one does
        assert len(told()[files]) == len(all_told[files]) + 1
    finally:
        kafka.close()
