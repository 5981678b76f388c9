"""Health over real sockets: HTTP and gRPC tell the same truth, at once, to any client."""

import asyncio
import http.client
import json
import logging
import random
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_served import details
from prometheus_client import parser
from prometheus_client.openmetrics import parser as openmetrics_parser

from gristmill.runtime.adapters.grpc_server import Services
from gristmill.runtime.adapters.health import Health
from gristmill.runtime.adapters.health_servers import HealthServers
from gristmill.runtime.adapters.prometheus import PrometheusMetrics
from gristmill.runtime.model import BadInput

HOST = "127.0.0.1"
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
SERVICE_UNKNOWN = health_pb2.HealthCheckResponse.SERVICE_UNKNOWN


class Clock:
    def __init__(self) -> None:
        self.seconds = 1000.0

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.seconds, UTC)

    def monotonic(self) -> float:
        return self.seconds


class Log:
    def __init__(self) -> None:
        self.events: list[tuple[str, dict[str, object]]] = []

    def info(self, event: str, /, **fields: object) -> None:
        self.events.append((event, fields))

    warning = error = info


class Served:
    """A worker's health, served; and its clients."""

    def __init__(self, services: Services | None = None) -> None:
        self.clock = Clock()
        self.log = Log()
        self.health = Health(clock=self.clock, stall_seconds=60)
        self.metrics = PrometheusMetrics(stages=["syntax"])
        self.servers = HealthServers(
            "syntax", self.health, self.exposition, self.log, host=HOST, services=services
        )

    def exposition(self, accept: str) -> tuple[str, bytes]:
        return self.metrics.exposition(accept)

    def get(
        self, path: str, method: str = "GET", **headers: str
    ) -> tuple[int, dict[str, str], bytes]:
        with closing(http.client.HTTPConnection(HOST, self.servers.http_port, timeout=20)) as there:
            there.request(method, path, headers=headers)
            answer = there.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()

    @contextmanager
    def client(self) -> Iterator[Any]:
        with grpc.insecure_channel(f"{HOST}:{self.servers.grpc_port}") as channel:
            yield health_pb2_grpc.HealthStub(channel)

    def told(self) -> tuple[str, bool, bool]:
        """What all ways of asking say: the state, whether it is live, whether it is ready."""
        livez, _, live_body = self.get("/livez")
        readyz, _, ready_body = self.get("/readyz")
        assert livez in {200, 503}
        assert readyz in {200, 503}
        assert live_body.count(b"\n") == 1
        live, ready = json.loads(live_body), json.loads(ready_body)
        assert live.keys() == ready.keys() == {"state", "detail"}
        assert live["state"] == ready["state"]
        with self.client() as client:
            for service in ("", "gristmill.syntax"):
                request = health_pb2.HealthCheckRequest(service=service)
                status = client.Check(request, timeout=20).status
                assert status == (SERVING if readyz == 200 else NOT_SERVING)
        return live["state"], livez == 200, readyz == 200


@pytest.fixture
def served() -> Iterator[Served]:
    made = Served()
    try:
        yield made
    finally:
        made.servers.close()


def test_http_and_grpc_tell_the_same_through_a_life(served: Served) -> None:
    assert served.told() == ("starting", True, False)
    served.health.set_serving()
    assert served.told() == ("serving", True, True)
    served.clock.seconds += 61
    assert served.told() == ("stalled", False, False)
    served.health.beat()
    assert served.told() == ("serving", True, True)
    served.health.set_draining()
    assert served.told() == ("draining", True, False)
    served.clock.seconds += 61
    assert served.told() == ("draining", False, False)
    served.health.beat()
    served.health.set_stopped()
    assert served.told() == ("stopped", True, False)
    assert served.log.events == []


@contextmanager
def watching(served: Served, service: str) -> Iterator[Callable[[], int]]:
    """Watch a service; what is given waits for the next status."""
    with served.client() as client:
        request = health_pb2.HealthCheckRequest(service=service)
        stream = client.Watch(request, timeout=60)
        yield lambda: int(next(stream).status)
        stream.cancel()


@pytest.mark.parametrize("service", ["", "gristmill.syntax"])
def test_watchers_are_told_of_changes_at_once(served: Served, service: str) -> None:
    with watching(served, service) as following:
        assert following() == NOT_SERVING
        began = time.monotonic()
        served.health.set_serving()
        assert following() == SERVING
        served.clock.seconds += 61
        assert following() == NOT_SERVING
        served.health.beat()
        assert following() == SERVING
        served.health.set_draining()
        assert following() == NOT_SERVING
        assert time.monotonic() - began < 5


def test_a_signal_drains_at_once(served: Served) -> None:
    before = signal.signal(signal.SIGUSR1, lambda *_: served.health.set_draining())
    try:
        served.health.set_serving()
        with watching(served, "") as following:
            assert following() == SERVING
            signal.raise_signal(signal.SIGUSR1)
            assert following() == NOT_SERVING
        assert served.told() == ("draining", True, False)
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_the_last_thing_a_watcher_hears_is_the_end(served: Served) -> None:
    served.health.set_serving()
    with served.client() as client:
        stream = client.Watch(health_pb2.HealthCheckRequest(), timeout=60)
        assert next(stream).status == SERVING
        served.servers.close()
        with suppress(grpc.RpcError):
            assert [answer.status for answer in stream] == [NOT_SERVING]
        assert stream.code() == grpc.StatusCode.OK


def test_an_unknown_service_is_unknown(served: Served) -> None:
    with served.client() as client:
        with pytest.raises(grpc.RpcError) as caught:
            client.Check(health_pb2.HealthCheckRequest(service="gristmill.dedup"), timeout=20)
        assert caught.value.code() == grpc.StatusCode.NOT_FOUND
    with watching(served, "gristmill.dedup") as following:
        assert following() == SERVICE_UNKNOWN


def test_many_watchers_leave_room_for_checks(served: Served) -> None:
    with served.client() as client:
        streams = [client.Watch(health_pb2.HealthCheckRequest(), timeout=60) for _ in range(20)]
        errors = []
        for stream in streams:
            try:
                next(stream)
            except grpc.RpcError as error:
                errors.append(error)
        assert all(map(details, errors)), "they are told when to try again"
        codes = [error.code() for error in errors]
        assert codes == [grpc.StatusCode.RESOURCE_EXHAUSTED] * 12
        assert served.told() == ("starting", True, False)
        for stream in streams:
            stream.cancel()
        until = time.monotonic() + 20
        while time.monotonic() < until:  # a place is free again when a cancelled stream is noticed
            with suppress(grpc.RpcError):
                assert next(client.Watch(health_pb2.HealthCheckRequest(), timeout=60))
                return
        pytest.fail("no place became free")


def test_metrics_are_served_in_both_formats(served: Served) -> None:
    served.metrics.count("gristmill_rebalances_total", 3, stage="syntax")
    status, headers, body = served.get("/metrics")
    assert status == 200
    assert headers["Content-Type"].startswith("text/plain; version=0.0.4")
    plain = list(parser.text_string_to_metric_families(body.decode()))
    accept = "application/openmetrics-text; version=1.0.0,text/plain;q=0.5"
    _, headers, body = served.get("/metrics?x=1", Accept=accept)
    assert headers["Content-Type"].startswith("application/openmetrics-text; version=1.0.0")
    openmetrics = list(openmetrics_parser.text_string_to_metric_families(body.decode()))
    for families in (plain, openmetrics):
        [family] = [one for one in families if one.name == "gristmill_rebalances"]
        assert [sample.value for sample in family.samples] == [3]


def test_other_paths_and_methods_are_refused(served: Served) -> None:
    assert served.get("/")[0] == 404
    assert served.get("/metrics/../livez")[0] == 404
    assert served.get("/livez", "POST")[0] == 501
    status, headers, body = served.get("/livez", "HEAD")
    assert (status, body) == (200, b"")
    assert int(headers["Content-Length"]) > 0
    assert headers["Server"] == "gristmill"


def test_a_fault_of_our_own_is_told(served: Served, capfd: pytest.CaptureFixture[str]) -> None:
    def broken(accept: str) -> tuple[str, bytes]:
        raise KeyError(accept)

    served.metrics.exposition = broken  # type: ignore[method-assign]
    with pytest.raises(http.client.RemoteDisconnected):
        served.get("/metrics")
    assert served.told() == ("starting", True, False)
    [(event, fields)] = served.log.events
    assert event == "health request failed"
    assert isinstance(fields["error"], KeyError)
    assert capfd.readouterr() == ("", "")


# --- clients that mean ill ------------------------------------------------------------------------


def nonsense() -> Iterator[bytes]:
    chance = random.Random(1)
    yield from (b"", b"\n", b"\r\n\r\n", b"GET", b"GET / HTTP/9.9\r\n\r\n", b"GET /livez\r\n")
    yield from (b"GET /livez HTTP/1.1\r\nA" + b"x" * 100_000, b"\x16\x03\x01\x02\x00\x01")
    yield b"GET /livez HTTP/1.1\r\n" + b"A: b\r\n" * 1000 + b"\r\n"
    yield b"GET /livez HTTP/1.1\r\nContent-Length: -5\r\nA\x00\xff: \xff\r\n\r\n"
    yield b"GET /metrics HTTP/1.1\r\nAccept: \xff\xfe;;;,=,application/openmetrics-text;=\r\n\r\n"
    yield b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + chance.randbytes(500)
    for _ in range(30):
        yield chance.randbytes(chance.randrange(1, 2000))


def test_nonsense_is_ignored_without_a_word(
    served: Served, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    for port in (served.servers.http_port, served.servers.grpc_port):
        for data in nonsense():
            with socket.create_connection((HOST, port), timeout=20) as there, suppress(OSError):
                there.sendall(data)
                there.shutdown(socket.SHUT_WR)
                there.recv(1 << 16)
    with grpc.insecure_channel(f"{HOST}:{served.servers.grpc_port}") as channel:
        for method in ("Check", "Watch", "Other"):
            call = channel.unary_unary(f"/grpc.health.v1.Health/{method}")
            for data in (b"\xff\xff\xff", b"\n\x05ab", b"x" * 100_000):
                with pytest.raises(grpc.RpcError):
                    call(data, timeout=20)
    assert served.told() == ("starting", True, False)
    assert served.log.events == []
    assert capfd.readouterr() == ("", "")
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


def test_idle_connections_shut_nobody_out(served: Served) -> None:
    idle = [
        socket.create_connection((HOST, served.servers.http_port), timeout=20) for _ in range(100)
    ]
    try:
        began = time.monotonic()
        assert served.told() == ("starting", True, False)
        assert time.monotonic() - began < 4
        handlers = [one for one in threading.enumerate() if "process_request" in one.name]
        assert len(handlers) < 50
        assert idle[0].recv(1) == b""
    finally:
        for connection in idle:
            connection.close()


def test_a_connection_is_not_held_open_for_ever(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even one that sends a byte now and then."""
    monkeypatch.setattr("gristmill.runtime.adapters.health_servers._CONNECTION_SECONDS", 0.5)
    with socket.create_connection((HOST, served.servers.http_port), timeout=20) as slow:
        until = time.monotonic() + 20
        with suppress(OSError):
            while time.monotonic() < until:
                slow.sendall(b"x")
                slow.settimeout(0.05)
                with suppress(TimeoutError):
                    if slow.recv(1) == b"":
                        break
        assert time.monotonic() < until


# --- ports ----------------------------------------------------------------------------------------


def test_the_ports_are_free_afterwards_and_no_thread_is_left() -> None:
    before = set(threading.enumerate())
    for _ in range(3):
        served = Served()
        ports = served.servers.http_port, served.servers.grpc_port
        with socket.create_connection((HOST, ports[0])), watching(served, "") as following:
            assert following() == NOT_SERVING
            began = time.monotonic()
            served.servers.close()
            served.servers.close()
            assert time.monotonic() - began < 5
        for port in ports:
            with socket.socket() as again:
                again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                again.bind((HOST, port))
                again.listen()
    until = time.monotonic() + 20
    while (left := [one for one in threading.enumerate() if one not in before]) and (
        time.monotonic() < until
    ):
        left[0].join(0.1)
    ours = [one.name for one in left if "health" in one.name or "process_request" in one.name]
    assert ours == []


def test_services_that_do_not_come_to_an_end_hold_no_process() -> None:
    """Whatever is in work then is lost as by a kill; a worker that failed has to make room."""
    ended = []

    async def close() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("given up")

    made = Served(services=Services(close=close))
    made.servers.close(1.0)
    assert ended == ["given up"]


def test_they_start_at_once() -> None:
    began = time.monotonic()
    with Served().servers:
        assert time.monotonic() - began < 2


@pytest.mark.parametrize("which", ["http_port", "grpc_port"])
def test_a_port_that_is_taken_is_named(which: str, served: Served) -> None:
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        taken.listen()
        port = taken.getsockname()[1]
        other = "grpc_port" if which == "http_port" else "http_port"
        with socket.socket() as probe:
            probe.bind((HOST, 0))
            free = probe.getsockname()[1]
        with pytest.raises(BadInput, match=f"cannot listen on port {port} of {HOST}"):
            HealthServers(
                "syntax",
                served.health,
                served.exposition,
                served.log,
                host=HOST,
                **{which: port, other: free},
            )
        with socket.socket() as again:
            again.bind((HOST, free))  # nothing is held by what was not made


def test_two_workers_never_share_a_port(served: Served) -> None:
    for ports in (
        {"http_port": served.servers.http_port},
        {"grpc_port": served.servers.grpc_port},
    ):
        with pytest.raises(BadInput, match="cannot listen"):
            HealthServers("dedup", served.health, served.exposition, served.log, host=HOST, **ports)
