"""Reading what a topic holds now, outside of any group: from given offsets to the end."""

from collections.abc import Iterator, Mapping

from kafka import TopicPartition, errors

from gristmill.runtime.adapters.kafka_client import delivery_of, make_scanner
from gristmill.runtime.adapters.kafka_settings import KafkaSettings
from gristmill.runtime.model import Fatal, Transient
from gristmill.runtime.ports import Delivery, Partition

_STEP_MS = 500
_MOST_STEPS = 60  # without a record: then the log is not answering


def scan_topic(
    settings: KafkaSettings,
    topic: str,
    starts: Mapping[Partition, int] | None = None,
    last: int | None = None,
) -> Iterator[Delivery]:
    """Yield what is committed in a topic, each partition in order; nothing that comes later.

    With `last`, only of so many offsets at the end of each partition.
    """
    consumer = make_scanner(settings)
    try:
        numbers = consumer.partitions_for_topic(topic)
        if not numbers:
            raise Fatal(f"there is no topic {topic}: `gristmill topics apply` makes it")
        there = [TopicPartition(topic, number) for number in sorted(numbers)]
        consumer.assign(there)
        first, ends = consumer.beginning_offsets(there), consumer.end_offsets(there)
        for one in there:
            wanted = (starts or {}).get(Partition(*one), 0)
            if last is not None:
                wanted = max(wanted, ends[one] - last)
            consumer.seek(one, max(first[one], wanted))
        idle = 0
        while any(consumer.position(one) < ends[one] for one in there):
            found = consumer.poll(timeout_ms=_STEP_MS)
            idle = 0 if found else idle + 1
            if idle > _MOST_STEPS:
                raise Transient(f"Kafka does not give the records of {topic}")
            for one, records in found.items():
                yield from (delivery_of(r) for r in records if r.offset < ends[one])
    except errors.KafkaError as error:
        raise Transient(f"Kafka did not give the records of {topic}: {error!r}") from error
    finally:
        consumer.close(autocommit=False, timeout_ms=1000)
