"""The conductor of the fault suite: cases played on a mill, and what they show.

    case = Case(mill, "kill-syntax", 1000)
    case.run([(0.3, lambda: kill_stage(case, "syntax"))])

A case feeds its documents at a pace while faults happen at given shares of them, waits until
nothing waits any more, reads everything once more and has the history checked. Cases of one mill
follow each other: each looks at what came since its own start.
"""

import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from fault_documents import Planned, documents
from fault_history import Decided, Delivery, FileRow, History, Record, check, flows, told
from fault_mill import STUCK_S, Mill
from fault_readers import (
    FINALIZED_TOPIC,
    read_documents,
    read_ledger,
    read_letters,
    read_others,
)
from fault_workers import Life, merged, moment, quantile
from kafka_broker import ROOT

from gristmill.cli.reading import open_tables, scan, stream
from gristmill.runtime.adapters.iceberg import IcebergTables
from gristmill.runtime.adapters.kafka_writer import KafkaWriter
from gristmill.runtime.adapters.prometheus import BUCKETS_SECONDS
from gristmill.runtime.engine.envelope import DEAD_TOPIC, LEDGER_TOPIC, topic_of
from gristmill.runtime.model import Transient
from gristmill.runtime.model.document import sha256_hex
from gristmill.runtime.ports import Message

RESULTS = ROOT / "build" / "faults"
_FEED_RECORDS = 20
_TRICKLE_FROM = 0.75
_TRICKLE_RECORDS, _TRICKLE_S = 5, 0.25
_STEP_S = 0.1


@dataclass
class Case:
    """One case: what is fed, what happens meanwhile, what came of it."""

    mill: Mill
    name: str
    count: int
    rate: float = 400.0
    extra: Sequence[Planned] = ()
    put_back: bool = False  # whether letters were, by a replay that left some
    figures: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._starts = self.mill.reader.ends()
        self._began = time.time()
        self._mended_before = self.mill.mended
        self._lives_before = len(self.mill.workers.lives)
        self._running_before = self.mill.workers.running()
        self._buckets_before = {id(one): dict(one.buckets) for one in self._running_before}
        self._fed = 0
        self._faults_over = False
        self._enough = 0
        self._feed_failed: BaseException | None = None
        self.planned: list[Planned] = []

    def run(
        self,
        faults: Sequence[tuple[float, Callable[[], object]]] = (),
        *,
        timeout_s: float | None = None,
        after: Callable[[], object] | None = None,
    ) -> History:
        """Feed, have faults happen at shares of what is fed, wait, check; return the history.

        `after` happens when nothing waits any more, and then what it set off is waited for, too.
        """
        self.planned = self._plan()
        self._enough = len(self.planned)
        for one in self.planned:  # before all else: the store may be away later
            one.put(self.mill.blobs)
        feeder = threading.Thread(target=self._feed, name="feeder", daemon=True)
        feeder.start()
        try:
            for share, fault in sorted(faults, key=lambda one: one[0]):
                self._wait_fed(share)
                fault()
            self._faults_over = True
            patience = timeout_s or 240 + self.count / 10
            feeder.join(patience)
            self._wait_fed(1.0)
            self.figures["idle_after_s"] = round(self.mill.wait_idle(patience), 2)
            self.figures["lost_ends_mended"] = self.mill.mended - self._mended_before
            if after is not None:
                after()
                self.mill.wait_idle(patience)
        except BaseException:
            self._fed = -1  # tells the feeder to end
            self.mill.calm()
            raise
        history = self.history()
        findings = check(history)
        self._measure(history, len(findings))
        self._write()
        assert not findings, f"{self.name}:\n{told(findings)}"
        self._check_workers()
        return history

    def _plan(self) -> list[Planned]:
        planned = list(documents(self.name, self.count))
        step = max(1, self.count // (len(self.extra) + 1))
        for number, one in enumerate(self.extra, 1):
            planned.insert(number * step, one)
        return planned

    def _feed(self) -> None:
        writer = KafkaWriter(self.mill.settings)
        try:
            due = time.monotonic()
            while 0 <= self._fed < len(self.planned):
                size, seconds = self._pace()
                batch = self.planned[self._fed : self._fed + size]
                messages = [one.message() for one in batch]
                while self._fed >= 0 and not _written(writer, messages):
                    time.sleep(_STEP_S)
                if self._fed >= 0:
                    self._fed += len(batch)
                due = max(due, time.monotonic() - 1) + seconds
                time.sleep(max(0.0, due - time.monotonic()))
        except BaseException as error:
            self._feed_failed = error
            raise
        finally:
            writer.close()

    def _pace(self) -> tuple[int, float]:
        """Return how many documents are fed next, and within how long.

        Towards the end the feed trickles for as long as faults are going on, with more documents
        than were planned if need be: faults need something to happen to.
        """
        if self._faults_over or self._fed < _TRICKLE_FROM * self.count:
            return _FEED_RECORDS, _FEED_RECORDS / self.rate
        if len(self.planned) - self._fed < _FEED_RECORDS:
            self.planned += documents(self.name, _FEED_RECORDS, self.count)
            self.count += _FEED_RECORDS
        return _TRICKLE_RECORDS, _TRICKLE_S

    def _wait_fed(self, share: float) -> None:
        deadline = time.monotonic() + 240 + self.count / 10
        enough = share * (self._enough if share < 1 else len(self.planned))
        while self._fed < enough:
            if self._feed_failed is not None:
                raise RuntimeError("the feeder failed") from self._feed_failed
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self.name}: {self._fed} documents could be fed")
            time.sleep(0.02)

    def wait_output(self, stage: str, after: float, timeout_s: float = 180) -> float:
        """Wait for the first output of a stage behind a moment; return when it was read."""
        deadline = time.monotonic() + timeout_s
        stuck = time.monotonic() + STUCK_S
        while time.monotonic() < deadline:
            if (at := self.mill.reader.first_output(stage, after)) is not None:
                return at
            if time.monotonic() > stuck:
                self.mill.mend_lost_ends()
                stuck = time.monotonic() + STUCK_S
            time.sleep(0.02)
        raise TimeoutError(f"{stage} gave nothing within {timeout_s:.0f} s")

    # --- what came of it --------------------------------------------------------------------------

    def history(self) -> History:
        """Read everything once more."""
        mill, starts = self.mill, self._starts
        final: dict[str, list[Record]] = {
            topic_of(stage): read_documents(
                mill.settings, topic_of(stage), mill.sources[topic_of(stage)], starts, mill.blobs
            )
            for stage in mill.route
        }
        for topic in (LEDGER_TOPIC, DEAD_TOPIC, FINALIZED_TOPIC):
            final[topic] = read_others(mill.settings, topic, starts)
        self._wait_read(final)
        tables = open_tables(str(mill.directory / "tables"))
        earlier = mill.told_before
        rows = [one for one in _table_ledger(tables) if one.delivery not in earlier]
        files = [one for one in _file_rows(tables) if one.document_id not in earlier]
        mill.told_before = earlier.union(
            (one.delivery for one in rows), (one.document_id for one in files)
        )
        return History(
            route=mill.route,
            topics={stage: topic_of(stage) for stage in mill.route},
            planned=self.planned,
            final=final,
            concurrent=mill.reader.taken_from(starts),
            ledger=read_ledger(mill.settings, starts),
            letters=read_letters(mill.settings, starts, put_back=self.put_back),
            files=files,
            table_ledger=rows,
        )

    def _wait_read(self, final: Mapping[str, Sequence[Record]]) -> None:
        """Give the concurrent reader time to come to the end; what it misses then, it missed."""
        ends: dict[tuple[str, int], int] = {}
        for records in final.values():
            for record in records:
                ends[record.place[:2]] = record.place.offset
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            there = self.mill.reader.ends()
            if all(there.get(key, 0) > end for key, end in ends.items()):
                return
            time.sleep(_STEP_S)

    def lives(self) -> list[Life]:
        """Return the processes that ran during this case, or some of it."""
        return [*self._running_before, *self.mill.workers.lives[self._lives_before :]]

    def _measure(self, history: History, num_findings: int) -> None:
        for life in self.lives():
            life.scrape()
        histograms = []
        for life in self.lives():
            before = self._buckets_before.get(id(life), {})
            histograms.append({k: v - before.get(k, 0) for k, v in life.buckets.items()})
        buckets = merged(histograms)
        given_up = self._given_up()
        longest = min((b for b in buckets if buckets[b] == max(buckets.values())), default=0.0)
        restarts = self._restarts()
        flow = flows(history)
        self.figures |= {
            "case": self.name,
            "documents": len(self.planned),
            "findings": num_findings,
            "seconds": round(time.time() - self._began, 1),
            "restarts": len(restarts),
            "first_output_after_restart_s": max((s for _, s in restarts if s), default=None),
            "transactions": max(buckets.values(), default=0),
            "transaction_p99_s": quantile(buckets, 0.99),
            "transaction_longest_below_s": longest,
            "given_up": len(given_up),
            "given_up_longest_s": round(max(given_up, default=0.0), 2),
            "rewinds": len(self.events("going back to what is committed")),
            "stages": {stage: one._asdict() for stage, one in flow.items()},
            "letters": len(history.letters),
            "load": os.getloadavg()[0],
        }

    def _given_up(self) -> list[float]:
        """Return how long transactions took that failed; a frozen worker could not look."""
        return [
            line["seconds"]
            for life in self.lives()
            for line in life.events()
            if line.get("event") == "transaction given up"
            if moment(line) - line["seconds"] >= max(self._began, life.thawed_at)
        ]

    def events(self, event: str) -> list[dict[str, Any]]:
        """Return the lines of one kind that workers logged during this case."""
        return [
            line
            for life in self.lives()
            for line in life.events()
            if line.get("event") == event and moment(line) >= self._began
        ]

    def _restarts(self) -> list[tuple[str, float | None]]:
        """Return, for every worker that was started anew, how long its first output took."""
        found: list[tuple[str, float | None]] = []
        for life in self.mill.workers.lives[self._lives_before :]:
            first = life.first_line()
            if first is None:
                continue
            output = self.mill.reader.first_output(life.stage, first)
            found.append((life.stage, round(output - first, 2) if output else None))
        return found

    def _write(self) -> None:
        RESULTS.mkdir(parents=True, exist_ok=True)
        path = RESULTS / f"{self.name}.json"
        path.write_text(json.dumps(self.figures, indent=2, default=str) + "\n")
        sys.stderr.write(line_of(self.figures) + "\n")

    def _check_workers(self) -> None:
        """No transaction outlived its deadline, and no worker ended with a traceback."""
        limit = self.mill.limits.commit_s
        assert self.figures["given_up_longest_s"] <= limit + 1, self.figures
        assert self.figures["transaction_longest_below_s"] <= _bucket_above(limit), self.figures
        for life in self.lives():
            lines = life.log.read_text(errors="replace").splitlines()
            assert not any(line.startswith("Traceback") for line in lines), life.log


def line_of(figures: Mapping[str, Any]) -> str:
    """Return the one line of a case."""
    kept = figures["stages"].get("shards", {}).get("kept")
    return (
        f"{figures['case']:<24} {figures['documents']:>7,} documents  {kept:>7,} kept  "
        f"{figures['findings']} findings  {figures['restarts']:>2} restarts "
        f"(next output {figures['first_output_after_restart_s']} s)  "
        f"{figures['transactions']:>6,} transactions, p99 < {figures['transaction_p99_s']} s, "
        f"{figures['given_up']} given up (longest {figures['given_up_longest_s']} s)  "
        f"{figures['letters']} letters  {figures['lost_ends_mended']} ends mended  "
        f"{figures['seconds']} s  load {figures['load']:.1f}"
    )


def _written(writer: KafkaWriter, batch: Sequence[Message]) -> bool:
    with suppress(Transient):  # delivered or not: what is delivered twice is told apart later
        writer.write(batch)
        return True
    return False


def _bucket_above(seconds: float) -> float:
    return min(bucket for bucket in BUCKETS_SECONDS if bucket >= seconds)


def _file_rows(tables: IcebergTables) -> Iterator[FileRow]:
    for batch in stream(tables, "files", ["document_id", "content_sha256", "content", "encoding"]):
        for row in batch.to_pylist():
            text = row["content"].encode(row["encoding"])
            yield FileRow(row["document_id"], row["content_sha256"], sha256_hex(text))


def _table_ledger(tables: IcebergTables) -> list[Decided]:
    columns = ["stage", "document_id", "outcome", "reason", "position_source", "position_offset"]
    rows = scan(tables, "ledger", columns).to_pylist()
    return [
        Decided(
            stage=row["stage"],
            delivery=Delivery(row["position_source"], row["position_offset"]),
            document_id=row["document_id"],
            outcome=row["outcome"],
            reason=row["reason"] or "",
        )
        for row in rows
    ]
