"""What a dropped near-duplicate and the document kept in its place do not share, line by line."""

import difflib
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rich.text import Text

from gristmill.cli.console import OUT, safe

if TYPE_CHECKING:
    from gristmill.runtime.adapters.iceberg import IcebergTables

_CONTEXT = 3
# difflib's time grows with the square of the lines, and more: the worst 2,000 take it a second.
_MOST_COMPARED = 2_000
_MOST_SHOWN_CHARS = 200
_NO_NEWLINE = "\n\\ No newline at end of file"
_STYLES = {"-": "red", "+": "green", "@": "cyan", "\\": "dim"}

KEPT_IS_GONE = "the document kept is not in the tables any more"
DROPPED_IS_GONE = "the dropped text cannot be read again: its source is gone or has changed"

# Any: rows are what the ledger's columns hold.
Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Difference:
    """The lines of a unified diff, none where both texts are equal; or why there is no diff."""

    lines: Sequence[str] = ()
    unavailable: str | None = None

    def as_json(self) -> dict[str, str | None]:
        """Return the diff as one text, or null and the reason."""
        text = "".join(f"{line}\n" for line in self.lines)
        return {
            "diff": None if self.unavailable else text,
            "diff_unavailable": self.unavailable,
        }


def differences(
    directory: str, tables: "IcebergTables", rows: Iterable[Row]
) -> dict[tuple[str, int], Difference]:
    """Return the difference behind each drop as a near-duplicate, by source and offset."""
    from gristmill.cli.originals import Originals
    from gristmill.cli.reading import one_of, scan

    by_source: defaultdict[str, dict[int, Row]] = defaultdict(dict)
    for row in rows:
        by_source[row["position_source"]][row["position_offset"]] = row
    ids = {row["matched_id"] for drops in by_source.values() for row in drops.values()}
    if not ids:
        return {}
    columns = ["document_id", "repository", "path", "content"]
    files = scan(tables, "files", columns, one_of("document_id", ids))
    kept = {row["document_id"]: row for row in files.to_pylist()}
    originals = Originals(directory)
    found: dict[tuple[str, int], Difference] = {}
    for source, drops in by_source.items():
        readable = {at: row for at, row in drops.items() if row["matched_id"] in kept}
        for offset in drops:
            reason = DROPPED_IS_GONE if offset in readable else KEPT_IS_GONE
            found[source, offset] = Difference(unavailable=reason)
        hashes = {offset: row["content_sha256"] for offset, row in readable.items()}
        for offset, text in originals.stream(source, hashes.keys(), hashes):
            row = readable[offset]
            first = kept[row["matched_id"]]
            lines = unified(
                first["content"], text.decode(), f"kept: {_name(first)}", f"dropped: {_name(row)}"
            )
            found[source, offset] = Difference(lines)
    return found


def _name(row: Row) -> str:
    return f"{safe(row['repository'])} {safe(row['path'])}"


def unified(before: str, after: str, name_before: str, name_after: str) -> list[str]:
    r"""Return a unified diff; a line ends at "\n" alone, a "\r" that ends all lines is left out.

    Of long texts it is that of their beginnings, as far as they were compared, and says so.
    """
    if _is_crlf(before) and _is_crlf(after):
        before, after = before.replace("\r\n", "\n"), after.replace("\r\n", "\n")
    a, b = _lines(before), _lines(after)
    begin = max(0, _num_equal(a, b) - _CONTEXT)
    a, b = a[begin:], b[begin:]
    spare = max(0, _num_equal(a[::-1], b[::-1]) - _CONTEXT)
    a, b = a[: len(a) - spare], b[: len(b) - spare]
    notes = []
    if max(len(a), len(b)) > _MOST_COMPARED:
        a, b = _up_to_last_match(a[:_MOST_COMPARED], b[:_MOST_COMPARED])
        ends = f"line {begin + len(a):,} of the first and line {begin + len(b):,} of the second"
        notes = [f"\\ Not compared: what follows {ends}"]
    found = difflib.unified_diff(a, b, name_before, name_after, n=_CONTEXT, lineterm="")
    moved = (_moved(line, begin) if line.startswith("@@") else line for line in found)
    return [part for line in moved for part in line.split("\n")] + notes


def _is_crlf(text: str) -> bool:
    return "\n" in text and text.count("\n") == text.count("\r\n")


def _lines(text: str) -> list[str]:
    lines = text.split("\n")
    if not lines[-1]:
        return lines[:-1]
    lines[-1] += _NO_NEWLINE  # another line than the same with its end, as for any diff
    return lines


def _num_equal(a: list[str], b: list[str]) -> int:
    pairs = enumerate(zip(a, b, strict=False))
    return next((at for at, (one, other) in pairs if one != other), min(len(a), len(b)))


def _up_to_last_match(a: list[str], b: list[str]) -> tuple[list[str], list[str]]:
    """Cut both behind what they share last: what follows may match lines that are not there."""
    blocks = difflib.SequenceMatcher(None, a, b).get_matching_blocks()  # the last one is empty
    last = blocks[-2] if len(blocks) > 1 else difflib.Match(0, 0, 0)
    return a[: last.a + last.size], b[: last.b + last.size]


def _moved(header: str, by: int) -> str:
    return re.sub(r"(?<=[-+])\d+", lambda number: str(int(number[0]) + by), header)


def print_difference(difference: Difference, most: int) -> None:
    """Print up to `most` lines of a difference, 0 for all, safely."""
    lines = difference.lines
    if not lines:
        equal = "both texts are equal: their bytes differ in encoding or byte order mark"
        OUT.print(Text(f"    no diff: {difference.unavailable or equal}", "dim"))
    most = most or len(lines)
    for number, line in enumerate(lines[:most]):
        is_name = number < 2 and line.startswith(("---", "+++"))
        style = "bold" if is_name else _STYLES.get(line[0], "")
        OUT.print(Text(f"    {safe(line.expandtabs(4), _MOST_SHOWN_CHARS)}", style))
    if len(lines) > most:
        more = f"    and {len(lines) - most:,} more lines; --diff-lines 0 shows all"
        OUT.print(Text(more, "dim"))
