"""The order in which pods are looked at: high priority first, then who has waited longest."""

import heapq
from collections.abc import Callable

from sympozium.localkube.controllers.informer import Key
from sympozium.localkube.controllers.queue import Queue


class _Heap:
    """What a `Queue` needs of its ready keys, in order of rank."""

    def __init__(self, rank: Callable[[Key], int]) -> None:
        self._rank = rank
        self._items: list[tuple[int, int, Key]] = []
        self._count = 0

    def append(self, key: Key) -> None:
        self._count += 1
        heapq.heappush(self._items, (-self._rank(key), self._count, key))

    def popleft(self) -> Key:
        return heapq.heappop(self._items)[2]

    def __len__(self) -> int:
        return len(self._items)


class PriorityQueue(Queue[Key]):
    """A queue that hands out the highest rank first; the rank is asked for when a key is added."""

    def __init__(self, rank: Callable[[Key], int]) -> None:
        super().__init__()
        self._ready = _Heap(rank)
