"""The reconcile contract, and the manager that runs it.

A reconciler gets the name of an object, reads what is, compares it with what should be, and changes the
smallest step. It returns when to look again; an exception backs off and tries again; `TerminalError` does
not, because no retry can help before the object changes. It must be idempotent: it may run at any time, any
number of times, and be cancelled at any await.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from sympozium.kube import metrics
from sympozium.kube.errors import ConflictError, UnreachableError
from sympozium.kube.informer import Informer
from sympozium.kube.resources import Object, key_of
from sympozium.kube.workqueue import ShutDownError, WorkQueue
from sympozium.telemetry import logs

log = logging.getLogger(__name__)

_DRAIN: Final = 10.0


@dataclass(frozen=True, slots=True, order=True)
class Request:
    """The name of the object to look at; `namespace` is empty for cluster-scoped ones."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}" if self.namespace else self.name


@dataclass(frozen=True, slots=True)
class Result:
    """When to look again: in `requeue_after` seconds, or (None) when something changes."""

    requeue_after: float | None = None


class TerminalError(Exception):
    """Retrying cannot help; the reconciler has said so on the object (a condition, an Event)."""


class RetryLaterError(Exception):
    """Expected in the life of a cluster (something is not there yet, a server is away): back off without alarm."""


Reconciler = Callable[[Request], Awaitable[Result]]
Mapper = Callable[[Object], Iterable[Request]]
"""The requests that a change of an object causes."""


def itself(obj: Object) -> Iterable[Request]:
    """The object is what is reconciled."""
    return [Request(*key_of(obj))]


def owner(kind: str) -> Mapper:
    """The object's controlling owner of a kind is what is reconciled."""

    def requests(obj: Object) -> Iterable[Request]:
        meta = obj["metadata"]
        return [
            Request(meta.get("namespace", ""), reference["name"])
            for reference in meta.get("ownerReferences") or ()
            if reference.get("controller") and reference["kind"] == kind
        ]

    return requests


class Controller:
    """A reconciler, its queue, and what fills it."""

    def __init__(
        self, name: str, reconcile: Reconciler, *, workers: int = 2, queue: WorkQueue[Request] | None = None
    ) -> None:
        self.name = name
        # Not `or`: an empty queue is false.
        self.queue: WorkQueue[Request] = WorkQueue() if queue is None else queue
        self.workers = workers
        self._reconcile = reconcile
        self._depth = metrics.QUEUE_DEPTH.labels(name)

    def watches(self, informer: Informer, mapper: Mapper = itself) -> "Controller":
        """Reconcile what `mapper` names for the old and the new object of every change; returns self."""

        def changed(old: Object | None, new: Object | None) -> None:
            # The old object counts too: when a label moves, both its owners must look.
            for request in {r for obj in (old, new) if obj is not None for r in mapper(obj)}:
                self.enqueue(request)

        informer.add_handler(changed)
        return self

    def enqueue(self, request: Request) -> None:
        self.queue.add(request)
        self._depth.set(len(self.queue))

    async def run(self) -> None:
        """Work until the queue is shut down or this is cancelled."""
        async with asyncio.TaskGroup() as group:
            for _ in range(self.workers):
                group.create_task(self._work())

    async def _work(self) -> None:
        while True:
            try:
                request = await self.queue.get()
            except ShutDownError:
                return
            self._depth.set(len(self.queue))
            try:
                await self._once(request)
            finally:
                self.queue.done(request)

    async def _once(self, request: Request) -> None:
        with (
            logs.bind(controller=self.name, object=str(request)),
            metrics.RECONCILE_SECONDS.labels(self.name).time(),
        ):
            try:
                result = await self._reconcile(request)
            except TerminalError as error:
                self._count("terminal")
                self.queue.forget(request)
                log.error("not retried: %s", error)  # noqa: TRY400 - the reason is in the text, the stack is not
            except (ConflictError, UnreachableError, RetryLaterError) as error:
                # Expected in the life of a cluster: the next try reads the newer object, or meets the server.
                delay = self.queue.add_rate_limited(request)
                self._count("retry")
                log.info("%s: again in %.3g s", error, delay)
            except Exception:
                delay = self.queue.add_rate_limited(request)
                self._count("error")
                log.exception("failed; again in %.3g s", delay)
            else:
                self._count("ok")
                self.queue.forget(request)
                if result.requeue_after is not None:
                    self.queue.add_after(request, result.requeue_after)

    def _count(self, outcome: str) -> None:
        metrics.RECONCILES.labels(self.name, outcome).inc()


@dataclass(slots=True)
class Manager:
    """Runs informers, waits until their copies are complete, then runs controllers and services.

    `services` are further coroutines (consumers, recorders) that live as long as the controllers. One that
    returns or raises ends the manager: a control plane with a dead part is worse than a restarted one.
    """

    informers: Sequence[Informer]
    controllers: Sequence[Controller]
    services: Sequence[Callable[[], Awaitable[None]]] = field(default_factory=list)

    def unready(self) -> list[str]:
        """What is not synced yet; empty when ready."""
        return [f"{i.resource.title} not synced" for i in self.informers if not i.has_synced]

    async def follow(self) -> None:
        """Keep the copies. Needs no leadership: a standby is warm."""
        async with asyncio.TaskGroup() as group:
            for informer in self.informers:
                group.create_task(informer.run())

    async def work(self, stop: asyncio.Event) -> None:
        """Reconcile until `stop`; then finish what is in work, for a bounded time."""
        for informer in self.informers:
            await informer.wait_synced()
        async with asyncio.TaskGroup() as group:
            services = [group.create_task(_service(service)) for service in self.services]
            working = [group.create_task(controller.run()) for controller in self.controllers]
            await stop.wait()
            for controller in self.controllers:
                controller.queue.shut_down()
            if working:
                _, late = await asyncio.wait(working, timeout=_DRAIN)
                for task in late:
                    log.warning("a worker did not finish within %.0f s and was cancelled", _DRAIN)
                    task.cancel()
            for task in services:
                task.cancel()


async def _service(service: Callable[[], Awaitable[None]]) -> None:
    await service()
    raise RuntimeError(f"{getattr(service, '__qualname__', service)} ended by itself")
