"""The front door over real gRPC and a real Kafka: the client and the command as people use them."""

import contextlib
import gc
import io
import itertools
import json
import signal
import subprocess
import sys
import tarfile
import threading
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import certificates
import grpc
import pytest
from grpc_served import Served, details
from kafka import KafkaAdminClient
from kafka.admin import NewTopic
from kafka.errors import TopicAlreadyExistsError
from kafka_broker import KafkaCluster

from gristmill.client import (
    Accepted,
    CallError,
    Client,
    Origin,
    Receipt,
    RefusalReason,
    Refused,
    Retries,
    Submission,
    Tls,
    archive_item,
    file_item,
)
from gristmill.runtime.engine.envelope import CRAWL_TOPIC
from gristmill.runtime.model import CrawlItem
from gristmill.runtime.wire import decode_crawl_item

# Kafka's client leaves sockets to the collector where it is cut off, or nobody answers it.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

NEW, KNOWN = Accepted(num_items=1), Accepted(num_items=1, known_before=True)
SUBMIT = "/gristmill.ingestion.v1.IngestionService/Submit"


@pytest.fixture(autouse=True)
def _collected() -> Iterator[None]:
    """Collect those sockets here, not in somebody else's test."""
    yield
    gc.collect()


@pytest.fixture(scope="module")
def bootstrap(kafka: KafkaCluster) -> str:
    admin = KafkaAdminClient(bootstrap_servers=kafka.bootstrap)
    try:
        with contextlib.suppress(TopicAlreadyExistsError):
            admin.create_topics([NewTopic(CRAWL_TOPIC, 1, 1)])
    finally:
        admin.close()
    return kafka.bootstrap


class Door(Served):
    """The front door of one directory."""

    def __init__(self, bootstrap: str, directory: Path, **settings: str) -> None:
        told = {
            "KAFKA_BOOTSTRAP": bootstrap,
            "SUBMIT_DIRECTORY": str(directory / "submitted"),
            "BLOBS_URL": str(directory / "blobs"),
            **settings,
        }
        super().__init__("ingestion", told)
        self.api.open_front_door()

    def client(self, **options: Any) -> Client:
        return Client(self.address, retries=Retries(attempts=3, first_seconds=0.05), **options)


@pytest.fixture
def door(bootstrap: str, tmp_path: Path) -> Iterator[Door]:
    with Door(bootstrap, tmp_path) as served:
        yield served


class Run:
    """Files of one test, told from those of others on the topic."""

    def __init__(self) -> None:
        self.name = uuid.uuid4().hex

    def file(self, number: int, content: bytes = b"") -> Submission:
        origin = Origin(source="test", repository=self.name, path=f"f{number}.py")
        return file_item(content or b"n = %d\n" % number, origin)

    def on_topic(self, bootstrap: str) -> list[CrawlItem]:
        from kafka import KafkaConsumer, TopicPartition

        consumer = KafkaConsumer(
            bootstrap_servers=bootstrap, auto_offset_reset="earliest", enable_auto_commit=False
        )
        items = []
        try:
            partition = TopicPartition(CRAWL_TOPIC, 0)
            consumer.assign([partition])
            end = consumer.end_offsets([partition])[partition]
            while consumer.position(partition) < end:
                for records in consumer.poll(timeout_ms=200).values():
                    items += [decode_crawl_item(record.value) for record in records]
        finally:
            consumer.close()
        return [item for item in items if item.origin.repository == self.name]


@pytest.fixture
def run() -> Run:
    return Run()


def told(receipts: Iterator[Receipt]) -> Mapping[str, Accepted | Refused]:
    return {receipt.key: receipt.result for receipt in receipts}


def test_what_is_accepted_is_on_the_topic_once_and_known_the_next_time(
    door: Door, run: Run, bootstrap: str
) -> None:
    files = [run.file(n) for n in range(1200)]
    with door.client() as client:
        first = told(client.submit(iter(files)))
        again = told(client.submit(reversed(files)))
        known = list(client.known([files[0].key, "never sent", files[1].key]))
    assert set(first.values()) == {NEW}
    assert set(again.values()) == {KNOWN}
    assert first.keys() == again.keys() == {file.key for file in files}
    assert known == [True, False, True]
    paths = [item.origin.path for item in run.on_topic(bootstrap)]
    assert sorted(paths) == sorted(f"f{n}.py" for n in range(1200))


def test_keys_belong_to_the_client_that_names_itself(door: Door, run: Run) -> None:
    with door.client(name="one") as one, door.client(name="two") as two:
        assert told(one.submit([run.file(1)])) == {run.file(1).key: NEW}
        assert told(two.submit([run.file(1)])) == {run.file(1).key: NEW}
        assert told(one.submit([run.file(1)])) == {run.file(1).key: KNOWN}


def test_keys_are_known_to_a_server_that_was_started_again(
    bootstrap: str, run: Run, tmp_path: Path
) -> None:
    for expected in (NEW, KNOWN):
        with Door(bootstrap, tmp_path) as door, door.client() as client:
            assert set(told(client.submit([run.file(1)])).values()) == {expected}


def test_keys_belong_to_the_certificate_whatever_name_is_given(
    bootstrap: str, run: Run, tmp_path: Path
) -> None:
    certificates.make_authority(tmp_path)
    for name in ("server", "crawler", "other"):
        certificates.issue(tmp_path, name)
    told_tls = {
        "TLS_CERTIFICATE": str(tmp_path / "server.pem"),
        "TLS_KEY": str(tmp_path / "server.key"),
        "TLS_CLIENT_CA": str(tmp_path / certificates.CA),
    }
    with Door(bootstrap, tmp_path, **told_tls) as door:
        for who, name, expected in (
            ("crawler", "one", NEW),
            ("crawler", "two", KNOWN),
            ("other", "one", NEW),
        ):
            tls = Tls(
                ca=str(tmp_path / certificates.CA),
                certificate=str(tmp_path / f"{who}.pem"),
                key=str(tmp_path / f"{who}.key"),
            )
            with Client(f"localhost:{door.servers.grpc_port}", tls=tls, name=name) as client:
                assert set(told(client.submit([run.file(1)])).values()) == {expected}


def test_a_server_that_stops_answers_what_it_has_and_says_so(
    bootstrap: str, run: Run, tmp_path: Path
) -> None:
    door = Door(bootstrap, tmp_path)
    once = Retries(attempts=1)
    receipts: list[Receipt] = []
    with Client(door.address, retries=once) as client:
        stream = client.submit(run.file(n) for n in itertools.count())
        receipts.append(next(stream))
        closer = threading.Thread(target=door.close)
        closer.start()
        with pytest.raises(CallError, match="the server stops"):
            receipts.extend(stream)
        closer.join()
    safe = [item.origin.path for item in run.on_topic(bootstrap)]
    assert len(safe) == len(set(safe)) == len(receipts)  # whatever was written was acknowledged
    with Door(bootstrap, tmp_path) as again, again.client() as client:
        assert all(client.known([receipt.key for receipt in receipts][:10_000]))


def test_an_archive_goes_in_parts_and_comes_out_as_its_members(
    door: Door, run: Run, bootstrap: str, tmp_path: Path
) -> None:
    members = {f"a/m{n}.py": b"%d" % n * 40_000 for n in range(30)}
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz", compresslevel=0) as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    origin = Origin(source="test", repository=run.name, path="a.tar.gz")
    item = archive_item(str(tmp_path / "a.tar.gz"), origin)
    with door.client() as client:
        receipts = told(client.submit([run.file(1), item, run.file(2)]))
    assert receipts[item.key] == Accepted(num_items=30)
    found = {one.origin.path: one.content for one in run.on_topic(bootstrap)}
    assert {name: found[name] for name in members} == members
    assert len(found) == 32


def test_items_that_are_refused_say_why_and_the_others_go_on(door: Door, run: Run) -> None:
    bad = file_item(b"x", Origin(source="test", repository=run.name, path="../x"))
    with door.client() as client:
        receipts = told(client.submit([run.file(1), bad, run.file(2)]))
    refused = receipts.pop(bad.key)
    assert isinstance(refused, Refused)
    assert refused.reason is RefusalReason.NAME_UNSAFE
    assert set(receipts.values()) == {NEW}


def test_a_source_that_raises_raises_at_the_caller(door: Door, run: Run) -> None:
    def broken() -> Iterator[Submission]:
        yield run.file(1)
        raise RuntimeError("the disk is gone")

    with door.client() as client, pytest.raises(RuntimeError, match="the disk is gone"):
        list(client.submit(broken()))


def test_a_slow_source_has_its_receipts_as_they_come(door: Door, run: Run) -> None:
    go_on = threading.Event()

    def slow() -> Iterator[Submission]:
        yield run.file(1)
        assert go_on.wait(20)
        yield run.file(2)

    with door.client() as client:
        receipts = client.submit(slow())
        assert next(receipts).key == run.file(1).key
        go_on.set()
        assert next(receipts).key == run.file(2).key
        assert list(receipts) == []


def test_a_caller_who_stops_early_leaves_nothing_behind(door: Door, run: Run) -> None:
    before = door.num_tasks
    with door.client() as client:
        receipts = client.submit(run.file(n) for n in itertools.count())
        next(receipts)
        receipts.close()  # type: ignore[attr-defined]
    for _ in range(100):
        if door.num_tasks <= before:
            break
        threading.Event().wait(0.1)
    assert door.num_tasks <= before


def test_a_server_that_is_gone_for_too_long_is_an_error(door: Door, run: Run) -> None:
    door.close()
    with door.client() as client, pytest.raises(CallError, match="UNAVAILABLE"):
        list(client.submit([run.file(1)]))


def test_a_door_that_is_not_open_yet_asks_to_come_again(bootstrap: str, tmp_path: Path) -> None:
    with Served("ingestion") as served, served.channel() as channel:
        call = channel.stream_stream(SUBMIT)(iter([b""]))
        with pytest.raises(grpc.RpcError) as raised:
            next(call)
        assert raised.value.code() is grpc.StatusCode.UNAVAILABLE
        assert details(raised.value)[0].retry_delay


def test_a_request_that_is_none_and_a_name_that_is_none_are_refused(door: Door) -> None:
    with door.channel() as channel:
        for requests, metadata in (
            ([b"\xff\xff"], ()),
            ([b""], (("gristmill-client", "x" * 129),)),
        ):
            call = channel.stream_stream(SUBMIT)(iter(requests), metadata=metadata)
            with pytest.raises(grpc.RpcError) as raised:
                next(call)
            assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    with door.client() as client:
        assert list(client.known([])) == []  # and the server is alive


def test_health_says_that_the_door_is_shut_while_the_log_is_away(tmp_path: Path, run: Run) -> None:
    service = "gristmill.ingestion.v1.IngestionService"
    once = Retries(attempts=1)
    with Door("127.0.0.1:1", tmp_path) as door, Client(door.address, retries=once) as client:
        assert not client.is_serving(service), "nobody is there to check files"
        door.api.answer_in_workers("ingestion-test", 1, whole=False)
        assert client.is_serving(service)
        with pytest.raises(CallError):
            list(client.submit([run.file(1)]))
        assert not client.is_serving(service)
        assert client.is_serving(), "no worker is to be ended for it"
        assert client.is_serving("gristmill.v1.InfoService")


def test_health_says_so_too_when_the_worker_beside_it_has_lost_the_log(
    door: Door,
) -> None:
    service = "gristmill.ingestion.v1.IngestionService"
    door.api.answer_in_workers("ingestion-test", 1, whole=False)
    with door.client() as client:
        assert client.is_serving(service)
        door.health.set_log_away(True)
        assert not client.is_serving(service)
        door.health.set_log_away(False)
        assert client.is_serving(service)


def test_a_worker_out_of_its_group_still_answers_calls(door: Door) -> None:
    door.api.answer_in_workers("ingestion-test", 1, whole=False)
    with door.client() as client:
        door.health.set_waiting()
        assert not client.is_serving()
        assert client.is_serving("gristmill.ingestion.v1.IngestionService")


def test_a_log_that_is_not_there_ends_the_stream_with_a_hint(tmp_path: Path, run: Run) -> None:
    once = Retries(attempts=1)
    with Door("127.0.0.1:1", tmp_path) as door, Client(door.address, retries=once) as client:
        with pytest.raises(CallError) as raised:
            list(client.submit([run.file(1)]))
        assert raised.value.status == "UNAVAILABLE"
        assert raised.value.retry_after_seconds


def test_the_command_submits_resumes_and_tells(
    door: Door, run: Run, bootstrap: str, tmp_path: Path
) -> None:
    root = tmp_path / run.name
    root.mkdir()
    for n in range(20):
        (root / f"f{n}.py").write_text(f"n = {n}\n")
    (root / "copy.py").write_text("n = 1\n")
    first, again = submitted(door, root), submitted(door, root)
    assert (first["accepted"], first["known_before"], first["refused"]) == (21, 0, 0)
    assert (again["accepted"], again["known_before"], again["refused"]) == (0, 21, 0)
    (root / "f1.py").write_text("n = -1\n")
    assert submitted(door, root)["accepted"] == 1
    assert len(run.on_topic(bootstrap)) == 22


def test_the_command_tells_what_was_refused_and_fails(door: Door, tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "a\nb.py").write_text("x = 1\n")
    (tmp_path / "src" / "c.py").write_text("x = 1\n")
    done = command(door, tmp_path / "src")
    assert done.returncode == 1
    assert "a\\nb.py" in done.stderr
    assert "name_unsafe" in done.stderr
    assert json.loads(done.stdout)["reasons"] == {"name_unsafe": 1}


def test_the_command_says_what_to_do_without_a_server(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("x = 1\n")
    arguments = ["submit", str(tmp_path / "a.py"), "--mill", str(tmp_path)]
    done = subprocess.run(gristmill(*arguments), capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "name a server by --to" in done.stderr


def test_the_command_ends_with_130_when_it_is_interrupted(door: Door, tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    for n in range(9000):
        (tmp_path / "src" / f"{n}.py").write_text(f"{n}\n" * 500)
    arguments = ["submit", str(tmp_path / "src"), "--to", door.address]
    # Tests that run in the background of a shell ignore the signal, and would hand that on.
    heeding = (
        "import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_DFL); "
        "os.execv(sys.argv[1], sys.argv[1:])"
    )
    with subprocess.Popen(
        [sys.executable, "-c", heeding, *gristmill(*arguments)], stderr=subprocess.PIPE, text=True
    ) as process:
        while not door.counted("IngestionService.Known"):
            assert process.poll() is None, process.communicate()[1]
            threading.Event().wait(0.05)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=30)
    assert process.returncode == 130, said


def gristmill(*arguments: str) -> list[str]:
    return [sys.executable, "-P", "-m", "gristmill.cli.main", *arguments]


def command(door: Door, root: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        gristmill("submit", str(root), "--to", door.address, "--json"),
        capture_output=True,
        text=True,
        check=False,
    )


def submitted(door: Door, root: Path) -> dict[str, Any]:
    done = command(door, root)
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told
