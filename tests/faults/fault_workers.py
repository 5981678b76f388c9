"""Workers of a mill as real processes: started, watched, started anew when they end.

One thread starts and watches all of them, as a supervisor would. The kernel kills a worker when
that thread ends, so that none is left behind, however a test ends.
"""

import http.client
import json
import os
import re
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Self

_STEP_S = 0.05
_SCRAPE_S = 1.0
_RESTART_S = 0.2
COMMAND = (sys.executable, "-m", "gristmill.cli.main")
# As for brokers: a step of its own, because code between fork and exec may deadlock.
_TIED = """
import ctypes, os, signal, sys
ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)
if os.getppid() != int(sys.argv[1]):
    sys.exit("the process that started this worker has ended")
os.execv(sys.argv[2], sys.argv[2:])
"""
_BUCKET = re.compile(r'gristmill_transaction_seconds_bucket\{le="([^"]+)",stage="[^"]+"\} (\S+)')
_BUCKET_OTHER = re.compile(
    r'gristmill_transaction_seconds_bucket\{stage="[^"]+",le="([^"]+)"\} (\S+)'
)


@dataclass
class Life:
    """One process of a worker, from its start to its end."""

    stage: str
    ordinal: int
    process: subprocess.Popen[bytes]
    log: Path
    began: float  # by the wall clock, as logs are
    buckets: Mapping[float, int] = field(default_factory=dict)
    http_port: int | None = None
    frozen: bool = False
    thawed_at: float = 0.0

    @property
    def ended(self) -> bool:
        return self.process.poll() is not None

    def events(self) -> Iterator[dict[str, Any]]:
        """Yield the lines of its log."""
        if not self.log.exists():
            return
        for line in self.log.read_text(errors="replace").splitlines():
            with suppress(ValueError):
                yield json.loads(line)

    def first_line(self) -> float | None:
        """Return when it wrote its first line."""
        for event in self.events():
            return moment(event)
        return None

    def rss_bytes(self) -> int:
        """Return the memory that it and its own worker processes hold now."""
        return sum(_rss(pid) for pid in [self.process.pid, *_children(self.process.pid)])

    def scrape(self) -> None:
        """Note its histogram of transactions; silence where it does not answer."""
        if self.http_port is None:
            starting = (e["http_port"] for e in self.events() if e.get("event") == "starting")
            self.http_port = next(starting, None)
        if self.http_port is None or self.frozen or self.ended:
            return
        connection = http.client.HTTPConnection("127.0.0.1", self.http_port, timeout=1)
        try:
            connection.request("GET", "/metrics")
            text = connection.getresponse().read().decode()
        except (OSError, http.client.HTTPException):
            return
        finally:
            connection.close()
        found = [*_BUCKET.findall(text), *_BUCKET_OTHER.findall(text)]
        self.buckets = {float(bound): int(float(count)) for bound, count in found}


@dataclass
class _Slot:
    """A worker that is wanted: it is started again when it ends."""

    stage: str
    ordinal: int
    environment: Mapping[str, str]
    command: Sequence[str]
    life: Life | None = None
    ended_at: float = 0.0


class Workers:
    """All workers of a mill. Lives are kept, the ended ones too."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self._slots: dict[tuple[str, int], _Slot] = {}
        self._lock = threading.RLock()
        self._closing = threading.Event()
        self._failed: BaseException | None = None
        self._thread = threading.Thread(target=self._watch, name="supervisor", daemon=True)
        self.lives: list[Life] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        self._thread.join()
        for life in self.lives:
            if not life.ended:
                life.process.kill()
            life.process.wait()

    def start(
        self,
        stage: str,
        environment: Mapping[str, str],
        ordinal: int = 0,
        command: Sequence[str] = COMMAND,
    ) -> None:
        """Want a worker from now on."""
        with self._lock:
            self._slots[stage, ordinal] = _Slot(stage, ordinal, environment, command)

    def life(self, stage: str, ordinal: int = 0, timeout_s: float = 60) -> Life:
        """Return the process that a worker is now; waits until there is one."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            with self._lock:
                slot = self._slots.get((stage, ordinal))
                if slot is not None and slot.life is not None and not slot.life.ended:
                    return slot.life
            time.sleep(_STEP_S)
        raise TimeoutError(f"{stage} does not run")

    def running(self) -> list[Life]:
        """Return the processes that are wanted and run."""
        with self._lock:
            lives = [slot.life for slot in self._slots.values() if slot.life is not None]
        return [life for life in lives if not life.ended]

    def wait_serving(self, timeout_s: float = 240) -> None:
        """Wait until every worker that is wanted has said that it serves."""
        deadline = time.monotonic() + timeout_s
        while True:
            with self._lock:
                slots = list(self._slots.values())
            waiting = [slot for slot in slots if not _serves(slot.life)]
            if not waiting:
                return
            if time.monotonic() > deadline:
                raise TimeoutError(f"{[slot.stage for slot in waiting]} do not serve")
            time.sleep(_STEP_S)

    def kill(self, stage: str, ordinal: int = 0) -> Life:
        """Kill -9 a worker; it is started again. Return what was killed."""
        life = self.life(stage, ordinal)
        life.scrape()
        life.process.kill()
        life.process.wait()
        return life

    def replace_frozen(self, stage: str) -> Life:
        """Give up a frozen worker for lost: another is started in its place. Return the old one."""
        with self._lock:
            slot = self._slots[stage, 0]
            old = slot.life
            assert old is not None
            slot.life = None
        return old

    def ask_to_stop(self, stage: str, ordinal: int = 0) -> Life:
        """Send a worker SIGTERM and do not wait; it is not started again."""
        with self._lock:
            slot = self._slots.pop((stage, ordinal))
            life = slot.life
        assert life is not None
        if not life.ended:
            life.scrape()
            life.process.terminate()
        return life

    def stop(self, stage: str, ordinal: int = 0, timeout_s: float = 60) -> Life:
        """End a worker by SIGTERM and wait; it is not started again."""
        life = self.ask_to_stop(stage, ordinal)
        life.process.wait(timeout_s)
        return life

    def stop_all(self) -> None:
        """End all workers by SIGTERM, the last stage last."""
        with self._lock:
            keys = list(self._slots)
        for stage, ordinal in keys:
            self.stop(stage, ordinal)

    def check_failed(self) -> None:
        """Raise what the supervisor's thread raised."""
        if self._failed is not None:
            raise RuntimeError("the supervisor failed") from self._failed

    # --- the thread -------------------------------------------------------------------------------

    def _watch(self) -> None:
        scraped = 0.0
        try:
            while not self._closing.wait(_STEP_S):
                with self._lock:
                    for slot in self._slots.values():
                        self._tend(slot)
                if time.monotonic() - scraped >= _SCRAPE_S:
                    scraped = time.monotonic()
                    for life in self.running():
                        life.scrape()
        except BaseException as error:
            self._failed = error
            raise

    def _tend(self, slot: _Slot) -> None:
        now = time.monotonic()
        if slot.life is not None and slot.life.ended and slot.ended_at == 0:
            slot.ended_at = now
        due = slot.life is None or (slot.ended_at and now - slot.ended_at >= _RESTART_S)
        if due:
            slot.life = self._spawn(slot)
            slot.ended_at = 0.0

    def _spawn(self, slot: _Slot) -> Life:
        number = sum(one.stage == slot.stage for one in self.lives)
        path = self._directory / f"{slot.stage}-{slot.ordinal}.{number}.log"
        command = [*slot.command, "serve", slot.stage]
        tied = [sys.executable, "-I", "-S", "-c", _TIED, str(os.getpid()), *command]
        began = time.time()
        with open(path, "wb") as log:
            process = subprocess.Popen(
                tied,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **slot.environment},
                cwd=self._directory,
                start_new_session=True,
            )
        life = Life(slot.stage, slot.ordinal, process, path, began)
        self.lives.append(life)
        return life


def _serves(life: Life | None) -> bool:
    return life is not None and any(e.get("event") == "serving" for e in life.events())


def moment(event: Mapping[str, Any]) -> float:
    """Return when a line of a log was written, by the wall clock."""
    return datetime.fromisoformat(event["time"]).timestamp()


def merged(buckets: Sequence[Mapping[float, int]]) -> Counter[float]:
    """Return histograms laid together; buckets count up to their bounds."""
    total: Counter[float] = Counter()
    for one in buckets:
        total.update(one)
    return total


def quantile(buckets: Mapping[float, int], share: float) -> float:
    """Return the bound below which at least this share of a histogram lies; 0.0 of an empty one."""
    whole = max(buckets.values(), default=0)
    if not whole:
        return 0.0
    return min(bound for bound, count in buckets.items() if count >= share * whole)


def _children(pid: int) -> list[int]:
    found: list[int] = []
    with suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            found += map(int, (task / "children").read_text().split())
    return found


def _rss(pid: int) -> int:
    with suppress(OSError):
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return 0
