"""Topics as they should be against a cluster as it is: what differs, and making them agree.

Where readers begin is part of it. A worker refuses a partition in which its group has no place,
because a place that expired looks the same as one that never was; so places are made here, once.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial
from typing import Any

from kafka import KafkaAdminClient, OffsetAndMetadata, TopicPartition, errors
from kafka.admin import ConfigResource, ConfigResourceType, OffsetSpec

from gristmill.runtime.adapters.kafka_admin import (
    administration,
    committed_offsets,
    known_topics,
    offsets_of,
    partitions_of,
)
from gristmill.runtime.adapters.kafka_patience import patiently
from gristmill.runtime.adapters.kafka_settings import KafkaSettings
from gristmill.runtime.adapters.topic_file import Topic
from gristmill.runtime.model import BadInput, Fatal

_REPLICATION = "Kafka changes it by kafka-reassign-partitions.sh, never here"
_FEWER = "partitions are never taken away"
_THERE = "it is there, and only what is missing is made"


class What(StrEnum):
    """What of a topic differs."""

    TOPIC = "topic"
    PARTITIONS = "partitions"
    REPLICATION = "replication"
    CONFIG = "config"
    PLACE = "place"


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One thing that is not as it should be.

    `name` is that of a config, or the group whose place in `partition` is missing. A `hindrance`
    says why it cannot be changed here; without one it can.
    """

    topic: str
    what: What
    name: str = ""
    partition: int | None = None
    present: str | None
    wanted: str
    hindrance: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Present:
    """A topic as it is. It is `ready` when every partition has a leader."""

    partitions: int
    replication: int
    configs: Mapping[str, str]
    ready: bool = True


@dataclass(frozen=True, slots=True)
class Applied:
    """What was changed, what cannot be changed here, and what was not to be touched."""

    done: Sequence[Difference]
    left: Sequence[Difference]
    untouched: Sequence[Difference] = ()


def difference(
    topics: Iterable[Topic], present: Mapping[str, Present], busy: frozenset[str] = frozenset()
) -> list[Difference]:
    """Return what differs, places of groups apart; `busy` are groups whose members are at work."""
    found: list[Difference] = []
    for topic in topics:
        there = present.get(topic.name)
        if there is None:
            replication = topic.replication or "as the cluster gives it"
            shape = f"partitions {topic.partitions}, replication {replication}"
            found.append(Difference(topic=topic.name, what=What.TOPIC, present=None, wanted=shape))
        else:
            found += _differences(topic, there, busy)
    return found


def _differences(topic: Topic, there: Present, busy: frozenset[str]) -> Iterator[Difference]:
    if there.partitions != topic.partitions:
        working = [group for group in topic.groups if group in busy]
        hindrance = ""
        if there.partitions > topic.partitions:
            hindrance = _FEWER
        elif working:  # a record may be in a new partition before its reader has a place there
            hindrance = at_work(working[0])
        yield Difference(
            topic=topic.name,
            what=What.PARTITIONS,
            present=str(there.partitions),
            wanted=str(topic.partitions),
            hindrance=hindrance,
        )
    if topic.replication not in {None, there.replication}:
        yield Difference(
            topic=topic.name,
            what=What.REPLICATION,
            present=str(there.replication),
            wanted=str(topic.replication),
            hindrance=_REPLICATION,
        )
    for name, wanted in topic.configs.items():
        if there.configs.get(name) != wanted:
            yield Difference(
                topic=topic.name,
                what=What.CONFIG,
                name=name,
                present=there.configs.get(name),
                wanted=wanted,
                hindrance=_unwritable(name, wanted, there),
            )


def _unwritable(name: str, wanted: str, there: Present) -> str:
    if name != "min.insync.replicas" or int(wanted) <= there.replication:
        return ""
    return f"only {there.replication} hold each partition: no record could be written any more"


def at_work(group: str) -> str:
    """Return why a group cannot be touched now."""
    return f"members of {group} are at work: stop them and wait until their sessions have ended"


def missing_place(
    topic: str,
    group: str,
    partition: int,
    *,
    first: int,
    end: int,
    from_beginning: bool,
    busy: bool,
) -> Difference:
    """Return the missing place of a group in a partition that holds offsets from first to end.

    One that is empty now may have held what the group never read: only an end at 0 shows that
    nothing was missed.
    """
    hindrance = ""
    if end > 0 and not from_beginning:
        hindrance = (
            f"it holds records, or held some, and {group} has no place in it: its offsets have "
            "expired, or it never began; --from-beginning makes it begin at the first record"
        )
    elif busy:
        hindrance = at_work(group)
    return Difference(
        topic=topic,
        what=What.PLACE,
        name=group,
        partition=partition,
        present=None,
        wanted=str(first),
        hindrance=hindrance,
    )


def find_differences(settings: KafkaSettings, topics: Sequence[Topic]) -> list[Difference]:
    """Return everything that differs. Topics that are missing bring the places in them along."""
    with administration(settings) as admin:
        there, busy = _look(admin, topics)
        found = difference(topics, there, busy)
        return found + patiently(lambda: _missing_places(admin, topics, busy))


def apply(
    settings: KafkaSettings,
    topics: Sequence[Topic],
    *,
    from_beginning: bool = False,
    only_missing: bool = False,
) -> Applied:
    """Make a cluster agree. Raises BadInput, before anything is changed, for fewer partitions.

    With `only_missing` topics that are there stay as they are; groups without a place get theirs.
    """
    with administration(settings) as admin:
        there, busy = _look(admin, topics)
        found = difference(topics, there, busy)
        there_already = [one for one in found if only_missing and one.what is not What.TOPIC]
        untouched = [replace(one, hindrance=_THERE) for one in there_already]
        found = [one for one in found if one not in there_already]
        for one in found:
            if one.hindrance == _FEWER:
                raise BadInput(
                    f"{one.topic} has {one.present} partitions, and {one.wanted} are wanted: "
                    + _FEWER
                )
        done = [one for one in found if not one.hindrance]
        left = [one for one in found if one.hindrance]
        _create(admin, [topic for topic in topics if topic.name not in there])
        _alter_configs(admin, [one for one in done if one.what is What.CONFIG])
        _add_partitions(admin, [one for one in done if one.what is What.PARTITIONS])
        if done:
            changed = {one.topic for one in done}
            _wait_until_agreed(admin, [one for one in topics if one.name in changed], busy)
        places = patiently(
            lambda: _missing_places(admin, topics, busy, from_beginning=from_beginning)
        )
        left += [one for one in places if one.hindrance]
        for one in _make_places(admin, [one for one in places if not one.hindrance]):
            (left if one.hindrance else done).append(one)
    return Applied(done, left, untouched)


# --- looking --------------------------------------------------------------------------------------


def _look(
    admin: KafkaAdminClient, topics: Iterable[Topic]
) -> tuple[dict[str, Present], frozenset[str]]:
    topics = list(topics)
    groups = {group for topic in topics for group in topic.groups}
    return patiently(lambda: _present(admin, topics)), patiently(lambda: busy_groups(admin, groups))


def _present(admin: KafkaAdminClient, topics: Iterable[Topic]) -> dict[str, Present]:
    known = known_topics(admin, [topic.name for topic in topics])
    if not known:
        return {}
    asked = [ConfigResource(ConfigResourceType.TOPIC, name) for name in known]
    told = admin.describe_configs(asked, config_filter="all")["topic"]
    found = {}
    for name, topic in known.items():
        partitions = topic["partitions"]
        if not told.get(name):  # the library passes over the reason
            raise errors.LeaderNotAvailableError(
                f"{name} shows no configuration: it is just being made, or may not be described"
            )
        found[name] = Present(
            partitions=len(partitions),
            replication=min((len(one["replica_nodes"]) for one in partitions), default=0),
            configs={key: str(config["value"]) for key, config in told[name].items()},
            ready=all(one["leader_id"] >= 0 and not one["error_code"] for one in partitions),
        )
    return found


def busy_groups(admin: KafkaAdminClient, groups: Iterable[str]) -> frozenset[str]:
    """Return those groups that have members: Kafka lets nobody else move their offsets."""
    described = admin.describe_groups(sorted(groups)) if groups else {}
    for name, group in described.items():
        if group["error"] and errors.GroupIdNotFoundError.__name__ not in group["error"]:
            raise errors.CoordinatorNotAvailableError(f"{name}: {group['error']}")
    return frozenset(name for name, group in described.items() if group["members"])


def _missing_places(
    admin: KafkaAdminClient,
    topics: Iterable[Topic],
    busy: frozenset[str],
    *,
    from_beginning: bool = False,
) -> list[Difference]:
    topics = list(topics)
    known = known_topics(admin, [topic.name for topic in topics])
    wanted: defaultdict[str, list[TopicPartition]] = defaultdict(list)
    for topic in topics:
        for group in topic.groups if topic.name in known else ():
            wanted[group] += partitions_of(known[topic.name])
    committed = committed_offsets(admin, wanted)
    missing = [
        (group, one)
        for group, these in wanted.items()
        for one in these
        if one not in committed[group]
    ]
    partitions = {one for _, one in missing}
    firsts = offsets_of(admin, partitions, OffsetSpec.EARLIEST)
    ends = offsets_of(admin, partitions, OffsetSpec.LATEST)
    return [
        missing_place(
            one.topic,
            group,
            one.partition,
            first=firsts[one],
            end=ends[one],
            from_beginning=from_beginning,
            busy=group in busy,
        )
        for group, one in missing
    ]


# --- changing -------------------------------------------------------------------------------------


def _create(admin: KafkaAdminClient, topics: Iterable[Topic]) -> None:
    wanted = {
        topic.name: {
            "num_partitions": topic.partitions,
            "replication_factor": topic.replication or -1,
            "configs": dict(topic.configs),
        }
        for topic in topics
    }
    if wanted:
        answer = admin.create_topics(wanted, raise_errors=False)
        for topic in answer["topics"]:
            _check(topic["error_code"], topic["error_message"], topic["name"])


def _alter_configs(admin: KafkaAdminClient, changes: Iterable[Difference]) -> None:
    by_topic: defaultdict[str, dict[str, str]] = defaultdict(dict)
    for one in changes:
        by_topic[one.topic][one.name] = one.wanted
    if by_topic:
        answer = admin.alter_configs(
            [
                ConfigResource(ConfigResourceType.TOPIC, topic, configs)
                for topic, configs in by_topic.items()
            ],
            raise_on_unknown=False,  # the broker says it better
        )
        for topic, result in answer["topic"].items():
            if result != "OK":
                raise BadInput(f"Kafka does not take the configuration of {topic}: {result}")


def _add_partitions(admin: KafkaAdminClient, changes: Iterable[Difference]) -> None:
    counts = {one.topic: int(one.wanted) for one in changes}
    if counts:
        answer = admin.create_partitions(counts, raise_errors=False)
        for result in answer.results:
            _check(result.error_code, result.error_message, result.name)


def _check(code: int, message: str | None, topic: str) -> None:
    """Raise for an answer that says no; one that was only late is waited for later."""
    error = errors.for_code(code)
    if error in {errors.NoError, errors.TopicAlreadyExistsError, errors.RequestTimedOutError}:
        return
    if error.retriable:
        raise error(message)
    if issubclass(error, errors.AuthorizationError):
        raise Fatal(f"Kafka refuses to let {topic} be made or changed: {message or error.__name__}")
    raise BadInput(f"Kafka does not take {topic} so: {message or error.__name__}")


def _wait_until_agreed(
    admin: KafkaAdminClient, topics: Sequence[Topic], busy: frozenset[str]
) -> None:
    """Wait for what the cluster accepted: it answers before it has carried it out."""

    def agreed() -> None:
        there = _present(admin, topics)
        differing = [one.topic for one in difference(topics, there, busy) if not one.hindrance]
        differing += [name for name, topic in there.items() if not topic.ready]
        if differing:
            raise errors.LeaderNotAvailableError(f"{differing[0]} is not yet as it should be")

    patiently(agreed)


def _make_places(admin: KafkaAdminClient, places: Iterable[Difference]) -> Iterator[Difference]:
    by_group: defaultdict[str, dict[TopicPartition, Difference]] = defaultdict(dict)
    for one in places:
        by_group[one.name][TopicPartition(one.topic, one.partition)] = one
    for group, these in by_group.items():
        offsets = {
            there: OffsetAndMetadata(int(one.wanted), "", -1) for there, one in these.items()
        }
        answer = patiently(partial(_commit, admin, group, offsets))
        for there, error in answer.items():
            one = these[there]
            yield one if error is errors.NoError else replace(one, hindrance=at_work(group))


def _commit(
    admin: KafkaAdminClient, group: str, offsets: Mapping[TopicPartition, OffsetAndMetadata]
) -> Mapping[TopicPartition, Any]:
    """Commit offsets; returns the error of each, of which only members that came are no errors."""
    answer: Mapping[TopicPartition, Any] = admin.alter_group_offsets(group, offsets)
    for error in answer.values():
        if error not in {errors.NoError, errors.UnknownMemberIdError}:
            raise error(group)
    return answer
