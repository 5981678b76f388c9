"""Batches of callers: cut without a look into them, and put together again."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gristmill.runtime.model import (
    Annotations,
    Drop,
    Evidence,
    Keep,
    OutcomeKind,
    Reason,
    Reject,
    Unfit,
    Verdict,
    verdict_of,
)
from gristmill.runtime.model.document import sha256_hex
from gristmill.runtime.wire.generated.gristmill.syntax.v1 import syntax_pb2
from gristmill.runtime.wire.generated.gristmill.v1 import document_pb2, outcome_pb2, verdict_pb2
from gristmill.runtime.wire.judging import (
    MOST_FILES,
    decode_source_file,
    encode_verdict,
    join_verdicts,
    split_files,
)


def source_file(path: str = "a.py", content: str = "x = 1\n") -> verdict_pb2.SourceFile:
    origin = document_pb2.Origin(repository="r", path=path)
    return verdict_pb2.SourceFile(origin=origin, content=content)


@given(st.lists(st.text(max_size=300), max_size=20))
def test_a_request_is_cut_into_its_files(contents: list[str]) -> None:
    files = [source_file(content=content) for content in contents]
    request = syntax_pb2.ParseRequest(files=files).SerializeToString()
    assert split_files(request) == [one.SerializeToString() for one in files]


def test_fields_of_a_newer_version_are_passed_over() -> None:
    files = [source_file(), source_file("b.py")]
    request = syntax_pb2.ParseRequest(files=files).SerializeToString()
    newer = b"\x10\x96\x01" + b"\x1a\x02hi" + b"\x21" + bytes(8) + b"\x2d" + bytes(4) + request
    assert split_files(newer) == [one.SerializeToString() for one in files]


@given(st.binary(max_size=60))
def test_any_bytes_are_cut_or_refused(data: bytes) -> None:
    files: list[bytes] = []
    with suppress(Unfit):
        files = split_files(data)
    assert sum(map(len, files)) <= len(data)


@pytest.mark.parametrize(
    "data", [b"\x0a", b"\x0a\x05ab", b"\x0b\x00", b"\xff" * 11, b"\x0a" + b"\x80" * 10 + b"\x01"]
)
def test_what_is_no_message_is_refused(data: bytes) -> None:
    with pytest.raises(Unfit, match="cannot be read"):
        split_files(data)


def test_a_batch_of_more_files_than_one_may_have_is_refused() -> None:
    assert split_files(b"\x0a\x00" * MOST_FILES) == [b""] * MOST_FILES
    with pytest.raises(Unfit, match="a batch may have 10,000 files"):
        split_files(b"\x0a\x00" * (MOST_FILES + 1))


@pytest.mark.parametrize("size", [0, 1, 127, 128, 16_383, 16_384, 100_000])
def test_verdicts_are_joined_to_a_response(size: int) -> None:
    verdicts = [
        Verdict(
            outcome=OutcomeKind.DROP, reason=Reason.EMPTY, evidence=Evidence(detail="d" * size)
        ),
        Verdict(outcome=OutcomeKind.KEEP, annotations=Annotations(language="C")),
    ]
    version = "v" * (size % 300)
    data = join_verdicts([encode_verdict(one) for one in verdicts], version)
    response = syntax_pb2.ParseResponse.FromString(data)
    assert response.version == version
    first, second = response.verdicts
    assert (first.outcome, first.reason) == (
        outcome_pb2.OUTCOME_KIND_DROP,
        outcome_pb2.REASON_EMPTY,
    )
    assert first.evidence.detail == "d" * size
    assert second.annotations.language == "C"
    assert not second.HasField("reason")


def test_a_file_becomes_the_document_that_it_would_be() -> None:
    message = source_file(content="grüße\n")
    message.annotations.language = "Python"
    document = decode_source_file(message.SerializeToString())
    content = "grüße\n".encode()
    assert document.content_sha256 == sha256_hex(content)
    assert document.size_bytes == len(content)
    assert document.annotations.language == "Python"
    assert document.origin.path == "a.py"
    assert document.position.source == "api"


@pytest.mark.parametrize(
    ("data", "field"),
    [
        (b"", "origin"),
        (source_file(path="").SerializeToString(), "origin.path"),
        (b"\x12\x02\xff\xfe", ""),
        (b"\x0a", ""),
    ],
    ids=["no origin", "no path", "no text", "cut off"],
)
def test_a_file_that_cannot_be_taken_names_its_field(data: bytes, field: str) -> None:
    with pytest.raises(Unfit) as caught:
        decode_source_file(data)
    assert caught.value.field == field
    assert field.rpartition(".")[2] in str(caught.value)


def test_a_figure_that_is_none_is_told_by_name() -> None:
    message = source_file()
    message.annotations.score = float("nan")
    with pytest.raises(Unfit, match="score is nan"):
        decode_source_file(message.SerializeToString())


def test_a_verdict_is_the_outcome_without_the_document() -> None:
    document = decode_source_file(source_file().SerializeToString())
    kept = verdict_of(Keep(document))
    assert (kept.outcome, kept.reason, kept.annotations) == ("keep", None, document.annotations)
    for outcome, kind in ((Drop(Reason.EMPTY), "drop"), (Reject(Reason.UNHANDLED), "reject")):
        verdict = verdict_of(outcome)
        assert (verdict.outcome, verdict.reason) == (kind, outcome.reason)
        assert verdict.annotations is None
