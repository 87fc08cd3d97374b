"""From changes in the caches to keys of one controller.

A change of an owner is a change of its key; a change of a child is one of its controller's key, looked up
by name and checked by uid at the sync; a child without a controller concerns all who select it.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable

from sympozium.localkube.controllers.apps.children import selects
from sympozium.localkube.controllers.controller import Controller
from sympozium.localkube.controllers.informer import Informer, Key, key_of
from sympozium.localkube.controllers.owners import controller_of
from sympozium.localkube.errors import ApiError
from sympozium.localkube.types import Object

STEPS = 30
"""Steps of one key before others get their turn."""
TAKEN = 1.0
"""Seconds until a name that somebody else has taken is tried again: nobody tells us when it is free."""


def already_there(error: ApiError) -> bool:
    return error.code == 409 and error.reason == "AlreadyExists"


def terminating_namespace(error: ApiError) -> bool:
    """Whether a create was refused because its namespace is on its way out: there is nothing to do about it."""
    causes = (error.details or {}).get("causes") or ()
    return any(cause.get("reason") == "NamespaceTerminating" for cause in causes)


def loop(
    name: str,
    kind: str,
    owners: Informer,
    children: tuple[Informer, ...],
    sync: Callable[[Key], Awaitable[float | None]],
    counts: Counter[tuple[str, str]],
) -> Controller[Key]:
    """A controller of one kind, fed by the caches of it and of its children."""

    async def guarded(key: Key) -> float | None:
        # Requests within a process may never wait: nobody else would get a turn between two keys.
        await asyncio.sleep(0)
        try:
            return await sync(key)
        except ApiError as error:
            if terminating_namespace(error):
                return None
            if already_there(error):
                return TAKEN
            raise

    controller: Controller[Key] = Controller(name, guarded, counts, workers=2)

    def owner_changed(new: Object | None, old: Object | None) -> None:
        obj = new or old
        if obj is not None:
            controller.queue.add(key_of(obj))

    def child_changed(new: Object | None, old: Object | None) -> None:
        if not owners.items:
            return
        for obj in (old, new):
            if obj is None:
                continue
            owner = controller_of(obj)
            if owner is not None:
                if owner["kind"] == kind:
                    controller.queue.add((obj["metadata"].get("namespace", ""), owner["name"]))
            elif obj is new:
                _selecting(obj)

    def _selecting(obj: Object) -> None:
        namespace = obj["metadata"].get("namespace", "")
        for key, owner in owners.items.items():
            if key[0] == namespace and selects(owner, obj):
                controller.queue.add(key)

    owners.on_change(owner_changed)
    for cache in children:
        cache.on_change(child_changed)
    return controller
