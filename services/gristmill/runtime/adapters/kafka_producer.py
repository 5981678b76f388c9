"""A transactional producer whose every step has a deadline.

The library's own `commit_transaction` waits without a limit. This is the one place that reaches
behind it; a test holds the library to what is used here.
"""

from collections.abc import Sequence
from typing import Any

from kafka import KafkaProducer, OffsetAndMetadata, TopicPartition, errors

from gristmill.runtime.adapters.kafka_client import discard, make_producer
from gristmill.runtime.adapters.kafka_settings import KafkaSettings
from gristmill.runtime.ports import Clock, Committed, Message, Partition

REFUSALS = (
    errors.AuthorizationError,
    errors.MessageSizeTooLargeError,
    errors.RecordListTooLargeError,
)
Offsets = dict[Partition, Committed]


class TransactionalProducer:
    """One producer between its initialisation and the first doubt: then it is thrown away."""

    def __init__(self, settings: KafkaSettings, transactional_id: str, clock: Clock) -> None:
        """Initialise: settles what a predecessor of this id left open, and fences it.

        Raises KafkaError or Transient when that does not work out in time.
        """
        self._clock = clock
        self._deadline = clock.monotonic() + settings.commit_seconds
        self._limit = settings.commit_seconds
        self._producer: KafkaProducer = make_producer(settings, transactional_id)
        try:
            self._bound()
            self._producer.init_transactions()
        except BaseException:
            self.close()
            raise

    def commit(self, messages: Sequence[Message], offsets: Offsets, membership: object) -> None:
        """Do a whole transaction. Raises KafkaError: then nobody may use this producer again.

        `abort` is the one exception: it may be tried behind a CommitFailedError.
        """
        self._deadline = self._clock.monotonic() + self._limit
        self._producer.begin_transaction()
        sent = [self._send(message) for message in messages]
        try:
            self._end(offsets, membership)
        except errors.KafkaError as error:
            # What the commit says of a send that was refused depends on when that was.
            raise next(filter(_is_refusal, (one.exception for one in sent)), error) from error

    def _send(self, message: Message) -> Any:  # noqa: ANN401  # a future of the library
        self._bound()
        return self._producer.send(
            message.topic,
            key=message.key,
            value=message.value,
            headers=list(message.headers),
            partition=message.partition,
        )

    def _bound(self) -> None:
        """Let the next call block no longer than the deadline allows.

        A send waits when its topic is not known yet, or the buffer is full.
        """
        self._producer.config["max_block_ms"] = self._left() * 1000

    def _left(self) -> float:
        return max(0.0, self._deadline - self._clock.monotonic())

    def _end(self, offsets: Offsets, membership: object) -> None:
        manager = self._producer._transaction_manager
        marks = {
            TopicPartition(*partition): OffsetAndMetadata(committed.offset, committed.note, -1)
            for partition, committed in offsets.items()
        }
        self._wait(manager.send_offsets_to_transaction(marks, membership))
        self._wait(manager.begin_commit())

    def abort(self) -> None:
        """Abort the open transaction; it certainly did not happen."""
        self._wait(self._producer._transaction_manager.begin_abort())

    def _wait(self, result: Any) -> None:  # noqa: ANN401  # a private class of the library
        self._producer._sender.wakeup()
        if not result.wait(timeout_ms=self._left() * 1000):
            raise errors.KafkaTimeoutError(f"no answer within {self._limit:.0f} s")

    def close(self) -> None:
        """Throw it away at once; what is not sent is dropped."""
        discard(self._producer)


def _is_refusal(error: BaseException | None) -> bool:
    """Tell whether the broker refuses a record for good: sent again, it is refused again."""
    return isinstance(error, REFUSALS)
