"""The port DedupIndex: what any adapter answers about near claims, case by case."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import pytest

from gristmill.runtime.model import Fatal
from gristmill.runtime.ports import DedupIndex, Duplicate, Fingerprint, Kept
from gristmill.runtime.ports.index import BANDS, PERMUTATIONS, ROWS, SIGNATURE_BYTES

Fresh = Callable[..., AbstractContextManager[DedupIndex]]
Mark = Callable[..., Fingerprint]
Signed = Callable[..., list[Fingerprint]]
Code = Callable[[int, int], list[str]]
Exact = Callable[[Fingerprint], Duplicate]
Near = Callable[[Fingerprint, int], Duplicate]

A = "a" * BANDS


def rows_of(fingerprint: Fingerprint) -> np.ndarray:
    return np.frombuffer(fingerprint.signature, "<u2")


def changed(fingerprint: Fingerprint, *at: int) -> list[int]:
    """Return its rows with other values at some places."""
    rows = rows_of(fingerprint).copy()
    rows[list(at)] ^= 1
    return rows.tolist()


# --- what matches ---------------------------------------------------------------------------------


def test_a_near_copy_is_a_duplicate_with_the_share_of_equal_rows(
    fresh: Fresh, mark: Mark, near: Near
) -> None:
    first, alike = mark(0, "one", bands=A), mark(1, "two", bands="a" * 12 + "bbbb")
    with fresh() as index:
        assert list(index.admit([first, alike])) == [Kept(), near(first, 12 * ROWS)]
        assert near(first, 12 * ROWS).similarity == 0.75


def test_code_with_another_header_is_a_duplicate_and_other_code_is_not(
    fresh: Fresh, signed: Signed, code: Code
) -> None:
    body = code(1, 200)
    texts = ["\n".join(lines) for lines in (body, code(2, 12) + body, code(3, 200), body[:60])]
    original, headed, *others = signed(texts)
    equal = int((rows_of(original) == rows_of(headed)).sum())
    with fresh() as index:
        verdicts = list(index.admit([original, headed, *others]))
    assert verdicts == [
        Kept(),
        Duplicate(of=original.document_id, similarity=equal / PERMUTATIONS, match="near"),
        Kept(),
        Kept(),
    ]


def test_white_space_alone_makes_a_near_copy_of_similarity_1(
    fresh: Fresh, signed: Signed, code: Code, near: Near
) -> None:
    text = "\n".join(code(1, 30))
    first, other = signed([text, text.replace("\n", "\r\n\t")])
    with fresh() as index:
        assert list(index.admit([first, other])) == [Kept(), near(first, PERMUTATIONS)]


@pytest.mark.parametrize(
    ("threshold", "rows", "matches"),
    [
        (0.7, 79, True), (0.7, 78, False),  # 0.7 * 112 = 78.4
        (0.75, 84, True), (0.75, 83, False),  # 0.75 * 112 = 84
        (0.5, 56, True), (0.5, 55, False),
        (1.0, 112, True), (1.0, 111, False),
    ],
)  # fmt: skip
def test_a_candidate_is_verified_row_by_row_against_the_threshold(
    fresh: Fresh, mark: Mark, near: Near, threshold: float, rows: int, matches: bool
) -> None:
    first = mark(0, "one", bands=A)
    # The first band stays whole, so that they always meet.
    other = mark(1, "two", rows=changed(first, *range(rows, PERMUTATIONS)))
    with fresh(threshold=threshold) as index:
        expected = near(first, rows) if matches else Kept()
        assert list(index.admit([first, other])) == [Kept(), expected]


def test_without_a_whole_band_in_common_nothing_is_compared(fresh: Fresh, mark: Mark) -> None:
    first = mark(0, "one", bands=A)
    other = mark(1, "two", rows=changed(first, *range(0, PERMUTATIONS, ROWS)))
    with fresh() as index:
        assert list(index.admit([first, other])) == [Kept(), Kept()]


@pytest.mark.parametrize("band", range(BANDS))
def test_one_band_in_common_is_enough_to_meet_whichever_it_is(
    fresh: Fresh, mark: Mark, near: Near, band: int
) -> None:
    first = mark(0, "one", bands=A)
    places = [at * ROWS + band % ROWS for at in range(BANDS) if at != band]
    other = mark(1, "two", rows=changed(first, *places))
    with fresh() as index:
        assert list(index.admit([first, other])) == [Kept(), near(first, PERMUTATIONS - 15)]


def test_a_band_counts_in_its_own_place_only(fresh: Fresh, mark: Mark) -> None:
    first = mark(0, "one", bands=A)
    moved = mark(1, "two", rows=np.roll(rows_of(first), ROWS))
    with fresh(threshold=0.5) as index:
        assert list(index.admit([first, moved])) == [Kept(), Kept()]


# --- what is compared at all ----------------------------------------------------------------------


def test_near_claims_stay_within_their_domain_and_exact_ones_do_not(
    fresh: Fresh, mark: Mark, near: Near, exact: Exact
) -> None:
    first = mark(0, "one", bands=A, domain="file/python")
    elsewhere = mark(1, "two", bands=A, domain="file/c")
    copy = mark(2, "one", bands=A, domain="file/c")
    alike = mark(3, "three", bands=A, domain="file/c")
    back = mark(4, "four", bands=A, domain="file/python")
    with fresh() as index:
        assert list(index.admit([first, elsewhere, copy, alike, back])) == [
            Kept(),
            Kept(),
            exact(first),
            near(elsewhere, PERMUTATIONS),
            near(first, PERMUTATIONS),
        ]


@pytest.mark.parametrize(
    ("ours", "theirs", "matches"),
    [
        (100, 70, True), (70, 100, True), (100, 69, False), (69, 100, False),
        (100_000, 70_000, True), (69_999, 100_000, False), (1, 1, True),
    ],
)  # fmt: skip
def test_texts_too_unlike_in_size_never_match_whatever_their_signatures(
    fresh: Fresh, mark: Mark, near: Near, ours: int, theirs: int, matches: bool
) -> None:
    first = mark(0, "one", bands=A, num_shingles=ours)
    other = mark(1, "two", bands=A, num_shingles=theirs)
    with fresh() as index:
        expected = near(first, PERMUTATIONS) if matches else Kept()
        assert list(index.admit([first, other])) == [Kept(), expected]


def test_below_five_tokens_only_equality_counts(
    fresh: Fresh, signed: Signed, mark: Mark, exact: Exact, near: Near
) -> None:
    texts = ["", " ", "\n\n", "a b c d", "a b c  d", "a b c d e", "a b c d  e"]
    made = signed(texts)
    assert [one.num_shingles for one in made] == [0] * 5 + [1] * 2
    copies = [mark(at + 10, text) for at, text in enumerate(texts[:5])]
    with fresh() as index:
        assert list(index.admit(made)) == [Kept()] * 6 + [near(made[5], PERMUTATIONS)]
        assert list(index.admit(copies)) == [exact(one) for one in made[:5]]


def test_a_signature_of_no_shingles_claims_nothing(fresh: Fresh, mark: Mark) -> None:
    batch = [mark(at, str(at), bands=A, num_shingles=0) for at in range(3)]
    with fresh() as index:
        assert list(index.admit(batch)) == [Kept()] * 3
        assert list(index.admit([mark(3, "3", bands=A)])) == [Kept()]


# --- whose a band is ------------------------------------------------------------------------------


def test_a_band_stays_with_its_first_kept_owner(fresh: Fresh, mark: Mark, near: Near) -> None:
    first = mark(0, "first", bands="x" + "a" * 15)
    second = mark(1, "second", bands="x" + "b" * 15)
    through_another_band = mark(2, "third", bands="x" + "b" * 11 + "cccc")
    one_row_a_band = [band * ROWS for band in range(1, BANDS)]
    with fresh() as index:
        assert list(index.admit([first, second])) == [Kept(), Kept()], "12 bands make a match"
        assert list(index.admit([through_another_band])) == [near(second, 12 * ROWS)]
        # Both are alike in the rows of all bands, but only the shared first band is whole.
        like_first = mark(3, "fourth", rows=changed(first, *one_row_a_band))
        like_second = mark(4, "fifth", rows=changed(second, *one_row_a_band))
        expected = [near(first, PERMUTATIONS - 15), Kept()]
        assert list(index.admit([like_first, like_second])) == expected


def test_the_match_admitted_first_is_reported_however_good_a_later_one_is(
    fresh: Fresh, mark: Mark, near: Near
) -> None:
    worse = mark(0, "worse", bands="xxxx" + "a" * 12)  # meets in bands 4 to 15
    better = mark(1, "better", bands="a" * 13 + "yyy")  # meets in band 0 already
    for batch in ([worse, better], [better, worse]):
        with fresh() as index:
            assert list(index.admit(batch)) == [Kept(), Kept()]
            num_equal = 12 * ROWS if batch[0] is worse else 13 * ROWS
            asked = mark(2, "asked", bands=A)
            assert list(index.admit([asked])) == [near(batch[0], num_equal)]


def test_an_unlike_owner_of_an_earlier_band_hides_no_match(
    fresh: Fresh, mark: Mark, near: Near
) -> None:
    apart = [
        mark(at, str(at), bands="zyxw"[at] * at + "a" + "zyxw"[at] * (15 - at)) for at in range(4)
    ]
    alike = mark(4, "alike", bands="0123" + "a" * 12)
    with fresh() as index:
        assert list(index.admit([*apart, alike])) == [Kept()] * 5
        asked = mark(5, "asked", bands=A)
        assert list(index.admit([asked])) == [near(alike, 12 * ROWS)]


def test_of_a_copy_elsewhere_and_a_near_copy_here_the_first_admitted_is_reported(
    fresh: Fresh, mark: Mark, near: Near, exact: Exact
) -> None:
    copy = mark(0, "text", bands=A, domain="file/markdown")
    alike = mark(1, "like it", bands=A, domain="file/python")
    asked = mark(2, "text", bands=A, domain="file/python")
    with fresh() as index:
        assert list(index.admit([copy, alike, asked])) == [Kept(), Kept(), exact(copy)]
    with fresh() as index:
        assert list(index.admit([alike, copy, asked])) == [
            Kept(),
            Kept(),
            near(alike, PERMUTATIONS),
        ]


# --- drops own nothing ----------------------------------------------------------------------------


def test_drops_never_chain(fresh: Fresh, mark: Mark, near: Near) -> None:
    a = mark(0, "a", bands=A)
    b = mark(1, "b", bands="a" * 12 + "bbbb")
    c = mark(2, "c", bands="cccc" + "a" * 8 + "bbbb")  # 12 letters of b, 8 of a
    with fresh() as index:
        assert list(index.admit([a, b, c])) == [Kept(), near(a, 12 * ROWS), Kept()]
    with fresh() as index:
        assert list(index.admit([b, a, c])) == [Kept(), near(b, 12 * ROWS), near(b, 12 * ROWS)]


def test_a_chain_of_edits_is_cut_where_it_has_left_its_beginning(
    fresh: Fresh, signed: Signed, code: Code
) -> None:
    lines, other = code(1, 240), code(2, 240)
    chain = signed(["\n".join(other[:at] + lines[at:]) for at in range(0, 241, 12)])
    with fresh() as index:
        verdicts = list(index.admit(chain))
    kept = [at for at, verdict in enumerate(verdicts) if verdict == Kept()]
    assert 3 <= len(kept) <= 8
    for at, verdict in enumerate(verdicts):
        if isinstance(verdict, Duplicate):
            (owner,) = (one for one in kept if chain[one].document_id == verdict.of)
            assert owner < at
            assert verdict.similarity == np.mean(rows_of(chain[owner]) == rows_of(chain[at]))


def test_a_copy_of_what_was_dropped_as_near_is_near_too(
    fresh: Fresh, mark: Mark, near: Near
) -> None:
    first, dropped = mark(0, "one", bands=A), mark(1, "two", bands=A)
    with fresh() as index:
        index.admit([first, dropped])
        assert list(index.admit([mark(2, "two", bands=A)])) == [near(first, PERMUTATIONS)]


def test_a_near_drop_is_answered_the_same_at_its_position_and_at_others(
    fresh: Fresh, mark: Mark, near: Near
) -> None:
    first, dropped = mark(0, "one", bands=A), mark(1, "two", "me", bands="a" * 12 + "bbbb")
    with fresh() as index:
        index.admit([first, dropped])
        # What was kept since has taken bands that the dropped one has.
        assert list(index.admit([mark(2, "three", bands="c" * 12 + "bbbb")])) == [Kept()]
        for offset, source in ((1, "s"), (1, "s"), (7, "s"), (0, "elsewhere")):
            again = mark(offset, "two", "me", bands="a" * 12 + "bbbb", source=source)
            assert list(index.admit([again])) == [near(first, 12 * ROWS)]


def test_a_near_drop_is_answered_the_same_when_a_copy_was_kept_in_another_domain(
    fresh: Fresh, mark: Mark, near: Near
) -> None:
    first = mark(0, "one", bands=A, domain="file/python")
    dropped = mark(1, "two", bands=A, domain="file/python")
    copy = mark(2, "two", bands=A, domain="file/markdown")
    with fresh() as index:
        batch = [first, dropped, copy]
        verdicts = list(index.admit(batch))
        assert verdicts == [Kept(), near(first, PERMUTATIONS), Kept()]
        assert list(index.admit(batch)) == verdicts


def test_a_near_drop_alone_moves_the_watermark(fresh: Fresh, mark: Mark) -> None:
    with fresh() as index:
        index.admit([mark(0, "one", bands=A)])
        index.admit([mark(5, "two", bands=A)])
        assert index.watermarks() == {"s": 6}


# --- what is refused ------------------------------------------------------------------------------


def test_a_signature_of_a_wrong_length_is_refused_and_leaves_no_trace(
    fresh: Fresh, mark: Mark
) -> None:
    broken: Any = mark(0, "one", rows=range(PERMUTATIONS - 1))
    with fresh() as index:
        with pytest.raises(ValueError, match=f"{SIGNATURE_BYTES} bytes or none"):
            index.admit([mark(0, "two", bands=A), broken])
        assert index.watermarks() == {}
        assert list(index.admit([mark(1, "two", bands=A)])) == [Kept()]


def test_more_domains_than_numbers_for_them_are_fatal_and_leave_no_trace(
    fresh: Fresh, mark: Mark
) -> None:
    crowd = [mark(at, str(at), domain=str(at)) for at in range((1 << 16) + 1)]
    with fresh() as index:
        with pytest.raises(Fatal, match="65,536 domains"):
            index.admit(crowd)
        assert index.watermarks() == {}
        other = mark(0, "0", "somebody else", domain="of its own")
        assert list(index.admit([other])) == [Kept()]


# --- giving claims up -----------------------------------------------------------------------------


def test_what_was_released_owns_nothing_and_watermarks_stay(
    fresh: Fresh, mark: Mark, exact: Exact
) -> None:
    first, copy = mark(0, "one", bands=A), mark(1, "one", bands=A)
    with fresh() as index:
        assert list(index.admit([first, copy])) == [Kept(), exact(first)]
        assert index.release([first.document_id, copy.document_id]) == 1  # a dropped one owns none
        assert index.release([first.document_id]) == 0
        assert index.watermarks() == {"s": 2}
        again = mark(2, "one", bands=A)
        assert list(index.admit([again, mark(3, "one", bands=A)])) == [Kept(), exact(again)]


def test_a_band_that_was_released_goes_to_the_next_kept_document_that_has_it(
    fresh: Fresh, mark: Mark, near: Near
) -> None:
    owner, other = mark(0, "one", bands="x" + "a" * 15), mark(1, "two", bands="x" + "b" * 15)
    places = [band * ROWS for band in range(1, BANDS)]
    asked = mark(2, "three", rows=changed(other, *places))  # like `other`, by the first band alone
    with fresh() as index:
        assert list(index.admit([owner, other])) == [Kept(), Kept()]
        index.release([owner.document_id])
        assert list(index.admit([asked])) == [near(other, PERMUTATIONS - 15)]


def test_the_rest_answers_as_if_what_was_released_had_never_come(
    fresh: Fresh, families: Callable[..., list[Fingerprint]]
) -> None:
    stream = families(1500, seed=11)
    with fresh() as index, fresh() as twin:
        verdicts = index.admit(stream)
        kept = [one for one, verdict in zip(stream, verdicts, strict=True) if verdict == Kept()]
        gone = kept[::3]
        assert index.release([one.document_id for one in gone]) == len(gone)
        stays = [one for one in kept if one not in gone]
        assert list(twin.admit(stays)) == [Kept()] * len(stays)
        later = families(1500, seed=12) + families(1500, seed=11)
        assert list(index.admit(later)) == list(twin.admit(later))
