"""Auditing a finished directory: reading its verdicts and texts, printing what is found."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from gristmill.cli.console import ERR, OUT, bar, safe
from gristmill.cli.originals import Originals
from gristmill.cli.reading import equal, open_tables, scan, stream
from gristmill.dedup.audit import WRONG_BELOW, Audit, Verdict, audit
from gristmill.dedup.pairs import Comparison
from gristmill.dedup.settings import DedupSettings
from gristmill.dedup.stage import domain
from gristmill.runtime.model import Kind, Reason

_COLUMNS = (
    "document_id", "content_sha256", "kind", "outcome", "reason", "matched_id", "threshold",
    "language", "repository", "path", "position_source", "position_offset",
)  # fmt: skip
_WIDTH = 24

# Any: rows are what the ledger's columns hold.
Row = dict[str, Any]


class DirectoryAudit:
    """The verdicts of one directory, held against the texts that they were about."""

    def __init__(self, directory: str) -> None:
        """Read the verdicts; the texts wait for `run`."""
        self._tables = open_tables(directory)
        self._originals = Originals(directory)
        ledger = scan(self._tables, "ledger", _COLUMNS, equal("stage", "dedup"))
        ids, contents = (ledger[name].to_pylist() for name in ("document_id", "content_sha256"))
        self._content_of = dict(zip(ids, contents, strict=True))
        self._near = _near_drops(ledger)
        self.threshold = self._threshold()
        self._verdicts: list[Verdict] = []
        self._number_of: dict[str, int] = {}
        self.unreadable = 0
        self.exact_drops, self.exact_wrong = self._exact(ledger)

    def run(self, threshold: float) -> Audit:
        """Compare all texts; this takes a temporary file about as large as they are."""
        comparison = Comparison(self._texts())
        return audit(comparison, self._verdicts, threshold)

    def _threshold(self) -> float:
        """Return the threshold of the verdicts, the highest of several."""
        rows = (row for rows in self._near.values() for row in rows.values())
        found = sorted({row["threshold"] for row in rows if row["threshold"]})
        if len(found) > 1:
            shown = ", ".join(f"{threshold:g}" for threshold in found)
            ERR.print(f"runs of several thresholds ({shown}): judged by {found[-1]:g}")
        return found[-1] if found else DedupSettings().threshold

    def _exact(self, ledger: pa.Table) -> tuple[int, int]:
        """Return how many exact drops there are, and how many whose match has another content."""
        rows = _where(ledger, Reason.EXACT_DUPLICATE)
        wrong = sum(
            self._content_of.get(row["matched_id"]) != row["content_sha256"] for row in rows
        )
        return len(rows), wrong

    def _texts(self) -> Iterator[bytes]:
        """Yield each content once, the kept ones first, and note the verdict on it."""
        columns = ("document_id", "content", "content_sha256", "language", "repository", "path")
        for batch in stream(self._tables, "files", columns):
            for row in batch.to_pylist():
                self._number_of[row["document_id"]] = len(self._verdicts)
                self._verdicts.append(self._verdict(row, kept=True))
                yield row["content"].encode()
        ERR.print(f"{len(self._verdicts):,} kept texts read; reading what was dropped …")
        seen: set[str] = set()
        for source, rows in self._near.items():
            found = 0
            wanted = {
                offset: row
                for offset, row in rows.items()
                if row["document_id"] not in self._number_of
            }
            hashes = {offset: row["content_sha256"] for offset, row in wanted.items()}
            for offset, text in self._originals.stream(source, wanted, hashes):
                found += 1
                row = wanted[offset]
                if row["content_sha256"] not in seen:
                    seen.add(row["content_sha256"])
                    self._verdicts.append(self._verdict(row, kept=False))
                    yield text
            self.unreadable += len(wanted) - found
        ERR.print(f"comparing {len(self._verdicts):,} texts …")

    def _verdict(self, row: Row, *, kept: bool) -> Verdict:
        return Verdict(
            name=f"{row['repository']} {row['path']}",
            domain=domain(Kind.FILE, row["language"] or "", row["path"]),
            kept=kept,
            match=-1 if kept else self._number_of.get(row["matched_id"], -1),
        )


def _near_drops(ledger: pa.Table) -> dict[str, dict[int, Row]]:
    """Return the near-duplicates dropped, by source and offset."""
    drops: dict[str, dict[int, Row]] = {}
    for row in _where(ledger, Reason.NEAR_DUPLICATE):
        drops.setdefault(row["position_source"], {})[row["position_offset"]] = row
    return drops


def _where(ledger: pa.Table, reason: Reason) -> list[Row]:
    chosen = ledger.filter(pc.equal(ledger["reason"], reason.value))
    rows: list[Row] = chosen.filter(pc.equal(chosen["kind"], Kind.FILE.value)).to_pylist()
    return rows


def as_json(done: DirectoryAudit, found: Audit) -> dict[str, Any]:
    """Return everything that was found."""
    return {
        "texts": found.texts,
        "near_drops": found.near_drops,
        "exact_drops": done.exact_drops,
        "exact_wrong": done.exact_wrong,
        "unreadable": done.unreadable,
        "threshold": found.threshold,
        "wrong_drops": dict(found.wrong_drops),
        "low_drops": found.low_drops,
        "levels": {
            f"{level:g}": {
                "pairs": pairs,
                "missed": found.missed[level].total(),
                "missed_by_cause": dict(found.missed[level]),
                "missed_across_domains": found.across_domains[level],
            }
            for level, pairs in found.pairs.items()
        },
        "components": {
            "all": found.components,
            "by_survivors": {str(n): count for n, count in sorted(found.survivors.items())},
            "chained": found.chained,
            "unheld": found.unheld,
        },
        "examples": [asdict(example) for example in found.examples],
    }


def print_audit(done: DirectoryAudit, found: Audit) -> None:
    """Show what was found, worst first."""
    OUT.print(
        f"\n[bold]{found.near_drops:,} near-duplicates[/bold], each content once, against "
        f"{found.texts:,} texts; "
        f"{done.exact_drops:,} exact duplicates, {done.exact_wrong:,} of them wrong"
    )
    if done.unreadable:
        OUT.print(f"  {done.unreadable:,} dropped texts are gone from their source: not audited")
    wrong = found.wrong_drops.total()
    _line(f"wrong drops, nothing alike by {WRONG_BELOW}", wrong, found.near_drops)
    _line(f"drops whose match is below {found.threshold:g}", found.low_drops, found.near_drops)
    OUT.print("\n[bold]Missed pairs[/bold]: both kept; near the threshold the estimate decides")
    for level, pairs in found.pairs.items():
        missed = found.missed[level]
        _line(f"alike by {level:g} and more", missed.total(), pairs)
        for cause, count in missed.most_common():
            OUT.print(f"      {cause}: {count:,}")
        if found.across_domains[level]:
            OUT.print(f"      [dim]and {found.across_domains[level]:,} across domains[/dim]")
    OUT.print("\n[bold]Components[/bold] of texts alike by the threshold, directly or in a chain")
    labels = {0: "none: dropped for a kept one outside", 1: "one survivor"}
    for count, components in sorted(_by_survivors(found).items()):
        _line(labels.get(count, "several survivors"), components, found.components)
    if found.unheld:
        OUT.print(
            f"  [red]{found.unheld:,} have no survivor anywhere[/red]: what they were like is gone"
        )
    OUT.print(f"  {found.chained:,} of those with several are chains: no two survivors are alike")
    if found.examples:
        OUT.print("\n[bold]Worth a look[/bold] (`gristmill why DIR --path …`)")
    for example in found.examples:
        OUT.print(
            f"  {example.jaccard:.3f} {example.cause}\n"
            f"        {safe(example.first)}\n        {safe(example.second)}",
            markup=False,
        )


def _by_survivors(found: Audit) -> dict[int, int]:
    counts: Counter[int] = Counter()
    for survivors, components in found.survivors.items():
        counts[min(survivors, 2)] += components
    return counts


def _line(label: str, count: int, of: int) -> None:
    share = count / of if of else 0.0
    OUT.print(
        f"  {label:<36} [green]{bar(share, _WIDTH):<{_WIDTH}}[/green] {share:8.3%} "
        f"({count:,} of {of:,})"
    )
