"""A CustomResourceDefinition that is being deleted: its instances go first.

The API server puts the finalizer on when the deletion begins and serves the kind until it is off.
"""

from collections import Counter

from sympozium.localkube.controllers.api import Client, path_of
from sympozium.localkube.controllers.controller import Controller
from sympozium.localkube.controllers.informer import Informer
from sympozium.localkube.controllers.recorder import timestamp
from sympozium.localkube.errors import ApiError
from sympozium.localkube.types import Object

NAME = "crd-cleanup-controller"
FINALIZER = "customresourcecleanup.apiextensions.k8s.io"
API = "apiextensions.k8s.io/v1"
FIRST, LAST = 0.1, 5.0


class CRDCleanup:
    """Keys are names of CRDs."""

    def __init__(self, client: Client, crds: Informer, counts: Counter[tuple[str, str]]) -> None:
        self._client = client
        self._delays: dict[str, float] = {}
        self.controller: Controller[str] = Controller(NAME, self.sync, counts)
        crds.on_change(self._changed)

    def _changed(self, new: Object | None, _old: Object | None) -> None:
        if new is not None and new["metadata"].get("deletionTimestamp"):
            self.controller.queue.add(new["metadata"]["name"])

    async def sync(self, name: str) -> float | None:
        path = path_of(API, "customresourcedefinitions", "", name)
        crd = await self._client.find(path)
        if crd is None or FINALIZER not in (crd["metadata"].get("finalizers") or ()):
            self._delays.pop(name, None)
            return None
        left = await self._delete_instances(crd)
        if left:
            await self._report(path, crd, left)
            delay = self._delays.get(name, FIRST)
            self._delays[name] = min(delay * 2, LAST)
            return delay
        self._delays.pop(name, None)
        meta = crd["metadata"]
        finalizers = [entry for entry in meta["finalizers"] if entry != FINALIZER]
        current = await self._client.find(path)
        if current is not None:
            version = current["metadata"]["resourceVersion"]
            patch = {"metadata": {"finalizers": finalizers or None, "resourceVersion": version}}
            await self._client.merge(path, patch)
        return None

    async def _delete_instances(self, crd: Object) -> int:
        """How many are left."""
        spec = crd["spec"]
        version = next((v["name"] for v in spec["versions"] if v.get("served")), None)
        if version is None:
            return 0  # nothing is served, so nothing can be asked; the API server drops its objects
        api_version, plural = f"{spec['group']}/{version}", spec["names"]["plural"]
        everywhere = path_of(api_version, plural)
        try:
            found = (await self._client.get(everywhere)).get("items") or []
            for obj in found:
                meta = obj["metadata"]
                if not meta.get("deletionTimestamp"):
                    path = path_of(api_version, plural, meta.get("namespace", ""), meta["name"])
                    await self._client.delete(path, uid=meta["uid"])
            return len((await self._client.get(everywhere)).get("items") or []) if found else 0
        except ApiError as error:
            if error.code == 404:
                return 0  # never established: there are no instances
            raise

    async def _report(self, path: str, crd: Object, left: int) -> None:
        present: list[Object] = (crd.get("status") or {}).get("conditions") or []
        message = f"CustomResource deletion is in progress: {left} instances remain"
        old: Object = next((c for c in present if c["type"] == "Terminating"), {})
        if (old.get("reason"), old.get("message")) == ("InstanceDeletionInProgress", message):
            return
        conditions = [c for c in present if c["type"] != "Terminating"]
        conditions.append(
            {
                "type": "Terminating",
                "status": "True",
                "reason": "InstanceDeletionInProgress",
                "message": message,
                "lastTransitionTime": old.get("lastTransitionTime") or timestamp(),
            }
        )
        await self._client.merge(f"{path}/status", {"status": {"conditions": conditions}})
