"""`make up` and what it leaves running: one mill of real processes, shared by all tests here.

The tests run in any order and hand the mill on as it is. Each feeds texts that are like no other's.
"""

import contextlib
import http.client
import io
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import sysconfig
import tarfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import pyarrow as pa
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from pyarrow import parquet
from seaweed import BUCKET, Seaweed

from gristmill.cli.reading import open_tables, scan
from gristmill.runtime.adapters.announcements import TOPIC as FINALIZED
from gristmill.runtime.adapters.iceberg import vector_of
from gristmill.runtime.adapters.kafka_admin import administration, group_lag
from gristmill.runtime.adapters.kafka_client import make_producer
from gristmill.runtime.adapters.kafka_scan import scan_topic
from gristmill.runtime.adapters.kafka_settings import KafkaSettings
from gristmill.runtime.ports import METRICS
from gristmill.runtime.testing.git import GitRepository

ROOT = Path(__file__).resolve().parents[2]
GRISTMILL = (sys.executable, "-m", "gristmill.cli.main")
SCRIPT = ROOT / "deploy" / "local" / "mill.py"
STAGES = ("ingestion", "syntax", "dedup", "quality", "shards")
GROUPS = {
    "gristmill.ingestion": ["gristmill.crawl.v1"],
    "gristmill.syntax": ["gristmill.syntax.v1"],
    "gristmill.dedup": ["gristmill.dedup.v1"],
    "gristmill.quality": ["gristmill.quality.v1"],
    "gristmill.shards": ["gristmill.shards.v1", "gristmill.ledger.v1"],
}
# As people have it, but for tables that are written soon, and a machine that others use, too.
PACE = {"GRISTMILL_STREAM_COMMIT_SECONDS": "0.3", "GRISTMILL_STREAM_WORKERS": "1"}
DECISION = (
    "document_id", "path", "stage", "outcome", "reason", "matched_id", "similarity", "version",
)  # fmt: skip
MEMBER_BITS = 20
_SECONDS = 120.0


@dataclass
class Running:
    """The mill in one directory, whoever started it."""

    home: Path
    cli: Any
    source: Path
    up_told: list[str] = field(default_factory=list)

    @property
    def tables(self) -> Path:
        return self.home / "tables"

    @property
    def state(self) -> dict[str, Any]:
        state: dict[str, Any] = json.loads((self.home / "mill.json").read_text())
        return state

    @property
    def kafka(self) -> KafkaSettings:
        return KafkaSettings(bootstrap=self.state["environment"]["GRISTMILL_KAFKA_BOOTSTRAP"])

    def script(self, command: str, *more: str) -> "subprocess.CompletedProcess[str]":
        """Run the script as `make` does; its pipes are read to their end."""
        return subprocess.run(
            [sys.executable, str(SCRIPT), command, "--home", str(self.home), *more],
            env={**os.environ, **PACE},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )

    def up(self) -> list[str]:
        done = self.script("up")
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.splitlines()

    def command(self, *words: str | Path) -> Any:
        return self.cli(*words, "--mill", self.home)

    def feed(self, *sources: Path) -> int:
        finished = self.command("feed", *sources, "--json")
        assert finished.code == 0, finished.err
        return int(finished.told["items"])

    def feed_through(self, *sources: Path) -> int:
        items = self.feed(*sources)
        self.wait_until_idle()
        return items

    def lag(self) -> int:
        return sum(sum(one.values()) for one in group_lag(self.kafka, GROUPS).values())

    def wait_until_idle(self) -> None:
        wait_for(lambda: self.lag() == 0, "the mill is idle")

    def worker(self, stage: str) -> dict[str, Any]:
        about: dict[str, Any] = self.state["services"][stage]
        return about

    def wait_until_restarted(self, before: Mapping[str, int]) -> None:
        """Wait until the stages in `before` have other process ids and are ready."""

        def restarted() -> bool:
            now = {stage: self.worker(stage) for stage in before}
            others = all(now[stage]["pid"] != pid for stage, pid in before.items())
            return others and all(get(one["metrics"], "/readyz")[0] == 200 for one in now.values())

        wait_for(restarted, f"{', '.join(before)} are restarted")

    def ledger(self, repository: Path) -> list[dict[str, Any]]:
        """The decisions about one source, by position and stage."""
        columns = ("repository", *DECISION, "position_source", "position_offset")
        rows = scan(open_tables(str(self.tables)), "ledger", columns).to_pylist()
        return in_order(row for row in rows if row["repository"] == repository.name)

    def kept(self, repository: Path) -> list[str]:
        """The ids in `files` that came from one source, sorted; each must be there once."""
        files = scan(open_tables(str(self.tables)), "files", ["document_id", "repository"])
        rows = files.to_pylist()
        ids = [row["document_id"] for row in rows if row["repository"] == repository.name]
        assert len(ids) == len(set(ids)), "rows are doubled"
        return sorted(ids)

    def processes(self) -> dict[int, str]:
        """Every process that belongs to this home, by what it was started with or where it runs."""
        found = {}
        for entry in Path("/proc").iterdir():
            if not entry.name.isdecimal() or int(entry.name) == os.getpid():
                continue
            with contextlib.suppress(OSError):
                told = (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes()
                where = os.readlink(entry / "cwd")
                if os.fsencode(self.home) in told or where.startswith(str(self.home)):
                    found[int(entry.name)] = told[:80].decode(errors="replace")
        return found


def wait_for(condition: Callable[[], bool], what: str, seconds: float = _SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not in {seconds:.0f} s: {what}"
        time.sleep(0.1)


def get(address: str, path: str) -> tuple[int, str]:
    """Ask a worker; status 0 where nobody answers."""
    connection = http.client.HTTPConnection(address, timeout=5)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    except (OSError, http.client.HTTPException):
        return 0, ""
    finally:
        connection.close()


def in_order(rows: Any) -> list[dict[str, Any]]:
    stages = {stage: number for number, stage in enumerate(STAGES)}
    return sorted(rows, key=lambda row: (row["position_offset"], stages[row["stage"]]))


def write_sources(directory: Path, count: int, lines: int, seed: str) -> Path:
    """Python files like no others: each word of theirs is drawn from the seed."""
    chance = random.Random(seed)
    directory.mkdir(parents=True)
    for number in range(count):
        word = f"{chance.getrandbits(40):010x}"
        text = [
            f"v{word}_{line} = f{chance.getrandbits(32):08x}({chance.getrandbits(32)}, {line})"
            for line in range(lines)
        ]
        (directory / f"m{number:04}.py").write_text("\n".join(text) + "\n")
    return directory


@pytest.fixture(scope="module")
def running(mill: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A mill into which one source was fed; it is stopped and looked after at the end."""
    root = tmp_path_factory.mktemp("mill")
    running = Running(root / "home", mill, _real_source(root / "real"))
    try:
        began = time.monotonic()
        running.up_told = running.up()
        up_seconds = time.monotonic() - began
        running.feed(running.source)
        wait_for(lambda: bool(running.kept(running.source)), "a first row")
        row_seconds = time.monotonic() - began
        print(f"up in {up_seconds:.1f} s, first row after {row_seconds:.1f} s")
        running.wait_until_idle()
        yield running
        stopped = running.script("down")
        assert stopped.returncode == 0, stopped.stderr
        assert running.processes() == {}
    finally:
        for pid in running.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def _real_source(root: Path) -> Path:
    library = Path(sysconfig.get_paths()["stdlib"])
    without = shutil.ignore_patterns("__pycache__", "test*")
    for package in ("json", "logging", "email"):
        shutil.copytree(library / package, root / package, ignore=without)
    shutil.copytree(library / "json", root / "copy-of-json", ignore=without)
    near = (library / "json" / "decoder.py").read_text()
    (root / "near.py").write_text(near.replace("def raw_decode", "def decode_raw"))
    (root / "broken.py").write_text("def f(:\n" * 50)
    (root / "empty.py").write_text("")
    (root / "large.py").write_text(
        "".join(f"name_{number} = {number * 7919}\n" for number in range(15_000))
    )
    return root


# --- up and down ----------------------------------------------------------------------------------


def test_up_tells_of_each_part_that_it_is_ready(running: Running) -> None:
    assert {line.split()[0] for line in running.up_told} == {"kafka", *STAGES}
    assert all(line.split()[1] == "ready" for line in running.up_told)


def test_up_again_shows_the_mill_that_runs(running: Running) -> None:
    before = running.state
    assert {line.split()[0] for line in running.up()} == {"kafka", *STAGES}
    assert running.state == before


def test_a_mill_without_tls_is_not_passed_off_as_one_with(running: Running) -> None:
    before = running.state
    done = running.script("up", "--tls")
    assert done.returncode == 1
    assert "it runs without TLS" in done.stderr
    assert "make down" in done.stderr
    assert running.state == before


def test_the_supervisor_holds_nothing_of_its_callers(running: Running) -> None:
    supervisor = Path("/proc") / str(running.state["supervisor"])
    held = {os.readlink(one) for one in (supervisor / "fd").iterdir()}
    ours = {"/dev/null", str(running.home / "mill.log"), str(running.home / "lock")}
    in_kafka = {one for one in held if one.startswith(str(running.home / "kafka"))}
    assert {one for one in held - ours - in_kafka if not one.startswith("socket:")} == set()
    assert int((supervisor / "stat").read_text().rpartition(") ")[2].split()[3]) == int(
        supervisor.name
    )  # a session of its own


def test_status_tells_what_it_promises(running: Running) -> None:
    running.wait_until_idle()
    finished = running.command("status", "--json")
    assert finished.code == 0, finished.err
    told = finished.told
    promised = {"lag", "services", "tables", "oldest_transaction_seconds"}
    assert set(told) == {*promised, "lost_transaction_ends"}
    assert told["lag"] == 0  # also behind the marks of transactions
    assert set(told["services"]) == set(STAGES)
    for about in told["services"].values():
        assert about["state"] == "serving"
        assert about["metrics"].startswith("127.0.0.1:")
        assert about["grpc"].startswith("127.0.0.1:")
    assert set(told["tables"]) == {"files", "ledger"}
    assert told["tables"]["files"]["rows"] >= len(running.kept(running.source))
    assert told["oldest_transaction_seconds"] == 0
    assert told["lost_transaction_ends"] == 0
    people = running.command("status")
    assert people.code == 0, people.err
    assert "0 records wait" in people.out


def test_a_report_is_written_while_the_mill_runs_and_shows_what_the_log_holds(
    running: Running, tmp_path: Path
) -> None:
    before = running.state
    page = tmp_path / "report.html"
    finished = running.cli("report", running.tables, "-o", page, "--json")
    assert finished.code == 0, finished.err
    assert finished.told["kept"] >= len(running.kept(running.source))
    assert finished.told["pairs"] >= 1
    text = page.read_text()
    assert "raw_decode" in text
    assert "its source is gone or has changed" not in text
    assert "fed by workers over a log" in text
    assert "Time by step: not recorded here." in text
    assert running.state == before


@pytest.fixture
def seaweed(tmp_path: Path) -> Iterator[Seaweed]:
    directory = tmp_path / "seaweed"
    directory.mkdir()
    server = Seaweed(str(directory))
    try:
        server.start()
        server.wait_until_ready()
        yield server
    finally:
        server.kill()


def judged(tables: Path, repositories: list[str]) -> tuple[list[Any], list[Any]]:
    """Return what is kept of repositories and all decisions on them, in whatever order."""
    opened = open_tables(str(tables))
    columns = ("repository", "path", "content_sha256")
    decided = (*columns, "stage", "outcome", "reason", "size_bytes", "language")
    kept, decisions = (
        sorted(
            [row[name] or "" for name in names]
            for row in scan(opened, table, names).to_pylist()
            if row["repository"] in repositories
        )
        for table, names in (("files", columns), ("ledger", decided))
    )
    return kept, decisions


def test_git_tables_and_servers_are_fed_like_the_same_files_in_directories(
    running: Running, seaweed: Seaweed, mill: Any, tmp_path: Path
) -> None:
    directories = [sources_that_fall(tmp_path / name) for name in ("of-git", "of-rows", "of-s3")]
    git, rows, s3 = (
        {path.relative_to(one).as_posix(): path.read_bytes() for path in sorted(one.rglob("*.py"))}
        for one in directories
    )
    repository = GitRepository(str(tmp_path / "of-git.git"))
    repository.commit_files(git)
    columns = {"text": pa.array(list(rows.values()), pa.binary()), "name": list(rows)}
    table = pa.table(columns | {"repo": ["of-rows"] * len(rows)})
    parquet.write_table(table, tmp_path / "rows.parquet", row_group_size=7)
    with seaweed.files().open_output_stream(f"{BUCKET}/of-s3.tar", compression=None) as stream:
        stream.write(packed(s3))
    (tmp_path / "names.jsonl").write_text('{"repository": "of-s3.tar", "name": "of-s3"}\n')
    settings = seaweed.settings("reader")
    fed = running.cli.with_environment(
        GRISTMILL_SOURCES_S3_ENDPOINT=settings.s3_endpoint,
        GRISTMILL_SOURCES_S3_ACCESS_KEY=settings.s3_access_key,
        GRISTMILL_SOURCES_S3_SECRET_KEY=settings.s3_secret_key.get_secret_value(),
    )(
        *("feed", repository.directory, tmp_path / "rows.parquet", f"s3://{BUCKET}/of-s3.tar"),
        *("--map", "content=text,path=name,repository=repo"),
        *("--metadata", tmp_path / "names.jsonl", "--mill", running.home, "--json"),
    )
    assert fed.code == 0, fed.err
    assert fed.told["items"] == len(git) + len(rows) + len(s3)
    told = mill.run(*directories, "--out", tmp_path / "run")
    assert told["kept"] > 0
    fallen = {"exact_duplicate": 3, "syntax_errors": 3, "binary": 3, "vendored": 3}
    assert told["dropped"] == fallen
    running.wait_until_idle()
    names = [one.name for one in directories]
    assert judged(running.tables, names) == judged(tmp_path / "run", names)


def sources_that_fall(directory: Path) -> Path:
    """Files like no others', and one each that falls for some reason."""
    write_sources(directory, 12, 10, directory.name)
    (directory / "m0003.py").write_bytes((directory / "m0002.py").read_bytes())
    (directory / "m0004.py").write_text(f"{directory.name} = 1\n" + "def (:\n" * 20)
    (directory / "m0005.py").write_bytes(b"\0" + directory.name.encode())
    (directory / "vendor").mkdir()
    (directory / "m0006.py").rename(directory / "vendor" / "m0006.py")
    return directory


def packed(files: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for path, content in files.items():
            about = tarfile.TarInfo(path)
            about.size = len(content)
            archive.addfile(about, io.BytesIO(content))
    return buffer.getvalue()


def test_all_killed_workers_come_back_and_a_feed_comes_through(
    running: Running, tmp_path: Path
) -> None:
    source = write_sources(tmp_path / "killed-workers", 40, 30, "killed-workers")
    before = {stage: running.worker(stage)["pid"] for stage in STAGES}
    running.feed(source)
    for pid in before.values():
        os.kill(pid, signal.SIGKILL)
    running.wait_until_restarted(before)
    running.wait_until_idle()
    assert len(running.kept(source)) == 40
    assert all(row["outcome"] == "keep" for row in running.ledger(source))
    assert len(running.ledger(source)) == 40 * len(STAGES)


def test_a_killed_supervisor_leaves_nothing_behind_and_up_works_again(
    running: Running, tmp_path: Path
) -> None:
    before = running.kept(running.source)
    os.kill(running.state["supervisor"], signal.SIGKILL)
    wait_for(lambda: not running.processes(), "nothing is left behind", seconds=45)
    told = running.up()
    assert {line.split()[0] for line in told} == {"kafka", *STAGES}
    assert running.kept(running.source) == before
    source = write_sources(tmp_path / "killed-supervisor", 3, 30, "killed-supervisor")
    running.feed_through(source)
    assert len(running.kept(source)) == 3


def test_the_log_holds_what_all_parts_say_and_is_bounded(running: Running) -> None:
    log, old = running.home / "mill.log", running.home / "mill.log.1"
    assert old.exists() or "Kafka Server started" in log.read_text()
    assert not list((running.home / "kafka").glob("*.log"))
    os.truncate(log, 51 << 20)  # as if much had been said
    wait_for(lambda: log.stat().st_size < 1 << 20, "the log begins anew", 10)
    assert old.stat().st_size >= 51 << 20
    before = {"syntax": running.worker("syntax")["pid"]}
    os.kill(before["syntax"], signal.SIGKILL)
    running.wait_until_restarted(before)
    lines = log.read_text().splitlines()
    assert "syntax ended with -9; it is started again" in lines
    assert any(line.startswith("{") and json.loads(line)["service"] == "syntax" for line in lines)
    assert "\0" not in log.read_text()


# --- what is kept ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def alone(running: Running, mill: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of the command over the source that the mill was fed first."""
    out: Path = tmp_path_factory.mktemp("alone") / "out"
    mill.run(running.source, "--out", out, "--workers", "1")
    return out


def test_the_mill_decides_as_a_run_does_in_the_same_order(running: Running, alone: Path) -> None:
    columns = (*DECISION, "position_source", "position_offset")
    of_run = in_order(scan(open_tables(str(alone)), "ledger", columns).to_pylist())
    of_mill = running.ledger(running.source)
    assert [[row[name] for name in DECISION] for row in of_mill] == [
        [row[name] for name in DECISION] for row in of_run
    ]
    reasons = {row["reason"] for row in of_run}
    assert {"exact_duplicate", "near_duplicate", "syntax_errors"} <= reasons
    assert running.kept(running.source) == sorted(
        row["document_id"] for row in of_run if (row["stage"], row["outcome"]) == ("shards", "keep")
    )


def test_the_mill_writes_the_rows_that_a_run_writes(running: Running, alone: Path) -> None:
    columns = (
        "document_id", "content", "content_sha256", "encoding", "source", "repository", "path",
        "language", "licence", "error_share",
    )  # fmt: skip
    of_run = scan(open_tables(str(alone)), "files", columns).to_pylist()
    ours = {row["document_id"] for row in of_run}
    of_mill = scan(open_tables(str(running.tables)), "files", columns).to_pylist()
    by_id = {row["document_id"]: row for row in of_mill}
    assert {one: by_id[one] for one in ours} == {row["document_id"]: row for row in of_run}
    assert any(len(row["content"]) > 256 << 10 for row in of_run), "one goes by the blob store"


def test_what_is_fed_again_is_resubmitted(running: Running, tmp_path: Path) -> None:
    source = write_sources(tmp_path / "fed-again", 12, 20, "fed-again")
    assert running.feed_through(source) == 12
    kept = running.kept(source)
    assert len(kept) == 12
    assert running.feed_through(source) == 12
    assert running.kept(source) == kept
    dedup = [row for row in running.ledger(source) if row["stage"] == "dedup"]
    assert [row["outcome"] for row in dedup] == ["keep"] * 12 + ["drop"] * 12
    assert {row["reason"] for row in dedup[12:]} == {"resubmitted"}


def test_a_feed_killed_half_way_and_begun_again_keeps_the_same(
    running: Running, tmp_path: Path
) -> None:
    source = write_sources(tmp_path / "killed-feed", 100, 2000, "killed-feed")  # several batches
    topic = {"gristmill.nobody": ["gristmill.crawl.v1"]}
    before = group_lag(running.kafka, topic)
    process = subprocess.Popen(
        [*GRISTMILL, "feed", str(source), "--mill", str(running.home)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        while group_lag(running.kafka, topic) == before:
            assert process.poll() is None, "the feed ended before it could be killed"
    finally:
        process.kill()
        assert process.wait() == -signal.SIGKILL
    running.wait_until_idle()
    half = running.kept(source)
    assert 0 < len(half) < 100
    running.feed_through(source)
    assert len(running.kept(source)) == 100
    reasons = Counter(row["reason"] for row in running.ledger(source) if row["outcome"] == "drop")
    assert reasons == {"resubmitted": len(half)}


def test_why_and_tables_read_the_directory_while_the_mill_runs(running: Running, mill: Any) -> None:
    tables = mill("tables", running.tables, "--json")
    assert tables.code == 0, tables.err
    assert tables.told["files"]["rows"] > 0
    assert all(name.startswith("kafka/") for name in tables.told["ledger"]["positions"])
    (near,) = mill("why", running.tables, "--path", "near.py", "--json").told["documents"]
    assert (near["status"], near["reason"]) == ("dropped", "near_duplicate")
    assert [one["stage"] for one in near["decisions"]] == ["ingestion", "syntax", "dedup"]
    assert near["decisions"][-1]["matched"]["path"] == "copy-of-json/decoder.py"
    people = mill("why", running.tables, "--path", "near.py")
    assert people.code == 0, people.err


def test_runs_and_workers_keep_out_of_each_others_directories(
    running: Running, alone: Path, mill: Any
) -> None:
    refused = mill("run", running.source, "--out", running.tables)
    assert (refused.code, len(refused.err.splitlines())) == (2, 1)
    assert "put sources in with `gristmill feed`" in refused.err
    bootstrap = running.kafka.bootstrap
    worker = mill.with_environment(
        GRISTMILL_KAFKA_BOOTSTRAP=bootstrap, GRISTMILL_SERVE_DIRECTORY=str(alone)
    )
    refused = worker("serve", "shards")
    assert refused.code == 2
    assert "belongs to `gristmill run`" in refused.err.splitlines()[-1]


# --- dead letters ---------------------------------------------------------------------------------


def test_a_dead_letter_keeps_its_bytes_and_its_first_position(running: Running) -> None:
    topics = {"ingestion": "gristmill.crawl.v1", "syntax": "gristmill.syntax.v1"}
    bodies = {stage: b"\xff\x00 of " + stage.encode() for stage in topics}
    firsts = {}
    producer = make_producer(running.kafka)
    try:
        for stage, topic in topics.items():
            sent = producer.send(topic, bodies[stage], key=b"garbage", headers=[("own", b"\xfe")])
            firsts[stage] = sent.get(timeout=20).offset
    finally:
        producer.close()
    running.wait_until_idle()
    letters = _letters(running)
    assert {stage: letter["attempt"] for stage, letter in letters.items()} == dict.fromkeys(
        topics, "1"
    )
    for stage, letter in letters.items():
        assert letter["reason"] == "unreadable"
        assert (letter["topic"], letter["partition"]) == (topics[stage], "0")
        assert letter["offset"] == str(firsts[stage])
        assert _raw(running, letter["letter"]) == bodies[stage]
    shown = running.command("dead", "show", letters["syntax"]["letter"])
    assert shown.code == 0, shown.err
    assert "unreadable" in shown.out

    for mistaken in (("--stage", "nosuch"), ("--reason", "nosuch"), ("9:9",)):
        refused = running.command("dead", "replay", *mistaken, "--json")
        assert refused.code != 0
        assert "there is no" in refused.err
    replayed = running.command("dead", "replay", "--stage", "dedup", "--json")
    assert replayed.told == {"replayed": 0, "left": 2}
    assert _letters(running) == letters, "nothing is written where nothing is sent in"
    replayed = running.command("dead", "replay", letters["syntax"]["letter"], "--json")
    assert replayed.told == {"replayed": 1, "left": 1}
    running.wait_until_idle()
    again = _letters(running)
    assert {stage: letter["attempt"] for stage, letter in again.items()} == {
        "ingestion": "1",  # put back as it was
        "syntax": "2",
    }
    assert again["ingestion"] == {**letters["ingestion"], "letter": again["ingestion"]["letter"]}
    assert again["syntax"]["bytes"] == len(bodies["syntax"])
    assert again["syntax"]["position_source"].startswith("kafka/")
    assert again["syntax"]["position_offset"] == str(firsts["syntax"] << MEMBER_BITS)
    columns = ("outcome", "position_offset", "repository")
    rows = scan(open_tables(str(running.tables)), "ledger", columns).to_pylist()
    for stage, times in {"ingestion": 1, "syntax": 2}.items():
        own = [row for row in rows if row["repository"] == topics[stage]]
        assert {row["position_offset"] for row in own} == {firsts[stage] << MEMBER_BITS}
        assert [row["outcome"] for row in own] == ["reject"] * times


def _letters(running: Running) -> dict[str, dict[str, Any]]:
    finished = running.command("dead", "list", "--json")
    assert finished.code == 0, finished.err
    listed = [json.loads(line) for line in finished.out.splitlines()]
    letters = {one["stage"]: one for one in listed}
    assert len(letters) == len(listed)
    return letters


def _raw(running: Running, letter: str) -> bytes:
    """The bytes of a letter, as the command writes them."""
    return subprocess.run(
        [*GRISTMILL, "dead", "show", letter, "--raw", "--mill", str(running.home)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=_SECONDS,
        check=True,
    ).stdout


# --- announcements --------------------------------------------------------------------------------


def test_every_snapshot_is_announced_once_also_by_a_worker_that_died_before(
    running: Running, tmp_path: Path
) -> None:
    source = write_sources(tmp_path / "announced", 5, 20, "announced")
    _set_announcement_bytes(running, 1)  # the tables are written, the announcement is refused
    try:
        before = running.worker("shards")["pid"]
        running.feed(source)
        wait_for(lambda: running.worker("shards")["pid"] != before, "the worker ended")
        assert _announced(running) != _snapshots(running)
    finally:
        _set_announcement_bytes(running, 1 << 20)
    running.wait_until_idle()
    wait_for(lambda: _announced(running) == _snapshots(running), "all is announced", 30)
    assert len(running.kept(source)) == 5


def test_an_announcement_says_what_the_snapshot_added(running: Running) -> None:
    running.wait_until_idle()
    wait_for(lambda: _announced(running) == _snapshots(running), "all is announced", 30)
    tables = open_tables(str(running.tables))
    told = [json.loads(one.value) for one in scan_topic(running.kafka, FINALIZED)]
    for name in ("files", "ledger"):
        ours = [one for one in told if one["table"] == f"gristmill.{name}"]
        assert sum(one["rows"] for one in ours) == tables.num_rows(name)
        assert ours[-1]["positions"] == tables.positions(name)
        assert all(set(one) == {"table", "snapshot", "files", "rows", "positions"} for one in ours)


def _announced(running: Running) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {"gristmill.files": [], "gristmill.ledger": []}
    for one in scan_topic(running.kafka, FINALIZED):
        told = json.loads(one.value)
        found[told["table"]].append(told["snapshot"])
    return found


def _snapshots(running: Running) -> dict[str, list[int]]:
    """The snapshots that carry positions, oldest first, of each table."""
    found = {}
    for name in ("files", "ledger"):
        table = open_tables(str(running.tables)).load(name)
        by_age = sorted(table.snapshots(), key=lambda one: one.sequence_number or 0)
        found[f"gristmill.{name}"] = [one.snapshot_id for one in by_age if vector_of(one)]
    return found


def _set_announcement_bytes(running: Running, count: int) -> None:
    from kafka.admin import ConfigResource, ConfigResourceType

    config = {"max.message.bytes": str(count)}
    with administration(running.kafka) as admin:
        admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, FINALIZED, config)])


# --- a worker -------------------------------------------------------------------------------------


@pytest.mark.parametrize("stage", STAGES)
def test_a_worker_tells_its_health_and_its_metrics(running: Running, stage: str) -> None:
    wait_for(lambda: get(running.worker(stage)["metrics"], "/readyz")[0] == 200, "it is ready")
    about = running.worker(stage)
    assert get(about["metrics"], "/livez")[0] == 200
    status, ready = get(about["metrics"], "/readyz")
    assert (status, json.loads(ready)["state"]) == (200, "serving")
    status, exposition = get(about["metrics"], "/metrics")
    assert status == 200
    told = {line.split()[2] for line in exposition.splitlines() if line.startswith("# TYPE")}
    assert {name for name in told if name.startswith("gristmill_")} == set(METRICS)
    channel = grpc.insecure_channel(about["grpc"])
    try:
        asked = health_pb2.HealthCheckRequest(service=f"gristmill.{stage}")
        answer = health_pb2_grpc.HealthStub(channel).Check(asked, timeout=10)
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
    finally:
        channel.close()


@pytest.mark.parametrize(
    ("stage", "variable", "value", "said"),
    [
        ("syntax", "GRISTMILL_STREAM_BATCH_RECORD", "5", "no setting behind the environment var"),
        ("syntax", "GRISTMILL_STREAM_BATCH_RECORDS", "many", "GRISTMILL_STREAM_BATCH_RECORDS: str"),
        ("parse", "GRISTMILL_STREAM_BATCH_RECORDS", "5", "no stage 'parse' to serve; there are"),
    ],
)
def test_a_worker_refuses_what_it_cannot_use_in_one_line(
    mill: Any, stage: str, variable: str, value: str, said: str
) -> None:
    refused = mill.with_environment(**{variable: value})("serve", stage)
    assert refused.code == 2
    (line,) = refused.err.splitlines()
    assert said in line


@pytest.fixture(scope="module", autouse=True)
def lonely(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Any, Path]]:
    """A worker whose broker is not there, and its log: it waits while the other tests work."""
    log = tmp_path_factory.mktemp("lonely") / "log"
    own = {
        "GRISTMILL_KAFKA_BOOTSTRAP": "127.0.0.1:1",
        "GRISTMILL_KAFKA_SASL_PASSWORD": "hunter2",
        "GRISTMILL_STREAM_WORKERS": "1",
    }
    with open(log, "wb") as stream:
        process = subprocess.Popen(
            [*GRISTMILL, "serve", "syntax"],
            env={**os.environ, **own},
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
        )
    try:
        yield process, log
    finally:
        process.kill()
        process.wait()


def test_a_worker_waits_for_its_broker_masks_the_password_and_ends_when_told(
    lonely: tuple[Any, Path],
) -> None:
    process, log = lonely
    wait_for(lambda: b"waiting for the log" in log.read_bytes(), "it says that it waits", 60)
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    (settings,) = (one for one in lines if one["event"] == "effective settings")
    assert settings["kafka"]["bootstrap"] == "127.0.0.1:1"
    assert set(settings["kafka"]["sasl_password"]) == {"*"}
    (start,) = (one for one in lines if one["event"] == "starting")
    address = f"127.0.0.1:{start['http_port']}"
    assert get(address, "/livez")[0] == 200
    assert get(address, "/readyz")[0] == 503
    process.terminate()
    assert process.wait(timeout=30) == 0
    assert "hunter2" not in log.read_text()
    assert json.loads(log.read_text().splitlines()[-1])["event"] == "stopped"
