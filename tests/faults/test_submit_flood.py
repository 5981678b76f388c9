"""A client that sends faster than the log takes is slowed, and the server's memory stays flat."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from fault_flood import Door, flood
from fault_proxy import FaultProxy
from kafka_broker import KafkaCluster, KafkaError, fetch

from gristmill.runtime.adapters.kafka_settings import KafkaSettings
from gristmill.runtime.adapters.kafka_topics import apply
from gristmill.runtime.adapters.topic_file import load_topics

_MIB = 1 << 20
_BOUND = 8 * _MIB
# What is in memory beside what counts: for each stream one more request and what its connection
# holds; a batch on its way once more as records, in the library of the log and on the wire.
_SLACK = 64 * _MIB


@pytest.fixture(scope="module")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaCluster]:
    try:
        fetch()
    except KafkaError as error:
        pytest.skip(str(error))
    directory = tmp_path_factory.mktemp("kafka")
    with KafkaCluster(directory, proxied=True, die_with_parent=True) as cluster:
        apply(KafkaSettings(bootstrap=cluster.bootstrap), load_topics(None, None, {}))
        yield cluster


def test_memory_is_bounded_while_clients_send_faster_than_the_log_takes(
    kafka: KafkaCluster, tmp_path: Path
) -> None:
    bounds = {"SUBMIT_INFLIGHT_BYTES": str(_BOUND), "SUBMIT_STREAM_BYTES": str(_BOUND * 3 // 4)}
    with (
        FaultProxy(kafka.proxy_routes) as proxy,
        Door(kafka.proxied_bootstrap, tmp_path, **bounds) as door,
    ):
        proxy.pace(16 * _MIB)
        told = flood(door, num_clients=2, num_bytes=24 * _BOUND)
        proxy.heal()
    assert told.acknowledged_bytes >= 24 * _BOUND  # what is allowed below is a third of it
    assert _BOUND // 2 < told.most_held_bytes <= _BOUND  # it was reached, and held
    assert told.peak_bytes <= told.before_bytes + _BOUND + _SLACK, told
