"""What each namespace has: the ServiceAccount `default` and the ConfigMap `kube-root-ca.crt`.

Two controllers with an identity each, as in kube-controller-manager. Both put back what was deleted
or changed.
"""

from collections import Counter

from sympozium.localkube.controllers.api import Client, path_of
from sympozium.localkube.controllers.controller import Controller
from sympozium.localkube.controllers.informer import Informer
from sympozium.localkube.errors import ApiError
from sympozium.localkube.types import Object

CA_NAME = "kube-root-ca.crt"
DESCRIPTION = (
    "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as"
    " the internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of"
    " Kubernetes clusters."
)


class _InEachNamespace:
    """Queues namespaces, and the namespace of each watched object that changes."""

    def __init__(
        self, name: str, namespaces: Informer, watched: Informer, counts: Counter[tuple[str, str]]
    ) -> None:
        self.namespaces = namespaces
        self.watched = watched
        self.controller: Controller[str] = Controller(name, self.sync, counts)
        namespaces.on_change(self._namespace)
        watched.on_change(self._object)

    def _namespace(self, new: Object | None, _old: Object | None) -> None:
        if new is not None:
            self.controller.queue.add(new["metadata"]["name"])

    def _object(self, new: Object | None, old: Object | None) -> None:
        obj = new or old
        if obj is not None:
            self.controller.queue.add(obj["metadata"]["namespace"])

    def lives(self, namespace: str) -> bool:
        obj = self.namespaces.get("", namespace)
        return obj is not None and not obj["metadata"].get("deletionTimestamp")

    async def sync(self, namespace: str) -> float | None:
        raise NotImplementedError


class DefaultAccounts(_InEachNamespace):
    """`default` in each namespace. `watched` is the informer of ServiceAccounts."""

    def __init__(
        self, client: Client, namespaces: Informer, watched: Informer, counts: Counter[tuple[str, str]]
    ) -> None:
        self._client = client
        super().__init__("service-account-controller", namespaces, watched, counts)

    async def sync(self, namespace: str) -> float | None:
        if self.lives(namespace) and self.watched.get(namespace, "default") is None:
            obj = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}}
            made = await _create(self._client, path_of("v1", "serviceaccounts", namespace), obj)
            if made is not None:
                self.watched.observe(made)
        return None


class RootCertificates(_InEachNamespace):
    """`kube-root-ca.crt` in each namespace. `watched` is the informer of ConfigMaps of that name."""

    def __init__(
        self,
        client: Client,
        namespaces: Informer,
        watched: Informer,
        counts: Counter[tuple[str, str]],
        *,
        certificate: str,
    ) -> None:
        self._client = client
        self._data = {"ca.crt": certificate}
        super().__init__("root-ca-cert-publisher", namespaces, watched, counts)

    async def sync(self, namespace: str) -> float | None:
        if not self.lives(namespace):
            return None
        known = self.watched.get(namespace, CA_NAME)
        path = path_of("v1", "configmaps", namespace)
        if known is None:
            annotations = {"kubernetes.io/description": DESCRIPTION}
            obj = {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": {"name": CA_NAME, "annotations": annotations},
                "data": self._data,
            }
            made = await _create(self._client, path, obj)
            if made is not None:
                self.watched.observe(made)
        elif known.get("data") != self._data:
            changed = {**known, "data": self._data}
            self.watched.observe(await self._client.put(f"{path}/{CA_NAME}", changed))
        return None


async def _create(client: Client, path: str, obj: Object) -> Object | None:
    """None when it is there already, or its namespace has just begun to go."""
    try:
        return await client.create(path, obj)
    except ApiError as error:
        terminating = error.code == 403 and "because it is being terminated" in error.message
        if error.reason == "AlreadyExists" or error.code == 404 or terminating:
            return None
        raise
