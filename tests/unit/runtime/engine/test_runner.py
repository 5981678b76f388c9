"""The local runner over ports in memory: order, durability, pace, stopping, outages."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest

from gristmill.dedup.settings import DedupSettings
from gristmill.dedup.stage import DedupStage
from gristmill.runtime.adapters.files import reader
from gristmill.runtime.adapters.memory_index import MemoryIndex
from gristmill.runtime.adapters.memory_tables import MemoryTables
from gristmill.runtime.engine.passage import NamedStage, Passage, pass_through
from gristmill.runtime.engine.runner import AFTER, BEFORE, LocalRunner, RunnerSettings, RunReport
from gristmill.runtime.model import (
    Document,
    Drop,
    Fatal,
    FileText,
    Keep,
    Origin,
    Outcome,
    Position,
    RawFile,
    Reason,
)
from gristmill.runtime.ports import Entry, Fingerprint, Listing, Span
from gristmill.shards.writer import TableWriter

_MIB = 1 << 20


class ListedSource:
    """Texts as files, each with its own offset."""

    def __init__(self, texts: Sequence[str], name: str = "source") -> None:
        self._texts = texts
        self.listing = Listing(
            source=name, name=name, total_bytes=len(texts), num_entries=len(texts)
        )

    def entries(self, start: int) -> Iterator[Entry]:
        for number in range(start, len(self._texts)):
            content = self._texts[number].encode()
            yield Entry(
                origin=Origin(source="s", repository=self.listing.source, path=f"{number}.py"),
                position=Position(source=self.listing.source, offset=number),
                size_bytes=len(content),
                content=content,
            )

    def end(self) -> int:
        return len(self._texts)

    def done_bytes(self, offset: int) -> int:
        return min(offset, len(self._texts))


class MakeDocument:
    """A first stage: text to document; `explode` breaks it, `drop` falls."""

    version = "make-1"

    def process(self, batch: Sequence[RawFile]) -> Sequence[Outcome]:
        return [self._one(raw) for raw in batch]

    def _one(self, raw: RawFile) -> Outcome:
        text = (raw.content or b"").decode()
        if "explode" in text:
            raise ZeroDivisionError(text)
        if "drop" in text:
            return Drop(Reason.GENERATED)
        return Keep(
            Document(
                id=raw.id,
                kind=raw.kind,
                origin=raw.origin,
                position=raw.position,
                body=FileText(content=text, encoding="utf-8"),
                content_sha256=raw.content_sha256,
                size_bytes=raw.size_bytes,
            )
        )


class DropLate:
    """A stage behind the admission that drops texts with `late`."""

    version = "late-1"

    def process(self, batch: Sequence[Document]) -> Sequence[Outcome]:
        return [
            Drop(Reason.CUSTOM_RULE)
            if isinstance(document.body, FileText) and "late" in document.body.content
            else Keep(document)
            for document in batch
        ]


class HerePool:
    """The worker pool's twin that works at once, in this process."""

    def __init__(self, segments: Sequence[Sequence[NamedStage]]) -> None:
        self._segments = segments
        self._read = reader(_MIB)
        self.waiting_bytes = 0
        self.most_waiting_bytes = 0

    def submit(self, segment: int, records: Sequence[Entry | Document]) -> "Future[list[Passage]]":
        future: Future[list[Passage]] = Future()
        weight = sum(record.size_bytes for record in records)
        if segment == BEFORE:
            self.waiting_bytes += weight
            self.most_waiting_bytes = max(self.most_waiting_bytes, self.waiting_bytes)
        items = [self._read(r) if isinstance(r, Entry) else r for r in records]
        passages = [pass_through(self._segments[segment], item) for item in items]
        future.set_result(passages)
        future.result = self._taken(future.result, weight)  # type: ignore[method-assign]
        return future

    def _taken(self, result: Callable[..., Any], weight: int) -> Callable[..., Any]:
        def take(timeout: float | None = None) -> Any:
            self.waiting_bytes -= weight
            return result(timeout)

        return take


@dataclass
class FakeClock:
    """Each look at the steady clock moves it on."""

    step_seconds: float = 0.0
    seconds: float = 0.0

    def now(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        self.seconds += self.step_seconds
        return self.seconds

    def cpu(self) -> float:
        return self.seconds


@dataclass
class SilentProgress:
    said: list[str] = field(default_factory=list)
    seen: list[tuple[int, int, int]] = field(default_factory=list)
    at_advance: Callable[[], None] = lambda: None

    def start(self, *, total_bytes: int, done_bytes: int) -> None:
        self.seen.append((0, 0, done_bytes))

    def advance(self, *, documents: int, kept: int, done_bytes: int) -> None:
        self.seen.append((documents, kept, done_bytes))
        self.at_advance()

    def say(self, line: str) -> None:
        self.said.append(line)

    def close(self) -> None: ...


@dataclass
class Bench:
    """Everything a run stands on; `run` makes a new runner over it, as a new process would."""

    index: MemoryIndex = field(default_factory=MemoryIndex)
    tables: MemoryTables = field(default_factory=MemoryTables)
    progress: SilentProgress = field(default_factory=SilentProgress)
    clock: FakeClock = field(default_factory=FakeClock)
    late: bool = False

    def runner(self, **settings: Any) -> LocalRunner:
        after: list[NamedStage] = [("late", DropLate())] if self.late else []
        self.pool = HerePool([[("ingestion", MakeDocument())], after])
        return LocalRunner(
            pool=self.pool,  # type: ignore[arg-type]  # a twin in this process
            admission=("dedup", DedupStage(DedupSettings(), self.index)),
            after=partial(self.pool.submit, AFTER) if self.late else None,
            sink=TableWriter(self.tables),
            clock=self.clock,
            progress=self.progress,
            settings=RunnerSettings(**settings),
        )

    def run(self, *sources: ListedSource, limit: int | None = None, **settings: Any) -> RunReport:
        return self.runner(**settings).run(sources, limit)

    def paths(self) -> list[str]:
        return sorted(row["path"] for row in self.tables.rows.get("files", []))


def test_documents_go_through_in_order_and_the_first_of_equal_ones_is_kept() -> None:
    bench = Bench()
    report = bench.run(ListedSource(["a", "b", "a", "drop", "c"]))
    assert bench.paths() == ["0.py", "1.py", "4.py"]
    assert (report.documents, report.kept, report.added, report.dead) == (5, 3, 3, 0)
    reasons = [row["reason"] for row in bench.tables.rows["ledger"] if row["reason"]]
    assert sorted(reasons) == ["exact_duplicate", "generated"]


@pytest.mark.parametrize("batch", [1, 3, 1000])
@pytest.mark.parametrize("inflight", [1, 1 << 20])
def test_pace_does_not_change_what_is_kept(batch: int, inflight: int) -> None:
    texts = [str(n % 37) for n in range(300)]
    bench = Bench()
    bench.run(ListedSource(texts), batch_documents=batch, inflight_bytes=inflight, commit_bytes=1)
    assert len(bench.paths()) == 37
    assert len(bench.tables.rows["ledger"]) == 300 * 2 + 37


def test_what_is_on_its_way_is_bounded_in_bytes() -> None:
    bench = Bench()
    texts = [f"{n}" + "x" * 100_000 for n in range(100)]
    bench.run(ListedSource(texts), inflight_bytes=3 * _MIB)
    assert len(bench.paths()) == 100
    assert bench.pool.most_waiting_bytes <= 4 * _MIB + 200_000


def test_what_waits_for_admission_is_bounded_in_bytes() -> None:
    sizes: list[int] = []

    class Watching(MemoryIndex):
        def admit(self, fingerprints: Sequence[Fingerprint]) -> Any:
            sizes.append(len(fingerprints))
            return super().admit(fingerprints)

    bench = Bench(index=Watching())
    texts = [f"{n}" + "x" * 100_000 for n in range(100)]
    bench.run(ListedSource(texts), inflight_bytes=4 * _MIB, batch_documents=10_000)
    assert sum(sizes) == 100
    assert max(sizes) * 100_000 <= 3 * _MIB


def test_a_second_run_has_nothing_to_do() -> None:
    bench = Bench()
    source = ListedSource(["a", "b"])
    bench.run(source)
    again = bench.run(source)
    assert (again.documents, again.added) == (0, 0)
    assert bench.paths() == ["0.py", "1.py"]


def test_a_crash_between_index_and_tables_is_healed_by_a_rerun() -> None:
    bench = Bench()
    texts = [str(n % 11) for n in range(200)]
    commit = bench.tables.commit

    def crash(*_: Any) -> int:
        raise KeyboardInterrupt

    bench.tables.commit = crash  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        bench.run(ListedSource(texts))
    assert bench.index.watermarks()  # the claims are there, the documents are not
    bench.tables.commit = commit  # type: ignore[method-assign]
    bench.run(ListedSource(texts))
    assert len(bench.paths()) == 11
    assert len(bench.tables.rows["ledger"]) == 200 * 2 + 11


def test_a_stop_writes_what_is_done_and_a_rerun_goes_on() -> None:
    bench = Bench()
    source = ListedSource([str(n) for n in range(500)])
    runner = bench.runner(batch_documents=1, inflight_bytes=1)
    bench.progress.at_advance = runner.stop
    report = runner.run([source])
    assert report.interrupted
    assert 0 < report.documents < 500
    assert len(bench.paths()) == report.documents
    bench.progress.at_advance = lambda: None
    rest = bench.run(source)
    assert not rest.interrupted
    assert rest.documents == 500 - report.documents
    assert len(bench.paths()) == 500


def test_tables_are_written_after_so_many_bytes() -> None:
    bench = Bench()
    spans: list[dict[str, Span]] = []
    commit = bench.tables.commit

    def noted(table: str, span: Any, rows: Any) -> int:
        spans.append(dict(span))
        return commit(table, span, rows)

    bench.tables.commit = noted  # type: ignore[method-assign]
    texts = [f"{n}" + "x" * 50_000 for n in range(60)]
    bench.run(ListedSource(texts), commit_bytes=_MIB, batch_documents=1)
    begins = [span["source"].begin for span in spans[::2]]
    assert len(begins) > 1
    assert begins == sorted(begins)
    assert spans[-1]["source"].end == 60


def test_tables_are_written_after_so_many_seconds() -> None:
    bench = Bench(clock=FakeClock(step_seconds=40.0))
    bench.run(ListedSource([str(n) for n in range(300)]), batch_documents=1, commit_seconds=60)
    assert len({row["decided_at"] for row in bench.tables.rows["ledger"]}) > 1


def test_a_limit_counts_over_all_sources_and_leaves_the_rest_for_later() -> None:
    bench = Bench()
    sources = (ListedSource(["a", "b", "c"], "one"), ListedSource(["d", "e", "f"], "two"))
    assert bench.run(*sources, limit=4).documents == 4
    assert bench.run(*sources).documents == 2
    assert len(bench.paths()) == 6


def test_a_stage_behind_the_admission_decides_too() -> None:
    bench = Bench(late=True)
    report = bench.run(ListedSource(["a", "late 1", "b", "late 2", "drop"]))
    assert bench.paths() == ["0.py", "2.py"]
    assert report.kept == 2
    late = [row for row in bench.tables.rows["ledger"] if row["stage"] == "late"]
    assert [row["outcome"] for row in late] == ["keep", "drop", "keep", "drop"]


def test_a_document_that_breaks_a_stage_is_dead_and_said() -> None:
    bench = Bench()
    report = bench.run(ListedSource(["a", "explode", "b"]))
    assert report.dead == 1
    assert "ZeroDivisionError" in bench.progress.said[0]
    assert bench.paths() == ["0.py", "2.py"]
    (row,) = [row for row in bench.tables.rows["ledger"] if row["outcome"] == "dead"]
    assert row["reason"] == "unhandled"


def test_many_that_break_are_an_outage_and_nothing_of_them_is_written() -> None:
    bench = Bench()
    with pytest.raises(Fatal, match="30 of 64 documents broke a stage"):
        bench.run(ListedSource(["explode"] * 30 + ["a"] * 34), dead_allowed=20)
    assert bench.paths() == []


def test_an_admission_that_answers_short_is_not_taken_for_an_answer() -> None:
    class Short(MemoryIndex):
        def admit(self, fingerprints: Sequence[Fingerprint]) -> Any:
            return super().admit(fingerprints)[:-1]

    bench = Bench(index=Short())
    with pytest.raises(ValueError, match="zip"):
        bench.run(ListedSource(["a", "b"]))
    assert bench.paths() == []
