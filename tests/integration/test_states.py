"""Log, tables and index that do not fit together: one clear error each, or the right continuation.

Only the dedup and the shards worker run, in threads; a test writes documents for them itself.
Whatever happened, what is fed again at the end is all there, each document once.
"""

import hashlib
import io
import json
import os
import random
import shutil
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from kafka import TopicPartition
from kafka_broker import KafkaCluster

from gristmill.cli import dedup
from gristmill.cli.reading import open_tables, scan
from gristmill.cli.serving import Service
from gristmill.runtime.adapters.json_log import JsonLog
from gristmill.runtime.adapters.kafka_admin import administration, group_lag, topic_sources
from gristmill.runtime.adapters.kafka_client import make_producer
from gristmill.runtime.adapters.kafka_settings import KafkaSettings
from gristmill.runtime.adapters.kafka_topics import apply
from gristmill.runtime.adapters.topic_file import load_topics
from gristmill.runtime.model import (
    BadInput,
    Document,
    FileText,
    GristmillError,
    Kind,
    Origin,
    Position,
)
from gristmill.runtime.wire import encode_document

DEDUP, SHARDS, LEDGER = "gristmill.dedup.v1", "gristmill.shards.v1", "gristmill.ledger.v1"
CRAWL = "gristmill.crawl.v1"
QUALITY = "gristmill.quality.v1"
READ = {"dedup": [DEDUP], "quality": [QUALITY], "shards": [SHARDS, LEDGER]}
SCRIPT = Path(__file__).resolve().parents[2] / "deploy" / "local" / "mill.py"
_SECONDS = 60.0
_SESSION_SECONDS = "3"


class Threaded(Service):
    """A service outside of the main thread, whom no signal reaches."""

    workers: list[Any]

    def _stopping_on_signals(self) -> AbstractContextManager[list[Any]]:
        return nullcontext(self.workers)

    def _last_call(self) -> AbstractContextManager[Any]:
        return nullcontext()  # it ends processes


class Running:
    """A worker put together as `gristmill serve` does it, in a thread, and what it says."""

    def __init__(self, stage: str) -> None:
        self._service = Threaded.prepare(stage, None)
        self._service.workers = self._workers = []
        self._log = io.StringIO()
        self._service.log = JsonLog(stage, stream=self._log)
        self.error: GristmillError | None = None
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._service.run()
        except GristmillError as error:
            self.error = error

    @property
    def has_ended(self) -> bool:
        return not self._thread.is_alive()

    def stop(self) -> None:
        """Do what SIGTERM does."""
        self._service.told_to_stop_at = self._service.clock.monotonic()
        for worker in self._workers:
            worker.stop()

    def wait(self) -> None:
        self._thread.join(_SECONDS)
        assert self.has_ended, self._log.getvalue()[-2000:]

    def says(self, event: str, about: str = "") -> bool:
        lines = map(json.loads, self._log.getvalue().splitlines())
        return any(one["event"] == event and about in json.dumps(one) for one in lines)


@dataclass
class Site:
    """A log with nothing in it, a directory, and the workers between them."""

    cluster: KafkaCluster
    root: Path
    stack: ExitStack
    monkeypatch: pytest.MonkeyPatch
    offset: int = 0
    running: dict[str, Running] = field(default_factory=dict)

    @property
    def kafka(self) -> KafkaSettings:
        return KafkaSettings(bootstrap=self.cluster.bootstrap)

    @property
    def tables(self) -> Path:
        return self.root / "tables"

    def set_environment(self) -> None:
        """Let all that is started here, in this process too, work on this site."""
        environment = {
            "GRISTMILL_KAFKA_BOOTSTRAP": self.cluster.bootstrap,
            "GRISTMILL_KAFKA_SESSION_SECONDS": _SESSION_SECONDS,
            "GRISTMILL_SERVE_DIRECTORY": str(self.tables),
            "GRISTMILL_BLOBS_URL": str(self.root / "blobs"),
            "GRISTMILL_STREAM_COMMIT_SECONDS": "0.2",
        }
        for name, value in environment.items():
            self.monkeypatch.setenv(name, value)

    # --- workers ----------------------------------------------------------------------------------

    def start(self, *stages: str) -> None:
        """Start workers and wait until they serve; dedup with the scorer behind it."""
        begun = [self.begin(stage) for stage in with_scorer(stages)]
        for worker in begun:
            wait_for(partial(worker.says, "serving"), "a worker serves")

    def begin(self, stage: str) -> Running:
        """Start a worker and do not wait."""
        worker = self.running[stage] = Running(stage)
        self.stack.callback(worker.wait)
        self.stack.callback(worker.stop)
        return worker

    def stop(self, *stages: str) -> None:
        """End workers in order."""
        ended = [self.running.pop(stage) for stage in with_scorer(stages) if stage in self.running]
        for worker in ended:
            worker.stop()
        for worker in ended:
            worker.wait()
            assert worker.error is None

    def refused(self, stage: str) -> str:
        """Start a worker that cannot go on, or take one that runs; return its error."""
        worker = self.running.get(stage) or self.begin(stage)
        del self.running[stage]
        if stage == "dedup" and "quality" in self.running:
            self.stop("quality")
        worker.wait()
        assert worker.error is not None
        return str(worker.error)

    def rebuild(self) -> None:
        dedup.rebuild(str(self.tables), str(self.root))

    # --- the log ----------------------------------------------------------------------------------

    def feed(self, names: Sequence[str]) -> None:
        """Deliver documents to the dedup worker, as the stages before it would."""
        source = f"{topic_sources(self.kafka, [CRAWL])[CRAWL]}/0"
        producer = make_producer(self.kafka)
        try:
            for name in names:
                self.offset += 1
                document = make_document(name, Position(source=source, offset=self.offset << 20))
                producer.send(DEDUP, encode_document(document), key=name.encode())
            producer.flush(timeout=20)
        finally:
            producer.close()

    def wait_until_idle(self, *stages: str) -> None:
        groups = {f"gristmill.{stage}": READ[stage] for stage in with_scorer(stages)}

        def idle() -> bool:
            return not any(sum(one.values()) for one in group_lag(self.kafka, groups).values())

        wait_for(idle, f"{stages} are idle")

    def lag(self, stage: str) -> int:
        """How many offsets a stage is behind."""
        behind = group_lag(self.kafka, {f"gristmill.{stage}": READ[stage]})
        return sum(sum(one.values()) for one in behind.values())

    def make_topics(self, **options: bool) -> None:
        """Make the topics and places that are missing, when former members have gone."""
        wait_for(lambda: not apply(self.kafka, load_topics(), **options).left, "topics are made")

    def delete_topics(self, *names: str) -> None:
        with administration(self.kafka) as admin:
            there = sorted(set(names) & set(admin.list_topics()))
            if there:
                admin.delete_topics(there)
            wait_for(lambda: not set(names) & set(admin.list_topics()), "topics are deleted")

    def forget_places(self, group: str) -> None:
        """Delete a group, when its former members have gone."""
        with administration(self.kafka) as admin:
            wait_for(lambda: not admin.describe_groups([group])[group]["members"], "nobody is left")
            admin.delete_groups([group])

    def trim(self, topic: str) -> None:
        """Delete all records that a topic holds, as retention does."""
        with administration(self.kafka) as admin:
            there = TopicPartition(topic, 0)
            admin.delete_records({there: -1})

    def move_to(self, cluster: KafkaCluster) -> None:
        self.cluster = cluster
        self.set_environment()
        self.empty()

    def empty(self) -> None:
        """Take out what the test before left there."""
        self.delete_topics(*(topic.name for topic in load_topics()))
        self.make_topics()

    # --- what came of it --------------------------------------------------------------------------

    def rows(self, tables: str = "tables") -> Counter[str]:
        """How often each document is in `files`."""
        files = scan(open_tables(str(self.root / tables)), "files", ["path"])
        return Counter(files["path"].to_pylist())

    def assert_all_there_when_fed_again(self, names: Sequence[str]) -> None:
        """Nothing is lost and nothing is doubled, in the end."""
        self.feed(names)
        self.wait_until_idle("dedup", "shards")
        rows = self.rows()
        lost = [name for name in names if rows[name] == 0]
        doubled = {name: count for name, count in rows.items() if count > 1}
        assert (lost, doubled) == ([], {})


def with_scorer(stages: Sequence[str]) -> list[str]:
    """Return the stages, with what stands between dedup and the tables."""
    return [
        one for stage in stages for one in ((stage, "quality") if stage == "dedup" else (stage,))
    ]


def wait_for(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + _SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"not in {_SECONDS:.0f} s: {what}"
        time.sleep(0.1)


def make_document(name: str, position: Position) -> Document:
    chance = random.Random(name)
    text = "".join(f"v{chance.getrandbits(40)} = f{chance.getrandbits(40)}()\n" for _ in range(20))
    return Document(
        id=hashlib.sha256(name.encode()).hexdigest()[:32],
        kind=Kind.FILE,
        origin=Origin(source="test", repository="states", path=name),
        position=position,
        body=FileText(content=text, encoding="utf-8"),
        content_sha256=hashlib.sha256(text.encode()).hexdigest(),
        size_bytes=len(text),
    )


def named(prefix: str, count: int = 5) -> list[str]:
    return [f"{prefix}-{number}.py" for number in range(count)]


@pytest.fixture(scope="module")
def clusters(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[KafkaCluster, ...]]:
    """Two logs: one, and another one that takes its place."""
    root = tmp_path_factory.mktemp("clusters")
    made = tuple(KafkaCluster(root / name, die_with_parent=True) for name in ("one", "another"))
    with ExitStack() as stack:
        for cluster in made:
            stack.callback(cluster.stop)
            cluster.start(wait=False)
        for cluster in made:
            cluster.wait_ready()
        yield made


@pytest.fixture
def site(
    clusters: tuple[KafkaCluster, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Site]:
    with ExitStack() as stack:
        site = Site(clusters[0], tmp_path, stack, monkeypatch)
        site.set_environment()
        site.empty()
        yield site


def test_a_new_log_gives_up_what_no_table_took_in(
    site: Site, clusters: tuple[KafkaCluster, ...]
) -> None:
    written, unwritten = named("written"), named("unwritten")
    site.start("dedup", "shards")
    site.feed(written)
    site.wait_until_idle("dedup", "shards")
    site.stop("shards")
    site.feed(unwritten)
    site.wait_until_idle("dedup")
    site.stop("dedup")
    assert set(site.rows()) == set(written)
    site.move_to(clusters[1])
    site.start("dedup", "shards")
    assert site.running["dedup"].says("claims of another log given up", f'"documents": {5}')
    assert set(site.rows()) == set(written)  # what the old log had is not read twice
    site.assert_all_there_when_fed_again([*written, *unwritten])


def test_without_its_index_a_directory_waits_for_a_rebuild(site: Site) -> None:
    first, second = named("first"), named("second")
    site.start("dedup", "shards")
    site.feed(first)
    site.wait_until_idle("dedup", "shards")
    site.stop("shards")
    site.feed(second)
    site.wait_until_idle("dedup")
    site.stop("dedup")
    shutil.rmtree(site.tables / "index")
    assert "is missing, but its tables hold documents; `gristmill dedup" in site.refused("dedup")
    with pytest.raises(BadInput, match=r"have not yet taken in all of .* start Kafka and the sh"):
        site.rebuild()
    site.start("shards")
    site.wait_until_idle("shards")
    site.rebuild()
    site.start("dedup")
    with pytest.raises(BadInput, match="another worker is admitting"):
        site.rebuild()
    site.assert_all_there_when_fed_again([*first, *second])


def test_new_tables_take_in_the_log_and_then_want_an_index_of_their_own(site: Site) -> None:
    names = named("names")
    site.start("dedup", "shards")
    site.feed(names)
    site.wait_until_idle("dedup", "shards")
    site.stop("dedup", "shards")
    old_index = site.root / "index"
    (site.tables / "index").rename(old_index)
    shutil.rmtree(site.tables)
    shutil.copytree(old_index, site.tables / "index")
    assert "exists and is not the output of a gristmill run" in site.refused("shards")
    shutil.rmtree(site.tables)
    waiting = site.begin("dedup")
    wait_for(lambda: waiting.says("waiting for the log", "not yet taken in"), "dedup waits")
    site.start("shards")
    assert "knows fewer documents than the tables beside it" in site.refused("dedup")
    assert set(site.rows()) == set(names)
    shutil.rmtree(site.tables / "index")
    old_index.rename(site.tables / "index")
    assert "belongs to other tables than those beside it" in site.refused("dedup")
    site.wait_until_idle("shards")
    site.rebuild()
    site.start("dedup")
    site.assert_all_there_when_fed_again(names)


def test_records_gone_before_the_tables_took_them_are_an_error_and_may_be_fed_again(
    site: Site,
) -> None:
    written, gone = named("written"), named("gone")
    site.start("dedup", "shards")
    site.feed(written)
    site.wait_until_idle("dedup", "shards")
    site.stop("shards")
    site.feed(gone)
    site.wait_until_idle("dedup")
    site.trim(SHARDS)
    line = site.refused("shards")
    assert "records that gristmill.shards has not read are gone" in line
    site.stop("dedup")
    site.delete_topics(SHARDS)
    assert f"there is no topic {SHARDS}: `gristmill topics apply`" in site.refused("shards")
    assert f"there is no topic {SHARDS}: `gristmill topics apply`" in site.refused("dedup")
    site.make_topics()
    site.start("dedup", "shards")
    assert site.running["dedup"].says("claims of another log given up")
    site.assert_all_there_when_fed_again([*written, *gone])


def test_a_topic_made_again_is_read_from_its_beginning(site: Site) -> None:
    written, waiting = named("written"), named("waiting")
    site.start("dedup", "shards")
    site.feed(written)
    site.wait_until_idle("dedup", "shards")
    site.stop("dedup", "shards")
    site.feed(waiting)
    site.delete_topics(DEDUP)
    site.make_topics()
    site.start("dedup", "shards")
    site.assert_all_there_when_fed_again([*written, *waiting])


def test_behind_a_topic_made_again_dedup_waits_for_what_is_on_its_way(site: Site) -> None:
    written, behind = named("written"), named("behind")
    site.start("dedup", "shards")
    site.feed(written)
    site.wait_until_idle("dedup", "shards")
    site.stop("quality")
    site.feed(behind)
    wait_for(lambda: site.lag("dedup") == 0, "dedup is idle")
    site.stop("dedup")
    site.delete_topics(DEDUP)
    site.make_topics()
    waiting = site.begin("dedup")
    wait_for(
        lambda: waiting.says("waiting for the log", "quality has not yet passed on"), "dedup waits"
    )
    site.begin("quality")
    wait_for(partial(waiting.says, "serving"), "dedup serves")
    assert not waiting.says("claims of another log given up")
    site.assert_all_there_when_fed_again([*written, *behind])


def test_records_gone_before_dedup_read_them_are_an_error(site: Site) -> None:
    site.start("dedup")
    site.feed(named("written"))
    site.wait_until_idle("dedup")
    site.stop("dedup")
    site.feed(named("gone"))
    site.trim(DEDUP)
    assert "records that gristmill.dedup has not read are gone" in site.refused("dedup")


def test_a_place_that_is_gone_is_an_error_until_somebody_says_where_to_begin(site: Site) -> None:
    names = named("names")
    site.start("dedup", "shards")
    site.feed(names)
    site.wait_until_idle("dedup", "shards")
    site.stop("dedup")
    site.forget_places("gristmill.dedup")
    line = site.refused("dedup")
    assert "gristmill.dedup has no place in it" in line
    assert "gristmill topics apply --from-beginning" in line
    begun = subprocess.run(
        [sys.executable, "-m", "gristmill.cli.main", "topics", "apply", "--from-beginning"],
        env={**os.environ, "GRISTMILL_KAFKA_BOOTSTRAP": site.cluster.bootstrap},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert begun.returncode == 2
    assert "--from-beginning would double what was kept" in begun.stderr
    site.rebuild()
    site.make_topics(from_beginning=True)
    site.start("dedup")
    site.assert_all_there_when_fed_again(names)


def test_a_mill_on_a_kafka_of_the_users_own(site: Site) -> None:
    def script(command: str) -> "subprocess.CompletedProcess[str]":
        site.monkeypatch.setenv("KAFKA_BOOTSTRAP", site.cluster.bootstrap)
        return subprocess.run(
            [sys.executable, str(SCRIPT), command, "--home", str(site.root / "home")],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=2 * _SECONDS,
            check=False,
        )

    names = named("names")
    try:
        begun = script("up")
        assert begun.returncode == 0, begun.stderr
        assert site.cluster.bootstrap in begun.stdout.splitlines()[0]
        site.feed(names)
        site.wait_until_idle("dedup", "shards")
    finally:
        ended = script("down")
    assert ended.returncode == 0, ended.stderr
    assert not (site.root / "home" / "kafka").exists()
    assert Counter(site.rows("home/tables").values()) == {1: len(names)}
    # The user's Kafka is left alone; and where it has forgotten a place, nobody guesses.
    site.forget_places("gristmill.dedup")
    refused = script("up")
    assert refused.returncode == 1
    assert "the mill did not start; its log ends:" in refused.stderr
    assert "gristmill.dedup has no place in it" in refused.stderr
    assert script("down").returncode == 0
