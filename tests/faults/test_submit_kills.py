"""What was acknowledged at the front door has its outcome, whoever is killed, and no second row.

A few hundred documents here; `make test-faults` plays it with FAULT_DOCUMENTS_MIXED, 100,000.
"""

import os
import socket
from collections.abc import Iterator

import pytest
from fault_mill import Limits, Mill
from fault_submitting import SubmitCase
from kafka_broker import KafkaError, fetch

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

_SEED = 20261127
_COUNT = int(os.environ.get("FAULT_DOCUMENTS_MIXED", "100000"))


@pytest.fixture(scope="module")
def mill(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mill]:
    try:
        fetch()
    except KafkaError as error:
        pytest.skip(str(error))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with Mill(tmp_path_factory.mktemp("mill"), limits=Limits(), door_port=port) as mill:
        mill.start_workers()
        yield mill


def test_what_was_acknowledged_has_its_outcome_when_both_sides_are_killed(mill: Mill) -> None:
    SubmitCase(mill, "short-submit", 600, rate=60).play(_SEED, 4)


@pytest.mark.faults_full
def test_what_was_acknowledged_has_its_outcome_however_often_both_are_killed(mill: Mill) -> None:
    SubmitCase(mill, "full-submit", _COUNT, rate=400).play(_SEED, 10)
