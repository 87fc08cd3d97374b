"""How access and admission read the committed state.

They sit in the path of every request, so they read without waiting, from the store's memory, and
subscribers run in the commit, before the writer is answered. That gives read-your-writes to RBAC, to
webhook configurations and to bound tokens, where a kube-apiserver has a cache that is some 100 ms
behind.
"""

from collections.abc import Callable, Iterable
from typing import Protocol

from sympozium.localkube.feed import Change
from sympozium.localkube.store import Store
from sympozium.localkube.types import Object

Listener = Callable[[Object | None, Object | None], None]
"""Called with (new, old): (obj, None) added, (obj, old) changed, (None, old) deleted. Must not raise or
wait."""


class Objects(Protocol):
    """The objects as of the last commit; each call gives fresh copies."""

    def get(self, group: str, resource: str, namespace: str, name: str) -> Object | None:
        """`namespace` is empty for cluster-scoped resources; `resource` is the plural."""
        ...

    def list(self, group: str, resource: str) -> Iterable[Object]:
        """All objects of a resource, in all namespaces."""
        ...

    def subscribe(self, group: str, resource: str, listener: Listener) -> None:
        """Call `listener` at each later commit to this resource, in order, for the life of the process."""
        ...


class StoreObjects:
    """`Objects` on the store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def get(self, group: str, resource: str, namespace: str, name: str) -> Object | None:
        entry = self._store.get(f"{group}/{resource}", namespace, name)
        return None if entry is None else entry.object

    def list(self, group: str, resource: str) -> Iterable[Object]:
        return [entry.object for entry in self._store.scan(f"{group}/{resource}")]

    def subscribe(self, group: str, resource: str, listener: Listener) -> None:
        def changed(change: Change) -> None:
            old = None if change.old is None else change.old.object
            if change.type == "DELETED":
                listener(None, old)
            else:
                listener(change.entry.object, old)

        self._store.subscribe(f"{group}/{resource}", changed)
