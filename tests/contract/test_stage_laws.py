"""The laws of a stage, for every built-in one: length, order, replay, batch-split invariance."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from gristmill.runtime.adapters.memory_index import MemoryIndex
from gristmill.runtime.adapters.plugins import load_plugins
from gristmill.runtime.model import (
    Document,
    FileText,
    Keep,
    Kind,
    Outcome,
    Position,
    RawFile,
    Reason,
)
from gristmill.runtime.model.decision import documents_after
from gristmill.runtime.model.document import document_id, sha256_hex
from gristmill.runtime.ports import Stage, Takedowns
from gristmill.runtime.testing.strategies import documents, raw_files
from gristmill.shards.stage import ShardsStage

_PATHS = ("a.py", "b.json", "c.c", "d.g4", "notes.txt", "node_modules/e.js", "f.csv", "go.sum")
_TEXTS = ("x = 1\n", "{}", "def (", "", "int x;\n", "\x01\x02", "# @generated\n", "é" * 5)

# Any: a batch of RawFile for ingestion, of Document for every other stage.
Record = Any


@st.composite
def raw_batches(draw: DrawFn) -> list[Record]:
    files = draw(st.lists(raw_files(), min_size=1, max_size=3))
    pool = [file for file in files if file.content is not None or file.fault is not None]
    for path in draw(st.lists(st.sampled_from(_PATHS), max_size=4)):
        content = draw(st.sampled_from(_TEXTS)).encode(draw(st.sampled_from(("utf-8", "utf-16"))))
        file = RawFile(
            origin=replace(files[0].origin, path=path),
            position=files[0].position,
            size_bytes=len(content),
            content=content,
            content_sha256=sha256_hex(content),
        )
        pool.append(file)
    return draw(_in_order(pool)) if pool else []


@st.composite
def document_batches(draw: DrawFn) -> list[Record]:
    seeds = draw(st.lists(documents(Kind.FILE), min_size=1, max_size=2))
    pool: list[Document] = []
    for number, path in enumerate(draw(st.lists(st.sampled_from(_PATHS), min_size=1, max_size=6))):
        seed = seeds[number % len(seeds)]
        content = draw(st.sampled_from(_TEXTS))
        sha256 = sha256_hex(content.encode())
        origin = replace(seed.origin, path=path)
        pool.append(
            replace(
                seed,
                id=document_id(Kind.FILE, origin, sha256),
                origin=origin,
                body=FileText(content=content, encoding="utf-8"),
                content_sha256=sha256,
                size_bytes=len(content.encode()),
            )
        )
    return draw(_in_order(pool))


def _in_order(pool: Sequence[Record]) -> SearchStrategy[list[Record]]:
    """Draw deliveries out of the pool, repeats included, at places that grow."""
    return st.lists(st.sampled_from(pool), max_size=10).map(
        lambda drawn: [
            replace(record, position=Position(source="s", offset=offset))
            for offset, record in enumerate(drawn)
        ]
    )


def make_stage(name: str) -> Stage:
    if name == "shards":
        empty = sha256_hex(b"{}")
        return ShardsStage(Takedowns(content_sha256s=frozenset({empty})))
    plugin = load_plugins()[name]
    if plugin.build_stateful is not None:
        return plugin.build_stateful(plugin.settings(), MemoryIndex())
    assert plugin.build is not None
    return plugin.build(plugin.settings())


BATCHES: Mapping[str, Callable[[], SearchStrategy[list[Record]]]] = {
    "ingestion": raw_batches,
    "syntax": document_batches,
    "dedup": document_batches,
    "quality": document_batches,
    "shards": document_batches,
}


every_stage = pytest.mark.parametrize("name", BATCHES)
_FEW = settings(max_examples=25)


def test_every_built_in_stage_is_held_to_the_laws() -> None:
    assert set(load_plugins()) <= set(BATCHES)


@every_stage
@_FEW
@given(data=st.data())
def test_every_record_is_answered_in_order(name: str, data: st.DataObject) -> None:
    batch = data.draw(BATCHES[name]())
    outcomes = make_stage(name).process(batch)
    assert len(outcomes) == len(batch)
    for record, outcome in zip(batch, outcomes, strict=True):
        if isinstance(outcome, Keep):
            assert outcome.document.id == record.id
            assert outcome.document.position == record.position
        for document in documents_after(outcome):
            assert document.position == record.position


@every_stage
@_FEW
@given(data=st.data())
def test_a_batch_of_one_is_answered_as_in_company(name: str, data: st.DataObject) -> None:
    batch = data.draw(BATCHES[name]())
    together = list(make_stage(name).process(batch))
    stage = make_stage(name)
    assert [outcome for record in batch for outcome in stage.process([record])] == together


@every_stage
@_FEW
@given(data=st.data())
def test_a_replay_gives_equal_outcomes(name: str, data: st.DataObject) -> None:
    batch = data.draw(BATCHES[name]())
    stage = make_stage(name)
    first = list(stage.process(batch))
    assert list(stage.process(batch)) == first
    begin = data.draw(st.integers(0, len(batch)))
    assert list(stage.process(batch[begin:])) == first[begin:]


@every_stage
@_FEW
@given(data=st.data(), cuts=st.sets(st.integers(0, 10)))
def test_how_records_are_cut_into_batches_changes_nothing(
    name: str, data: st.DataObject, cuts: set[int]
) -> None:
    batch = data.draw(BATCHES[name]())
    bounds = sorted({0, len(batch)} | {cut for cut in cuts if cut < len(batch)})
    stage = make_stage(name)
    parts: list[Outcome] = []
    for begin, end in pairwise(bounds):
        parts.extend(stage.process(batch[begin:end]))
    assert parts == list(make_stage(name).process(batch))


@every_stage
@_FEW
@given(data=st.data())
def test_two_stages_of_the_same_settings_agree(name: str, data: st.DataObject) -> None:
    batch = data.draw(BATCHES[name]())
    one, two = make_stage(name), make_stage(name)
    assert one.version == two.version
    assert list(one.process(batch)) == list(two.process(batch))


@every_stage
@_FEW
@given(data=st.data())
def test_a_stage_leaves_the_batch_alone(name: str, data: st.DataObject) -> None:
    batch = data.draw(BATCHES[name]())
    before = list(batch)
    make_stage(name).process(batch)
    assert batch == before


@every_stage
def test_an_empty_batch_is_answered_by_nothing(name: str) -> None:
    assert list(make_stage(name).process([])) == []


@every_stage
@_FEW
@given(data=st.data())
def test_a_stage_never_claims_that_another_broke(name: str, data: st.DataObject) -> None:
    for outcome in make_stage(name).process(data.draw(BATCHES[name]())):
        assert getattr(outcome, "reason", None) not in {Reason.UNHANDLED, Reason.PARSER_LIMIT}


@pytest.mark.parametrize("stage", BATCHES)
def test_a_version_names_its_stage(stage: str) -> None:
    assert make_stage(stage).version.startswith(f"{stage}-")
