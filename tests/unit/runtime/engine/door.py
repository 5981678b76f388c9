"""A front door in memory: a log that can be held up or fail, keys, blobs, and clients."""

import asyncio
import io
import tarfile
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gristmill.runtime.adapters.archive_spool import ArchiveSpool
from gristmill.runtime.adapters.archives import ArchiveLimits
from gristmill.runtime.adapters.blobs import MemoryBlobStore, blob_reference
from gristmill.runtime.adapters.clock import SystemClock
from gristmill.runtime.adapters.memory_keys import MemoryKeys
from gristmill.runtime.adapters.prometheus import NoMetrics
from gristmill.runtime.engine.front_door import FrontDoor
from gristmill.runtime.engine.group_writer import GroupWriter
from gristmill.runtime.engine.submit_settings import SubmitSettings
from gristmill.runtime.engine.submit_stream import submit
from gristmill.runtime.model import (
    Accepted,
    ArchiveChunk,
    CrawlItem,
    Origin,
    Receipt,
    Refused,
    Submission,
    Transient,
)
from gristmill.runtime.ports import BlobStore, Message
from gristmill.runtime.wire import decode_crawl_item, decode_receipts, encode_submissions

MAX_FILE_BYTES = 1 << 20
LIMITS = ArchiveLimits(
    max_member_bytes=MAX_FILE_BYTES, max_ratio=50, free_bytes=8 << 20, free_members=1000
)


class SteadyClock(SystemClock):
    """Tells the time of day, and a steady time that stands still."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def monotonic(self) -> float:
        return self.seconds


class MemoryWriter:
    """A log of which every write can be held up, or fail before or behind the writing."""

    def __init__(self) -> None:
        self.written: list[Message] = []
        self.batches: list[int] = []
        self.may_write = threading.Event()
        self.may_write.set()
        self.fails_before = 0
        self.fails_behind = 0

    def write(self, messages: Sequence[Message]) -> None:
        assert self.may_write.wait(20)
        if self.fails_before:
            self.fails_before -= 1
            raise Transient("the log is out")
        self.written += messages
        self.batches.append(len(messages))
        if self.fails_behind:
            self.fails_behind -= 1
            raise Transient("the log did not answer in time")

    def close(self) -> None: ...


@dataclass
class Doorway:
    """The door, and what is behind it."""

    directory: str
    settings: dict[str, Any] = field(default_factory=dict)
    writer: MemoryWriter = field(default_factory=MemoryWriter)
    keys: MemoryKeys = field(default_factory=MemoryKeys)
    blobs: BlobStore = field(default_factory=MemoryBlobStore)
    clock: SteadyClock = field(default_factory=SteadyClock)
    identity: Callable[[], str] = lambda: "log"
    slept: list[float] = field(default_factory=list)
    door: FrontDoor = field(init=False)

    def play(self, scene: "Callable[[Doorway], Awaitable[Any]]") -> Any:
        """Play a scene with the door open; return what it returns."""

        async def scene_and_end() -> Any:
            self.open()
            try:
                return await asyncio.wait_for(scene(self), 30)
            finally:
                self.writer.may_write.set()
                await self.door.close()

        return asyncio.run(scene_and_end())

    def open(self) -> None:
        settings = SubmitSettings(directory=self.directory, **self.settings)
        self.spool = ArchiveSpool(
            self.directory,
            most_bytes=settings.spool_bytes,
            most_of_owner=settings.client_spool_bytes,
            limits=LIMITS,
        )

        async def sleep(seconds: float) -> None:
            self.slept.append(seconds)
            self.clock.seconds += seconds
            await asyncio.sleep(0)

        self.door = FrontDoor(
            settings=settings,
            max_file_bytes=MAX_FILE_BYTES,
            log=GroupWriter(lambda: self.writer, self.keys),
            log_identity=self.identity,
            keys=self.keys,
            blobs=self.blobs,
            new_blob=blob_reference,
            spool=self.spool,
            clock=self.clock,
            metrics=NoMetrics(),
            sleep=sleep,
        )

    async def send(
        self, *requests: bytes | Sequence[Submission], client: str = "c"
    ) -> dict[str, Accepted | Refused]:
        """Send requests in one stream and end it; return what was answered."""
        return told([one async for one in self.receipts(*requests, client=client)])

    async def receipts(
        self, *requests: bytes | Sequence[Submission], client: str = "c"
    ) -> AsyncIterator[Receipt]:
        async def sent() -> AsyncIterator[bytes]:
            for one in requests:
                yield one if isinstance(one, bytes) else encode_submissions(one)

        async for response in submit(self.door, client, sent()):
            for receipt in decode_receipts(response):
                yield receipt

    @property
    def items(self) -> list[CrawlItem]:
        """What is on the topic."""
        return [decode_crawl_item(message.value) for message in self.writer.written]


def told(receipts: Sequence[Receipt]) -> dict[str, Accepted | Refused]:
    """Return receipts by key; each key has one."""
    answers = {receipt.key: receipt.result for receipt in receipts}
    assert len(answers) == len(receipts)
    return answers


def origin(path: str = "a.py", **fields: Any) -> Origin:
    return Origin(**{"source": "s", "repository": "example.org/a/b", "path": path, **fields})


def file(key: str, content: bytes = b"a = 1\n", **fields: Any) -> Submission:
    found = origin(**{"path": f"{key}.py", **fields})
    return Submission(key, CrawlItem(origin=found, size_bytes=len(content), content=content))


def tar(members: Mapping[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return packed.getvalue()


def chunks(
    key: str, archive: bytes, size: int = 1000, path: str = "dist/a-1.0.tar", **fields: Any
) -> list[Submission]:
    """Return an archive cut into parts."""
    found = origin(**{"path": path, **fields})
    return [
        Submission(
            key,
            ArchiveChunk(
                origin=found if begin == 0 else None,
                offset=begin,
                data=archive[begin : begin + size],
                last=begin + size >= len(archive),
            ),
        )
        for begin in range(0, max(1, len(archive)), size)
    ]
