"""How many runs an endpoint starts: a token bucket for each agent, in this process. No I/O."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(slots=True)
class _Bucket:
    tokens: float
    at: float


class Rates:
    """`requestsPerMinute` fill a bucket of `burstSize`. Only agents that were asked for have one."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._buckets: dict[str, _Bucket] = {}

    def take(self, key: str, per_minute: int, burst: int) -> int:
        """Take one. Returns 0 when there was one, else the seconds after which there will be."""
        now = self._now()
        bucket = self._buckets.setdefault(key, _Bucket(float(burst), now))
        bucket.tokens = min(float(burst), bucket.tokens + (now - bucket.at) * per_minute / 60)
        bucket.at = now
        if bucket.tokens < 1:
            return max(1, math.ceil((1 - bucket.tokens) * 60 / per_minute))
        bucket.tokens -= 1
        return 0

    def forget(self, key: str) -> None:
        self._buckets.pop(key, None)
