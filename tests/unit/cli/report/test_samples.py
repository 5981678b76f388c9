"""Samples: a few of each reason, of several languages, the same every time."""

from typing import Any

import pyarrow as pa

from gristmill.cli.report.samples import GONE, NO_TEXT, Drawn, excerpt_of_dropped
from gristmill.cli.report.texts import place_of

_TEXTS = ("document_id", "repository", "path", "stage", "outcome", "reason", "language", "detail",
          "checker", "position_source")  # fmt: skip
_NUMBERS = ("similarity", "error_share", "threshold")
_SCHEMA = pa.schema(
    [(name, pa.string()) for name in _TEXTS]
    + [(name, pa.float64()) for name in _NUMBERS]
    + [("size_bytes", pa.int64()), ("position_offset", pa.int64())]
)


def row(number: int, reason: str | None, language: str | None, **more: Any) -> dict[str, Any]:
    return {
        "document_id": f"d{number:04}", "repository": "r", "path": f"{number}.py",
        "stage": "shards" if reason is None else "syntax",
        "outcome": "keep" if reason is None else "drop", "reason": reason, "language": language,
        "position_source": "s", "position_offset": number, "size_bytes": 10, **more,
    }  # fmt: skip


def drawn(*rows: dict[str, Any], taken: list[str] | None = None) -> Drawn:
    ids = None if taken is None else pa.chunked_array([taken], pa.string())
    return Drawn(pa.Table.from_pylist(list(rows), _SCHEMA), "shards", ids)


def test_a_few_of_each_reason_of_several_languages_the_largest_first() -> None:
    rows = [row(n, "syntax_errors", "Python") for n in range(50)]
    rows += [row(98, "syntax_errors", "C"), row(99, "syntax_errors", "Go")]
    rows += [row(100, "binary", None), row(200, None, "Rust"), row(201, None, "Rust")]
    found = drawn(*rows)
    errors, binary, kept = found.shown({}, {})
    assert (errors.reason, errors.documents, errors.outcome) == ("syntax_errors", 52, "drop")
    assert [one.language for one in errors.samples] == ["Python", "C", "Go"]
    assert {one.unavailable for one in errors.samples} == {GONE}
    assert [(one.language, one.unavailable) for one in binary.samples] == [("Python", NO_TEXT)]
    assert (kept.reason, kept.documents, len(kept.samples)) == ("kept", 2, 2)
    assert {one["document_id"] for one in found.dropped} == {"d0000", "d0098", "d0099"}
    assert found.kept_ids == {"d0200", "d0201"}
    backwards = drawn(*reversed(rows))
    assert backwards.shown({}, {}) == (errors, binary, kept)


def test_what_the_cut_does_not_accept_is_a_group_of_its_own() -> None:
    rows = [row(n, None, "Rust") for n in range(5)]
    found = drawn(*rows, taken=["d0001", "d0003", "d0004"])
    below, kept = found.shown({}, {})
    assert (below.reason, below.documents, below.outcome) == ("below_cut", 2, "keep")
    assert [one.name for one in below.samples] == ["r 0.py", "r 2.py"]
    assert (kept.reason, kept.documents) == ("kept", 5)
    assert {"d0000", "d0002"} <= found.kept_ids
    assert [group.reason for group in drawn(*rows, taken=[]).shown({}, {})] == ["below_cut", "kept"]
    (all_kept,) = drawn(*rows, taken=[one["document_id"] for one in rows]).shown({}, {})
    assert all_kept.reason == "kept"


def test_a_sample_shows_its_text_and_the_evidence() -> None:
    broken = row(
        1, "syntax_errors", "Python", error_share=0.25, threshold=0.01, checker="cpython",
        detail="60:5: invalid syntax",
    )  # fmt: skip
    alike = row(2, "near_duplicate", "Python", similarity=0.86)
    found = drawn(broken, alike)
    excerpts = {place_of(broken): excerpt_of_dropped(broken, "x = 1\n" * 100)}
    near, errors = found.shown({}, excerpts)
    assert near.samples[0].evidence == "about 86 % alike"
    (sample,) = errors.samples
    assert sample.evidence == (
        "25.00% of it under errors, 1.00% allowed, by cpython, 60:5: invalid syntax"
    )
    assert sample.excerpt is not None
    assert (sample.excerpt.marked, sample.excerpt.lines[0].number) == (60, 52)


def test_a_reason_of_a_users_own_is_shown_too() -> None:
    (group,) = drawn(row(1, "too_rude", "Python")).shown({}, {})
    assert group.explanation == "a rule of a user's own stage"


def test_nothing_to_draw_from() -> None:
    assert drawn().shown({}, {}) == ()
