"""The cluster below: versions, clocks, storage, and whether our own pods are up."""

import re
from datetime import UTC, datetime
from typing import Final

from sympozium import __version__
from sympozium.actions import probepods
from sympozium.actions.doctor.finding import Finding
from sympozium.actions.doctor.installation import of_one_machine
from sympozium.api.base import Object
from sympozium.api.meta import SYSTEM_NAMESPACE
from sympozium.kube import Client
from sympozium.kube.conditions import parse_time
from sympozium.kube.resources import CONFIG_MAPS, DEPLOYMENTS, PODS, STATEFUL_SETS, STORAGE_CLASSES, selector

OLDEST: Final = (1, 30)
"""The first with match conditions of webhooks as stable; sidecars that are init containers came with 1.29."""
_SKEW: Final = 30
"""Seconds between two clocks above which leases, tokens and certificates go wrong one after the other."""
_DEFAULT_CLASS: Final = "storageclass.kubernetes.io/is-default-class"


async def versions(client: Client, _namespace: str) -> Finding:
    found = str((await client.request("GET", "/version"))["gitVersion"])
    words = f"{client.access.server}, version {found}; this is sympozium {__version__}"
    number = re.match(r"v?(\d+)\.(\d+)", found)
    if number and (int(number[1]), int(number[2])) < OLDEST:
        return Finding(False, words, f"upgrade the cluster to {OLDEST[0]}.{OLDEST[1]} or newer")
    return Finding(True, words)


async def clock(client: Client, namespace: str) -> Finding:
    """The API server's against this machine's: what it stamps on an object that it does not keep."""
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"generateName": "doctor-"}}
    before = datetime.now(UTC)
    made = await client.request("POST", CONFIG_MAPS.path(namespace), body=body, query={"dryRun": "All"})
    after = datetime.now(UTC)
    stamped = parse_time(made["metadata"]["creationTimestamp"])
    # Stamps have whole seconds.
    apart = max((before - stamped).total_seconds() - 1, (stamped - after).total_seconds(), 0)
    if apart > _SKEW:
        words = f"the API server's clock is {apart:.0f} s {'behind' if stamped < before else 'ahead of'} this machine's"
        return Finding(False, words, "set both by NTP: leases, tokens and certificates depend on it")
    return Finding(True, "the API server's agrees with this machine's")


async def storage(client: Client, _namespace: str) -> Finding:
    classes = await client.list(STORAGE_CLASSES)
    chosen = [
        c["metadata"]["name"]
        for c in classes
        if (c["metadata"].get("annotations") or {}).get(_DEFAULT_CLASS) == "true"
    ]
    if chosen:
        return Finding(True, f"the default StorageClass is {', '.join(chosen)}")
    if await of_one_machine(client):
        return Finding(True, "the disk of this machine")
    there = ", ".join(c["metadata"]["name"] for c in classes) or "none"
    words = f"no StorageClass is the default; there is: {there}"
    return Finding(
        None, words, f"mark one with the annotation {_DEFAULT_CLASS}, or name one in the values of the chart"
    )


async def workloads(client: Client, _namespace: str) -> Finding:
    """Deployments and the like in the system namespace, with what keeps a pod of them from being ready."""
    found = [
        (f"{resource.kind} {workload['metadata']['name']}", workload)
        for resource in (DEPLOYMENTS, STATEFUL_SETS)
        for workload in await client.list(resource, SYSTEM_NAMESPACE)
    ]
    if not found:
        if await of_one_machine(client):
            return Finding(True, "the parts are processes of this machine")
        words = f"nothing of ours is deployed in {SYSTEM_NAMESPACE}"
        return Finding(None, words, "sympozium install; or set SYMPOZIUM_NAMESPACE to where it is")
    bad = []
    for title, workload in found:
        wanted = workload["spec"].get("replicas")
        wanted = 1 if wanted is None else wanted
        ready = (workload.get("status") or {}).get("readyReplicas") or 0
        if ready < wanted:
            bad.append(f"{title} has {ready} of {wanted} pods ready{await _why(client, workload)}")
    if bad:
        return Finding(False, "; ".join(bad), _cure(bad))
    return Finding(True, ", ".join(f"{title} ({w['spec'].get('replicas', 1)})" for title, w in found))


async def _why(client: Client, workload: Object) -> str:
    """What the first pod that is not ready waits for."""
    labels = (workload["spec"].get("selector") or {}).get("matchLabels") or {}
    pods = await client.list(PODS, SYSTEM_NAMESPACE, labels=selector(labels)) if labels else []
    for pod in pods:
        ready = any(
            c["type"] == "Ready" and c["status"] == "True"
            for c in (pod.get("status") or {}).get("conditions") or ()
        )
        if not ready:
            return f" ({pod['metadata']['name']}: {probepods.state(pod)})"
    return "" if pods else " (no pod was made)"


def _cure(bad: list[str]) -> str:
    if any(word in "; ".join(bad) for word in ("ImagePull", "ErrImage", "InvalidImageName")):
        return "see that the nodes reach image.registry of the chart, that it has this tag, and image.pullSecrets"
    return f"kubectl -n {SYSTEM_NAMESPACE} describe pods; kubectl -n {SYSTEM_NAMESPACE} get events"
