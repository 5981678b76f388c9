"""Duplicates: how large the clusters are, the largest by name, and pairs with what they differ in.

A cluster is one kept document and everything that was dropped for its sake.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from gristmill.cli.difference import DROPPED_IS_GONE, KEPT_IS_GONE, unified
from gristmill.cli.report.sidebyside import SideBySide, side_by_side
from gristmill.cli.report.texts import Place, Row, place_of
from gristmill.runtime.model import Reason

_MOST_PAIRS = 8
_MOST_CLUSTERS = 10
_SIZES = ((2, 2), (3, 3), (4, 4), (5, 8), (9, 16), (17, 32), (33, 64), (65, None))
"""The buckets of cluster sizes, the kept document included."""


@dataclass(frozen=True, slots=True)
class Bucket:
    """Clusters of some size, by how their members were found."""

    label: str
    near: int
    exact: int


@dataclass(frozen=True, slots=True)
class Cluster:
    """One of the largest clusters: the document kept, and how many fell for its sake."""

    document_id: str
    name: str
    near: int
    exact: int


@dataclass(frozen=True, slots=True)
class Pair:
    """A near-duplicate beside the document kept; without a comparison `unavailable` says why."""

    kept: str
    dropped: str
    language: str
    similarity: float | None
    compared: SideBySide | None
    unavailable: str


@dataclass(frozen=True, slots=True)
class Duplicates:
    """Everything about duplicates."""

    near: int
    exact: int
    buckets: tuple[Bucket, ...]
    largest: tuple[Cluster, ...]
    pairs: tuple[Pair, ...]


class Clusters:
    """The ledger's duplicates, grouped; texts come later."""

    def __init__(self, ledger: pa.Table) -> None:
        """Group the drops by the document that each of them repeats."""
        self._rows = {
            reason: ledger.filter(pc.equal(ledger["reason"], reason.value))
            for reason in (Reason.NEAR_DUPLICATE, Reason.EXACT_DUPLICATE)
        }
        self._near, self._exact = (_by_match(rows) for rows in self._rows.values())
        self.chosen = _spread(self._rows[Reason.NEAR_DUPLICATE])
        totals = self._near + self._exact
        order = sorted(totals.items(), key=lambda item: (-item[1], item[0]))
        self._largest = [document_id for document_id, _ in order[:_MOST_CLUSTERS]]

    @property
    def kept_ids(self) -> set[str]:
        """The kept documents whose names or texts are wanted."""
        return {row["matched_id"] for row in self.chosen} | set(self._largest)

    def shown(self, kept: Mapping[str, Row], texts: Mapping[Place, str]) -> Duplicates:
        """Return what is shown, given the kept rows by id and the dropped texts by place."""
        return Duplicates(
            near=sum(self._near.values()),
            exact=sum(self._exact.values()),
            buckets=tuple(_buckets(self._near, self._exact)),
            largest=tuple(
                Cluster(one, _name(kept.get(one)), self._near[one], self._exact[one])
                for one in self._largest
            ),
            pairs=tuple(_pair(row, kept, texts) for row in self.chosen),
        )


def _by_match(rows: pa.Table) -> Counter[str]:
    groups = rows.group_by("matched_id").aggregate([([], "count_all")]).to_pylist()
    return Counter({row["matched_id"]: row["count_all"] for row in groups if row["matched_id"]})


def _spread(near: pa.Table) -> list[dict[str, Any]]:
    """Return pairs from the least alike to the most, each of another cluster, evenly chosen."""
    columns = near.select(["similarity", "matched_id", "document_id"]).to_pydict()
    seen: set[str] = set()
    places: list[int] = []
    keys = zip(columns["similarity"], columns["document_id"], columns["matched_id"], strict=True)
    ordered = sorted(enumerate(keys), key=lambda item: (item[1][0] or 0.0, item[1][1]))
    for place, (_, _, matched_id) in ordered:
        if matched_id and matched_id not in seen:
            seen.add(matched_id)
            places.append(place)
    count = min(_MOST_PAIRS, len(places))
    chosen = [places[at * (len(places) - 1) // max(1, count - 1)] for at in range(count)]
    rows: list[dict[str, Any]] = near.take(chosen).to_pylist() if chosen else []
    return rows


def _buckets(near: Counter[str], exact: Counter[str]) -> Iterable[Bucket]:
    sizes = [Counter(1 + dropped for dropped in counts.values()) for counts in (near, exact)]
    for least, most in _SIZES:
        label = f"{least}" if most == least else f"{least} and more" if most is None else ""
        near_count, exact_count = (
            sum(n for size, n in one.items() if least <= size and (most is None or size <= most))
            for one in sizes
        )
        yield Bucket(label or f"{least} to {most}", near_count, exact_count)


def _pair(row: Row, kept: Mapping[str, Row], texts: Mapping[Place, str]) -> Pair:
    first, text = kept.get(row["matched_id"]), texts.get(place_of(row))
    lines: Sequence[str] = ()
    unavailable = ""
    if first is None:
        unavailable = KEPT_IS_GONE
    elif text is None:
        unavailable = DROPPED_IS_GONE
    else:
        lines = unified(first["content"], text, "kept", "dropped")
        if not lines:
            unavailable = "both texts are equal: their bytes differ in encoding or mark"
    return Pair(
        kept=_name(first),
        dropped=_name(row),
        language=(first or row)["language"] or "",
        similarity=row["similarity"],
        compared=side_by_side(lines) if lines else None,
        unavailable=unavailable,
    )


def _name(row: Row | None) -> str:
    return f"{row['repository']} {row['path']}" if row is not None else "gone from the tables"
