"""What bounds the front door: room for what is not safe yet, and quotas of clients."""

import asyncio
import math
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

_MOST_CLIENTS = 10_000
_SHORTEST_SECONDS = 1e-6  # what rounding may leave


class Budget:
    """Room for so much at a time: whoever wants more waits, first come, first served.

    For the tasks of one event loop. More than there is room for at all counts as all of it.
    """

    def __init__(self, room: int) -> None:
        self.room = room
        self.held = 0
        self.most_held = 0
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    async def take(self, amount: int) -> int:
        """Wait until there is room; return what is to be given back."""
        amount = min(amount, self.room)
        if self._waiting or self.held + amount > self.room:
            granted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append((amount, granted))
            try:
                await granted
            except asyncio.CancelledError:
                if granted.done() and not granted.cancelled():
                    self.give(amount)
                raise
        else:
            self._hold(amount)
        return amount

    def give(self, amount: int) -> None:
        """Give back what `take` returned."""
        self.held -= amount
        while self._waiting:
            wanted, granted = self._waiting[0]
            if granted.cancelled():
                self._waiting.popleft()
                continue
            if self.held + wanted > self.room:
                break
            self._waiting.popleft()
            self._hold(wanted)
            granted.set_result(None)

    def _hold(self, amount: int) -> None:
        self.held += amount
        self.most_held = max(self.most_held, self.held)


class Quotas:
    """How fast each client may send: a bucket each, filled steadily, a second's worth deep.

    Whoever wants more than there is waits, first come, first served, and is charged when the wait
    is over: one who gives up leaves nothing to be waited for. What is larger than the bucket is
    taken when the bucket is full, and waited for afterwards. The clients not heard of for longest
    are forgotten beyond some thousands.
    """

    def __init__(
        self,
        *,
        items_per_second: float,
        bytes_per_second: float,
        now: Callable[[], float],
        sleep: Callable[[float], Awaitable[object]],
    ) -> None:
        """Take the rates; 0 is no limit."""
        self._rates = (items_per_second, bytes_per_second)
        self._now = now
        self.sleep = sleep
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    @property
    def portion(self) -> tuple[float, float]:
        """How many items and bytes are best taken at once: what a bucket holds."""
        items, size = (rate or math.inf for rate in self._rates)
        return items, size

    async def take(self, client: str, num_items: int, num_bytes: float) -> None:
        """Wait until a client may send so much."""
        if not any(self._rates):
            return
        bucket = self._buckets.pop(client, None) or _Bucket(list(self._rates), self._now())
        self._buckets[client] = bucket
        while len(self._buckets) > _MOST_CLIENTS:
            self._buckets.popitem(last=False)
        async with bucket.turn:
            while (seconds := self._missing(bucket, (num_items, num_bytes))) > _SHORTEST_SECONDS:
                await self.sleep(seconds)
            bucket.filled[0] -= num_items
            bucket.filled[1] -= num_bytes

    def _missing(self, bucket: "_Bucket", amounts: tuple[float, float]) -> float:
        """Fill a bucket as is due; return for how many seconds it must be filled further."""
        now = self._now()
        seconds = 0.0
        for which, (rate, amount) in enumerate(zip(self._rates, amounts, strict=True)):
            if rate:
                filled = min(rate, bucket.filled[which] + rate * (now - bucket.then))
                seconds = max(seconds, (min(amount, rate) - filled) / rate)
                bucket.filled[which] = filled
        bucket.then = now
        return seconds


@dataclass(slots=True)
class _Bucket:
    """What one client may send at once, in items and bytes, as it was then."""

    filled: list[float]
    then: float
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
