"""What the durable dedup index costs when it holds a million documents: CPU, memory, disk.

The documents are synthetic: random signatures that share nothing unless they are meant to. Of each
batch 71 % are new, 17 % exact copies and 12 % near-duplicates of any earlier document, which is
harder on caches than a corpus whose copies lie side by side. Making them is not measured.
"""

import argparse
import gc
import json
import os
import shutil
import sys
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gristmill.runtime.adapters.lmdb_index import LmdbIndex, Table
from gristmill.runtime.model import Kind, Position
from gristmill.runtime.ports import Admission, Duplicate, Fingerprint, Kept
from gristmill.runtime.ports.index import PERMUTATIONS, SIGNATURE_BYTES

_BATCH = 2000
_NEW, _EXACT = 71, 17  # of 100 offsets in a row; the rest is near
_CHANGED = 12  # rows of a near-duplicate that differ: a similarity of 0.89
_MEASURED_BATCHES = 50  # once the index holds what it should

_Numbers = NDArray[Any]  # unsigned; numpy's types lose that in mixed terms


def measure(out: str, held: int) -> dict[str, Any]:
    """Fill an index up to `held` documents, admit 100,000 more, close it and open it again."""
    shutil.rmtree(out, ignore_errors=True)
    random = np.random.default_rng(0)
    first = _documents(0, _BATCH, random)
    warm = LmdbIndex(f"{out}/warm", Table(uuid="warm", positions={}, num_documents=0))
    warm.admit(first)  # loads the kernels
    warm.close()
    before = _anonymous_bytes()
    index = LmdbIndex(f"{out}/index", Table(uuid="table", positions={}, num_documents=0))
    meter, at = _Meter(), 0
    while len(index) < held:
        at = meter.admit(index, at, random)
        if at % (100 * _BATCH) == 0:
            print(f"the index holds {len(index):,} documents", file=sys.stderr, flush=True)
    filling, meter = meter, _Meter()
    reached = len(index)
    gc.collect()
    grown = _anonymous_bytes() - before
    parts = {name: round(size / reached, 1) for name, size in index.num_bytes.items()}
    disk = _disk_bytes(f"{out}/index")
    for _ in range(_MEASURED_BATCHES):
        at = meter.admit(index, at, random)
    now = len(index)
    index.close()
    del index  # its memory goes before it is opened again
    table = Table(uuid="table", positions={"synthetic": at}, num_documents=now)
    began = time.process_time()
    index = LmdbIndex(f"{out}/index", table)
    opening = time.process_time() - began
    assert len(index) == now, "everything was durable"
    index.close()
    shutil.rmtree(out)
    return {
        "held": reached,
        "batch": _BATCH,
        "admissions_per_cpu_second": round(meter.documents / meter.seconds),
        "admissions_per_cpu_second_while_filling": round(filling.documents / filling.seconds),
        "wall_seconds_per_batch": round(meter.wall_seconds / _MEASURED_BATCHES, 5),
        "verdicts": meter.verdicts,
        "memory_bytes_per_document": round(grown / reached, 1),
        "memory_bytes_per_document_by_part": parts,
        "disk_bytes_per_document": round(disk / reached, 1),
        "open_cpu_seconds": round(opening, 3),
        "opened_documents": now,
    }


class _Meter:
    """CPU and wall seconds of admissions, and what came of them."""

    def __init__(self) -> None:
        self.seconds = self.wall_seconds = 0.0
        self.documents = 0
        self.verdicts = {"kept": 0, "exact": 0, "near": 0}

    def admit(self, index: LmdbIndex, at: int, random: np.random.Generator) -> int:
        """Admit the batch that begins at offset `at`; return the offset behind it."""
        fingerprints = _documents(at, _BATCH, random)
        began, wall_began = time.process_time(), time.monotonic()
        admissions = index.admit(fingerprints)
        self.seconds += time.process_time() - began
        self.wall_seconds += time.monotonic() - wall_began
        self.documents += len(fingerprints)
        for admission in admissions:
            self.verdicts[_verdict(admission)] += 1
        return at + len(fingerprints)


def _verdict(admission: Admission) -> str:
    if isinstance(admission, Kept):
        return "kept"
    assert isinstance(admission, Duplicate), "positions never repeat"
    return admission.match


def _documents(at: int, size: int, random: np.random.Generator) -> list[Fingerprint]:
    """Return the documents of the offsets from `at`; a content goes by the offset of its first."""
    offsets = np.arange(at, at + size, dtype=np.uint64)
    lot = offsets % np.uint64(100)
    near = lot >= _NEW + _EXACT
    blocks = random.integers(0, max(1, at // 100), size, np.uint64)
    earlier = blocks * np.uint64(100) + random.integers(0, _NEW, size, np.uint64)
    shown = np.where(lot < _NEW, offsets, earlier)
    rows = _numbers(shown, PERMUTATIONS // 4).view("<u2").reshape(size, PERMUTATIONS)
    places = random.integers(0, PERMUTATIONS, (size, _CHANGED))
    for row in np.flatnonzero(near).tolist():
        rows[row, places[row]] ^= np.uint16(1)
    digests = _numbers(np.where(near, offsets, shown) + np.uint64(1 << 40), 4).tobytes().hex()
    ids = _numbers(offsets + np.uint64(1 << 41), 2).tobytes().hex()
    signatures = rows.tobytes()
    return [
        Fingerprint(
            document_id=ids[32 * i : 32 * i + 32],
            kind=Kind.FILE,
            content_sha256=digests[64 * i : 64 * i + 64],
            position=Position(source="synthetic", offset=at + i),
            domain="file/python",
            signature=signatures[SIGNATURE_BYTES * i : SIGNATURE_BYTES * (i + 1)],
            num_shingles=100,
        )
        for i in range(size)
    ]


def _numbers(seeds: _Numbers, count: int) -> _Numbers:
    """Return `count` numbers for each seed, the same ones every time: nothing has to be stored."""
    mixed: _Numbers = seeds[:, None] * np.uint64(64) + np.arange(count, dtype=np.uint64)
    mixed += np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed ^= mixed >> np.uint64(31)
    return mixed


def _anonymous_bytes() -> int:
    with open("/proc/self/status", encoding="ascii") as stream:
        for line in stream:
            if line.startswith("RssAnon:"):
                return int(line.split()[1]) * 1024
    raise OSError("/proc/self/status has no RssAnon")


def _disk_bytes(directory: str) -> int:
    return sum(entry.stat().st_blocks * 512 for entry in os.scandir(directory))


def main() -> None:
    """Measure and print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", help="scratch directory, made anew and removed")
    parser.add_argument("--held", type=int, default=1_000_000)
    options = parser.parse_args()
    print(json.dumps(measure(options.out, options.held)))


if __name__ == "__main__":
    main()
