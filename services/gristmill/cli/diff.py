"""`gristmill diff`: what a changed rule, threshold or version keeps and drops."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Annotated, Any

import typer
from rich.markup import escape

from gristmill.cli.console import OUT, bar, print_json, safe

_KEPT = "kept"
_WIDTH = 24


def command(
    directory_a: Annotated[str, typer.Argument(metavar="DIR_A", help="The run before.")],
    directory_b: Annotated[str, typer.Argument(metavar="DIR_B", help="The run after.")],
    samples: Annotated[int, typer.Option(min=0, help="Documents named for each change.")] = 3,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Compare two runs document by document: by reason and language, with samples.

    Example: gristmill diff corpus corpus-with-a-new-budget
    """
    before, after = fates(directory_a), fates(directory_b)
    changes = compare(before, after, samples)
    if as_json:
        print_json({"changes": [change.as_json() for change in changes], **_totals(before, after)})
        return
    totals = _totals(before, after)
    OUT.print(f"{directory_a}: {totals['documents_a']:,} documents, {totals['kept_a']:,} kept")
    OUT.print(f"{directory_b}: {totals['documents_b']:,} documents, {totals['kept_b']:,} kept")
    if not changes:
        OUT.print("every document has the same fate in both")
        return
    most = max(change.documents for change in changes)
    for change in changes:
        drawn = bar(change.documents / most, _WIDTH)
        OUT.print(
            f"\n[bold]{change.before} -> {change.after}[/bold]  [yellow]{drawn}[/yellow] "
            f"{change.documents:,}"
        )
        languages = ", ".join(
            f"{name} {count:,}" for name, count in change.languages.most_common(8)
        )
        OUT.print(f"  [dim]{escape(languages)}[/dim]")
        for sample in change.samples:
            OUT.print(f"  {escape(safe(sample['repository']))}  {escape(safe(sample['path']))}")


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of a document in one directory: "kept" or a reason."""

    status: str
    language: str
    repository: str
    path: str


@dataclass(slots=True)
class Change:
    """Documents that went from one fate to another; "absent" is a fate too."""

    before: str
    after: str
    documents: int = 0
    languages: Counter[str] = field(default_factory=Counter)
    samples: list[dict[str, str]] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """Return it for machines."""
        return {
            "before": self.before,
            "after": self.after,
            "documents": self.documents,
            "by_language": dict(self.languages.most_common()),
            "samples": self.samples,
        }


def fates(directory: str) -> dict[str, Fate]:
    """Return each document's fate: kept if it ever was, else the last reason against it."""
    from gristmill.cli.reading import language_by_path, open_tables, scan

    columns = [
        "document_id", "repository", "path", "outcome", "reason", "language", "stage",
        "decided_at",
    ]  # fmt: skip
    ledger = scan(open_tables(directory), "ledger", columns).sort_by("decided_at")
    result: dict[str, Fate] = {}
    for row in ledger.to_pylist():
        known = result.get(row["document_id"])
        if (known is not None and known.status == _KEPT) or (
            row["outcome"] in {"keep", "split"} and row["stage"] != "shards"
        ):
            continue
        result[row["document_id"]] = Fate(
            status=row["reason"] or _KEPT,
            language=row["language"] or language_by_path(row["path"]),
            repository=row["repository"],
            path=row["path"],
        )
    return result


def compare(before: dict[str, Fate], after: dict[str, Fate], samples: int) -> list[Change]:
    """Group the documents whose fate differs, the largest group first."""
    changes: dict[tuple[str, str], Change] = {}
    shown: defaultdict[tuple[str, str], int] = defaultdict(int)
    for document_id in sorted(before.keys() | after.keys()):
        old, new = before.get(document_id), after.get(document_id)
        key = (old.status if old else "absent", new.status if new else "absent")
        if key[0] == key[1]:
            continue
        fate = new or old
        assert fate is not None, "it is in one of the two"
        change = changes.setdefault(key, Change(*key))
        change.documents += 1
        change.languages[fate.language] += 1
        if shown[key] < samples:
            shown[key] += 1
            change.samples.append(
                {"document_id": document_id, "repository": fate.repository, "path": fate.path}
            )
    return sorted(changes.values(), key=lambda c: (-c.documents, c.before, c.after))


def _totals(before: dict[str, Fate], after: dict[str, Fate]) -> dict[str, int]:
    return {
        "documents_a": len(before),
        "documents_b": len(after),
        "kept_a": sum(fate.status == _KEPT for fate in before.values()),
        "kept_b": sum(fate.status == _KEPT for fate in after.values()),
    }
