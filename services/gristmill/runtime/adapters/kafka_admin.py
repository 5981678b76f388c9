"""What is asked of a cluster besides records: identities of topics, lag, open transactions.

Every question takes a client of its own and closes it, so nothing here outlives an answer.
"""

import uuid
from base64 import urlsafe_b64encode
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from kafka import KafkaAdminClient, OffsetAndMetadata, TopicPartition, errors
from kafka.admin import MemberToRemove, OffsetSpec, TransactionState

from gristmill.runtime.adapters.clock import SystemClock
from gristmill.runtime.adapters.kafka_client import make_admin
from gristmill.runtime.adapters.kafka_settings import KafkaSettings
from gristmill.runtime.model import Fatal, Transient
from gristmill.runtime.ports import Partition

_OPEN = (
    TransactionState.ONGOING,
    TransactionState.PREPARE_COMMIT,
    TransactionState.PREPARE_ABORT,
)
_LOOKS = 5  # how often transactions are listed anew because one of them vanished meanwhile


@contextmanager
def administration(settings: KafkaSettings) -> Iterator[KafkaAdminClient]:
    """Give an administration client, and turn what it raises into our errors."""
    admin = make_admin(settings)
    try:
        yield admin
    except (errors.AuthorizationError, errors.UnsupportedVersionError) as error:
        raise Fatal(f"Kafka at {settings.bootstrap} refuses: {error!r}") from error
    except errors.KafkaError as error:
        raise Transient(f"Kafka at {settings.bootstrap} does not answer: {error!r}") from error
    finally:
        admin.close()


def topic_sources(settings: KafkaSettings, topics: Iterable[str]) -> dict[str, str]:
    """Return each topic as the source of positions: its cluster's id and its own.

    A topic that was deleted and made again has another id: its offsets mean other records.
    """
    with administration(settings) as admin:
        described = described_topics(admin, topics)
        cluster = admin.describe_cluster()["cluster_id"]
    return {
        name: f"kafka/{cluster}/{_as_kafka_shows_it(uuid.UUID(str(topic['topic_id'])).bytes)}"
        for name, topic in described.items()
    }


def _as_kafka_shows_it(identity: bytes) -> str:
    return urlsafe_b64encode(identity).decode().rstrip("=")


def group_lag(
    settings: KafkaSettings, groups: Mapping[str, Iterable[str]]
) -> Mapping[str, Mapping[str, int]]:
    """Return how many offsets each group is behind the end, by topic.

    A partition where the group has no place counts from its first record. Markers of transactions
    take offsets too, and so does what is not committed yet: the figure is a bound, and zero means
    that nothing is left, nor stuck behind a transaction that does not end.
    """
    read = {group: list(topics) for group, topics in groups.items()}
    with administration(settings) as admin:
        described = described_topics(admin, {name for names in read.values() for name in names})
        wanted = {
            group: [one for name in names for one in partitions_of(described[name])]
            for group, names in read.items()
        }
        everything = {one for partitions in wanted.values() for one in partitions}
        # The places before the ends: what moves on meanwhile is counted twice rather than never.
        committed = committed_offsets(admin, wanted)
        ends = offsets_of(admin, everything, OffsetSpec.LATEST)
        placeless = {
            one for group, these in wanted.items() for one in these if one not in committed[group]
        }
        firsts = offsets_of(admin, placeless, OffsetSpec.EARLIEST)
    lag: dict[str, Counter[str]] = {group: Counter(dict.fromkeys(read[group], 0)) for group in read}
    for group, partitions in wanted.items():
        for one in partitions:
            place = committed[group].get(one)
            lag[group][one.topic] += max(0, ends[one] - (firsts[one] if place is None else place))
    return lag


def group_offsets(settings: KafkaSettings, group: str, topic: str) -> Mapping[Partition, int]:
    """Return the offsets that one group has committed in one topic."""
    with administration(settings) as admin:
        partitions = partitions_of(described_topics(admin, [topic])[topic])
        found = committed_offsets(admin, {group: partitions})[group]
    return {Partition(*one): offset for one, offset in found.items()}


def group_members(settings: KafkaSettings, group: str) -> frozenset[str]:
    """Return the names (`group.instance.id`) of the static members that a group has now."""
    with administration(settings) as admin:
        found = admin.describe_groups([group])[group]
    if found["error"]:
        raise Transient(f"Kafka does not say who is in {group}: {found['error']}")
    return frozenset(one["group_instance_id"] or "" for one in found["members"])


def skip_lost(
    settings: KafkaSettings, groups: Mapping[str, Iterable[str]]
) -> Mapping[str, Mapping[Partition, tuple[int, int]]]:
    """Move groups on whose next records are gone: to the first that is there.

    Returns the moves, from and to. A group with members at work keeps its places: Transient.
    """
    moved: dict[str, dict[Partition, tuple[int, int]]] = {}
    with administration(settings) as admin:
        for group, topics in groups.items():
            described = known_topics(admin, topics).values()
            partitions = [one for there in described for one in partitions_of(there)]
            places = committed_offsets(admin, {group: partitions})[group]
            firsts = offsets_of(admin, places, OffsetSpec.EARLIEST) if places else {}
            moves = {one: (at, firsts[one]) for one, at in places.items() if at < firsts[one]}
            if moves:
                answer = admin.alter_group_offsets(
                    group, {one: OffsetAndMetadata(to, "", -1) for one, (_, to) in moves.items()}
                )
                for error in answer.values():
                    if error is errors.UnknownMemberIdError:
                        raise Transient(
                            f"{group} has members at work, or one that ended has not left it yet: "
                            "its places can be moved when they are gone"
                        )
                    if error is not errors.NoError:
                        raise error(f"the places of {group} could not be moved")
                moved[group] = {Partition(*one): move for one, move in moves.items()}
    return moved


def remove_member(settings: KafkaSettings, group: str, instance: str) -> None:
    """Let a static member that has ended leave its group now, not when its session ends."""
    with administration(settings) as admin:
        admin.remove_group_members(group, [MemberToRemove(group_instance_id=instance)])


def num_records(settings: KafkaSettings, topic: str) -> int:
    """Return how many offsets a topic has given out; 0 where it is not there."""
    with administration(settings) as admin:
        known = known_topics(admin, [topic])
        partitions = [one for there in known.values() for one in partitions_of(there)]
        return sum(offsets_of(admin, partitions, OffsetSpec.LATEST).values()) if partitions else 0


def oldest_transaction_seconds(settings: KafkaSettings) -> float:
    """Return the age of the oldest open transaction of the cluster, 0.0 when there is none.

    Nobody reads past an open transaction: one that stays open stops every reader of its topics.
    """
    with administration(settings) as admin:
        begun = _open_since(admin)
    if begun is None:
        return 0.0
    return max(0.0, SystemClock().now().timestamp() - begun)


def _open_since(admin: KafkaAdminClient) -> float | None:
    """Return when the oldest open transaction began, in seconds of the epoch."""
    for _ in range(_LOOKS):
        # As plain words: the library sends its own names of states wrongly, and nothing is found.
        by_broker = admin.list_transactions(state_filters=[state.value for state in _OPEN])
        names = [one.transactional_id for listed in by_broker.values() for one in listed]
        try:
            described = admin.describe_transactions(names).values()
        except errors.TransactionalIdNotFoundError:
            continue
        begun = [
            int(one.transaction_start_time_ms)
            for one in described
            if one.state in _OPEN and one.transaction_start_time_ms > 0
        ]
        return min(begun) / 1000 if begun else None
    raise Transient("transactions come and go faster than they can be looked at")


def described_topics(admin: KafkaAdminClient, topics: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Return what Kafka says of topics. Raises Fatal for one that is not there."""
    described = known_topics(admin, topics)
    if missing := sorted(set(topics) - set(described)):
        raise Fatal(f"there is no topic {missing[0]}: `gristmill topics apply` makes it")
    return described


def known_topics(admin: KafkaAdminClient, topics: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Return what Kafka says of those topics that are there."""
    known = {}
    wanted = sorted(set(topics))
    for topic in admin.describe_topics(wanted) if wanted else ():
        error = errors.for_code(topic["error_code"])
        if error is errors.NoError:
            known[topic["name"]] = topic
        elif error is not errors.UnknownTopicOrPartitionError:
            raise error(topic["name"])
    return known


def partitions_of(described: Mapping[str, Any]) -> list[TopicPartition]:
    """Return the partitions of a topic that was described."""
    numbers = sorted(one["partition_index"] for one in described["partitions"])
    return [TopicPartition(described["name"], number) for number in numbers]


def committed_offsets(
    admin: KafkaAdminClient, wanted: Mapping[str, Iterable[TopicPartition]]
) -> dict[str, dict[TopicPartition, int]]:
    """Return the offsets that groups have committed; a partition without one is left out."""
    asked = {group: list(partitions) for group, partitions in wanted.items()}
    found: dict[str, dict[TopicPartition, int]] = {group: {} for group in asked}
    if any(asked.values()):
        listed = admin.list_group_offsets({group: these for group, these in asked.items() if these})
        for group, offsets in listed.items():
            found[group] = {one: told.offset for one, told in offsets.items() if told.offset >= 0}
    return found


def offsets_of(
    admin: KafkaAdminClient,
    partitions: Iterable[TopicPartition],
    which: OffsetSpec,
) -> dict[TopicPartition, int]:
    """Return the first or the last offset of each partition."""
    found = admin.list_partition_offsets(dict.fromkeys(partitions, which))
    return {one: int(told.offset) for one, told in found.items()}
