"""Samples: a few documents for each reason, and a few that were kept, with their source.

Which ones is decided by their ids, which are as good as drawn by lot and the same every time; a
language comes again only when no other is left.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from gristmill.cli.reading import language_by_path
from gristmill.cli.report.sourcecode import Excerpt, excerpt
from gristmill.cli.report.texts import Place, Row, place_of
from gristmill.runtime.model import Reason
from gristmill.runtime.model.cut import BELOW_CUT, BELOW_CUT_EXPLANATION

_MOST_SAMPLES = 3
_MOST_LOOKED_AT = 300
_TEXTLESS = frozenset(
    (Reason.BINARY, Reason.UNDECODABLE, Reason.TOO_LARGE, Reason.NOT_A_FILE, Reason.UNREADABLE,
     Reason.UNSAFE_MEMBER, Reason.ARCHIVE_LIMIT)
)  # fmt: skip
NO_TEXT = "there is no text to show"
GONE = "the text cannot be read again: its source is gone or has changed"
_PLACE = re.compile(r"(\d{1,9}):\d+: ")  # as the checkers of syntax begin what they say
KEPT, KEPT_EXPLANATION = "kept", "what came through all stages"


@dataclass(frozen=True, slots=True)
class Sample:
    """One document: its name, the evidence in words, and its text or why there is none."""

    name: str
    language: str
    size_bytes: int
    evidence: str
    excerpt: Excerpt | None
    unavailable: str


@dataclass(frozen=True, slots=True)
class Group:
    """The documents of one reason at one stage; `outcome` is keep, drop, reject or dead."""

    reason: str
    explanation: str
    stage: str
    outcome: str
    documents: int
    samples: tuple[Sample, ...]


class Drawn:
    """Documents drawn from the ledger; texts come later."""

    def __init__(
        self, ledger: pa.Table, last_stage: str, taken: pa.ChunkedArray | None = None
    ) -> None:
        """Draw from every reason at every stage, and from what the last stage kept.

        `taken` are the ids that the newest cut accepts; None where there is none.
        """
        fell = ledger.filter(pc.is_valid(ledger["reason"]))
        counts = fell.group_by(["reason", "stage", "outcome"]).aggregate([([], "count_all")])
        order = sorted(counts.to_pylist(), key=lambda row: (-row["count_all"], row["reason"]))
        self._groups = [(row, _draw(_of(fell, row))) for row in order]
        kept = pc.and_(pc.equal(ledger["stage"], last_stage), pc.equal(ledger["outcome"], "keep"))
        came_through = ledger.filter(kept)
        self._kept = [(KEPT, KEPT_EXPLANATION, came_through.num_rows, _draw(came_through))]
        if taken is not None:
            is_taken = pc.is_in(came_through["document_id"], value_set=taken)
            below = came_through.filter(pc.invert(is_taken))
            about = (BELOW_CUT, BELOW_CUT_EXPLANATION, below.num_rows, _draw(below))
            self._kept.insert(0, about)

    @property
    def kept_ids(self) -> set[str]:
        """The kept documents whose texts are wanted."""
        return {row["document_id"] for *_, rows in self._kept for row in rows}

    @property
    def dropped(self) -> Iterator[Row]:
        """The rows of dropped documents whose texts are wanted."""
        for about, rows in self._groups:
            if about["reason"] not in _TEXTLESS:
                yield from rows

    def shown(
        self, kept: Mapping[str, Row], excerpts: Mapping[Place, Excerpt]
    ) -> tuple[Group, ...]:
        """Return the groups, the largest first, what was kept behind them."""
        groups = [
            Group(
                reason=about["reason"],
                explanation=_explanation(about["reason"]),
                stage=about["stage"],
                outcome=about["outcome"],
                documents=about["count_all"],
                samples=tuple(_sample(row, excerpts.get(place_of(row))) for row in rows),
            )
            for about, rows in self._groups
        ]
        for name, explanation, count, rows in self._kept:
            if rows:
                samples = (_sample(row, _excerpt_of(kept.get(row["document_id"]))) for row in rows)
                last = rows[0]["stage"]
                groups.append(Group(name, explanation, last, "keep", count, tuple(samples)))
        return tuple(groups)


def excerpt_of_dropped(row: Row, text: str) -> Excerpt:
    """Return the part of a text to show: its beginning, or where its syntax breaks."""
    found = _PLACE.match(row["detail"] or "")
    return excerpt(text, _language(row), int(found[1]) if found else None)


def _excerpt_of(row: Row | None) -> Excerpt | None:
    return None if row is None else excerpt(row["content"], row["language"])


def _explanation(reason: str) -> str:
    known = reason in Reason.__members__.values()
    return Reason(reason).explanation if known else "a rule of a user's own stage"


def _of(rows: pa.Table, about: Mapping[str, Any]) -> pa.Table:
    for name in ("reason", "stage", "outcome"):
        rows = rows.filter(pc.equal(rows[name], about[name]))
    return rows


def _draw(rows: pa.Table) -> list[dict[str, Any]]:
    order = pc.select_k_unstable(
        rows, k=min(_MOST_LOOKED_AT, rows.num_rows), sort_keys=[("document_id", "ascending")]
    )
    first: list[dict[str, Any]] = []
    again: list[dict[str, Any]] = []
    languages: set[str] = set()
    for row in rows.take(order).to_pylist():
        (again if _language(row) in languages else first).append(row)
        languages.add(_language(row))
    return [*first, *again][:_MOST_SAMPLES]


def _language(row: Row) -> str:
    return row["language"] or language_by_path(row["path"])


def _sample(row: Row, found: Excerpt | None) -> Sample:
    return Sample(
        name=f"{row['repository']} {row['path']}",
        language=_language(row),
        size_bytes=row["size_bytes"],
        evidence=", ".join(_evidence(row)),
        excerpt=found,
        unavailable="" if found else NO_TEXT if row["reason"] in _TEXTLESS else GONE,
    )


def _evidence(row: Row) -> Iterable[str]:
    if row["similarity"] is not None:
        yield f"about {100 * row['similarity']:.0f} % alike"
    if row["error_share"]:
        allowed = f", {row['threshold']:.2%} allowed" if row["threshold"] is not None else ""
        yield f"{row['error_share']:.2%} of it under errors{allowed}"
    if row["checker"]:
        yield f"by {row['checker']}"
    if row["detail"]:
        yield row["detail"]
