"""Taking topics and the groups that read them out of a cluster, with all they hold.

It happens only where a person asks for it, and touches nothing else in that cluster.
"""

import time
from collections.abc import Iterable, Sequence
from threading import Event

from kafka import KafkaAdminClient, errors

from gristmill.runtime.adapters.kafka_admin import administration, known_topics
from gristmill.runtime.adapters.kafka_patience import patiently
from gristmill.runtime.adapters.kafka_settings import KafkaSettings
from gristmill.runtime.adapters.kafka_topics import at_work, busy_groups
from gristmill.runtime.adapters.topic_file import Topic
from gristmill.runtime.model import BadInput

_GONE_SECONDS = 5.0  # beyond a session: then the members of workers that have ended are gone
_STEP_SECONDS = 0.1


def present_topics(settings: KafkaSettings, topics: Iterable[Topic]) -> list[str]:
    """Return the names of those topics that are there."""
    names = [topic.name for topic in topics]
    with administration(settings) as admin:
        return sorted(patiently(lambda: known_topics(admin, names)))


def delete(settings: KafkaSettings, topics: Sequence[Topic]) -> list[str]:
    """Delete topics and the groups that read them; return the names of those that were there.

    Raises BadInput, before anything is deleted, while members of a group are at work.
    """
    groups = sorted({group for topic in topics for group in topic.groups})
    there = present_topics(settings, topics)
    with administration(settings) as admin:
        _wait_until_left(admin, groups, settings.session_seconds + _GONE_SECONDS)
        _delete_topics(admin, there)
        told = admin.delete_groups(groups) if groups else {}
    for group, error in told.items():
        if error not in {"OK", errors.GroupIdNotFoundError.__name__}:
            raise BadInput(f"Kafka does not delete the group {group}: {error}")
    return there


def _wait_until_left(admin: KafkaAdminClient, groups: Sequence[str], seconds: float) -> None:
    """Wait until groups have no members: those of workers that ended stay for their session."""
    deadline = time.monotonic() + seconds
    while busy := patiently(lambda: busy_groups(admin, groups)):
        if time.monotonic() > deadline:
            raise BadInput(at_work(min(busy)))
        Event().wait(_STEP_SECONDS)


def _delete_topics(admin: KafkaAdminClient, names: Sequence[str]) -> None:
    """Delete topics and wait until it is done: a cluster answers when it has accepted that."""
    answer = admin.delete_topics(list(names), raise_errors=False) if names else {"topics": []}
    for topic in answer["topics"]:
        error = errors.for_code(topic["error_code"])
        if error is not errors.NoError and not error.retriable:
            raise BadInput(f"Kafka does not delete {topic['name']}: {error.__name__}")

    def gone() -> None:
        for name in known_topics(admin, names):
            raise errors.LeaderNotAvailableError(f"{name} is not yet deleted")

    patiently(gone)
