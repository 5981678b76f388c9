"""The port DedupIndex: what any adapter answers, near claims apart."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from gristmill.runtime.model import Kind
from gristmill.runtime.ports import Admission, DedupIndex, Duplicate, Fingerprint, Kept, Resubmitted

Fresh = Callable[..., AbstractContextManager[DedupIndex]]
Mark = Callable[..., Fingerprint]
Exact = Callable[[Fingerprint], Duplicate]


def test_the_first_document_of_a_content_is_kept(fresh: Fresh, mark: Mark) -> None:
    with fresh() as index:
        assert list(index.admit([mark(0, "a"), mark(1, "b")])) == [Kept(), Kept()]


def test_a_copy_is_a_duplicate_of_the_first_kept_however_many_there_are(
    fresh: Fresh, mark: Mark, exact: Exact
) -> None:
    first = mark(0, "a")
    with fresh() as index:
        index.admit([first])
        assert list(index.admit([mark(1, "a"), mark(2, "a")])) == [exact(first), exact(first)]
        assert list(index.admit([mark(3, "a")])) == [exact(first)]


def test_the_same_document_at_a_later_position_is_resubmitted(fresh: Fresh, mark: Mark) -> None:
    with fresh() as index:
        index.admit([mark(0, "a", "me")])
        assert list(index.admit([mark(1, "a", "me")])) == [Resubmitted()]


def test_the_same_document_from_another_source_is_resubmitted(fresh: Fresh, mark: Mark) -> None:
    with fresh() as index:
        index.admit([mark(0, "a", "me", source="one")])
        assert list(index.admit([mark(0, "a", "me", source="two")])) == [Resubmitted()]


def test_a_replay_is_answered_as_the_first_time_three_times_over(
    fresh: Fresh, mark: Mark, exact: Exact
) -> None:
    first = mark(0, "a", "me")
    batch = [first, mark(1, "a", "you"), mark(2, "a", "me"), mark(3, "b")]
    with fresh() as index:
        verdicts = [list(index.admit(batch)) for _ in range(4)]
    assert verdicts[0] == [Kept(), exact(first), Resubmitted(), Kept()]
    assert verdicts == [verdicts[0]] * 4


def test_inside_a_batch_the_order_given_decides(fresh: Fresh, mark: Mark, exact: Exact) -> None:
    one, two = mark(0, "a", "one"), mark(1, "a", "two")
    with fresh() as index:
        assert list(index.admit([one, two])) == [Kept(), exact(one)]
    with fresh() as index:
        assert list(index.admit([two, one])) == [Kept(), exact(two)]


def test_an_empty_batch_is_answered_by_nothing(fresh: Fresh) -> None:
    with fresh() as index:
        assert list(index.admit([])) == []
        assert index.watermarks() == {}


def test_kinds_do_not_share_claims(fresh: Fresh, mark: Mark, exact: Exact) -> None:
    batch = [mark(offset, "a", kind=kind) for offset, kind in enumerate(Kind)]
    with fresh() as index:
        assert list(index.admit(batch)) == [Kept()] * len(Kind)
        again = mark(9, "a", kind=Kind.COMMIT)
        (owner,) = (mark for mark in batch if mark.kind is Kind.COMMIT)
        assert list(index.admit([again])) == [exact(owner)]


def test_watermarks_stand_behind_the_last_position_decided_dropped_or_kept(
    fresh: Fresh, mark: Mark
) -> None:
    with fresh() as index:
        index.admit([mark(4, "a"), mark(7, "a"), mark(2, "b", source="other")])
        assert index.watermarks() == {"s": 8, "other": 3}


def test_watermarks_never_go_back(fresh: Fresh, mark: Mark) -> None:
    with fresh() as index:
        index.admit([mark(0, "a"), mark(9, "b")])
        index.admit([mark(0, "a")])
        assert index.watermarks() == {"s": 10}


def test_a_duplicate_alone_moves_the_watermark(fresh: Fresh, mark: Mark) -> None:
    with fresh() as index:
        index.admit([mark(0, "a")])
        index.admit([mark(5, "a")])
        assert index.watermarks() == {"s": 6}


def test_what_watermarks_returns_is_the_callers_own(fresh: Fresh, mark: Mark) -> None:
    with fresh() as index:
        index.admit([mark(0, "a")])
        dict(index.watermarks()).clear()
        copy = index.watermarks()
        assert isinstance(copy, dict)
        copy["s"] = 99
        assert index.watermarks() == {"s": 1}


def test_closing_twice_is_harmless(fresh: Fresh) -> None:
    with fresh() as index:
        index.close()
        index.close()


def test_an_offset_may_use_all_63_bits(fresh: Fresh, mark: Mark) -> None:
    last = 2**63 - 1
    with fresh() as index:
        assert list(index.admit([mark(last, "a", "me")])) == [Kept()]
        assert list(index.admit([mark(last, "a", "me")])) == [Kept()]
        assert index.watermarks() == {"s": 2**63}


_STREAM = st.lists(
    st.tuples(st.sampled_from("abc"), st.sampled_from("xyz"), st.sampled_from(("s", "t"))),
    max_size=16,
)


@settings(max_examples=40)
@given(drawn=_STREAM, cuts=st.sets(st.integers(0, 16)))
def test_how_a_stream_is_cut_into_batches_changes_no_verdict(
    fresh: Fresh, drawn: list[tuple[str, str, str]], cuts: set[int], mark: Mark
) -> None:
    stream = [
        mark(offset, content, who, source=source)
        for offset, (content, who, source) in enumerate(drawn)
    ]
    bounds = sorted({0, *cuts, len(stream)})
    with fresh() as whole, fresh() as cut:
        expected = list(whole.admit(stream))
        answered: list[Admission] = []
        for begin, end in pairwise(bounds):
            answered.extend(cut.admit(stream[begin:end]))
        assert answered == expected
        assert cut.watermarks() == whole.watermarks()
