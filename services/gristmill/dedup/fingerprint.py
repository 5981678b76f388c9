r"""The fingerprint of a text: a MinHash signature over its 5-token shingles, in a compiled kernel.

A token is a run of word characters or one other character that is no white space: `\w+|[^\w\s]`
over bytes, where the classes are ASCII, bytes from 0x80 up are word characters, and case is kept.
The similarity that signatures estimate is the Jaccard similarity of the sets of shingles
(Broder 1997; the code corpus of the paper deduplicates by MinHash too, section 2.1).

Any change here changes every signature, so it needs a new SCHEME: an index holds the scheme that it
was filled with. The golden vectors of the tests pin it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from gristmill.runtime.compiled import compiled
from gristmill.runtime.ports.index import PERMUTATIONS

SHINGLE_TOKENS: Final = 5

# Any: kernels mix scalars of every width, which numpy's types do not follow.
_Array = NDArray[Any]
_Scalar = Any

_U64, _U32 = np.uint64, np.uint32
_WORD, _SOLID = np.uint8(1), np.uint8(1)  # bit 0: word character; bit 1: not white space
_ONE, _ZERO = np.uint8(1), np.uint64(0)
_MAX32 = np.uint32(0xFFFFFFFF)
_FREE, _ONE32 = np.uint32(0), np.uint32(1)
_S29, _S32 = np.uint64(29), np.uint64(32)
_P0, _P1 = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F)
_P2, _P3 = np.uint64(0x165667B19E3779F9), np.uint64(0x27D4EB2F165667C5)
_MIX = np.uint64(0xBF58476D1CE4E5B9)
_SPREAD32 = np.uint32(0x9E3779B1)
_S16 = np.uint32(16)


def _splitmix64(seed: int, count: int) -> list[int]:
    """Return numbers that look random and are the same for ever (Steele, Lea, Flood 2014)."""
    mask = (1 << 64) - 1
    numbers = []
    for _ in range(count):
        seed = (seed + 0x9E3779B97F4A7C15) & mask
        mixed = ((seed ^ (seed >> 30)) * 0xBF58476D1CE4E5B9) & mask
        mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & mask
        numbers.append(mixed ^ (mixed >> 31))
    return numbers


def _byte_classes() -> _Array:
    """Return for each byte: bit 0 if it is a word character, bit 1 if it is no white space."""
    classes = np.full(256, 2, np.uint8)
    for byte in range(256):
        if byte >= 0x80 or chr(byte).isalnum() or byte == ord("_"):
            classes[byte] = 3
    classes[list(b" \t\n\r\f\v")] = 0
    return classes


_CLASSES = _byte_classes()
_BYTES = np.array(_splitmix64(1, 256), np.uint64)


def permutations(count: int) -> tuple[_Array, _Array]:
    """Return factors (odd) and summands of `count` permutations x -> a * x + b modulo 2^32."""
    numbers = np.array(_splitmix64(2, count), np.uint64)
    return (numbers >> _S32).astype(_U32) | np.uint32(1), numbers.astype(_U32)


_FACTORS, _SUMMANDS = permutations(PERMUTATIONS)


@dataclass(frozen=True, slots=True)
class Signatures:
    """Signatures of a batch: `rows` is uint16 of shape (texts, permutations).

    `num_shingles` counts each text's distinct shingles, by 32-bit hashes: of 100,000 one may be
    missed. Where it is 0 the text is too short and its signature says nothing.
    """

    rows: NDArray[np.uint16]
    num_shingles: NDArray[np.uint32]

    def signature(self, text: int) -> bytes:
        """Return the signature of one text as a fingerprint holds it: empty if it is too short."""
        return self.rows[text].tobytes() if self.num_shingles[text] else b""


def sign(texts: Sequence[bytes], *, num_permutations: int = PERMUTATIONS) -> Signatures:
    """Sign a batch of UTF-8 texts; `num_permutations` is a multiple of 4."""
    joined, offsets = _join(texts)
    factors, summands = (
        (_FACTORS, _SUMMANDS)
        if num_permutations == PERMUTATIONS
        else permutations(num_permutations)
    )
    rows = np.zeros((len(texts), num_permutations), np.uint16)
    num_shingles = np.zeros(len(texts), np.uint32)
    _sign(joined, offsets, _CLASSES, _BYTES, factors, summands, rows, num_shingles)
    return Signatures(rows, num_shingles)


def shingle_hashes(text: bytes) -> NDArray[np.uint64]:
    """Return the sorted 64-bit hashes of a text's distinct shingles, for exact comparisons."""
    joined, offsets = _join([text])
    return np.unique(_hashes(joined, offsets[0], offsets[1], _CLASSES, _BYTES))


def _join(texts: Sequence[bytes]) -> tuple[_Array, _Array]:
    offsets = np.zeros(len(texts) + 1, np.int64)
    np.cumsum([len(text) for text in texts], out=offsets[1:])
    return np.frombuffer(b"".join(texts), np.uint8), offsets


# --- kernels --------------------------------------------------------------------------------------


@compiled
def _sign(  # noqa: PLR0917
    joined: _Array, offsets: _Array, classes: _Array, byte_hashes: _Array, factors: _Array,
    summands: _Array, rows: _Array, num_shingles: _Array,
) -> None:  # fmt: skip
    longest = 0
    for text in range(rows.shape[0]):
        longest = max(longest, offsets[text + 1] - offsets[text])
    tokens = np.empty(longest + 1, np.uint64)
    hashes = np.empty(longest + 1, np.uint32)
    slots = np.empty(_table_size(longest), np.uint32)
    for text in range(rows.shape[0]):
        num_tokens: _Scalar = _tokenize(
            joined, offsets[text], offsets[text + 1], classes, byte_hashes, tokens
        )
        count: _Scalar = max(0, np.int64(num_tokens) - (SHINGLE_TOKENS - 1))
        for first in range(_U64(0), _U64(count)):
            hashes[first] = _U32(_shingle(tokens, first))
        count = np.int64(_distinct(hashes, count, slots))
        num_shingles[text] = count
        if count:
            _minima(hashes, count, factors, summands, rows[text])


@compiled
def _tokenize(  # noqa: PLR0917
    joined: _Array, begin: int, end: int, classes: _Array, byte_hashes: _Array, tokens: _Array
) -> _Scalar:
    """Hash the tokens of joined[begin:end] and return how many there are.

    Without a branch for each byte: the hash is always stored, and kept when its token has ended.
    """
    count: _Scalar = _ZERO
    if begin == end:
        return count
    running = _ZERO
    current = joined[begin]
    class_now = classes[current]
    # Unsigned indexes: for signed ones numba asks each time whether they count from the end.
    for at in range(_U64(begin + 1), _U64(end)):
        following = joined[at]
        class_next = classes[following]
        running = (running ^ byte_hashes[current]) * _P0
        tokens[count] = running
        goes_on = class_now & class_next & _ONE
        count += _U64((class_now >> _ONE) & (goes_on ^ _ONE))
        running &= _ZERO - _U64(goes_on)
        current, class_now = following, class_next
    tokens[count] = (running ^ byte_hashes[current]) * _P0
    return count + _U64(class_now >> _ONE)


@compiled
def _shingle(tokens: _Array, first: _Scalar) -> _Scalar:
    """Hash five tokens, order and all."""
    mixed = tokens[first] * _P0 + tokens[first + _U64(1)]
    mixed = mixed * _P1 + tokens[first + _U64(2)]
    mixed = mixed * _P2 + tokens[first + _U64(3)]
    mixed = mixed * _P3 + tokens[first + _U64(4)]
    mixed ^= mixed >> _S29
    mixed *= _MIX
    return mixed ^ (mixed >> _S32)


@compiled
def _table_size(count: int) -> int:
    size = 16
    while size < 4 * count:
        size *= 2
    return size


@compiled
def _distinct(hashes: _Array, count: int, slots: _Array) -> _Scalar:
    """Move the distinct ones of `count` hashes to the front and return how many there are."""
    size = _table_size(count)
    bits = 0
    while 1 << bits < size:
        bits += 1
    shift = _U32(32 - bits)
    mask = _U32(size - 1)
    slots[:size] = _FREE
    found: _Scalar = _ZERO
    for at in range(_U64(0), _U64(count)):
        value = max(hashes[at], _ONE32)  # 0 marks a free slot
        slot = _U32(_U32(value * _SPREAD32) >> shift)
        held = slots[slot]
        while held != value and held != _FREE:  # noqa: PLR1714  # numba: a tuple is slower
            slot = _U32(_U32(slot + _ONE32) & mask)
            held = slots[slot]
        # Stored in any case, counted where it is new: no branch to guess wrong.
        slots[slot] = value
        hashes[found] = value
        found += _U64(held == _FREE)
    return found


@compiled
def _minima(hashes: _Array, count: int, factors: _Array, summands: _Array, row: _Array) -> None:
    """Write the smallest image under each permutation, spread to 16 bits.

    Four permutations at a time: the compiler turns the inner loop into vector code.
    """
    for p in range(0, factors.shape[0], 4):
        a0, a1, a2, a3 = factors[p], factors[p + 1], factors[p + 2], factors[p + 3]
        b0, b1, b2, b3 = summands[p], summands[p + 1], summands[p + 2], summands[p + 3]
        m0, m1, m2, m3 = _MAX32, _MAX32, _MAX32, _MAX32
        for at in range(count):
            x = hashes[at]
            m0 = min(m0, np.uint32(a0 * x + b0))
            m1 = min(m1, np.uint32(a1 * x + b1))
            m2 = min(m2, np.uint32(a2 * x + b2))
            m3 = min(m3, np.uint32(a3 * x + b3))
        row[p] = np.uint16(np.uint32(m0 * _SPREAD32) >> _S16)
        row[p + 1] = np.uint16(np.uint32(m1 * _SPREAD32) >> _S16)
        row[p + 2] = np.uint16(np.uint32(m2 * _SPREAD32) >> _S16)
        row[p + 3] = np.uint16(np.uint32(m3 * _SPREAD32) >> _S16)


@compiled
def _hashes(joined: _Array, begin: int, end: int, classes: _Array, byte_hashes: _Array) -> _Array:
    tokens = np.empty(end - begin + 1, np.uint64)
    num_tokens: _Scalar = _tokenize(joined, begin, end, classes, byte_hashes, tokens)
    count: _Scalar = max(0, np.int64(num_tokens) - (SHINGLE_TOKENS - 1))
    hashes: _Array = np.empty(count, np.uint64)
    for first in range(_U64(0), _U64(hashes.shape[0])):
        hashes[first] = _shingle(tokens, first)
    return hashes
