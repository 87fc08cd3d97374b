"""Changes of runs, handed to a thread in batches.

10,000 runs arrive at once when the server starts, and each takes a tenth of a millisecond: on the loop, every stream would
stand still meanwhile. The thread is one, and is the only one in what it works on; questions wait for a batch at most.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeVar

from sympozium.kube import Informer
from sympozium.kube.resources import Object, Objects, key_of

log = logging.getLogger(__name__)
T = TypeVar("T")
Keys = Sequence[Any]
_BATCH: Final = 100
_RETRY_SECONDS: Final = 5.0


class StartOverError(Exception):
    """What was taken so far is lost: everything that there is must be given again."""


class Batches:
    """Give `changed` to an informer, and let `run` go on beside the requests."""

    def __init__(
        self,
        name: str,
        apply: Callable[[Objects, Keys], None],
        *,
        key: Callable[[Object], Any] = key_of,
        only: Callable[[Object], bool] = lambda _run: True,
        needed: bool = True,
        close: Callable[[], None] = lambda: None,
    ) -> None:
        """`apply` is called in the thread with objects and with the keys of those that are gone, each key once.

        An error of it is logged, and the batch tried again. `only` chooses the objects that are handed on. What is not
        `needed` keeps nobody waiting when it cannot be had: a disk that is full must not take the whole server away.
        `close` is the last that the thread does.
        """
        self._name = name
        self._apply = apply
        self._key = key
        self._only = only
        self._needed = needed
        self._close = close
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._pending: dict[Any, Object | None] = {}
        self._some = asyncio.Event()
        self._complete = False

    def changed(self, old: Object | None, new: Object | None) -> None:
        """A Handler of an informer."""
        if new is not None:
            self.take(new)
        elif old is not None:
            self._pending[self._key(old)] = None
            self._some.set()

    def take(self, obj: Object) -> None:
        """The newest of an object."""
        if self._only(obj):
            self._pending[self._key(obj)] = obj
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
                    await self._batch(informer)
                self._complete = True
                self._some.clear()
                await self._some.wait()
        finally:
            self._thread.submit(self._close)
            self._thread.shutdown(wait=False)

    async def _batch(self, informer: Informer) -> None:
        taken = {key: self._pending.pop(key) for key in list(self._pending)[:_BATCH]}
        objects = [obj for obj in taken.values() if obj is not None]
        gone = [key for key, obj in taken.items() if obj is None]
        try:
            await self.ask(self._apply, objects, gone)
        except StartOverError:
            self._pending = {**taken, **self._pending}
            self.start_over(informer)
        except Exception:
            log.exception("%s: %d changes were not taken; trying again", self._name, len(taken))
            self._pending = {**taken, **self._pending}  # what came meanwhile is newer
            self._complete = self._complete or not self._needed
            await asyncio.sleep(_RETRY_SECONDS)

    def start_over(self, informer: Informer) -> None:
        """Give everything again."""
        for obj in informer.list():
            self.take(obj)
