"""An audit's counters and causes, where similarities and signatures are made by hand."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from gristmill.dedup.audit import (
    BAND_TAKEN,
    ESTIMATE_HIGH,
    ESTIMATE_LOW,
    MATCH_GONE,
    NO_SHARED_BAND,
    Audit,
    Example,
    Verdict,
    audit,
)
from gristmill.dedup.pairs import Comparison, Pairs
from gristmill.runtime.ports.index import BANDS, PERMUTATIONS, ROWS

Alike = Mapping[tuple[int, int], float]


class Scripted:
    """Texts of which no more is known than how alike they are, and their signatures."""

    def __init__(self, count: int, alike: Alike, signatures: NDArray[np.uint16] | None) -> None:
        assert all(0 <= first < second < count for first, second in alike)
        self._count, self._alike = count, alike
        own = np.arange(count * PERMUTATIONS, dtype=np.uint16).reshape(count, PERMUTATIONS)
        self.signatures = own if signatures is None else signatures
        self.searched = 0.0

    def __len__(self) -> int:
        return self._count

    def similar(self, at_least: float) -> Pairs:
        self.searched = at_least
        chosen = sorted(pair for pair, alike in self._alike.items() if alike >= at_least)
        first, second = np.array(chosen, np.int64).reshape(-1, 2).T
        return Pairs(first, second, self.jaccard(first, second))

    def jaccard(self, first: NDArray[np.int64], second: NDArray[np.int64]) -> NDArray[np.float64]:
        pairs = zip(first.tolist(), second.tolist(), strict=True)
        return np.array([self._alike.get((min(p), max(p)), 0.0) for p in pairs], np.float64)


def audited(
    verdicts: list[Verdict],
    alike: Alike,
    *,
    threshold: float = 0.7,
    signatures: NDArray[np.uint16] | None = None,
) -> Audit:
    # Any: what an audit asks a comparison for, a scripted one has.
    scripted: Any = Scripted(len(verdicts), alike, signatures)
    found = audit(scripted, verdicts, threshold)
    assert scripted.searched == 0.5
    assert found.texts == len(verdicts)
    assert found.near_drops == sum(not verdict.kept for verdict in verdicts)
    return found


def kept(name: str = "kept", domain: str = "file/python") -> Verdict:
    return Verdict(name=name, domain=domain, kept=True)


def dropped(
    match: int = -1,
    *,
    name: str = "dropped",
    domain: str = "file/python",
) -> Verdict:
    return Verdict(name=name, domain=domain, kept=False, match=match)


def agreeing(rows: int, *, bands: int) -> NDArray[np.uint16]:
    """Two signatures with so many equal rows, of which the first so many bands are whole."""
    own = np.zeros((2, PERMUTATIONS), np.uint16)
    equal = np.zeros((BANDS, ROWS), bool)
    equal[:bands] = True
    places = [(band, row) for row in range(ROWS - 1) for band in range(bands, BANDS)]
    for band, row in places[: rows - bands * ROWS]:
        equal[band, row] = True
    assert equal.sum() == rows
    own[1] = ~equal.ravel()
    return own


# --- drops ----------------------------------------------------------------------------------------


def test_a_drop_that_is_like_its_match_is_right() -> None:
    found = audited([kept(), dropped(0)], {(0, 1): 0.7})
    assert (found.wrong_drops, found.low_drops, found.examples) == (Counter(), 0, [])


def test_a_drop_like_nothing_is_wrong_by_its_estimate_where_its_match_was_kept() -> None:
    found = audited([kept("a"), dropped(0, name="b")], {(0, 1): 0.41})
    assert found.wrong_drops == {ESTIMATE_HIGH: 1}
    assert found.low_drops == 1
    assert found.examples == [Example("a", "b", 0.41, f"wrong drop: {ESTIMATE_HIGH}")]


def test_a_drop_like_nothing_is_wrong_by_its_match_where_that_is_gone() -> None:
    found = audited([kept("a"), dropped(-1, name="b")], {(0, 1): 0.41})
    assert found.wrong_drops == {MATCH_GONE: 1}
    assert found.low_drops == 0, "there is no match to be unlike"
    assert found.examples == [Example("?", "b", 0.0, f"wrong drop: {MATCH_GONE}")]


@pytest.mark.parametrize(("alike", "wrong"), [(0.599, 1), (0.6, 0)])
def test_a_drop_is_wrong_below_sixty_per_cent(alike: float, wrong: int) -> None:
    found = audited([kept(), dropped(0)], {(0, 1): alike})
    assert found.wrong_drops.total() == wrong


@pytest.mark.parametrize("threshold", [0.5, 0.7, 0.95])
def test_what_is_wrong_does_not_depend_on_the_threshold(threshold: float) -> None:
    found = audited(
        [kept(), dropped(0), kept(), dropped(2)], {(0, 1): 0.59, (2, 3): 0.61}, threshold=threshold
    )
    assert found.wrong_drops == {ESTIMATE_HIGH: 1}


@pytest.mark.parametrize(("threshold", "low"), [(0.6, 0), (0.65, 0), (0.651, 1), (0.9, 1)])
def test_a_drop_is_low_where_its_match_is_less_alike_than_the_threshold(
    threshold: float, low: int
) -> None:
    found = audited([kept(), dropped(0)], {(0, 1): 0.65}, threshold=threshold)
    assert (found.low_drops, found.wrong_drops) == (low, Counter())


def test_a_drop_that_is_like_another_than_its_match_is_low_and_not_wrong() -> None:
    verdicts = [kept(), dropped(0), dropped(0), kept(domain="file/c")]
    found = audited(verdicts, {(0, 1): 0.3, (0, 2): 0.3, (1, 2): 0.7})
    assert (found.low_drops, found.wrong_drops) == (2, Counter())
    found = audited([kept(), dropped(0), kept(domain="file/c")], {(1, 2): 0.7})
    assert (found.low_drops, found.wrong_drops) == (1, Counter())


def test_wrong_drops_are_shown_the_least_alike_first_and_ten_at_most() -> None:
    verdicts = [kept(), *(dropped(0, name=str(n)) for n in range(12))]
    alike = {(0, 1 + n): 0.5 + (7 * n % 12) / 1000 for n in range(12)}
    found = audited(verdicts, alike)
    assert found.wrong_drops == {ESTIMATE_HIGH: 12}
    shown = [example.jaccard for example in found.examples]
    assert shown == sorted(alike.values())[:10]
    assert [alike[0, 1 + int(example.second)] for example in found.examples] == shown


# --- missed pairs ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rows", "bands", "threshold", "cause"),
    [
        (90, 0, 0.7, NO_SHARED_BAND),
        (0, 0, 0.7, NO_SHARED_BAND),
        (78, 1, 0.7, ESTIMATE_LOW),
        (79, 1, 0.7, BAND_TAKEN),
        (112, 16, 0.7, BAND_TAKEN),
        (83, 3, 0.75, ESTIMATE_LOW),
        (84, 3, 0.75, BAND_TAKEN),
    ],
)
def test_a_pair_that_was_kept_is_missed_for_one_of_three_causes(
    rows: int, bands: int, threshold: float, cause: str
) -> None:
    found = audited(
        [kept("a"), kept("b")],
        {(0, 1): 0.85},
        threshold=threshold,
        signatures=agreeing(rows, bands=bands),
    )
    assert found.missed == {threshold: {cause: 1}, 0.8: {cause: 1}, 0.9: {}}
    assert found.pairs == {threshold: 1, 0.8: 1, 0.9: 0}
    assert found.examples == [Example("a", "b", 0.85, f"missed: {cause}")]


def test_a_band_is_shared_only_where_it_stands_in_both() -> None:
    shifted = np.arange(2 * PERMUTATIONS, dtype=np.uint16).reshape(2, PERMUTATIONS)
    shifted[1, :-1] = shifted[0, 1:]
    shifted[1, ROWS : 2 * ROWS] = shifted[0, :ROWS]
    found = audited([kept(), kept()], {(0, 1): 0.9}, signatures=shifted)
    assert found.missed[0.7] == {NO_SHARED_BAND: 1}


def test_a_pair_of_which_one_was_dropped_is_a_pair_and_not_missed() -> None:
    found = audited([kept(), dropped(0), dropped(0)], {(0, 1): 0.95, (0, 2): 0.85, (1, 2): 0.8})
    assert found.pairs == {0.7: 3, 0.8: 3, 0.9: 1}
    assert found.missed == {0.7: {}, 0.8: {}, 0.9: {}}


def test_pairs_are_counted_at_every_level_that_they_reach() -> None:
    alike = {(0, 1): 0.69, (2, 3): 0.7, (4, 5): 0.8, (6, 7): 0.899, (8, 9): 0.9, (10, 11): 1.0}
    found = audited([kept()] * 12, alike)
    assert found.pairs == {0.7: 5, 0.8: 4, 0.9: 2}
    assert found.missed == {level: {NO_SHARED_BAND: n} for level, n in found.pairs.items()}


@pytest.mark.parametrize(
    ("threshold", "pairs"),
    [
        (0.5, {0.5: 4, 0.8: 2, 0.9: 1}),
        (0.8, {0.8: 2, 0.9: 1}),
        (0.85, {0.85: 1, 0.9: 1}),
        (0.9, {0.9: 1}),
        (1.0, {1.0: 0}),
    ],
)
def test_levels_are_the_threshold_and_those_above_it(
    threshold: float, pairs: dict[float, int]
) -> None:
    alike = {(0, 1): 0.5, (0, 2): 0.7, (0, 3): 0.8, (0, 4): 0.9}
    found = audited([kept()] * 5, alike, threshold=threshold)
    assert found.threshold == threshold
    assert found.pairs == pairs
    assert {level: missed.total() for level, missed in found.missed.items()} == pairs
    assert list(found.across_domains) == list(pairs)


def test_pairs_across_domains_are_no_pairs_and_counted_apart_where_both_were_kept() -> None:
    verdicts = [
        kept(),
        kept(domain="file/c"),
        dropped(0, domain="file/c"),
        kept(domain="file/c"),
    ]
    found = audited(verdicts, {(0, 1): 0.95, (0, 2): 0.95, (0, 3): 0.75, (1, 3): 0.8})
    assert found.across_domains == {0.7: 2, 0.8: 1, 0.9: 1}
    assert found.pairs == {0.7: 1, 0.8: 1, 0.9: 0}
    assert found.missed[0.7].total() == 1
    assert (found.components, found.survivors) == (1, {2: 1})


def test_missed_pairs_are_shown_the_most_alike_first_after_the_wrong_drops() -> None:
    verdicts = [dropped(name="wrong"), *(kept(str(n)) for n in range(1, 15))]
    alike = {(n, n + 1): 0.7 + (5 * n % 13) / 100 for n in range(1, 14)}
    found = audited(verdicts, alike)
    assert [example.second for example in found.examples[:1]] == ["wrong"]
    shown = [example.jaccard for example in found.examples[1:]]
    assert shown == sorted(alike.values(), reverse=True)[:9]
    for example in found.examples[1:]:
        assert alike[int(example.first), int(example.second)] == example.jaccard


# --- components -----------------------------------------------------------------------------------


def components(found: Audit) -> tuple[int, dict[int, int], int, int]:
    return found.components, dict(found.survivors), found.chained, found.unheld


def test_a_component_of_which_one_survives_is_as_it_should_be() -> None:
    found = audited([kept(), dropped(0), dropped(0)], {(0, 1): 0.8, (1, 2): 0.8})
    assert components(found) == (1, {1: 1}, 0, 0)


def test_survivors_of_which_two_are_alike_are_several_and_no_chain() -> None:
    verdicts = [kept(), kept(), dropped(1), kept()]
    found = audited(verdicts, {(0, 1): 0.8, (1, 2): 0.8, (2, 3): 0.8})
    assert components(found) == (1, {3: 1}, 0, 0)
    assert found.missed[0.7].total() == 1


def test_survivors_that_are_alike_through_a_dropped_one_alone_are_a_chain() -> None:
    found = audited([kept(), dropped(0), kept()], {(0, 1): 0.8, (1, 2): 0.8, (0, 2): 0.69})
    assert components(found) == (1, {2: 1}, 1, 0)
    assert found.missed[0.7].total() == 0


def test_a_component_without_survivors_is_held_by_the_kept_ones_outside_it() -> None:
    verdicts = [kept(), dropped(0), dropped(0)]
    found = audited(verdicts, {(1, 2): 0.9, (0, 1): 0.69, (0, 2): 0.69})
    assert components(found) == (1, {0: 1}, 0, 0)
    assert found.low_drops == 2


def test_a_component_without_survivors_is_unheld_where_a_match_is_gone() -> None:
    verdicts = [kept(), dropped(0), dropped(-1)]
    found = audited(verdicts, {(1, 2): 0.9})
    assert components(found) == (1, {0: 1}, 0, 1)


def test_a_survivor_holds_a_component_though_a_match_is_gone() -> None:
    found = audited([kept(), dropped(-1)], {(0, 1): 0.9})
    assert components(found) == (1, {1: 1}, 0, 0)


def test_components_are_those_of_the_threshold_and_meet_over_any_number_of_steps() -> None:
    count = 40
    verdicts = [kept(), *(dropped(0) for _ in range(count - 1))]
    # Joined from both ends inwards, so that the leaders of long chains are joined too.
    alike = {(min(n, count - 1 - n), max(n, count - 1 - n)): 0.9 for n in range(count // 2)}
    alike |= {(n, n + 1): 0.75 for n in range(count - 1) if n != 5 and (n, n + 1) not in alike}
    assert components(audited(verdicts, alike)) == (1, {1: 1}, 0, 0)
    found = audited(verdicts, alike, threshold=0.8)
    assert components(found) == (20, {1: 1, 0: 19}, 0, 0)


def test_several_components_are_counted_by_their_survivors() -> None:
    verdicts = [kept(), dropped(0), kept(), kept(), dropped(0), dropped(-1), kept(), dropped(6)]
    alike = {(0, 1): 0.7, (2, 3): 0.7, (4, 5): 0.7, (6, 7): 0.7}
    assert components(audited(verdicts, alike)) == (4, {1: 2, 2: 1, 0: 1}, 0, 1)


# --- the whole ------------------------------------------------------------------------------------


def test_texts_like_nothing_make_no_pair_and_no_component() -> None:
    found = audited([kept(), kept(domain="file/c")], {})
    assert found == Audit(
        texts=2,
        near_drops=0,
        threshold=0.7,
        pairs={0.7: 0, 0.8: 0, 0.9: 0},
        missed={0.7: Counter(), 0.8: Counter(), 0.9: Counter()},
        across_domains={0.7: 0, 0.8: 0, 0.9: 0},
    )


# A comparison of texts leaves its temporary file open until it goes.
def test_nothing_at_all_is_audited_to_zeros() -> None:
    for found in (audited([], {}), audit(Comparison([]), [], 0.7)):
        assert (found.texts, found.near_drops, found.low_drops) == (0, 0, 0)
        assert (found.wrong_drops, found.examples) == (Counter(), [])
        assert found.pairs == found.across_domains == {0.7: 0, 0.8: 0, 0.9: 0}
        assert found.missed == {0.7: {}, 0.8: {}, 0.9: {}}
        assert components(found) == (0, {}, 0, 0)


def test_one_verdict_a_text_is_wanted() -> None:
    scripted: Any = Scripted(2, {}, None)
    with pytest.raises(AssertionError, match="one verdict a text"):
        audit(scripted, [kept()], 0.7)


def test_texts_themselves_are_audited_to_the_same_figures() -> None:
    words = [f"word_{n}" for n in range(100)]
    changed = [*words[:50], "another", *words[51:]]
    other = [f"other_{n}" for n in range(100)]
    half = [*words[:40], *other[40:]]
    texts = [" ".join(text).encode() for text in (words, changed, other, half, changed, words[:4])]
    verdicts = [
        kept("words"), dropped(0, name="changed"), kept("other"), dropped(0, name="half"),
        kept("missed"), kept("short"),
    ]  # fmt: skip
    found = audit(Comparison(texts), verdicts, 0.7)
    assert found.wrong_drops == {ESTIMATE_HIGH: 1}
    assert found.low_drops == 1
    assert found.pairs == {0.7: 3, 0.8: 3, 0.9: 3}  # with five shingles of 96 changed: 91 of 101
    assert found.missed[0.9] == {BAND_TAKEN: 1}
    assert components(found) == (1, {2: 1}, 0, 0)
    wrong, missed = found.examples
    assert (wrong.first, wrong.second) == ("words", "half")
    assert wrong.jaccard == pytest.approx(36 / 156, abs=1e-12)
    assert (missed.first, missed.second) == ("words", "missed")
    assert missed.jaccard == pytest.approx(91 / 101, abs=1e-12)
