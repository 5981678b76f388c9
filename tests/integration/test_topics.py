"""`gristmill topics` and the questions of administration, against a real broker."""

import json
import os
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaAdminClient, TopicPartition
from kafka_broker import KafkaCluster

from gristmill.runtime.adapters import kafka_deletion
from gristmill.runtime.adapters.kafka_admin import (
    committed_offsets,
    group_lag,
    oldest_transaction_seconds,
    topic_sources,
)
from gristmill.runtime.adapters.kafka_client import make_admin, make_consumer, make_producer
from gristmill.runtime.adapters.kafka_settings import KafkaSettings
from gristmill.runtime.adapters.kafka_topics import What, apply, find_differences
from gristmill.runtime.adapters.topic_file import Topic, load_topics
from gristmill.runtime.model import BadInput, Fatal, Transient


@dataclass(frozen=True)
class Site:
    """A topic and a group of a test's own, and how to reach the broker that may have them."""

    settings: KafkaSettings
    admin: KafkaAdminClient
    name: str
    directory: Path

    @property
    def group(self) -> str:
        return f"{self.name}-readers"

    def topics(self, entry: str = "", **flags: int) -> tuple[Topic, ...]:
        """The test's topic alone, by way of a file of values."""
        values = self.directory / "values.yaml"
        values.write_text(f"topics:\n  {self.name}: {{groups: [{self.group}], {entry}}}\n")
        every = load_topics(values=str(values), flags=flags)
        return tuple(one for one in every if one.name == self.name)

    def write(self, *values: bytes, partition: int = 0) -> None:
        producer = make_producer(self.settings)
        try:
            for value in values:
                producer.send(self.name, value, partition=partition).get(timeout=10)
        finally:
            producer.close()

    def places(self, partitions: int) -> dict[int, int]:
        these = [TopicPartition(self.name, number) for number in range(partitions)]
        found = committed_offsets(self.admin, {self.group: these})[self.group]
        return {one.partition: offset for one, offset in found.items()}

    def forget_places(self) -> None:
        self.admin.delete_groups([self.group])


@pytest.fixture
def site(kafka: KafkaCluster, tmp_path: Path) -> Iterator[Site]:
    settings = KafkaSettings(bootstrap=kafka.bootstrap)
    admin = make_admin(settings)
    try:
        yield Site(settings, admin, f"topics-{uuid.uuid4()}", tmp_path)
    finally:
        admin.close()


# --- apply ----------------------------------------------------------------------------------------


def test_apply_makes_topics_and_places_once(site: Site) -> None:
    topics = site.topics("retention: 1h", partitions=3)
    (missing,) = find_differences(site.settings, topics)
    assert missing.what is What.TOPIC
    first = apply(site.settings, topics)
    assert [one.what for one in first.done] == [What.TOPIC] + [What.PLACE] * 3
    assert not first.left
    assert site.places(3) == {0: 0, 1: 0, 2: 0}
    assert find_differences(site.settings, topics) == []
    second = apply(site.settings, topics)
    assert (second.done, second.left) == ([], [])


def test_apply_changes_configs_and_adds_partitions_with_places(site: Site) -> None:
    apply(site.settings, site.topics())
    topics = site.topics("retention: 1h, segment: 16MiB", partitions=2)
    done = apply(site.settings, topics).done
    assert {(one.what, one.name) for one in done} == {
        (What.PARTITIONS, ""),
        (What.CONFIG, "retention.ms"),
        (What.CONFIG, "segment.bytes"),
        (What.PLACE, site.group),
    }
    assert site.places(2) == {0: 0, 1: 0}
    assert find_differences(site.settings, topics) == []


def test_apply_refuses_fewer_partitions_before_it_changes_anything(site: Site) -> None:
    apply(site.settings, site.topics(partitions=2))
    topics = site.topics("retention: 1h", partitions=1)
    with pytest.raises(BadInput, match="has 2 partitions, and 1 are wanted"):
        apply(site.settings, topics)
    found = {one.what for one in find_differences(site.settings, topics)}
    assert found == {What.PARTITIONS, What.CONFIG}


def test_apply_leaves_a_replication_that_differs(site: Site) -> None:
    apply(site.settings, site.topics())
    result = apply(site.settings, site.topics(replication=3))
    assert not result.done
    assert {one.what for one in result.left} == {What.REPLICATION, What.CONFIG}


def test_what_the_cluster_refuses_is_told_in_its_words(site: Site) -> None:
    with pytest.raises(BadInput, match=rf"does not take {site.name} so: .*replicat"):
        apply(site.settings, site.topics(replication=3))


def test_only_what_is_missing_is_made_where_that_is_asked_for(site: Site) -> None:
    apply(site.settings, site.topics("retention: 2h", partitions=2))
    site.forget_places()
    (there,) = site.topics("retention: 1h, replication: 3", partitions=1)
    new = replace(there, name=f"{there.name}-new", replication=None)
    result = apply(site.settings, [there, new], only_missing=True)
    assert not result.left
    made = {(one.what, one.topic) for one in result.done}
    assert made == {(What.TOPIC, new.name), (What.PLACE, new.name), (What.PLACE, there.name)}
    assert {one.name or one.what for one in result.untouched} == {
        What.PARTITIONS, What.REPLICATION, "retention.ms", "min.insync.replicas",
    }  # fmt: skip
    assert find_differences(site.settings, site.topics("retention: 2h", partitions=2)) == []
    again = apply(site.settings, [there, new], only_missing=True)
    assert (again.done, again.left, again.untouched) == ([], [], result.untouched)


# --- deletion -------------------------------------------------------------------------------------


def test_topics_and_groups_are_deleted_and_nothing_else(site: Site) -> None:
    (topic,) = site.topics()
    other = replace(topic, name=f"{topic.name}-other", groups=(f"{site.group}-other",))
    apply(site.settings, [topic, other])
    site.write(b"a")
    assert kafka_deletion.delete(site.settings, [topic]) == [topic.name]
    assert kafka_deletion.present_topics(site.settings, [topic, other]) == [other.name]
    groups = {one["group_id"] for one in site.admin.list_groups()}
    assert {site.group, *other.groups} & groups == set(other.groups)
    assert kafka_deletion.delete(site.settings, [topic]) == []
    assert apply(site.settings, [topic]).left == []


def test_nothing_is_deleted_under_members_at_work(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kafka_deletion, "_GONE_SECONDS", 0.0)
    topics = site.topics()
    apply(site.settings, topics)
    consumer = make_consumer(site.settings, site.group, f"{site.group}-0")
    try:
        consumer.subscribe([site.name])
        _poll_until(consumer, 0)
        with pytest.raises(BadInput, match=f"members of {site.group} are at work"):
            kafka_deletion.delete(replace(site.settings, session_seconds=1.0), topics)
    finally:
        consumer.close(autocommit=False)
    assert site.places(1) == {0: 0}


# --- places ---------------------------------------------------------------------------------------


def test_no_place_is_given_where_records_are_unless_asked_for(site: Site) -> None:
    topics = site.topics(partitions=2)
    apply(site.settings, topics)
    site.write(b"a", b"b", partition=1)
    site.forget_places()
    result = apply(site.settings, topics)
    assert [(one.partition, one.what) for one in result.done] == [(0, What.PLACE)]
    (left,) = result.left
    assert left.partition == 1
    assert "--from-beginning" in left.hindrance
    assert site.places(2) == {0: 0}
    assert find_differences(site.settings, topics) == [left]
    again = apply(site.settings, topics, from_beginning=True)
    assert [one.partition for one in again.done] == [1]
    assert not again.left
    assert site.places(2) == {0: 0, 1: 0}


def test_a_place_that_is_there_is_never_moved(site: Site) -> None:
    topics = site.topics()
    apply(site.settings, topics)
    site.write(b"a", b"b")
    consumer = make_consumer(site.settings, site.group, f"{site.group}-0")
    try:
        consumer.subscribe([site.name])
        _poll_until(consumer, 2)
        consumer.commit()
        assert apply(site.settings, topics).done == []  # and members at work are no hindrance
    finally:
        consumer.close(autocommit=False)
    assert apply(site.settings, topics, from_beginning=True).done == []
    assert site.places(1) == {0: 2}


def test_under_members_at_work_no_partition_is_added(site: Site) -> None:
    apply(site.settings, site.topics())
    consumer = make_consumer(site.settings, site.group, f"{site.group}-0")
    try:
        consumer.subscribe([site.name])
        _poll_until(consumer, 0)
        result = apply(site.settings, site.topics("retention: 1h", partitions=2))
    finally:
        consumer.close(autocommit=False)
    assert [one.what for one in result.done] == [What.CONFIG]
    (left,) = result.left
    assert left.what is What.PARTITIONS
    assert f"members of {site.group} are at work" in left.hindrance


def _poll_until(consumer: Any, records: int) -> None:
    deadline = time.monotonic() + 60
    # Who joins before it knows of the topic is given nothing, and hears of it minutes later.
    for topic in consumer.subscription():
        while not consumer.partitions_for_topic(topic):
            assert time.monotonic() < deadline, f"{topic} is not known"
    read = 0
    while not consumer.assignment() or read < records:
        assert time.monotonic() < deadline, "nothing was assigned or read"
        read += sum(map(len, consumer.poll(timeout_ms=100).values()))


# --- questions ------------------------------------------------------------------------------------


def test_a_topic_made_again_is_another_source(site: Site) -> None:
    apply(site.settings, site.topics())
    before = topic_sources(site.settings, [site.name])
    assert before[site.name].startswith("kafka/")
    assert before == topic_sources(site.settings, [site.name])
    site.admin.delete_topics([site.name])
    deadline = time.monotonic() + 20
    while site.name in site.admin.list_topics():
        assert time.monotonic() < deadline
    with pytest.raises(Fatal, match=f"no topic {site.name}: `gristmill topics apply`"):
        topic_sources(site.settings, [site.name])
    apply(site.settings, site.topics())
    after = topic_sources(site.settings, [site.name])
    assert after[site.name].rpartition("/")[0] == before[site.name].rpartition("/")[0]
    assert after != before


def test_lag_counts_what_is_committed_and_not_yet_read(site: Site) -> None:
    apply(site.settings, site.topics(partitions=2))
    site.write(b"a", b"b")
    site.write(b"c", partition=1)
    nobody = f"{site.name}-nobody"
    asked = {site.group: [site.name], nobody: [site.name]}
    assert group_lag(site.settings, asked) == {
        site.group: {site.name: 3},
        nobody: {site.name: 3},
    }
    with pytest.raises(Fatal, match="no topic nowhere-at-all"):
        group_lag(site.settings, {site.group: ["nowhere-at-all"]})


def test_an_open_transaction_counts_as_lag_and_has_an_age(site: Site) -> None:
    apply(site.settings, site.topics())
    producer = make_producer(site.settings, f"{site.name}-0")
    try:
        producer.init_transactions()
        producer.begin_transaction()
        producer.send(site.name, b"a").get(timeout=10)
        time.sleep(0.3)
        assert oldest_transaction_seconds(site.settings) >= 0.3
        assert group_lag(site.settings, {site.group: [site.name]})[site.group] == {site.name: 1}
        producer.commit_transaction()
    finally:
        producer.close()
    # The record and the mark of its transaction, which comes a little later than the answer.
    deadline = time.monotonic() + 20
    while group_lag(site.settings, {site.group: [site.name]})[site.group] != {site.name: 2}:
        assert time.monotonic() < deadline


def test_a_broker_that_does_not_answer_may_come_back() -> None:
    before = set(threading.enumerate())
    with socket.create_server(("127.0.0.1", 0)) as silent:
        settings = KafkaSettings(bootstrap=f"127.0.0.1:{silent.getsockname()[1]}")
        with pytest.raises(Transient, match="does not answer"):
            oldest_transaction_seconds(settings)
    assert set(threading.enumerate()) <= before  # it may be asked again and again


# --- the command line -----------------------------------------------------------------------------


def test_the_commands_tell_by_their_exit_codes(site: Site) -> None:
    site.topics()  # writes the file of values
    text = (site.directory / "values.yaml").read_text()
    defaults = "defaults: {partitions: 1, replication: 1, min_in_sync: 1, retention: 1h, "
    defaults += "retention_size: unlimited, segment: 16MiB, max_message: 2MiB, "
    defaults += "compression: producer, timestamps: CreateTime, cleanup: delete}\n"
    (site.directory / "topics.yaml").write_text(defaults + text)

    def run(*words: str) -> tuple[int, str, str]:
        return _gristmill(site, ["topics", *words, "--file", str(site.directory / "topics.yaml")])

    code, out, _ = run("diff")
    assert (code, out) == (1, f"{site.name}  new: partitions 1, replication 1\n")
    code, out, _ = run("apply", "--json")
    assert code == 0
    assert [one["what"] for one in json.loads(out)["done"]] == ["topic", "place"]
    assert run("apply")[:2] == (0, "nothing to do\n")
    assert run("diff")[:2] == (0, "nothing differs\n")
    assert run("diff", "--json")[:2] == (0, '{"differences": []}\n')
    code, out, err = run("apply", "--replication", "3", "--min-in-sync", "1")
    assert code == 1
    assert "replication: 1 -> 3" in out
    assert "left" in err
    code, out, _ = run("apply", "--only-missing", "--partitions", "2")
    assert code == 0
    assert "partitions: 1 -> 2\n    not by apply: it is there" in out
    code, _, err = run("apply", "--partitions", "0")
    assert code == 2
    assert "partitions: 0 is not" in err
    code, out, err = run("delete")
    assert (code, out) == (1, f"{site.name}  with all its records\n")
    assert "--yes deletes these 1 topics at 127.0.0.1:" in err
    assert run("delete", "--yes")[:2] == (0, f"{site.name}  deleted\n")


def _gristmill(site: Site, words: Sequence[str]) -> tuple[int, str, str]:
    done = subprocess.run(
        [sys.executable, "-m", "gristmill.cli.main", *words, "--mill", str(site.directory)],
        env={**os.environ, "GRISTMILL_KAFKA_BOOTSTRAP": site.settings.bootstrap},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr
