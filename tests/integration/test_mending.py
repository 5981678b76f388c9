"""Ends of transactions that a broker lost, provoked on a real broker, and their mending.

A broker that does not verify partitions takes records for a transaction that knows nothing of the
partition. So the coordinator completes the transaction, and that partition gets no marker.
"""

import json
import os
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaAdminClient, KafkaProducer, TopicPartition
from kafka.admin import NewTopic, TransactionState
from kafka.producer.transaction_manager import TransactionalRequestResult, TxnOffsetCommitHandler
from kafka.structs import ConsumerGroupMetadata, OffsetAndMetadata
from kafka_broker import KafkaCluster
from pyiceberg.catalog.sql import SqlCatalog

from gristmill.cli.taken import require_taken
from gristmill.runtime.adapters.iceberg import IcebergTables, local_catalog
from gristmill.runtime.adapters.kafka_admin import committed_offsets
from gristmill.runtime.adapters.kafka_client import discard, make_admin, make_producer
from gristmill.runtime.adapters.kafka_mending import LostEnd, find_lost_ends, mend
from gristmill.runtime.adapters.kafka_scan import scan_topic
from gristmill.runtime.adapters.kafka_settings import KafkaSettings
from gristmill.runtime.engine.envelope import DEAD_TOPIC
from gristmill.runtime.model import Transient
from gristmill.runtime.ports import Partition

KEPT, LOST = 0, 1  # the partition whose marker is written, and the one whose marker is not


@dataclass(frozen=True)
class Site:
    """A topic of a test's own in a cluster that can be made to lose ends."""

    settings: KafkaSettings
    admin: KafkaAdminClient
    name: str

    @contextmanager
    def producer(self, suffix: str = "0") -> Iterator[KafkaProducer]:
        producer = make_producer(self.settings, f"{self.name}-{suffix}")
        try:
            producer.init_transactions()
            yield producer
        finally:
            discard(producer)

    def lose_end(self, producer: KafkaProducer, value: bytes, *, is_commit: bool = True) -> LostEnd:
        """Write the value to both partitions and end that, without a marker in one of them."""
        producer.begin_transaction()
        _skip_partition(producer, TopicPartition(self.name, LOST))
        _send(producer, self.name, value, KEPT, LOST)
        if is_commit:
            producer.commit_transaction()
        else:
            producer.abort_transaction()
        (lost,) = self.wait_for_lost_ends()
        return lost

    def wait_for_lost_ends(self) -> list[LostEnd]:
        """Return them once they are there: the coordinator completes behind its answer."""
        deadline = time.monotonic() + 20
        while not (found := find_lost_ends(self.settings, [self.name])):
            assert time.monotonic() < deadline, "no end was lost"
        return found

    def readable(self, partition: int) -> list[bytes]:
        read = scan_topic(self.settings, self.name)
        return [one.value for one in read if one.partition.number == partition]


def _skip_partition(producer: KafkaProducer, partition: TopicPartition) -> None:
    """Have the producer think that the open transaction knows of the partition."""
    producer._transaction_manager._partitions_in_transaction.add(partition)


def _send(producer: KafkaProducer, topic: str, value: bytes, *partitions: int) -> None:
    for sent in [producer.send(topic, value, partition=number) for number in partitions]:
        sent.get(timeout=10)


@pytest.fixture(scope="module")
def careless(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaCluster]:
    """A cluster of this module's own: what it does not verify, no other test should do without."""
    directory = tmp_path_factory.mktemp("careless")
    properties = {"transaction.partition.verification.enable": "false"}
    with KafkaCluster(directory, die_with_parent=True, properties=properties) as cluster:
        yield cluster


@pytest.fixture
def site(careless: KafkaCluster) -> Iterator[Site]:
    settings = KafkaSettings(bootstrap=careless.bootstrap)
    admin = make_admin(settings)
    try:
        name = f"mending-{uuid.uuid4()}"
        admin.create_topics([NewTopic(name, num_partitions=2, replication_factor=1)])
        yield Site(settings, admin, name)
    finally:
        admin.close()


# --- what is lost ---------------------------------------------------------------------------------


def test_a_lost_end_is_named_by_its_partition_and_offset(site: Site) -> None:
    with site.producer() as producer:
        producer.begin_transaction()
        _send(producer, site.name, b"before", KEPT, LOST)
        producer.commit_transaction()
        lost = site.lose_end(producer, b"a")
    assert lost.partition == Partition(site.name, LOST)
    assert lost.offset == 2  # behind the record before and its marker
    assert lost.is_commit


def test_readers_stand_before_a_lost_end_until_it_is_mended(site: Site) -> None:
    with site.producer() as producer:
        lost = site.lose_end(producer, b"a")
    assert (site.readable(KEPT), site.readable(LOST)) == ([b"a"], [])
    assert mend(site.settings, [site.name]) == [lost]
    assert (site.readable(KEPT), site.readable(LOST)) == ([b"a"], [b"a"])
    assert mend(site.settings, [site.name]) == []
    assert find_lost_ends(site.settings, [site.name]) == []


def test_what_stands_behind_a_lost_end_is_not_taken_for_nothing(site: Site, tmp_path: Path) -> None:
    catalog = local_catalog(str(tmp_path))
    assert isinstance(catalog, SqlCatalog)
    tables = IcebergTables(catalog)
    tables.create()
    require_taken(site.settings, tables, site.name)
    with site.producer() as producer:
        site.lose_end(producer, b"a")
    with pytest.raises(Transient, match="topics mend"):
        require_taken(site.settings, tables, site.name)
    mend(site.settings, [site.name])
    with pytest.raises(Transient, match="not yet taken in"):
        require_taken(site.settings, tables, site.name)
    catalog.engine.dispose()


def test_what_was_aborted_is_ended_by_an_abort(site: Site) -> None:
    with site.producer() as producer:
        lost = site.lose_end(producer, b"never seen", is_commit=False)
        assert not lost.is_commit
        assert mend(site.settings, [site.name]) == [lost]
        producer.begin_transaction()
        _send(producer, site.name, b"seen", KEPT, LOST)
        producer.commit_transaction()
    assert (site.readable(KEPT), site.readable(LOST)) == ([b"seen"], [b"seen"])


def test_a_producer_goes_on_behind_what_was_mended(site: Site) -> None:
    with site.producer() as producer:
        values = [b"a", b"b", b"c"]
        for value in values:
            lost = site.lose_end(producer, value)
            assert mend(site.settings, [site.name]) == [lost]
    assert site.readable(LOST) == values


def test_offsets_of_a_group_whose_end_was_lost_are_mended(site: Site) -> None:
    group, read = f"{site.name}-readers", TopicPartition(site.name, KEPT)

    def places() -> dict[TopicPartition, int]:
        return committed_offsets(site.admin, {group: [read]})[group]

    with site.producer() as producer:
        producer.begin_transaction()
        _send(producer, site.name, b"a", KEPT)
        _commit_offset_unannounced(producer, group, read, 1)
        producer.commit_transaction()
        (lost,) = site.wait_for_lost_ends()
    assert lost.partition.topic == "__consumer_offsets"
    assert places() == {}
    assert mend(site.settings, [site.name]) == [lost]
    assert places() == {read: 1}
    assert mend(site.settings, [site.name]) == []


def _commit_offset_unannounced(
    producer: KafkaProducer, group: str, partition: TopicPartition, offset: int
) -> None:
    """Commit an offset in the open transaction, and leave out the request that comes before it."""
    manager: Any = producer._transaction_manager
    result = TransactionalRequestResult()
    with manager._lock:
        pending = manager._pending_txn_offset_commits
        pending[partition] = OffsetAndMetadata(offset, "", -1)
        members = ConsumerGroupMetadata(group)
        manager._enqueue_request(TxnOffsetCommitHandler(manager, members, pending, result))
    producer._sender.wakeup()
    assert result.wait(timeout_ms=10_000)
    assert result.succeeded


# --- what is not lost -----------------------------------------------------------------------------


def test_an_open_transaction_is_never_touched(site: Site) -> None:
    with site.producer("loses") as loses, site.producer("open") as still_open:
        lost = site.lose_end(loses, b"a")
        still_open.begin_transaction()
        _send(still_open, site.name, b"b", KEPT, LOST)
        assert mend(site.settings, [site.name]) == [lost]
        assert find_lost_ends(site.settings, [site.name]) == []
        assert (site.readable(KEPT), site.readable(LOST)) == ([b"a"], [b"a"])
        still_open.commit_transaction()
        deadline = time.monotonic() + 20
        while (site.readable(KEPT), site.readable(LOST)) != ([b"a", b"b"], [b"a", b"b"]):
            assert time.monotonic() < deadline


def test_transactions_that_go_on_meanwhile_are_never_taken_for_lost(site: Site) -> None:
    stop = threading.Event()
    ended: list[bool] = []

    def work(producer: KafkaProducer) -> None:
        while not stop.is_set():
            producer.begin_transaction()
            _send(producer, site.name, b"a", KEPT, LOST)
            is_commit = len(ended) % 3 != 2
            if is_commit:
                producer.commit_transaction()
            else:
                producer.abort_transaction()
            ended.append(is_commit)
            stop.wait(0.005)  # as long ended as open, so that a look falls on every change

    with site.producer() as producer:
        worker = threading.Thread(target=work, args=(producer,))
        worker.start()
        try:
            found = [find_lost_ends(site.settings, [site.name]) for _ in range(50)]
        finally:
            stop.set()
            worker.join(timeout=30)
    assert not worker.is_alive()
    assert found == [[]] * 50
    assert len(ended) > 10  # it was busy indeed
    assert len(site.readable(LOST)) == sum(ended)


def test_a_transaction_that_begins_in_the_middle_of_a_look_is_not_taken_for_lost(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    describe = KafkaAdminClient.describe_transactions
    with site.producer("begins") as begins, site.producer("open") as still_open:
        begins.begin_transaction()
        _send(begins, site.name, b"a", LOST)
        begins.commit_transaction()
        still_open.begin_transaction()
        _send(still_open, site.name, b"b", KEPT)  # else nobody is asked which are complete

        def describe_and_begin(admin: KafkaAdminClient, names: list[str]) -> Any:
            told = describe(admin, names)
            assert told[f"{site.name}-begins"].state is TransactionState.COMPLETE_COMMIT
            begins.begin_transaction()
            _send(begins, site.name, b"c", LOST)
            return told

        _wait_until_committed(site, f"{site.name}-begins")
        monkeypatch.setattr(KafkaAdminClient, "describe_transactions", describe_and_begin)
        assert find_lost_ends(site.settings, [site.name]) == []


def _wait_until_committed(site: Site, transaction: str) -> None:
    deadline = time.monotonic() + 20
    complete = TransactionState.COMPLETE_COMMIT
    while site.admin.describe_transactions([transaction])[transaction].state is not complete:
        assert time.monotonic() < deadline


def test_topics_that_are_not_there_have_lost_nothing(site: Site) -> None:
    with site.producer() as producer:
        lost = site.lose_end(producer, b"a")
    assert find_lost_ends(site.settings, [f"{site.name}-nowhere"]) == []
    assert mend(site.settings, [f"{site.name}-nowhere", site.name]) == [lost]


# --- the command line -----------------------------------------------------------------------------


def test_the_command_mends_the_topics_of_gristmill(site: Site, tmp_path: Path) -> None:
    site.admin.create_topics([NewTopic(DEAD_TOPIC, num_partitions=2, replication_factor=1)])
    ours = Site(site.settings, site.admin, DEAD_TOPIC)
    with ours.producer() as producer:
        lost = ours.lose_end(producer, b"a")
    (told,) = _mended(ours, tmp_path)
    assert told["partition"] == [DEAD_TOPIC, LOST]
    assert (told["offset"], told["is_commit"]) == (lost.offset, True)
    assert ours.readable(LOST) == [b"a"]
    assert _mended(ours, tmp_path) == []


def _mended(site: Site, mill: Path) -> list[dict[str, Any]]:
    words = ["topics", "mend", "--json", "--mill", str(mill)]
    done = subprocess.run(
        [sys.executable, "-m", "gristmill.cli.main", *words],
        env={**os.environ, "GRISTMILL_KAFKA_BOOTSTRAP": site.settings.bootstrap},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    mended: list[dict[str, Any]] = json.loads(done.stdout)["mended"]
    return mended


def test_a_producer_that_committed_and_aborted_since_leaves_doubt_and_nothing_is_written(
    site: Site,
) -> None:
    """Its log does not tell its transactions apart: the wrong marker would tear one."""
    with site.producer() as producer:
        site.lose_end(producer, b"committed")
        producer.begin_transaction()
        _send(producer, site.name, b"aborted", KEPT)
        producer.abort_transaction()
        deadline = time.monotonic() + 20
        while [one.is_commit for one in mend(site.settings, [site.name])] != [None]:
            assert time.monotonic() < deadline
        assert site.readable(LOST) == []


def test_an_end_stays_lost_and_known_when_the_producer_was_made_anew(site: Site) -> None:
    with site.producer() as producer:
        lost = site.lose_end(producer, b"a")
    with site.producer() as successor:
        successor.begin_transaction()
        _send(successor, site.name, b"b", KEPT)
        successor.commit_transaction()
        assert mend(site.settings, [site.name]) == [lost]
    assert site.readable(LOST) == [b"a"]
