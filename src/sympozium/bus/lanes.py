"""One lane for each run: its messages are handled one after another, those of other runs meanwhile.

What is handled first and fails is tried again before anything behind it: a later message of a run never
overtakes an earlier one, and one run that cannot be handled does not hold up the others.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

log = logging.getLogger(__name__)
T = TypeVar("T")
FIRST_RETRY = 0.5
LAST_RETRY = 30.0


class Lanes(Generic[T]):
    """Runs its work in `group`; cancelling the group ends it, between or in the middle of items."""

    def __init__(self, group: asyncio.TaskGroup, handle: Callable[[T], Awaitable[None]]) -> None:
        self._group = group
        self._handle = handle
        self._lanes: dict[Hashable, deque[T]] = {}

    def put(self, key: Hashable, item: T) -> None:
        """Handle `item` after everything that was put into the same lane before."""
        lane = self._lanes.get(key)
        if lane is not None:
            lane.append(item)
            return
        self._lanes[key] = deque([item])
        self._group.create_task(self._drain(key), name=f"lane {key}")

    async def _drain(self, key: Hashable) -> None:
        lane = self._lanes[key]
        while lane:
            await self._until_handled(key, lane[0])
            lane.popleft()
        # No await between the last look and this: nothing can be put in unseen.
        del self._lanes[key]

    async def _until_handled(self, key: Hashable, item: T) -> None:
        delay = FIRST_RETRY
        while True:
            try:
                await self._handle(item)
            except Exception:  # whatever it is, the item may not be lost nor be overtaken
                log.exception("a message of %s was not handled; trying again in %g s", key, delay)
                await asyncio.sleep(delay)
                delay = min(delay * 2, LAST_RETRY)
            else:
                return
