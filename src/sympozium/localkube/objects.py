"""The committed state as access and admission read it (`access.objects.Objects`): decoded, without waiting.

A decoded object is kept with its entry, so asking again costs a look-up; callers must not change it.
"""

from collections.abc import Callable, Iterable
from typing import cast

from sympozium.localkube.feed import Change
from sympozium.localkube.store import Entry, Store
from sympozium.localkube.types import Object

Listener = Callable[[Object | None, Object | None], None]


def decoded(entry: Entry) -> Object:
    """The object of an entry, shared: read-only."""
    found = entry.views.get("object")
    if found is None:
        found = entry.views["object"] = entry.object
    return cast("Object", found)


class StoredObjects:
    def __init__(self, store: Store) -> None:
        self._store = store

    def get(self, group: str, resource: str, namespace: str, name: str) -> Object | None:
        entry = self._store.get(f"{group}/{resource}", namespace, name)
        return None if entry is None else decoded(entry)

    def list(self, group: str, resource: str) -> Iterable[Object]:
        return [decoded(entry) for entry in self._store.scan(f"{group}/{resource}")]

    def subscribe(self, group: str, resource: str, listener: Listener) -> None:
        def heard(change: Change) -> None:
            old = decoded(change.old) if change.old else None
            if change.type == "DELETED":
                listener(None, old)
            else:
                listener(decoded(change.entry), old)

        self._store.subscribe(f"{group}/{resource}", heard)
