"""The Node object and its heartbeat: what a scheduler and `kubectl get nodes` see.

The Lease in `kube-node-lease` is renewed every ten seconds, the Node's status every five minutes or when it
has changed, as a kubelet does. https://kubernetes.io/docs/concepts/architecture/nodes/#node-heartbeats
"""

import asyncio
import contextlib
import logging
import platform
import socket
from datetime import UTC, datetime
from pathlib import Path

from sympozium import __version__
from sympozium.kube import AlreadyExistsError, Client, KubeError, NotFoundError
from sympozium.kube.resources import LEASES, NODES
from sympozium.node import capacity
from sympozium.node.capacity import Shortage
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
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


class Registration:
    """Keeps the Node and its Lease."""

    def __init__(self, client: Client, settings: Settings, host: Host, images: Catalogue) -> None:
        self._client = client
        self._settings = settings
        self._host = host
        self._images = images
        self.port = 0
        """Of the log endpoint; known before `run`."""
        self._short: list[Shortage] = []
        self._attention = asyncio.Event()
        self.registered = asyncio.Event()

    def _metadata(self) -> Object:
        name = self._settings.name
        arch = _ARCHITECTURES.get(platform.machine(), platform.machine())
        labels = {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "kubernetes.io/arch": arch}
        labels |= {"beta.kubernetes.io/os": "linux", "beta.kubernetes.io/arch": arch}
        facts = [*self._host.facts, *([self._host.reason] if self._host.reason else [])]
        return {
            "name": name,
            "labels": labels | {SANDBOX_LABEL: self._host.level},
            "annotations": {SANDBOX_ANNOTATION: "; ".join(facts)},
        }

    def status(self, *, ready: bool, old: Object | None) -> Object:
        """The Node's status; conditions keep the time of their last change from `old`."""
        settings = self._settings
        wanted = capacity.conditions(self._short)
        if ready:
            wanted.append(("Ready", "True", "KubeletReady", "kubelet is posting ready status"))
        else:
            wanted.append(("Ready", "False", "KubeletNotReady", "the node has been stopped"))
        before = {c["type"]: c for c in (old or {}).get("conditions") or ()}
        conditions = [_condition(before.get(kind), kind, *rest) for kind, *rest in wanted]
        try:
            images = [{"names": [name], "sizeBytes": 0} for name in self._images.names()]
        except CatalogueError as exc:
            _log.warning("%s", exc)
            images = []
        return {
            "capacity": capacity.capacity(settings.data_dir, settings.max_pods),
            "allocatable": capacity.allocatable(settings.data_dir, settings.max_pods),
            "conditions": conditions,
            "addresses": _addresses(settings.name),
            "daemonEndpoints": {"kubeletEndpoint": {"Port": self.port}},
            "images": images,
            "nodeInfo": _node_info(),
        }

    def short_of(self, short: list[Shortage]) -> None:
        """What the machine is short of now; a change is published at once."""
        changed = {s.condition for s in short} != {s.condition for s in self._short}
        self._short = short
        if changed:
            self._attention.set()

    async def run(self) -> None:
        """Register, then keep alive until cancelled. Errors are logged and tried again."""
        loop = asyncio.get_running_loop()
        next_status = loop.time()
        while True:
            try:
                if loop.time() >= next_status or self._attention.is_set():
                    self._attention.clear()
                    await self._post(ready=True)
                    next_status = loop.time() + STATUS_INTERVAL
                await self._renew()
                self.registered.set()
            except KubeError as exc:
                self._attention.set()
                _log.warning("registration of node %s: %s", self._settings.name, exc)
                await asyncio.sleep(1.0)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LEASE_INTERVAL if self.registered.is_set() else 1.0):
                    await self._attention.wait()

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


def _addresses(name: str) -> list[Object]:
    """Where the API server finds this node. Some ask for the host name first: one that leads nowhere is left out."""
    found = [{"type": "InternalIP", "address": HOST_IP}]
    try:
        if socket.gethostbyname(name) == HOST_IP:
            found.append({"type": "Hostname", "address": name})
    except OSError:
        _log.debug("the name %s of this node does not resolve", name)
    return found


def _condition(old: Object | None, kind: str, status: str, reason: str, message: str) -> Object:
    now = timestamp()
    return {
        "type": kind, "status": status, "lastHeartbeatTime": now, "reason": reason, "message": message,
        "lastTransitionTime": old["lastTransitionTime"] if old and old["status"] == status else now,
    }  # fmt: skip


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
        "architecture": _ARCHITECTURES.get(platform.machine(), platform.machine()),
    }
