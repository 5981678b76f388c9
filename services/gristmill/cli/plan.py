"""`gristmill plan`: what a corpus will need and hold, from what is measured here and now."""

import os
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from gristmill.cli.console import ERR, OUT, bar, human_bytes, print_json, safe
from gristmill.cli.selecting import (
    Archives,
    Exclude,
    GitHead,
    Include,
    Map,
    columns_of,
    selection_of,
)
from gristmill.runtime.model import BadInput

if TYPE_CHECKING:
    from gristmill.runtime.ports import Fingerprint

app = typer.Typer(
    help="Plan for a corpus.\n\nExample: gristmill plan dedup --documents 1e10",
    no_args_is_help=True,
)

_SAMPLE = 200_000
_BATCH = 2_000
_MOST_DOCUMENTS = 1e13
_WIDTH = 24


@app.callback()
def _group() -> None:
    """Plan for a corpus."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What an index of `documents` kept documents took, here; bytes are for each of them."""

    documents: int
    memory_bytes: dict[str, float]
    disk_bytes: float
    admission_cpu_seconds: float
    open_cpu_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """What an index takes after so many documents arrived."""

    documents: float
    kept: float
    memory_bytes: float
    disk_bytes: float
    admission_cpu_seconds: float
    open_cpu_seconds: float
    indexes: int
    extrapolated: bool


@app.command("dedup")
def dedup(
    documents: Annotated[
        float, typer.Option(metavar="N", min=1, max=_MOST_DOCUMENTS, help="Documents to arrive.")
    ] = 1e10,
    like: Annotated[
        str | None,
        typer.Option(metavar="DIR", help="A finished run whose kept share and domains to assume."),
    ] = None,
    memory: Annotated[
        float, typer.Option(metavar="GIB", min=0.1, help="Memory that one index may take.")
    ] = 64,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Say what the dedup index takes: measured here on 200,000 documents, extrapolated from there.

    Without --like every document is taken as kept, the most that an index can hold. The index is
    split by dedup domain (kind and language family), so the largest domain sets the largest index.

    Example: gristmill plan dedup --documents 1e10 --like corpus
    """
    share, domains = _assumptions(like) if like else (1.0, {})
    ERR.print(f"measuring an index of {_SAMPLE:,} documents …")
    measured = _measure()
    sizes = _sizes(measured, documents, share, memory * 2**30)
    if as_json:
        total = max(1, sum(domains.values()))
        print_json(
            {
                "measured": asdict(measured),
                "kept_share": share,
                "domains": {name: count / total for name, count in domains.items()},
                "sizes": [asdict(size) for size in sizes],
            }
        )
        return
    _print(measured, sizes, domains, share, memory)


@app.command("tokens")
def tokens(
    sources: Annotated[list[str], typer.Argument(metavar="SOURCE…", help="As for `run`.")],
    config: Annotated[
        str | None, typer.Option(metavar="FILE", help="Settings as TOML; see `config show`.")
    ] = None,
    include: Include = None,
    exclude: Exclude = None,
    archives: Archives = True,
    git_head: GitHead = False,
    mapping: Map = None,
    like: Annotated[
        str | None, typer.Option(metavar="DIR", help="A finished run whose kept share to assume.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Estimate how many tokens are in sources, by the stage of ingestion alone.

    One document in a hundred is read, from 200 to 4,000, chosen by size and a hash of where it
    stands: the same ones each time. Archives and tables are gone through as a whole for that, and
    once more. Syntax, duplicates and the cut come later: --like DIR takes their effect from a
    finished run. Nothing is written.

    Example: gristmill plan tokens ~/src 'dists/*.tar.gz' --like corpus
    """
    from gristmill.cli.kept_tokens import tokens_of_directory
    from gristmill.cli.local import RunRequest, plan_run
    from gristmill.cli.plan_tokens import plan_tokens, show_plan

    before = tokens_of_directory(like) if like else None
    if like and before is None:
        raise BadInput(f"nothing was kept in {like}: there is nothing to go by")
    plan = plan_run(
        RunRequest(
            sources=tuple(sources),
            out=os.devnull,
            config=config,
            selection=selection_of(include, exclude, os.devnull, archives=archives),
            columns=columns_of(mapping),
            git_head=git_head,
        )
    )
    for warning in (warning for one in plan.sources for warning in one.listing.warnings):
        ERR.print(f"warning: {safe(warning)}", markup=False)
    told = plan_tokens(plan.sources, plan.settings.sections["ingestion"], before)
    if as_json:
        print_json(told)
    else:
        show_plan(told)


def _measure() -> Measured:
    from gristmill.runtime.adapters.lmdb_index import LmdbIndex, Table
    from gristmill.runtime.adapters.memory_index import MemoryIndex

    MemoryIndex().admit(next(_random_documents(_BATCH)))  # the compiler's time is not the index's
    none = Table(uuid="plan", positions={}, num_documents=0)
    with tempfile.TemporaryDirectory() as path:
        index = LmdbIndex(path, none)
        admission = 0.0
        for batch in _random_documents(_SAMPLE):
            began = time.process_time()
            index.admit(batch)
            admission += time.process_time() - began
        parts = {name: size / len(index) for name, size in index.num_bytes.items()}
        index.close()
        with os.scandir(path) as files:
            disk = sum(file.stat().st_blocks * 512 for file in files)
        began = time.process_time()
        index = LmdbIndex(path, Table(uuid="plan", positions={"plan": _SAMPLE}, num_documents=0))
        opening = time.process_time() - began
        index.close()
    return Measured(
        documents=_SAMPLE,
        memory_bytes=parts,
        disk_bytes=disk / _SAMPLE,
        admission_cpu_seconds=admission / _SAMPLE,
        open_cpu_seconds=opening / _SAMPLE,
    )


def _random_documents(count: int) -> "Iterator[list[Fingerprint]]":
    """Yield batches of documents unlike one another: all are kept, which costs most."""
    import numpy as np

    from gristmill.runtime.model import Kind, Position
    from gristmill.runtime.ports import Fingerprint
    from gristmill.runtime.ports.index import SIGNATURE_BYTES

    random = np.random.default_rng(0)
    for begin in range(0, count, _BATCH):
        names = random.bytes(48 * _BATCH).hex()
        signatures = random.bytes(SIGNATURE_BYTES * _BATCH)
        yield [
            Fingerprint(
                document_id=names[96 * n : 96 * n + 32],
                kind=Kind.FILE,
                content_sha256=names[96 * n + 32 : 96 * n + 96],
                position=Position(source="plan", offset=begin + n),
                domain="file/plan",
                signature=signatures[SIGNATURE_BYTES * n : SIGNATURE_BYTES * (n + 1)],
                num_shingles=100,
            )
            for n in range(_BATCH)
        ]


def _sizes(measured: Measured, documents: float, share: float, memory: float) -> list[Size]:
    """Return sizes at powers of ten up to the one asked for."""
    from gristmill.runtime.adapters.claims import MAX_DOCUMENTS

    steps = [10.0**power for power in range(6, 16) if 10.0**power < documents]
    each = sum(measured.memory_bytes.values())
    sizes = []
    for arriving in (*steps, documents):
        kept = arriving * share
        most = min(MAX_DOCUMENTS, memory / each)
        sizes.append(
            Size(
                documents=arriving,
                kept=kept,
                memory_bytes=kept * each,
                disk_bytes=kept * measured.disk_bytes,
                admission_cpu_seconds=arriving * measured.admission_cpu_seconds,
                open_cpu_seconds=kept * measured.open_cpu_seconds,
                indexes=max(1, -int(-kept // most)),
                extrapolated=kept > measured.documents,
            )
        )
    return sizes


def _assumptions(directory: str) -> tuple[float, dict[str, int]]:
    """Return the share that dedup kept in a finished run, and its kept files by domain."""
    from gristmill.cli.reading import equal, open_tables, scan
    from gristmill.dedup.stage import domain
    from gristmill.runtime.model import Kind

    tables = open_tables(directory)
    outcomes = Counter(scan(tables, "ledger", ["outcome"], equal("stage", "dedup"))[0].to_pylist())
    if not outcomes["keep"]:
        raise BadInput(f"dedup has kept nothing in {directory}: there is nothing to go by")
    files = scan(tables, "files", ["language", "path"]).to_pylist()
    domains = Counter(domain(Kind.FILE, row["language"] or "", row["path"]) for row in files)
    return outcomes["keep"] / outcomes.total(), dict(domains.most_common())


def _print(
    measured: Measured, sizes: list[Size], domains: dict[str, int], share: float, memory: float
) -> None:
    parts = {**measured.memory_bytes, "log, on disk": measured.disk_bytes}
    OUT.print(f"\n[bold]Bytes for each kept document[/bold], measured at {measured.documents:,}")
    for name, size in parts.items():
        OUT.print(f"  {name:<14} [green]{bar(size / max(parts.values()), _WIDTH):<{_WIDTH}}[/green]"
                  f" {size:7.1f}")  # fmt: skip
    OUT.print(f"  memory in all {sum(measured.memory_bytes.values()):.0f}")
    OUT.print(
        f"\n[bold]Sizes[/bold], {share:.0%} of the documents kept, at {memory:g} GiB an index"
    )
    heads = ("documents", "kept", "memory", "disk", "admission", "opening", "indexes")
    OUT.print("  " + "".join(f"{head:>11}" for head in heads))
    for row in sizes:
        cells = (
            f"{row.documents:.3g}", f"{row.kept:.3g}", human_bytes(row.memory_bytes),
            human_bytes(row.disk_bytes), _hours(row.admission_cpu_seconds),
            _hours(row.open_cpu_seconds), f"{row.indexes:,}",
        )  # fmt: skip
        mark = " *" if row.extrapolated else ""
        OUT.print("  " + "".join(f"{cell:>11}" for cell in cells) + mark)
    OUT.print("  * extrapolated in a straight line from the sample")
    OUT.print("Admission and opening are CPU time of one core; indexes work side by side.")
    if not domains:
        OUT.print(
            "An index is split by domain: --like DIR shows the largest one of a finished run."
        )
        return
    total = sum(domains.values())
    largest = next(iter(domains.values())) / total * sizes[-1].memory_bytes
    OUT.print("\n[bold]Domains[/bold], the units in which an index is split; the largest first")
    for name, count in list(domains.items())[:8]:
        filled = bar(count / total, _WIDTH)
        OUT.print(
            f"  {escape(safe(name)):<24} [green]{filled:<{_WIDTH}}[/green] {count / total:6.1%}"
        )
    OUT.print(f"The largest needs {human_bytes(largest)} at {sizes[-1].documents:.3g} documents.")


def _hours(seconds: float) -> str:
    for size, unit in ((86400.0, "days"), (3600.0, "h"), (60.0, "min")):
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.1f} s"
