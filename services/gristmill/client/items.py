"""What a client sends: files, archives that are read from disk meanwhile, batches for a stage."""

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass

from gristmill.runtime.model import (
    ArchiveChunk,
    BadInput,
    CrawlItem,
    Origin,
    Submission,
    key_problem,
)
from gristmill.runtime.model.document import sha256_hex

_CHUNK_BYTES = 512 << 10


@dataclass(frozen=True, slots=True)
class Batch:
    """A request to a stage, told from others by its number in the stream."""

    key: str
    request: bytes


@dataclass(frozen=True, slots=True)
class Archive:
    """An archive in a local file, submitted under one key."""

    key: str
    origin: Origin
    location: str

    def chunks(self) -> Iterator[Submission]:
        """Yield its parts."""
        size = os.path.getsize(self.location)
        with open(self.location, "rb") as stream:
            offset = 0
            while True:
                data = stream.read(min(_CHUNK_BYTES, size - offset))
                end = offset + len(data)
                last = end >= size or not data
                origin = self.origin if offset == 0 else None
                yield Submission(
                    self.key, ArchiveChunk(origin=origin, offset=offset, data=data, last=last)
                )
                if last:
                    return
                offset = end


def require_key(key: str) -> None:
    """Raise BadInput for a key that no item can bear: a receipt could not name it."""
    if problem := key_problem(key):
        raise BadInput(f"{key[:40]!a}: {problem}")


def item_key(item: CrawlItem) -> str:
    """Return a key made of an item's place and content: the same whenever it is found again."""
    content = item.blob.sha256 if item.blob else sha256_hex(item.content or b"")
    origin = item.origin
    parts = (
        *(origin.repository, origin.url, origin.path, origin.revision),
        *(content, str(item.fault)),
    )
    return _key_of(parts)


def file_item(content: bytes, origin: Origin) -> Submission:
    """Return a file under a key made of its place and content."""
    item = CrawlItem(origin=origin, size_bytes=len(content), content=content)
    return Submission(item_key(item), item)


def archive_item(location: str, origin: Origin) -> Archive:
    """Return an archive in a local file under a key made of its place and content."""
    digest = hashlib.sha256()
    with open(location, "rb") as stream:
        while data := stream.read(_CHUNK_BYTES):
            digest.update(data)
    parts = (origin.repository, origin.url, origin.path, origin.revision, digest.hexdigest())
    return Archive(_key_of(parts), origin, location)


def _key_of(parts: tuple[str, ...]) -> str:
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:40]
