"""`gristmill drops`: what fell for a reason, with its text read again from the source."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from gristmill.cli.console import OUT, bar, print_json, safe
from gristmill.runtime.model import BadInput, Reason
from gristmill.runtime.model.cut import BELOW_CUT, BELOW_CUT_EXPLANATION

if TYPE_CHECKING:
    import pyarrow as pa

    from gristmill.runtime.adapters.iceberg import IcebergTables

_COLUMNS = (
    "document_id", "content_sha256", "repository", "path", "stage", "outcome", "reason",
    "language", "size_bytes", "detail", "position_source", "position_offset",
)  # fmt: skip
_TOLD = ("document_id", "repository", "path", "stage", "reason", "language", "size_bytes", "detail")
_WIDTH = 30
_LINE_CHARS = 160


def command(
    directory: Annotated[str, typer.Argument(metavar="DIR", help="The output of a run.")],
    reason: Annotated[
        str | None,
        typer.Option(metavar="R", help="A reason code, or below_cut; without: how many by each."),
    ] = None,
    language: Annotated[str | None, typer.Option(metavar="NAME", help="Only this one.")] = None,
    sample: Annotated[int, typer.Option(min=1, metavar="N", help="How many are shown.")] = 5,
    lines: Annotated[
        int, typer.Option(min=0, metavar="N", help="Lines shown of each; 0 shows all.")
    ] = 20,
    cut: Annotated[
        str | None, typer.Option(metavar="NAME", help="Which cut, for below_cut; default: newest.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Show documents that were dropped, or broke a stage, for a reason.

    The sample is by document id: the same at every call. A text is read again from the source as
    long as that stands as it was judged; below_cut has its text in the tables. --json holds whole
    texts.

    Example: gristmill drops corpus --reason syntax_errors --language Python --sample 10
    """
    from gristmill.cli.reading import language_named, open_tables

    tables = open_tables(directory)
    language = language_named(language) if language is not None else None
    if reason is None:
        _tell_reasons(_counts(tables, cut, language), as_json=as_json)
        return
    if reason == BELOW_CUT:
        found = _below_cut(tables, cut, language)
    else:
        found = _fallen(tables, _known(reason), language)
    chosen = sorted(found, key=lambda row: row["document_id"])[:sample]
    texts = _texts(directory, tables, reason, chosen)
    if as_json:
        told = [
            {**{k: row[k] for k in _TOLD}, "text": texts.get(row["document_id"])} for row in chosen
        ]
        print_json({"reason": reason, "count": len(found), "documents": told})
        return
    for row in chosen:
        _show(row, texts.get(row["document_id"]), lines)
    OUT.print(f"\n{len(chosen):,} of {len(found):,} documents for {escape(reason)}")


def _known(reason: str) -> str:
    known = [one.value for one in Reason]
    if reason not in known:
        raise BadInput(f"there is no reason {reason!r}; there are {', '.join([*known, BELOW_CUT])}")
    return reason


def _fallen(tables: "IcebergTables", reason: str, language: str | None) -> list[dict[str, Any]]:
    from gristmill.cli.reading import equal, scan, standing

    rows = standing(scan(tables, "ledger", [*_COLUMNS, "decided_at"], equal("reason", reason)))
    return _of_language(rows, language)


def _of_language(rows: "pa.Table", language: str | None) -> list[dict[str, Any]]:
    from gristmill.cli.reading import language_by_path

    found: list[dict[str, Any]] = rows.to_pylist()
    for row in found:
        row["language"] = row["language"] or language_by_path(row["path"])
    return [row for row in found if language in (None, row["language"])]


def _below_cut(
    tables: "IcebergTables", name: str | None, language: str | None
) -> list[dict[str, Any]]:
    import pyarrow.compute as pc

    from gristmill.cli.quality_cut import scores_of
    from gristmill.cli.reading import UNKNOWN, of_language
    from gristmill.runtime.adapters.cuts import accepted, find_cut

    cut = find_cut(tables, name)
    rows = scores_of(tables, "repository", "path", "zero_rule")
    rows = rows.filter(pc.invert(accepted(rows, cut)))
    if language is not None:
        rows = of_language(rows, language)
    return [
        {
            **{key: row[key] for key in ("document_id", "repository", "path")},
            "language": row["language"] or UNKNOWN,
            "stage": "quality",
            "reason": BELOW_CUT,
            "size_bytes": None,
            "detail": _score(row),
        }
        for row in rows.to_pylist()
    ]


def _score(row: Mapping[str, Any]) -> str:
    if row["score"] is None:
        return "no score"
    return f"score {row['score']:.4f}" + (f", {row['zero_rule']}" if row["zero_rule"] else "")


def _counts(tables: "IcebergTables", cut: str | None, language: str | None) -> Counter[str]:
    import pyarrow.compute as pc

    from gristmill.cli.reading import scan, standing
    from gristmill.runtime.adapters.cuts import cuts_of

    rows = standing(scan(tables, "ledger", [*_COLUMNS, "decided_at"]))
    fell = rows.filter(pc.is_valid(rows["reason"]))
    counts = Counter(row["reason"] for row in _of_language(fell, language))
    if cut is not None or cuts_of(tables):
        counts += Counter({BELOW_CUT: len(_below_cut(tables, cut, language))})
    return counts


def _tell_reasons(counts: Counter[str], *, as_json: bool) -> None:
    if as_json:
        print_json({"reasons": dict(counts.most_common())})
        return
    if not counts:
        OUT.print("nothing fell")
    most = max(counts.values(), default=1)
    for reason, count in counts.most_common():
        drawn = bar(count / most, _WIDTH)
        is_cut = reason == BELOW_CUT
        explained = BELOW_CUT_EXPLANATION if is_cut else Reason(reason).explanation
        OUT.print(
            f"  {reason:<18} [yellow]{drawn:<{_WIDTH}}[/yellow] {count:>9,}  [dim]{explained}[/dim]"
        )


def _texts(
    directory: str, tables: "IcebergTables", reason: str, rows: Sequence[Mapping[str, Any]]
) -> dict[str, str]:
    """Return the documents' texts by id; those that cannot be had any more are left out."""
    from gristmill.cli.report.texts import dropped_texts, kept_texts, place_of

    names = [row["document_id"] for row in rows]
    if reason == BELOW_CUT:
        return {name: row["content"] for name, row in kept_texts(tables, names).items()}
    known = dict(zip(map(place_of, rows), names, strict=True))
    return {known[place]: text for place, text in dropped_texts(directory, rows)}


def _show(row: Mapping[str, Any], text: str | None, most: int) -> None:
    OUT.print(f"\n[bold]{escape(safe(row['repository']))}[/bold]  {escape(safe(row['path']))}")
    size = f", {row['size_bytes']:,} bytes" if row["size_bytes"] is not None else ""
    detail = f" - {escape(safe(row['detail']))}" if row["detail"] else ""
    OUT.print(f"  [dim]{escape(row['language'])}{size}, by {row['stage']}[/dim]{detail}")
    if text is None:
        OUT.print(
            "  [dim]cannot be read: its source is gone or has changed, or it is no text[/dim]"
        )
        return
    shown = text.splitlines()
    for number, line in enumerate(shown[: most or None], 1):
        OUT.print(f"  [dim]{number:>4}[/dim] {escape(safe(line, _LINE_CHARS))}")
    if most and len(shown) > most:
        OUT.print(f"  [dim]… {len(shown) - most:,} lines more[/dim]")
