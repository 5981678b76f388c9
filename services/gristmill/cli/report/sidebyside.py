"""A unified diff laid out side by side: the document kept on the left, the one dropped right."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, islice

from markupsafe import Markup

from gristmill.cli.report.sourcecode import MOST_LINE_CHARS, visible

_MOST_ROWS = 80
_MOST_MARKUP_BYTES = 40_000  # of the rows, and as much of the unified diff; one row takes 13,000
_HUNK = re.compile(r"@@ -(\d+)(?:,\d+)? \+(\d+)(?:,\d+)? @@")


@dataclass(frozen=True, slots=True)
class Side:
    """One line of one document; `num_cut` characters of it are left out."""

    number: int
    markup: Markup
    num_cut: int


@dataclass(frozen=True, slots=True)
class Row:
    """Two lines beside each other: `kind` is same, changed, note (said by `note`) or gap."""

    kind: str
    left: Side | None = None
    right: Side | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class SideBySide:
    """The rows that are shown, the same as a unified diff, and how many more there are of each."""

    rows: tuple[Row, ...]
    unified: tuple[tuple[str, Markup], ...]
    num_more: int
    num_more_unified: int


def side_by_side(lines: Sequence[str]) -> SideBySide:
    """Lay a unified diff out; its first two lines name the documents."""
    rows = list(_rows(lines[2:]))
    unified = [(_UNIFIED.get(line[:1], "same"), _cut(line)[0]) for line in lines[2:]]
    shown = _num_shown(map(_num_bytes, rows), _MOST_ROWS)
    shown_unified = _num_shown((len(markup.encode()) for _, markup in unified), 2 * _MOST_ROWS)
    return SideBySide(
        tuple(rows[:shown]),
        tuple(unified[:shown_unified]),
        len(rows) - shown,
        len(unified) - shown_unified,
    )


def _num_shown(sizes: Iterable[int], most: int) -> int:
    """Return how many of the parts of these sizes are shown, of which there are `most` at most."""
    return sum(size <= _MOST_MARKUP_BYTES for size in accumulate(islice(sizes, most)))


def _num_bytes(row: Row) -> int:
    return sum(len(side.markup.encode()) for side in (row.left, row.right) if side)


_UNIFIED = {"-": "left", "+": "right", "@": "gap", "\\": "note"}


def _rows(lines: Sequence[str]) -> Iterator[Row]:
    left = right = 1
    removed: list[tuple[int, str]] = []
    added: list[tuple[int, str]] = []
    for line in lines:
        sign, text = line[:1], line[1:]
        if sign not in "-+":
            yield from _changed(removed, added)
            removed, added = [], []
        if hunk := _HUNK.match(line):
            left, right = int(hunk[1]), int(hunk[2])
            yield Row("gap", note=line)
        elif sign == "\\":
            yield Row("note", note=text.strip())
        elif sign == "-":
            removed.append((left, text))
            left += 1
        elif sign == "+":
            added.append((right, text))
            right += 1
        else:
            yield Row("same", Side(left, *_cut(text)), Side(right, *_cut(text)))
            left, right = left + 1, right + 1
    yield from _changed(removed, added)


def _changed(removed: list[tuple[int, str]], added: list[tuple[int, str]]) -> Iterator[Row]:
    """Yield lines that were replaced beside what replaced them, as far as both go."""
    for at in range(max(len(removed), len(added))):
        before = removed[at] if at < len(removed) else None
        after = added[at] if at < len(added) else None
        if before and after:
            yield Row("changed", *_told_apart(before, after))
        else:
            yield Row(
                "changed",
                Side(before[0], *_cut(before[1])) if before else None,
                Side(after[0], *_cut(after[1])) if after else None,
            )


def _told_apart(before: tuple[int, str], after: tuple[int, str]) -> tuple[Side, Side]:
    """Return both lines with what they do not share marked, between equal beginning and end."""
    shorter = min(len(before[1]), len(after[1]))
    same = _num_equal(before[1], after[1])
    end = min(_num_equal(before[1][::-1], after[1][::-1]), shorter - same)
    return _marked(*before, same, end), _marked(*after, same, end)


def _num_equal(one: str, other: str) -> int:
    pairs = enumerate(zip(one, other, strict=False))
    return next((at for at, (a, b) in pairs if a != b), min(len(one), len(other)))


def _marked(number: int, text: str, same: int, end: int) -> Side:
    shown = text[:MOST_LINE_CHARS]
    until = max(same, min(len(shown), len(text) - end))
    markup = Markup("{}<mark>{}</mark>{}").format(
        visible(shown[:same]), visible(shown[same:until]), visible(shown[until:])
    )
    return Side(number, markup, len(text) - len(shown))


def _cut(text: str) -> tuple[Markup, int]:
    shown = text[:MOST_LINE_CHARS]
    return visible(shown), len(text) - len(shown)
