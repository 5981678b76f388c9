"""Putting the gRPC face of a stage together: which calls it serves, and who answers them."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from gristmill import __version__
from gristmill.cli.open_files import connections_within
from gristmill.cli.reading import open_tables
from gristmill.cli.sections import LIMITS_SECTION, ServeSettings
from gristmill.cli.worker import COMMAND, ApiSetup
from gristmill.runtime.adapters.grpc_batches import BatchCalls
from gristmill.runtime.adapters.grpc_calls import CallInterceptor
from gristmill.runtime.adapters.grpc_ingestion import IngestionCalls
from gristmill.runtime.adapters.grpc_server import Services, unary
from gristmill.runtime.adapters.grpc_tls import Certificates, TlsSettings, require_private
from gristmill.runtime.adapters.health import Health
from gristmill.runtime.adapters.iceberg_snapshots import list_tables
from gristmill.runtime.adapters.json_log import JsonLog
from gristmill.runtime.adapters.prometheus import PrometheusMetrics
from gristmill.runtime.adapters.run_directory import RunDirectory
from gristmill.runtime.adapters.settings import Settings
from gristmill.runtime.engine.judging import Judged, PooledJudge, ThreadJudge, judge_batch
from gristmill.runtime.engine.pool import WorkerPool, default_num_workers
from gristmill.runtime.engine.submit_stream import submit
from gristmill.runtime.model import BadInput, ServiceFacts
from gristmill.runtime.model.fingerprint import fingerprint
from gristmill.runtime.ports import Clock, DedupLookup
from gristmill.runtime.wire.judging import join_verdicts
from gristmill.runtime.wire.services import (
    SERVICES,
    decode_explain_request,
    decode_info_request,
    decode_list_request,
    encode_comparison,
    encode_info,
    encode_tables,
)

INGESTION = "ingestion"

_METHODS: Mapping[str, Mapping[str, bool]] = {
    "ingestion": {"Check": True},
    "syntax": {"Parse": True},
    "quality": {"Score": True},
    "dedup": {"Check": True, "Explain": False},
    "shards": {"List": False},
}
"""The methods of each stage's service; True: with a stream of batches beside it."""

_BESIDE = 16  # streams of one connection: health beside as many calls as there may be


@dataclass(slots=True, kw_only=True)
class StageApi:
    """The calls of one stage. They are refused until somebody is there to answer them."""

    stage: str
    settings: Settings
    health: Health
    metrics: PrometheusMetrics
    log: JsonLog
    clock: Clock
    _calls: dict[str, BatchCalls] = field(default_factory=dict)
    _judges: list[PooledJudge | ThreadJudge] = field(default_factory=list)
    _ingestion: IngestionCalls = field(default_factory=IngestionCalls)
    _is_there: Callable[[], bool] = lambda: True

    def services(self) -> Services:
        """Return what the server serves from its start on. Raises BadInput."""
        serve: ServeSettings = self.settings.sections["serve"]
        tls: TlsSettings = self.settings.sections["tls"]
        require_private(tls, serve.host)
        handlers: dict[str, Mapping[str, Any]] = {SERVICES["info"]: {"Get": self._info()}}
        if serve.api and self.stage in _METHODS:
            methods: dict[str, Any] = {}
            for name, streamed in _METHODS[self.stage].items():
                calls = self._calls[name] = BatchCalls(serve.max_batches, serve.max_client_batches)
                methods |= calls.handlers(name, streamed=streamed)
            if self.stage == INGESTION:
                methods |= self._ingestion.handlers()
            handlers[SERVICES[self.stage]] = methods
        return Services(
            handlers=handlers,
            serves={
                SERVICES["info"]: lambda: not self.health.ends,
                **{name: self._serves for name in handlers if name != SERVICES["info"]},
            },
            interceptor=CallInterceptor(
                self.health,
                self.metrics,
                self.log,
                most_calls=serve.max_calls,
                most_of_caller=serve.max_client_calls,
            ),
            drain=self._drain,
            close=self._ingestion.close,
            certificates=Certificates(tls, self.log) if tls.certificate else None,
            max_message_bytes=serve.max_message_bytes,
            max_streams=serve.max_calls + _BESIDE,
            max_connections=connections_within(serve.max_connections, serve.max_calls, self.log),
        )

    def _serves(self) -> bool:
        """Tell whether the calls of the stage are answered now."""
        if not self.health.answers or not all(one.answers for one in self._calls.values()):
            return False
        if not self._is_there():
            return False
        return self.stage != INGESTION or (self._ingestion.is_open and not self.health.log_is_away)

    def open_front_door(self) -> None:
        """Take in what crawlers submit, where they come to this stage.

        Raises Fatal when their keys cannot be kept.
        """
        if self.stage == INGESTION and self._calls:
            from gristmill.cli.serving_door import open_front_door  # with the archives' readers

            sections = self.settings.sections
            door = open_front_door(sections, clock=self.clock, metrics=self.metrics)
            self._ingestion.open(door, partial(submit, door))

    def answer_in_workers(self, version: str, num_workers: int, *, whole: bool) -> None:
        """Have a pure stage's calls answered by worker processes of their own.

        They are given batches `whole`, or else file by file, each within the limits of a document.
        """
        sections = self.settings.sections
        setup = ApiSetup(
            stage=self.stage,
            settings=sections[self.stage],
            limits=sections[LIMITS_SECTION],
            memo=sections["serve"].memo,
            whole=whole,
        )
        num_workers = num_workers or default_num_workers()

        def make_pool() -> WorkerPool[Judged]:
            return WorkerPool(COMMAND, setup, num_workers)

        for name in self._calls:
            judge = PooledJudge(make_pool, version=version, num_workers=num_workers, whole=whole)
            self._judges.append(judge)
            self._calls[name].judge = judge

    def answer_from_index(
        self, index: DedupLookup, is_there: Callable[[], bool] = lambda: True
    ) -> None:
        """Have dedup's calls answered out of the index, reading only, as long as it is there."""
        from gristmill.dedup.lookup import DedupReader  # with its compiler: no other stage's

        reader = DedupReader(self.settings.sections[self.stage], index)

        def explain(request: bytes) -> bytes:
            document = decode_explain_request(request)
            return encode_comparison(reader.explain(document), reader.version)

        def check(request: bytes) -> bytes:
            return join_verdicts([judge_batch(request, reader.check)], reader.version)

        self._is_there = is_there
        self._answer("Check", check)
        self._answer("Explain", explain)

    def answer_from_tables(self, directory: str) -> None:
        """Have the calls of shards answered out of the tables as they stand."""

        def answer(request: bytes) -> bytes:
            name, limit = decode_list_request(request)
            return encode_tables(list_tables(open_tables(directory), name, limit))

        self._is_there = partial(_are_tables, directory)
        self._answer("List", answer)

    def _drain(self) -> None:
        for calls in self._calls.values():
            calls.drain()
        self._ingestion.drain()

    def close(self) -> None:
        """End what answers, when no calls are left."""
        for judge in self._judges:
            judge.close()

    def _answer(self, name: str, work: Callable[[bytes], bytes]) -> None:
        if name in self._calls:
            judge = ThreadJudge(work)
            self._judges.append(judge)
            self._calls[name].judge = judge

    def _info(self) -> Any:  # noqa: ANN401  # gRPC carries no types
        sections = self.settings.sections
        deciding = (sections[one] for one in (LIMITS_SECTION, self.stage) if one in sections)
        settings, started_at = fingerprint(*deciding), self.clock.now()

        def get(request: bytes) -> bytes:
            decode_info_request(request)
            report = self.health.report()
            return encode_info(
                ServiceFacts(
                    stage=self.stage,
                    version=__version__,
                    settings=settings,
                    state=report.state,
                    detail=report.detail,
                    started_at=started_at,
                )
            )

        return unary(get)


def _are_tables(directory: str) -> bool:
    """Tell whether tables lie in a directory that this version reads."""
    try:
        RunDirectory(directory)
    except BadInput:
        return False
    return os.path.exists(os.path.join(directory, "catalog.db"))
