"""How every Kafka client of ours is set up: one place for addresses, security and time limits.

kafka-python's defaults do not fit exactly-once work: it commits by itself, reads what was never
committed, starts at the end, and forgets a transactional request whose connection was refused.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, errors
from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor
from kafka.net.compat import KafkaNetClient

from gristmill.runtime.adapters.kafka_settings import KafkaSettings
from gristmill.runtime.model import BadInput, Transient
from gristmill.runtime.ports import Delivery, Partition

MAX_DEAD_BYTES = 3 << 20
"""The largest dead letter: a record as large as any, and the headers that say why."""

_FETCH_BYTES = 8 << 20  # what one answer of a broker brings at most: bounds memory
_SECURE = ("SSL", "SASL_SSL")


class SteadyClient(KafkaNetClient):  # type: ignore[misc]  # the library has no types
    """Keeps a producer's pending request when the connection to its coordinator is refused.

    kafka-python 3.0.12 drops the request there, and commit waits for ever, also after the broker is
    back: an error raised in the sender's step skips the retry that the answer False leads to.
    """

    def await_ready(self, *arguments: Any, **options: Any) -> bool:  # noqa: ANN401  # passed on
        """Tell whether a node can be sent to, where the library would raise."""
        try:
            return bool(super().await_ready(*arguments, **options))
        except errors.KafkaError:
            return False


def _connection(settings: KafkaSettings) -> dict[str, Any]:
    options: dict[str, Any] = {
        "bootstrap_servers": [part.strip() for part in settings.bootstrap.split(",")],
        "security_protocol": settings.security_protocol,
        "reconnect_backoff_max_ms": 1000,
        "bootstrap_timeout_ms": 10_000,
        "metrics_enabled": False,
    }
    if settings.sasl_mechanism:
        options |= {
            "sasl_mechanism": settings.sasl_mechanism,
            "sasl_plain_username": settings.sasl_username,
            "sasl_plain_password": settings.sasl_password.get_secret_value(),
        }
    if settings.security_protocol in _SECURE:
        files = ("ssl_cafile", "ssl_certfile", "ssl_keyfile")
        options |= {name: getattr(settings, name) or None for name in files}
    return options


def make_consumer(settings: KafkaSettings, group: str, instance: str) -> KafkaConsumer:
    """Return a consumer that has not subscribed yet, as a static member of its group.

    It reads what is committed, commits nothing by itself, and never guesses where to begin: a
    partition without a position is an error that the caller answers.
    """
    with reachable(settings):
        return KafkaConsumer(
            **_connection(settings),
            group_id=group,
            group_instance_id=instance,
            client_id=instance,
            enable_auto_commit=False,
            isolation_level="read_committed",
            auto_offset_reset="none",
            allow_auto_create_topics=False,
            partition_assignment_strategy=[CooperativeStickyAssignor],
            session_timeout_ms=round(settings.session_seconds * 1000),
            heartbeat_interval_ms=500,
            max_poll_interval_ms=300_000,
            request_timeout_ms=10_000,
            fetch_max_bytes=_FETCH_BYTES,
            max_partition_fetch_bytes=MAX_DEAD_BYTES,
            fetch_max_wait_ms=500,
        )


def make_scanner(settings: KafkaSettings) -> KafkaConsumer:
    """Return a consumer without a group, which reads what is committed."""
    with reachable(settings):
        return KafkaConsumer(
            **_connection(settings),
            group_id=None,
            enable_auto_commit=False,
            isolation_level="read_committed",
            auto_offset_reset="none",
            allow_auto_create_topics=False,
            exclude_internal_topics=False,
            request_timeout_ms=10_000,
            fetch_max_bytes=_FETCH_BYTES,
        )


def make_producer(settings: KafkaSettings, transactional_id: str | None = None) -> KafkaProducer:
    """Return an idempotent producer, transactional if it has an id.

    A short retry pause: the usual 100 ms are paid whenever the transaction before is still closing.
    """
    options: dict[str, Any] = {}
    if transactional_id is not None:
        options = {
            "transactional_id": transactional_id,
            "transaction_timeout_ms": round(settings.transaction_seconds * 1000),
        }
    with reachable(settings):
        return KafkaProducer(
            **_connection(settings),
            **options,
            acks="all",
            linger_ms=5,
            batch_size=900_000,
            max_request_size=MAX_DEAD_BYTES,
            compression_type=None if settings.compression == "none" else settings.compression,
            retry_backoff_ms=5,
            request_timeout_ms=5000,
            delivery_timeout_ms=12_000,
            max_block_ms=10_000,
            kafka_client=SteadyClient,
        )


def discard(producer: KafkaProducer) -> None:
    """Close a producer at once; what it has not sent is dropped.

    By itself it would flush first: without a broker that raises, and its destructor tries again.
    """
    producer._sender.force_close()
    with suppress(errors.KafkaError):
        producer.close(timeout=0)
    producer._closed = True


def make_admin(settings: KafkaSettings) -> KafkaAdminClient:
    """Return an administration client."""
    options = _connection(settings)
    del options["metrics_enabled"]  # the one kind of client that does not know it
    connections: list[KafkaNetClient] = []

    def connect(**configs: Any) -> KafkaNetClient:  # noqa: ANN401  # passed on
        connections.append(KafkaNetClient(**configs))
        return connections[0]

    with reachable(settings):
        try:
            return KafkaAdminClient(**options, request_timeout_ms=10_000, kafka_client=connect)
        except errors.KafkaError:
            # It leaves its thread and sockets behind, and whoever asks again and again has many.
            for one in connections:
                one.close()
            raise


@contextmanager
def reachable(settings: KafkaSettings) -> Iterator[None]:
    """Turn a client that cannot be made into one clear error."""
    try:
        yield
    except (errors.KafkaTimeoutError, errors.KafkaConnectionError) as error:
        # A wrong certificate, user or protocol looks the same as a broker that is not there.
        hint = "; `make up` starts one" if settings.bootstrap == KafkaSettings().bootstrap else ""
        raise Transient(
            f"Kafka at {settings.bootstrap} does not answer over {settings.security_protocol}{hint}"
        ) from error
    except (errors.KafkaConfigurationError, OSError, ValueError, AssertionError) as error:
        raise BadInput(f"the settings of Kafka are not usable: {error}") from error


def delivery_of(record: Any) -> Delivery:  # noqa: ANN401  # the library has no types
    """Return a record of the library's as one of ours."""
    return Delivery(
        partition=Partition(record.topic, record.partition),
        offset=record.offset,
        key=bytes(record.key or b""),
        value=bytes(record.value or b""),
        headers=tuple((name, bytes(value or b"")) for name, value in record.headers),
        timestamp_seconds=record.timestamp / 1000,
    )
