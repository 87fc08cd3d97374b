"""What all pods of this node share: the host, the images, the API server, the settings."""

import asyncio
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit

from sympozium.kube import Client, KubeError
from sympozium.kube.events import Recorder
from sympozium.kube.resources import (
    CONFIG_MAPS,
    NETWORK_POLICIES,
    PERSISTENT_VOLUME_CLAIMS,
    PERSISTENT_VOLUMES,
    PODS,
    RUNTIME_CLASSES,
    SECRETS,
    SERVICE_ACCOUNTS,
)
from sympozium.node import mounts, volumes
from sympozium.node.env import ConfigError, NodeFacts, Ref
from sympozium.node.host import Host
from sympozium.node.images import Catalogue
from sympozium.node.objects import Object

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Settings:
    """Of the command line."""

    name: str
    data_dir: Path
    max_pods: int = 110
    pod_pids_limit: int = 1024
    allow_host_path: bool = False
    sync_period: float = 60.0
    eviction_period: float = 10.0
    ignore_network_policies: bool = False


class Machine:
    """The node as its pods see it."""

    def __init__(
        self,
        settings: Settings,
        host: Host,
        images: Catalogue,
        client: Client,
        recorder: Recorder,
        facts: NodeFacts,
    ) -> None:
        self.settings = settings
        self.host = host
        self.images = images
        self.facts = facts
        self.pods = Path(host.stage(str(settings.data_dir))) / "pods"
        self._client = client
        self._recorder = recorder
        self._memory: set[Path] = set()
        self._policies: dict[str, asyncio.Future[list[Object]]] = {}
        self.service_env = _service_env(client.access.server)
        self.api_server = (
            self.service_env["KUBERNETES_SERVICE_HOST"],
            int(self.service_env["KUBERNETES_SERVICE_PORT"]),
        )

    @property
    def allow_host_path(self) -> bool:
        return self.settings.allow_host_path

    @property
    def pod_pids_limit(self) -> int:
        return self.settings.pod_pids_limit

    @property
    def sync_period(self) -> float:
        return self.settings.sync_period

    def event(self, pod: Object, kind: str, reason: str, message: str) -> None:
        self._recorder.event(pod, "Warning" if kind == "Warning" else "Normal", reason, message)

    async def fetch(self, namespace: str, ref: Ref) -> Object | None:
        """A Secret or ConfigMap, None when there is none. Raises ConfigError when it cannot be read."""
        kind, name = ref
        try:
            return await self._client.find(SECRETS if kind == "Secret" else CONFIG_MAPS, name, namespace)
        except KubeError as exc:
            raise ConfigError(f"{kind} {namespace}/{name} cannot be read: {exc}") from exc

    async def patch_status(self, pod: Object, status: Object) -> Object:
        """Raises KubeError; ConflictError when the pod of that name is another one by now."""
        meta = pod["metadata"]
        # A patch that does not name a field keeps it: "Ready" would stay true for the reason why it was not.
        conditions = [{"reason": None, "message": None, **c} for c in status.get("conditions") or ()]
        now = {"podIPs": pod_ips(status, pod.get("status") or {})} if "podIPs" in status else {}
        patch = {"metadata": {"uid": meta["uid"]}, "status": {**status, **now, "conditions": conditions}}
        return await self._client.patch(
            PODS, meta["name"], meta["namespace"], patch, kind="strategic", subresource="status"
        )

    async def network_policies(self, namespace: str) -> list[Object]:
        """Read anew each time: a policy made just before a pod must hold for it. Raises OSError."""
        if self.settings.ignore_network_policies:
            return []
        try:
            return await self._client.list(NETWORK_POLICIES, namespace)
        except KubeError as exc:
            raise OSError(f"network policies of namespace {namespace} cannot be read: {exc}") from exc

    async def shared_policies(self, namespace: str) -> list[Object]:
        """The same, read once for all who ask before `forget_policies`: after a change many pods do at once."""
        if namespace not in self._policies:
            self._policies[namespace] = asyncio.ensure_future(self.network_policies(namespace))
        reading = self._policies[namespace]
        try:
            return await asyncio.shield(reading)
        except OSError:
            if self._policies.get(namespace) is reading:
                del self._policies[namespace]
            raise

    def forget_policies(self, namespace: str) -> None:
        """They have changed."""
        self._policies.pop(namespace, None)

    async def handler(self, runtime_class: str) -> str | None:
        """The handler of a RuntimeClass, None when there is no such class. Raises OSError."""
        try:
            found = await self._client.find(RUNTIME_CLASSES, runtime_class)
        except KubeError as exc:
            raise OSError(f'RuntimeClass "{runtime_class}" cannot be read: {exc}') from exc
        return None if found is None else str(found.get("handler", ""))

    def volume_access(self, pod: Object) -> volumes.Access:
        namespace = pod["metadata"]["namespace"]

        async def fetch(ref: Ref) -> Object | None:
            return await self.fetch(namespace, ref)

        async def find(what: str, name: str) -> Object | None:
            try:
                if what == "claim":
                    return await self._client.find(PERSISTENT_VOLUME_CLAIMS, name, namespace)
                return await self._client.find(PERSISTENT_VOLUMES, name)
            except KubeError as exc:
                raise ConfigError(f"{what} {name} cannot be read: {exc}") from exc

        return volumes.Access(fetch, self._token, find, self._memory_volume)

    async def _token(self, pod: Object, audience: str, seconds: int) -> tuple[str, datetime]:
        meta = pod["metadata"]
        spec: Object = {
            "expirationSeconds": seconds,
            "boundObjectRef": {"apiVersion": "v1", "kind": "Pod", "name": meta["name"], "uid": meta["uid"]},
        }
        if audience:
            spec["audiences"] = [audience]
        account = pod["spec"].get("serviceAccountName") or "default"
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
        path = SERVICE_ACCOUNTS.path(meta["namespace"], account, "token")
        try:
            answer = await self._client.request("POST", path, body=body)
        except KubeError as exc:
            raise ConfigError(f"failed to fetch token: {exc}") from exc
        return answer["status"]["token"], volumes.token_expiry(answer)

    def _memory_volume(self, path: Path, size: int | None) -> bool:
        if not isinstance(self.host.stage, mounts.Stage):
            return False
        mounts.mount_memory(path, size)
        self._memory.add(path)
        return True

    def unmount_below(self, directory: Path) -> None:
        """Detach the memory volumes of a pod, before its directory is removed."""
        for path in [p for p in self._memory if p.is_relative_to(directory)]:
            mounts.unmount(path)
            self._memory.discard(path)

    def note_predecessor(self, pods: list[str]) -> None:
        if pods:
            _log.info("cleaned up after a node that was killed: %s", json.dumps(pods))


def pod_ips(new: Object, old: Object) -> list[Object]:
    """Addresses for a strategic merge patch, which otherwise adds to those that are there."""
    wanted = {item["ip"] for item in new["podIPs"]}
    gone = [item for item in old.get("podIPs") or () if item["ip"] not in wanted]
    return [*new["podIPs"], *({"ip": item["ip"], "$patch": "delete"} for item in gone)]


def _service_env(server: str) -> Mapping[str, str]:
    """How a client in a pod finds the API server."""
    url = urlsplit(server)
    port = str(url.port or (443 if url.scheme == "https" else 80))
    return {
        "KUBERNETES_SERVICE_HOST": url.hostname or "",
        "KUBERNETES_SERVICE_PORT": port,
        "KUBERNETES_SERVICE_PORT_HTTPS": port,
    }
