"""What kafka-python 3.0.12 does wrong when a broker goes away, and that we are out of its reach.

A fault is shown on the library itself first, where a broker or a proxy before it can be made to
cause it: where a new version has mended it, that test fails, and what goes round it can go. That
`poll` loses what it had taken is a matter of milliseconds: there the library is made to.
"""

import gc
import time
import uuid
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from fault_proxy import FaultProxy, HeldRequest
from kafka import KafkaAdminClient, KafkaProducer, errors
from kafka.admin import NewTopic
from kafka.net.compat import KafkaNetClient
from kafka_broker import KafkaCluster

from gristmill.runtime.adapters import kafka_client
from gristmill.runtime.adapters.clock import SystemClock
from gristmill.runtime.adapters.kafka_admin import num_records
from gristmill.runtime.adapters.kafka_producer import TransactionalProducer
from gristmill.runtime.adapters.kafka_reader import KafkaReader
from gristmill.runtime.adapters.kafka_scan import scan_topic
from gristmill.runtime.adapters.kafka_settings import KafkaSettings
from gristmill.runtime.model import Fatal
from gristmill.runtime.ports import Message, Partition

# The library leaves sockets and half-closed selectors to the garbage collector when a broker dies.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

FIND_COORDINATOR, METADATA = 10, 3
DEADLINE_SECONDS = 25.0


class Quiet:
    """An event log that nobody reads."""

    def info(self, event: str, /, **fields: object) -> None:
        pass

    warning = error = info


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaCluster]:
    folder = tmp_path_factory.mktemp("kafka")
    with KafkaCluster(folder, die_with_parent=True, proxied=True) as running:
        yield running


@pytest.fixture(autouse=True)
def _collected() -> Iterator[None]:
    """What a test's clients left behind is collected here, where nobody minds."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        gc.collect()


@pytest.fixture
def settings(cluster: KafkaCluster) -> KafkaSettings:
    if cluster.pid() is None:
        cluster.start()
    return KafkaSettings(
        bootstrap=cluster.bootstrap,
        commit_seconds=DEADLINE_SECONDS,
        transaction_seconds=60.0,
    )


@pytest.fixture
def proxy(cluster: KafkaCluster) -> Iterator[FaultProxy]:
    with FaultProxy(cluster.proxy_routes) as proxy:
        yield proxy


@pytest.fixture
def proxied(cluster: KafkaCluster, settings: KafkaSettings) -> KafkaSettings:
    return replace(settings, bootstrap=cluster.proxied_bootstrap)


@pytest.fixture
def topic(settings: KafkaSettings) -> str:
    """A topic of the test's own: a transaction that another test left open holds up no reader."""
    name = f"library-faults-{uuid.uuid4().hex}"
    admin = KafkaAdminClient(bootstrap_servers=settings.bootstrap)
    admin.create_topics([NewTopic(name, 1, 1)])
    admin.close()
    return name


def _commit_over_a_restart(
    cluster: KafkaCluster, settings: KafkaSettings, topic: str, name: str
) -> float:
    """Kill the broker, begin to end a transaction, start it again; return how long that took."""
    producer = TransactionalProducer(settings, name, SystemClock())
    producer.commit([_message(topic)], {}, name)
    cluster.kill()
    begin = time.monotonic()
    with ThreadPoolExecutor(1) as thread:
        ended = thread.submit(producer.commit, [_message(topic)], {}, name)
        time.sleep(2.0)
        cluster.start()  # from here: a broker dies with the thread that started it
        try:
            ended.result()
            return time.monotonic() - begin
        finally:
            producer.close()


def _message(topic: str) -> Message:
    return Message(topic=topic, key=b"k", value=b"v")


def test_a_commit_survives_the_restart_of_the_broker(
    cluster: KafkaCluster, settings: KafkaSettings, topic: str
) -> None:
    assert _commit_over_a_restart(cluster, settings, topic, "steady") < DEADLINE_SECONDS


def test_the_librarys_own_client_forgets_the_commit_and_ours_gives_up_in_time(
    cluster: KafkaCluster, settings: KafkaSettings, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kafka_client, "SteadyClient", KafkaNetClient)
    for attempt in range(4):  # now and then the request is sent again after all
        begin = time.monotonic()
        try:
            _commit_over_a_restart(cluster, settings, topic, f"forgetful-{attempt}")
        except errors.KafkaError:
            assert time.monotonic() - begin < 3 * DEADLINE_SECONDS
            return
    raise AssertionError("the library's own client forgets nothing any more: ours is not needed")


def test_a_commit_whose_topic_is_not_known_yet_gives_up_in_time(
    cluster: KafkaCluster, settings: KafkaSettings, topic: str
) -> None:
    """A producer that was just made waits in its first send, and for longer than a commit may."""
    short = replace(settings, commit_seconds=2.0)
    producer = TransactionalProducer(short, "unknown", SystemClock())
    cluster.kill()
    begin = time.monotonic()
    with pytest.raises(errors.KafkaTimeoutError):
        producer.commit([_message(topic)], {}, "unknown")
    assert time.monotonic() - begin < 8.0  # the library's own limit here is 10 s
    producer.close()


def test_polls_are_silent_while_the_broker_is_away_and_go_on_when_it_is_back(
    cluster: KafkaCluster, settings: KafkaSettings, topic: str
) -> None:
    reader = _reader(settings, topic, "silent")
    try:
        _poll_until(reader, lambda: bool(reader.assignment()))
        cluster.kill()
        until = time.monotonic() + 4
        while time.monotonic() < until:
            assert reader.poll(0.1).deliveries == []
        cluster.start()
        producer = TransactionalProducer(settings, "silent-producer", SystemClock())
        producer.commit([_message(topic)], {}, "silent-producer")
        producer.close()
        _poll_until(reader, lambda: False, wanted=1)
    finally:
        reader.close()


def test_the_librarys_own_poll_raises_where_a_broker_dies_during_a_look_up_of_the_coordinator(
    proxied: KafkaSettings, proxy: FaultProxy, topic: str
) -> None:
    consumer = kafka_client.make_consumer(proxied, topic, f"{topic}-0")
    consumer.subscribe([topic])
    _die_during_the_look_up(proxy)
    try:
        with pytest.raises(errors.KafkaConnectionError):
            consumer.poll(timeout_ms=5000)
    finally:
        consumer.close(autocommit=False, timeout_ms=0)


def test_our_poll_is_silent_where_a_broker_dies_during_a_look_up_of_the_coordinator(
    proxied: KafkaSettings, proxy: FaultProxy, topic: str
) -> None:
    reader = _reader(proxied, topic, topic)
    looked_up = _die_during_the_look_up(proxy)
    try:
        while not looked_up.caught.done():
            assert reader.poll(0.1).deliveries == []
        proxy.to_hold.clear()
        proxy.heal()
        _poll_until(reader, lambda: bool(reader.assignment()))
    finally:
        reader.close()


def _die_during_the_look_up(proxy: FaultProxy) -> HeldRequest:
    """Cut the next look-up of a coordinator, and every question for metadata from then on."""
    looked_up = proxy.hold_next_request(FIND_COORDINATOR, then="close")

    def die(_: object) -> None:
        for _ in range(100):
            proxy.hold_next_request(METADATA, then="close")

    looked_up.caught.add_done_callback(die)
    return looked_up


def test_what_a_poll_had_taken_that_raises_is_given_all_the_same(
    settings: KafkaSettings, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The library counts it as consumed, and then finds no broker to send its next fetch to."""
    reader = _reader(settings, topic, "taken")
    begin = num_records(settings, topic)
    producer = TransactionalProducer(settings, "taken-producer", SystemClock())
    try:
        _poll_until(reader, lambda: reader.is_placed and bool(reader.assignment()))
        fetcher = reader._consumer._fetcher
        take, send = fetcher.fetched_records, fetcher.send_fetches
        taken: list[Any] = []
        raised: list[int] = []

        def fetched_records(*told: Any, **named: Any) -> Any:
            records, _ = take(*told, **named)
            taken[:] = records.values()
            return records, False  # so that the next fetch is sent

        def send_fetches() -> Any:
            if taken and not raised:
                raised.append(sum(map(len, taken)))
                raise errors.UnknownBrokerIdError(0)
            return send()

        monkeypatch.setattr(fetcher, "fetched_records", fetched_records)
        monkeypatch.setattr(fetcher, "send_fetches", send_fetches)
        found: list[int] = []
        sent = 0
        deadline = time.monotonic() + 30
        while not raised and time.monotonic() < deadline:
            found += [one.offset for one in reader.poll(0.0).deliveries]  # a fetch is on its way
            producer.commit([_message(topic), _message(topic)], {}, "taken-producer")
            sent += 2
            time.sleep(0.2)  # and brings them before the next poll
        assert raised, "a poll took records and raised"
        while len(found) < sent and time.monotonic() < deadline:
            found += [one.offset for one in reader.poll(0.2).deliveries]
        assert len(found) == sent
        assert sorted(set(found)) == found
        assert found[0] >= begin
    finally:
        producer.close()
        reader.close()


class NotText(str):
    """What goes to the log as a byte that begins no character of UTF-8."""

    __slots__ = ()

    def encode(self, encoding: str = "utf-8", errors: str = "strict") -> bytes:
        return b"\xe9"


def _send(settings: KafkaSettings, topic: str, *headers: tuple[str, bytes], packed: str) -> None:
    sender = KafkaProducer(bootstrap_servers=settings.bootstrap, compression_type=packed)
    for _ in range(3):
        sender.send(topic, b"v" * 1000, headers=list(headers))
    sender.close()


@pytest.mark.parametrize("packed", ["gzip", "lz4", "snappy", "zstd"])
def test_records_are_read_however_a_producer_packed_them(
    settings: KafkaSettings, topic: str, packed: str
) -> None:
    _send(settings, topic, packed=packed)
    values = [one.value for one in scan_topic(settings, topic)]
    assert values == [b"v" * 1000] * 3


def test_what_cannot_be_unpacked_ends_the_reader_which_says_where_it_stands(
    settings: KafkaSettings, topic: str
) -> None:
    reader = _reader(settings, topic, topic)
    try:
        _poll_until(reader, lambda: reader.is_placed and bool(reader.assignment()))
        _send(settings, topic, (NotText("name"), b"v"), packed="lz4")
        with pytest.raises(Fatal, match=f"cannot unpack .*{topic}.* from 0"):
            _poll_until(reader, lambda: False, wanted=1)
    finally:
        reader.close()


def test_what_waits_is_known_while_a_place_is_not(
    settings: KafkaSettings, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = _reader(settings, topic, topic)
    try:
        _poll_until(reader, lambda: reader.is_placed and bool(reader.assignment()))
        _send(settings, topic, packed="lz4")
        _poll_until(reader, lambda: False, wanted=3)

        def unanswered(*told: object, **named: object) -> None:
            raise errors.KafkaTimeoutError

        monkeypatch.setattr(reader._consumer, "committed", unanswered)
        reader.rewind()
        _send(settings, topic, packed="lz4")
        deadline = time.monotonic() + 20
        while reader.lag() != {Partition(topic, 0): 3}:
            assert reader.poll(0.2).deliveries == []
            assert time.monotonic() < deadline
        assert not reader.is_placed
        assert reader.known_lag is None  # the broker may be away: no reason to end the process
    finally:
        reader.close()


def test_of_a_long_topic_the_end_alone_can_be_read(settings: KafkaSettings, topic: str) -> None:
    _send(settings, topic, packed="lz4")
    _send(settings, topic, packed="lz4")
    assert [one.offset for one in scan_topic(settings, topic, last=2)] == [4, 5]
    assert len(list(scan_topic(settings, topic, last=100))) == 6


def _reader(settings: KafkaSettings, topic: str, name: str) -> KafkaReader:
    """Return a reader that begins behind what is there now."""
    begin = num_records(settings, topic)
    return KafkaReader(
        settings,
        group=name,
        instance=f"{name}-0",
        topics=[topic],
        log=Quiet(),
        start_at=lambda _: begin,
    )


def _poll_until(reader: KafkaReader, done: Any, wanted: int | None = None) -> None:
    found = 0
    deadline = time.monotonic() + 60
    while not done() and (wanted is None or found < wanted):
        assert time.monotonic() < deadline
        found += len(reader.poll(0.2).deliveries)


def test_what_we_reach_behind_the_library_is_there(settings: KafkaSettings) -> None:
    producer = kafka_client.make_producer(settings, "names")
    assert callable(producer._transaction_manager.begin_commit)
    assert callable(producer._transaction_manager.begin_abort)
    assert callable(producer._transaction_manager.send_offsets_to_transaction)
    assert producer._closed is False
    assert callable(producer._sender.wakeup)
    assert callable(producer._sender.force_close)
    kafka_client.discard(producer)
    consumer = kafka_client.make_consumer(settings, "names", "names-0")
    coordinator = consumer._coordinator
    for name in (
        *("ensure_active_group", "need_rejoin", "request_rejoin", "stable"),
        *("coordinator_unknown", "_send_heartbeat_request"),
    ):
        assert callable(getattr(coordinator, name))
    assert callable(coordinator._net.run)
    assert coordinator._lock.acquire(timeout=1)
    coordinator._lock.release()
    assert hasattr(coordinator, "_heartbeat_enabled")
    consumer.close(autocommit=False, timeout_ms=0)
