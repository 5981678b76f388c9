"""`gristmill dedup`: look after the dedup index of a directory."""

import os
import shutil
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gristmill.cli.console import ERR
from gristmill.cli.mill import DIRECTORY

if TYPE_CHECKING:
    from gristmill.runtime.adapters.iceberg import IcebergTables
    from gristmill.runtime.ports import Fingerprint

app = typer.Typer(
    help="Look after the dedup index.\n\nExample: gristmill dedup rebuild corpus",
    no_args_is_help=True,
)

_BATCH = 10_000
_WRITTEN = "tables"

Signed = tuple[bytes, int, str]
"""Signature, number of shingles and domain of a document."""


@app.callback()
def _group() -> None:
    """Look after the dedup index."""


@app.command("rebuild")
def rebuild(
    directory: Annotated[str, typer.Argument(metavar="DIR", help="The output of a run.")],
    mill: Annotated[
        str, typer.Option("--mill", metavar="DIR", help="Where `make up` left its state.")
    ] = DIRECTORY,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Make the dedup index anew from the tables; the old one is set aside as DIR/index.old.

    A directory behind Kafka must have taken in all that Kafka holds for it: the shards worker runs
    and the dedup worker does not. Kafka is the one of `make up`, or GRISTMILL_KAFKA_BOOTSTRAP's.

    Example: gristmill dedup rebuild corpus
    """
    from gristmill.cli.console import print_json
    from gristmill.cli.reading import open_tables
    from gristmill.runtime.adapters.iceberg_recovery import recover
    from gristmill.runtime.adapters.run_directory import LOG, RunDirectory

    where = RunDirectory(directory)
    if where.fed_by == LOG:
        with where.admitting():
            tables = open_tables(directory)
            _require_taken(directory, tables, mill)
            num_documents = _rebuild(where.index, tables, written_only=True)
    else:
        with where.writing(), where.admitting():
            tables = open_tables(directory)
            if where.unfinished:
                recover(tables)
            num_documents = _rebuild(where.index, tables, written_only=False)
    if as_json:
        print_json({"directory": directory, "documents": num_documents})
    else:
        ERR.print(f"the index of {directory} holds {num_documents:,} documents")


def _require_taken(directory: str, tables: "IcebergTables", mill: str) -> None:
    """Raise BadInput unless the tables hold all that is meant for them: it would be kept twice."""
    from gristmill.cli.mill import find_mill, mill_settings, route_of_mill
    from gristmill.cli.taken import require_passed, require_taken
    from gristmill.runtime.engine.envelope import LEDGER_TOPIC, topic_of
    from gristmill.runtime.model import BadInput, Transient

    settings = mill_settings(find_mill(mill))
    kafka, route = settings.sections["kafka"], route_of_mill(settings)
    try:
        require_passed(kafka, route[route.index("dedup") + 1 :])
        require_taken(kafka, tables, topic_of("shards"), LEDGER_TOPIC)
    except Transient as error:
        raise BadInput(
            f"{error}: an index made now would let in twice what {directory} is about to take in; "
            "start Kafka and the shards worker (`make up`) and try again when it has written"
        ) from error


@app.command("audit")
def audit(
    directory: Annotated[str, typer.Argument(metavar="DIR", help="The output of a run.")],
    threshold: Annotated[
        float | None,
        typer.Option(
            metavar="S", min=0.5, max=1, help="The threshold; default: that of the verdicts."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Hold the verdicts of a run against the exact similarity of every pair.

    Reads all kept texts from the tables and the dropped ones again from their sources, finds
    similar pairs by a far wider search than the index does, and reports wrong drops and missed
    pairs by cause. Needs room for a temporary file about as large as the texts. Of more than
    1,000 texts that share a band each is compared with the first 1,000 of them.

    Example: gristmill dedup audit corpus
    """
    from gristmill.cli.console import print_json
    from gristmill.cli.dedup_audit import DirectoryAudit, print_audit
    from gristmill.cli.dedup_audit import as_json as told

    done = DirectoryAudit(directory)
    found = done.run(threshold or done.threshold)
    if as_json:
        print_json(told(done, found))
    else:
        print_audit(done, found)


def _rebuild(path: str, tables: "IcebergTables", *, written_only: bool) -> int:
    """Write the claims of everything kept to a fresh index, then put it in the old one's place.

    With `written_only`, what was kept and is in no table claims nothing: it may be fed again. What
    is in one claims from no position of the log: it was delivered once and for all, and is no
    replay if the log is read once more.
    """
    from gristmill.runtime.adapters.lmdb_index import LmdbIndex, Table

    fresh, old = f"{path}.new", f"{path}.old"
    shutil.rmtree(fresh, ignore_errors=True)
    uuid = str(tables.load("files").metadata.table_uuid)
    index = LmdbIndex(fresh, Table(uuid=uuid, positions={}, num_documents=0))
    try:
        kept = _kept(tables)
        signed = _signed(tables)
        if written_only:
            written = {"position_source": _WRITTEN, "position_offset": 0}
            kept = [{**row, **written} for row in kept if row["document_id"] in signed]
        signed |= _signed_again(os.path.dirname(path), kept, signed)
        for begin in range(0, len(kept), _BATCH):
            index.restore([_fingerprint(row, signed) for row in kept[begin : begin + _BATCH]])
        num_documents = len(index)
    finally:
        index.close()
    shutil.rmtree(old, ignore_errors=True)
    if os.path.exists(path):
        os.rename(path, old)
    os.rename(fresh, path)
    return num_documents


def _kept(tables: "IcebergTables") -> list[dict[str, Any]]:
    """Return what was admitted, in the order of admission, from the ledger.

    Inside one commit that is the order of the sources, then that of their listings.
    """
    from gristmill.cli.reading import equal, scan

    columns = (
        "document_id", "content_sha256", "kind", "outcome", "language", "path",
        "decided_at", "position_source", "position_offset",
    )  # fmt: skip
    rows = scan(tables, "ledger", columns, equal("stage", "dedup")).to_pylist()
    place = {source: number for number, source in enumerate(tables.positions("ledger"))}
    rows.sort(
        key=lambda row: (
            row["decided_at"],
            place.get(row["position_source"], len(place)),
            row["position_offset"],
        )
    )
    kept: dict[str, dict[str, Any]] = {}
    for row in rows:
        if row["outcome"] == "keep":
            # What was given up and kept again later stands where it was kept last.
            kept.pop(row["document_id"], None)
            kept[row["document_id"]] = row
    return list(kept.values())


def _signed(tables: "IcebergTables") -> "dict[str, Signed]":
    """Return what everything written claims by, by document id."""
    from gristmill.cli.reading import stream

    signed: dict[str, Signed] = {}
    for batch in stream(tables, "files", ("document_id", "content", "language", "path")):
        ids, texts, languages, paths = (column.to_pylist() for column in batch.columns)
        signed |= _sign(ids, [text.encode() for text in texts], languages, paths)
    return signed


def _signed_again(
    directory: str, kept: list[dict[str, Any]], signed: "dict[str, Signed]"
) -> "dict[str, Signed]":
    """Return the same for what dedup kept and a later stage dropped: its text is in its source.

    Where the source is gone or has changed, nothing: such a document claims its content only.
    """
    from gristmill.cli.originals import Originals

    originals = Originals(directory)
    again: dict[str, Signed] = {}
    by_source: dict[str, dict[int, dict[str, Any]]] = {}
    for row in kept:
        if row["document_id"] not in signed:
            by_source.setdefault(row["position_source"], {})[row["position_offset"]] = row
    for source, rows in by_source.items():
        hashes = {offset: row["content_sha256"] for offset, row in rows.items()}
        for offset, text in originals.stream(source, rows, hashes):
            row = rows[offset]
            again |= _sign([row["document_id"]], [text], [row["language"]], [row["path"]])
    return again


def _sign(
    ids: list[str], texts: list[bytes], languages: list[str | None], paths: list[str]
) -> "dict[str, Signed]":
    from gristmill.dedup.fingerprint import sign
    from gristmill.dedup.stage import domain
    from gristmill.runtime.model import Kind

    signatures = sign(texts)
    return {
        document_id: (
            signatures.signature(number),
            int(signatures.num_shingles[number]),
            domain(Kind.FILE, language or "", path),
        )
        for number, (document_id, language, path) in enumerate(
            zip(ids, languages, paths, strict=True)
        )
    }


def _fingerprint(row: dict[str, Any], signed: "dict[str, Signed]") -> "Fingerprint":
    from gristmill.runtime.model import Kind, Position
    from gristmill.runtime.ports import Fingerprint

    signature, num_shingles, domain = signed.get(row["document_id"], (b"", 0, ""))
    return Fingerprint(
        document_id=row["document_id"],
        kind=Kind(row["kind"]),
        content_sha256=row["content_sha256"],
        position=Position(source=row["position_source"], offset=row["position_offset"]),
        domain=domain,
        signature=signature,
        num_shingles=num_shingles,
    )
