"""Writing to the log outside of transactions: what crawlers deliver, and announcements."""

from collections.abc import Sequence

from kafka import KafkaProducer, errors

from gristmill.runtime.adapters.kafka_client import discard, make_producer
from gristmill.runtime.adapters.kafka_producer import REFUSALS
from gristmill.runtime.adapters.kafka_settings import KafkaSettings
from gristmill.runtime.model import Fatal, Transient
from gristmill.runtime.ports import Message

_DEADLINE_SECONDS = 20.0  # more than the client itself tries for


class KafkaWriter:
    """An idempotent producer: what it retries itself arrives once, and in order.

    What was not answered in time may have arrived: whoever writes it again may write it twice. The
    client is made anew then, since one whose broker died in the middle may wait for ever.
    """

    def __init__(self, settings: KafkaSettings) -> None:
        """Connect. Raises Transient when nobody answers."""
        self._settings = settings
        self._producer: KafkaProducer | None = make_producer(settings)

    def write(self, messages: Sequence[Message]) -> None:
        """Write in order and wait until all of it is safe."""
        if self._producer is None:
            self._producer = make_producer(self._settings)
        try:
            sent = [
                self._producer.send(
                    message.topic,
                    key=message.key,
                    value=message.value,
                    headers=list(message.headers),
                    partition=message.partition,
                )
                for message in messages
            ]
            self._producer.flush(timeout=_DEADLINE_SECONDS)
            for future in sent:
                future.get(timeout=0)
        except REFUSALS as error:
            raise Fatal(
                f"Kafka refuses a record: {error}; `gristmill topics diff` shows topics that are "
                "not as they should be"
            ) from error
        except errors.KafkaError as error:
            self.close()
            raise Transient(f"Kafka did not take all records: {error!r}") from error

    def close(self) -> None:
        """Close it; nothing is on its way, because each call waits."""
        if self._producer is not None:
            discard(self._producer)
            self._producer = None
