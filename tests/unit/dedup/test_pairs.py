"""Similar pairs against the plainest truth: sets of shingles, and every pair of texts compared."""

import random
import re
import warnings
from collections.abc import Iterator, Sequence
from itertools import combinations

import numpy as np
import pytest

from gristmill.dedup.fingerprint import sign
from gristmill.dedup.pairs import Comparison, Pairs, similar_pairs
from gristmill.runtime.ports.index import PERMUTATIONS

# As the fingerprint's docstring has it: \w+|[^\w\s] over bytes, where all from 0x80 up are words.
TOKEN = re.compile(rb"[0-9A-Za-z_\x80-\xff]+|[^0-9A-Za-z_\x80-\xff \t\n\r\f\v]")
LEVELS = (0.7, 0.8, 0.9)
NAMES = ("grain", "mill", "stone", "wheel", "sieve", "flour", "sack", "race", "hopper", "bolter")
NUM_FAMILIES = 25

Shingles = frozenset[tuple[bytes, ...]]
Found = dict[tuple[int, int], float]


def shingles(text: bytes) -> Shingles:
    tokens = TOKEN.findall(text)
    return frozenset(tuple(tokens[at : at + 5]) for at in range(len(tokens) - 4))


def brute_force(texts: Sequence[bytes]) -> Found:
    """The similarity of each pair of texts, however small."""
    sets = [shingles(text) for text in texts]
    assert all(sets)
    return {
        (a, b): len(sets[a] & sets[b]) / len(sets[a] | sets[b])
        for a, b in combinations(range(len(sets)), 2)
    }


def as_found(pairs: Pairs) -> Found:
    numbers = zip(pairs.first.tolist(), pairs.second.tolist(), strict=True)
    return dict(zip(numbers, pairs.jaccard.tolist(), strict=True))


def assert_equal(found: Found, expected: Found) -> None:
    assert sorted(found) == sorted(expected)
    assert found == pytest.approx(expected, abs=1e-12, rel=0)


def statement(chance: random.Random) -> str:
    verb, noun, other = (chance.choice(NAMES) for _ in range(3))
    return chance.choice(
        (
            f"    {noun} = {verb}_{other}({noun}, größe={chance.randrange(999)})",
            f"    if {noun}.{verb} is not None: raise {other.title()}Error('{verb} {noun}')",
            f"    for {other} in sorted({noun}, key=lambda row: row['{verb}']):\r\n\tyield {other}",
            f"    # the {other} of {noun} — {verb} first",
        )
    )


@pytest.fixture(scope="module")
def texts() -> list[bytes]:
    """Texts in families: the first one's 20 statements, in each member up to 7 of them changed.

    A change is another statement, or a few words behind it.
    """
    chance = random.Random(1)
    texts = []
    for family in range(NUM_FAMILIES):
        first = [statement(chance) for _ in range(20)]
        for member in range(8):
            lines = list(first)
            for at in chance.sample(range(len(lines)), member):
                lines[at] = chance.choice((f"{lines[at]}  # as in {at}", statement(chance)))
            texts.append("\n".join([f"def family_{family}():", *lines, ""]).encode())
    chance.shuffle(texts)
    return texts


@pytest.fixture(scope="module")
def truth(texts: list[bytes]) -> Found:
    truth = brute_force(texts)
    spread = [sum(low <= one < low + 0.1 for one in truth.values()) for low in (0.6, *LEVELS)]
    assert min(spread) > 20, "pairs of every similarity"
    return truth


@pytest.fixture(scope="module")
def comparison(texts: list[bytes]) -> Comparison:
    return Comparison(texts)


@pytest.mark.parametrize("level", LEVELS)
def test_the_wide_search_finds_every_pair_at_a_level_with_its_exact_similarity(
    comparison: Comparison, truth: Found, level: float
) -> None:
    found = as_found(comparison.similar(0.5))
    assert_equal(
        {pair: alike for pair, alike in found.items() if alike >= level},
        {pair: alike for pair, alike in truth.items() if alike >= level},
    )


@pytest.mark.parametrize(("level", "surely"), [(0.7, 0.8), (0.8, 0.9), (0.9, 0.95)])
def test_a_search_for_a_level_returns_nothing_below_it_and_misses_nothing_well_above(
    comparison: Comparison, truth: Found, level: float, surely: float
) -> None:
    found = as_found(comparison.similar(level))
    assert min(found.values()) >= level
    assert_equal(found, {pair: truth[pair] for pair in found})
    assert {pair for pair, alike in truth.items() if alike >= surely} <= set(found)


def test_the_similarity_of_any_pair_asked_for_is_exact(
    comparison: Comparison, truth: Found
) -> None:
    first, second = (np.array(side, np.int64) for side in zip(*truth, strict=True))
    exact = np.array(list(truth.values()))
    assert np.count_nonzero(exact < 0.1) > 1000
    for one, other in ((first, second), (second, first)):
        np.testing.assert_allclose(comparison.jaccard(one, other), exact, rtol=0, atol=1e-12)
    everything = np.arange(len(comparison))
    assert (comparison.jaccard(everything, everything) == 1).all()


def test_pairs_come_in_order_once_each_and_the_lower_number_first(comparison: Comparison) -> None:
    pairs = comparison.similar(0.5)
    numbers = list(zip(pairs.first.tolist(), pairs.second.tolist(), strict=True))
    assert numbers == sorted(set(numbers))
    assert all(first < second for first, second in numbers)


def test_signatures_are_those_of_the_index(texts: list[bytes], comparison: Comparison) -> None:
    assert comparison.signatures.shape == (len(texts), PERMUTATIONS)
    np.testing.assert_array_equal(comparison.signatures, sign(texts).rows)


def test_texts_are_taken_from_a_generator_once_and_in_order(
    texts: list[bytes], comparison: Comparison
) -> None:
    taken = []

    def one_by_one() -> Iterator[bytes]:
        for number, text in enumerate(texts):
            taken.append(number)
            yield text

    assert_equal(as_found(similar_pairs(one_by_one(), 0.8)), as_found(comparison.similar(0.8)))
    assert taken == list(range(len(texts)))


def test_more_texts_than_are_signed_at_a_time_keep_their_numbers() -> None:
    texts = [f"alone_{n} = {n}; print(alone_{n}, {n} + 1)".encode() for n in range(1100)]
    texts[3] = texts[700] = texts[1099] = b"if mill.stone: raise Broken(mill)"
    assert as_found(similar_pairs(texts, 0.9)) == {(3, 700): 1, (3, 1099): 1, (700, 1099): 1}


def test_texts_without_a_shingle_are_numbered_and_like_nothing() -> None:
    texts = [b"", b"x = 1\n", b"a b c d e", b"x = 1\n", b" \n\t", b"a b c d e", b"a b c d"]
    comparison = Comparison(texts)
    assert len(comparison) == len(texts)
    assert as_found(comparison.similar(0.5)) == {(2, 5): 1.0}
    first, second = np.array([0, 1, 1, 2, 6]), np.array([4, 3, 1, 6, 2])
    assert comparison.jaccard(first, second).tolist() == [0, 0, 0, 0, 0]


@pytest.mark.parametrize("texts", [[], [b""], [b"x = 1", b"x = 1", b""]])
def test_where_there_is_no_shingle_at_all_nothing_is_found(texts: list[bytes]) -> None:
    comparison = Comparison(iter(texts))
    assert len(comparison) == len(texts)
    assert comparison.signatures.shape == (len(texts), PERMUTATIONS)
    assert as_found(comparison.similar(0.5)) == as_found(comparison.similar(0.9)) == {}
    nothing = np.empty(0, np.int64)
    assert comparison.jaccard(nothing, nothing).tolist() == []


def test_one_text_has_nobody_to_be_like() -> None:
    assert as_found(similar_pairs([b"grind the grain into flour"], 0.5)) == {}


def test_identical_texts_are_wholly_alike_each_with_each() -> None:
    text = b"def mill(grain):\n    return grind(grain, stones=2)\n"
    unlike = b"for sack in sacks: sew(sack.mouth, thread)"
    found = as_found(similar_pairs([text, unlike, text, text], 0.9))
    assert found == {(0, 2): 1.0, (0, 3): 1.0, (2, 3): 1.0}


def test_a_hot_bucket_of_500_near_equal_texts_yields_every_pair() -> None:
    count, words = 500, [f"w{n}" for n in range(120)]
    crowd = []
    for n in range(count):
        crowd.append(" ".join([*words[: 5 + n % 110], f"own_{n}", *words[6 + n % 110 :]]))
    pairs = similar_pairs([text.encode() for text in crowd], 0.7)
    first, second = np.triu_indices(count, 1)
    np.testing.assert_array_equal(pairs.first, first)
    np.testing.assert_array_equal(pairs.second, second)
    # Every text has 116 shingles, five of its own. Two have five more apart where they differ.
    places = np.arange(count) % 110
    apart = np.minimum(np.abs(places[first] - places[second]), 5)
    common = 116 - 5 - apart
    np.testing.assert_allclose(pairs.jaccard, common / (232 - common), rtol=0, atol=1e-12)


def test_the_temporary_file_goes_without_a_warning() -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        similar_pairs([b"grind the grain into flour"], 0.5)
    assert not caught
