"""Making a cut from the scores of a directory, and looking at what it takes and leaves."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from rich.markup import escape

from gristmill.cli.console import OUT, bar, safe
from gristmill.cli.reading import UNKNOWN, scan
from gristmill.runtime.adapters.cuts import COLUMNS, accepted, cuts_of
from gristmill.runtime.adapters.iceberg import IcebergTables
from gristmill.runtime.model import BadInput
from gristmill.runtime.model.cut import Bar, Cut, threshold_for
from gristmill.runtime.model.quality import SCORE_PARTS

LEAST_DOCUMENTS = 100
"""Documents that a language needs for a threshold of its own."""
_NAME = re.compile(r"[\w.-]+")
_BINS = 20
_WIDTH = 40
_MOST_LANGUAGES = 20


@dataclass(frozen=True, slots=True)
class Effect:
    """What a cut does to the documents of a directory, in all and by language."""

    cut: Cut
    documents: int
    accepted: int
    unscored: int
    """Documents without a score by the cut's scorer: it accepts none of them."""
    languages: Mapping[str, tuple[int, int]]
    """By language: documents, accepted."""
    histogram: Sequence[int]
    """Documents in steps of 1/20 of the score."""

    @property
    def below(self) -> int:
        """Documents that are not accepted: by score, by sample, or for lack of a score."""
        return self.documents - self.accepted

    def as_json(self) -> dict[str, Any]:
        """Return it for a machine."""
        return {
            "cut": self.cut.name,
            "scorer": self.cut.scorer,
            "thresholds": {name or "": one.threshold for name, one in self.cut.bars.items()},
            "documents": self.documents,
            "accepted": self.accepted,
            "below_cut": self.below,
            "unscored": self.unscored,
            "languages": {
                name: {"documents": documents, "accepted": taken}
                for name, (documents, taken) in self.languages.items()
            },
        }


def scores_of(tables: IcebergTables, *more: str) -> pa.Table:
    """Return the scores of all kept files, and more of their columns."""
    return scan(tables, "files", [*COLUMNS, *more])


def propose(
    rows: pa.Table, *, name: str, scorer: str | None, drop: float, by_language: bool
) -> Cut:
    """Return a cut below which about a share of the scored documents lies.

    Raises BadInput when nothing is scored, and for a name that is more than letters and digits.
    """
    if not _NAME.fullmatch(name):
        raise BadInput(f"a cut's name is made of letters, digits, _ . and -: not {name!r}")
    scorer = scorer or _commonest_scorer(rows)
    scored = rows.filter(
        pc.and_(pc.equal(rows["scorer"], scorer), pc.is_valid(rows["score"]))
    ).select(["language", "score"])
    if not scored.num_rows:
        raise BadInput(f"no document has a score by {scorer}")
    scores = scored["score"].to_pylist()
    bars: dict[str | None, Bar] = {}
    if by_language:
        others: list[float] = []
        for group in scored.group_by("language").aggregate([("score", "list")]).to_pylist():
            if group["language"] and len(group["score_list"]) >= LEAST_DOCUMENTS:
                bars[group["language"]] = Bar(threshold=threshold_for(group["score_list"], drop))
            else:
                others += group["score_list"]
        scores = others or scores  # a language that is still to come has a threshold, too
    bars[None] = Bar(threshold=threshold_for(scores, drop))
    return Cut(name=name, scorer=scorer, made_at=datetime.now(UTC), bars=bars)


def _commonest_scorer(rows: pa.Table) -> str:
    named = rows.filter(pc.is_valid(rows["scorer"]))
    counts = named.group_by("scorer").aggregate([([], "count_all")]).to_pylist()
    if not counts:
        raise BadInput("no document has a score: `gristmill run` gives them since quality is there")
    return str(max(counts, key=lambda row: (row["count_all"], row["scorer"]))["scorer"])


def next_name(tables: IcebergTables) -> str:
    """Return a name that no cut has yet."""
    known = {cut.name for cut in cuts_of(tables)}
    return next(
        name for number in range(1, len(known) + 2) if (name := f"cut-{number}") not in known
    )


def effect_of(cut: Cut, rows: pa.Table) -> Effect:
    """Count what a cut accepts."""
    taken = accepted(rows, cut)
    scored = pc.fill_null(pc.equal(rows["scorer"], cut.scorer), fill_value=False)
    table = pa.table({"language": rows["language"], "taken": pc.cast(taken, pa.int64())})
    groups = table.group_by("language").aggregate([("taken", "sum"), ([], "count_all")]).to_pylist()
    groups.sort(key=lambda row: (-row["count_all"], row["language"] or ""))
    scores = rows.filter(scored)["score"].to_pylist()
    histogram = [0] * _BINS
    for score in scores:
        histogram[min(_BINS - 1, int(score * _BINS))] += 1
    return Effect(
        cut=cut,
        documents=rows.num_rows,
        accepted=int(pc.sum(taken).as_py() or 0),
        unscored=rows.num_rows - len(scores),
        languages={
            row["language"] or UNKNOWN: (row["count_all"], row["taken_sum"]) for row in groups
        },
        histogram=histogram,
    )


def show_effect(effect: Effect) -> None:
    """Print what a cut does, as pictures."""
    rest = effect.cut.bars.get(None)
    OUT.print(f"\n{_title(effect.cut)}\n")
    most = max(effect.histogram, default=0) or 1
    for number, count in enumerate(effect.histogram):
        low, high = number / _BINS, (number + 1) / _BINS
        is_below = rest is not None and high <= rest.threshold
        is_at = rest is not None and low <= rest.threshold < high
        colour = "yellow" if is_below else "green"
        mark = f"  ◂ {rest.threshold:.4f}" if is_at and rest else ""
        drawn = f"[{colour}]{bar(count / most, _WIDTH)}[/{colour}]"
        OUT.print(f"  {low:4.2f} {drawn} {count:,}{mark}")
    OUT.print()
    for name, (documents, taken) in list(effect.languages.items())[:_MOST_LANGUAGES]:
        one = effect.cut.bar_of(name)
        least = f"at {one.threshold:.4f}" if one else "never"
        OUT.print(
            f"  {escape(safe(name)):<18} [green]{bar(taken / documents, _WIDTH):<{_WIDTH}}[/green] "
            f"{taken:,} of {documents:,} {least}"
        )
    if (more := len(effect.languages) - _MOST_LANGUAGES) > 0:
        OUT.print(f"  [dim]and {more} languages more[/dim]")
    share = effect.accepted / effect.documents if effect.documents else 0.0
    OUT.print(
        f"\n[bold]accepted {effect.accepted:,}[/bold] ({share:.1%}), below the cut "
        f"{effect.below:,}, of them without a score by its scorer {effect.unscored:,}"
    )


def _title(cut: Cut) -> str:
    return f"[bold]{escape(safe(cut.name))}[/bold], by {escape(safe(cut.scorer))}"


def near_cut(
    rows: pa.Table, cut: Cut, count: int
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the documents nearest below and nearest above the threshold, the nearest first."""
    rows = rows.filter(
        pc.fill_null(
            pc.and_(pc.equal(rows["scorer"], cut.scorer), pc.is_valid(rows["score"])),
            fill_value=False,
        )
    )
    below: list[tuple[float, str, int]] = []
    above: list[tuple[float, str, int]] = []
    columns = (rows[name].to_pylist() for name in ("document_id", "language", "score"))
    for at, (document, named, score) in enumerate(zip(*columns, strict=True)):
        if (one := cut.bar_of(named)) is not None:
            side = above if score >= one.threshold else below
            side.append((abs(score - one.threshold), document, at))
    chosen = (sorted(side)[:count] for side in (below, above))
    low, high = ([rows.slice(at, 1).to_pylist()[0] for _, _, at in side] for side in chosen)
    return low, high


def show_near(
    cut: Cut, below: Sequence[Mapping[str, Any]], above: Sequence[Mapping[str, Any]]
) -> None:
    """Print documents on both sides of a cut, the best first, the cut between them."""
    OUT.print(f"{_title(cut)}\n")
    for row in reversed(above):
        _show_row(row, "green")
    OUT.print("  [bold]───── the cut ─────[/bold]")
    for row in below:
        _show_row(row, "yellow")


def _show_row(row: Mapping[str, Any], colour: str) -> None:
    told = [f"{name} {row[name]:.1f}" for name in SCORE_PARTS[:-1] if row[name] is not None]
    why = row["zero_rule"] or "  ".join(told)
    where = escape(safe(f"{row['repository']} {row['path']}"))
    about = escape(safe(f"{row['language'] or UNKNOWN}  {why}"))
    OUT.print(f"  [{colour}]{row['score']:.4f}[/{colour}] {where}  [dim]{about}[/dim]")
