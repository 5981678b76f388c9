"""What all tests share: deterministic property tests, the choice of a source, one Kafka."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from kafka_broker import KafkaCluster

settings.register_profile(
    "suite", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("suite")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--corpus", metavar="DIR", help="hold the laws of a run on this source, not on a small one"
    )


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[KafkaCluster]":
    """A running cluster of one node; leave it running, and choose names that are yours alone."""
    from kafka_broker import KafkaCluster

    directory = tmp_path_factory.mktemp("kafka")
    with KafkaCluster(directory, proxied=True, die_with_parent=True) as cluster:
        yield cluster
