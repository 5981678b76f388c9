"""`gristmill feed`: raw items out of sources onto the crawl topic."""

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gristmill.cli.console import ERR, human_bytes, print_json
from gristmill.cli.mill import DIRECTORY
from gristmill.cli.selecting import (
    Archives,
    Exclude,
    GitHead,
    Include,
    Map,
    MetadataFile,
    columns_of,
    metadata_of,
    selection_of,
)
from gristmill.cli.source_progress import Reading

if TYPE_CHECKING:
    from gristmill.runtime.model import RawFile
    from gristmill.runtime.ports import BlobStore, Message, Source, Writer

_BATCH_BYTES = 4 << 20
_BATCH_RECORDS = 1000
_SAY_SECONDS = 5.0
_RETRY_SECONDS = (1, 2, 5, 10)


def command(
    sources: Annotated[list[str], typer.Argument(metavar="SOURCE…", help="What to read.")],
    include: Include = None,
    exclude: Exclude = None,
    limit: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Stop after N items in all.")
    ] = None,
    archives: Archives = True,
    git_head: GitHead = False,
    mapping: Map = None,
    metadata: MetadataFile = None,
    mill: Annotated[
        str, typer.Option(metavar="DIR", help="Where `make up` left its state.")
    ] = DIRECTORY,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Put raw files onto the crawl topic, where the ingestion worker takes them up.

    SOURCE is what `gristmill run` takes. Kafka is the one that `make up` started, or the one that
    GRISTMILL_KAFKA_BOOTSTRAP names. Nothing is remembered here: a feed that is killed and begun
    again delivers again, and what was kept already comes up as `resubmitted`.

    Example: gristmill feed ~/src 'dists/*.tar.gz'

    Example: gristmill feed mirrors/*.git s3://bucket/dists --metadata repositories.jsonl
    """
    from gristmill.cli.local import archive_limits
    from gristmill.cli.mill import find_mill, mill_settings
    from gristmill.runtime.adapters.listing import Terms
    from gristmill.runtime.adapters.sources import open_sources
    from gristmill.runtime.engine.garbage import seldom_searched

    sections = mill_settings(find_mill(mill)).sections
    terms = Terms(
        selection=selection_of(include, exclude, mill, archives=archives),
        limits=archive_limits(sections["ingestion"]),
        rules=(),
        columns=columns_of(mapping),
        metadata=metadata_of(metadata),
    )
    listed = open_sources(sources, terms, git_head=git_head, settings=sections["sources"])
    began = time.monotonic()
    with seldom_searched():
        feeding = _feed(listed, sections, limit)
    seconds = time.monotonic() - began
    if terms.metadata is not None and (known := terms.metadata.report()):
        ERR.print(known, markup=False)
    if as_json:
        print_json(
            {"items": feeding.items, "bytes": feeding.num_bytes, "seconds": round(seconds, 3)}
        )
    else:
        ERR.print(
            f"fed {feeding.items:,} items, {human_bytes(feeding.num_bytes)}, "
            f"in {seconds:,.1f} s; `gristmill status` shows where they are"
        )


# Any: each section is a dataclass of its own.
def _feed(
    sources: "Sequence[Source]", sections: "Mapping[str, Any]", limit: int | None
) -> "_Feeding":
    """Write what the sources hold, in order; return what was counted."""
    from gristmill.runtime.adapters.blobs import open_blob_store
    from gristmill.runtime.adapters.kafka_writer import KafkaWriter

    writer = KafkaWriter(sections["kafka"])
    reading = Reading(sources)
    feeding = _Feeding(reading)
    try:
        messages = _messages(
            reading, sections["ingestion"].max_file_bytes, open_blob_store(sections["blobs"])
        )
        for batch in _batches(messages, limit):
            _write(writer, batch)
            feeding.count(batch)
    except KeyboardInterrupt:
        ERR.print(
            "interrupted: what was fed so far is on the topic; feed again to deliver the rest"
        )
        raise typer.Exit(130) from None
    finally:
        writer.close()
    return feeding


def _write(writer: "Writer", batch: "list[Message]") -> None:
    """Write a batch, again if need be: what comes twice is a re-submission."""
    from gristmill.runtime.model import Transient

    for seconds in _RETRY_SECONDS:
        try:
            writer.write(batch)
        except Transient as error:
            ERR.print(f"{error}; once more in {seconds} s", markup=False)
            time.sleep(seconds)
        else:
            return
    writer.write(batch)


class _Feeding:
    """What was fed so far, told now and then."""

    def __init__(self, reading: Reading) -> None:
        self.items = self.num_bytes = 0
        self._reading = reading
        self._said = time.monotonic()

    def count(self, batch: "list[Message]") -> None:
        """Count what was written, and say so when it is time."""
        self.items += len(batch)
        self.num_bytes += sum(len(message.value) for message in batch)
        if time.monotonic() - self._said >= _SAY_SECONDS:
            self._said = time.monotonic()
            share = self._reading.share
            ERR.print(f"{share:4.0%}  {self.items:,} items, {human_bytes(self.num_bytes)}")


def _messages(reading: Reading, max_file_bytes: int, blobs: "BlobStore") -> "Iterator[Message]":
    from gristmill.runtime.adapters.files import reader

    read = reader(max_file_bytes)
    for entry in reading.entries():
        yield _message(read(entry), blobs)


def _message(raw: "RawFile", blobs: "BlobStore") -> "Message":
    from datetime import UTC, datetime

    from gristmill.runtime.adapters.blobs import blob_reference
    from gristmill.runtime.engine.crawl import crawl_item, crawl_message

    now = datetime.now(UTC)
    return crawl_message(crawl_item(raw), blobs=blobs, new_blob=blob_reference, now=now)


def _batches(messages: "Iterator[Message]", limit: int | None) -> "Iterator[list[Message]]":
    batch: list[Message] = []
    weight = 0
    for count, message in enumerate(messages, start=1):
        batch.append(message)
        weight += len(message.value)
        if weight >= _BATCH_BYTES or len(batch) >= _BATCH_RECORDS or count == limit:
            yield batch
            batch, weight = [], 0
        if count == limit:
            return
    if batch:
        yield batch
