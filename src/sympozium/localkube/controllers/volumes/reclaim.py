"""A volume: its phase, and what becomes of it after its claim.

Retain keeps everything; Delete removes a directory that we made, and its PersistentVolume. A volume that
somebody else made is never emptied: its phase becomes Failed and says so.
"""

import asyncio
from collections import Counter
from pathlib import Path

from sympozium.localkube.controllers.api import Client, path_of
from sympozium.localkube.controllers.controller import Controller
from sympozium.localkube.controllers.informer import Informer
from sympozium.localkube.controllers.recorder import record
from sympozium.localkube.controllers.volumes import directory, match
from sympozium.localkube.controllers.volumes.binder import COMPONENT, PROVISIONER
from sympozium.localkube.defaults.storage import PV_PROTECTION
from sympozium.localkube.errors import ApiError
from sympozium.localkube.types import Object

NAME = "persistent-volume-reclaimer"
RETRY = 15.0


class Reclaimer:
    """One key is the name of a volume."""

    def __init__(
        self, client: Client, caches: dict[str, Informer], counts: Counter[tuple[str, str]], root: Path | None
    ) -> None:
        """`caches` has persistentvolumeclaims and persistentvolumes."""
        self._client = client
        self._claims = caches["persistentvolumeclaims"]
        self._volumes = caches["persistentvolumes"]
        self._root = root
        self.controller: Controller[str] = Controller(NAME, self.sync, counts)
        self._volumes.on_change(self._volume_changed)
        self._claims.on_change(self._claim_changed)

    def _volume_changed(self, new: Object | None, _old: Object | None) -> None:
        if new is not None:
            self.controller.queue.add(new["metadata"]["name"])

    def _claim_changed(self, new: Object | None, old: Object | None) -> None:
        for claim in (new, old):
            if claim is not None and (name := claim["spec"].get("volumeName")):
                self.controller.queue.add(name)

    async def sync(self, name: str) -> float | None:
        """Raises ApiError when a request is refused."""
        volume = self._volumes.get("", name)
        if volume is None:
            return None
        phase = self.phase(volume)
        known = (volume.get("status") or {}).get("phase")
        if phase != known and not (phase == "Released" and known == "Failed"):
            volume = await self._status(volume, {"phase": phase, "message": None, "reason": None})
        ours = match.annotation(volume, match.PROVISIONED_BY) == PROVISIONER
        delete = volume["spec"].get("persistentVolumeReclaimPolicy") == "Delete"
        if phase == "Released" and delete:
            if ours:
                return await self._delete(volume)
            await self._foreign(volume)
            return None
        if volume["metadata"].get("deletionTimestamp") and phase != "Bound":
            await self._let_go(volume)
        return None

    def phase(self, volume: Object) -> str:
        """Available without a claim, Bound with one, Released when its claim is gone."""
        reference = volume["spec"].get("claimRef")
        if not reference:
            return "Available"
        claim = self._claims.get(reference.get("namespace", ""), reference.get("name", ""))
        if not reference.get("uid"):
            return "Available"
        alive = claim is not None and claim["metadata"]["uid"] == reference["uid"]
        return "Bound" if alive else "Released"

    async def _status(self, volume: Object, status: Object) -> Object:
        path = path_of("v1", "persistentvolumes", "", volume["metadata"]["name"], "status")
        stored = await self._client.merge(path, {"status": status})
        self._volumes.observe(stored)
        return stored

    async def _delete(self, volume: Object) -> float | None:
        meta = volume["metadata"]
        try:
            if self._root is not None:
                await asyncio.to_thread(directory.remove, self._root, meta["name"])
        except directory.DirectoryError as error:
            await self._status(volume, {"phase": "Failed", "message": str(error)})
            await record(self._client, COMPONENT, volume, "VolumeFailedDelete", str(error), warning=True)
            return RETRY
        if not meta.get("deletionTimestamp"):
            path = path_of("v1", "persistentvolumes", "", meta["name"])
            await self._client.delete(path, uid=meta["uid"])
        await self._let_go(volume)
        return None

    async def _foreign(self, volume: Object) -> None:
        if (volume.get("status") or {}).get("phase") != "Failed":
            text = "error getting deleter volume plugin for volume "
            text += f'"{volume["metadata"]["name"]}": no deletable volume plugin matched'
            await self._status(volume, {"phase": "Failed", "message": text})
            await record(self._client, COMPONENT, volume, "VolumeFailedDelete", text, warning=True)
        if volume["metadata"].get("deletionTimestamp"):
            await self._let_go(volume)

    async def _let_go(self, volume: Object) -> None:
        name = volume["metadata"]["name"]
        path = path_of("v1", "persistentvolumes", "", name)
        current = await self._client.find(path)
        if current is None:
            self._volumes.forget(volume)
            return
        meta = current["metadata"]
        left = [one for one in meta.get("finalizers") or () if one != PV_PROTECTION]
        if left == (meta.get("finalizers") or []):
            return
        patch = {"metadata": {"finalizers": left or None, "resourceVersion": meta["resourceVersion"]}}
        try:
            stored = await self._client.merge(path, patch)
        except ApiError as error:
            if error.code != 404:
                raise
            self._volumes.forget(volume)
            return
        if left:
            self._volumes.observe(stored)
        else:
            self._volumes.forget(volume)
