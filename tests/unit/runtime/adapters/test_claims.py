"""The claims in memory: tables that grow, wrap around and take a batch back, and their records."""

import errno
import hashlib
import mmap
from dataclasses import replace
from itertools import count, product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gristmill.runtime.adapters import claims_kernel as kernel
from gristmill.runtime.adapters.claims import Claims, Names
from gristmill.runtime.adapters.claims import _table as slots
from gristmill.runtime.model import Fatal, Kind, Position
from gristmill.runtime.ports import Admission, Duplicate, Fingerprint, Kept
from gristmill.runtime.ports.index import BANDS, PERMUTATIONS, ROWS

_SMALL = 24  # slots: a document has 16 bands


def sha256(*parts: Any) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def document(word: str, content: str, *, domain: str = "", source: str = "s") -> Fingerprint:
    """Return a document with one letter a band: an equal letter in its place is an equal band."""
    assert len(word) == BANDS
    bands = (bytes.fromhex(sha256(place)[: 4 * ROWS]) for place in enumerate(word))
    return Fingerprint(
        document_id=sha256(word, content)[:32],
        kind=Kind.FILE,
        content_sha256=sha256(content),
        position=Position(source=source, offset=0),
        domain=domain,
        signature=b"".join(bands),
        num_shingles=100,
    )


def crowd(size: int, *, seed: int = 1) -> list[Fingerprint]:
    """Return documents with nothing in common."""
    rows = np.random.default_rng(seed).integers(0, 1 << 16, (size, PERMUTATIONS), np.uint16)
    return [
        Fingerprint(
            document_id=sha256(seed, at)[:32],
            kind=Kind.FILE,
            content_sha256=sha256("content", seed, at),
            position=Position(source="s", offset=at),
            signature=row.tobytes(),
            num_shingles=100,
        )
        for at, row in enumerate(rows)
    ]


def small(threshold: float = 1.0) -> Claims:
    """Return claims whose tables have to grow at once; by default only equal signatures match."""
    claims = Claims(threshold)
    claims._bands = slots(_SMALL)
    claims._exact = slots(3)
    return claims


def owner_of(claims: Claims, band: int, letter: str) -> str | None:
    """Return the id of the band's owner, found as any document would find it."""
    least, ratio = claims._least, claims._least_ratio
    claims._least, claims._least_ratio = ROWS, 0.01
    word = "?" * band + letter + "?" * (BANDS - 1 - band)
    ((answer,), _) = claims.admit([document(word, f"asks for {letter} in {band}")])
    if answer == Kept():
        claims.withdraw()
    claims._least, claims._least_ratio = least, ratio
    return answer.of if isinstance(answer, Duplicate) else None


def state(claims: Claims) -> tuple[Any, ...]:
    return (
        len(claims), claims.num_claims, claims.num_bytes, claims._bands.tobytes(),
        claims._exact.tobytes(), claims._rows.records[: len(claims)].tobytes(),
        list(claims.sources.names), list(claims.domains.names),
    )  # fmt: skip


def homes(table: np.ndarray) -> np.ndarray:
    """Return for every slot where the claim in it would stand at best, -1 for a free one."""
    home = (table >> np.uint64(32)) * np.uint64(table.size) >> np.uint64(32)
    return np.where(table == 0, -1, home.astype(np.int64))


# --- against a dictionary -------------------------------------------------------------------------


class Model:
    """What is claimed, in dictionaries."""

    def __init__(self) -> None:
        self.contents: dict[str, Fingerprint] = {}
        self.bands: dict[tuple[int, str], Fingerprint] = {}
        self.words: dict[str, str] = {}

    def admit(self, word: str, new: Fingerprint) -> Admission:
        if owner := self.contents.get(new.content_sha256):
            same = owner.document_id == new.document_id
            return (
                Kept() if same else Duplicate(of=owner.document_id, similarity=1.0, match="exact")
            )
        places = list(enumerate(word))
        for owner in self.contents.values():
            met = any(self.bands.get(place) is owner for place in places)
            if met and self.words[owner.content_sha256] == word:
                return Duplicate(of=owner.document_id, similarity=1.0, match="near")
        self.contents[new.content_sha256] = new
        self.words[new.content_sha256] = word
        for place in places:
            self.bands.setdefault(place, new)
        return Kept()


_WORDS = st.text("abc", min_size=BANDS, max_size=BANDS)
_BATCHES = st.lists(
    st.tuples(st.lists(st.tuples(_WORDS, st.integers(0, 30)), max_size=6), st.booleans()),
    max_size=8,
)


@settings(max_examples=60)
@given(batches=_BATCHES)
def test_tables_hold_what_dictionaries_would_however_they_grow_and_shrink(
    batches: list[tuple[list[tuple[str, int]], bool]],
) -> None:
    claims, model = small(), Model()
    for drawn, withdrawn in batches:
        batch = [document(word, f"{number}") for word, number in drawn]
        if withdrawn:
            claims.admit(batch)
            claims.withdraw()
            continue
        expected = [model.admit(word, new) for (word, _), new in zip(drawn, batch, strict=True)]
        assert claims.admit(batch)[0] == expected
    assert len(claims) == len(model.contents)
    assert claims.num_claims == len(model.bands)
    for band, letter in product(range(BANDS), "abc"):
        owner = model.bands.get((band, letter))
        assert owner_of(claims, band, letter) == (owner.document_id if owner else None)


@settings(max_examples=100)
@given(
    size=st.integers(2, 60),
    tags=st.lists(
        st.one_of(st.integers(0, 2**32 - 1), st.integers(0, 40).map(lambda n: 2**32 - 1 - n)),
        unique=True,
        max_size=40,
    ),
    growth=st.integers(1, 60),
)
def test_growth_keeps_every_claim_where_it_is_looked_for(
    size: int, tags: list[int], growth: int
) -> None:
    def place(table: np.ndarray, claim: int) -> None:
        at = (claim >> 32) * table.size >> 32
        while table[at]:
            at = (at + 1) % table.size
        table[at] = claim

    old, new = np.zeros(size, np.uint64), np.zeros(size + growth, np.uint64)
    claimed = [tag << 32 | number for number, tag in enumerate(tags[: size - 1], 1)]
    for claim in claimed:
        place(old, claim)
    free = int(kernel.first_free(old))
    kernel.move(old, new, free, size)
    kernel.move(old, new, 0, free)
    assert sorted(new[new != 0].tolist()) == sorted(claimed)
    for claim in claimed:
        at = (claim >> 32) * new.size >> 32
        while new[at] != claim:
            assert new[at], "a look-up ends at a free slot"
            at = (at + 1) % new.size


# --- corners of a table ---------------------------------------------------------------------------


def wraps(table: np.ndarray) -> bool:
    """Tell whether a claim that should stand at the table's end stands at its beginning."""
    return bool((homes(table)[:2] > 2).any())


def test_claims_that_ran_over_the_tables_end_are_found_before_and_after_growth() -> None:
    more = [document(f"{number}" * BANDS, f"more {number}") for number in range(6)]
    for number in count():
        word = "".join(chr(0x100 + number * BANDS + band) for band in range(BANDS))
        first, before, after = document(word, "one"), small(), small()
        before.admit([first])
        after.admit([first])
        for one in more:
            after.admit([one])
        if wraps(before._bands) and wraps(after._bands):
            break
    assert after._bands.size > before._bands.size
    for claims in (before, after):
        assert {owner_of(claims, *place) for place in enumerate(word)} == {first.document_id}
    for one, letter in zip(more, "012345", strict=True):
        owners = {owner_of(after, band, letter) for band in range(BANDS)}
        assert owners == {one.document_id}


def test_two_bands_that_want_one_free_slot_both_get_one() -> None:
    for number in count():
        word = "".join(chr(0x100 + number * BANDS + band) for band in range(BANDS))
        claims = small()
        claims.admit([document(word, "one")])
        wanted = homes(claims._bands)
        wanted = wanted[wanted >= 0]
        if len(set(wanted.tolist())) < BANDS - 6:  # chains of claims that all stood in one place
            break
    assert claims.num_claims == BANDS
    first = document(word, "one").document_id
    assert [owner_of(claims, band, word[band]) for band in range(BANDS)] == [first] * BANDS
    # Half of them again, for a document that claims the other half.
    other = word[:8] + "????????"
    claims.admit([document(other, "two")])
    assert claims.num_claims == BANDS + 8
    owners = [owner_of(claims, band, other[band]) for band in range(BANDS)]
    assert owners == [first] * 8 + [document(other, "two").document_id] * 8


def test_a_table_is_never_fuller_than_seven_tenths() -> None:
    claims = small()
    for begin in range(0, 300, 3):
        claims.admit(crowd(300)[begin : begin + 3])
        for table in (claims._bands, claims._exact):
            assert np.count_nonzero(table) <= 0.7 * table.size
        assert np.count_nonzero(claims._bands) == claims.num_claims == BANDS * len(claims)
        assert np.count_nonzero(claims._exact) == len(claims)


def test_contents_whose_tags_are_equal_are_told_apart() -> None:
    batch = [
        replace(
            one, content_sha256="0badf00d" + one.content_sha256[8:], signature=b"", num_shingles=0
        )
        for one in crowd(300)
    ]
    claims = Claims()
    assert claims.admit(batch)[0] == [Kept()] * 300
    copies = [replace(one, document_id=one.document_id[::-1]) for one in batch]
    answers, _ = claims.admit(copies)
    assert answers == [
        Duplicate(of=one.document_id, similarity=1.0, match="exact") for one in batch
    ]


# --- taking a batch back --------------------------------------------------------------------------


def test_withdraw_restores_the_tables_bit_by_bit() -> None:
    claims, stream = Claims(), crowd(400)
    claims.admit(stream[:10])
    claims.admit(stream[10:20])
    claims._reserve(400)  # so that nothing grows from here on
    before = state(claims)
    shared = document("a" * BANDS, "new", domain="new domain", source="new source")
    for _ in range(3):
        claims.admit([*stream[5:15], *stream[20:], shared, shared])
        assert state(claims) != before
        claims.withdraw()
        assert state(claims) == before


def test_withdraw_leaves_tables_that_have_grown_with_the_same_claims() -> None:
    claims, stream = Claims(), crowd(5000)
    claims.admit(stream[:10])
    before = [np.sort(table[table != 0]) for table in (claims._bands, claims._exact)]
    claims.admit(stream)
    claims.withdraw()
    after = [np.sort(table[table != 0]) for table in (claims._bands, claims._exact)]
    assert all(np.array_equal(*both) for both in zip(before, after, strict=True))
    assert len(claims) == 10
    assert claims.num_claims == 10 * BANDS
    assert claims.admit(stream)[0] == [Kept()] * 5000


def test_a_batch_is_taken_back_once() -> None:
    claims = Claims()
    claims.admit(crowd(1))
    claims.withdraw()
    with pytest.raises(AssertionError, match="a batch to take back"):
        claims.withdraw()


def test_names_are_numbered_as_they_come_and_forgotten_from_the_end() -> None:
    names = Names()
    assert [names.number(name) for name in ("a", "b", "a", "", "b")] == [0, 1, 0, 2, 1]
    names.forget_from(1)
    assert names.names == ["a"]
    assert len(names) == 1
    assert [names.number(name) for name in ("b", "a")] == [1, 0]


# --- records --------------------------------------------------------------------------------------


@pytest.mark.parametrize("looked_at", [False, True])
def test_records_survive_the_growth_of_their_memory(looked_at: bool) -> None:
    """A map somebody looks at cannot move: then the records are copied into another one."""
    claims, stream = Claims(), crowd(10_000)
    claims.admit(stream[:1000])
    view = claims._rows.records[:1000] if looked_at else None
    seen = claims._rows.records[:1000].tobytes()
    for begin in range(1000, 10_000, 1500):
        claims.admit(stream[begin : begin + 1500])
    assert len(claims._rows.records) >= 10_000
    assert claims._rows.records[:1000].tobytes() == seen
    assert claims._rows.records[:10_000].tobytes() == Claims().pack(stream).tobytes()
    assert np.shares_memory(claims._rows.cells, claims._rows.records)
    if view is not None:
        assert view.tobytes() == seen
        assert not np.shares_memory(view, claims._rows.records)
    assert claims.admit(stream)[0] == [Kept()] * 10_000


def test_memory_that_cannot_grow_leaves_everything_as_it_was() -> None:
    class Exhausted(mmap.mmap):
        def resize(self, size: int) -> None:
            raise OSError(errno.ENOMEM, "Cannot allocate memory")

    claims, stream = Claims(), crowd(2000)
    size = len(claims._rows._map)
    claims._rows._map = Exhausted(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    claims._rows._view()
    claims.admit(stream[:10])
    before = claims._rows.records[:10].tobytes()
    for _ in range(2):
        with pytest.raises(Fatal, match="no memory for 2,010 kept documents"):
            claims.admit(stream)
        assert len(claims) == 10
        assert claims._rows.records[:10].tobytes() == before
    assert claims.admit(stream[:20])[0] == [Kept()] * 20


def test_a_log_is_loaded_as_it_was_admitted_in_any_pieces() -> None:
    stream = crowd(3000)
    admitted = Claims()
    _, records = admitted.admit(stream)
    log = np.frombuffer(records, kernel.RECORD)
    for pieces in ([log], [log[:1], log[1:1], log[1:2000], log[2000:]]):
        loaded = Claims()
        loaded.sources.number("s")
        loaded.domains.number("")
        loaded.load(iter(pieces))
        assert len(loaded) == 3000
        assert loaded.num_claims == admitted.num_claims
        assert loaded.admit(stream) == ([Kept()] * 3000, b"")


def test_the_records_returned_are_those_of_what_was_kept_in_order() -> None:
    claims, (a, b, c) = Claims(), crowd(3)
    admissions, records = claims.admit([a, b, a])
    assert admissions == [Kept()] * 3
    assert records == Claims().pack([a, b]).tobytes()
    assert claims.admit([b, c])[1] == Claims().pack([c]).tobytes()
    assert claims.admit([a, b, c])[1] == b""


def test_memory_is_at_most_700_bytes_a_document() -> None:
    claims, stream = Claims(), crowd(40_000)
    for begin in range(0, 40_000, 2000):
        claims.admit(stream[begin : begin + 2000])
        sizes = claims.num_bytes
        assert sizes["records"] == 292 * len(claims)
        assert sizes["band table"] == claims._bands.nbytes
        assert sizes["exact table"] == claims._exact.nbytes
        if len(claims) >= 10_000:
            assert sum(sizes.values()) <= 700 * len(claims)


# --- what a threshold means -----------------------------------------------------------------------


def test_a_least_ratio_of_so_many_rows_asks_for_as_many() -> None:
    for rows in range(1, PERMUTATIONS + 1):
        assert Claims(rows / PERMUTATIONS)._least == rows
    assert [Claims(t)._least for t in (0.7, 0.75, 0.5, 0.0)] == [79, 84, 56, 1]


@pytest.mark.parametrize("threshold", [0.5, 0.55, 0.56, 0.57, 0.7, 0.75, 0.9, 1.0])
def test_counts_exactly_at_the_least_ratio_may_match(threshold: float) -> None:
    one, other = document("a" * BANDS, "one"), document("a" * BANDS, "two")
    fewer = replace(other, num_shingles=round(100 * threshold))
    (_, answer), _ = Claims(threshold).admit([one, fewer])
    assert isinstance(answer, Duplicate)
