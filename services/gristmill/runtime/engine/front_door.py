"""The front door: what crawlers submit becomes records of the crawl topic, each acknowledged.

An item's receipt is given after the log acknowledged it. A key that was accepted before adds
nothing, whichever stream brings it. It knows no gRPC: `submit_stream` has the side of one call.
"""

import asyncio
import hashlib
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Collection,
    Coroutine,
    Iterator,
    Sequence,
)
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from itertools import count
from typing import TypeVar
from weakref import WeakValueDictionary

from gristmill.runtime.engine.budget import Budget, Quotas
from gristmill.runtime.engine.crawl import content_sha256, crawl_message
from gristmill.runtime.engine.door_rules import refused_item, refused_key, without_unsafe_name
from gristmill.runtime.engine.envelope import INLINE_BYTES
from gristmill.runtime.engine.group_writer import GroupWriter
from gristmill.runtime.engine.submit_settings import SubmitSettings
from gristmill.runtime.model import (
    Accepted,
    BlobReference,
    CrawlItem,
    Fatal,
    Kind,
    NoStore,
    Origin,
    Poison,
    Receipt,
    RefusalReason,
    Refused,
    Submission,
    Transient,
)
from gristmill.runtime.model.document import document_id
from gristmill.runtime.ports import (
    BlobStore,
    Clock,
    KeyStore,
    Message,
    Metrics,
    Remembered,
    Spool,
    Spooled,
)

STAGE = "ingestion"
_THREADS = 4  # for keys, small files and the parts of archives: none of them waits for long
_STORE_THREADS = 8  # for what waits for the blob store, and for archives that are read
_SLICE_ITEMS = 20  # then it is another's turn
_CLIENT_SLICES = 4  # at once: half of the threads are left to others
_KEY_ID_BYTES = 20
_CUT_OFF_SECONDS = 10.0  # then whoever comes may find out
_LOG_SECONDS = 60.0  # for which the log is taken for the one that it was
MOST_ARCHIVES = 16
"""Archives that wait whole to be read; each holds a file open, and its stream is read no further
without a place."""
_GROUP_ITEMS = 200
_GROUP_BYTES = 1 << 20
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Entry:
    """An item that is to be written, and what is remembered of it."""

    message: Message
    remembered: Remembered


_Judged = _Entry | Accepted | Refused


@dataclass(kw_only=True)
class FrontDoor:
    """What all streams of one server share. For the tasks of one event loop."""

    settings: SubmitSettings
    max_file_bytes: int
    log: GroupWriter
    log_identity: Callable[[], str]
    """Says which log it is; it may block. What another one took, this one does not have."""
    keys: KeyStore
    blobs: BlobStore
    new_blob: Callable[[bytes, date], BlobReference]
    spool: Spool
    clock: Clock
    metrics: Metrics
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep
    room: Budget = field(init=False)
    quotas: Quotas = field(init=False)

    def __post_init__(self) -> None:
        self.room = Budget(self.settings.inflight_bytes)
        self.quotas = Quotas(
            items_per_second=self.settings.client_items_per_second,
            bytes_per_second=self.settings.client_bytes_per_second,
            now=self.clock.monotonic,
            sleep=self.sleep,
        )
        self.readers: set[asyncio.Task[None]] = set()
        self.is_draining = False
        self.archives = asyncio.Semaphore(MOST_ARCHIVES)
        self._one_archive = asyncio.Lock()  # they are large: one is read at a time
        self._claimed: dict[bytes, asyncio.Event] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._failed_at = float("-inf")
        self._log_id: asyncio.Task[str] | None = None
        self._log_asked_at = 0.0
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="submit")
        self._store_threads = ThreadPoolExecutor(_STORE_THREADS, thread_name_prefix="submit-store")
        self._store_turns: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()

    @property
    def is_cut_off(self) -> bool:
        """Whether the log, the keys, the blob store or the disk failed a moment ago."""
        return self.log.is_cut_off or (self.clock.monotonic() < self._failed_at + _CUT_OFF_SECONDS)

    # --- files ------------------------------------------------------------------------------------

    async def accept(self, client: str, items: Sequence[Submission]) -> list[Receipt]:
        """Take in files; return their receipts when all are safe.

        Raises Transient or Fatal when nobody knows whether they are.
        """
        receipts: list[Receipt] = []
        waiting: list[tuple[bytes, Submission]] = []
        owner = await self._owner(client)
        for item in items:
            if (refused := refused_key(item.key)) is not None:
                receipts.append(Receipt(item.key, refused))
            else:
                waiting.append((_key_id(owner, item.key), item))
        while waiting:
            mine = [(key, item) for key, item in waiting if key not in self._claimed]
            others = [(key, item) for key, item in waiting if key in self._claimed]
            # A key that somebody has in hand is looked at again when it is done.
            in_hand = [self._claimed[key] for key, _ in others]
            async with self._claiming({key for key, _ in mine}):
                receipts += await self._write(client, mine)
            for event in in_hand:
                await event.wait()
            waiting = others
        return receipts

    async def known(self, client: str, keys: Sequence[str]) -> list[bool]:
        """Tell which keys of a client were accepted."""
        owner = await self._owner(client)
        own = [_key_id(owner, key) for key in keys]
        return [one is not None for one in await self.in_thread(lambda: self.keys.get(own))]

    async def _owner(self, client: str) -> str:
        """Return to whom keys belong: to a client at one log, so that a new log has none.

        The log is asked now and then, and after a write failed: it may have been made anew.
        """
        now = self.clock.monotonic()
        if self._log_id is None or now >= self._log_asked_at + _LOG_SECONDS:
            self._log_asked_at = now
            self._log_id = asyncio.create_task(self._ask_log())
        return f"{await asyncio.shield(self._log_id)}\0{client}"

    async def _ask_log(self) -> str:
        try:
            return await self.in_thread(self.log_identity)
        except BaseException:
            self._log_id = None
            raise

    @asynccontextmanager
    async def _claiming(self, keys: Collection[bytes]) -> AsyncIterator[None]:
        done = asyncio.Event()
        self._claimed.update(dict.fromkeys(keys, done))
        try:
            yield
        finally:
            for key in keys:
                del self._claimed[key]
            done.set()

    async def _write(self, client: str, items: Sequence[tuple[bytes, Submission]]) -> list[Receipt]:
        if not items:
            return []
        small = [one for one in items if not _needs_store(one[1])]
        large = [one for one in items if _needs_store(one[1])]
        keys = list(dict.fromkeys(key for key, _ in items))
        known: dict[bytes, Remembered | None] = {}

        def judge_small() -> list[_Judged]:
            known.update(zip(keys, self.keys.get(keys), strict=True))
            return self._judge(small, known)

        judged = await self.in_thread(judge_small)
        for begin in range(0, len(large), _SLICE_ITEMS):
            part = large[begin : begin + _SLICE_ITEMS]
            async with self._store_turn(client):
                judged += await self._in_store_thread(partial(self._judge, part, known))
        answered = list(zip([*small, *large], judged, strict=True))
        await self._written({key: one for (key, _), one in answered if isinstance(one, _Entry)})
        safe = Accepted(num_items=1)
        return [
            Receipt(item.key, safe if isinstance(one, _Entry) else one)
            for (_, item), one in answered
        ]

    def _store_turn(self, client: str) -> asyncio.Semaphore:
        return self._store_turns.setdefault(client, asyncio.Semaphore(_CLIENT_SLICES))

    def _judge(
        self,
        items: Sequence[tuple[bytes, Submission]],
        known: dict[bytes, Remembered | None],
    ) -> list[_Judged]:
        """Say of items, in a thread, what is to be written of them, or what they are answered.

        Of several under one key the first that can be taken is written, and the others are told
        so: `known` is what the keys stand for, and is kept for the rest of the request.
        """
        judged: list[_Judged] = []
        for key, item in items:
            assert isinstance(item.body, CrawlItem), "parts of archives do not come here"
            one = self._judged(item.body, known[key])
            if isinstance(one, _Entry):
                known[key] = one.remembered
            judged.append(one)
        return judged

    def _judged(self, item: CrawlItem, before: Remembered | None) -> _Judged:
        if (refused := refused_item(item, self.max_file_bytes)) is not None:
            return refused
        digest = _digest(item)
        if before is not None:
            return _answer(before, digest)
        if item.blob is not None:
            try:
                self.blobs.get(item.blob)
            except Poison as error:
                return Refused(RefusalReason.BLOB_UNKNOWN, str(error))
            except NoStore:  # its message names a directory of this machine
                return Refused(RefusalReason.BLOB_UNKNOWN, "there is no blob store yet")
        return self._entry(item, digest)

    def _entry(self, item: CrawlItem, digest: bytes) -> _Entry:
        message = crawl_message(
            item, blobs=self.blobs, new_blob=self.new_blob, now=self.clock.now()
        )
        return _Entry(message, Remembered(digest, 1))

    async def _written(self, entries: dict[bytes, _Entry]) -> None:
        """Write entries; return when they are safe and remembered."""
        if not entries:
            return
        began = self.clock.monotonic()
        try:
            await self.log.write(
                [one.message for one in entries.values()],
                {key: one.remembered for key, one in entries.items()},
            )
        except BaseException:
            self._log_id = None
            raise
        seconds = self.clock.monotonic() - began
        self.metrics.observe("gristmill_submit_write_seconds", seconds, stage=STAGE)

    # --- archives ---------------------------------------------------------------------------------

    async def accept_archive(
        self, client: str, key: str, origin: Origin, spooled: Spooled
    ) -> Receipt:
        """Take in the members of an archive that is there; return its receipt when all are safe.

        Members that were written before it was given up are not written again.
        """
        owner = await self._owner(client)
        own = _key_id(owner, key)
        async with self._one_archive:
            while own in self._claimed:
                await self._claimed[own].wait()
            async with self._claiming([own]):
                digest = bytes.fromhex(document_id(Kind.REPOSITORY, origin, spooled.sha256()))
                (before,) = await self.in_thread(lambda: self.keys.get([own]))
                if before is not None:
                    return Receipt(key, _answer(before, digest))
                numbered = zip(count(), spooled.items(origin), strict=False)
                num_items = 0
                try:
                    while True:
                        num_taken, entries = await self._in_store_thread(
                            lambda: self._group(owner, key, numbered)
                        )
                        if not num_taken:
                            break
                        await self._written(entries)
                        num_items += num_taken
                except Poison as error:
                    return Receipt(key, Refused(RefusalReason.ARCHIVE_UNREADABLE, str(error)))
                await self.log.write([], {own: Remembered(digest, num_items)})
                return Receipt(key, Accepted(num_items=num_items))

    def _group(
        self, owner: str, key: str, numbered: Iterator[tuple[int, CrawlItem]]
    ) -> tuple[int, dict[bytes, _Entry]]:
        """Read the next members, in a thread: how many, and what is to be written of them."""
        group: dict[bytes, CrawlItem] = {}
        weight = 0
        for number, item in numbered:
            own = _key_id(owner, f"{key}\0{number}")  # no client can give such a key
            group[own] = without_unsafe_name(item)
            weight += len(item.content or b"")
            if len(group) >= _GROUP_ITEMS or weight >= _GROUP_BYTES:
                break
        entries: dict[bytes, _Entry] = {}
        for (own, item), before in zip(group.items(), self.keys.get(list(group)), strict=True):
            digest = _digest(item)
            if before is None or before.digest != digest:
                entries[own] = self._entry(item, digest)
        return len(group), entries

    # --- for the streams --------------------------------------------------------------------------

    async def in_thread(self, call: Callable[[], T]) -> T:
        """Return what a call gives that may block, for a moment."""
        return await self._called(self._threads, call)

    async def _in_store_thread(self, call: Callable[[], T]) -> T:
        """Return what a call gives that may wait for the blob store, or takes its time."""
        return await self._called(self._store_threads, call)

    async def _called(self, threads: ThreadPoolExecutor, call: Callable[[], T]) -> T:
        with self.watched():
            return await asyncio.get_running_loop().run_in_executor(threads, call)

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Note that what is behind the door fails. What is wrong with an item is Poison."""
        try:
            yield
        except (Transient, Fatal):
            self._failed_at = self.clock.monotonic()
            raise

    def spawn(self, work: Coroutine[object, object, None]) -> asyncio.Task[None]:
        """Begin work that ends by itself, whatever becomes of the stream that it is for."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def drain(self) -> None:
        """Let streams read no further: each ends when what it has sent is safe."""
        self.is_draining = True
        for reader in self.readers:
            reader.cancel()

    async def close(self) -> None:
        """Wait for what is in work, and close the log and the store of keys."""
        self.drain()
        while self._tasks:
            await asyncio.wait(set(self._tasks))
        await self.in_thread(self.log.close)
        self._threads.shutdown()
        self._store_threads.shutdown()
        self.keys.close()


def _answer(before: Remembered, digest: bytes) -> Accepted | Refused:
    if before.digest == digest:
        return Accepted(num_items=before.num_items, known_before=True)
    return Refused(RefusalReason.KEY_REUSED, "the key was accepted before with other content")


def _needs_store(item: Submission) -> bool:
    assert isinstance(item.body, CrawlItem), "parts of archives do not come here"
    return item.body.blob is not None or len(item.body.content or b"") > INLINE_BYTES


def _digest(item: CrawlItem) -> bytes:
    """Return what tells an item from another under the same key: its document's id."""
    sha256 = content_sha256(item) or str(item.fault)
    return bytes.fromhex(document_id(Kind.FILE, item.origin, sha256))


def _key_id(owner: str, key: str) -> bytes:
    return hashlib.sha256(f"{owner}\0{key}".encode()).digest()[:_KEY_ID_BYTES]
