"""Tokens estimated: the same sample in any order, an error within its margin, bounded work."""

import random
from collections import Counter
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gristmill.cli.reading import UNKNOWN
from gristmill.cli.tokens import (
    Counted,
    Estimate,
    TokenRatios,
    highest,
    human_tokens,
    priority,
    sample_size,
    tokens_of,
)
from gristmill.runtime.model import Kind, Origin
from gristmill.runtime.model.document import document_id

COUNTED = st.lists(
    st.builds(
        Counted,
        st.sampled_from(["Python", "C", "Go", UNKNOWN]),
        st.integers(1, 10**6),
        st.floats(0, 10**6),
    ),
    min_size=1,
    max_size=60,
)


def sizes_of(documents: Sequence[Counted]) -> dict[str, int]:
    sizes: Counter[str] = Counter()
    for one in documents:
        sizes[one.language] += one.size_bytes
    return dict(sizes)


def corpus(seed: int, count: int) -> list[Counted]:
    """Documents of three languages, each with a ratio of its own, and some data among them."""
    chance = random.Random(seed)
    per_byte = {"Python": 0.24, "C": 0.31, "Go": 0.27}
    documents = []
    for _ in range(count):
        language = chance.choices(list(per_byte), [6, 3, 1])[0]
        size = int(chance.lognormvariate(8, 1.3)) + 1
        ratio = 0.5 if chance.random() < 0.03 else per_byte[language] * chance.uniform(0.8, 1.25)
        documents.append(Counted(language, size, round(size * ratio)))
    return documents


@pytest.mark.parametrize(
    ("documents", "size"),
    [(0, 0), (1, 1), (200, 200), (201, 200), (20_100, 201), (39_044, 391), (10**9, 4_000)],
)
def test_a_hundredth_is_counted_but_not_too_few_nor_too_many(documents: int, size: int) -> None:
    assert sample_size(documents) == size


def drawn(documents: Sequence[Counted], count: int) -> tuple[list[Counted], float]:
    """Draw a sample by priority, with ids that are hashes of places."""
    ids = {document_id(Kind.FILE, Origin(source="s", repository="r", path=f"{n}"), ""): one
           for n, one in enumerate(documents)}  # fmt: skip
    ranked = highest((priority(name, one.size_bytes), name) for name, one in ids.items())
    bound = ranked[count][0] if count < len(documents) else 0.0
    return [ids[name] for _, name in ranked[:count]], bound


@given(COUNTED, st.floats(0, 10**6), st.randoms(use_true_random=False))
def test_the_order_of_the_sample_changes_nothing(
    sample: list[Counted], bound: float, chance: random.Random
) -> None:
    sizes = {language: size * 2 for language, size in sizes_of(sample).items()} | {"Zig": 1_000}
    told = TokenRatios(sample, bound, sizes).estimate(sizes)
    chance.shuffle(sample)
    turned = dict(sorted(sizes.items(), reverse=True))
    assert TokenRatios(sample, bound, sizes).estimate(turned) == told


@given(COUNTED)
def test_where_all_are_counted_the_sum_is_exact(documents: list[Counted]) -> None:
    sizes = sizes_of(documents)
    told = TokenRatios(documents, 0.0, sizes).estimate(sizes)
    assert told.margin == 0
    assert abs(told.tokens - sum(one.tokens for one in documents)) <= 1


def test_the_margin_holds_the_truth_about_19_times_in_20() -> None:
    held = 0
    for seed in range(40):
        documents = corpus(seed, 1_000)
        sizes = sizes_of(documents)
        told = TokenRatios(*drawn(documents, 200), sizes).estimate(sizes)
        truth = sum(one.tokens for one in documents)
        held += abs(told.tokens - truth) <= told.margin
        assert told.margin < truth / 20
    assert held >= 36


def test_large_documents_are_more_likely_in_the_sample() -> None:
    small, large = ([Counted("C", size, 1.0)] * 500 for size in (1_000, 10_000))
    sample, _ = drawn([*small, *large], 100)
    assert 80 <= sum(one.size_bytes == 10_000 for one in sample) <= 97


def test_a_language_of_few_documents_takes_the_ratio_of_all_and_a_wide_margin() -> None:
    many = [Counted("Python", 1_000, tokens) for tokens in (200, 300) * 10]
    sizes = {"Python": 10**6, "C": 10**4}
    ratios = TokenRatios([*many, Counted("C", 1_000, 900)], 50_000.0, sizes)
    overall = (20 * 250 + 900) / 21_000
    for language in ("C", "Zig"):
        told = ratios.estimate({language: 10_000})
        assert told.tokens == round(10_000 * overall)
        assert told.margin > told.tokens / 2
    own = ratios.estimate({"Python": 10_000})
    assert own.tokens == 2_500
    assert own.margin < 250


def test_what_has_no_language_says_nothing_of_those_that_have_one() -> None:
    binary = [Counted(UNKNOWN, 10**6, 0)] * 3
    python = [Counted("Python", 1_000, 250)] * 20
    ratios = TokenRatios([*binary, *python], 5_000.0, {"Python": 10**6})
    assert ratios.estimate({"Zig": 10_000}).tokens == 2_500
    assert ratios.estimate({UNKNOWN: 10_000}).tokens < 100


def test_one_document_is_no_certainty() -> None:
    told = TokenRatios([Counted("C", 100, 30)], 200.0, {"C": 10_000}).estimate({"C": 10_000})
    assert told.tokens == 3_000
    assert told.margin > 3_000


def test_a_long_text_is_told_by_pieces_from_all_of_it() -> None:
    asked: list[str] = []

    def count(text: str) -> int:
        asked.append(text)
        return text.count("x")

    # Dense at its end alone: what is told by the beginning would be 0.
    tokens, variance = tokens_of("." * 600_000 + "x" * 200_000, count)
    assert tokens == pytest.approx(200_000, rel=0.01)
    assert variance > 100_000**2
    assert sum(map(len, asked)) == 8_192
    asked.clear()
    assert tokens_of("x" * 8_192, count) == (8_192, 0.0)
    assert len(asked) == 1


def test_what_pieces_leave_open_is_in_the_margin() -> None:
    whole, pieces = (
        TokenRatios([Counted("C", 1_000, 250, variance)] * 20, bound, {"C": 20_000})
        for variance, bound in ((0.0, 0.0), (50.0**2, 0.0))
    )
    assert whole.estimate({"C": 20_000}) == Estimate(5_000, 0)
    told = pieces.estimate({"C": 20_000})
    assert told.tokens == 5_000
    assert told.margin == pytest.approx(1.96 * 50 * 20**0.5, abs=1)


@pytest.mark.parametrize(
    ("tokens", "told"),
    [(0, "0"), (999, "999"), (1_234, "1.23 k"), (999_499, "999 k"), (999_999, "1 M"),
     (96_123_456, "96.1 M"), (12 * 10**14, "1,200 T")],
)  # fmt: skip
def test_numbers_for_people_have_three_digits(tokens: int, told: str) -> None:
    assert human_tokens(tokens) == told
    assert str(Estimate(tokens, tokens)) == f"~ {told} ± {told}"
