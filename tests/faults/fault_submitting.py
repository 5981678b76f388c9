"""A case whose documents come through the front door, while crawler and server are killed."""

import random
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from fault_conductor import Case
from fault_history import History

from gristmill.runtime.engine.envelope import CRAWL_TOPIC

_HERE = Path(__file__).parent
_STEP_S = 0.05
_RUNS_WITHIN_S = 60


@dataclass
class SubmitCase(Case):
    """Documents are submitted by a process of its own; what has a receipt counts as fed."""

    crawler: "subprocess.Popen[bytes] | None" = None
    kills: Counter[str] = field(default_factory=Counter)

    @property
    def receipts(self) -> Path:
        """Where the crawler writes down what was acknowledged."""
        return self.mill.directory / f"{self.name}.receipts"

    def play(self, seed: int, num_kills: int) -> History:
        """Kill crawler or server at random so often; hold the laws of every case."""
        chance = random.Random(seed)
        shares = sorted(chance.uniform(0.03, 0.95) for _ in range(num_kills))
        victims = [chance.choice([self.kill_crawler, self.kill_server]) for _ in shares]
        victims[:2] = [self.kill_crawler, self.kill_server]  # each at least once
        history = self.run(list(zip(shares, victims, strict=True)))
        self._check_receipts(history, num_kills)
        return history

    def kill_crawler(self) -> None:
        """Kill -9 the crawler when it runs; it is begun again."""
        deadline = time.monotonic() + _RUNS_WITHIN_S
        while not self._has_killed_crawler():
            assert time.monotonic() < deadline, f"{self.name}: no crawler runs"
            time.sleep(_STEP_S)
        self.kills["crawler"] += 1

    def _has_killed_crawler(self) -> bool:
        """Kill the crawler; whether it was that by which it ended."""
        crawler = self.crawler
        if crawler is None or crawler.poll() is not None:
            return False
        crawler.kill()
        return crawler.wait() == -signal.SIGKILL

    def kill_server(self) -> None:
        """Kill -9 the worker that has the front door; it is started again."""
        self.kills["server"] += 1
        self.mill.workers.kill("ingestion")

    def _feed(self) -> None:
        try:
            # While there is somebody to kill: a crawler that has nothing to send ends at once.
            while self._fed >= 0 and (self._fed < len(self.planned) or not self._faults_over):
                self._crawl()
        except BaseException as error:
            self._feed_failed = error
            raise
        finally:
            if self.crawler is not None:
                self.crawler.kill()
                self.crawler.wait()

    def _crawl(self) -> None:
        address = f"127.0.0.1:{self.mill.door_port}"
        told = (address, self.name, str(len(self.planned)), str(self.rate), str(self.receipts))
        with open(self.mill.directory / f"{self.name}.log", "ab") as log:
            self.crawler = subprocess.Popen(
                [sys.executable, str(_HERE / "submit_client.py"), *told], stderr=log
            )
        while self.crawler.poll() is None and self._fed >= 0:
            time.sleep(_STEP_S)
            self._count()
        self._count()
        if self._fed >= 0:
            assert self.crawler.poll() in {0, -9}, self.mill.directory / f"{self.name}.log"

    def _count(self) -> None:
        """Count what was acknowledged as fed, unless the case was given up."""
        if self._fed >= 0 and self.receipts.exists():
            self._fed = self.receipts.read_bytes().count(b" ")

    def _acknowledged(self) -> set[str]:
        lines = self.receipts.read_text().splitlines()
        return {line.split()[0] for line in lines if line}

    def _check_receipts(self, history: History, num_kills: int) -> None:
        """Hold that the topic has each document, and again only where a server was killed."""
        records = Counter(record.document_id for record in history.final[CRAWL_TOPIC])
        assert records.keys() == {one.document_id for one in self.planned} == self._acknowledged()
        again = sum(records.values()) - len(records)
        sys.stderr.write(f"{self.name}: {dict(self.kills)} killed, {again} written again\n")
        assert self.kills["crawler"] >= 1
        assert self.kills["server"] >= 1
        assert self.kills.total() == num_kills
        assert max(records.values()) <= 1 + self.kills["server"]
        # What was on its way at a kill, and nothing else: one batch of the writer's.
        assert again <= 1000 * self.kills["server"]
