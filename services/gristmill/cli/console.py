"""Saying things on a terminal: safely, and in pictures where people look."""

import json
import sys
import unicodedata
from collections.abc import Mapping
from typing import Any

from rich.console import Console

OUT = Console(highlight=False, soft_wrap=True)
ERR = Console(stderr=True, highlight=False, soft_wrap=True)

_UNSEEN = frozenset(
    "\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u3164\uffa0"
    + "".join(map(chr, (*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0))))
)
"""What Unicode says to show nothing of by default, and Python takes for printable."""

_BAR = "█"
_PART_BARS = " ▏▎▍▌▋▊▉"


def safe(text: str, limit: int = 500) -> str:
    r"""Return text that a document brought along, without anything that steers a terminal.

    >>> print(safe("a\x1b[31mb\nc"))
    a\x1b[31mb\nc
    """
    shown = "".join(char if is_seen(char) else _escaped(char) for char in text[:limit])
    return shown + "…" if len(text) > limit else shown


def is_seen(char: str) -> bool:
    """Tell whether a character can be seen, or is a space, and steers nothing."""
    return char.isprintable() and char not in _UNSEEN


def _escaped(char: str) -> str:
    if unicodedata.category(char) == "Zs":
        return " "
    return char.encode("unicode_escape").decode() if char.isascii() else f"\\u{ord(char):04x}"


def bar(share: float, width: int) -> str:
    """Return a bar that fills `share` (0 to 1) of `width` cells, to an eighth of a cell.

    >>> bar(0.5, 4)
    '██'
    """
    eighths = round(max(0.0, min(1.0, share)) * width * 8)
    if OUT.encoding.lower().replace("-", "") != "utf8":
        return "#" * round(eighths / 8)
    return (_BAR * (eighths // 8) + _PART_BARS[eighths % 8]).rstrip()


def print_json(value: Mapping[str, Any]) -> None:
    """Print one JSON object on one line of stdout."""
    sys.stdout.write(json.dumps(value, ensure_ascii=True) + "\n")
    sys.stdout.flush()


def human_bytes(count: float) -> str:
    """Return a size for people.

    >>> human_bytes(1536)
    '1.5 KiB'
    """
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if count < 1024 or unit == "TiB":
            break
        count /= 1024
    return f"{count:,.0f} {unit}" if unit == "B" or count >= 100 else f"{count:,.1f} {unit}"
