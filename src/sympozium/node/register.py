"""The Node object and its heartbeat: what a scheduler and `kubectl get nodes` see.

The Lease in `kube-node-lease` is renewed every ten seconds, the Node's status every five minutes or when it
has changed, as a kubelet does. https://kubernetes.io/docs/concepts/architecture/nodes/#node-heartbeats
"""

import asyncio
import logging
import os
import platform
import shutil
from datetime import UTC, datetime
from pathlib import Path

from sympozium import __version__, quantities
from sympozium.kube import AlreadyExistsError, Client, KubeError, NotFoundError
from sympozium.kube.resources import LEASES, NODES
from sympozium.node.host import Host
from sympozium.node.images import Catalogue, CatalogueError
from sympozium.node.machine import Settings
from sympozium.node.objects import Object, timestamp

_log = logging.getLogger(__name__)

LEASE_NAMESPACE = "kube-node-lease"
LEASE_INTERVAL, LEASE_DURATION = 10.0, 40
STATUS_INTERVAL = 300.0
SANDBOX_LABEL = "node.sympozium.ai/sandbox"
SANDBOX_ANNOTATION = "node.sympozium.ai/sandbox-facts"
HOST_IP = "127.0.0.1"


def capacity(data_dir: Path, max_pods: int) -> dict[str, str]:
    """What the machine has, as quantities."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "cpu": str(len(os.sched_getaffinity(0))),
        "memory": quantities.render_bytes(quantities.parse(str(memory // 1024 * 1024))),
        "ephemeral-storage": str(shutil.disk_usage(data_dir).total),
        "pods": str(max_pods),
    }


class Registration:
    """Keeps the Node and its Lease."""

    def __init__(self, client: Client, settings: Settings, host: Host, images: Catalogue, port: int) -> None:
        self._client = client
        self._settings = settings
        self._host = host
        self._images = images
        self._port = port
        self.registered = asyncio.Event()

    def _metadata(self) -> Object:
        name = self._settings.name
        arch = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
        labels = {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "kubernetes.io/arch": arch}
        facts = [*self._host.facts, *([self._host.reason] if self._host.reason else [])]
        return {
            "name": name,
            "labels": labels | {SANDBOX_LABEL: self._host.level},
            "annotations": {SANDBOX_ANNOTATION: "; ".join(facts)},
        }

    def status(self, *, ready: bool, old: Object | None) -> Object:
        """The Node's status; conditions keep the time of their last change from `old`."""
        total = capacity(self._settings.data_dir, self._settings.max_pods)
        before = next((c for c in ((old or {}).get("conditions") or ()) if c["type"] == "Ready"), None)
        now, value = timestamp(), "True" if ready else "False"
        condition = {
            "type": "Ready",
            "status": value,
            "lastHeartbeatTime": now,
            "lastTransitionTime": before["lastTransitionTime"]
            if before and before["status"] == value
            else now,
            "reason": "KubeletReady" if ready else "KubeletNotReady",
            "message": "the node is posting ready status" if ready else "the node has been stopped",
        }
        try:
            images = [{"names": [name], "sizeBytes": 0} for name in self._images.names()]
        except CatalogueError as exc:
            _log.warning("%s", exc)
            images = []
        return {
            "capacity": total,
            "allocatable": total,
            "conditions": [condition],
            "addresses": [
                {"type": "InternalIP", "address": HOST_IP},
                {"type": "Hostname", "address": self._settings.name},
            ],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": self._port}},
            "images": images,
            "nodeInfo": _node_info(),
        }

    async def run(self) -> None:
        """Register, then keep alive until cancelled. Errors are logged and tried again."""
        loop = asyncio.get_running_loop()
        next_status = loop.time()
        while True:
            try:
                if loop.time() >= next_status:
                    await self._post(ready=True)
                    next_status = loop.time() + STATUS_INTERVAL
                await self._renew()
                self.registered.set()
            except KubeError as exc:
                _log.warning("registration of node %s: %s", self._settings.name, exc)
            await asyncio.sleep(LEASE_INTERVAL if self.registered.is_set() else 1.0)

    async def retire(self) -> None:
        """Say that the node stops. Raises KubeError."""
        await self._post(ready=False)

    async def _post(self, *, ready: bool) -> None:
        name, meta = self._settings.name, self._metadata()
        old = await self._client.find(NODES, name)
        if old is None:
            node = {"apiVersion": "v1", "kind": "Node", "metadata": meta}
            try:
                old = await self._client.create(NODES, node)
            except AlreadyExistsError:
                old = await self._client.get(NODES, name)
        patch = {"metadata": {key: meta[key] for key in ("labels", "annotations")}}
        await self._client.patch(NODES, name, None, patch, kind="merge")
        status = self.status(ready=ready, old=old.get("status"))
        await self._client.patch(
            NODES, name, None, {"status": status}, kind="strategic", subresource="status"
        )

    async def _renew(self) -> None:
        name = self._settings.name
        spec = {
            "holderIdentity": name,
            "leaseDurationSeconds": LEASE_DURATION,
            "renewTime": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        }
        try:
            await self._client.patch(LEASES, name, LEASE_NAMESPACE, {"spec": spec})
        except NotFoundError:
            meta = {"name": name, "namespace": LEASE_NAMESPACE}
            body = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": meta, "spec": spec}
            await self._client.create(LEASES, body)


def _node_info() -> Object:
    def read(path: str) -> str:
        try:
            return Path(path).read_text().strip()
        except OSError:
            return ""

    system = read("/etc/os-release")
    pretty = next(
        (
            line.partition("=")[2].strip('"')
            for line in system.splitlines()
            if line.startswith("PRETTY_NAME=")
        ),
        "Linux",
    )
    return {
        "machineID": read("/etc/machine-id"),
        "systemUUID": read("/etc/machine-id"),
        "bootID": read("/proc/sys/kernel/random/boot_id"),
        "kernelVersion": platform.release(),
        "osImage": pretty,
        "containerRuntimeVersion": "bwrap://",
        "kubeletVersion": f"v{__version__}-sympozium",
        "kubeProxyVersion": "",
        "operatingSystem": "linux",
        "architecture": platform.machine(),
    }
