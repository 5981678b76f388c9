"""What a dedup of the pack should have found, by exact comparison, and how far a contestant is off.

One yardstick for everyone: the exact Jaccard similarity of the sets of 5-token shingles
(`gristmill.dedup.pairs`). Everything is counted over *contents*: the documents with one and the
same SHA-256 are one content, which stands where its first document stands, in that one's domain. A
content is kept when any document of it is. Contents without shingles (fewer than five tokens) are
like nothing but their copies.

A removal is wrong when no other document of the whole corpus, kept or not, of whatever domain, is
equal to the removed one or at least 0.6 similar to it. A content that is gone altogether is wrongly
gone when no other content is at least 0.6 similar: here copies are no excuse.

What was missed, at a level of 0.8 or 0.9 and within one domain, is told in two ways, because an
index in which the first wins needs no pair to fall, only the later content of it:

- pairs: both sides kept, as a share of all pairs at the level. The denominator is the same for
  everyone; a cluster of n contents weighs n * (n - 1) / 2.
- contents: kept in spite of an earlier kept content at the level, as a share of the contents that
  have an earlier one at the level, kept or not. A cluster weighs n - 1, as what is to be removed.

Pairs across domains are told apart: gristmill never compares them, by design.
"""

import hashlib
import inspect
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from dedup_pack import Pack
from numpy.typing import NDArray

from gristmill.dedup import fingerprint, pairs

LEVELS = (0.8, 0.9)
RIGHT_FROM = 0.6
_SEARCH_FROM = 0.5  # well below what is asked, where the search for pairs misses nothing

_Numbers = NDArray[np.int64]
_Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """The documents of the pack as contents, and all similar pairs of contents."""

    content_of: Mapping[str, int]
    """By document id, in order."""

    copies: _Numbers
    """Documents of each content."""

    domains: _Numbers
    first: _Numbers
    """Each pair's earlier content; `second` is the later one."""

    second: _Numbers
    jaccard: NDArray[np.float64]


def find_truth(pack: Pack, cached: str) -> Truth:
    """Compare the documents of the pack, unless `cached` holds the result already."""
    columns = pq.read_table(pack.path, columns=["id", "content_sha256", "domain"])
    ids, digests, domains = (column.to_pylist()[: pack.num_documents] for column in columns.columns)
    contents: dict[str, int] = {}
    of = [contents.setdefault(digest, len(contents)) for digest in digests]
    earliest = np.unique(of, return_index=True)[1]
    number: dict[str, int] = {}
    by_document = [number.setdefault(domain, len(number)) for domain in domains]
    first, second, jaccard = _pairs(pack, earliest, cached)
    return Truth(
        content_of=dict(zip(ids, of, strict=True)),
        copies=np.bincount(of),
        domains=np.array(by_document)[earliest],
        first=first, second=second, jaccard=jaccard,
    )  # fmt: skip


def judge(truth: Truth, removed: Mapping[str, str]) -> dict[str, Any]:
    """Return how right it was to remove these documents, and what else should have gone.

    `removed` gives the id of the match for each removed id, or nothing where it was not told.
    """
    gone = np.array([truth.content_of[identity] for identity in removed], np.int64)
    kept = np.bincount(gone, minlength=len(truth.copies)) < truth.copies
    best = np.zeros(len(truth.copies))
    np.maximum.at(best, truth.first, truth.jaccard)
    np.maximum.at(best, truth.second, truth.jaccard)
    wrong = int(((truth.copies[gone] == 1) & (best[gone] < RIGHT_FROM)).sum())
    num_gone = int((~kept).sum())
    vanished = int((~kept & (best < RIGHT_FROM)).sum())
    same = truth.domains[truth.first] == truth.domains[truth.second]
    judged: dict[str, Any] = {
        "removed": len(gone),
        "wrong": wrong,
        "wrong_share": wrong / max(1, len(gone)),
        "removed_contents": num_gone,
        "wrong_contents": vanished,
        "wrong_share_of_contents": vanished / max(1, num_gone),
        "missed": {str(level): _missed(truth, kept, level, same) for level in LEVELS},
        "missed_across_domains": {
            str(level): _missed(truth, kept, level, ~same) for level in LEVELS
        },
    }
    if any(removed.values()):
        judged["named_match_below_0.6"] = _wrongly_named(truth, removed)
    return judged


def _missed(truth: Truth, kept: _Flags, level: float, chosen: _Flags) -> dict[str, float]:
    chosen = chosen & (truth.jaccard >= level)
    first, second = truth.first[chosen], truth.second[chosen]
    both = kept[first] & kept[second]
    removable = len(np.unique(second))
    contents = len(np.unique(second[both]))
    return {
        "pairs": int(both.sum()),
        "of_pairs": len(first),
        "share_of_pairs": int(both.sum()) / max(1, len(first)),
        "contents": contents,
        "of_contents": removable,
        "share_of_contents": contents / max(1, removable),
    }


def _wrongly_named(truth: Truth, removed: Mapping[str, str]) -> int:
    """Count the removed documents whose named match is neither equal nor 0.6 similar."""
    close = truth.jaccard >= RIGHT_FROM
    alike = set(zip(truth.first[close].tolist(), truth.second[close].tolist(), strict=True))
    of = truth.content_of
    sides = ((of[identity], of[match]) for identity, match in removed.items())
    return sum(a != b and (min(a, b), max(a, b)) not in alike for a, b in sides)


def _pairs(
    pack: Pack, earliest: _Numbers, cached: str
) -> tuple[_Numbers, _Numbers, NDArray[np.float64]]:
    key = f"{pack.key} {len(earliest)} {_SEARCH_FROM} {_code()}"
    if os.path.exists(cached):
        with np.load(cached) as stored:
            if str(stored["key"]) == key:
                return stored["first"], stored["second"], stored["jaccard"]
    print(f"comparing {len(earliest):,} contents exactly ...", file=sys.stderr, flush=True)
    found = pairs.similar_pairs(_texts(pack, earliest), _SEARCH_FROM)
    result = (found.first, found.second, found.jaccard)
    named = dict(zip(("first", "second", "jaccard"), result, strict=True))
    np.savez(cached, key=np.array(key), **named)  # type: ignore[arg-type]  # no keyword of savez
    return result


def _code() -> str:
    """Name the code that finds pairs: where it changes they are found anew."""
    code = hashlib.sha256()
    for path in map(inspect.getfile, (fingerprint, pairs)):
        with open(path, "rb") as stream:
            code.update(stream.read())
    return code.hexdigest()[:16]


def _texts(pack: Pack, chosen: _Numbers) -> Iterator[bytes]:
    wanted = set(chosen.tolist())
    at = 0
    packed = pq.ParquetFile(pack.path, pre_buffer=False)
    for group in range(packed.num_row_groups):
        for text in packed.read_row_group(group, columns=["content"])["content"].to_pylist():
            if at in wanted:
                yield text
            at += 1
