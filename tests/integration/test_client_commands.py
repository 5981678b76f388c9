"""`gristmill ping` and `gristmill submit` where something is wrong: one sentence, and why."""

import os
import subprocess
import sys
from pathlib import Path

import certificates
import pytest
from grpc_served import Served

NO_CHANNEL = """
from gristmill.cli import main
import grpc
try:
    grpc.insecure_channel("")
except Exception:
    pass
"""


def run(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    kept = {name: value for name, value in os.environ.items() if name != "GRPC_VERBOSITY"}
    return subprocess.run(
        [sys.executable, "-P", *arguments],
        env={**kept, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def gristmill(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return run("-m", "gristmill.cli.main", *arguments)


def test_grpc_writes_to_stderr_only_for_whoever_asks_for_it() -> None:
    assert run("-c", NO_CHANNEL).stderr == ""
    assert run("-c", NO_CHANNEL, GRPC_VERBOSITY="ERROR").stderr != ""


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["ping", ""], "the address is empty"),
        (["submit", __file__, "--to", " "], "the address is empty"),
        (["ping", "127.0.0.1:1", "--tls-ca", __file__], "cannot be used"),
        (["ping", "127.0.0.1:1", "--tls-key", __file__], "go together"),
        (["submit", __file__, "--to", "127.0.0.1:1", "--tls-key", __file__], "go together"),
    ],
)
def test_what_cannot_be_used_is_told_in_one_line(arguments: list[str], why: str) -> None:
    done = gristmill(*arguments)
    (line,) = done.stderr.splitlines()
    assert line.startswith("gristmill: ")
    assert why in line
    assert done.returncode == 2


def test_a_server_that_asks_for_tls_is_waited_for_with_a_hint(tmp_path: Path) -> None:
    certificates.make_authority(tmp_path)
    certificates.issue(tmp_path, "server")
    settings = {
        "TLS_CERTIFICATE": str(tmp_path / "server.pem"),
        "TLS_KEY": str(tmp_path / "server.key"),
    }
    with Served("ingestion", settings) as served:
        command = (sys.executable, "-P", "-m", "gristmill.cli.main", "submit", __file__)
        with subprocess.Popen(
            [*command, "--to", served.address], stderr=subprocess.PIPE, text=True
        ) as process:
            assert process.stderr is not None
            told = process.stderr.readline()
            process.kill()
        assert told.startswith(f"waiting for {served.address}: UNAVAILABLE: ")
        assert "--tls-ca" in told
        pinged = gristmill("ping", served.address, "--json")
        assert pinged.returncode == 1
        assert "--tls-ca" in pinged.stdout
        trusted = gristmill("ping", served.address, "--tls-ca", str(tmp_path / certificates.CA))
        assert "its calls are not answered now" in trusted.stdout, trusted.stderr
