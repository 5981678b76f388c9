"""Group commit: what comes while a batch is on its way to the log goes together in the next.

A batch is written to the log, then its keys are remembered, then whoever waits is told. A crash
between the first two costs one second record an item, which dedup drops as `resubmitted`.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from gristmill.runtime.ports import KeyStore, Message, Remembered, Writer

_BATCH_RECORDS = 1000
_BATCH_BYTES = 4 << 20
_CUT_OFF_SECONDS = 5.0  # then the next batch may find out


@dataclass(slots=True)
class _Group:
    messages: Sequence[Message]
    keys: Mapping[bytes, Remembered]
    done: "asyncio.Future[None]"
    weight: int


class GroupWriter:
    """Writes messages and keys from one thread, for as many callers of one event loop as there are.

    `open_writer` is asked at the first batch, in that thread: it may wait for the log.
    """

    def __init__(self, open_writer: Callable[[], Writer], keys: KeyStore) -> None:
        """Take what opens the log, and the store of keys."""
        self._open_writer = open_writer
        self._writer: Writer | None = None
        self._keys = keys
        self._waiting: deque[_Group] = deque()
        self._turn: asyncio.Task[None] | None = None
        self._failed_at = float("-inf")
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="submit-writer")

    async def write(self, messages: Sequence[Message], keys: Mapping[bytes, Remembered]) -> None:
        """Return when the messages are safe and the keys remembered.

        Raises Transient or Fatal when they are not, or nobody knows. It goes on if the caller is
        cancelled.
        """
        done = asyncio.get_running_loop().create_future()
        weight = sum(len(message.value) for message in messages)
        self._waiting.append(_Group(messages, keys, done, weight))
        if self._turn is None:
            self._turn = asyncio.create_task(self._work())
        await done

    @property
    def is_cut_off(self) -> bool:
        """Whether the last batch did not get through, a moment ago."""
        return asyncio.get_running_loop().time() < self._failed_at + _CUT_OFF_SECONDS

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            groups = self._take()
            try:
                await loop.run_in_executor(self._thread, self._commit, groups)
            except Exception as error:  # noqa: BLE001  # whoever waits must learn it
                self._failed_at = loop.time()
                for group in groups:
                    if not group.done.done():
                        group.done.set_exception(error)
            else:
                self._failed_at = float("-inf")
                for group in groups:
                    if not group.done.done():
                        group.done.set_result(None)
        self._turn = None

    def _take(self) -> list[_Group]:
        """Return the next batch: one group at least, and more while they fit."""
        groups = [self._waiting.popleft()]
        records, weight = len(groups[0].messages), groups[0].weight
        while self._waiting:
            after = self._waiting[0]
            records, weight = records + len(after.messages), weight + after.weight
            if records > _BATCH_RECORDS or weight > _BATCH_BYTES:
                break
            groups.append(self._waiting.popleft())
        return groups

    def _commit(self, groups: Sequence[_Group]) -> None:
        messages = [message for group in groups for message in group.messages]
        if messages:
            if self._writer is None:
                self._writer = self._open_writer()
            self._writer.write(messages)
        self._keys.put({key: held for group in groups for key, held in group.keys.items()})

    def close(self) -> None:
        """Finish the batch that is on its way, and close the log."""
        self._thread.shutdown(wait=True, cancel_futures=True)
        if self._writer is not None:
            self._writer.close()
