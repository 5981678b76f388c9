"""What is submitted and answered comes back equal; anything else is a receipt or Poison."""

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gristmill.runtime.model import (
    Accepted,
    ArchiveChunk,
    CrawlItem,
    Poison,
    Receipt,
    RefusalReason,
    Refused,
    Submission,
)
from gristmill.runtime.testing.strategies import crawl_items, origins
from gristmill.runtime.wire import (
    decode_receipts,
    decode_submissions,
    encode_receipts,
    encode_submissions,
)
from gristmill.runtime.wire.generated.gristmill.ingestion.v1 import ingestion_pb2 as pb
from gristmill.runtime.wire.submission import MOST_ITEMS

KEYS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
CHUNKS = st.builds(
    ArchiveChunk,
    origin=st.none() | origins(),
    offset=st.integers(0, 2**63 - 1),
    data=st.binary(max_size=50),
    last=st.booleans(),
)


def whole(item: CrawlItem) -> bool:
    return item.content is not None or item.blob is not None or item.fault is not None


@given(st.lists(st.builds(Submission, KEYS, crawl_items().filter(whole) | CHUNKS), max_size=5))
def test_submissions_come_back_equal(sent: list[Submission]) -> None:
    came = decode_submissions(encode_submissions(sent))
    assert [one.key for one in came] == [one.key for one in sent]
    for one, other in zip(sent, came, strict=True):
        assert isinstance(other, Submission)
        if isinstance(one.body, CrawlItem) and one.body.fault is None:
            assert isinstance(other.body, CrawlItem)
            assert other.body.origin == one.body.origin
            assert (other.body.content, other.body.blob) == (one.body.content, one.body.blob)
        elif isinstance(one.body, ArchiveChunk):
            assert other.body == one.body


RESULTS = st.builds(
    Accepted, num_items=st.integers(0, 2**63 - 1), known_before=st.booleans()
) | st.builds(
    Refused,
    st.sampled_from(sorted(set(RefusalReason) - {RefusalReason.OTHER})),
    KEYS,
    st.none() | st.integers(0, 10**9).map(lambda micros: micros / 1_000_000),
)


@given(st.lists(st.builds(Receipt, KEYS, RESULTS), max_size=5))
def test_receipts_come_back_equal(receipts: list[Receipt]) -> None:
    assert list(decode_receipts(encode_receipts(receipts))) == receipts


@given(st.binary(max_size=200))
def test_any_bytes_are_items_receipts_or_poison(data: bytes) -> None:
    try:
        found = decode_submissions(data)
    except Poison:
        return
    assert all(isinstance(one, Submission | Receipt) for one in found)


def test_reasons_are_those_of_the_contract() -> None:
    names = {name.removeprefix("REFUSAL_REASON_") for name in pb.RefusalReason.keys()}  # noqa: SIM118
    own = {reason.name for reason in RefusalReason} - {"OTHER"}  # it stands for those to come
    assert names == own | {"UNSPECIFIED"}
    assert get_args(Receipt.__annotations__["result"]) == (Accepted, Refused)


def test_too_many_items_in_a_request_are_poison() -> None:
    assert decode_submissions(pb.SubmitRequest(items=[pb.Item()] * MOST_ITEMS).SerializeToString())
    with pytest.raises(Poison, match="more than 10,000 items"):
        decode_submissions(pb.SubmitRequest(items=[pb.Item()] * 10_001).SerializeToString())


@pytest.mark.parametrize(
    "receipt",
    [
        pb.Receipt(key="k"),
        pb.Receipt(key="k", refused=pb.Refused()),
    ],
)
def test_a_receipt_that_is_not_whole_is_poison(receipt: pb.Receipt) -> None:
    with pytest.raises(Poison):
        list(decode_receipts(pb.SubmitResponse(receipts=[receipt]).SerializeToString()))


def test_a_reason_that_this_version_does_not_know_is_another_one() -> None:
    refused = pb.Refused(reason=999, detail="so it is")  # type: ignore[arg-type]
    response = pb.SubmitResponse(
        receipts=[pb.Receipt(key="k", refused=refused), pb.Receipt(key="l", accepted=pb.Accepted())]
    )
    assert list(decode_receipts(response.SerializeToString())) == [
        Receipt("k", Refused(RefusalReason.OTHER, "so it is")),
        Receipt("l", Accepted(num_items=0)),
    ]
