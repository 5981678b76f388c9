"""Chunks cover their sources without a gap, in order, within a limit, from any place."""

import threading
from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise

from hypothesis import given
from hypothesis import strategies as st

from gristmill.runtime.engine.chunks import Chunk, cut
from gristmill.runtime.model import Origin, Position
from gristmill.runtime.ports import Entry, Listing
from gristmill.runtime.ports.source import MEMBER_BITS

MIB = 1 << 20


class FakeSource:
    """A source of items, each a list of its members' sizes; an archive may have none."""

    def __init__(self, name: str, items: Sequence[Sequence[int]]) -> None:
        self._name = name
        self._items = items
        self._before = [0, *accumulate(sum(sizes) for sizes in items)]
        self.listing = Listing(
            source=name, name=name, total_bytes=self._before[-1], num_entries=len(items)
        )

    def entries(self, start: int) -> Iterator[Entry]:
        for number, sizes in enumerate(self._items):
            for member, size in enumerate(sizes):
                offset = number << MEMBER_BITS | member
                if offset >= start:
                    yield Entry(
                        origin=Origin(source=self._name, repository="", path=str(offset)),
                        position=Position(source=self._name, offset=offset),
                        size_bytes=size,
                        location=b"",
                    )

    def end(self) -> int:
        return len(self._items) << MEMBER_BITS

    def done_bytes(self, offset: int) -> int:
        return self._before[min(offset >> MEMBER_BITS, len(self._items))]


SIZES = st.sampled_from([0, 1, 1000, MIB // 3, MIB, 5 * MIB])
ITEMS = st.lists(st.lists(SIZES, max_size=90), max_size=12)
SOURCES = st.lists(ITEMS, min_size=1, max_size=3).map(
    lambda all_items: [FakeSource(f"s{at}", items) for at, items in enumerate(all_items)]
)


def positions(chunks: Sequence[Chunk]) -> list[Position]:
    return [entry.position for chunk in chunks for entry in chunk.entries]


def all_positions(sources: Sequence[FakeSource]) -> list[Position]:
    return [entry.position for source in sources for entry in source.entries(0)]


@given(SOURCES)
def test_chunks_hold_every_record_once_and_in_order(sources: list[FakeSource]) -> None:
    assert positions(list(cut(sources, {}, None))) == all_positions(sources)


@given(SOURCES)
def test_spans_follow_one_another_from_the_beginning_to_the_end(sources: list[FakeSource]) -> None:
    chunks = list(cut(sources, {}, None))
    for source in sources:
        own = [chunk for chunk in chunks if chunk.source == source.listing.source]
        if not source.end():
            assert own == []
            continue
        assert (own[0].begin, own[-1].end) == (0, source.end())
        assert all(before.end == after.begin for before, after in pairwise(own))
        for chunk in own:
            assert chunk.begin < chunk.end
            offsets = [entry.position.offset for entry in chunk.entries]
            assert all(chunk.begin <= offset < chunk.end for offset in offsets)


@given(SOURCES, st.integers(1, 200))
def test_a_limit_is_kept_and_leaves_a_place_to_go_on_from(
    sources: list[FakeSource], limit: int
) -> None:
    chunks = list(cut(sources, {}, limit))
    expected = all_positions(sources)
    assert positions(chunks) == expected[:limit]
    ends = {chunk.source: chunk.end for chunk in chunks}
    assert positions(list(cut(sources, ends, None))) == expected[limit:]


@given(SOURCES, st.data())
def test_a_run_that_stopped_behind_any_chunk_goes_on_there(
    sources: list[FakeSource], data: st.DataObject
) -> None:
    chunks = list(cut(sources, {}, None))
    done = data.draw(st.integers(0, len(chunks)))
    ends = {chunk.source: chunk.end for chunk in chunks[:done]}
    rest = list(cut(sources, ends, None))
    assert positions(chunks[:done]) + positions(rest) == all_positions(sources)
    if rest:
        assert rest[0].begin == ends.get(rest[0].source, 0)


@given(SOURCES)
def test_a_chunk_is_bounded_in_records_and_bytes(sources: list[FakeSource]) -> None:
    for chunk in cut(sources, {}, None):
        assert len(chunk.entries) <= 64
        weights = [min(entry.size_bytes, MIB) for entry in chunk.entries]
        assert sum(weights[:-1]) < MIB
        assert chunk.weight_bytes >= sum(weights)


@given(SOURCES)
def test_listed_bytes_grow_to_the_size_of_everything(sources: list[FakeSource]) -> None:
    chunks = list(cut(sources, {}, None))
    listed = [chunk.listed_bytes for chunk in chunks]
    assert listed == sorted(listed)
    if chunks:
        assert listed[-1] == sum(source.listing.total_bytes for source in sources)


def test_an_archive_without_members_has_a_span_and_no_records() -> None:
    (chunk,) = cut([FakeSource("s", [[]])], {}, None)
    assert (chunk.begin, chunk.end, list(chunk.entries)) == (0, 1 << MEMBER_BITS, [])


def test_a_source_that_is_done_gives_nothing() -> None:
    source = FakeSource("s", [[1], [2]])
    assert list(cut([source], {"s": source.end()}, None)) == []


def test_a_source_of_many_chunks_takes_no_more_of_the_stack() -> None:
    source = FakeSource("long", [[MIB]] * 20_000)
    found: list[Chunk] = []
    before = threading.stack_size(256 << 10)
    try:
        thread = threading.Thread(target=lambda: found.extend(cut([source], {}, None)))
        thread.start()
    finally:
        threading.stack_size(before)
    thread.join()
    assert len(found) == 20_000
