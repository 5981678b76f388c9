"""Translates the calls that are no batches: who serves, what a file is like, what tables hold."""

from collections.abc import Mapping, Sequence

from google.protobuf.message import DecodeError

from gristmill.runtime.model import Document, ServiceFacts, TableFacts, Unfit, verdict_of
from gristmill.runtime.ports import Comparison
from gristmill.runtime.wire.generated.gristmill.dedup.v1 import dedup_pb2
from gristmill.runtime.wire.generated.gristmill.ingestion.v1 import ingestion_pb2
from gristmill.runtime.wire.generated.gristmill.quality.v1 import quality_pb2
from gristmill.runtime.wire.generated.gristmill.shards.v1 import shards_pb2
from gristmill.runtime.wire.generated.gristmill.syntax.v1 import syntax_pb2
from gristmill.runtime.wire.generated.gristmill.v1 import info_pb2, verdict_pb2
from gristmill.runtime.wire.judging import decode_source_file
from gristmill.runtime.wire.shapes import message_of

SERVICES: Mapping[str, str] = {
    "info": info_pb2.DESCRIPTOR.services_by_name["InfoService"].full_name,
    "ingestion": ingestion_pb2.DESCRIPTOR.services_by_name["IngestionService"].full_name,
    "syntax": syntax_pb2.DESCRIPTOR.services_by_name["SyntaxService"].full_name,
    "quality": quality_pb2.DESCRIPTOR.services_by_name["QualityService"].full_name,
    "dedup": dedup_pb2.DESCRIPTOR.services_by_name["DedupService"].full_name,
    "shards": shards_pb2.DESCRIPTOR.services_by_name["ShardsService"].full_name,
}
"""The service of each stage, and the one that every server has, by their full names."""

_SNAPSHOTS = 10
_MOST_SNAPSHOTS = 1000
_STATE = "SERVICE_STATE_"


def encode_info(facts: ServiceFacts) -> bytes:
    """Return the bytes of an `InfoServiceGetResponse`."""
    response = info_pb2.InfoServiceGetResponse(
        stage=facts.stage,
        version=facts.version,
        settings=facts.settings,
        state=_STATE + facts.state.upper(),
        detail=facts.detail,
    )
    response.started_at.FromDatetime(facts.started_at)
    return response.SerializeToString()


def state_of(response: info_pb2.InfoServiceGetResponse) -> str:
    """Return the state that a server tells, by our own name."""
    if response.state not in info_pb2.ServiceState.values():
        return "unknown"
    return info_pb2.ServiceState.Name(response.state).removeprefix(_STATE).lower()


def decode_info_request(data: bytes) -> None:
    """Read the bytes of an `InfoServiceGetRequest`, which has no fields. Raises Unfit."""
    try:
        info_pb2.InfoServiceGetRequest.FromString(data)
    except (DecodeError, ValueError) as error:
        raise Unfit("", "the request cannot be read from these bytes") from error


def decode_explain_request(data: bytes) -> Document:
    """Read the bytes of an `ExplainRequest`. Raises Unfit."""
    try:
        request = dedup_pb2.ExplainRequest.FromString(data)
    except (DecodeError, ValueError) as error:
        raise Unfit("", "the request cannot be read from these bytes") from error
    if not request.HasField("file"):
        raise Unfit("file", "file is missing")
    try:
        return decode_source_file(request.file.SerializeToString())
    except Unfit as error:
        raise Unfit(f"file.{error.field}" if error.field else "file", str(error)) from error


def encode_comparison(comparison: Comparison, version: str) -> bytes:
    """Return the bytes of an `ExplainResponse`."""
    verdict = message_of(verdict_of(comparison.outcome))
    assert isinstance(verdict, verdict_pb2.Verdict)
    return dedup_pb2.ExplainResponse(
        document_id=comparison.document_id,
        domain=comparison.domain,
        num_shingles=comparison.num_shingles,
        exact_match=comparison.exact_match,
        candidates=[
            dedup_pb2.Candidate(
                document_id=one.of,
                bands=one.bands,
                similarity=one.similarity,
                is_match=one.matches,
            )
            for one in comparison.candidates
        ],
        threshold=comparison.threshold,
        verdict=verdict,
        version=version,
    ).SerializeToString()


def decode_list_request(data: bytes) -> tuple[str, int]:
    """Read the bytes of a `ListRequest`: a table or none, and a number. Raises Unfit."""
    try:
        request = shards_pb2.ListRequest.FromString(data)
    except (DecodeError, ValueError) as error:
        raise Unfit("", "the request cannot be read from these bytes") from error
    if not 0 <= request.limit <= _MOST_SNAPSHOTS:
        raise Unfit("limit", f"limit is {request.limit}, outside 0 to {_MOST_SNAPSHOTS:,}")
    return request.table, request.limit or _SNAPSHOTS


def encode_tables(tables: Sequence[TableFacts]) -> bytes:
    """Return the bytes of a `ListResponse`."""
    response = shards_pb2.ListResponse()
    for table in tables:
        message = response.tables.add(name=table.name, num_rows=table.num_rows)
        for one in table.snapshots:
            snapshot = message.snapshots.add(
                id=one.id,
                operation=one.operation,
                added_rows=one.added_rows,
                total_rows=one.total_rows,
            )
            snapshot.committed_at.FromDatetime(one.committed_at)
    return response.SerializeToString()
