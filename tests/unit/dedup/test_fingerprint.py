"""Fingerprints: what a token is, what a signature is made of, and that neither ever changes."""

import hashlib
import re
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gristmill.dedup.fingerprint import (
    SHINGLE_TOKENS,
    _distinct,
    _table_size,
    permutations,
    shingle_hashes,
    sign,
)
from gristmill.runtime.ports.index import PERMUTATIONS, SCHEME, SIGNATURE_BYTES

# --- golden vectors -------------------------------------------------------------------------------

_CODE = b'''def area(width: int, height: int) -> int:
    """Return the area of a rectangle."""
    if width < 0 or height < 0:
        raise ValueError(f"{width} x {height}")
    return width * height
'''
_GOLDEN: dict[str, tuple[bytes, int, list[int], str]] = {
    "empty": (b"", 0, [0, 0, 0, 0], "6eb69e26de2a26ed"),
    "white space": (b" \t\r\n\x0b\x0c ", 0, [0, 0, 0, 0], "6eb69e26de2a26ed"),
    "4 tokens": (b"a b c d", 0, [0, 0, 0, 0], "6eb69e26de2a26ed"),
    "5 tokens": (b"a b c d e", 1, [17275, 10117, 15705, 19168], "c97154ecf89cea87"),
    "6 tokens": (b"a b c d e f", 2, [14020, 46811, 54178, 62797], "ae85ee7531e08028"),
    "code": (_CODE, 51, [11183, 7437, 4934, 38416], "6fbf9fa2a7a0b99d"),
    "code with CRLF": (
        _CODE.replace(b"\n", b"\r\n"),
        51,
        [11183, 7437, 4934, 38416],
        "6fbf9fa2a7a0b99d",
    ),
    "UTF-8": (
        "größe = länge * breite  # 面積を返す".encode(),
        3,
        [820, 63479, 64569, 14442],
        "c7b1d98c09386aed",
    ),
    "not UTF-8": (
        b"caf\xe9 na\xefve \xff\xfe \x80 end of it",
        3,
        [48010, 47240, 50973, 1424],
        "99933d346a29525a",
    ),
    "control characters": (
        b"a\x00b\x01c\x1fd\x7fe\x1cf",
        7,
        [13289, 19976, 54030, 20309],
        "d6f6dfbbcd9922a4",
    ),
    "long tokens": (
        b"x" * 65 + b" " + b"y" * 300 + b" = " + b"0123456789abcdef" * 20 + b" + z",
        2,
        [31928, 14147, 17675, 2617],
        "ce2e3fd51bb7fbbe",
    ),
    "one token repeated": (b"a " * 1000, 1, [59496, 45319, 2206, 68], "a58799aac68f640b"),
    "100,000 tokens": (
        b" ".join(b"%d" % n for n in range(100_000)),
        99996,
        [42126, 23932, 47718, 58849],
        "5b7372621a9a5e3d",
    ),
}


def digest(row: np.ndarray) -> str:
    return hashlib.sha256(row.astype("<u2").tobytes()).hexdigest()[:16]


@pytest.mark.parametrize("name", _GOLDEN)
def test_minhash_golden(name: str) -> None:
    text, num_shingles, beginning, whole = _GOLDEN[name]
    signatures = sign([text])
    assert signatures.num_shingles.tolist() == [num_shingles]
    assert signatures.rows[0, :4].tolist() == beginning
    assert digest(signatures.rows[0]) == whole


def test_the_golden_vectors_are_those_of_this_scheme() -> None:
    """Whoever changes a vector changes the scheme, so that no index holds both kinds."""
    assert SCHEME == "5-token-minhash-112x16-v1"


def test_the_shingles_of_a_text_have_these_hashes() -> None:
    assert shingle_hashes(b"a b c d").tolist() == []
    expected = [9390872308803544135, 16445964905447793114]
    assert shingle_hashes(b"a b c d e f").tolist() == expected


# --- the definition, in Python --------------------------------------------------------------------

_MASK64, _MASK32 = (1 << 64) - 1, (1 << 32) - 1
_TOKEN = re.compile(rb"[\w\x80-\xff]+|[^\w\s\x80-\xff]")


def shingles(text: bytes) -> set[tuple[bytes, ...]]:
    """Return the 5-token shingles of a text as tuples of tokens."""
    tokens = _TOKEN.findall(text)
    return {tuple(tokens[at : at + 5]) for at in range(len(tokens) - 4)}


def splitmix64(seed: int, count: int) -> list[int]:
    numbers = []
    for step in range(1, count + 1):
        z = (seed + step * 0x9E3779B97F4A7C15) & _MASK64
        z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & _MASK64
        z = (z ^ z >> 27) * 0x94D049BB133111EB & _MASK64
        numbers.append(z ^ z >> 31)
    return numbers


_BYTE_HASHES = splitmix64(1, 256)
_FACTORS = [number >> 32 | 1 for number in splitmix64(2, PERMUTATIONS)]
_SUMMANDS = [number & _MASK32 for number in splitmix64(2, PERMUTATIONS)]


def token_hash(token: bytes) -> int:
    running = 0
    for byte in token:
        running = (running ^ _BYTE_HASHES[byte]) * 0x9E3779B97F4A7C15 & _MASK64
    return running


def shingle_hash(shingle: Sequence[bytes]) -> int:
    mixed = 0
    for token, factor in zip(
        shingle,
        (0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0x27D4EB2F165667C5, 1),
        strict=True,
    ):
        mixed = (mixed + token_hash(token)) * factor & _MASK64
    mixed = (mixed ^ mixed >> 29) * 0xBF58476D1CE4E5B9 & _MASK64
    return mixed ^ mixed >> 32


def signature(text: bytes) -> list[int]:
    images = [max(shingle_hash(one) & _MASK32, 1) for one in shingles(text)]
    return [
        (min(factor * x + summand & _MASK32 for x in images) * 0x9E3779B1 & _MASK32) >> 16
        if images
        else 0
        for factor, summand in zip(_FACTORS, _SUMMANDS, strict=True)
    ]


# Bytes of every class, in runs and alone; no token is long.
_BITS = st.sampled_from(
    [b"a", b"B", b"_", b"7", b"x1", b" ", b"\n", b"\r\n", b"\t", b"\v", b"\f", b".", b"(", b"->",
     b"\x00", b"\x1c", b"\x7f", b"\x85", b"\xa0", b"\xc3\xa4", b"\xff", b"\xe2\x80\xa8"]
)  # fmt: skip
_TEXTS = st.one_of(st.binary(max_size=60), st.lists(_BITS, max_size=60).map(b"".join))
_FEW_TOKENS = st.lists(st.sampled_from([b"a", b"b", b"."]), max_size=40).map(b" ".join)


@settings(max_examples=150)
@given(text=st.one_of(_TEXTS, _FEW_TOKENS))
def test_a_signature_is_what_its_definition_says(text: bytes) -> None:
    made = sign([text])
    assert made.rows[0].tolist() == signature(text)
    assert made.num_shingles.tolist() == [len(shingles(text))]
    assert shingle_hashes(text).tolist() == sorted({shingle_hash(one) for one in shingles(text)})


def test_a_byte_is_part_of_a_word_or_alone_or_white_space_as_the_expression_says() -> None:
    texts = [b"a b c d e%cf" % byte for byte in range(256)]
    expected = [len(_TOKEN.findall(text)) - 4 for text in texts]
    assert sign(texts).num_shingles.tolist() == expected


@settings(max_examples=150)
@given(one=st.one_of(_TEXTS, _FEW_TOKENS), other=st.one_of(_TEXTS, _FEW_TOKENS))
def test_hashes_are_as_alike_as_the_shingles(one: bytes, other: bytes) -> None:
    first, second = shingles(one), shingles(other)
    ours, theirs = set(shingle_hashes(one).tolist()), set(shingle_hashes(other).tolist())
    assert (len(ours), len(theirs)) == (len(first), len(second))
    assert len(ours & theirs) == len(first & second)
    assert (ours == theirs) == (first == second)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (b"a" * 63, b"a" * 64), (b"a" * 64, b"a" * 65), (b"a" * 70 + b"b", b"b" + b"a" * 70),
        (b"ab" * 100, b"ba" * 100), (b"\xc3\xa4" * 40, b"\xc3\xa5" * 40),
        (b"a" * 128, b"z" * 128), (b"0" * 128, b"0" * 256), (b"_" * 256, b"F" * 128),
        (b"a" + b"x" * 63 + b"b", b"b" + b"x" * 63 + b"a"),
    ],
)  # fmt: skip
def test_long_tokens_are_told_apart(one: bytes, other: bytes) -> None:
    hashes = [shingle_hashes(token + b" b c d e").tolist() for token in (one, other)]
    assert hashes[0] != hashes[1]


@settings(max_examples=60)
@given(st.lists(st.text("01_", min_size=60, max_size=300), min_size=2, max_size=12, unique=True))
def test_no_two_words_of_few_letters_are_the_same(words: list[str]) -> None:
    hashes = {int(shingle_hashes(f"{word} b c d e".encode())[0]) for word in words}
    assert len(hashes) == len(words)


# --- what does not matter -------------------------------------------------------------------------

_WORDS = [b"%d" % number for number in range(40)]


def test_neither_order_nor_number_of_a_shingle_matters() -> None:
    rounds = [
        b" ".join(_WORDS * 2),
        b" ".join(_WORDS * 7),
        b" ".join(_WORDS[13:] + _WORDS * 3 + _WORDS[:5]),
        b"\n".join(_WORDS[7:] + _WORDS[:7] + _WORDS[7:] + _WORDS[:20]),
    ]
    made = sign(rounds)
    assert set(made.num_shingles.tolist()) == {40}
    assert (made.rows == made.rows[0]).all()


def test_a_shingle_whose_hash_is_0_counts_as_any_other() -> None:
    hashes, slots = np.array([7, 0, 7, 0, 9], np.uint32), np.empty(_table_size(5), np.uint32)
    assert _distinct(hashes, 5, slots) == 3


def test_order_inside_a_shingle_matters() -> None:
    made = sign([b"a b c d e", b"b a c d e", b"a b c e d", b"e d c b a"])
    assert len({row.tobytes() for row in made.rows}) == 4


@settings(max_examples=40)
@given(batch=st.lists(st.one_of(_TEXTS, _FEW_TOKENS), max_size=8), data=st.data())
def test_neither_company_nor_place_in_a_batch_matters(
    batch: list[bytes], data: st.DataObject
) -> None:
    whole = sign(batch)
    shuffled = data.draw(st.permutations(range(len(batch))))
    again = sign([batch[at] for at in shuffled])
    assert (again.rows == whole.rows[shuffled]).all()
    assert (again.num_shingles == whole.num_shingles[shuffled]).all()
    for at, text in enumerate(batch):
        alone = sign([text])
        assert (alone.rows[0] == whole.rows[at]).all()
        assert alone.num_shingles[0] == whole.num_shingles[at]


def test_a_huge_neighbour_leaves_nothing_behind() -> None:
    huge = b" ".join(b"%d" % number for number in range(50_000))
    small = [b"a b c d e f", b"", b"a b c d"]
    made = sign([*small, huge, *small])
    assert (made.rows[:3] == made.rows[4:]).all()
    assert made.num_shingles.tolist() == [2, 0, 0, 49_996, 2, 0, 0]


def test_the_text_may_be_cut_out_of_anything() -> None:
    """Tokens end with the text, even where the next text of the batch would go on with one."""
    apart = sign([b"a b c d e", b"f g h i j"])
    assert apart.num_shingles.tolist() == [1, 1]
    assert (apart.rows[0] == sign([b"a b c d e "]).rows[0]).all()


# --- shapes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("texts", [[], [b""], [b"", b""], [b"a b c d"]])
def test_what_is_too_short_has_no_shingles(texts: list[bytes]) -> None:
    made = sign(texts)
    assert made.rows.shape == (len(texts), PERMUTATIONS)
    assert made.num_shingles.tolist() == [0] * len(texts)


def test_a_row_has_the_bytes_that_the_index_wants() -> None:
    made = sign([_CODE])
    assert made.rows.dtype == np.dtype("<u2")
    assert len(made.rows[0].tobytes()) == SIGNATURE_BYTES


@pytest.mark.parametrize("count", [4, 8, 128, 256])
def test_a_signature_with_other_permutations_begins_with_the_same(count: int) -> None:
    common = min(count, PERMUTATIONS)
    made = sign([_CODE], num_permutations=count)
    assert made.rows.shape == (1, count)
    assert (made.rows[:, :common] == sign([_CODE]).rows[:, :common]).all()


def test_permutations_lose_nothing() -> None:
    factors, _ = permutations(PERMUTATIONS)
    assert (factors % 2 == 1).all()
    assert len(set(factors.tolist())) == PERMUTATIONS


def test_a_shingle_has_five_tokens() -> None:
    assert SHINGLE_TOKENS == 5
    counts = sign([b" ".join(_WORDS[:n]) for n in range(8)]).num_shingles
    assert counts.tolist() == [0, 0, 0, 0, 0, 1, 2, 3]
