"""`gristmill feed`: raw items out of local sources onto the crawl topic."""

import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from gristmill.cli.console import ERR, human_bytes, print_json
from gristmill.cli.mill import DIRECTORY
from gristmill.cli.selecting import Archives, Exclude, Include

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
    """
    from gristmill.cli.local import archive_limits, out_of_sight
    from gristmill.cli.mill import find_mill, mill_settings
    from gristmill.runtime.adapters.blobs import open_blob_store
    from gristmill.runtime.adapters.kafka_writer import KafkaWriter
    from gristmill.runtime.adapters.listing import LocalSource, Selection

    sections = mill_settings(find_mill(mill)).sections
    selection = Selection(
        include=tuple(include or ()),
        exclude=tuple(exclude or ()),
        open_archives=archives,
        skip=out_of_sight(mill),
    )
    limits = archive_limits(sections["ingestion"])
    listed = [LocalSource(one, selection=selection, limits=limits, rules=()) for one in sources]
    began = time.monotonic()
    writer = KafkaWriter(sections["kafka"])
    feeding = _Feeding(sum(source.listing.total_bytes for source in listed))
    try:
        messages = _messages(
            listed, sections["ingestion"].max_file_bytes, open_blob_store(sections["blobs"])
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
    seconds = time.monotonic() - began
    if as_json:
        print_json(
            {"items": feeding.items, "bytes": feeding.num_bytes, "seconds": round(seconds, 3)}
        )
    else:
        ERR.print(
            f"fed {feeding.items:,} items, {human_bytes(feeding.num_bytes)}, "
            f"in {seconds:,.1f} s; `gristmill status` shows where they are"
        )


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

    def __init__(self, listed_bytes: int) -> None:
        self.items = self.num_bytes = 0
        self._listed_bytes = listed_bytes
        self._said = time.monotonic()

    def count(self, batch: "list[Message]") -> None:
        """Count what was written, and say so when it is time."""
        self.items += len(batch)
        self.num_bytes += sum(len(message.value) for message in batch)
        if time.monotonic() - self._said >= _SAY_SECONDS:
            self._said = time.monotonic()
            share = min(1.0, self.num_bytes / max(1, self._listed_bytes))
            ERR.print(f"{share:4.0%}  {self.items:,} items, {human_bytes(self.num_bytes)}")


def _messages(
    sources: "Sequence[Source]", max_file_bytes: int, blobs: "BlobStore"
) -> "Iterator[Message]":
    from gristmill.runtime.adapters.files import reader

    read = reader(max_file_bytes)
    for source in sources:
        for entry in source.entries(0):
            yield _message(read(entry), blobs)


def _message(raw: "RawFile", blobs: "BlobStore") -> "Message":
    from datetime import UTC, datetime

    from gristmill.runtime.adapters.blobs import blob_reference
    from gristmill.runtime.engine.envelope import (
        CRAWL_SCHEMA,
        CRAWL_TOPIC,
        INLINE_BYTES,
    )
    from gristmill.runtime.model import CrawlItem
    from gristmill.runtime.ports import Message
    from gristmill.runtime.wire import encode_crawl_item

    content, blob = raw.content, None
    if content is not None and len(content) > INLINE_BYTES:
        blob = blob_reference(content, datetime.now(UTC).date())
        blobs.put(blob, content)
        content = None
    item = CrawlItem(
        origin=raw.origin,
        size_bytes=raw.size_bytes,
        content=content,
        blob=blob,
        fault=raw.fault,
        detail=raw.detail,
    )
    return Message(
        topic=CRAWL_TOPIC,
        key=(raw.content_sha256 or raw.id).encode(),
        value=encode_crawl_item(item),
        headers=(
            ("schema", CRAWL_SCHEMA.encode()),
            ("kind", raw.kind.value.encode()),
            ("bytes", str(len(raw.content or b"")).encode()),
        ),
    )


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
