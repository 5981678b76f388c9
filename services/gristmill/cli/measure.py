"""`gristmill measure`: how good the decisions are, on labelled data that anyone can lay out.

Each figure is a share: `{"value", "numerator", "n", "ci95"}`, the interval by Wilson's formula.
"""

import math
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from gristmill.cli.console import OUT, bar, print_json

_HELP = (
    "Measure the quality of decisions on labelled data.\n\n"
    "Example: gristmill measure dedup --data labelled"
)
app = typer.Typer(help=_HELP, no_args_is_help=True)

_Z = 1.959964  # of the normal distribution, for 95 %
_WIDTH = 24


@app.callback()
def _group() -> None:
    """Measure the quality of decisions on labelled data."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A share with its sample size."""

    numerator: int
    n: int

    def as_json(self) -> dict[str, Any]:
        """Return value, numerator, n and the 95 % interval; nulls without a sample."""
        if not self.n:
            return {"value": None, "numerator": 0, "n": 0, "ci95": None}
        low, high = wilson(self.numerator, self.n)
        return {
            "value": self.numerator / self.n,
            "numerator": self.numerator,
            "n": self.n,
            "ci95": [round(low, 6), round(high, 6)],
        }


def wilson(numerator: int, n: int) -> tuple[float, float]:
    """Return the 95 % interval of a share.

    >>> [round(bound, 3) for bound in wilson(5, 10)]
    [0.237, 0.763]
    """
    share, z2 = numerator / n, _Z * _Z
    middle = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = _Z * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n)) / (1 + z2 / n)
    return max(0.0, middle - half), min(1.0, middle + half)


def print_figures(figures: dict[str, Figure], *, as_json: bool) -> None:
    """Print figures for people or machines."""
    if as_json:
        print_json({name: figure.as_json() for name, figure in figures.items()})
        return
    for name, figure in figures.items():
        share = figure.numerator / figure.n if figure.n else 0.0
        OUT.print(
            f"{name:<28} [green]{bar(share, _WIDTH):<{_WIDTH}}[/green] {share:8.3%}  "
            f"({figure.numerator:,} of {figure.n:,})"
        )


@app.command("dedup")
def dedup(
    data: Annotated[
        str,
        typer.Option(metavar="DIR", help="*.jsonl[.gz] of files and similar_pairs.jsonl."),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Measure dedup: each pair alone in an empty index, then all files as one run.

    DIR holds files as JSON lines (`id`, `content`, `encoding` utf-8 or base64, and as far as known
    `language` and `path`) and the pairs with `a`, `b` and `jaccard5`, their exact similarity.

    pairs_wrong_below_0.6: of the pairs less alike than that, those called duplicates.
    pairs_found_at_0.8, _0.9: of the pairs so alike and more, those called duplicates.
    run_wrong_below_0.6: of what the run removed, that to which nothing else is so alike.
    run_found_at_0.8, _0.9: of the pairs so alike, those of which the run removed one or both.
    run_copies_removed: of the files that repeat an earlier one byte for byte, those removed.

    Example: gristmill measure dedup --data labelled --json
    """
    from gristmill.cli.measure_dedup import measure_dedup

    print_figures(measure_dedup(data), as_json=as_json)


@app.command("language")
def language(
    data: Annotated[str, typer.Option(metavar="DIR", help="*.jsonl[.gz] of labelled files.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Measure how often the right language is found.

    DIR holds files as JSON lines (`language`, `path`, `content`, `encoding` utf-8 or base64). A
    language is known by its name or an alias. Pieces of programs (`fragment`) are left out.

    named_accuracy_89: of the files in the 89 languages, those found by name and content.
    content_accuracy_30: of files of 100 characters and more in the 30 common languages, those found
    by content alone.
    content_accuracy_30_short: the same for shorter texts. content_accuracy_30_all: for both.
    foreign_left_unknown: of the files in languages that the table lacks, those given none.

    Each is over all files; `--json` has the mean over languages (`_macro`), each language and the
    mistakes too. Records with a `set` count by their names in the set language-samples only, and by
    content in all but grammar-examples, whose labels are those of folders.

    Example: gristmill measure language --data labelled --json
    """
    from gristmill.cli.measure_language import measure_language

    measured = measure_language(data)
    if as_json:
        print_json(measured.as_json())
    else:
        print_figures(measured.figures(), as_json=False)


@app.command("syntax")
def syntax(
    data: Annotated[str, typer.Option(metavar="DIR", help="*.jsonl[.gz] of labelled files.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Measure how often the syntax check is wrong.

    DIR holds files as JSON lines (`language`, `content`, `encoding` utf-8 or base64, and `syntax`
    with `status` ok or error). Files whose `syntax` names a `dialect`, such as Python 2, are left
    out, and so are languages that are not checked.

    false_rejections: of the files labelled ok, those called broken; over all, then by language.
    misses: of the files labelled error, those that pass. A file that is well-formed in a dialect
    and not in the language (comments in JSON) is no miss, except in Python.
    pieces_rejected: of the pieces of programs (`fragment`) labelled ok, those called broken; they
    count nowhere else.

    --json also names each file that was judged otherwise than it is labelled.

    Example: gristmill measure syntax --data labelled --json
    """
    from gristmill.cli.measure_syntax import measure_syntax

    measured = measure_syntax(data)
    if as_json:
        print_json(measured.as_json())
    else:
        print_figures(measured.figures(), as_json=False)
