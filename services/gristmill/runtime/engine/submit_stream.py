"""One call of `Submit`: requests in, receipts out, and no more in work than there is room for.

The stream is read on only while there is room, so that the connection itself slows a client that
sends faster than the log takes. What is in work goes on when the client is gone: it may well be
safe, and the next time its keys are known.
"""

import asyncio
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    Callable,
    Coroutine,
    Iterator,
    Sequence,
)
from dataclasses import dataclass

from gristmill.runtime.engine.budget import Budget
from gristmill.runtime.engine.door_rules import refused_key, refused_origin
from gristmill.runtime.engine.front_door import STAGE, FrontDoor
from gristmill.runtime.model import (
    Accepted,
    ArchiveChunk,
    Origin,
    Receipt,
    RefusalReason,
    Refused,
    Submission,
    Transient,
)
from gristmill.runtime.ports import Spooled
from gristmill.runtime.wire import decode_submissions, encode_receipts

_ITEM_BYTES = 1024  # what an item costs beside its bytes
_MOST_RECEIPTS = 2000  # in one response, which stays below 4 MiB
_KEY_CHARS = 256  # of a key that is too long, in its receipt
_NO_ROOM_SECONDS = 30.0
_SIGN_SECONDS = 10.0  # how often a client hears that its archives are in work


async def submit(
    door: FrontDoor, client: str, requests: AsyncIterable[bytes]
) -> AsyncGenerator[bytes, None]:
    """Answer the requests of one client: bytes of `SubmitRequest` in, of `SubmitResponse` out.

    Raises Transient when the log does not answer or the server stops, Poison for a request that
    cannot be read; receipts that were known come first.
    """
    if door.is_draining:
        raise _stopping()
    stream = SubmitStream(door, client)
    reader = door.spawn(stream.read(requests))
    reader.add_done_callback(lambda _: door.spawn(stream.end(reader)))
    door.readers.add(reader)
    try:
        while (receipts := await stream.receipts()) is not None:
            yield encode_receipts(receipts)
            stream.items.give(len(receipts))
    finally:
        door.readers.discard(reader)
        reader.cancel()


@dataclass(slots=True)
class _Receiving:
    """An archive of which parts have come."""

    key: str
    origin: Origin
    spooled: Spooled


class SubmitStream:
    """What one stream has in work."""

    def __init__(self, door: FrontDoor, client: str) -> None:
        self._door = door
        self._client = client
        self.items = Budget(door.settings.stream_items)
        self.room = Budget(door.settings.stream_bytes)
        self._out: asyncio.Queue[list[Receipt] | Exception | None] = asyncio.Queue()
        self._in_work: set[asyncio.Task[None]] = set()
        self._archive: _Receiving | None = None
        self._num_archives_in_work = 0
        self._refused_archive = ""
        self._is_over = False
        self._error: Exception | None = None

    async def receipts(self) -> list[Receipt] | None:
        """Return the receipts that there are; None when the stream has ended.

        There is at least one, unless an archive is in work: it may take minutes, and whoever waits
        for it is to hear something.
        """
        receipts: list[Receipt] = []
        while not self._is_over and len(receipts) < _MOST_RECEIPTS:
            if not self._out.empty():
                told = self._out.get_nowait()
            elif receipts:
                break
            else:
                try:
                    told = await self._next()
                except TimeoutError:
                    return []
            if isinstance(told, list):
                receipts += told
            else:
                self._is_over, self._error = True, told
        if not receipts and self._error is not None:
            raise self._error
        return receipts or None

    async def _next(self) -> list[Receipt] | Exception | None:
        """Return what is next to tell. Raises TimeoutError while an archive takes its time."""
        while True:
            try:
                return await asyncio.wait_for(self._out.get(), _SIGN_SECONDS)
            except TimeoutError:
                if self._num_archives_in_work:
                    raise

    # --- reading ----------------------------------------------------------------------------------

    async def read(self, requests: AsyncIterable[bytes]) -> None:
        """Read the stream to its end, or until it is cancelled."""
        async for request in requests:
            await self._take(request)

    async def end(self, reader: "asyncio.Task[None]") -> None:
        """Say, when what was read is done, that nothing more comes, and why.

        A drain cancels the reader as often as it likes: what is in work is waited for apart.
        """
        self._drop_archive()
        if self._in_work:
            await asyncio.wait(self._in_work)
        error = _stopping() if reader.cancelled() else reader.exception()
        assert error is None or isinstance(error, Exception), "the loop itself ends with others"
        self._out.put_nowait(error)

    async def _take(self, request: bytes) -> None:
        door = self._door
        found = decode_submissions(request)
        items, size = door.quotas.portion
        most = min(items, door.settings.stream_items), size
        for portion, num_bytes in portions(found, len(request), most):
            await door.quotas.take(self._client, len(portion), num_bytes)
            await self._take_portion(portion, round(num_bytes))
        door.metrics.count("gristmill_submitted_bytes_total", len(request), stage=STAGE)

    async def _take_portion(self, found: Sequence[Submission | Receipt], num_bytes: int) -> None:
        await self.items.take(len(found))
        release = await self._hold(num_bytes + _ITEM_BYTES * len(found))
        try:
            self._tell([one for one in found if isinstance(one, Receipt)])
            files: list[Submission] = []
            for one in found:
                if isinstance(one, Submission):
                    if isinstance(one.body, ArchiveChunk):
                        await self._take_chunk(one.key, one.body, release)
                    else:
                        files.append(one)
        except BaseException:
            release()
            raise
        if files:
            self._begin(self._accept(files, release))
        else:
            release()

    async def _hold(self, weight: int) -> Callable[[], None]:
        """Wait until there is room; return what gives it back, once however often it is called."""
        door = self._door
        own = await self.room.take(weight)
        try:
            shared = await door.room.take(weight)
        except BaseException:
            self.room.give(own)
            raise
        self._tell_held()

        def release() -> None:
            nonlocal own, shared
            self.room.give(own)
            door.room.give(shared)
            own = shared = 0
            self._tell_held()

        return release

    def _tell_held(self) -> None:
        room = self._door.room
        self._door.metrics.set("gristmill_submit_inflight_bytes", room.held, stage=STAGE)

    async def _accept(self, files: list[Submission], release: Callable[[], None]) -> None:
        try:
            self._tell(await self._door.accept(self._client, files))
        except Exception as error:  # noqa: BLE001  # whatever it is, the caller must learn it
            self._out.put_nowait(error)
        finally:
            release()

    def _begin(self, work: Coroutine[object, object, None]) -> None:
        task = self._door.spawn(work)
        self._in_work.add(task)
        task.add_done_callback(self._in_work.discard)

    def _tell(self, receipts: list[Receipt]) -> None:
        for receipt in receipts:
            result = receipt.result
            if isinstance(result, Accepted):
                told = "known_before" if result.known_before else "accepted"
            else:
                told = result.reason.value
            self._door.metrics.count("gristmill_submitted_items_total", stage=STAGE, receipt=told)
        told_of = [one if len(one.key) <= _KEY_CHARS else _shortened(one) for one in receipts]
        for begin in range(0, len(told_of), _MOST_RECEIPTS):
            self._out.put_nowait(told_of[begin : begin + _MOST_RECEIPTS])

    # --- archives ---------------------------------------------------------------------------------

    async def _take_chunk(self, key: str, chunk: ArchiveChunk, release: Callable[[], None]) -> None:
        """Keep a part of an archive; with the last one it is taken in."""
        if chunk.offset and key == self._refused_archive:  # its receipt was given
            self.items.give(1)
            return
        refused = refused_key(key) or self._unfit_chunk(key, chunk)
        if refused is None:
            refused = await self._append(key, chunk)
        if refused is not None:
            if self._archive is not None and self._archive.key == key:
                self._drop_archive()
            self._refused_archive = key
            self._tell([Receipt(key, refused)])
            return
        if key == self._refused_archive:  # it is sent once more, from its beginning
            self._refused_archive = ""
        if chunk.last:
            archive, self._archive = self._archive, None
            assert archive is not None, "a chunk that was kept belongs to an archive"
            self._num_archives_in_work += 1  # while it waits for its turn, too
            release()  # it is on disk: nobody else is to wait for room until a place is free
            try:
                await self._door.archives.acquire()
            except BaseException:
                self._num_archives_in_work -= 1
                archive.spooled.close()
                raise
            self._begin(self._accept_archive(archive))
        else:
            self.items.give(1)

    def _unfit_chunk(self, key: str, chunk: ArchiveChunk) -> Refused | None:
        """Return why a part cannot be kept, None where it can."""
        archive = self._archive
        if chunk.offset == 0:
            if (refused := self._unfit_first(chunk.origin)) is not None:
                return refused
        elif archive is None or archive.key != key or archive.spooled.size_bytes != chunk.offset:
            detail = "the chunk does not begin where the one before it ended"
            return Refused(RefusalReason.ARCHIVE_OUT_OF_ORDER, detail)
        if chunk.offset + len(chunk.data) > self._door.settings.archive_bytes:
            detail = f"archives may have {self._door.settings.archive_bytes} bytes"
            return Refused(RefusalReason.TOO_LARGE, detail)
        return None

    def _unfit_first(self, origin: Origin | None) -> Refused | None:
        if self._archive is not None:
            detail = "another archive is not complete"
            return Refused(RefusalReason.ARCHIVE_OUT_OF_ORDER, detail)
        if origin is None:
            return Refused(RefusalReason.FIELD_MISSING, "archive.origin is missing")
        if (refused := refused_origin(origin)) is not None:
            return refused
        if not self._door.spool.can_open(_name_of(origin)):
            detail = "the name does not end as that of an archive that can be read"
            return Refused(RefusalReason.ARCHIVE_UNREADABLE, detail)
        return None

    async def _append(self, key: str, chunk: ArchiveChunk) -> Refused | None:
        if self._archive is None:
            assert chunk.origin is not None, "the first part has an origin"
            with self._door.watched():
                spooled = self._door.spool.begin(_name_of(chunk.origin), self._client)
            self._archive = _Receiving(key, chunk.origin, spooled)
        spooled = self._archive.spooled
        if await self._door.in_thread(lambda: spooled.append(chunk.data)):
            return None
        detail = "no room for another archive now"
        return Refused(RefusalReason.NO_ROOM, detail, _NO_ROOM_SECONDS)

    def _drop_archive(self) -> None:
        if self._archive is not None:
            self._archive.spooled.close()
            self._archive = None

    async def _accept_archive(self, archive: _Receiving) -> None:
        try:
            receipt = await self._door.accept_archive(
                self._client, archive.key, archive.origin, archive.spooled
            )
            self._tell([receipt])
        except Exception as error:  # noqa: BLE001  # whatever it is, the caller must learn it
            self._out.put_nowait(error)
        finally:
            self._num_archives_in_work -= 1
            archive.spooled.close()
            self._door.archives.release()


def portions(
    found: Sequence[Submission | Receipt], num_bytes: int, most: tuple[float, float]
) -> Iterator[tuple[Sequence[Submission | Receipt], float]]:
    """Yield a request of so many bytes in parts, each at most so many items and bytes.

    Beside each stands how many of the bytes it has. A part has one item at least; what belongs to
    an archive is alone in its own, since nothing else is to lose its room while that waits.
    """
    most_items, most_bytes = most
    sizes = [_content_bytes(one) for one in found]
    envelope = (num_bytes - sum(sizes)) / max(1, len(found))  # of each item
    begin, weight = 0, 0.0
    for number, size in enumerate(sizes):
        if number > begin and (
            number - begin + 1 > most_items
            or weight + size + envelope > most_bytes
            or _is_chunk(found[number - 1])
            or _is_chunk(found[number])
        ):
            yield found[begin:number], weight
            begin, weight = number, 0.0
        weight += size + envelope
    yield found[begin:], weight if found else num_bytes


def _is_chunk(one: Submission | Receipt) -> bool:
    return isinstance(one, Submission) and isinstance(one.body, ArchiveChunk)


def _content_bytes(one: Submission | Receipt) -> int:
    if isinstance(one, Receipt):
        return 0
    content = one.body.data if isinstance(one.body, ArchiveChunk) else one.body.content
    return len(content or b"")


def _name_of(origin: Origin) -> str:
    """Return the name of an archive, whose end says how it is packed."""
    return origin.path or origin.url.partition("#")[0].partition("?")[0]


def _shortened(receipt: Receipt) -> Receipt:
    return Receipt(receipt.key[:_KEY_CHARS], receipt.result)


def _stopping() -> Transient:
    return Transient("the server stops; send again what has no receipt")
