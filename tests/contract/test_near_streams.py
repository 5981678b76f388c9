"""The port DedupIndex: long streams of near-duplicates, in any order and cut in any way."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager

import numpy as np
import pytest

from gristmill.runtime.adapters.lmdb_index import LmdbIndex
from gristmill.runtime.ports import Admission, DedupIndex, Duplicate, Fingerprint, Kept, Resubmitted
from gristmill.runtime.ports.index import BANDS, PERMUTATIONS, ROWS

Fresh = Callable[..., AbstractContextManager[DedupIndex]]
Mark = Callable[..., Fingerprint]
Families = Callable[..., list[Fingerprint]]
Near = Callable[[Fingerprint, int], Duplicate]


def admitted(
    index: DedupIndex, stream: Sequence[Fingerprint], size: int | None = None
) -> list[Admission]:
    """Return the verdicts on a stream that is cut into batches of a size."""
    size = size or len(stream)
    return [
        verdict
        for begin in range(0, len(stream), size)
        for verdict in index.admit(stream[begin : begin + size])
    ]


# --- rings ----------------------------------------------------------------------------------------

NUM_RINGS = 1600
ORDERS = ("ring by ring", "backwards", "shuffled", "one of each ring in turn")


def rings(mark: Mark, *, changed_rows: int) -> list[list[Fingerprint]]:
    """Make rings of 3 to 8 documents; neighbours have one whole band in common, others none.

    In its other bands each document has so many rows of its own.
    """
    chance = np.random.default_rng(5)
    made = []
    for number in range(NUM_RINGS):
        size = 3 + number % 6
        shared = chance.integers(0, 1 << 16, PERMUTATIONS, np.uint16)
        rows = np.tile(shared.reshape(BANDS, ROWS), (size, 1, 1))
        for at in range(size):
            other_bands = [band for band in range(BANDS) if band not in {at, (at + 1) % size}]
            rows[at, other_bands, :changed_rows] ^= at + 1
        made.append(
            [
                mark(0, f"{number} {at}", f"{number} {at}", rows=rows[at].ravel())
                for at in range(size)
            ]
        )
    return made


def in_order(made: list[list[Fingerprint]], order: str) -> list[Fingerprint]:
    stream = [one for ring in made for one in ring]
    if order == "backwards":
        stream.reverse()
    elif order == "shuffled":
        stream = [stream[at] for at in np.random.default_rng(6).permutation(len(stream))]
    elif order == "one of each ring in turn":
        stream = [ring[at] for at in range(8) for ring in made if at < len(ring)]
    return stream


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("size", [None, 97])
def test_dedup_rings_of_near_copies_never_lose_all_of_theirs(
    fresh: Fresh, mark: Mark, order: str, size: int | None
) -> None:
    made = rings(mark, changed_rows=1)
    neighbours = {
        one.document_id: {ring[at - 1].document_id, ring[(at + 1) % len(ring)].document_id}
        for ring in made
        for at, one in enumerate(ring)
    }
    stream = in_order(made, order)
    with fresh() as index:
        verdicts = admitted(index, stream, size)
    kept: dict[str, int] = {}
    for one, verdict in zip(stream, verdicts, strict=True):
        earlier = [(kept[other], other) for other in neighbours[one.document_id] if other in kept]
        if earlier:
            assert isinstance(verdict, Duplicate)
            assert verdict.match == "near"
            assert verdict.of == min(earlier)[1]
        else:
            assert verdict == Kept()
            kept[one.document_id] = len(kept)
    for ring in made:
        assert any(one.document_id in kept for one in ring)


@pytest.mark.parametrize("order", ORDERS)
def test_dedup_rings_of_texts_that_only_meet_are_kept_whole(
    fresh: Fresh, mark: Mark, order: str
) -> None:
    stream = in_order(rings(mark, changed_rows=ROWS), order)
    with fresh() as index:
        assert set(index.admit(stream)) == {Kept()}


# --- the same stream again, and cut otherwise -----------------------------------------------------


def test_dedup_replay_of_ten_thousand_documents_three_times_changes_no_verdict(
    fresh: Fresh, families: Families
) -> None:
    stream = families(10_000)
    with fresh() as index:
        first = admitted(index, stream, 1000)
        for size in (1000, 333, 10_000):
            assert admitted(index, stream, size) == first
        watermarks = dict(index.watermarks())
    assert watermarks == {"s": 10_000}
    duplicates = [verdict for verdict in first if isinstance(verdict, Duplicate)]
    assert sum(verdict.match == "near" for verdict in duplicates) > 1000
    assert sum(verdict.match == "exact" for verdict in duplicates) > 200
    assert not any(isinstance(verdict, Resubmitted) for verdict in first)
    for one, verdict in zip(stream, first, strict=True):
        assert not isinstance(verdict, Duplicate) or verdict.of != one.document_id


def test_dedup_replay_at_other_positions_drops_what_was_kept_as_resubmitted(
    fresh: Fresh, families: Families
) -> None:
    stream, moved = families(2000), families(2000, source="another")
    twins = {one.content_sha256: one for one in stream}
    moved = [one for one in moved if twins[one.content_sha256].document_id != one.document_id]
    assert len(moved) == 2000, "ids come from the source here"
    with fresh() as index:
        first = list(index.admit(stream))
        again = [
            Fingerprint(
                document_id=one.document_id,
                kind=one.kind,
                content_sha256=one.content_sha256,
                position=other.position,
                domain=one.domain,
                signature=one.signature,
                num_shingles=one.num_shingles,
            )
            for one, other in zip(stream, moved, strict=True)
        ]
        expected = [Resubmitted() if verdict == Kept() else verdict for verdict in first]
        assert list(index.admit(again)) == expected


@pytest.fixture(scope="module")
def long_stream(families: Families) -> list[Fingerprint]:
    return families(20_000, seed=2)


@pytest.fixture(scope="module")
def in_one_batch(fresh: Fresh, long_stream: list[Fingerprint]) -> Iterator[list[Admission]]:
    """The verdicts on all of it at once: far more claims than the first tables have room for."""
    with fresh() as index:
        verdicts = list(index.admit(long_stream))
        assert list(index.admit(long_stream)) == verdicts
        yield verdicts


@pytest.mark.parametrize("size", [1, 7, 2000, 6001])
def test_how_a_long_stream_is_cut_into_batches_changes_no_verdict(
    fresh: Fresh, long_stream: list[Fingerprint], in_one_batch: list[Admission], size: int
) -> None:
    with fresh() as index:
        # Each batch waits for the disk, where there is one.
        count = 250 * size if isinstance(index, LmdbIndex) else len(long_stream)
        assert admitted(index, long_stream[:count], size) == in_one_batch[:count]


def test_an_enormous_first_batch_is_found_again_whole(fresh: Fresh, families: Families) -> None:
    stream = families(40_000, seed=3)
    with fresh() as index:
        verdicts = list(index.admit(stream))
        num_claims = index._claims.num_claims
        assert admitted(index, stream, 20_000) == verdicts
        assert index._claims.num_claims == num_claims


# --- a band that very many have -------------------------------------------------------------------


def longest_run(table: np.ndarray) -> int:
    """Return how many slots in a row are taken at most: no look-up probes more."""
    (free,) = np.nonzero(table == 0)
    return int(np.diff(free).max())


def test_hot_bucket_of_a_hundred_thousand_files_costs_one_claim_a_band(
    fresh: Fresh, mark: Mark, near: Near
) -> None:
    count, hot = 100_000, 3
    rows = np.random.default_rng(7).integers(0, 1 << 16, (count, PERMUTATIONS), np.uint16)
    rows[:, : hot * ROWS] = rows[0, : hot * ROWS]
    crowd = [mark(at, str(at), rows=row) for at, row in enumerate(rows)]
    alike = rows[::1000].copy()
    alike[:, -3 * ROWS :] += 1
    asked = [mark(count + at, f"like {at}", rows=row) for at, row in enumerate(alike)]
    with fresh() as index:
        assert set(admitted(index, crowd, 25_000)) == {Kept()}
        expected = [near(crowd[1000 * at], PERMUTATIONS - 3 * ROWS) for at in range(len(asked))]
        assert admitted(index, asked) == expected
        assert index._claims.num_claims == hot + (BANDS - hot) * count
        assert longest_run(index._claims._bands) < 1000


def test_hot_bucket_of_near_copies_drops_all_but_the_first(
    fresh: Fresh, mark: Mark, near: Near
) -> None:
    chance = np.random.default_rng(8)
    row = chance.integers(0, 1 << 16, PERMUTATIONS, np.uint16)
    rows = np.tile(row, (20_000, 1))
    rows[1:, : 4 * ROWS] = chance.integers(0, 1 << 16, (19_999, 4 * ROWS), np.uint16)
    crowd = [mark(at, str(at), rows=row) for at, row in enumerate(rows)]
    equal = (rows == rows[0]).sum(axis=1).tolist()
    with fresh() as index:
        verdicts = admitted(index, crowd, 5000)
        assert verdicts == [Kept(), *(near(crowd[0], num_rows) for num_rows in equal[1:])]
        assert index._claims.num_claims == BANDS
