"""Reading again what crawlers had delivered: records of the crawl topic, while it keeps them."""

import os
from collections.abc import Collection, Iterator

from gristmill.cli.mill import find_mill, mill_settings
from gristmill.runtime.adapters.blobs import open_blob_store
from gristmill.runtime.adapters.kafka_admin import topic_sources
from gristmill.runtime.adapters.kafka_scan import scan_topic
from gristmill.runtime.engine.envelope import CRAWL_TOPIC, MEMBER_BITS
from gristmill.runtime.model import Poison
from gristmill.runtime.ports import BlobStore, Delivery, Partition
from gristmill.runtime.wire import decode_crawl_item


def crawled_contents(
    directory: str, source_id: str, offsets: Collection[int]
) -> Iterator[tuple[int, bytes]]:
    """Yield offset and bytes of what one partition delivered, in order; what is gone is left out.

    Kafka is the one that the mill around the directory uses, or GRISTMILL_KAFKA_BOOTSTRAP's. From
    another one nothing comes. Raises GristmillError where it does not answer.
    """
    wanted = {offset >> MEMBER_BITS: offset for offset in offsets}
    prefix, _, number = source_id.rpartition("/")
    if not wanted or not number.isdecimal():
        return
    sections = mill_settings(find_mill(os.path.dirname(os.path.abspath(directory)))).sections
    kafka = sections["kafka"]
    if topic_sources(kafka, [CRAWL_TOPIC])[CRAWL_TOPIC] != prefix:
        return
    partition = Partition(CRAWL_TOPIC, int(number))
    blobs = open_blob_store(sections["blobs"])
    for delivery in scan_topic(kafka, CRAWL_TOPIC, {partition: min(wanted)}):
        if delivery.partition == partition and delivery.offset in wanted:
            content = _content(delivery, blobs)
            if content is not None:
                yield wanted[delivery.offset], content
        if delivery.partition == partition and delivery.offset >= max(wanted):
            return


def _content(delivery: Delivery, blobs: BlobStore) -> bytes | None:
    try:
        item = decode_crawl_item(delivery.value)
        return item.content if item.blob is None else blobs.get(item.blob)
    except Poison:
        return None
