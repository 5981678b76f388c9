"""`make up TLS=1`: mutual TLS on every service, and what the commands make of it."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from gristmill import __version__

SCRIPT = Path(__file__).resolve().parents[2] / "deploy" / "local" / "mill.py"
PACE = {"GRISTMILL_STREAM_COMMIT_SECONDS": "0.5", "GRISTMILL_STREAM_WORKERS": "1"}
STAGES = {"ingestion", "syntax", "dedup", "quality", "shards"}
_SECONDS = 180


def _script(command: str, home: Path, *more: str) -> None:
    done = subprocess.run(
        [sys.executable, str(SCRIPT), command, "--home", str(home), *more],
        env={**os.environ, **PACE},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A mill that speaks mutual TLS."""
    path = tmp_path_factory.mktemp("tls") / "home"
    try:
        _script("up", path, "--tls")
        yield path
    finally:
        _script("down", path)


def test_ping_shows_every_service(mill: Any, home: Path) -> None:
    told = mill("ping", "--mill", home, "--json")
    assert told.code == 0, told.err
    services = {one["stage"]: one for one in told.told["services"]}
    assert services.keys() == STAGES
    for one in services.values():
        assert one["serving"]
        assert one["state"] == "serving"
        assert one["version"] == __version__
        assert len(one["settings"]) == 8
    people = mill("ping", "--mill", home)
    assert people.code == 0
    assert people.out.count("serving") == len(STAGES)


def test_a_service_of_the_mill_is_known_by_its_address(mill: Any, home: Path) -> None:
    address = json.loads((home / "mill.json").read_text())["services"]["syntax"]["grpc"]
    told = mill("ping", address, "--mill", home, "--json")
    assert told.code == 0, told.err
    assert [one["stage"] for one in told.told["services"]] == ["syntax"]


def test_who_has_no_certificate_is_told_nothing(mill: Any, home: Path, tmp_path: Path) -> None:
    state = json.loads((home / "mill.json").read_text())
    address = state["services"]["syntax"]["grpc"]
    for more in ((), ("--tls-ca", state["tls"]["ca"])):
        told = mill("ping", address, "--mill", tmp_path, "--json", *more)
        assert told.code == 1
        (one,) = told.told["services"]
        assert not one["serving"]
        assert "UNAVAILABLE" in one["error"]
    with grpc.insecure_channel(address) as channel, pytest.raises(grpc.RpcError) as caught:
        channel.unary_unary("/gristmill.v1.InfoService/Get")(b"", timeout=20)
    assert caught.value.code() == grpc.StatusCode.UNAVAILABLE


def test_what_is_submitted_comes_through(mill: Any, home: Path, source: Path) -> None:
    submitted = mill("submit", source, "--mill", home, "--json")
    assert submitted.code == 0, submitted.err
    status = mill("status", "--mill", home)
    assert status.code == 0
    assert status.out.count("grpc 127.0.0.1:") == len(STAGES)


def test_keys_are_for_nobody_else(home: Path) -> None:
    keys = sorted((home / "tls").glob("*.key"))
    assert len(keys) == 3
    assert {one.stat().st_mode & 0o077 for one in keys} == {0}
