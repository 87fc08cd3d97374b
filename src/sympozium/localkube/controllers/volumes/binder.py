"""A claim: finds or makes its volume, binds the two, grows them, lets the claim go when no pod uses it.

Binding is four writes (volume's claimRef, volume's phase, claim's volumeName, claim's status), each of which
may be the last before a crash: each is made when it is missing, and the volume's claimRef decides whose it is.
"""

import asyncio
from collections import Counter
from pathlib import Path

from sympozium.localkube.controllers.api import Client, path_of
from sympozium.localkube.controllers.controller import Controller
from sympozium.localkube.controllers.informer import Informer, Key, key_of
from sympozium.localkube.controllers.job.pods import terminal
from sympozium.localkube.controllers.recorder import record
from sympozium.localkube.controllers.volumes import directory, match
from sympozium.localkube.defaults.storage import PVC_PROTECTION, storage
from sympozium.localkube.errors import ApiError
from sympozium.localkube.types import Object

NAME = "persistent-volume-binder"
COMPONENT = "persistentvolume-controller"
PROVISIONER = "sympozium.ai/local-path"
WAIT = "WaitForFirstConsumer"
NONE = "kubernetes.io/no-provisioner"
RETRY = 15.0
_NO_CLASS = "no persistent volumes available for this claim and no storage class is set"
_EXTERNAL = (
    "Waiting for a volume to be created either by the external provisioner '{}' or manually by the system administrator."
    " If volume creation is delayed, please verify that the provisioner is running and correctly registered."
)


class Binder:
    """One key is one claim."""

    def __init__(
        self, client: Client, caches: dict[str, Informer], counts: Counter[tuple[str, str]], root: Path | None
    ) -> None:
        """`caches` has persistentvolumeclaims, persistentvolumes, storageclasses and pods; `root` holds directories."""
        self._client = client
        self._claims = caches["persistentvolumeclaims"]
        self._volumes = caches["persistentvolumes"]
        self._classes = caches["storageclasses"]
        self._pods = caches["pods"]
        self._root = root
        self.controller: Controller[Key] = Controller(NAME, self.sync, counts)
        self._claims.on_change(self._claim_changed)
        self._volumes.on_change(self._volume_changed)
        self._classes.on_change(self._all)
        self._pods.on_change(self._pod_changed)

    def _claim_changed(self, new: Object | None, _old: Object | None) -> None:
        if new is not None:
            self.controller.queue.add(key_of(new))

    def _volume_changed(self, new: Object | None, old: Object | None) -> None:
        for volume in (new, old):
            reference = (volume["spec"].get("claimRef") if volume else None) or {}
            if reference.get("name"):
                self.controller.queue.add((reference.get("namespace", ""), reference["name"]))
        if new is not None and not new["spec"].get("claimRef"):
            self._all(None, None)  # a free volume: somebody may have waited for it

    def _all(self, _new: Object | None, _old: Object | None) -> None:
        for key, claim in self._claims.items.items():
            if (claim.get("status") or {}).get("phase") != "Bound":
                self.controller.queue.add(key)

    def _pod_changed(self, new: Object | None, old: Object | None) -> None:
        obj = new or old
        if obj is None:
            return
        for name in match.claims_of(obj):
            self.controller.queue.add((obj["metadata"]["namespace"], name))

    async def sync(self, key: Key) -> float | None:
        """Raises ApiError when a request is refused."""
        claim = self._claims.items.get(key)
        if claim is None:
            return None
        if claim["metadata"].get("deletionTimestamp"):
            await self._let_go(claim)
            return None
        name = claim["spec"].get("volumeName")
        if match.annotation(claim, match.BIND_COMPLETED):
            return await self._keep(claim, self._volumes.get("", name or ""))
        if name:
            return await self._bind_named(claim, self._volumes.get("", name))
        volume = match.choose(claim, self._volumes.items.values())
        if volume is None:
            return await self._provision(claim)
        if not await self._delayed(claim, volume):
            await self._bind(claim, volume)
        return None

    async def _delayed(self, claim: Object, volume: Object) -> bool:
        """A class that waits for a pod waits with a ready volume too, unless the volume was kept for the claim."""
        found = self._classes.get("", match.class_of(claim))
        if found is None or found.get("volumeBindingMode") != WAIT or volume["spec"].get("claimRef"):
            return False
        if match.annotation(claim, match.SELECTED_NODE):
            return False
        await self._say(claim, WAIT, "waiting for first consumer to be created before binding")
        return True

    # -- bound claims --------------------------------------------------------------------------

    async def _keep(self, claim: Object, volume: Object | None) -> float | None:
        phase = (claim.get("status") or {}).get("phase")
        if volume is None or not match.is_for(volume, claim):
            if phase != "Lost":
                await self._status(claim, {"phase": "Lost", "accessModes": None, "capacity": None})
                text = "Bound claim has lost its PersistentVolume. Data on the volume is lost!"
                if volume is not None:
                    text = "Bound claim has lost reference to PersistentVolume. Data on the volume is lost!"
                await self._say(claim, "ClaimLost", text, warning=True)
            return None
        await self._bind(claim, volume)
        await self._grow(claim, volume)
        return None

    async def _grow(self, claim: Object, volume: Object) -> None:
        """A directory is as large as its disk: growing is writing down the new size."""
        asked = match.requested(claim)
        given = (claim.get("status") or {}).get("capacity")
        if storage({"storage": asked}) <= storage(given) or not given:
            return
        name = volume["metadata"]["name"]
        if storage(volume["spec"].get("capacity")) < storage({"storage": asked}):
            patch = {"spec": {"capacity": {"storage": asked}}}
            self._volumes.observe(
                await self._client.merge(path_of("v1", "persistentvolumes", "", name), patch)
            )
        await self._status(claim, {"capacity": {"storage": asked}})
        meta = claim["metadata"]
        text = f"ExpandVolume succeeded for volume {meta['namespace']}/{meta['name']}"
        await self._say(claim, "VolumeResizeSuccessful", text)

    async def _let_go(self, claim: Object) -> None:
        """The finalizer goes when no pod that is somewhere uses the claim."""
        meta = claim["metadata"]
        finalizers = meta.get("finalizers") or []
        if PVC_PROTECTION not in finalizers:
            return
        for pod in match.users(claim, self._pods.items.values()):
            if pod["spec"].get("nodeName") and not terminal(pod):
                return
        left = [name for name in finalizers if name != PVC_PROTECTION]
        patch = {"metadata": {"finalizers": left or None, "resourceVersion": meta["resourceVersion"]}}
        path = path_of("v1", "persistentvolumeclaims", meta["namespace"], meta["name"])
        try:
            stored = await self._client.merge(path, patch)
        except ApiError as error:
            if error.code != 404:
                raise
            stored = claim
        if left:
            self._claims.observe(stored)
        else:
            self._claims.forget(claim)

    # -- binding -------------------------------------------------------------------------------

    async def _bind_named(self, claim: Object, volume: Object | None) -> float | None:
        if volume is None:
            return None  # it may come yet: its arrival is an event
        if volume["spec"].get("claimRef") and not match.is_for(volume, claim):
            text = f'volume "{volume["metadata"]["name"]}" already bound to a different claim.'
            await self._say(claim, "FailedBinding", text, warning=True)
            return RETRY
        if not match.fits(volume, claim) or match.class_of(volume) != match.class_of(claim):
            text = (
                f'Cannot bind to requested volume "{volume["metadata"]["name"]}": requested PV is too small'
            )
            if match.class_of(volume) != match.class_of(claim):
                text = text.replace("requested PV is too small", "storageClassName does not match")
            elif not set(claim["spec"]["accessModes"]) <= set(volume["spec"]["accessModes"]):
                text = text.replace("requested PV is too small", "incompatible accessMode")
            await self._say(claim, "VolumeMismatch", text, warning=True)
            return RETRY
        await self._bind(claim, volume)
        return None

    async def _bind(self, claim: Object, volume: Object) -> None:
        volume = await self._bind_volume(claim, volume)
        meta, name = claim["metadata"], volume["metadata"]["name"]
        path = path_of("v1", "persistentvolumeclaims", meta["namespace"], meta["name"])
        if not match.annotation(claim, match.BIND_COMPLETED) or claim["spec"].get("volumeName") != name:
            annotations = {match.BIND_COMPLETED: "yes"}
            if not claim["spec"].get("volumeName"):
                annotations[match.BOUND_BY_CONTROLLER] = "yes"
            patch = {
                "metadata": {"annotations": annotations, "resourceVersion": meta["resourceVersion"]},
                "spec": {"volumeName": name},
            }
            claim = await self._client.merge(path, patch)
            self._claims.observe(claim)
        if (claim.get("status") or {}).get("phase") != "Bound":
            await self._status(
                claim,
                {
                    "phase": "Bound",
                    "accessModes": volume["spec"]["accessModes"],
                    "capacity": volume["spec"]["capacity"],
                },
            )

    async def _bind_volume(self, claim: Object, volume: Object) -> Object:
        meta = volume["metadata"]
        path = path_of("v1", "persistentvolumes", "", meta["name"])
        reference = volume["spec"].get("claimRef") or {}
        if reference.get("uid") != claim["metadata"]["uid"]:
            patch: Object = {
                "metadata": {"resourceVersion": meta["resourceVersion"]},
                "spec": {"claimRef": match.reference_to(claim)},
            }
            if not reference:
                patch["metadata"]["annotations"] = {match.BOUND_BY_CONTROLLER: "yes"}
            volume = await self._client.merge(path, patch)
            self._volumes.observe(volume)
        if (volume.get("status") or {}).get("phase") != "Bound":
            volume = await self._client.merge(f"{path}/status", {"status": {"phase": "Bound"}})
            self._volumes.observe(volume)
        return volume

    async def _status(self, claim: Object, status: Object) -> None:
        meta = claim["metadata"]
        path = path_of("v1", "persistentvolumeclaims", meta["namespace"], meta["name"], "status")
        self._claims.observe(await self._client.merge(path, {"status": status}))

    # -- provisioning --------------------------------------------------------------------------

    async def _provision(self, claim: Object) -> float | None:
        name = match.class_of(claim)
        if not name:
            await self._say(claim, "FailedBinding", _NO_CLASS)
            return None
        found = self._classes.get("", name)
        if found is None:
            text = f'storageclass.storage.k8s.io "{name}" not found'
            await self._say(claim, "ProvisioningFailed", text, warning=True)
            return None
        waits = found.get("volumeBindingMode") == WAIT
        if waits and not match.annotation(claim, match.SELECTED_NODE):
            await self._say(claim, WAIT, "waiting for first consumer to be created before binding")
            return None
        provisioner = found["provisioner"]
        if provisioner == NONE:
            return None  # a person makes the volumes of such a class
        if provisioner != PROVISIONER:
            await self._annotate(claim, provisioner)
            await self._say(claim, "ExternalProvisioning", _EXTERNAL.format(provisioner))
            return None
        return await self._make(claim, found)

    async def _annotate(self, claim: Object, provisioner: str) -> None:
        """A provisioner of the user's own looks for this annotation."""
        if match.annotation(claim, match.STORAGE_PROVISIONER) == provisioner:
            return
        meta = claim["metadata"]
        path = path_of("v1", "persistentvolumeclaims", meta["namespace"], meta["name"])
        patch = {"metadata": {"annotations": {match.STORAGE_PROVISIONER: provisioner}}}
        self._claims.observe(await self._client.merge(path, patch))

    async def _make(self, claim: Object, chosen: Object) -> float | None:
        problem = unsupported(claim, chosen)
        if self._root is None:
            problem = "this API server has no directory for volumes"
        if problem or self._root is None:
            text = f'failed to provision volume with StorageClass "{chosen["metadata"]["name"]}": {problem}'
            await self._say(claim, "ProvisioningFailed", text, warning=True)
            return None
        name = f"pvc-{claim['metadata']['uid']}"
        try:
            path = await asyncio.to_thread(directory.make, self._root, name)
        except directory.DirectoryError as error:
            text = f'failed to provision volume with StorageClass "{chosen["metadata"]["name"]}": {error}'
            await self._say(claim, "ProvisioningFailed", text, warning=True)
            return RETRY
        await self._annotate(claim, PROVISIONER)
        try:
            wanted = volume_for(claim, chosen, name, str(path))
            volume = await self._client.create(path_of("v1", "persistentvolumes"), wanted)
        except ApiError as error:
            found = self._volumes.get("", name) if error.code == 409 else None
            if found is None:
                raise
            volume = found
        self._volumes.observe(volume)
        await self._say(claim, "ProvisioningSucceeded", f"Successfully provisioned volume {name}")
        self.controller.queue.add(key_of(claim))
        return None

    async def _say(self, claim: Object, reason: str, text: str, *, warning: bool = False) -> None:
        await record(self._client, COMPONENT, claim, reason, text, warning=warning)


def unsupported(claim: Object, chosen: Object) -> str:
    """What of a claim or a class a directory cannot do, or ""."""
    if claim["spec"].get("volumeMode") == "Block":
        return "a directory is no block device: use volumeMode Filesystem"
    if claim["spec"].get("selector"):
        return "claim Selector is not supported"
    if chosen.get("mountOptions"):
        return "mount options are not supported"
    if chosen.get("parameters"):
        return f"{PROVISIONER} has no parameters, got {', '.join(sorted(chosen['parameters']))}"
    return ""


def volume_for(claim: Object, chosen: Object, name: str, path: str) -> Object:
    """The PersistentVolume of a new directory, kept for its claim from the start."""
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name, "annotations": {match.PROVISIONED_BY: PROVISIONER}},
        "spec": {
            "capacity": {"storage": match.requested(claim)},
            "accessModes": claim["spec"]["accessModes"],
            "hostPath": {"path": path, "type": "DirectoryOrCreate"},
            "claimRef": match.reference_to(claim),
            "persistentVolumeReclaimPolicy": chosen["reclaimPolicy"],
            "storageClassName": chosen["metadata"]["name"],
            "volumeMode": "Filesystem",
        },
    }
