"""The proxy does to transactions what it is told, and the real broker shows that it did."""

import contextlib
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as StillWaiting
from typing import Any

import pytest
from fault_proxy import END_TXN, FaultProxy
from kafka import KafkaProducer
from kafka_broker import KafkaCluster

INVALID_PRODUCER_EPOCH, PRODUCER_FENCED = 47, 90
Producers = Callable[[str], KafkaProducer]


@pytest.fixture
def proxy(kafka: KafkaCluster) -> Iterator[FaultProxy]:
    with FaultProxy(kafka.proxy_routes) as proxy:
        yield proxy


@pytest.fixture
def topic(kafka: KafkaCluster, make_topic: Callable[[str], str]) -> str:
    return make_topic(kafka.bootstrap)


@pytest.fixture
def producer_of(kafka: KafkaCluster, proxy: FaultProxy) -> Iterator[Producers]:
    """Makes transactional producers behind the proxy, by transactional id."""
    made: list[KafkaProducer] = []

    def make(transactional_id: str) -> KafkaProducer:
        producer = KafkaProducer(
            bootstrap_servers=kafka.proxied_bootstrap,
            transactional_id=transactional_id,
            transaction_timeout_ms=60_000,
            reconnect_backoff_max_ms=200,
        )
        made.append(producer)
        producer.init_transactions()
        return producer

    yield make
    proxy.heal()
    for producer in made:
        producer.close(timeout=0)


@pytest.fixture
def commit() -> Iterator[Callable[[KafkaProducer], "Future[None]"]]:
    """Commits in a thread: what a fault holds up would hold up the test."""
    with ThreadPoolExecutor() as threads:
        yield lambda producer: threads.submit(producer.commit_transaction)


@pytest.fixture
def name() -> str:
    return f"x-{uuid.uuid4()}"


def begin(producer: KafkaProducer, topic: str, record: bytes) -> None:
    producer.begin_transaction()
    producer.send(topic, record).get(20)


def test_a_client_stays_on_the_proxy_and_notices_nothing(
    kafka: KafkaCluster, proxy: FaultProxy, producer_of: Producers, topic: str, name: str,
    read_committed: Any,
) -> None:  # fmt: skip
    producer = producer_of(name)
    for record in (b"1", b"2"):
        begin(producer, topic, record)
        producer.commit_transaction()
    assert proxy.requests[END_TXN] == 2
    assert read_committed(kafka.bootstrap, topic, count=2) == [b"1", b"2"]


def test_a_lost_answer_to_a_commit_leaves_the_client_waiting_for_what_readers_see(
    kafka: KafkaCluster, proxy: FaultProxy, producer_of: Producers, topic: str, name: str,
    read_committed: Any, commit: Any,
) -> None:  # fmt: skip
    producer = producer_of(name)
    begin(producer, topic, b"committed")
    lost = proxy.lose_next_answer(then="hang")
    committed = commit(producer)
    assert lost.error_code() == 0
    assert read_committed(kafka.bootstrap, topic, count=1) == [b"committed"]
    with pytest.raises(StillWaiting):
        committed.result(timeout=1)
    # A successor learns that the transaction is settled, and does not do it again.
    producer_of(name)
    assert read_committed(kafka.bootstrap, topic, count=2, seconds=1) == [b"committed"]
    producer.close(timeout=0)
    assert committed.exception(timeout=20) is not None


def test_a_client_whose_connection_closes_on_the_answer_asks_again(
    kafka: KafkaCluster, proxy: FaultProxy, producer_of: Producers, topic: str, name: str,
    read_committed: Any, commit: Any,
) -> None:  # fmt: skip
    producer = producer_of(name)
    begin(producer, topic, b"once")
    lost = proxy.lose_next_answer(then="close")
    committed = commit(producer)
    assert lost.error_code() == 0
    committed.result(timeout=20)
    assert proxy.requests[END_TXN] == 2
    assert read_committed(kafka.bootstrap, topic, count=2, seconds=1) == [b"once"]


def test_a_late_commit_takes_effect_where_nobody_came_in_between(
    kafka: KafkaCluster, proxy: FaultProxy, producer_of: Producers, topic: str, name: str,
    read_committed: Any, commit: Any,
) -> None:  # fmt: skip
    producer = producer_of(name)
    begin(producer, topic, b"late")
    held = proxy.hold_next_request(then="hang")
    committed = commit(producer)
    assert held.wait().api_key == END_TXN
    producer.close(timeout=0)
    assert committed.exception(timeout=20) is not None
    assert read_committed(kafka.bootstrap, topic, count=1, seconds=1) == []
    assert held.deliver() == 0
    assert read_committed(kafka.bootstrap, topic, count=1) == [b"late"]


def test_a_late_commit_of_a_fenced_client_does_not_touch_the_next_transaction(
    kafka: KafkaCluster, proxy: FaultProxy, producer_of: Producers, topic: str, name: str,
    read_committed: Any, commit: Any,
) -> None:  # fmt: skip
    first = producer_of(name)
    begin(first, topic, b"of the first")
    held = proxy.hold_next_request(then="hang")
    commit(first)
    held.wait()
    first.close(timeout=0)
    second = producer_of(name)
    begin(second, topic, b"of the second")
    assert held.deliver() in (INVALID_PRODUCER_EPOCH, PRODUCER_FENCED)
    assert read_committed(kafka.bootstrap, topic, count=1, seconds=1) == []
    second.commit_transaction()
    assert read_committed(kafka.bootstrap, topic, count=2, seconds=1) == [b"of the second"]


def test_refusing_cuts_what_is_open_and_healing_lets_clients_go_on(
    kafka: KafkaCluster, proxy: FaultProxy, producer_of: Producers, topic: str, name: str,
    read_committed: Any,
) -> None:  # fmt: skip
    producer = producer_of(name)
    begin(producer, topic, b"1")
    (port,) = kafka.proxy_routes
    proxy.refuse()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))
    proxy.heal()
    producer.send(topic, b"2").get(20)
    producer.commit_transaction()
    assert read_committed(kafka.bootstrap, topic, count=2) == [b"1", b"2"]


def test_a_black_hole_accepts_and_says_nothing_until_it_is_healed(
    kafka: KafkaCluster, proxy: FaultProxy, producer_of: Producers, topic: str, name: str
) -> None:
    producer = producer_of(name)
    begin(producer, topic, b"1")
    proxy.black_hole()
    swallowed = producer.send(topic, b"2")
    (port,) = kafka.proxy_routes
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(b"\0\0\0\x0a\0\x12\0\0\0\0\0\1\xff\xff")  # which versions are there?
        client.settimeout(0.5)
        with pytest.raises(TimeoutError):
            client.recv(1)
        assert not swallowed.is_done
        proxy.heal()
        with contextlib.suppress(ConnectionError):
            assert client.recv(1) == b"", "cut: what it asked is lost"
    swallowed.get(20)
    producer.commit_transaction()


def test_a_delay_holds_up_every_request(
    proxy: FaultProxy, producer_of: Producers, topic: str, name: str
) -> None:
    producer = producer_of(name)
    begin(producer, topic, b"1")
    proxy.delay(0.4)
    begun = time.monotonic()
    producer.commit_transaction()
    assert time.monotonic() - begun >= 0.4


def test_closing_leaves_no_thread_and_no_socket(kafka: KafkaCluster) -> None:
    threads = set(threading.enumerate())
    (port,) = kafka.proxy_routes
    with FaultProxy(kafka.proxy_routes) as proxy:
        client = socket.create_connection(("127.0.0.1", port))
        proxy.hold_next_request()
    with client:
        client.settimeout(10)
        with contextlib.suppress(ConnectionError):  # one way to be closed
            assert client.recv(1) == b""
    assert set(threading.enumerate()) <= threads
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))
