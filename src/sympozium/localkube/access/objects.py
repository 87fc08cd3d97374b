"""How access and admission read the committed state.

They sit in the path of every request, so they read without waiting, from the store's memory, and
subscribers run in the commit, before the writer is answered. That gives read-your-writes to RBAC, to
webhook configurations and to bound tokens, where a kube-apiserver has a cache that is some 100 ms
behind.
"""

from collections.abc import Callable, Iterable
from typing import Protocol

from sympozium.localkube.types import Object

Listener = Callable[[Object | None, Object | None], None]
"""Called with (new, old): (obj, None) added, (obj, old) changed, (None, old) deleted. Must not raise or
wait."""


class Objects(Protocol):
    """The objects as of the last commit. What is given is shared: read-only for whoever asks.

    `localkube.objects.StoredObjects` is the one on the store.
    """

    def get(self, group: str, resource: str, namespace: str, name: str) -> Object | None:
        """`namespace` is empty for cluster-scoped resources; `resource` is the plural."""
        ...

    def list(self, group: str, resource: str) -> Iterable[Object]:
        """All objects of a resource, in all namespaces."""
        ...

    def subscribe(self, group: str, resource: str, listener: Listener) -> None:
        """Call `listener` at each later commit to this resource, in order, for the life of the process."""
        ...
