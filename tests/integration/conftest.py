"""How tests write to and read from any Kafka."""

import time
import uuid
from collections.abc import Callable

import pytest
from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition
from kafka.admin import NewTopic

Read = Callable[..., list[bytes]]


@pytest.fixture(scope="session")
def make_topic() -> Callable[[str], str]:
    """Makes a topic of one partition, whose name nobody has, on the brokers named."""

    def make(bootstrap: str) -> str:
        name = f"t-{uuid.uuid4()}"
        admin = KafkaAdminClient(bootstrap_servers=bootstrap)
        try:
            admin.create_topics([NewTopic(name, 1, 1)])
        finally:
            admin.close()
        return name

    return make


@pytest.fixture(scope="session")
def read_committed() -> Read:
    """Reads a topic from its start until it has `count` records, or for `seconds`."""

    def read(bootstrap: str, topic: str, *, count: int, seconds: float = 20) -> list[bytes]:
        consumer = KafkaConsumer(
            bootstrap_servers=bootstrap,
            isolation_level="read_committed",
            auto_offset_reset="earliest",
            enable_auto_commit=False,
        )
        records: list[bytes] = []
        deadline = time.monotonic() + seconds
        try:
            consumer.assign([TopicPartition(topic, 0)])
            while len(records) < count and time.monotonic() < deadline:
                for batch in consumer.poll(timeout_ms=100).values():
                    records += [record.value for record in batch]
        finally:
            consumer.close()
        return records

    return read
