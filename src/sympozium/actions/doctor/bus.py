"""The event bus: does it answer, and does it keep what it takes."""

import asyncio
import base64
import json
from typing import Final
from urllib.parse import urlsplit

from sympozium.actions.bus import near
from sympozium.actions.doctor.finding import Finding
from sympozium.actions.doctor.installation import of_one_machine
from sympozium.actions.errors import ActionError
from sympozium.api.base import Object
from sympozium.api.meta import SYSTEM_NAMESPACE
from sympozium.kube import Client, ForbiddenError
from sympozium.kube.resources import CONFIG_MAPS, PERSISTENT_VOLUME_CLAIMS, SECRETS, STATEFUL_SETS

_TIMEOUT: Final = 5.0
_NAME: Final = "sympozium-nats"
_CONFIGURATION: Final = "sympozium-nats-config"
_WRITTEN: Final = (
    f"the controllers write it when they start: kubectl logs -n {SYSTEM_NAMESPACE} deployment/sympozium-controller (on one"
    " machine: sympozium down, sympozium up)"
)


async def reachable(client: Client, _namespace: str) -> Finding:
    found = await client.find(CONFIG_MAPS, "sympozium-bus", SYSTEM_NAMESPACE)
    if found is None:
        words = f"ConfigMap sympozium-bus is not in {SYSTEM_NAMESPACE}"
        return Finding(False, words, _WRITTEN)
    address = found["data"]["url"]
    try:
        async with near(client, address) as url:
            return await _greeting(url, "" if url == address else ", through the Kubernetes API")
    except ActionError as error:
        return Finding(
            None, f"{address} is not to be reached from here: {error}", "runs reach it from their pods"
        )


async def _greeting(url: str, how: str) -> Finding:
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or 4222
    try:
        async with asyncio.timeout(_TIMEOUT):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                greeting = await reader.readline()
            finally:
                writer.close()
    except (OSError, TimeoutError) as error:
        # A name of one word, or of two, is one of a cluster.
        inside = host.endswith((".svc", ".cluster.local")) or (
            host.count(".") <= 1 and not host[:1].isdigit()
        )
        words = f"{host}:{port} does not answer: {str(error) or 'no greeting within 5 s'}"
        cure = "a name of the cluster: not to be reached from here" if inside else "is nats-server running?"
        return Finding(None if inside else False, words, cure)
    if not greeting.startswith(b"INFO "):
        return Finding(
            False, f"what answers at {host}:{port} is no NATS server", "see url of ConfigMap sympozium-bus"
        )
    return Finding(True, f"nats-server {json.loads(greeting[5:])['version']} at {host}:{port}{how}")


async def durable(client: Client, _namespace: str) -> Finding:
    """Servers on volumes of their own, which sync every write before they acknowledge it."""
    servers = await client.find(STATEFUL_SETS, _NAME, SYSTEM_NAMESPACE)
    if servers is None:
        if await of_one_machine(client):
            return Finding(True, "nats-server of this machine keeps its streams in the data directory")
        words = f"there is no StatefulSet {_NAME} in {SYSTEM_NAMESPACE}: whether another bus keeps what it takes, its own say"
        return Finding(None, words, "its streams need file storage, and sync_interval always")
    wanted, ready = _replicas(servers)
    if not servers["spec"].get("volumeClaimTemplates"):
        words = f"StatefulSet {_NAME} has no volume of its own: a pod that moves loses what it has taken"
        return Finding(False, words, "install it from the chart, which gives it one")
    unbound = await _unbound(client, servers, wanted)
    if unbound:
        cure = "see its events, and whether there is a default StorageClass; or set nats.persistence.storageClass"
        return Finding(False, "; ".join(unbound), f"{cure} (kubectl -n {SYSTEM_NAMESPACE} describe pvc)")
    if unsafe := await _unsafe(client):
        return Finding(False, unsafe, f"delete Secret {_CONFIGURATION}: the next controller makes it anew")
    if ready < wanted:
        words = f"{ready} of {wanted} servers are ready"
        cure = f"kubectl -n {SYSTEM_NAMESPACE} get pods; kubectl -n {SYSTEM_NAMESPACE} logs {_NAME}-0"
        # With a majority the streams go on, and one more failure stops them.
        return Finding(False, words, cure)
    return Finding(True, f"{ready} of {wanted} servers, each on a volume of its own, each write synced")


def _replicas(workload: Object) -> tuple[int, int]:
    """How many are wanted, and how many are ready."""
    wanted = workload["spec"].get("replicas")
    return 1 if wanted is None else int(wanted), int((workload.get("status") or {}).get("readyReplicas") or 0)


async def _unbound(client: Client, servers: Object, wanted: int) -> list[str]:
    """What claims of the servers have no volume, in words."""
    claims = {
        claim["metadata"]["name"]: (claim.get("status") or {}).get("phase") or "Pending"
        for claim in await client.list(PERSISTENT_VOLUME_CLAIMS, SYSTEM_NAMESPACE)
    }
    names = [
        f"{template['metadata']['name']}-{_NAME}-{number}"
        for template in servers["spec"]["volumeClaimTemplates"]
        for number in range(wanted)
    ]
    found = {name: claims.get(name, "not there") for name in names}
    return [f"PersistentVolumeClaim {name} is {phase}" for name, phase in found.items() if phase != "Bound"]


async def _unsafe(client: Client) -> str:
    """What a configuration says that loses what was acknowledged; empty also for who may not read it."""
    try:
        found = await client.find(SECRETS, _CONFIGURATION, SYSTEM_NAMESPACE)
    except ForbiddenError:
        return ""
    for file, text in ((found or {}).get("data") or {}).items():
        if file.endswith(".conf") and "sync_interval: always" not in base64.b64decode(text).decode():
            return f"{file} in Secret {_CONFIGURATION} does not sync every write: a power cut loses what was acknowledged"
    return ""
