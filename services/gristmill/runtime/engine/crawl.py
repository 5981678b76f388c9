"""Records of the crawl topic: the same whoever writes them, `gristmill feed` or the front door."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime

from gristmill.runtime.engine.envelope import CRAWL_SCHEMA, CRAWL_TOPIC, INLINE_BYTES
from gristmill.runtime.model import BlobReference, CrawlItem, Kind, RawFile
from gristmill.runtime.model.document import document_id, sha256_hex
from gristmill.runtime.ports import BlobStore, Message
from gristmill.runtime.wire import encode_crawl_item


def crawl_item(raw: RawFile) -> CrawlItem:
    """Return what a source read, as a crawler delivers it."""
    return CrawlItem(
        origin=raw.origin,
        size_bytes=raw.size_bytes,
        content=raw.content,
        fault=raw.fault,
        detail=raw.detail,
    )


def content_sha256(item: CrawlItem) -> str:
    """Return the hash of an item's content, wherever that lies; empty where none was read."""
    if item.blob is not None:
        return item.blob.sha256
    return "" if item.content is None else sha256_hex(item.content)


def crawl_message(
    item: CrawlItem,
    *,
    blobs: BlobStore,
    new_blob: Callable[[bytes, date], BlobReference],
    now: datetime,
) -> Message:
    """Return the record of an item; a content that is too large for it is put into the store.

    Raises Transient or Fatal when the store does not take it.
    """
    sha256 = content_sha256(item)
    size_bytes = 0 if item.content is None else len(item.content)
    if item.blob is not None:
        size_bytes = item.blob.size_bytes
    if item.content is not None and len(item.content) > INLINE_BYTES:
        blob = new_blob(item.content, now.date())
        blobs.put(blob, item.content)
        item = replace(item, content=None, blob=blob)
    return Message(
        topic=CRAWL_TOPIC,
        key=(sha256 or document_id(Kind.FILE, item.origin, "")).encode(),
        value=encode_crawl_item(item),
        headers=(
            ("schema", CRAWL_SCHEMA.encode()),
            ("kind", Kind.FILE.value.encode()),
            ("bytes", str(size_bytes).encode()),
        ),
    )
