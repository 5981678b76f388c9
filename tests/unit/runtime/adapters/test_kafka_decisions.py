"""Who committed and who aborted, by values as Kafka 4.3.1 wrote them around a broker's death."""

import struct

import pytest

from gristmill.runtime.adapters.kafka_decisions import Decided

OFFSETS, SHARDS, LEDGER = (
    ("__consumer_offsets", 0),
    ("gristmill.shards.v1", 0),
    (
        "gristmill.ledger.v1",
        0,
    ),
)
OPEN_THEN_COMMITTED = bytes.fromhex(
    "0001000000000000000200030000138802041467726973746d696c6c2e7368617264732e76310200000000001467"
    "726973746d696c6c2e6c65646765722e7631020000000000135f5f636f6e73756d65725f6f666673657473020000"
    "000000000001a21bd4483c000001a21bd448260100080000000000000002"
)
COMPLETE = bytes.fromhex(
    "000100000000000000020003000013880401000001a21bd4483c000001a21bd448260100080000000000000002"
)
ONGOING = bytes.fromhex(
    "0001000000000000000200030000138801041467726973746d696c6c2e7368617264732e76310200000000001467"
    "726973746d696c6c2e6c65646765722e7631020000000000135f5f636f6e73756d65725f6f666673657473020000"
    "000000000001a21bd448ae000001a21bd448ac0100080000000000000002"
)
ABORTED_BY_ITS_SUCCESSOR = bytes.fromhex(
    "0001000000000000000200040000138803041467726973746d696c6c2e7368617264732e76310200000000001467"
    "726973746d696c6c2e6c65646765722e7631020000000000135f5f636f6e73756d65725f6f666673657473020000"
    "000000000001a21bd463d3000001a21bd448ac020008000000000000000202020002"
)
BEFORE = [ONGOING, OPEN_THEN_COMMITTED, COMPLETE]


def test_what_a_successor_aborted_was_not_committed_though_its_epoch_was_before() -> None:
    decided = Decided([*BEFORE, ONGOING, ABORTED_BY_ITS_SUCCESSOR])
    for place in (OFFSETS, SHARDS, LEDGER):
        assert decided.about((2, 3), place) is False


def test_while_a_transaction_goes_on_nothing_is_known_of_what_its_producer_left_open() -> None:
    decided = Decided([*BEFORE, ONGOING])
    for place in (OFFSETS, SHARDS, LEDGER, ("elsewhere", 0)):
        assert decided.about((2, 3), place) is None


def test_the_last_decision_of_a_partition_counts() -> None:
    assert Decided(BEFORE).about((2, 3), OFFSETS) is True


def test_a_partition_that_no_transaction_names_needs_agreement_with_the_next_epoch() -> None:
    unnamed = ("elsewhere", 0)
    assert Decided(BEFORE).about((2, 3), unnamed) is True
    assert Decided([*BEFORE, ABORTED_BY_ITS_SUCCESSOR]).about((2, 3), unnamed) is None
    assert Decided([]).about((2, 3), unnamed) is None


def test_other_producers_say_nothing() -> None:
    assert Decided(BEFORE).about((5, 3), OFFSETS) is None


@pytest.mark.parametrize(("state", "is_commit"), [(2, True), (3, False), (1, None), (4, None)])
def test_values_of_the_first_version_are_read_too(state: int, is_commit: bool | None) -> None:
    value = struct.pack(">hqhib", 0, 7, 1, 5000, state)
    value += struct.pack(">i", 1) + struct.pack(">h", 1) + b"t" + struct.pack(">iii", 2, 0, 3)
    value += struct.pack(">qq", 1, 1)
    assert Decided([value, b""]).about((7, 1), ("t", 3)) is is_commit


def test_a_transaction_of_no_partitions_is_read() -> None:
    value = struct.pack(">hqhib", 0, 7, 1, 5000, 3) + struct.pack(">i", -1)
    assert Decided([value]).about((7, 1), ("t", 0)) is False
