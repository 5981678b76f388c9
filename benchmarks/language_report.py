"""Write the figures of `gristmill measure language` over labelled folders into a page.

`python benchmarks/language_report.py docs/languages.md "held out=DIR" "labelled=DIR"` puts tables
between the marks `<!-- figures:begin -->` and `<!-- figures:end -->`.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path

from gristmill.cli.measure import Figure
from gristmill.cli.measure_language import Measured, Tally, measure_language

BEGIN, END = "<!-- figures:begin -->", "<!-- figures:end -->"
MOST_MISTAKES = 6


def summary(measured: dict[str, Measured]) -> list[str]:
    """Return the table of the figures over all languages."""
    lines = [f"| figure | {' | '.join(measured)} |", f"| --- | {'--- | ' * len(measured)}".rstrip()]
    for name in next(iter(measured.values())).figures():
        told = (share(each.figures()[name]) for each in measured.values())
        lines.append(f"| `{name}` | {' | '.join(told)} |")
    for name in ("named", "content"):
        means = (mean(getattr(each, name)) for each in measured.values())
        lines.append(f"| mean over the languages, {name} | {' | '.join(means)} |")
    return lines


def share(figure: Figure) -> str:
    """Return a share with its counts."""
    if not figure.n:
        return "none"
    return f"{figure.numerator / figure.n:.1%} ({figure.numerator:,} of {figure.n:,})"


def mean(tally: Tally) -> str:
    """Return the mean of the languages' shares."""
    value = tally.mean()
    return "none" if value is None else f"{value:.1%}"


def confusion(tally: Tally, *, mistaken_only: bool = False) -> list[str]:
    """Return a row for each language: how many, how many right, what it was taken for."""
    lines = ["| language | files | right | taken for |", "| --- | --- | --- | --- |"]
    for name, figure in tally.by_language().items():
        if mistaken_only and figure.numerator == figure.n:
            continue
        wrong = Counter(
            {answer: n for (truth, answer), n in tally.mistaken.items() if truth == name}
        )
        listed = sorted(wrong.items(), key=lambda item: (-item[1], item[0]))
        told = [f"{answer} {n}".replace("- ", "none ") for answer, n in listed[:MOST_MISTAKES]]
        if rest := sum(n for _, n in listed[MOST_MISTAKES:]):
            told.append(f"others {rest}")
        lines.append(
            f"| {name} | {figure.n} | {figure.numerator / figure.n:.1%} | {', '.join(told)} |"
        )
    return lines


def main() -> int:
    """Measure and write."""
    parser = argparse.ArgumentParser("language_report.py", description=__doc__)
    parser.add_argument("page", type=Path, metavar="PAGE")
    parser.add_argument("folders", nargs="+", metavar="NAME=DIR")
    arguments = parser.parse_args()
    parts = (folder.split("=", 1) for folder in arguments.folders)
    measured = {name: measure_language(path) for name, path in parts}
    lines = summary(measured)
    for name, each in measured.items():
        lines += ["", f"By name and content, {name}, the languages with a mistake:", ""]
        lines += confusion(each.named, mistaken_only=True)
    for name, each in measured.items():
        lines += ["", f"By content alone, {name}:", "", *confusion(each.content)]
    page = arguments.page.read_text("utf-8")
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    text = "\n".join(lines)
    arguments.page.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}", "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
