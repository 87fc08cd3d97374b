"""Changes of runs, handed to a thread in batches.

10,000 runs arrive at once when the server starts, and each takes a tenth of a millisecond: on the loop, every stream would
stand still meanwhile. The thread is one, and is the only one in what it works on; questions wait for a batch at most.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeVar

from sympozium.kube import Informer
from sympozium.kube.resources import Object, key_of

log = logging.getLogger(__name__)
T = TypeVar("T")
Key = tuple[str, str]
Changes = Mapping[Key, Object | None]
"""The newest of each run; None for one that is gone."""
_BATCH: Final = 100
_RETRY_SECONDS: Final = 5.0


class Batches:
    """Give `changed` to an informer, and let `run` go on beside the requests."""

    def __init__(self, name: str, apply: Callable[[Changes], None]) -> None:
        """`apply` is called in the thread; an error of it is logged, and the batch tried again."""
        self._name = name
        self._apply = apply
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._pending: dict[Key, Object | None] = {}
        self._some = asyncio.Event()
        self._complete = False

    def changed(self, old: Object | None, new: Object | None) -> None:
        """A Handler of an informer."""
        obj = new or old
        assert obj is not None
        self._pending[key_of(obj)] = new
        self._some.set()

    def unready(self) -> list[str]:
        return [] if self._complete else [f"{self._name} not complete yet"]

    async def ask(self, function: Callable[..., T], *arguments: Any) -> T:
        """Its answer, from the thread."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, function, *arguments)

    async def run(self, informer: Informer) -> None:
        """Until cancelled; a batch that has begun is finished by the thread."""
        try:
            await informer.wait_synced()
            while True:
                while self._pending:
                    await self._batch()
                self._complete = True
                self._some.clear()
                await self._some.wait()
        finally:
            self._thread.shutdown(wait=False)

    async def _batch(self) -> None:
        taken = {key: self._pending.pop(key) for key in list(self._pending)[:_BATCH]}
        try:
            await self.ask(self._apply, taken)
        except Exception:
            log.exception("%s: %d changes were not taken; trying again", self._name, len(taken))
            self._pending = {**taken, **self._pending}  # what came meanwhile is newer
            await asyncio.sleep(_RETRY_SECONDS)
