"""Thread-safe token bucket, plus a keyed variant for per-client limits."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import Callable, Hashable

Clock = Callable[[], float]


@dataclass(frozen=True)
class Rate:
    """``tokens`` every ``per`` seconds, with bursts of up to ``burst``."""

    tokens: float
    per: float = 1.0
    burst: float | None = None

    def __post_init__(self) -> None:
        if self.tokens <= 0 or self.per <= 0:
            raise ValueError("a rate needs positive tokens and a positive period")

    @property
    def per_second(self) -> float:
        return self.tokens / self.per

    @property
    def capacity(self) -> float:
        return self.tokens if self.burst is None else self.burst


class TokenBucket:
    def __init__(self, rate: Rate, clock: Clock = time.monotonic) -> None:
        self._rate = rate
        self._clock = clock
        self._lock = threading.Lock()
        self._level = rate.capacity
        self._updated = clock()

    def try_take(self, amount: float = 1.0) -> bool:
        """Take ``amount`` tokens if they are available right now."""
        with self._lock:
            self._refill()
            if self._level < amount:
                return False
            self._level -= amount
            return True

    def wait_time(self, amount: float = 1.0) -> float:
        """Seconds until ``try_take(amount)`` could succeed."""
        if amount > self._rate.capacity:
            raise ValueError(f"{amount} tokens can never fit in this bucket")
        with self._lock:
            self._refill()
            return max(0.0, (amount - self._level) / self._rate.per_second)

    def _refill(self) -> None:
        now = self._clock()
        # A clock that steps backwards must not drain the bucket.
        elapsed = max(0.0, now - self._updated)
        gained = elapsed * self._rate.per_second
        self._level = min(self._rate.capacity, self._level + gained)
        self._updated = now


class KeyedLimiter:
    """One bucket per key; the least recently used keys are forgotten first."""

    def __init__(
        self,
        rate: Rate,
        max_keys: int = 10_000,
        clock: Clock = time.monotonic,
    ) -> None:
        self._rate = rate
        self._max_keys = max_keys
        self._clock = clock
        self._lock = threading.Lock()
        self._buckets: OrderedDict[Hashable, TokenBucket] = OrderedDict()

    def try_take(self, key: Hashable, amount: float = 1.0) -> bool:
        return self._bucket_for(key).try_take(amount)

    def _bucket_for(self, key: Hashable) -> TokenBucket:
        with self._lock:
            bucket = self._buckets.get(key)
            if bucket is None:
                bucket = self._buckets[key] = TokenBucket(self._rate, self._clock)
                if len(self._buckets) > self._max_keys:
                    self._buckets.popitem(last=False)
            else:
                self._buckets.move_to_end(key)
            return bucket
