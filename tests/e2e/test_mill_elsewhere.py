"""The mill on a Kafka of the user's own: what is there is not changed, and stays until asked for.

Its topics hold a document whose text is not in the blob store any more, as after `make reset`: the
shards worker ends again and again.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from kafka import TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType
from kafka_broker import KafkaCluster

from gristmill.runtime.adapters.blobs import blob_reference
from gristmill.runtime.adapters.kafka_admin import administration, committed_offsets
from gristmill.runtime.adapters.kafka_client import make_producer
from gristmill.runtime.adapters.kafka_settings import KafkaSettings
from gristmill.runtime.adapters.kafka_topics import apply
from gristmill.runtime.adapters.topic_file import load_topics
from gristmill.runtime.model import Document, FileText, Kind, Origin, Position
from gristmill.runtime.wire import encode_document_without_body

SCRIPT = Path(__file__).resolve().parents[2] / "deploy" / "local" / "mill.py"
SHARDS, DEAD, THEIRS = "gristmill.shards.v1", "gristmill.dead.v1", "of-somebody-else"
RETENTION = "123456789"
PACE = {
    "GRISTMILL_STREAM_COMMIT_SECONDS": "0.3",
    "GRISTMILL_STREAM_WORKERS": "1",
    "GRISTMILL_KAFKA_SESSION_SECONDS": "3",
}
_SECONDS = 120


@pytest.fixture
def theirs(tmp_path: Path) -> Iterator[KafkaSettings]:
    """A Kafka with a topic of others, and of Gristmill's all but one, two of them changed."""
    with KafkaCluster(tmp_path / "kafka", die_with_parent=True) as cluster:
        settings = KafkaSettings(bootstrap=cluster.bootstrap)
        apply(settings, [topic for topic in load_topics() if topic.name != DEAD])
        producer = make_producer(settings)
        with administration(settings) as admin:
            admin.create_topics({THEIRS: {}})
            changed = ConfigResource(ConfigResourceType.TOPIC, SHARDS, {"retention.ms": RETENTION})
            admin.alter_configs([changed])
            admin.create_partitions({"gristmill.takedown.v1": 2})
        try:
            producer.send(SHARDS, _document(), key=b"a").get(timeout=20)
        finally:
            producer.close()
        yield settings


def _document() -> bytes:
    document = Document(
        id="a" * 32,
        kind=Kind.FILE,
        origin=Origin(source="test", repository="elsewhere", path="a.py"),
        position=Position(source="test", offset=1),
        body=FileText(content="a = 1\n", encoding="utf-8"),
        content_sha256="a" * 64,
        size_bytes=6,
    )
    return encode_document_without_body(document, blob_reference(b"gone", date(2026, 11, 26)))


def _retention_and_partitions(settings: KafkaSettings) -> tuple[str, int]:
    with administration(settings) as admin:
        asked = ConfigResource(ConfigResourceType.TOPIC, SHARDS)
        configs: Any = admin.describe_configs([asked], config_filter="all")["topic"][SHARDS]
        (takedown,) = admin.describe_topics(["gristmill.takedown.v1"])
        return str(configs["retention.ms"]["value"]), len(takedown["partitions"])


def test_a_kafka_of_the_users_own_is_only_added_to_and_deleted_from_when_asked(
    theirs: KafkaSettings, tmp_path: Path
) -> None:
    home = tmp_path / "home"

    def script(*words: str, **more: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, str(SCRIPT), *words, "--home", str(home)],
            env={**os.environ, **PACE, **more},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )

    try:
        begun = script("up", KAFKA_BOOTSTRAP=theirs.bootstrap)
        assert begun.returncode == 1
        assert begun.stdout.count("shards     ended  exit code 1; it is started again") == 3
        said = begun.stderr.splitlines()
        assert said[0] == "shards has ended 3 times; it says:"
        assert json.loads(said[1])["error"] == f"there is no blob store in {home / 'blobs'}"
        assert "the other parts run" in said[2]
        assert said[3].startswith("topics that are not as packaged, and stay so: 2; ")
        assert _retention_and_partitions(theirs) == (RETENTION, 2)
        log = (home / "mill.log").read_text()
        assert log.count("not by apply: it is there, and only what is missing is made") == 2
        assert f"{DEAD}  gristmill.dead begins at 0" in log
        with administration(theirs) as admin:
            place = committed_offsets(admin, {"gristmill.dead": [TopicPartition(DEAD, 0)]})
            assert list(place["gristmill.dead"].values()) == [0]

        reset = script("reset")
        assert reset.returncode == 0
        assert {one.name for one in home.iterdir()} == {"lock", "bootstrap"}
        assert f"in your Kafka at {theirs.bootstrap} stay: `make reset TOPICS=yes`" in reset.stderr
        with administration(theirs) as admin:
            assert set(admin.list_topics()) >= {THEIRS, SHARDS, DEAD}

        deleted = script("reset", "--topics")
        assert deleted.returncode == 0, deleted.stderr
        assert f"in your Kafka at {theirs.bootstrap}:" in deleted.stdout
        assert f"{SHARDS}  deleted" in deleted.stdout
        assert {one.name for one in home.iterdir()} == {"lock"}
        with administration(theirs) as admin:
            assert {one for one in admin.list_topics() if not one.startswith("__")} == {THEIRS}
            assert not [one for one in admin.list_groups() if "gristmill" in one["group_id"]]
    finally:
        assert script("down").returncode == 0
