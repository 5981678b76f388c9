"""The compiled heart of the dedup index: claim tables with open addressing, a whole batch a call.

A record is 146 cells of 16 bits, in memory as in the log (see RECORD). A slot of a table is 64
bits: a tag of 32 bits, and the row of the owner plus 1 (0: free). The tag only points: a claim is
confirmed on the owner's record, an exact one on all 32 bytes of the SHA-256. A slot's home is
tag * size / 2^32, so tables have any size and grow by reading and writing in order.
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from gristmill.runtime.compiled import compiled
from gristmill.runtime.ports.index import BANDS, PERMUTATIONS, ROWS

RECORD: Final = np.dtype(
    [
        ("signature", "<u2", PERMUTATIONS),
        ("content_sha256", "V32"),
        ("kind", "<u2"),
        ("domain", "<u2"),
        ("num_shingles", "<u4"),
        ("document_id", "V16"),
        ("source", "<u4"),
        ("offset", "<u8"),
    ]
)
CELLS: Final = RECORD.itemsize // 2
KEPT, EXACT, NEAR = 0, 1, 2

_SHA, _SHA_CELLS = PERMUTATIONS, 16
_KIND = _SHA + _SHA_CELLS
_DOMAIN = _KIND + 1
_SHINGLES = _DOMAIN + 1  # two cells

# Any: kernels mix scalars of every width, which numpy's types do not follow.
Array = NDArray[Any]
Scalar = Any

_FREE = np.uint64(0)
_ROW = np.uint64(0xFFFFFFFF)
_S16, _S32, _S48, _S29 = np.uint64(16), np.uint64(32), np.uint64(48), np.uint64(29)
_M1, _M2 = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9)
_M3 = np.uint64(0x94D049BB133111EB)
_PASS = 2048  # documents whose slots are touched before they are used


@compiled
def admit(  # noqa: PLR0917
    bands: Array, exact: Array, cells: Array, held: int, batch: Array, least: int, ratio: float,
    verdicts: Array, matches: Array, agreements: Array, undo: Array,
) -> tuple[int, int, Scalar]:  # fmt: skip
    """Decide a batch in order; return the documents held after it and the slots written.

    The third number is what _touch gave.

    `cells` has room for the whole batch behind the `held` rows, and the tables have free slots for
    all its claims. `least` is the number of equal rows that makes a match, `ratio` the least ratio
    of two shingle counts that can. `undo` names the slots written: -1 - slot for `exact`.
    """
    written, touched = 0, _FREE
    slots = np.empty(BANDS, np.int64)
    tags = np.empty((_PASS, BANDS), np.uint64)
    for start in range(0, batch.shape[0], _PASS):
        stop = min(start + _PASS, batch.shape[0])
        touched |= _touch(bands, exact, batch, start, stop, tags)
        for at in range(start, stop):
            row = batch[at]
            tag = _exact_tag(row)
            exact_slot = _find_exact(exact, cells, row, tag)
            same = -1 if exact[exact_slot] == _FREE else _owner(exact[exact_slot])
            if same >= 0 and cells[same, _DOMAIN] == row[_DOMAIN]:
                verdicts[at] = EXACT
                matches[at] = same
                continue
            match = -1
            near = _num_shingles(row) > 0
            if near:
                match, agreements[at] = _match(
                    bands, cells, row, tags[at - start], least, ratio, slots
                )
            # An equal one in another domain may have come after the near one: the first is it, so
            # that a replay is answered as it was.
            if match >= 0 and (same < 0 or match < same):
                verdicts[at] = NEAR
                matches[at] = match
                continue
            if same >= 0:
                verdicts[at] = EXACT
                matches[at] = same
                continue
            verdicts[at] = KEPT
            matches[at] = held
            cells[held] = row
            exact[exact_slot] = (tag << _S32) | np.uint64(held + 1)
            undo[written] = -1 - exact_slot
            written += 1
            if near:
                written = _claim(bands, cells, held, tags[at - start], slots, undo, written)
            held += 1
    return held, written, touched


@compiled
def restore(bands: Array, exact: Array, cells: Array, first: int, end: int) -> tuple[int, Scalar]:
    """Give the rows first..end-1 their claims, in order.

    Return the slots filled in `bands`, and what _touch gave.
    """
    used, touched = 0, _FREE
    tags = np.empty((_PASS, BANDS), np.uint64)
    for start in range(first, end, _PASS):
        stop = min(start + _PASS, end)
        touched |= _touch(bands, exact, cells, start, stop, tags)
        for at in range(start, stop):
            row = cells[at]
            tag = _exact_tag(row)
            slot = _find_exact(exact, cells, row, tag)
            if exact[slot] == _FREE:
                exact[slot] = (tag << _S32) | np.uint64(at + 1)
            if _num_shingles(row) > 0:
                for band in range(BANDS):
                    slot = _find(bands, cells, row, band, tags[at - start, band])
                    if bands[slot] == _FREE:
                        bands[slot] = (tags[at - start, band] << _S32) | np.uint64(at + 1)
                        used += 1
    return used, touched


@compiled
def owners(bands: Array, cells: Array, row: Array, found: Array) -> None:
    """Note for each band of a row which row owns it, -1 where none does."""
    for band in range(BANDS):
        slot = _find(bands, cells, row, band, _band_tag(row, band))
        found[band] = -1 if bands[slot] == _FREE else _owner(bands[slot])


@compiled
def first_free(table: Array) -> Scalar:
    """Return the first free slot."""
    slot = 0
    while table[slot] != _FREE:
        slot += 1
    return slot


@compiled
def move(old: Array, new: Array, begin: int, end: int) -> None:
    """Copy the claims of some slots into a larger table.

    Who starts behind a free slot and goes on over the table's end keeps every claim in its place
    in its chain.
    """
    for at in range(begin, end):
        claim = old[at]
        if claim != _FREE:
            slot = _home(claim >> _S32, new)
            while new[slot] != _FREE:
                slot = slot + 1 if slot + 1 < new.shape[0] else 0
            new[slot] = claim


@compiled
def withdraw(bands: Array, exact: Array, undo: Array, written: int) -> None:
    """Free the slots that a batch has written."""
    for at in range(written):
        if undo[at] < 0:
            exact[-1 - undo[at]] = _FREE
        else:
            bands[undo[at]] = _FREE


@compiled
def _touch(  # noqa: PLR0917
    bands: Array, exact: Array, rows: Array, start: int, stop: int, tags: Array
) -> Scalar:
    """Compute the tags of some rows and read their home slots, so that cache misses overlap.

    What was read is returned: reads that nobody uses would be optimised away.
    """
    seen: Scalar = _FREE
    for at in range(start, stop):
        seen |= exact[_home(_exact_tag(rows[at]), exact)]
        for band in range(BANDS):
            tag = _band_tag(rows[at], band)
            tags[at - start, band] = tag
            seen |= bands[_home(tag, bands)]
    return seen


@compiled
def _match(  # noqa: PLR0917
    bands: Array, cells: Array, row: Array, tags: Array, least: int, ratio: float, slots: Array
) -> tuple[int, int]:
    """Return the match admitted first and its equal rows, or -1; note where each band's slot is."""
    match, agreement, passed_over = -1, 0, -1
    for band in range(BANDS):
        slot = _find(bands, cells, row, band, tags[band])
        slots[band] = slot
        if bands[slot] == _FREE:
            continue
        candidate = _owner(bands[slot])
        if candidate == passed_over or (match >= 0 and candidate >= match):
            continue
        passed_over = candidate
        ours, theirs = _num_shingles(row), _num_shingles(cells[candidate])
        if min(ours, theirs) < ratio * max(ours, theirs):
            continue
        equal: Scalar = 0
        for p in range(PERMUTATIONS):
            equal += np.int64(row[p] == cells[candidate, p])
        if equal >= least:
            match, agreement = candidate, equal
    return match, agreement


@compiled
def _claim(  # noqa: PLR0917
    bands: Array, cells: Array, held: int, tags: Array, slots: Array, undo: Array, written: int
) -> Scalar:
    """Claim every band that is free for the row `held`; return the slots written so far."""
    for band in range(BANDS):
        slot = slots[band]
        if bands[slot] != _FREE and _owner(bands[slot]) == held:
            # Two bands of this document had the same free slot: look for the next one.
            slot = _find(bands, cells, cells[held], band, tags[band])
        if bands[slot] == _FREE:
            bands[slot] = (tags[band] << _S32) | np.uint64(held + 1)
            undo[written] = slot
            written += 1
    return written


@compiled
def _find(bands: Array, cells: Array, row: Array, band: int, tag: Scalar) -> Scalar:
    """Return the slot of the claim on this very band, or the free slot where it would stand."""
    slot = _home(tag, bands)
    while bands[slot] != _FREE:
        if bands[slot] >> _S32 == tag:
            owner = _owner(bands[slot])
            same = cells[owner, _DOMAIN] == row[_DOMAIN]
            for at in range(band * ROWS, (band + 1) * ROWS):
                same &= cells[owner, at] == row[at]
            if same:
                return slot
        slot = slot + 1 if slot + 1 < bands.shape[0] else 0
    return slot


@compiled
def _find_exact(exact: Array, cells: Array, row: Array, tag: Scalar) -> Scalar:
    """Return the slot of the claim on this content and kind, or the free one for it."""
    slot = _home(tag, exact)
    while exact[slot] != _FREE:
        if exact[slot] >> _S32 == tag:
            owner = _owner(exact[slot])
            same = cells[owner, _KIND] == row[_KIND]
            for at in range(_SHA, _SHA + _SHA_CELLS):
                same &= cells[owner, at] == row[at]
            if same:
                return slot
        slot = slot + 1 if slot + 1 < exact.shape[0] else 0
    return slot


@compiled
def _home(tag: Scalar, table: Array) -> Scalar:
    return np.int64((tag * np.uint64(table.shape[0])) >> _S32)


@compiled
def _owner(claim: Scalar) -> Scalar:
    return np.int64(claim & _ROW) - 1


@compiled
def _exact_tag(row: Array) -> Scalar:
    mixed = np.uint64(row[_SHA]) | np.uint64(row[_SHA + 1]) << _S16
    return (mixed ^ np.uint64(row[_KIND]) * _M1 >> _S32) & _ROW


@compiled
def _band_tag(row: Array, band: int) -> Scalar:
    at = band * ROWS
    low = np.uint64(row[at]) | np.uint64(row[at + 1]) << _S16 | np.uint64(row[at + 2]) << _S32
    low |= np.uint64(row[at + 3]) << _S48
    high = np.uint64(row[at + 4]) | np.uint64(row[at + 5]) << _S16
    high |= np.uint64(row[at + 6]) << _S32 | np.uint64(row[_DOMAIN]) << _S48
    mixed = (low ^ np.uint64(band + 1) * _M1) * _M2
    mixed = ((mixed ^ mixed >> _S32) + high) * _M3
    mixed = (mixed ^ mixed >> _S29) * _M2
    return mixed >> _S32


@compiled
def _num_shingles(row: Array) -> Scalar:
    return np.int64(row[_SHINGLES]) | np.int64(row[_SHINGLES + 1]) << 16
