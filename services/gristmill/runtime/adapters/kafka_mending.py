"""Ending transactions whose end a broker lost: their readers would stand still for ever.

Seen with Apache Kafka 4.3.1 after a kill of a lone broker: the coordinator has a transaction as
complete, and partitions of it never got the marker. Nobody reads past such a place, and Kafka's own
search does not find it, because the coordinator has nothing open. What was decided stands in the
coordinator's log, as long as that is not compacted, so the marker that is missing can be written.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from kafka import KafkaAdminClient, TopicPartition, errors
from kafka.admin import TransactionState
from kafka.protocol.producer import WriteTxnMarkersRequest

from gristmill.runtime.adapters.kafka_admin import administration, known_topics, partitions_of
from gristmill.runtime.adapters.kafka_decisions import Decided
from gristmill.runtime.adapters.kafka_scan import scan_topic
from gristmill.runtime.adapters.kafka_settings import KafkaSettings
from gristmill.runtime.model import Transient
from gristmill.runtime.ports import Partition

_OFFSETS = "__consumer_offsets"
_TRANSACTIONS = "__transaction_state"
_GOING_ON = {
    TransactionState.ONGOING, TransactionState.PREPARE_COMMIT, TransactionState.PREPARE_ABORT,
    TransactionState.PREPARE_EPOCH_FENCE,
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class LostEnd:
    """A transaction that is over and still open in a partition, from `offset` on.

    `is_commit` is what its coordinator decided; None where its log does not say so beyond doubt.
    """

    partition: Partition
    offset: int
    producer_id: int
    producer_epoch: int
    coordinator_epoch: int
    is_commit: bool | None


def find_lost_ends(settings: KafkaSettings, topics: Iterable[str]) -> list[LostEnd]:
    """Return the ends that are missing in these topics and in the groups' offsets."""
    with administration(settings) as admin:
        return _find(admin, settings, topics)


def mend(settings: KafkaSettings, topics: Iterable[str]) -> list[LostEnd]:
    """Write the markers that are missing; return what was found. Again is harmless.

    Where nobody knows what was decided, nothing is written: to guess could tear a transaction.
    """
    with administration(settings) as admin:
        found = _find(admin, settings, topics)
        for one in found:
            if one.is_commit is not None:
                _write_marker(admin, one)
    return found


def _find(admin: KafkaAdminClient, settings: KafkaSettings, topics: Iterable[str]) -> list[LostEnd]:
    known = known_topics(admin, [*topics, _OFFSETS])
    partitions = [one for there in known.values() for one in partitions_of(there)]
    opened = _open(admin, partitions)
    if not opened:
        return []
    going_on = _going_on(admin)
    # Markers are written before a transaction is called complete. So what was open before nobody
    # had it going on, and is open still, has lost its end.
    still = {_key(*one) for one in _open(admin, list({there for there, _ in opened}))}
    lost = [
        (there, one)
        for there, one in opened
        if one.producer_id not in going_on and _key(there, one) in still
    ]
    records = scan_topic(settings, _TRANSACTIONS) if lost else ()
    decided = Decided(record.value for record in records)
    return [
        LostEnd(
            partition=Partition(*there),
            offset=one.current_transaction_start_offset,
            producer_id=one.producer_id,
            producer_epoch=one.producer_epoch,
            coordinator_epoch=one.coordinator_epoch,
            is_commit=decided.about((one.producer_id, one.producer_epoch), there),
        )
        for there, one in lost
    ]


def _key(there: TopicPartition, one: Any) -> tuple[Any, ...]:  # noqa: ANN401  # the library's own
    return (there, one.producer_id, one.producer_epoch, one.current_transaction_start_offset,
            one.last_sequence)  # fmt: skip


def _going_on(admin: KafkaAdminClient) -> set[int]:
    """Return the producer ids whose coordinator has a transaction of theirs that is not over."""
    listed = admin.list_transactions()
    names = [one.transactional_id for there in listed.values() for one in there]
    try:
        told = admin.describe_transactions(names).values()
    except errors.TransactionalIdNotFoundError as error:
        raise Transient("transactions come and go while they are looked at") from error
    return {one.producer_id for one in told if one.state in _GOING_ON}


# Any: the library's own tuples.
def _open(
    admin: KafkaAdminClient, partitions: list[TopicPartition]
) -> list[tuple[TopicPartition, Any]]:
    return [
        (there, producer)
        for there, state in admin.describe_producers(partitions).items()
        for producer in state.active_producers
        if producer.current_transaction_start_offset >= 0
    ]


def _write_marker(admin: KafkaAdminClient, lost: LostEnd) -> None:
    """Write one marker: the library's own request, which it offers for aborts only."""
    marker = WriteTxnMarkersRequest.WritableTxnMarker
    topic = marker.WritableTxnMarkerTopic(
        name=lost.partition.topic, partition_indexes=[lost.partition.number]
    )
    request = WriteTxnMarkersRequest(
        markers=[
            marker(
                producer_id=lost.producer_id,
                producer_epoch=lost.producer_epoch,
                transaction_result=bool(lost.is_commit),
                topics=[topic],
                coordinator_epoch=max(0, lost.coordinator_epoch),
            )
        ]
    )
    manager = admin._manager
    described = known_topics(admin, [lost.partition.topic])[lost.partition.topic]
    leader = next(
        one["leader_id"]
        for one in described["partitions"]
        if one["partition_index"] == lost.partition.number
    )
    answer = manager.run(_send, manager, request, leader)
    for marked in answer.markers:
        for name in marked.topics:
            for one in name.partitions:
                error = errors.for_code(one.error_code)
                if error is not errors.NoError:
                    raise error(f"the marker for {lost.partition} was refused")


async def _send(manager: Any, request: object, leader: int) -> Any:  # noqa: ANN401  # the library's
    return await manager.send(request, node_id=leader)
