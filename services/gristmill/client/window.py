"""What a stream has in hand: what is to be sent, and what was sent and has no answer yet.

Three threads meet here: one that takes items from their source, gRPC's that sends them, and the
caller's that waits for answers. When a stream breaks, what has no answer is sent again first.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from gristmill.client.items import Archive, Batch, require_key
from gristmill.runtime.model import Poison, Receipt, RefusalReason, Refused, Submission
from gristmill.runtime.wire import encode_receipts, encode_submissions

MOST_REQUEST_BYTES = 16 << 20
"""What a server takes in one message unless it is told otherwise."""

_BATCH_ITEMS = 500
_BATCH_BYTES = 1 << 20
_ARCHIVE_BYTES = 1 << 20  # its parts are read while they are sent

Item = Submission | Archive | Batch


class _Held(NamedTuple):
    number: int
    item: Item
    weight: int
    num_postponed: int = 0


class Window:
    """So many items and bytes at most without an answer."""

    def __init__(
        self,
        source: Iterable[Item],
        *,
        most_items: int,
        most_bytes: int,
        most_request_bytes: int = MOST_REQUEST_BYTES,
    ) -> None:
        self._most_items = most_items
        self._most_bytes = most_bytes
        self._most_request_bytes = most_request_bytes
        self._changed = threading.Condition()
        self._unsent: deque[_Held] = deque()
        self._sent: dict[int, _Held] = {}
        self._by_key: dict[str, deque[int]] = {}
        self._later: list[tuple[float, _Held]] = []
        self._quiet_since = 0.0
        self._bytes = 0
        self._life = 0
        self._exhausted = False
        self._closed = False
        self.error: BaseException | None = None
        self.num_resent = 0
        self._thread = threading.Thread(target=self._take, args=(iter(source),), daemon=True)
        self._thread.start()

    def _take(self, source: Iterator[Item]) -> None:
        """Take items from their source while there is room."""
        number = 0
        try:
            for item in source:
                require_key(item.key)
                weight = _weight(item)
                with self._changed:
                    self._changed.wait_for(lambda: self._closed or self._has_room())
                    if self._closed:
                        return
                    self._unsent.append(_Held(number, item, weight))
                    self._bytes += weight
                    self._changed.notify_all()
                number += 1
        except BaseException as error:  # noqa: BLE001  # the caller's own source: he must learn it
            self.error = error
        finally:
            with self._changed:
                self._exhausted = True
                self._changed.notify_all()

    def _has_room(self) -> bool:
        held = len(self._unsent) + len(self._sent) + len(self._later)
        return not held or (held < self._most_items and self._bytes < self._most_bytes)

    def requests(self, answer: Callable[[bytes], object]) -> Iterator[bytes]:
        """Yield what a new stream sends: first what the one before was not answered for.

        `answer` is given a response for what cannot be sent. Ends early, with `error` set, when
        an archive cannot be read.
        """
        with self._changed:
            self._life += 1
            life = self._life
            self.num_resent += len(self._sent)
            self._unsent.extendleft(reversed(self._sent.values()))
            self._sent.clear()
            self._by_key.clear()
            self._changed.notify_all()  # the stream before ends
        return self._requests(life, answer)

    def _requests(self, life: int, answer: Callable[[bytes], object]) -> Iterator[bytes]:
        try:
            while batch := self._next_batch(life):
                for request in self._encoded([held.item for held in batch]):
                    if isinstance(request, Receipt):
                        answer(encode_receipts([request]))
                    else:
                        yield request
        except Exception as error:  # noqa: BLE001  # gRPC would keep it from the caller
            self.error = error

    def _encoded(self, items: Sequence[Item]) -> Iterator[bytes | Receipt]:
        """Yield requests with these items, and the receipts of those that cannot be sent."""
        if files := [item for item in items if isinstance(item, Submission)]:
            yield from _together(files, self._most_request_bytes)
        for item in items:
            if isinstance(item, Batch):
                yield item.request
            elif isinstance(item, Archive):
                for chunk in item.chunks():
                    (request,) = _together([chunk], self._most_request_bytes)
                    yield request
                    self.heard()  # the connection has taken it: an archive has one receipt at last
                    if isinstance(request, Receipt):
                        break

    def _next_batch(self, life: int) -> list[_Held]:
        """Return what is sent next, nothing when this stream has sent all that it will."""
        with self._changed:
            while not self._closed and life == self._life and not self._is_ready():
                self._changed.wait(self._until_next())
            batch: list[_Held] = []
            weight = 0
            if self._closed or life != self._life:
                return batch
            if not self._sent:
                self._quiet_since = time.monotonic()
            while self._unsent and len(batch) < _BATCH_ITEMS and weight < _BATCH_BYTES:
                held = self._unsent.popleft()
                self._sent[held.number] = held
                self._by_key.setdefault(held.item.key, deque()).append(held.number)
                weight += held.weight
                batch.append(held)
            return batch

    def _is_ready(self) -> bool:
        """Have what is due sent next; whether something is, or nothing will be."""
        now = time.monotonic()
        due = [held for at, held in self._later if at <= now]
        self._later = [(at, held) for at, held in self._later if at > now]
        self._unsent.extend(due)
        return bool(self._unsent) or (self._exhausted and not self._later)

    def _until_next(self) -> float | None:
        if not self._later:
            return None
        return max(0.0, min(at for at, _ in self._later) - time.monotonic())

    def rest_seconds(self) -> float | None:
        """Return for how long nothing is to be sent or answered; None where something is."""
        with self._changed:
            if self._unsent or self._sent or not self._exhausted:
                return None
            return self._until_next()

    def answered(self, key: str) -> bool:
        """Note an answer; False for one of an item that is not waited for."""
        with self._changed:
            held = self._answered(key)
            if held is None:
                return False
            self._bytes -= held.weight
            self._changed.notify_all()
            return True

    def postpone(self, key: str, seconds: float, *, most: int) -> bool:
        """Have an item that was answered sent again after so long, but only so many times.

        False when it was often enough, or is not waited for: then the answer is yet to be noted.
        """
        with self._changed:
            numbers = self._by_key.get(key)
            if not numbers or self._sent[numbers[0]].num_postponed >= most:
                return False
            held = self._answered(key)
            assert held is not None, "it is waited for"
            again = held._replace(num_postponed=held.num_postponed + 1)
            self._later.append((time.monotonic() + seconds, again))
            self._changed.notify_all()
            return True

    def _answered(self, key: str) -> _Held | None:
        numbers = self._by_key.get(key)
        if not numbers:
            return None
        held = self._sent.pop(numbers.popleft())
        if not numbers:
            del self._by_key[key]
        self._quiet_since = time.monotonic()
        return held

    def is_done(self) -> bool:
        """Whether everything was sent and answered."""
        with self._changed:
            return self._exhausted and not (self._unsent or self._sent or self._later)

    def heard(self) -> None:
        """Note a sign of life that answers nothing."""
        with self._changed:
            self._quiet_since = time.monotonic()

    def silent_seconds(self) -> float:
        """Return for how long there was no sign of life though something is due."""
        with self._changed:
            return time.monotonic() - self._quiet_since if self._sent else 0.0

    def close(self) -> None:
        """Take nothing more and send nothing more."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()


def _together(files: Sequence[Submission], most_bytes: int) -> Iterator[bytes | Receipt]:
    """Yield one request with all items; one by one, or refused, those of which none can be made."""
    try:
        request = encode_submissions(files)
    except (Poison, UnicodeEncodeError) as error:
        refused = Refused(RefusalReason.FIELD_UNFIT, str(error))
    else:
        if len(request) <= most_bytes:
            yield request
            return
        detail = f"{len(request)} bytes; requests may have {most_bytes}"
        refused = Refused(RefusalReason.TOO_LARGE, detail)
    if len(files) == 1:
        yield Receipt(files[0].key, refused)
        return
    for one in files:
        yield from _together([one], most_bytes)


def _weight(item: Item) -> int:
    if isinstance(item, Archive):
        return _ARCHIVE_BYTES
    if isinstance(item, Batch):
        return len(item.request)
    content = getattr(item.body, "content", None)
    return 1024 + len(content or b"")
