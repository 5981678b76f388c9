"""The file of topics, how it is changed, and what differs from a cluster; without a cluster."""

from dataclasses import replace
from pathlib import Path

import pytest

from gristmill.runtime.adapters.kafka_client import MAX_DEAD_BYTES
from gristmill.runtime.adapters.kafka_topics import (
    Difference,
    Present,
    What,
    difference,
    missing_place,
)
from gristmill.runtime.adapters.plugins import load_plugins
from gristmill.runtime.adapters.topic_file import (
    Topic,
    combine,
    load_topics,
    packaged_topics,
    parse_topics,
)
from gristmill.runtime.engine.envelope import (
    CRAWL_TOPIC,
    DEAD_TOPIC,
    LEDGER_TOPIC,
    RECORD_BYTES,
    group_of,
    topic_of,
)
from gristmill.runtime.model import BadInput

DEFAULTS = """
defaults:
  partitions: 2
  replication: 1
  min_in_sync: majority
  retention: 7d
  retention_size: unlimited
  segment: 256MiB
  max_message: 2MiB
  compression: producer
  timestamps: LogAppendTime
  cleanup: delete
"""
BASE = (
    f"{DEFAULTS}\ntopics:\n  grain: {{groups: [millers]}}\n  flour: {{groups: [], partitions: 1}}\n"
)


def topics_of(values: str = "", **flags: int | None) -> dict[str, Topic]:
    over = parse_topics(values, "site.yaml")
    return {one.name: one for one in combine(parse_topics(BASE, "base.yaml"), over, flags)}


def as_present(topic: Topic) -> Present:
    assert topic.replication is not None
    return Present(
        partitions=topic.partitions, replication=topic.replication, configs=topic.configs
    )


# --- the packaged file ----------------------------------------------------------------------------


def test_the_packaged_topics_are_those_that_stages_and_workers_use() -> None:
    topics = {one.name: one for one in load_topics()}
    stages = [name for name in ("ingestion", "syntax", "dedup", "shards") if name in topics_read()]
    for stage in stages:
        assert group_of(stage) in topics[topic_of(stage)].groups
    assert group_of("shards") in topics[LEDGER_TOPIC].groups
    assert {CRAWL_TOPIC, DEAD_TOPIC, "gristmill.takedown.v1"} <= set(topics)
    assert "gristmill.shards-finalized.v1" in topics


def topics_read() -> set[str]:
    return {*load_plugins(), "shards"}


def test_the_packaged_topics_are_right_for_one_machine() -> None:
    for topic in load_topics():
        assert (topic.partitions, topic.replication) == (1, None)
        assert "min.insync.replicas" not in topic.configs
        most = MAX_DEAD_BYTES if topic.name == DEAD_TOPIC else RECORD_BYTES
        assert topic.configs["max.message.bytes"] == str(most)
        assert topic.configs["cleanup.policy"] == "delete"


def test_dead_letters_stay_longer_than_records() -> None:
    topics = {one.name: one for one in load_topics()}
    crawl, dead = (int(topics[name].configs["retention.ms"]) for name in (CRAWL_TOPIC, DEAD_TOPIC))
    assert crawl == 7 * 24 * 3600 * 1000
    assert dead > 10 * crawl


def test_the_file_of_deploy_is_the_packaged_one() -> None:
    deployed = Path(__file__).parents[4] / "deploy" / "kafka" / "topics.yaml"
    assert deployed.read_text(encoding="utf-8") == packaged_topics()


# --- values and flags -----------------------------------------------------------------------------


def test_flags_are_defaults_and_an_entry_goes_before_them() -> None:
    topics = topics_of(partitions=6, replication=3, min_in_sync=None)
    assert (topics["grain"].partitions, topics["flour"].partitions) == (6, 1)
    assert topics["grain"].configs["min.insync.replicas"] == "2"
    assert topics_of(replication=3, min_in_sync=1)["grain"].configs["min.insync.replicas"] == "1"


def test_a_replication_may_be_left_to_the_cluster() -> None:
    grain = topics_of("defaults: {replication: cluster}")["grain"]
    assert grain.replication is None
    assert "min.insync.replicas" not in grain.configs
    for replication, in_sync in ((1, "1"), (3, "2")):
        there = as_present(topics_of(replication=replication)["grain"])
        assert there.configs["min.insync.replicas"] == in_sync
        assert difference([grain], {"grain": there}) == []
    (new,) = difference([grain], {})
    assert new.wanted == "partitions 2, replication as the cluster gives it"
    with pytest.raises(BadInput, match="min_in_sync is 2, and that needs a replication beside"):
        topics_of("defaults: {replication: cluster, min_in_sync: 2}")


def test_values_are_laid_over_defaults_and_entries() -> None:
    values = "defaults: {retention: 3d}\ntopics: {flour: {partitions: 5, retention: 90s}}"
    topics = topics_of(values)
    assert topics["grain"].configs["retention.ms"] == "259200000"
    assert topics["flour"].configs["retention.ms"] == "90000"
    assert topics["flour"].partitions == 5
    assert topics["grain"].groups == ("millers",)


def test_values_may_bring_a_topic_that_says_who_reads_it() -> None:
    assert topics_of("topics: {bran: {groups: [bakers]}}")["bran"].groups == ("bakers",)
    with pytest.raises(BadInput, match=r"site\.yaml: grian: 'groups' is missing"):
        topics_of("topics: {grian: {partitions: 2}}")


def test_more_copies_in_sync_than_there_are_is_refused() -> None:
    with pytest.raises(BadInput, match="min_in_sync is 2 and replication 1"):
        topics_of(min_in_sync=2)


@pytest.mark.parametrize(
    ("key", "given", "config", "wanted"),
    [
        ("retention", "500ms", "retention.ms", "500"),
        ("retention", "2 h", "retention.ms", "7200000"),
        ("retention", "forever", "retention.ms", "-1"),
        ("retention_size", "10GiB", "retention.bytes", str(10 << 30)),
        ("retention_size", "unlimited", "retention.bytes", "-1"),
        ("segment", "16777216", "segment.bytes", "16777216"),
        ("max_message", "1MiB", "max.message.bytes", "1048576"),
        ("compression", "zstd", "compression.type", "zstd"),
        ("timestamps", "CreateTime", "message.timestamp.type", "CreateTime"),
        ("cleanup", "compact", "cleanup.policy", "compact"),
    ],
)
def test_values_become_what_kafka_calls_them(
    key: str, given: str, config: str, wanted: str
) -> None:
    assert topics_of(f"defaults: {{{key}: {given}}}")["grain"].configs[config] == wanted


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- grain", "site.yaml is not a mapping"),
        ("topic: {}", "unknown section 'topic'"),
        ("defaults: {partition: 3}", "site.yaml: defaults: unknown key 'partition'"),
        ("topics: {grain: {retention.ms: 3}}", "site.yaml: grain: unknown key 'retention.ms'"),
        ("topics: {grain: {partitions: 0}}", "grain: partitions: 0 is not a whole number from 1"),
        ("topics: {grain: {partitions: many}}", "partitions: 'many' is not a whole number"),
        ("topics: {grain: {partitions: true}}", "partitions: True is not a whole number"),
        ("topics: {grain: {partitions: 1.5}}", "partitions: 1.5 is not a whole number"),
        ("topics: {grain: {retention: 7}}", "retention: 7 is not a time like"),
        ("topics: {grain: {retention: -1d}}", "retention: '-1d' is not a time like"),
        ("topics: {grain: {segment: 1KiB}}", "segment: '1KiB' is not bytes, or a size"),
        ("topics: {grain: {segment: 2GiB}}", "segment: '2GiB' is not bytes, or a size"),
        ("topics: {grain: {segment: unlimited}}", "segment: 'unlimited' is not bytes"),
        ("topics: {grain: {compression: rar}}", "compression: 'rar' is not one of producer"),
        ("topics: {grain: {groups: millers}}", "grain: groups: is not a list"),
        ("topics: {grain: {groups: ['']}}", "grain: groups: is not a list"),
        ("topics: {grain: 3}", "site.yaml: grain is not a mapping"),
        ("topics: {'gr ain': {}}", "a topic's name has letters"),
        ("topics: {grain: {}, grain: {}}", "'grain' stands here twice"),
        ("topics: [", "site.yaml is not valid YAML"),
    ],
)
def test_what_is_not_known_or_not_a_value_is_refused_by_name(text: str, message: str) -> None:
    with pytest.raises(BadInput) as refused:
        topics_of(text)
    assert message in str(refused.value)


def test_a_flag_that_is_not_a_number_of_partitions_is_refused() -> None:
    with pytest.raises(BadInput, match="the command line: partitions: 0 is not"):
        topics_of(partitions=0)


def test_a_file_must_say_all_defaults() -> None:
    with pytest.raises(BadInput, match=r"base\.yaml: defaults: 'cleanup' is missing"):
        combine(parse_topics(BASE.replace("  cleanup: delete\n", ""), "base.yaml"), None, {})


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"cannot read .*nowhere"):
        load_topics(str(tmp_path / "nowhere"))
    (tmp_path / "latin").write_bytes(b"# \xe9")
    with pytest.raises(BadInput, match="latin is not valid UTF-8"):
        load_topics(values=str(tmp_path / "latin"))


# --- what differs ---------------------------------------------------------------------------------


def test_nothing_differs_from_what_is_as_it_should_be() -> None:
    topics = topics_of()
    there = {name: as_present(topic) for name, topic in topics.items()}
    assert difference(topics.values(), there) == []


def test_other_configs_of_a_topic_are_left_alone() -> None:
    grain = topics_of()["grain"]
    there = replace(as_present(grain), configs={**grain.configs, "flush.ms": "1"})
    assert difference([grain], {"grain": there}) == []


def test_a_missing_topic_is_one_difference() -> None:
    assert difference([topics_of()["grain"]], {}) == [
        Difference(
            topic="grain",
            what=What.TOPIC,
            present=None,
            wanted="partitions 2, replication 1",
        )
    ]


def test_a_config_that_differs_is_told_with_both_values() -> None:
    grain = topics_of()["grain"]
    there = replace(as_present(grain), configs={**grain.configs, "retention.ms": "1"})
    (found,) = difference([grain], {"grain": there})
    assert (found.what, found.name) == (What.CONFIG, "retention.ms")
    assert (found.present, found.wanted, found.hindrance) == ("1", "604800000", "")


def test_partitions_are_added_and_never_taken_away() -> None:
    grain = topics_of()["grain"]
    (more,) = difference([replace(grain, partitions=3)], {"grain": as_present(grain)})
    assert (more.what, more.present, more.wanted) == (What.PARTITIONS, "2", "3")
    assert not more.hindrance
    (fewer,) = difference([replace(grain, partitions=1)], {"grain": as_present(grain)})
    assert "never taken away" in fewer.hindrance


def test_partitions_are_not_added_under_members_at_work() -> None:
    grain = topics_of()["grain"]
    there = {"grain": as_present(grain)}
    wanted = replace(grain, partitions=3)
    (found,) = difference([wanted], there, frozenset({"millers"}))
    assert "members of millers are at work" in found.hindrance
    (found,) = difference([wanted], there, frozenset({"bakers"}))
    assert not found.hindrance


def test_another_replication_is_only_told() -> None:
    grain, there = topics_of(replication=3)["grain"], as_present(topics_of()["grain"])
    replication, in_sync = difference([grain], {"grain": there})
    assert replication.what is What.REPLICATION
    assert "kafka-reassign-partitions" in replication.hindrance
    # Changed alone it would make the topic unwritable.
    assert in_sync.name == "min.insync.replicas"
    assert "no record could be written" in in_sync.hindrance


@pytest.mark.parametrize(
    ("first", "end", "from_beginning", "busy", "hindrance"),
    [
        (0, 0, False, False, ""),
        (0, 0, False, True, "members of millers are at work"),
        (4, 4, False, False, "it holds records, or held some, and millers has no place in it"),
        (4, 5, False, False, "it holds records, or held some, and millers has no place in it"),
        (4, 4, True, False, ""),
        (4, 5, True, False, ""),
        (4, 5, True, True, "members of millers are at work"),
    ],
)
def test_a_place_is_given_where_nothing_can_be_skipped_or_doubled(
    first: int, end: int, from_beginning: bool, busy: bool, hindrance: str
) -> None:
    found = missing_place(
        "grain", "millers", 1, first=first, end=end, from_beginning=from_beginning, busy=busy
    )
    assert (found.what, found.name, found.partition) == (What.PLACE, "millers", 1)
    assert found.wanted == str(first)
    assert found.hindrance.startswith(hindrance)
    assert bool(found.hindrance) == bool(hindrance)
