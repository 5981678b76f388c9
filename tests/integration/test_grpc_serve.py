"""`gristmill serve` as a process: calls without a worker, and how it ends."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from gristmill.client import Client
from gristmill.runtime.adapters.iceberg import IcebergTables, local_catalog
from gristmill.runtime.adapters.lmdb_index import LmdbIndex, Table
from gristmill.runtime.adapters.run_directory import RunDirectory
from gristmill.runtime.wire.generated.gristmill.syntax.v1 import syntax_pb2, syntax_pb2_grpc
from gristmill.runtime.wire.generated.gristmill.v1 import (
    document_pb2,
    info_pb2,
    info_pb2_grpc,
    verdict_pb2,
)

SECONDS = 120


class Serving:
    """One `gristmill serve` without a worker."""

    def __init__(self, folder: Path, stage: str, most_files: int = 0, **settings: str) -> None:
        self.log = folder / "serve.log"
        limited = ["/bin/sh", "-c", f'ulimit -n {most_files}; exec "$@"', "serve"]
        environment = {f"GRISTMILL_{name}": value for name, value in settings.items()}
        with open(self.log, "wb") as stderr:
            self.process = subprocess.Popen(
                [
                    *(limited if most_files else []),
                    *(sys.executable, "-P", "-m", "gristmill.cli.main", "serve", stage),
                ],
                env={**os.environ, "GRISTMILL_STREAM_WORKERS": "1", **environment},
                stdin=subprocess.DEVNULL,
                stderr=stderr,
                cwd=folder,
            )

    def events(self) -> dict[str, dict[str, Any]]:
        lines = [line for line in self.log.read_text().splitlines(keepends=True) if "\n" in line]
        return {told["event"]: told for told in map(json.loads, lines)}

    def address(self, port: str) -> str:
        until(lambda: "serving" in self.events() or self.process.poll() is not None)
        return f"127.0.0.1:{self.events()['starting'][port]}"

    def num_running(self) -> float:
        with urllib.request.urlopen(f"http://{self.address('http_port')}/metrics") as page:
            text = page.read().decode()
        wanted = 'gristmill_calls_in_flight{method="SyntaxService.Parse"} '
        found = [line for line in text.splitlines() if line.startswith(wanted)]
        return sum(float(line.removeprefix(wanted)) for line in found)


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not holds():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.02)


@contextmanager
def serving(folder: Path, stage: str, most_files: int = 0, **settings: str) -> Iterator[Serving]:
    made = Serving(folder, stage, most_files, SERVE_WORKER="false", **settings)
    try:
        yield made
    finally:
        made.process.kill()
        made.process.wait()


@pytest.fixture
def syntax(tmp_path: Path) -> Iterator[Serving]:
    with serving(tmp_path, "syntax", STREAM_DRAIN_SECONDS="100") as made:
        yield made


def _files(count: int) -> list[verdict_pb2.SourceFile]:
    text = "def f_{0}(a, b):\n    return [a + {0}, b * {0}]\n"
    return [
        verdict_pb2.SourceFile(
            origin=document_pb2.Origin(path=f"{number}.py"),
            content="".join(text.format(number * 100 + row) for row in range(30)),
        )
        for number in range(count)
    ]


def test_at_sigterm_health_flips_at_once_running_calls_end_well_and_the_process_too(
    syntax: Serving,
) -> None:
    with grpc.insecure_channel(syntax.address("grpc_port")) as channel:
        stub = syntax_pb2_grpc.SyntaxServiceStub(channel)
        watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest())
        assert next(watch).status == health_pb2.HealthCheckResponse.SERVING
        running = stub.Parse.future(syntax_pb2.ParseRequest(files=_files(2000)), timeout=SECONDS)
        until(lambda: syntax.num_running() == 1)
        syntax.process.send_signal(signal.SIGTERM)
        assert next(watch).status == health_pb2.HealthCheckResponse.NOT_SERVING
        assert not running.done()
        with pytest.raises(grpc.RpcError) as caught:
            stub.Parse(syntax_pb2.ParseRequest(files=_files(1)), timeout=SECONDS)
        assert caught.value.code() == grpc.StatusCode.UNAVAILABLE
        assert len(running.result().verdicts) == 2000
    assert syntax.process.wait(SECONDS) == 0, syntax.log.read_text()
    assert list(syntax.events())[-1] == "stopped"


def test_where_few_files_may_be_open_connections_give_way_and_calls_are_answered(
    tmp_path: Path,
) -> None:
    with serving(tmp_path, "syntax", most_files=1024) as few, ExitStack() as stack:
        host, port = few.address("grpc_port").split(":")
        warned = few.events()["fewer connections than wanted: the limit of open files is low"]
        assert (warned["connections"], warned["open_files"]) == (512, 1024)
        channel = stack.enter_context(grpc.insecure_channel(f"{host}:{port}"))
        stub = syntax_pb2_grpc.SyntaxServiceStub(channel)
        info_pb2_grpc.InfoServiceStub(channel).Get(info_pb2.InfoServiceGetRequest())
        for _ in range(1003):
            stack.enter_context(socket.create_connection((host, int(port)), timeout=SECONDS))
        # Its worker processes start with the first call: they need open files of their own.
        answer = stub.Parse(syntax_pb2.ParseRequest(files=_files(2)), timeout=SECONDS)
        assert len(answer.verdicts) == 2


def test_no_worker_process_is_there_before_the_first_call(syntax: Serving) -> None:
    with grpc.insecure_channel(syntax.address("grpc_port")) as channel:
        assert _children(syntax.process.pid) == 0
        stub = syntax_pb2_grpc.SyntaxServiceStub(channel)
        stub.Parse(syntax_pb2.ParseRequest(files=_files(1)), timeout=SECONDS)
        assert _children(syntax.process.pid) == 1


def _children(pid: int) -> int:
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return sum(len((one / "children").read_text().split()) for one in tasks)


@pytest.fixture
def tables(tmp_path: Path) -> Path:
    """A directory whose tables hold nothing yet; it has no index."""
    path = tmp_path / "tables"
    RunDirectory.create(str(path))
    IcebergTables(local_catalog(str(path))).create()
    return path


def _make_index(tables: Path) -> None:
    table = Table(uuid="u", positions={}, num_documents=0)
    LmdbIndex(str(tables / "index"), table, map_bytes=1 << 26).close()


@pytest.mark.parametrize("stage", ["ingestion", "syntax", "quality", "dedup", "shards"])
def test_every_stage_without_a_worker_says_that_it_serves(
    stage: str, tmp_path: Path, tables: Path
) -> None:
    _make_index(tables)
    with (
        serving(tmp_path, stage, SERVE_DIRECTORY=str(tables)) as made,
        Client(made.address("grpc_port")) as client,
    ):
        until(lambda: client.is_serving(f"gristmill.{stage}"))
        assert client.info().state == info_pb2.SERVICE_STATE_SERVING
        url = f"http://{made.address('http_port')}/readyz"
        with urllib.request.urlopen(url) as page:
            assert page.status == 200


def test_dedup_says_that_it_waits_for_its_index_and_serves_when_it_comes(
    tmp_path: Path, tables: Path
) -> None:
    with serving(tmp_path, "dedup", SERVE_DIRECTORY=str(tables)) as made:
        until(lambda: "waiting for the index" in made.events())
        assert "serving" not in made.events()
        _make_index(tables)
        with Client(made.address("grpc_port")) as client:
            until(lambda: client.is_serving("gristmill.dedup"))
        assert "waiting for the log" not in made.events()


@pytest.mark.parametrize("stage", ["dedup", "shards"])
def test_a_directory_that_is_not_there_is_an_error(stage: str, tmp_path: Path) -> None:
    with serving(tmp_path, stage, SERVE_DIRECTORY=str(tmp_path / "nothing")) as made:
        assert made.process.wait(SECONDS) == 2
        assert "is not the output of a gristmill run" in made.log.read_text()


def test_nothing_to_serve_is_an_error(tmp_path: Path) -> None:
    serving = Serving(tmp_path, "syntax", SERVE_WORKER="false", SERVE_API="false")
    assert serving.process.wait(SECONDS) == 2
    assert "worker and api are both off" in serving.log.read_text()


def test_plaintext_on_an_open_address_is_refused(tmp_path: Path) -> None:
    serving = Serving(tmp_path, "quality", SERVE_WORKER="false", SERVE_HOST="0.0.0.0")
    assert serving.process.wait(SECONDS) == 2
    assert "tls.plaintext" in serving.log.read_text()
