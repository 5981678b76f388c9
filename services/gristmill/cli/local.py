"""Putting a local run together: sources, stages, workers, index, tables."""

import errno
import os
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from types import FrameType

from gristmill.cli.reading import count_documents, scan
from gristmill.cli.route import route_of_files
from gristmill.cli.run_record import RunRecord, recorded
from gristmill.cli.sections import LIMITS_SECTION, RUN_SECTION, SOURCES_SECTION, settings_sections
from gristmill.cli.worker import COMMAND, WorkerSetup
from gristmill.ingestion.settings import IngestionSettings
from gristmill.runtime.adapters.archives import ArchiveLimits
from gristmill.runtime.adapters.clock import SystemClock
from gristmill.runtime.adapters.iceberg import (
    SETTINGS,
    IcebergTables,
    local_catalog,
    newest_own_snapshot,
    snapshot_property,
)
from gristmill.runtime.adapters.iceberg_recovery import recover
from gristmill.runtime.adapters.listing import ListedSource, Selection, Terms
from gristmill.runtime.adapters.lmdb_index import LmdbIndex, Table
from gristmill.runtime.adapters.metadata import Metadata
from gristmill.runtime.adapters.plugins import load_plugins
from gristmill.runtime.adapters.run_directory import RunDirectory
from gristmill.runtime.adapters.settings import Settings, load_settings
from gristmill.runtime.adapters.sources import open_sources
from gristmill.runtime.adapters.table_columns import Columns
from gristmill.runtime.engine.garbage import seldom_searched
from gristmill.runtime.engine.here import Here
from gristmill.runtime.engine.passage import Passage
from gristmill.runtime.engine.pool import WorkerPool, default_num_workers
from gristmill.runtime.engine.runner import AFTER, LocalRunner, RunnerSettings, RunReport
from gristmill.runtime.model import BadInput, Document, Fatal
from gristmill.runtime.model.fingerprint import fingerprint
from gristmill.runtime.model.routes import Route
from gristmill.runtime.ports import Progress, StagePlugin
from gristmill.shards.writer import TableWriter

SINK = "shards"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """What a person asked for on the command line."""

    sources: Sequence[str]
    out: str
    config: str | None = None
    workers: int | None = None
    limit: int | None = None
    paper_route: bool = False
    selection: Selection
    columns: Columns | None = None
    metadata: Metadata | None = None
    git_head: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """A request made concrete: stages in order, settings, and what is listed."""

    route: Route
    plugins: Mapping[str, StagePlugin]
    settings: Settings
    sources: Sequence[ListedSource]
    listing_seconds: float = 0.0

    @property
    def run_settings(self) -> RunnerSettings:
        """The runner's own section."""
        section: RunnerSettings = self.settings.sections[RUN_SECTION]
        return section

    def segments(self) -> tuple[Route, Route, Route]:
        """Return the route as pure stages, the stateful one (or none), pure stages."""
        stateful = [name for name in self.route if self.plugins[name].stateful]
        if len(stateful) > 1:
            raise BadInput(f"a route has one stateful stage, not {' and '.join(stateful)}")
        at = self.route.index(stateful[0]) if stateful else len(self.route)
        return self.route[:at], self.route[at : at + 1], self.route[at + 1 :]


def plan_run(request: RunRequest) -> Plan:
    """Check the request, load settings, list the sources. Nothing is written."""
    plugins = load_plugins()
    settings = load_settings(settings_sections(plugins), request.config)
    route = route_of_files(plugins, paper=request.paper_route)
    rules = [
        _rules(name, plugins[name], settings) for name in route if not plugins[name].only_annotates
    ]
    rules.append(f"limits.{fingerprint(settings.sections[LIMITS_SECTION])}")
    limits = archive_limits(settings.sections["ingestion"])
    clock = SystemClock()
    began = clock.monotonic()
    terms = Terms(
        selection=request.selection,
        limits=limits,
        rules=rules,
        columns=request.columns,
        metadata=request.metadata,
    )
    sources = open_sources(
        request.sources,
        terms,
        git_head=request.git_head,
        settings=settings.sections[SOURCES_SECTION],
    )
    seconds = clock.monotonic() - began
    return Plan(route, plugins, settings, sources, seconds)


def archive_limits(settings: IngestionSettings) -> ArchiveLimits:
    """Return what an archive may unpack to."""
    return ArchiveLimits(
        max_member_bytes=settings.max_file_bytes,
        max_ratio=settings.archive_max_ratio,
        free_bytes=settings.archive_free_bytes,
        free_members=settings.archive_free_members,
    )


def _rules(name: str, plugin: StagePlugin, settings: Settings) -> str:
    """Return what names a stage's rules in a source's identity."""
    if plugin.build is None:
        return f"{name}.{fingerprint(settings.sections[name])}"
    return plugin.build(settings.sections[name]).version


@dataclass(frozen=True, slots=True)
class RunResult:
    """What a run did, and which sources it went through."""

    report: RunReport
    source_ids: tuple[str, ...]
    absent_blobs: int
    """What git repositories list and lack."""


def run(request: RunRequest, plan: Plan, progress: Progress) -> RunResult:
    """Take the plan's sources through its route into the request's directory."""
    with _full_disk_explained(request.out):
        return _run_in(RunDirectory.create(request.out), request, plan, progress)


_ADVICE = "make room and run the same command again: it goes on where it stopped"


@contextmanager
def _full_disk_explained(out: str) -> Iterator[None]:
    """Turn a full disk into one clear line, whoever met it."""
    try:
        yield
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise Fatal(f"the disk is full: {out} could not be written; {_ADVICE}") from error
        if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST}:
            why = (error.strerror or str(error)).lower()
            raise BadInput(f"cannot write to {out}: {why}") from error
        raise
    except Fatal as error:
        if "the disk is full" not in str(error):
            raise
        raise Fatal(f"{error}; {_ADVICE}") from error


def _run_in(
    directory: RunDirectory, request: RunRequest, plan: Plan, progress: Progress
) -> RunResult:
    with directory.writing():
        tables = IcebergTables(local_catalog(directory.path), settings_fingerprint=_print(plan))
        tables.create()
        if directory.unfinished and (removed := recover(tables)):
            progress.say(f"removed {removed} data files that a stopped run had left unfinished")
        _say_if_settings_changed(tables, _print(plan), progress)
        for source in plan.sources:
            directory.save_listing(source.listing.source, source)
            for warning in source.listing.warnings:
                progress.say(f"warning: {warning}")
        with directory.unfinished_until_done(), recorded(directory, _told(request, plan)) as record:
            report = _run(plan, request, directory, tables, progress, record)
        if request.metadata is not None and (known := request.metadata.report()):
            progress.say(known)
    listings = [source.listing for source in plan.sources]
    absent = sum(one.num_absent for one in listings)
    return RunResult(report, tuple(one.source for one in listings), absent)


def _print(plan: Plan) -> str:
    return fingerprint(
        *(plan.settings.sections[name] for name in (LIMITS_SECTION, *sorted(plan.route)))
    )


def _say_if_settings_changed(tables: IcebergTables, now: str, progress: Progress) -> None:
    before = snapshot_property(newest_own_snapshot(tables.load("ledger")), SETTINGS)
    if before is not None and before != now:
        progress.say(
            f"the stages' settings have changed since the last write here ({before} -> {now}): "
            "what they have not judged yet is judged anew; what was kept before stays"
        )


def open_index(
    directory: RunDirectory,
    tables: IcebergTables,
    sources: Sequence[ListedSource],
    threshold: float,
) -> LmdbIndex:
    """Open the dedup index that belongs to the tables of a directory.

    What a stage behind dedup dropped, in sources other than these, gives up its claims: it never
    reached a table, so a changed rule must be able to bring it back.
    """
    table = Table(
        uuid=str(tables.load("files").metadata.table_uuid),
        positions=tables.positions("files"),
        num_documents=tables.num_rows("files"),
    )
    index = LmdbIndex(directory.index, table, threshold=threshold)
    if len(index) > table.num_documents:
        written = frozenset(scan(tables, "files", ["document_id"])["document_id"].to_pylist())
        index.release_unwritten(written, {source.listing.source for source in sources})
    return index


def _run(
    plan: Plan,
    request: RunRequest,
    directory: RunDirectory,
    tables: IcebergTables,
    progress: Progress,
    record: RunRecord,
) -> RunReport:
    with _stopping_on_signals() as attach, seldom_searched():
        index = open_index(
            directory, tables, plan.sources, plan.settings.sections["dedup"].threshold
        )
        pool: WorkerPool[Passage] = WorkerPool(
            COMMAND, _worker_setup(plan, directory), _num_workers(request, plan.run_settings)
        )
        here = _here(plan)
        try:
            runner = _runner(plan, pool, here, index, tables, progress)
            attach(runner)
            report = runner.run(plan.sources, _documents_left(plan, request, tables))
        finally:
            pool.close()
            index.close()
            progress.close()
        record.done(report, pool.spent() | (here.spent() if here is not None else {}))
        return report


def _told(request: RunRequest, plan: Plan) -> RunRecord:
    """Return the record of a run that begins."""
    return RunRecord(
        segments=plan.segments(),
        sink=SINK,
        sources=[source.listing for source in plan.sources],
        settings=[
            one
            for one in plan.settings.listed
            if one.section in {RUN_SECTION, LIMITS_SECTION, *plan.route}
        ],
        settings_fingerprint=_print(plan),
        workers=_num_workers(request, plan.run_settings),
        limit=request.limit,
        listing_seconds=plan.listing_seconds,
    )


def _runner(
    plan: Plan,
    pool: WorkerPool[Passage],
    here: Here | None,
    index: LmdbIndex,
    tables: IcebergTables,
    progress: Progress,
) -> LocalRunner:
    _, stateful, _ = plan.segments()
    admission = None
    if stateful:
        build = plan.plugins[stateful[0]].build_stateful
        assert build is not None, "segments() named it stateful"
        admission = (stateful[0], build(plan.settings.sections[stateful[0]], index))
    return LocalRunner(
        pool=pool,
        admission=admission,
        after=_after(plan, pool, here),
        sink=TableWriter(tables),
        clock=SystemClock(),
        progress=progress,
        settings=plan.run_settings,
    )


def _here(plan: Plan) -> Here | None:
    """Return the stages behind the admission when all of them only annotate; else none."""
    _, _, after = plan.segments()
    plugins = [plan.plugins[name] for name in after]
    if not plugins or not all(plugin.only_annotates for plugin in plugins):
        return None
    stages = [
        (plugin.name, plugin.build(plan.settings.sections[plugin.name]))
        for plugin in plugins
        if plugin.build is not None
    ]
    return Here(AFTER, stages)


def _after(
    plan: Plan, pool: WorkerPool[Passage], here: Here | None
) -> "Callable[[Sequence[Document]], Future[list[Passage]]] | None":
    """Return what passes documents on behind the admission; None where nothing does."""
    if here is not None:
        return here.submit
    _, _, after = plan.segments()
    return partial(pool.submit, AFTER) if after else None


def _documents_left(plan: Plan, request: RunRequest, tables: IcebergTables) -> int | None:
    """Return how many documents the limit still allows: what is done of the listing counts."""
    if request.limit is None:
        return None
    sources = [source.listing.source for source in plan.sources]
    return max(0, request.limit - count_documents(tables, plan.route[0], sources))


def _num_workers(request: RunRequest, settings: RunnerSettings) -> int:
    return request.workers or settings.workers or default_num_workers()


def _worker_setup(plan: Plan, directory: RunDirectory) -> WorkerSetup:
    before, _, after = plan.segments()
    sections = plan.settings.sections
    return WorkerSetup(
        segments=(before, after),
        settings={name: sections[name] for name in (*before, *after)},
        memo=directory.verdicts,
        max_file_bytes=sections["ingestion"].max_file_bytes,
        limits=sections[LIMITS_SECTION],
    )


@contextmanager
def _stopping_on_signals() -> Iterator[Callable[[LocalRunner], None]]:
    """Stop in order at the first SIGINT or SIGTERM, at once at the second.

    Yields what names the runner to stop; a signal that came before then stops it at its start.
    """
    runners: list[LocalRunner] = []
    asked: list[int] = []

    def stop(number: int, frame: FrameType | None) -> None:
        del frame
        # Says nothing: a handler may stand in the middle of another line.
        signal.signal(number, signal.default_int_handler)
        asked.append(number)
        for runner in runners:
            runner.stop()

    def attach(runner: LocalRunner) -> None:
        runners.append(runner)
        if asked:
            runner.stop()

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield attach
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def out_of_sight(out: str) -> tuple[bytes, ...]:
    """Return the run's own directory, which no source may list."""
    return (os.path.realpath(os.fsencode(out)),)
