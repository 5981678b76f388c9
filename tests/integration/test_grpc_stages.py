"""Each stage's service with the real stage behind it; and a client made of the protos alone."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_served import Served, details, serve_all

from gristmill import __version__
from gristmill.dedup.settings import DedupSettings
from gristmill.dedup.stage import DedupStage
from gristmill.runtime.adapters.iceberg import IcebergTables, local_catalog
from gristmill.runtime.adapters.lmdb_index import LmdbIndex, Table
from gristmill.runtime.adapters.lmdb_index_reader import LmdbIndexReader
from gristmill.runtime.adapters.memory_index import MemoryIndex
from gristmill.runtime.adapters.run_directory import RunDirectory
from gristmill.runtime.wire.generated.gristmill.dedup.v1 import dedup_pb2, dedup_pb2_grpc
from gristmill.runtime.wire.generated.gristmill.ingestion.v1 import (
    ingestion_pb2,
    ingestion_pb2_grpc,
)
from gristmill.runtime.wire.generated.gristmill.quality.v1 import quality_pb2, quality_pb2_grpc
from gristmill.runtime.wire.generated.gristmill.shards.v1 import shards_pb2, shards_pb2_grpc
from gristmill.runtime.wire.generated.gristmill.syntax.v1 import syntax_pb2, syntax_pb2_grpc
from gristmill.runtime.wire.generated.gristmill.v1 import document_pb2, outcome_pb2, verdict_pb2
from gristmill.runtime.wire.judging import decode_source_file

PROTOS = Path(__file__).resolve().parents[2] / "protos"
SECONDS = 120
GOOD = "def add(a, b):\n    return a + b\n"
LONG = "\n".join(f"value_{n} = compute(value_{n - 1}, {n * n})" for n in range(1, 60))


def source_file(path: str, content: str, **more: Any) -> verdict_pb2.SourceFile:
    origin = document_pb2.Origin(repository="r", path=path)
    return verdict_pb2.SourceFile(origin=origin, content=content, **more)


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory whose tables hold nothing yet."""
    path = tmp_path_factory.mktemp("tables") / "out"
    RunDirectory.create(str(path))
    IcebergTables(local_catalog(str(path))).create()
    return path


@pytest.fixture(scope="module")
def served(
    directory: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Served]]:
    """All services, each on a port of its own."""
    index = MemoryIndex()
    kept = decode_source_file(source_file("kept.py", LONG).SerializeToString())
    DedupStage(DedupSettings(), index).process([kept])
    with serve_all(directory, tmp_path_factory.mktemp("door"), index) as made:
        yield made


@pytest.fixture
def stub(served: dict[str, Served]) -> Iterator[Callable[..., Any]]:
    with ExitStack() as stack:

        def make(stage: str, stub_class: Any) -> Any:
            return stub_class(stack.enter_context(served[stage].channel()))

        yield make


def test_ingestion_judges_raw_files_and_takes_nothing_in(stub: Callable[..., Any]) -> None:
    ingestion = stub("ingestion", ingestion_pb2_grpc.IngestionServiceStub)
    files = [
        ingestion_pb2.File(origin=document_pb2.Origin(path=path), content=content)
        for path, content in (
            ("a.py", GOOD.encode("utf-16")),
            ("b.py", bytes(200)),
            ("node_modules/c.js", b"x"),
            ("d.py", b""),
        )
    ]
    response = ingestion.Check(ingestion_pb2.CheckRequest(files=files), timeout=SECONDS)
    assert [one.reason for one in response.verdicts] == [
        outcome_pb2.REASON_UNSPECIFIED,
        outcome_pb2.REASON_BINARY,
        outcome_pb2.REASON_VENDORED,
        outcome_pb2.REASON_EMPTY,
    ]
    with pytest.raises(grpc.RpcError) as caught:
        ingestion.Check(ingestion_pb2.CheckRequest(files=[ingestion_pb2.File()]), timeout=SECONDS)
    (found,) = details(caught.value)
    assert found.field_violations[0].field == "files[0].origin"


def test_syntax_says_what_the_stage_says_and_costs_one_file_where_one_is_bad(
    stub: Callable[..., Any],
) -> None:
    syntax = stub("syntax", syntax_pb2_grpc.SyntaxServiceStub)
    files = [
        source_file("a.py", GOOD),
        source_file("b.py", "def f(:\n"),
        source_file("c.js", "{a:" * 30_000),  # too much for its grammar
        source_file("d.py", GOOD),
    ]
    response = syntax.Parse(syntax_pb2.ParseRequest(files=files), timeout=SECONDS)
    keep, drop = outcome_pb2.OUTCOME_KIND_KEEP, outcome_pb2.OUTCOME_KIND_DROP
    assert [one.outcome for one in response.verdicts] == [keep, drop, drop, keep]
    assert response.version == "syntax-test"
    assert response.verdicts[0].annotations.language == "Python"
    assert response.verdicts[0].annotations.syntax.features.num_functions == 1
    assert response.verdicts[1].reason == outcome_pb2.REASON_SYNTAX_ERRORS
    assert response.verdicts[1].evidence.detail


def test_a_batch_without_files_is_answered(stub: Callable[..., Any]) -> None:
    syntax = stub("syntax", syntax_pb2_grpc.SyntaxServiceStub)
    response = syntax.Parse(syntax_pb2.ParseRequest(), timeout=SECONDS)
    assert list(response.verdicts) == []
    assert response.version


def test_a_missing_field_is_named_in_the_details(stub: Callable[..., Any]) -> None:
    syntax = stub("syntax", syntax_pb2_grpc.SyntaxServiceStub)
    bad = [source_file("a.py", GOOD), verdict_pb2.SourceFile(content="x")]
    batches = [syntax_pb2.ParseStreamRequest(files=files) for files in (bad[:1], bad)]
    requests = (
        ("", lambda: syntax.Parse(syntax_pb2.ParseRequest(files=bad), timeout=SECONDS)),
        ("batch 1: ", lambda: list(syntax.ParseStream(iter(batches), timeout=SECONDS))),
    )
    for batch, call in requests:
        with pytest.raises(grpc.RpcError) as caught:
            call()
        assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
        (found,) = details(caught.value)
        (violation,) = found.field_violations
        assert violation.field == "files[1].origin"
        assert violation.description == f"{batch}gristmill.v1.SourceFile: origin is missing"


def test_quality_scores_by_what_syntax_found(stub: Callable[..., Any]) -> None:
    syntax = stub("syntax", syntax_pb2_grpc.SyntaxServiceStub)
    quality = stub("quality", quality_pb2_grpc.QualityServiceStub)
    found = syntax.Parse(
        syntax_pb2.ParseRequest(files=[source_file("a.py", GOOD)]), timeout=SECONDS
    )
    batches = [
        quality_pb2.ScoreStreamRequest(
            files=[source_file("a.py", GOOD, annotations=found.verdicts[0].annotations)]
        )
        for _ in range(3)
    ]
    answers = list(quality.ScoreStream(iter(batches), timeout=SECONDS))
    scores = {one.verdicts[0].annotations.score for one in answers}
    assert len(answers) == 3
    assert len(scores) == 1
    assert 0 < scores.pop() <= 1


def test_dedup_tells_copies_and_explains_them(stub: Callable[..., Any]) -> None:
    dedup = stub("dedup", dedup_pb2_grpc.DedupServiceStub)
    near = LONG.replace("value_30", "other")
    files = [source_file("copy.py", LONG), source_file("near.py", near), source_file("n.py", GOOD)]
    for _ in range(2):  # asked twice, it says the same twice
        response = dedup.Check(dedup_pb2.CheckRequest(files=files), timeout=SECONDS)
        assert [one.reason for one in response.verdicts] == [
            outcome_pb2.REASON_EXACT_DUPLICATE,
            outcome_pb2.REASON_NEAR_DUPLICATE,
            outcome_pb2.REASON_UNSPECIFIED,
        ]
    told = dedup.Explain(
        dedup_pb2.ExplainRequest(file=source_file("near.py", near)), timeout=SECONDS
    )
    (candidate,) = told.candidates
    assert candidate.is_match
    assert candidate.document_id == response.verdicts[1].evidence.matched_id
    assert candidate.similarity == response.verdicts[1].evidence.similarity >= told.threshold
    assert told.verdict == response.verdicts[1]
    assert not told.HasField("exact_match")
    with pytest.raises(grpc.RpcError) as caught:
        dedup.Explain(dedup_pb2.ExplainRequest(), timeout=SECONDS)
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    (found,) = details(caught.value)
    assert found.field_violations[0].field == "file"


def test_shards_lists_tables_and_refuses_others(stub: Callable[..., Any]) -> None:
    shards = stub("shards", shards_pb2_grpc.ShardsServiceStub)
    listed = shards.List(shards_pb2.ListRequest(), timeout=SECONDS)
    tables = {one.name: one for one in listed.tables}
    assert {"files", "ledger"} <= tables.keys()
    (snapshot,) = tables["files"].snapshots
    assert (snapshot.operation, snapshot.added_rows, snapshot.total_rows) == ("append", 0, 0)
    assert snapshot.committed_at.seconds > 0
    for request, field in (
        (shards_pb2.ListRequest(table="nothing"), "table"),
        (shards_pb2.ListRequest(limit=-1), "limit"),
    ):
        with pytest.raises(grpc.RpcError) as caught:
            shards.List(request, timeout=SECONDS)
        assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
        (found,) = details(caught.value)
        assert [one.field for one in found.field_violations] == [field]


def test_shards_does_not_say_that_it_serves_while_its_tables_are_gone(
    served: dict[str, Served], directory: Path, stub: Callable[..., Any]
) -> None:
    health = stub("shards", health_pb2_grpc.HealthStub)
    request = health_pb2.HealthCheckRequest(service="gristmill.shards.v1.ShardsService")
    assert health.Check(request).status == health_pb2.HealthCheckResponse.SERVING
    away = directory.with_name("away")
    directory.rename(away)
    try:
        assert health.Check(request).status == health_pb2.HealthCheckResponse.NOT_SERVING
    finally:
        away.rename(directory)
    assert health.Check(request).status == health_pb2.HealthCheckResponse.SERVING


def test_dedup_without_its_worker_does_not_say_that_it_serves_while_the_index_is_gone(
    tmp_path: Path,
) -> None:
    table = Table(uuid="u", positions={}, num_documents=0)
    LmdbIndex(str(tmp_path / "index"), table, threshold=0.8).close()
    reader = LmdbIndexReader(str(tmp_path / "index"), threshold=0.8)
    request = health_pb2.HealthCheckRequest(service="gristmill.dedup.v1.DedupService")
    with Served("dedup") as served, served.channel() as channel, closing(reader):
        served.api.answer_from_index(reader, reader.is_there)
        health = health_pb2_grpc.HealthStub(channel)
        assert health.Check(request).status == health_pb2.HealthCheckResponse.SERVING
        (tmp_path / "index").rename(tmp_path / "index.old")
        assert health.Check(request).status == health_pb2.HealthCheckResponse.NOT_SERVING
        (tmp_path / "index.old").rename(tmp_path / "index")
        assert health.Check(request).status == health_pb2.HealthCheckResponse.SERVING


def test_a_reason_that_this_version_does_not_know_is_refused_and_the_rest_goes_on(
    stub: Callable[..., Any],
) -> None:
    origin = document_pb2.Origin(source="s", repository="r", path="a.py")
    unread = ingestion_pb2.UnreadFile(origin=origin, size_bytes=1, fault=9999)  # type: ignore[arg-type]
    file = ingestion_pb2.File(origin=origin, content=b"x = 1\n")
    items = [
        ingestion_pb2.Item(key="unknown", unread=unread),
        ingestion_pb2.Item(key="known", file=file),
    ]
    submit = stub("ingestion", ingestion_pb2_grpc.IngestionServiceStub).Submit
    responses = submit(iter([ingestion_pb2.SubmitRequest(items=items)]), timeout=SECONDS)
    found = {one.key: one for response in responses for one in response.receipts}
    assert found["known"].HasField("accepted")
    assert "fault" in found["unknown"].refused.detail
    assert found["unknown"].refused.reason == ingestion_pb2.REFUSAL_REASON_FIELD_UNFIT


# --- a stranger's client --------------------------------------------------------------------------

_STRANGER = """
import json, sys
import grpc
from google.protobuf import message_factory
from gristmill.v1 import document_pb2, info_pb2, info_pb2_grpc, outcome_pb2, verdict_pb2
from gristmill.ingestion.v1 import ingestion_pb2, ingestion_pb2_grpc
from gristmill.syntax.v1 import syntax_pb2, syntax_pb2_grpc
from gristmill.quality.v1 import quality_pb2, quality_pb2_grpc
from gristmill.dedup.v1 import dedup_pb2, dedup_pb2_grpc
from gristmill.shards.v1 import shards_pb2, shards_pb2_grpc

assert not any("runtime" in name for name in sys.modules if name.startswith("gristmill"))
addresses = json.loads(sys.argv[1])
file = verdict_pb2.SourceFile(origin=document_pb2.Origin(path="a.py"), content="x = 1\\n")
told = {}
raw = ingestion_pb2.File(origin=file.origin, content=b"x = 1\\n")
for stage, pb2, pb2_grpc in (
    ("ingestion", ingestion_pb2, ingestion_pb2_grpc),
    ("syntax", syntax_pb2, syntax_pb2_grpc),
    ("quality", quality_pb2, quality_pb2_grpc),
    ("dedup", dedup_pb2, dedup_pb2_grpc),
    ("shards", shards_pb2, shards_pb2_grpc),
):
    with grpc.insecure_channel(addresses[stage]) as channel:
        stub = info_pb2_grpc.InfoServiceStub(channel)
        info = stub.Get(info_pb2.InfoServiceGetRequest(), timeout=60)
        assert info.stage == stage
        told[stage + " version"] = info.version
        (service,) = pb2.DESCRIPTOR.services_by_name.values()
        stub = getattr(pb2_grpc, service.name + "Stub")(channel)
        for method in service.methods:
            request = message_factory.GetMessageClass(method.input_type)()
            fields = method.input_type.fields_by_name
            if "files" in fields:
                request.files.append(raw if stage == "ingestion" else file)
            elif "items" in fields:
                request.items.add(key="a").file.CopyFrom(raw)
            elif "keys" in fields:
                request.keys.append("a")
            elif "file" in fields:
                request.file.CopyFrom(file)
            call = getattr(stub, method.name)
            answers = (
                list(call(iter([request, request]), timeout=60))
                if method.client_streaming
                else [call(request, timeout=60)]
            )
            for answer in answers:
                for receipt in getattr(answer, "receipts", ()):
                    assert receipt.HasField("accepted"), receipt
            told[service.full_name + "/" + method.name] = len(answers)
print(json.dumps(told))
"""


def test_a_client_generated_from_the_protos_alone_calls_everything(
    served: dict[str, Served], tmp_path: Path
) -> None:
    sources = sorted(path.relative_to(PROTOS).as_posix() for path in PROTOS.rglob("*.proto"))
    kinds = [f"--{kind}_out={tmp_path}" for kind in ("python", "grpc_python")]
    command = [sys.executable, "-m", "grpc_tools.protoc", f"--proto_path={PROTOS}", *kinds]
    subprocess.run([*command, *sources], check=True)
    (tmp_path / "gristmill" / "__init__.py").touch()  # or the installed package would be taken
    (tmp_path / "stranger.py").write_text(_STRANGER)
    addresses = json.dumps({stage: one.address for stage, one in served.items()})
    done = subprocess.run(
        [sys.executable, str(tmp_path / "stranger.py"), addresses],
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert {told.pop(f"{stage} version") for stage in served} == {__version__}
    assert told.pop("gristmill.ingestion.v1.IngestionService/Submit") > 0
    assert told == {
        "gristmill.ingestion.v1.IngestionService/Check": 1,
        "gristmill.ingestion.v1.IngestionService/CheckStream": 2,
        "gristmill.ingestion.v1.IngestionService/Known": 1,
        "gristmill.syntax.v1.SyntaxService/Parse": 1,
        "gristmill.syntax.v1.SyntaxService/ParseStream": 2,
        "gristmill.quality.v1.QualityService/Score": 1,
        "gristmill.quality.v1.QualityService/ScoreStream": 2,
        "gristmill.dedup.v1.DedupService/Check": 1,
        "gristmill.dedup.v1.DedupService/CheckStream": 2,
        "gristmill.dedup.v1.DedupService/Explain": 1,
        "gristmill.shards.v1.ShardsService/List": 1,
    }


def test_reflection_and_health_know_every_service(served: dict[str, Served]) -> None:
    from grpc_health.v1 import health_pb2, health_pb2_grpc
    from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

    for stage, one in served.items():
        with one.channel() as channel:
            ask = reflection_pb2.ServerReflectionRequest(list_services="")
            stub = reflection_pb2_grpc.ServerReflectionStub(channel)
            (answer,) = stub.ServerReflectionInfo(iter([ask]), timeout=SECONDS)
            names = {found.name for found in answer.list_services_response.service}
            own = {name for name in names if name.startswith("gristmill.")}
            assert {"gristmill.v1.InfoService", "grpc.health.v1.Health"} <= names
            assert any(f".{stage}.v1." in name for name in own)
            health = health_pb2_grpc.HealthStub(channel)
            for name in ("", f"gristmill.{stage}", *own):
                request = health_pb2.HealthCheckRequest(service=name)
                assert health.Check(request, timeout=SECONDS).status == (
                    health_pb2.HealthCheckResponse.SERVING
                )
