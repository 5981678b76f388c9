"""Opening the dedup index behind a log: it goes with the tables and with the topics around it."""

from collections.abc import Callable

from gristmill.cli.reading import scan
from gristmill.dedup.lookup import DedupReader
from gristmill.dedup.settings import DedupSettings
from gristmill.runtime.adapters.iceberg import IcebergTables
from gristmill.runtime.adapters.lmdb_index import LmdbIndex, Table
from gristmill.runtime.adapters.memory_index import MemoryIndex
from gristmill.runtime.adapters.run_directory import RunDirectory
from gristmill.runtime.model import Document, FileText, Kind, Origin, Position
from gristmill.runtime.ports import EventLog, Stage


def open_streaming_index(
    directory: RunDirectory,
    tables: IcebergTables,
    *,
    threshold: float,
    log: str,
    wait: Callable[[], object],
    events: EventLog,
) -> LmdbIndex:
    """Open the index that belongs to the tables and goes with the log named so.

    Behind another log than before, what was admitted and no table holds will not come any more: it
    gives up its claims, so that it is kept when it is fed again. `wait` returns when the tables
    hold what is on its way to them.
    """
    index = _open(directory, tables, threshold)
    if index.follows == log:
        return index
    index.close()
    wait()
    index = _open(directory, tables, threshold)
    ids = scan(tables, "files", ["document_id"])["document_id"].to_pylist()
    if given_up := index.release_unwritten(frozenset(ids), frozenset()):
        events.warning("claims of another log given up", documents=given_up)
    index.follow(log)
    return index


def _open(directory: RunDirectory, tables: IcebergTables, threshold: float) -> LmdbIndex:
    table = Table(
        uuid=str(tables.load("files").metadata.table_uuid),
        positions=tables.positions("files"),
        num_documents=tables.num_rows("files"),
        is_last=False,
    )
    return LmdbIndex(directory.index, table, threshold=threshold)


def warm_up(stage: Stage) -> None:
    """Have the kernels of a stage compiled, before the group counts on this worker."""
    stage.process(_samples())


def warm_up_lookup(settings: DedupSettings) -> None:
    """Have the kernels compiled that answer calls, before anybody counts on them."""
    reader = DedupReader(settings, MemoryIndex())
    for document in _samples():
        reader.explain(document)


def _samples() -> list[Document]:
    texts = ("int main() { return 0; }\n" * 4, "int main() { return 1; }\n" * 4)
    return [
        Document(
            id=f"{number:032x}",
            kind=Kind.FILE,
            origin=Origin(source="warm-up", repository="warm-up", path=f"{number}.c"),
            position=Position(source="warm-up", offset=number),
            body=FileText(content=text, encoding="utf-8"),
            content_sha256=f"{number:064x}",
            size_bytes=len(text),
        )
        for number, text in enumerate(texts)
    ]
