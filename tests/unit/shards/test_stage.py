"""The last decision: a takedown by id or by content, and nothing else, blocks a document."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gristmill.runtime.model import Document, Drop, Keep, Reason
from gristmill.runtime.ports import Takedowns
from gristmill.runtime.testing.strategies import documents
from gristmill.shards.stage import ShardsStage


@settings(max_examples=20)
@given(st.lists(documents(), max_size=4))
def test_without_takedowns_every_document_is_kept_unchanged(batch: list[Document]) -> None:
    assert list(ShardsStage(Takedowns()).process(batch)) == [Keep(document) for document in batch]


@settings(max_examples=20)
@given(documents())
def test_blocked_is_a_document_taken_down_by_its_id(document: Document) -> None:
    stage = ShardsStage(Takedowns(document_ids=frozenset({document.id})))
    assert list(stage.process([document])) == [Drop(Reason.BLOCKED)]


@settings(max_examples=20)
@given(documents())
def test_blocked_is_a_document_taken_down_by_its_content(document: Document) -> None:
    stage = ShardsStage(Takedowns(content_sha256s=frozenset({document.content_sha256})))
    assert list(stage.process([document])) == [Drop(Reason.BLOCKED)]


@settings(max_examples=20)
@given(documents())
def test_an_id_is_no_content_and_a_content_no_id(document: Document) -> None:
    crossed = Takedowns(
        document_ids=frozenset({document.content_sha256}), content_sha256s=frozenset({document.id})
    )
    assert list(ShardsStage(crossed).process([document])) == [Keep(document)]


@pytest.mark.parametrize("taken", [0, 1, 2])
@settings(max_examples=10)
@given(st.lists(documents(), min_size=3, max_size=3, unique_by=lambda document: document.id))
def test_one_takedown_blocks_one_of_a_batch(taken: int, batch: list[Document]) -> None:
    stage = ShardsStage(Takedowns(document_ids=frozenset({batch[taken].id})))
    blocked = [isinstance(outcome, Drop) for outcome in stage.process(batch)]
    assert blocked == [number == taken for number in range(3)]
