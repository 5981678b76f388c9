"""Clients that send without end, to a front door whose log is slow: how much the server holds.

    with FaultProxy(kafka.proxy_routes) as proxy, Door(kafka.proxied_bootstrap, folder) as door:
        proxy.pace(8 << 20)
        told = flood(door, num_clients=2, num_bytes=32 << 20)

The door is a process of its own, `gristmill serve ingestion` without its worker; what is measured
of it is what its kernel and its own metrics say.
"""

import itertools
import json
import os
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from gristmill.client import Accepted, Client, Origin, Submission, file_item

_START_S = 90.0
_STEP_S = 0.05
_FLOOD_S = 300.0
_FILE_BYTES = 50_000
_CLIENT_BYTES = 64 << 20  # that each client is ready to send ahead of its receipts
_WARM_FILES = 40
_HELD = 'gristmill_submit_inflight_bytes{stage="ingestion"} '


class Door:
    """The front door as a process; keys and blobs lie in `folder`."""

    def __init__(self, bootstrap: str, folder: Path, **settings: str) -> None:
        """Start it. Raises RuntimeError when it does not come to serve."""
        self._log = folder / "serve.log"
        told = {
            "KAFKA_BOOTSTRAP": bootstrap,
            "SERVE_WORKER": "false",
            "SUBMIT_DIRECTORY": str(folder / "submitted"),
            "BLOBS_URL": str(folder / "blobs"),
            **settings,
        }
        with open(self._log, "wb") as stderr:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-m", "gristmill.cli.main", "serve", "ingestion"],
                env={**os.environ, **{f"GRISTMILL_{name}": value for name, value in told.items()}},
                stdin=subprocess.DEVNULL,
                stderr=stderr,
            )
        try:
            starting = self._started()
        except BaseException:
            self.close()
            raise
        self.address = f"127.0.0.1:{starting['grpc_port']}"
        self._metrics = f"http://127.0.0.1:{starting['http_port']}/metrics"

    def _started(self) -> dict[str, int]:
        deadline = time.monotonic() + _START_S
        while '"event": "serving"' not in (text := self._log.read_text()):
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the front door does not start:\n{text}")
            time.sleep(_STEP_S)
        events = {told["event"]: told for told in map(json.loads, text.splitlines())}
        starting: dict[str, int] = events["starting"]
        return starting

    def peak_bytes(self) -> int:
        """Return the most memory that the process has had resident so far."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) << 10
        raise OSError("/proc/PID/status has no VmHWM")

    def held_bytes(self) -> int:
        """Return the bytes that the door has taken in and that are not safe yet."""
        with urllib.request.urlopen(self._metrics) as page:
            lines = page.read().decode().splitlines()
        found = [line for line in lines if line.startswith(_HELD)]
        return sum(int(float(line.removeprefix(_HELD))) for line in found)

    def close(self) -> None:
        """End it; twice is harmless."""
        self.process.terminate()
        self.process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


@dataclass(frozen=True, kw_only=True)
class Flooded:
    """What was seen of a server."""

    before_bytes: int
    """Its memory at its peak when a few files were in."""
    peak_bytes: int
    """Its memory at its peak when the flood was over."""
    most_held_bytes: int
    acknowledged_bytes: int


class _Crawlers:
    """Clients, each in a thread of its own, until they are told to stop."""

    def __init__(self, address: str) -> None:
        self._address = address
        self.acknowledged: Counter[str] = Counter()
        self.stop = False

    def send(self, name: str) -> None:
        """Send files as fast as they are taken."""
        with Client(self._address, name=name) as client:
            files = self._files(name)
            for receipt in client.submit(files, most_items=1_000_000, most_bytes=_CLIENT_BYTES):
                assert isinstance(receipt.result, Accepted), receipt
                self.acknowledged[name] += _FILE_BYTES
                if self.stop:
                    return

    def _files(self, name: str) -> Iterator[Submission]:
        content = os.urandom(_FILE_BYTES - 8)  # or a log that packs would take more
        for number in itertools.count():
            origin = Origin(source="flood", repository=name, path=f"f{number}")
            yield file_item(b"%08d" % number + content, origin)


def flood(door: Door, *, num_clients: int, num_bytes: int) -> Flooded:
    """Have clients send until so many bytes are acknowledged; return what was seen meanwhile."""
    with Client(door.address, name="warm") as client:
        files = itertools.islice(_Crawlers(door.address)._files("warm"), _WARM_FILES)
        assert len(list(client.submit(files))) == _WARM_FILES
    before, most_held = door.peak_bytes(), 0
    crawlers = _Crawlers(door.address)
    deadline = time.monotonic() + _FLOOD_S
    with ThreadPoolExecutor(num_clients) as threads:
        sending = [threads.submit(crawlers.send, f"crawler-{n}") for n in range(num_clients)]
        try:
            while (taken := crawlers.acknowledged.total()) < num_bytes:
                for one in sending:
                    if one.done():
                        one.result()
                assert time.monotonic() < deadline, f"{taken} bytes are acknowledged, no more"
                most_held = max(most_held, door.held_bytes())
                time.sleep(_STEP_S)
        finally:
            crawlers.stop = True
    return Flooded(
        before_bytes=before,
        peak_bytes=door.peak_bytes(),
        most_held_bytes=most_held,
        acknowledged_bytes=taken,
    )
