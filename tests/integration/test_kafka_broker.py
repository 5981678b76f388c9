"""A cluster is the same one after every stop and crash, and nothing of it outlives its owner."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import kafka_broker
import pytest
from kafka import KafkaProducer
from kafka_broker import KafkaCluster, KafkaError

# Starts a broker as a test does, says its process id, and ends only by a signal.
_OWNER = """
import signal, sys
from pathlib import Path
from kafka_broker import KafkaCluster

cluster = KafkaCluster(Path(sys.argv[1]), die_with_parent=True)
cluster.start()
print(cluster.pid(), flush=True)
signal.pause()
"""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaCluster]:
    """A cluster that these tests stop and kill; in a folder that is hard to name."""
    directory = tmp_path_factory.mktemp("kafka") / "a, b = ü"
    with KafkaCluster(directory, die_with_parent=True) as cluster:
        yield cluster


@pytest.fixture
def running(cluster: KafkaCluster) -> KafkaCluster:
    if cluster.pid() is None:
        cluster.start()
    return cluster


@pytest.fixture
def topic(running: KafkaCluster, make_topic: Callable[[str], str]) -> str:
    return make_topic(running.bootstrap)


def send(cluster: KafkaCluster, topic: str, *records: bytes) -> None:
    producer = KafkaProducer(bootstrap_servers=cluster.bootstrap)
    try:
        for sent in [producer.send(topic, record) for record in records]:
            sent.get(20)
    finally:
        producer.close()


def alive(pid: int) -> bool:
    """A process that is dead and not yet reaped does not count."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def eventually(fact: Callable[[], bool], seconds: float = 20) -> bool:
    deadline = time.monotonic() + seconds
    while not fact() and time.monotonic() < deadline:
        time.sleep(0.02)
    return fact()


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_a_node_comes_back_with_its_records_its_ports_and_its_id(
    running: KafkaCluster, topic: str, read_committed: Any, end: str
) -> None:
    bootstrap, cluster_id, pid = running.bootstrap, running.cluster_id, running.pid()
    assert pid is not None
    send(running, topic, b"one", b"two")
    getattr(running, end)()
    assert running.pid() is None
    assert not alive(pid)
    running.start()
    assert (running.bootstrap, running.cluster_id) == (bootstrap, cluster_id)
    assert read_committed(bootstrap, topic, count=2) == [b"one", b"two"]


def test_another_owner_finds_the_same_cluster_in_the_directory(
    running: KafkaCluster, topic: str, read_committed: Any
) -> None:
    send(running, topic, b"kept")
    running.stop()
    with KafkaCluster(running.directory, die_with_parent=True) as other:
        assert other.bootstrap == running.bootstrap
        assert other.cluster_id == running.cluster_id
        assert read_committed(other.bootstrap, topic, count=1) == [b"kept"]


def test_a_lone_node_moves_when_its_port_is_taken(
    running: KafkaCluster, topic: str, read_committed: Any
) -> None:
    send(running, topic, b"kept")
    before, cluster_id = running.bootstrap, running.cluster_id
    running.stop()
    host, port = before.split(":")
    with socket.socket() as squatter:
        squatter.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        squatter.bind((host, int(port)))
        squatter.listen()
        running.start()
        assert running.bootstrap != before
        assert running.cluster_id == cluster_id
        assert read_committed(running.bootstrap, topic, count=1) == [b"kept"]


def test_a_frozen_node_is_silent_and_goes_on_when_thawed(
    running: KafkaCluster, topic: str, read_committed: Any
) -> None:
    producer = KafkaProducer(bootstrap_servers=running.bootstrap)
    try:
        producer.send(topic, b"before").get(20)
        running.freeze()
        during = producer.send(topic, b"during")
        assert not eventually(lambda: during.is_done, seconds=1)
        running.thaw()
        during.get(20)
    finally:
        running.thaw()
        producer.close()
    assert read_committed(running.bootstrap, topic, count=2) == [b"before", b"during"]


def test_a_frozen_node_can_be_stopped(running: KafkaCluster) -> None:
    running.freeze()
    begun = time.monotonic()
    running.stop(timeout_s=20)
    assert running.pid() is None
    assert time.monotonic() - begun < 15, "it heard, and was not killed at the deadline"


def test_two_owners_cannot_run_one_directory(running: KafkaCluster) -> None:
    with pytest.raises(KafkaError, match="already"):
        KafkaCluster(running.directory).start()
    assert running.pid() is not None


def test_a_node_that_cannot_start_says_why_and_leaves_nothing(tmp_path: Path) -> None:
    cluster = KafkaCluster(tmp_path, die_with_parent=True, properties={"num.io.threads": "none"})
    with pytest.raises(KafkaError, match=r"num\.io\.threads"):
        cluster.start()
    assert cluster.pid() is None
    assert cluster.log().parent == tmp_path


def test_a_node_dies_with_the_process_that_started_it(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(Path(kafka_broker.__file__).parent)}
    with subprocess.Popen(
        [sys.executable, "-c", _OWNER, str(tmp_path)], env=environment, stdout=subprocess.PIPE
    ) as owner:
        assert owner.stdout is not None
        pid = int(owner.stdout.readline())
        assert alive(pid)
        owner.send_signal(signal.SIGKILL)
    assert eventually(lambda: not alive(pid))


def test_a_start_needs_no_archive_of_classes_and_survives_a_broken_one(tmp_path: Path) -> None:
    jars = tmp_path / "jars"
    jars.mkdir()
    for jar in kafka_broker.fetch().glob("*.jar"):
        (jars / jar.name).symlink_to(jar)
    (jars / "classes.jsa").write_bytes(b"no archive" * 1000)
    with KafkaCluster(tmp_path / "cluster", jars=jars, die_with_parent=True) as cluster:
        assert cluster.pid() is not None


def test_three_nodes_know_each_other_and_keep_their_ports(tmp_path: Path) -> None:
    cluster = KafkaCluster(tmp_path, nodes=3)
    try:
        cluster.format()
        state = json.loads((tmp_path / "cluster.json").read_text())
        ports = [port for node in state["nodes"] for port in node["ports"].values()]
        assert len(set(ports)) == 6
        assert max(ports) < 32_768
        assert len(cluster.bootstrap.split(",")) == 3
    finally:
        cluster.stop()
    with pytest.raises(KafkaError, match="3 nodes, not 1"):
        KafkaCluster(tmp_path).format()


@pytest.mark.parametrize(("present", "missing"), [((), "no java"), (("java",), "no mvn")])
def test_what_is_missing_is_named_with_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, present: tuple[str, ...], missing: str
) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    for program in present:
        (programs / program).write_text("#!/bin/sh\necho 'openjdk version \"17.0.1\"' >&2\n")
        (programs / program).chmod(0o755)
    monkeypatch.setenv("PATH", str(programs))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    kafka_broker.java.cache_clear()
    try:
        with pytest.raises(KafkaError, match=rf"{missing}.*apt-get install"):
            kafka_broker.fetch(tmp_path / "jars")
    finally:
        kafka_broker.java.cache_clear()
    assert not (tmp_path / "jars").exists()


def test_an_old_java_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "java").write_text("#!/bin/sh\necho 'java version \"11.0.2\"' >&2\n")
    (tmp_path / "bin" / "java").chmod(0o755)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    kafka_broker.java.cache_clear()
    try:
        with pytest.raises(KafkaError, match="is Java 11; "):
            kafka_broker.java()
    finally:
        kafka_broker.java.cache_clear()
