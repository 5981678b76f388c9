"""What goes over the wire comes back equal; whatever else arrives is Poison and nothing else."""

import dataclasses
import hashlib
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from enum import StrEnum
from typing import Any

import pytest
from google.protobuf.descriptor import EnumDescriptor
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given
from hypothesis import strategies as st

from gristmill.runtime import wire
from gristmill.runtime.model import (
    Annotations,
    BlobReference,
    Commit,
    CrawlItem,
    Decision,
    Document,
    Drop,
    Evidence,
    Features,
    FileText,
    Keep,
    Kind,
    Origin,
    OutcomeKind,
    Poison,
    Position,
    RawFile,
    Reason,
    Repository,
    RepositoryMember,
    Split,
    Syntax,
    WebPage,
)
from gristmill.runtime.testing import strategies
from gristmill.runtime.wire import shapes
from gristmill.runtime.wire.generated.gristmill.v1 import (
    document_pb2,
    outcome_pb2,
    raw_file_pb2,
    stream_pb2,
    verdict_pb2,
)

DECODERS = [
    wire.decode_document,
    wire.decode_decision,
    wire.decode_outcome,
    wire.decode_raw_file,
    wire.decode_position,
    wire.decode_crawl_item,
    wire.decode_decisions,
    wire.blob_of_document,
]
ENUMS: dict[type[StrEnum], EnumDescriptor] = {
    Kind: document_pb2.DESCRIPTOR.enum_types_by_name["Kind"],
    OutcomeKind: outcome_pb2.DESCRIPTOR.enum_types_by_name["OutcomeKind"],
    Reason: outcome_pb2.DESCRIPTOR.enum_types_by_name["Reason"],
}
MOMENT = datetime(2024, 2, 29, 23, 59, 59, 123456, tzinfo=UTC)
ORIGIN = Origin(
    source="crawl",
    repository="example.org/ada/engine",
    path="src/main.py",
    url="https://example.org/main",
    revision="a1b2c3",
    licence="MIT",
    crawl="2024-09",
    fetched_at=MOMENT,
)
BODIES = {
    Kind.FILE: FileText(content="print('grüße')\r\n", encoding="windows-1252"),
    Kind.REPOSITORY: Repository(
        members=(
            RepositoryMember(path="a.c", content_sha256="aa", size_bytes=3, language="c"),
            RepositoryMember(path="b", content_sha256="bb", size_bytes=0, language=""),
        ),
        packed=b"\x00\xff",
    ),
    Kind.COMMIT: Commit(message="Fix it", patch="-a\n+b\n", merged=True, context="a\n"),
    Kind.WEB_PAGE: WebPage(text="How to", code_blocks=("x = 1", ""), has_code_tags=True),
}


def document(kind: Kind = Kind.FILE, **changes: Any) -> Document:
    fields: dict[str, Any] = {
        "id": "0123456789abcdef0123456789abcdef",
        "kind": kind,
        "origin": ORIGIN,
        "position": Position(source="crawl/0", offset=7),
        "body": BODIES[kind],
        "content_sha256": "c0ffee",
        "size_bytes": 42,
        "annotations": Annotations(
            language="python",
            syntax=Syntax(error_share=0.25, checker="python"),
            score=0.5,
            scorer="static-1",
            tokens=9,
        ),
    }
    return Document(**fields | changes)


def reason_against(decode: Callable[[bytes], Any], data: bytes) -> Reason | None:
    try:
        decode(data)
    except Poison as poison:
        return poison.reason
    return None


def message() -> Any:
    return document_pb2.Document.FromString(wire.encode_document(document()))


@pytest.mark.parametrize("kind", Kind)
@given(data=st.data())
def test_documents_come_back_equal(kind: Kind, data: st.DataObject) -> None:
    sent = data.draw(strategies.documents(kind))
    assert wire.decode_document(wire.encode_document(sent)) == sent


@given(strategies.decisions())
def test_decisions_come_back_equal(sent: Decision) -> None:
    assert wire.decode_decision(wire.encode_decision(sent)) == sent


@given(strategies.outcomes())
def test_outcomes_come_back_equal(sent: Any) -> None:
    assert wire.decode_outcome(wire.encode_outcome(sent)) == sent


@given(strategies.raw_files())
def test_raw_files_come_back_equal(sent: RawFile) -> None:
    assert wire.decode_raw_file(wire.encode_raw_file(sent)) == sent


@given(strategies.positions())
def test_positions_come_back_equal(sent: Position) -> None:
    assert wire.decode_position(wire.encode_position(sent)) == sent


@given(strategies.crawl_items())
def test_crawl_items_come_back_equal(sent: CrawlItem) -> None:
    assert wire.decode_crawl_item(wire.encode_crawl_item(sent)) == sent


@given(st.lists(strategies.decisions(), max_size=3), st.data())
def test_parts_of_a_batch_of_decisions_read_as_one(
    sent: list[Decision], data: st.DataObject
) -> None:
    cut = data.draw(st.integers(0, len(sent)))
    parts = [wire.encode_decisions(part, None) for part in (sent[:cut], sent[cut:])]
    for batch in (
        wire.encode_decisions(sent, MOMENT),
        b"".join([*parts, wire.encode_decisions([], MOMENT)]),
        b"".join([wire.encode_decisions([], MOMENT), *parts]),
    ):
        assert wire.decode_decisions(batch) == (sent, MOMENT)


BLOB = BlobReference(key="blobs/2024-02-29/abc", sha256="abc", size_bytes=3)


@pytest.mark.parametrize("kind", Kind)
def test_a_body_that_lies_elsewhere_is_fetched(kind: Kind) -> None:
    asked: list[BlobReference] = []

    def fetch(reference: BlobReference) -> bytes:
        asked.append(reference)
        return wire.encode_body(BODIES[kind])

    sent = wire.encode_document_without_body(document(kind), BLOB)
    assert wire.decode_document(sent, fetch) == document(kind)
    assert asked == [BLOB]
    assert wire.blob_of_document(sent) == BLOB
    assert wire.blob_of_document(wire.encode_document(document(kind))) is None


def test_a_body_that_lies_elsewhere_and_is_none_is_poison() -> None:
    sent = wire.encode_document_without_body(document(), BLOB)
    with pytest.raises(Poison, match="FileText: cannot be read"):
        wire.decode_document(sent, lambda _: b"\xff")
    with pytest.raises(Poison, match="lies in a blob store, and there is none here"):
        wire.decode_document(sent)


def test_zero_and_empty_are_not_absent() -> None:
    annotations = Annotations(score=0.0, tokens=0)
    sent = Keep(document(annotations=annotations), Evidence(matched_id="", threshold=0.0))
    assert wire.decode_outcome(wire.encode_outcome(sent)) == sent
    empty = RawFile(origin=ORIGIN, position=Position(source="s", offset=0), size_bytes=0)
    for content in (None, b""):
        raw = dataclasses.replace(empty, content=content)
        assert wire.decode_raw_file(wire.encode_raw_file(raw)).content == content


@pytest.mark.parametrize("twin", ENUMS, ids=lambda twin: twin.__name__)
def test_both_sides_of_an_enum_name_the_same_values(twin: type[StrEnum]) -> None:
    described = ENUMS[twin]
    prefix = described.values_by_number[0].name.removesuffix("UNSPECIFIED")
    assert described.values_by_number[0].name == f"{prefix}UNSPECIFIED"
    on_the_wire = {value.name.removeprefix(prefix) for value in described.values}
    assert on_the_wire - {"UNSPECIFIED"} == {member.name for member in twin}
    assert len(described.values_by_number) == len(described.values) == len(twin) + 1


def names_of(twin: type) -> list[str]:
    """Return the fields of a dataclass or of a named tuple."""
    if dataclasses.is_dataclass(twin):
        return [field.name for field in dataclasses.fields(twin)]
    return list(twin._fields)  # type: ignore[attr-defined]


@pytest.mark.parametrize("twin", shapes._SHAPES, ids=lambda twin: twin.__name__)
def test_both_sides_of_a_message_name_the_same_fields_and_each_has_a_rule(twin: type) -> None:
    shape = shapes._SHAPES[twin]
    of_body = {"body"} if twin is Document else set()
    of_message = shape.message.DESCRIPTOR
    assert of_message.name == twin.__name__
    assert set(names_of(twin)) == shape.rules.keys() | of_body
    arms = {
        field.name for oneof in of_message.oneofs if oneof.name == "body" for field in oneof.fields
    }
    own = shape.rules.keys() & arms
    foreign = {*Kind, "blob"} if twin is Document else set()
    assert arms - own == foreign
    assert set(of_message.fields_by_name) - foreign == shape.rules.keys()


def test_every_message_has_a_twin() -> None:
    files = (document_pb2, outcome_pb2, raw_file_pb2, stream_pb2, verdict_pb2)
    names = {name for file in files for name in file.DESCRIPTOR.message_types_by_name}
    assert names == {twin.__name__ for twin in shapes._SHAPES} | {"Outcome", "DecisionBatch"}


FEATURES = Features(num_lines=3, num_calls=2**63 - 1, function_spans=(0, 9), imports=("a.b",))


def with_features(features: Features) -> Document:
    syntax = Syntax(error_share=0.0, checker="x", features=features, dialect="Python 2")
    return dataclasses.replace(document(), annotations=Annotations(syntax=syntax))


def test_features_cross_with_the_document() -> None:
    sent = with_features(FEATURES)
    received = wire.decode_document(wire.encode_document(sent))
    assert received == sent
    assert received.annotations.syntax is not None
    assert isinstance(received.annotations.syntax.features, Features)


@pytest.mark.parametrize(
    ("field", "value", "problem"),
    [
        ("num_calls", -1, "num_calls is -1, outside 0 to 2^63 - 1"),
        ("num_calls", 2**63, f"num_calls is {2**63}, outside 0 to 2^63 - 1"),
        ("comment_spans", (0, -1), "comment_spans holds a number outside 0 to 2^63 - 1"),
        ("function_spans", (2**63,), "function_spans holds a number outside 0 to 2^63 - 1"),
        ("imports", ("\ud800",), "text holds a lone surrogate"),
    ],
)
def test_features_out_of_range_are_poison_when_written(
    field: str, value: Any, problem: str
) -> None:
    with pytest.raises(Poison, match=re.escape(problem)):
        wire.encode_document(with_features(FEATURES._replace(**{field: value})))


@pytest.mark.parametrize("field", ["num_lines", "docstring_spans"])
def test_features_out_of_range_are_poison_when_read(field: str) -> None:
    sent = document_pb2.Document.FromString(wire.encode_document(with_features(FEATURES)))
    features = sent.annotations.syntax.features
    if field == "num_lines":
        features.num_lines = -1
    else:
        features.docstring_spans.extend((-1, 2))
    with pytest.raises(Poison, match=field):
        wire.decode_document(sent.SerializeToString())


GOLDEN = {
    Kind.FILE: "5bffb6ed5497295bc868eb5be619b95d46f4ba489ea9cadd4c4ebe09f5767ce6",
    Kind.REPOSITORY: "c0c7d01d47fc70d3b1c4adc8ddbbd31aff9f6f5d4e20fb8eb15f21d0da729e5c",
    Kind.COMMIT: "70a46b330da24904a0fd09dd4b5f876b6999c41a3ca0a2d000ddd2cd2f85fe7c",
    Kind.WEB_PAGE: "e0c19e4975e4806f6bdab24fbf0bf44b5874521b95cb8032eec89d474b72158b",
}


@pytest.mark.parametrize("kind", Kind)
def test_the_bytes_of_a_document_stay_the_same(kind: Kind) -> None:
    assert hashlib.sha256(wire.encode_document(document(kind))).hexdigest() == GOLDEN[kind]


@pytest.mark.parametrize("decode", DECODERS)
@given(data=st.binary(max_size=80))
def test_arbitrary_bytes_are_read_or_poison(decode: Callable[[bytes], Any], data: bytes) -> None:
    assert reason_against(decode, data) in (None, Reason.UNREADABLE)


@pytest.mark.parametrize("decode", DECODERS)
@given(data=st.data())
def test_damaged_messages_are_read_or_poison(
    decode: Callable[[bytes], Any], data: st.DataObject
) -> None:
    whole = bytearray(wire.encode_outcome(Split((document(), document(Kind.COMMIT)))))
    at = data.draw(st.integers(0, len(whole) - 1))
    whole[at] = data.draw(st.integers(0, 255))
    inner = whole[data.draw(st.integers(0, 12)) :]
    for damaged in (whole, inner):
        assert reason_against(decode, bytes(damaged)) in (None, Reason.UNREADABLE)


def test_fields_of_a_newer_version_are_skipped() -> None:
    newer = b"\xa2\x1f\x05later"  # field 500, a string
    assert wire.decode_document(wire.encode_document(document()) + newer) == document()
    sent = Drop(Reason.MINIFIED)
    assert wire.decode_outcome(wire.encode_outcome(sent) + newer) == sent


def test_fewer_digits_of_a_second_are_kept() -> None:
    finer = message()
    finer.origin.fetched_at.nanos += 999
    assert wire.decode_document(finer.SerializeToString()) == document()


def clear(name: str) -> Callable[[Any], None]:
    return lambda target: target.ClearField(name)


def change(path: str, value: Any) -> Callable[[Any], None]:
    *parents, name = path.split(".")

    def apply(target: Any) -> None:
        for parent in parents:
            target = getattr(target, parent)
        if isinstance(value, Message):
            getattr(target, name).CopyFrom(value)
        else:
            setattr(target, name, value)

    return apply


@pytest.mark.parametrize(
    ("alter", "problem"),
    [
        (clear("id"), "Document: id is missing"),
        (clear("content_sha256"), "Document: content_sha256 is missing"),
        (clear("kind"), "Document: kind is missing"),
        (clear("origin"), "Document: origin is missing"),
        (clear("position"), "Document: position is missing"),
        (clear("body"), "Document: body is missing"),
        (change("kind", 99), "Document: kind is 99, which this version does not know"),
        (change("kind", -1), "Document: kind is -1, which"),
        (change("kind", document_pb2.KIND_COMMIT), "kind is commit, yet the body is file"),
        (change("size_bytes", -1), "Document: size_bytes is -1, outside"),
        (change("position.offset", -5), "Position: offset is -5, outside"),
        (change("position.source", ""), "Position: source is missing"),
        (change("origin.fetched_at", Timestamp(nanos=-1)), "Origin: fetched_at has -1 nanoseconds"),
        (change("origin.fetched_at", Timestamp(nanos=10**9)), "Origin: fetched_at has 1000000000"),
        (change("origin.fetched_at", Timestamp(seconds=2**62)), "Origin: fetched_at lies outside"),
        (change("origin.fetched_at", Timestamp(seconds=-(10**11))), "fetched_at lies outside"),
        (change("annotations.score", float("nan")), "Annotations: score is nan"),
        (change("annotations.syntax.error_share", float("inf")), "Syntax: error_share is inf"),
        (change("annotations.tokens", -1), "Annotations: tokens is -1"),
    ],
)
def test_a_document_that_is_not_whole_is_poison(alter: Callable[[Any], None], problem: str) -> None:
    broken = message()
    alter(broken)
    with pytest.raises(Poison, match=r"^gristmill\.v1\.") as caught:
        wire.decode_document(broken.SerializeToString())
    assert problem in str(caught.value)
    assert caught.value.reason is Reason.UNREADABLE


@pytest.mark.parametrize(
    ("decode", "sent", "problem"),
    [
        (wire.decode_document, b"\xff", "Document: cannot be read"),
        (wire.decode_position, b"\x0a\x01\xff", "Position: cannot be read"),  # not UTF-8
        (wire.decode_outcome, b"", "Outcome: outcome is missing"),
        (wire.decode_outcome, outcome_pb2.Outcome(keep={}), "Keep: document is missing"),
        (wire.decode_outcome, outcome_pb2.Outcome(drop={}), "Drop: reason is missing"),
        (wire.decode_outcome, outcome_pb2.Outcome(split={"documents": [{}]}), "id is missing"),
        (wire.decode_decision, b"", "Decision: document_id is missing"),
        (wire.decode_raw_file, b"", "RawFile: origin is missing"),
        (wire.decode_crawl_item, b"", "CrawlItem: origin is missing"),
        (wire.decode_crawl_item, stream_pb2.CrawlItem(origin={}, blob={}), "key is missing"),
        (wire.decode_decisions, b"", "DecisionBatch: decided_at is missing"),
        (
            wire.decode_decisions,
            stream_pb2.DecisionBatch(decided_at={"nanos": -1}),
            "DecisionBatch: decided_at has -1 nanoseconds",
        ),
        (
            wire.decode_raw_file,
            raw_file_pb2.RawFile(
                origin={},
                position={"source": "s"},
                fault="REASON_UNSPECIFIED",
            ),
            "RawFile: fault is missing",
        ),
    ],
)
def test_foreign_bytes_are_poison(
    decode: Callable[[bytes], Any], sent: bytes | Message, problem: str
) -> None:
    data = sent if isinstance(sent, bytes) else sent.SerializeToString()
    with pytest.raises(Poison) as caught:
        decode(data)
    assert problem in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"body": FileText(content="a\ud800", encoding="utf-8")}, "FileText: text holds a lone"),
        ({"origin": dataclasses.replace(ORIGIN, path="\udcff")}, "Origin: text holds a lone"),
        ({"id": ""}, "Document: id is missing"),
        ({"size_bytes": 2**63}, "Document: size_bytes is 9223372036854775808, outside"),
        ({"annotations": Annotations(score=float("nan"))}, "Annotations: score is nan"),
        ({"body": BODIES[Kind.COMMIT]}, "Document: kind is file, yet the body is a Commit"),
        (
            {"origin": dataclasses.replace(ORIGIN, fetched_at=MOMENT.replace(tzinfo=None))},
            "Origin: fetched_at carries no time zone",
        ),
        (
            {
                "origin": dataclasses.replace(
                    ORIGIN,
                    fetched_at=datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14))),
                )
            },
            "Origin: fetched_at lies outside",
        ),
    ],
)
def test_a_value_that_cannot_be_written_is_poison(changes: dict[str, Any], problem: str) -> None:
    with pytest.raises(Poison) as caught:
        wire.encode_document(document(**changes))
    assert problem in str(caught.value)


def test_moments_of_another_time_zone_stay_the_same_moment() -> None:
    there = MOMENT.astimezone(timezone(timedelta(hours=5, minutes=45)))
    sent = document(origin=dataclasses.replace(ORIGIN, fetched_at=there))
    assert wire.decode_document(wire.encode_document(sent)).origin.fetched_at == MOMENT
