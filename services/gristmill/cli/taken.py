"""Whether the tables have taken in what the log holds for them: by their own positions."""

from collections.abc import Iterable

from gristmill.runtime.adapters.iceberg import IcebergTables
from gristmill.runtime.adapters.kafka_admin import group_offsets, topic_sources
from gristmill.runtime.adapters.kafka_mending import find_lost_ends
from gristmill.runtime.adapters.kafka_scan import scan_topic
from gristmill.runtime.adapters.kafka_settings import KafkaSettings
from gristmill.runtime.engine.envelope import group_of, topic_of
from gristmill.runtime.model import Transient
from gristmill.runtime.ports import Partition
from gristmill.shards.writer import TableWriter


def require_passed(kafka: KafkaSettings, stages: Iterable[str]) -> None:
    """Raise Transient while a committed record waits for one of the stages, given in order."""
    topics = {stage: topic_of(stage) for stage in stages}
    _require_ended(kafka, topics.values())
    for stage, topic in topics.items():
        if any(
            True for _ in scan_topic(kafka, topic, group_offsets(kafka, group_of(stage), topic))
        ):
            raise Transient(f"{stage} has not yet passed on all of {topic}")


def require_taken(kafka: KafkaSettings, tables: IcebergTables, *topics: str) -> None:
    """Raise Transient while a topic holds a committed record that the tables have not taken in.

    The offsets of the group are no measure: new tables begin anew, whatever the group had read.
    """
    _require_ended(kafka, topics)
    positions = TableWriter(tables).positions()
    for topic, source in topic_sources(kafka, topics).items():
        prefix = f"{source}/"
        stands = {
            Partition(topic, int(name.removeprefix(prefix))): offset
            for name, offset in positions.items()
            if name.startswith(prefix)
        }
        if any(True for _ in scan_topic(kafka, topic, stands)):
            raise Transient(f"the tables have not yet taken in all of {topic}")


def _require_ended(kafka: KafkaSettings, topics: Iterable[str]) -> None:
    """Raise Transient for the end of a transaction that is missing: what is behind it is unseen."""
    if lost := find_lost_ends(kafka, topics):
        raise Transient(
            f"a broker lost the end of a transaction in {lost[0].partition}: "
            "`gristmill topics mend` writes it"
        )
