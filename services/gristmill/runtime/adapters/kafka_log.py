"""The log port over Apache Kafka: a reader that answers in transactions.

Every doubt ends the same way: the producer is thrown away, a new one settles what the old one left
open, and reading goes on at the offsets that are committed. Whoever polled is told to forget.
"""

from collections.abc import Mapping, Sequence

from kafka import errors

from gristmill.runtime.adapters.kafka_admin import group_members
from gristmill.runtime.adapters.kafka_producer import REFUSALS, TransactionalProducer
from gristmill.runtime.adapters.kafka_reader import KafkaReader, is_fence
from gristmill.runtime.adapters.kafka_settings import KafkaSettings
from gristmill.runtime.model import Fatal, Transient
from gristmill.runtime.ports import Clock, Committed, EventLog, Message, Partition, Rewound


class KafkaLog(KafkaReader):
    """A reader that answers in transactions; `instance` names its transactions too."""

    def __init__(
        self,
        settings: KafkaSettings,
        *,
        group: str,
        instance: str,
        topics: Sequence[str],
        log: EventLog,
        clock: Clock,
    ) -> None:
        """Join the group. The producer is made before the first place is looked up."""
        super().__init__(settings, group=group, instance=instance, topics=topics, log=log)
        self._settings = settings
        self._clock = clock
        self._instance = instance
        self._producer: TransactionalProducer | None = None

    def members(self) -> frozenset[str]:
        """Return the names of those who are in the group now."""
        return group_members(self._settings, self._group)

    def transact(
        self, messages: Sequence[Message], committed: Mapping[Partition, Committed]
    ) -> bool:
        """Answer in one transaction; see the port."""
        membership = self._consumer.group_metadata()
        # The membership first, then what was taken away: what happens in between is refused by
        # the broker, because the membership is an old one then.
        ready = committed.keys() <= self._places.keys() & self.assignment()
        if not is_fence(membership) or self._events.is_waiting or not ready:
            return False
        try:
            self._settle_before()
            assert self._producer is not None, "it was made"
            self._producer.commit(messages, dict(committed), membership)
        except REFUSALS as error:
            raise Fatal(
                f"Kafka refuses a transaction of {self._instance}: {error}; "
                "`gristmill topics diff` shows topics that are not as they should be"
            ) from error
        except errors.CommitFailedError as error:
            self._give_up(error, abort=True)
        except (errors.KafkaError, Transient) as error:
            self._give_up(error, abort=False)
        self._places.update(committed)
        return True

    def _settle_before(self) -> None:
        """Make a producer: that ends what a predecessor left open, and with it the doubt.

        Until then the offsets of an open transaction are nobody's, for as long as it may last.
        """
        if self._producer is None:
            self._confirm_membership()
            self._producer = TransactionalProducer(self._settings, self._instance, self._clock)

    def _confirm_membership(self) -> None:
        """Ask the group whether this is still the member of its name; raises when it is not.

        A new producer takes the name's transactions from whoever has them: a process that was
        replaced and does not know it yet would end those of its successor, over and over.
        """
        coordinator = self._consumer._coordinator
        try:
            coordinator._net.run(coordinator._send_heartbeat_request)
        except errors.RebalanceInProgressError:
            return
        except errors.FencedInstanceIdError as error:
            raise Fatal(f"this member of {self._group} was replaced: {error}") from error

    def _give_up(self, error: Exception, *, abort: bool) -> None:
        """End a transaction that failed, go back, and say so.

        An abort that is answered leaves a producer that can go on; any other ending leaves doubt.
        """
        producer, self._producer = self._producer, None
        if producer is not None:
            try:
                if abort:
                    producer.abort()
                    self._producer = producer
            except errors.KafkaError as doubt:
                error = doubt
            finally:
                if self._producer is None:
                    producer.close()
        self.rewind()
        raise Rewound(f"the transaction did not go through: {error!r}") from error

    def close(self) -> None:
        """Close the producer, then leave."""
        if self._producer is not None:
            self._producer.close()
            self._producer = None
        super().close()
