"""Clusters and pairs: sizes, which pairs are chosen, and what is said where a text is gone."""

from typing import Any

import pyarrow as pa
import pytest

from gristmill.cli.report.duplicates import Clusters
from gristmill.cli.report.texts import place_of

_SCHEMA = pa.schema(
    [
        ("document_id", pa.string()), ("repository", pa.string()), ("path", pa.string()),
        ("reason", pa.string()), ("matched_id", pa.string()), ("similarity", pa.float64()),
        ("language", pa.string()), ("position_source", pa.string()),
        ("position_offset", pa.int64()),
    ]
)  # fmt: skip


def ledger(*drops: tuple[str, str, float | None]) -> pa.Table:
    """Duplicates: the reason, the document kept, how alike."""
    rows = [
        {
            "document_id": f"d{number}", "repository": "r", "path": f"{number}.py",
            "reason": reason, "matched_id": matched, "similarity": similarity,
            "language": "Python", "position_source": "s", "position_offset": number,
        }
        for number, (reason, matched, similarity) in enumerate(drops)
    ]  # fmt: skip
    return pa.Table.from_pylist(rows, _SCHEMA)


def kept(name: str, content: str = "a = 1\n") -> dict[str, Any]:
    return {"document_id": name, "repository": "k", "path": name, "language": "Python",
            "content": content}  # fmt: skip


NEAR, EXACT = "near_duplicate", "exact_duplicate"


def test_clusters_are_counted_by_size_and_kind() -> None:
    drops = [(NEAR, "a", 0.9)] * 3 + [(EXACT, "a", None)] * 4 + [(NEAR, "b", 0.8)]
    drops += [(EXACT, "c", None)] * 200
    found = Clusters(ledger(*drops)).shown({"a": kept("a")}, {})
    assert (found.near, found.exact) == (4, 204)
    told = {bucket.label: (bucket.near, bucket.exact) for bucket in found.buckets}
    assert told == {
        "2": (1, 0), "3": (0, 0), "4": (1, 0), "5 to 8": (0, 1), "9 to 16": (0, 0),
        "17 to 32": (0, 0), "33 to 64": (0, 0), "65 and more": (0, 1),
    }  # fmt: skip
    assert [(one.name, one.near, one.exact) for one in found.largest] == [
        ("gone from the tables", 0, 200), ("k a", 3, 4), ("gone from the tables", 1, 0),
    ]  # fmt: skip


@pytest.mark.parametrize("count", [0, 1, 2, 7, 8, 9, 100])
def test_pairs_go_from_the_least_alike_to_the_most_each_of_another_cluster(count: int) -> None:
    drops = [
        (NEAR, f"m{number // 2}", 0.7 + number / 1000) for number in reversed(range(2 * count))
    ]
    chosen = Clusters(ledger(*drops)).chosen
    assert len(chosen) == min(count, 8)
    alike = [row["similarity"] for row in chosen]
    assert alike == sorted(alike)
    assert len({row["matched_id"] for row in chosen}) == len(chosen)
    if count > 1:
        assert (alike[0], alike[-1]) == (0.7, pytest.approx(0.7 + (2 * count - 2) / 1000))


def test_a_pair_is_compared_or_says_why_not() -> None:
    clusters = Clusters(ledger((NEAR, "a", 0.7), (NEAR, "b", 0.8), (NEAR, "c", 0.9)))
    first, second, third = clusters.chosen
    texts = {place_of(first): "a = 2\n", place_of(second): "x\n"}
    rows = {"a": kept("a"), "c": kept("c")}
    assert clusters.kept_ids == {"a", "b", "c"}
    pairs = clusters.shown(rows, texts).pairs
    assert pairs[0].compared is not None
    assert pairs[0].kept == "k a"
    assert "the document kept is not in the tables" in pairs[1].unavailable
    assert "cannot be read again" in pairs[2].unavailable
    equal = clusters.shown(rows, {place_of(first): "a = 1\n"}).pairs[0]
    assert equal.unavailable.startswith("both texts are equal")
    assert place_of(third) not in texts
