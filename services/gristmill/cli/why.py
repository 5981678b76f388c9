"""`gristmill why`: what became of a document, stage by stage, and on what evidence."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from gristmill.cli.console import OUT, print_json, safe
from gristmill.cli.difference import Difference, differences, print_difference
from gristmill.runtime.model import BadInput, Reason
from gristmill.runtime.model.quality import SCORE_PARTS

if TYPE_CHECKING:
    from gristmill.runtime.adapters.iceberg import IcebergTables

_MOST_SHOWN = 20
_COLUMNS = (
    "document_id", "content_sha256", "kind", "source", "repository", "path", "url", "revision",
    "stage", "outcome", "reason", "matched_id", "similarity", "error_share", "score", "threshold",
    "version", "decided_at", "language", "size_bytes", "position_source", "position_offset",
    "detail", "checker",
)  # fmt: skip
_STAGE_FIELDS = (
    "stage", "outcome", "reason", "matched", "similarity", "error_share", "score", "threshold",
    "version", "decided_at", "detail", "checker",
)  # fmt: skip
_COLOURS = {"keep": "green", "split": "green", "drop": "yellow"}


def command(
    directory: Annotated[str, typer.Argument(metavar="DIR", help="The output of a run.")],
    path: Annotated[
        str | None, typer.Option(metavar="P", help="A path as listed, or its end.")
    ] = None,
    document_id: Annotated[
        str | None, typer.Option("--id", metavar="I", help="A document id, or its beginning.")
    ] = None,
    repository: Annotated[
        str | None, typer.Option(metavar="R", help="A repository: all its documents.")
    ] = None,
    diff_lines: Annotated[
        int, typer.Option(min=0, metavar="N", help="Lines shown of each diff; 0 shows all.")
    ] = 60,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Say why documents were kept or dropped.

    A near-duplicate comes with a diff from the document kept to the one dropped, as long as the
    source that it was read from stands as it stood. --json holds whole diffs. Of a kept document
    it says the score with its parts, and whether the newest cut accepts it.

    Example: gristmill why corpus --path lib/parser.py
    """
    if sum(value is not None for value in (path, document_id, repository)) != 1:
        raise typer.BadParameter("give one of --path, --id and --repository")
    from gristmill.cli.reading import open_tables

    tables = open_tables(directory)
    question = next(value for value in (path, document_id, repository) if value is not None)
    deliveries = _deliveries(tables, _rows(tables, path, document_id, repository))
    if not deliveries:
        raise BadInput(f"no document in {directory} is known as {safe(question)}")
    shown = deliveries if as_json else deliveries[:_MOST_SHOWN]
    near = [delivery.last for delivery in shown if delivery.is_near_duplicate]
    found = differences(directory, tables, near)
    kept = [one for one in shown if one.status == "kept"]
    scores, cuts = _judged(tables, kept)
    if as_json:
        told = [
            {
                **one.as_json(found.get(one.position)),
                "quality": scores.get(one.last["document_id"]),
                "cut": cuts.get(one.last["document_id"]),
            }
            for one in shown
        ]
        print_json({"documents": told})
        return
    for delivery in shown:
        _print(delivery)
        if score := scores.get(delivery.last["document_id"]):
            _print_score(score)
        if cut := cuts.get(delivery.last["document_id"]):
            _print_cut(cut)
        if difference := found.get(delivery.position):
            print_difference(difference, diff_lines)
    if len(deliveries) > _MOST_SHOWN:
        OUT.print(f"\nand {len(deliveries) - _MOST_SHOWN:,} more; --json prints all of them")


# Any: rows are what the ledger's columns hold.
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Delivery:
    """One delivery of a document and what every stage decided about it."""

    rows: Sequence[Row]

    @property
    def last(self) -> Row:
        return self.rows[-1]

    @property
    def status(self) -> str:
        if self.last["outcome"] in {"keep", "split"}:
            return "kept"
        return "dropped" if self.last["outcome"] == "drop" else "dead"

    @property
    def is_near_duplicate(self) -> bool:
        return bool(self.last["reason"] == Reason.NEAR_DUPLICATE)

    @property
    def position(self) -> tuple[str, int]:
        return self.last["position_source"], self.last["position_offset"]

    def as_json(self, difference: Difference | None) -> dict[str, Any]:
        last = self.last
        about = ("document_id", "content_sha256", "kind", "source", "repository", "path", "url")
        return {
            **{name: last[name] for name in about},
            "language": next((r["language"] for r in reversed(self.rows) if r["language"]), None),
            "size_bytes": last["size_bytes"],
            "position": {"source": last["position_source"], "offset": last["position_offset"]},
            "status": self.status,
            "reason": last["reason"],
            "decisions": [
                {name: _plain(row.get(name)) for name in _STAGE_FIELDS} for row in self.rows
            ],
            **(difference.as_json() if difference else {}),
        }


def _plain(value: Any) -> Any:  # noqa: ANN401  # times become text, the rest stays
    return value.isoformat() if hasattr(value, "isoformat") else value


def _rows(
    tables: "IcebergTables", path: str | None, document_id: str | None, repository: str | None
) -> list[Row]:
    from gristmill.cli.reading import equal, one_of, scan, starts_with

    if document_id == "":  # every id begins with nothing
        return []
    if document_id is not None:
        found = scan(tables, "ledger", _COLUMNS, starts_with("document_id", document_id.lower()))
    elif repository is not None:
        found = scan(tables, "ledger", _COLUMNS, equal("repository", repository))
    else:
        assert path is not None, "one of the three was given"
        found = scan(tables, "ledger", _COLUMNS, equal("path", path))
        if not found.num_rows and (paths := _paths_like(tables, path)):
            found = scan(tables, "ledger", _COLUMNS, one_of("path", paths))
    rows: list[Row] = found.to_pylist()
    return rows


def _paths_like(tables: "IcebergTables", path: str) -> list[str]:
    """Return listed paths of which one is the other's end: an absolute path, or a file name."""
    from gristmill.cli.reading import scan

    wanted = "/" + path.removeprefix("./").lstrip("/")
    known = scan(tables, "ledger", ["path"])["path"].unique().to_pylist()
    return [one for one in known if wanted.endswith("/" + one) or ("/" + one).endswith(wanted)]


def _deliveries(tables: "IcebergTables", rows: list[Row]) -> list[_Delivery]:
    """Group rows by delivery, each in the order of the stages, and name what they matched."""
    from gristmill.cli.reading import one_of, scan

    matched_ids = {row["matched_id"] for row in rows if row["matched_id"]}
    names: dict[str, Row] = {}
    if matched_ids:
        columns = ["document_id", "repository", "path"]
        for row in scan(tables, "files", columns, one_of("document_id", matched_ids)).to_pylist():
            names[row["document_id"]] = row
    groups: dict[tuple[str, int, str], list[Row]] = {}
    for row in rows:
        if row["matched_id"]:
            row["matched"] = names.get(row["matched_id"], {"document_id": row["matched_id"]})
        groups.setdefault((row["position_source"], row["position_offset"], row["path"]), []).append(
            row
        )
    # A run writes a delivery's rows in one commit, with one time, in the order of its route, and
    # they are read back so. Behind a log each stage has a time and perhaps a commit of its own.
    ordered = [
        _Delivery(sorted(group, key=lambda row: row["decided_at"])) for group in groups.values()
    ]
    return sorted(
        ordered, key=lambda d: (d.last["repository"], d.last["path"], d.last["decided_at"])
    )


def _judged(
    tables: "IcebergTables", kept: Sequence[_Delivery]
) -> tuple[dict[str, Row], dict[str, Row]]:
    """Return, by the ids of kept documents, their scores with the parts, and what the cut says.

    The cut is the newest; both leave out what has no score, or where there is no cut.
    """
    from gristmill.cli.reading import one_of, scan
    from gristmill.runtime.adapters.cuts import COLUMNS, accepted, cuts_of

    ids = {delivery.last["document_id"] for delivery in kept}
    if not ids:
        return {}, {}
    files = scan(tables, "files", [*COLUMNS, *SCORE_PARTS], one_of("document_id", ids))
    rows = files.to_pylist()
    scores = {
        row["document_id"]: {name: row[name] for name in ("scorer", "score", *SCORE_PARTS)}
        for row in rows
        if row["score"] is not None
    }
    cut = next(iter(cuts_of(tables)[-1:]), None)
    if cut is None:
        return scores, {}
    return scores, {
        row["document_id"]: {
            "cut": cut.name,
            "accepted": answer,
            "score": row["score"] if row["scorer"] == cut.scorer else None,
            "threshold": bar.threshold if (bar := cut.bar_of(row["language"])) else None,
        }
        for row, answer in zip(rows, accepted(files, cut).to_pylist(), strict=True)
    }


def _print_score(score: Row) -> None:
    parts = [f"{name} {score[name]:.1f}" for name in SCORE_PARTS[:-1] if score[name] is not None]
    rule = [f"0 by the rule {score['zero_rule']}"] if score["zero_rule"] else []
    told = "".join(f", {one}" for one in rule + parts)
    scorer = escape(safe(score["scorer"]))
    OUT.print(f"  {'score':<10} {score['score']:.4f}{told}  [dim]{scorer}[/dim]")


def _print_cut(cut: dict[str, Any]) -> None:
    verdict = "[green]accepted[/green]" if cut["accepted"] else "[yellow]not accepted[/yellow]"
    score = "no score by its scorer" if cut["score"] is None else f"score {cut['score']:.4f}"
    least = "" if cut["threshold"] is None else f", {cut['threshold']:.4f} wanted"
    OUT.print(f"  {escape(safe(cut['cut'])):<10} {verdict}: {score}{least}")


def _print(delivery: _Delivery) -> None:
    last = delivery.last
    OUT.print(f"\n[bold]{escape(safe(last['repository']))}[/bold]  {escape(safe(last['path']))}")
    OUT.print(f"  id {last['document_id']}, {last['size_bytes']:,} bytes, {delivery.status}")
    for row in delivery.rows:
        colour = _COLOURS.get(row["outcome"], "red")
        reason = f" {row['reason']}" if row["reason"] else ""
        OUT.print(
            f"  {row['stage']:<10} [{colour}]{row['outcome']}{reason}[/{colour}]"
            f"{escape(_evidence(row))}  [dim]{escape(row['version'])}[/dim]"
        )


def _evidence(row: Row) -> str:
    parts = [f": {Reason(row['reason']).explanation}"] if row["reason"] else []
    if row["matched_id"] and row["reason"] != Reason.RESUBMITTED:
        matched = row["matched"]
        where = f"{matched.get('repository', '')} {matched.get('path', '')}".strip()
        parts.append(f" - the one kept is {safe(where) or 'gone'} ({row['matched_id']})")
    if row["reason"] == Reason.NEAR_DUPLICATE and row["similarity"] is not None:
        parts.append(f", about {100 * row['similarity']:.0f} % alike")
    if row["error_share"] is not None:
        parts.append(f" - {row['error_share']:.2%} of it under errors")
        if row["threshold"] is not None:
            parts.append(f", {row['threshold']:.2%} allowed")
    if row["checker"]:
        parts.append(f", by {safe(row['checker'])}")
    if row["detail"]:
        parts.append(f" - {safe(row['detail'])}")
    return "".join(parts)
