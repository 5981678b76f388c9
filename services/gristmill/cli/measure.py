"""`gristmill measure`: how good the decisions are, on labelled data that anyone can lay out.

Each figure is a share: `{"value", "numerator", "n", "ci95"}`, the interval by Wilson's formula.
"""

import gzip
import json
import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from gristmill.cli.console import OUT, bar, print_json
from gristmill.runtime.model import BadInput

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
    """Measure exact dedup: each pair alone in an empty index, then all files as one run.

    DIR holds files as JSON lines (`id`, `content`, `encoding` utf-8 or base64) and the pairs with
    `a`, `b`, `relation` and `jaccard5`.

    Example: gristmill measure dedup --data labelled --json
    """
    print_figures(measure_dedup(data), as_json=as_json)


def measure_dedup(data: str) -> dict[str, Figure]:
    """Return how many equal pairs are found, and how many unequal ones are called equal."""
    from gristmill.runtime.adapters.memory_index import MemoryIndex
    from gristmill.runtime.model.document import sha256_hex
    from gristmill.runtime.ports import Duplicate

    files = dict(_read_files(data))
    equal = unequal = found = wrong = 0
    for contents in _read_pairs(data, files):
        index = MemoryIndex()
        admissions = index.admit([_fingerprint(n, content) for n, content in enumerate(contents)])
        called = isinstance(admissions[1], Duplicate)
        if contents[0] == contents[1]:
            equal, found = equal + 1, found + called
        else:
            unequal, wrong = unequal + 1, wrong + called
    index = MemoryIndex()
    verdicts = index.admit([_fingerprint(n, content) for n, content in enumerate(files.values())])
    removed = sum(isinstance(verdict, Duplicate) for verdict in verdicts)
    copies = len(files) - len({sha256_hex(content) for content in files.values()})
    return {
        "pairs_equal_found": Figure(found, equal),
        "pairs_unequal_called_equal": Figure(wrong, unequal),
        "run_copies_removed": Figure(removed, copies),
    }


def _read_pairs(data: str, files: dict[str, bytes]) -> Iterator[tuple[bytes, bytes]]:
    path = os.path.join(data, "similar_pairs.jsonl")
    for pair in _read_lines(path):
        try:
            yield files[pair["a"]], files[pair["b"]]
        except KeyError as error:
            raise BadInput(f"{path}: a pair without {error}") from error


def _fingerprint(number: int, content: bytes) -> Any:  # noqa: ANN401  # a Fingerprint, imported late
    from gristmill.runtime.model import Kind, Origin, Position
    from gristmill.runtime.model.document import document_id, sha256_hex
    from gristmill.runtime.ports import Fingerprint

    origin = Origin(source="measure", repository="measure", path=str(number))
    sha256 = sha256_hex(content)
    return Fingerprint(
        document_id=document_id(Kind.FILE, origin, sha256),
        kind=Kind.FILE,
        content_sha256=sha256,
        position=Position(source="measure", offset=number),
    )


def _read_files(data: str) -> Iterator[tuple[str, bytes]]:
    if not os.path.isdir(data):
        raise BadInput(f"{data} is not a directory")
    for name in sorted(os.listdir(data)):
        if name.endswith((".jsonl", ".jsonl.gz")):
            for record in _read_lines(os.path.join(data, name)):
                if "content" in record and "id" in record:
                    try:
                        yield str(record["id"]), _content(record)
                    except (ValueError, TypeError, AttributeError) as error:
                        raise BadInput(f"{name}: {record['id']}: not a file: {error}") from error


def _content(record: dict[str, Any]) -> bytes:
    import base64

    text: str = record["content"]
    return base64.b64decode(text) if record.get("encoding") == "base64" else text.encode()


def _read_lines(path: str) -> Iterator[dict[str, Any]]:
    try:
        packed = path.endswith(".gz")
        with gzip.open(path) if packed else open(path, "rb") as lines:
            for line in lines:
                record = json.loads(line)
                if not isinstance(record, dict):
                    raise BadInput(f"{path}: a line that is no JSON object")
                yield record
    except (OSError, ValueError, EOFError) as error:
        raise BadInput(f"cannot read {path}: {error}") from error
