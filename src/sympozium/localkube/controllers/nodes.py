"""Nodes that fell silent, and the pods of nodes that are no more.

A node renews its Lease in kube-node-lease. Silent for `GRACE` seconds, its Ready condition becomes
Unknown and it is tainted unreachable, so that nothing new is bound to it; its pods are deleted when
their toleration of that taint is over (300 s unless they say otherwise). A node whose object is gone
takes its pods with it: nobody will report their end, so it is written here. What a node says that it is short
of becomes a taint as well, which a node may not set on itself.
https://kubernetes.io/docs/concepts/architecture/nodes/#node-controller
"""

import asyncio
import datetime as dt
import logging
from collections import Counter

from sympozium.localkube.controllers.api import Client, path_of
from sympozium.localkube.controllers.informer import Informer
from sympozium.localkube.controllers.job.pods import parse_time, terminal
from sympozium.localkube.controllers.recorder import record, timestamp
from sympozium.localkube.controllers.scheduler.fit import tolerates
from sympozium.localkube.errors import ApiError
from sympozium.localkube.types import Object

log = logging.getLogger(__name__)

NAME = "node-controller"
GRACE = 50.0
PERIOD = 10.0
UNREACHABLE = "node.kubernetes.io/unreachable"
PRESSURE = {
    "MemoryPressure": "node.kubernetes.io/memory-pressure",
    "DiskPressure": "node.kubernetes.io/disk-pressure",
    "PIDPressure": "node.kubernetes.io/pid-pressure",
}


class NodeController:
    """`run()` looks every `PERIOD` seconds; `look(now)` is one look."""

    def __init__(
        self,
        client: Client,
        nodes: Informer,
        leases: Informer,
        pods: Informer,
        counts: Counter[tuple[str, str]],
    ) -> None:
        self._client = client
        self._nodes = nodes
        self._leases = leases
        self._pods = pods
        self._counts = counts
        self._missing: set[str] = set()

    async def run(self) -> None:
        while True:
            await asyncio.sleep(PERIOD)
            try:
                await self.look(dt.datetime.now(dt.UTC))
            except ApiError as error:
                self._counts[NAME, "errors"] += 1
                log.warning("nodes: %s; again in %.0f s", error, PERIOD)

    async def look(self, now: dt.datetime) -> None:
        """One look at all nodes and their pods. Raises ApiError."""
        for (_, name), node in list(self._nodes.items.items()):
            await self._look_at(name, node, now)
        await self._orphans()

    async def _look_at(self, name: str, node: Object, now: dt.datetime) -> None:
        silent = silence(node, self._leases.get("kube-node-lease", name), now)
        tainted = taint_of(node)
        if silent > GRACE:
            if tainted is None:
                await self._lost(node)
            else:
                await self._evict(name, tainted, now)
        elif tainted is not None and silent <= GRACE:
            await self._back(node)
        elif (taints := by_conditions(node)) is not None:
            path = path_of("v1", "nodes", "", name)
            self._nodes.observe(await self._client.merge(path, {"spec": {"taints": taints or None}}))

    async def _lost(self, node: Object) -> None:
        path = path_of("v1", "nodes", "", node["metadata"]["name"])
        conditions = [unknown(c) for c in (node.get("status") or {}).get("conditions") or ()]
        await self._client.merge(f"{path}/status", {"status": {"conditions": conditions}})
        taint = {"key": UNREACHABLE, "effect": "NoExecute", "timeAdded": timestamp()}
        taints = [*((node.get("spec") or {}).get("taints") or ()), taint]
        self._nodes.observe(await self._client.merge(path, {"spec": {"taints": taints}}))
        self._counts[NAME, "lost"] += 1
        log.warning("node %s does not renew its lease: it is not ready", node["metadata"]["name"])
        await record(
            self._client,
            NAME,
            node,
            "NodeNotReady",
            "Node is not ready: its lease is not renewed",
            warning=True,
        )

    async def _back(self, node: Object) -> None:
        path = path_of("v1", "nodes", "", node["metadata"]["name"])
        left = [t for t in (node.get("spec") or {}).get("taints") or () if t["key"] != UNREACHABLE]
        self._nodes.observe(await self._client.merge(path, {"spec": {"taints": left or None}}))

    async def _evict(self, name: str, taint: Object, now: dt.datetime) -> None:
        since = (now - parse_time(taint["timeAdded"])).total_seconds() if taint.get("timeAdded") else 0.0
        for pod in list(self._pods.items.values()):
            if (
                pod["spec"].get("nodeName") != name
                or pod["metadata"].get("deletionTimestamp")
                or terminal(pod)
            ):
                continue
            limit = tolerated_seconds(pod, taint)
            if limit is not None and since > limit:
                meta = pod["metadata"]
                await self._client.delete(
                    path_of("v1", "pods", meta["namespace"], meta["name"]), uid=meta["uid"]
                )

    async def _orphans(self) -> None:
        """Pods of nodes without an object: at the second look, since a node may just be registering."""
        gone = {
            node
            for pod in self._pods.items.values()
            if (node := pod["spec"].get("nodeName")) and self._nodes.get("", node) is None
        }
        for pod in list(self._pods.items.values()):
            node = pod["spec"].get("nodeName")
            if node in gone & self._missing:
                await self._end(pod, node)
        self._missing = gone

    async def _end(self, pod: Object, node: str) -> None:
        meta = pod["metadata"]
        path = path_of("v1", "pods", meta["namespace"], meta["name"])
        try:
            if not terminal(pod):
                condition = {
                    "type": "DisruptionTarget",
                    "status": "True",
                    "reason": "DeletionByPodGC",
                    "message": f"PodGC: node {node} no longer exists",
                    "lastTransitionTime": timestamp(),
                }
                others = [
                    c
                    for c in (pod.get("status") or {}).get("conditions") or ()
                    if c["type"] != "DisruptionTarget"
                ]
                status = {"phase": "Failed", "reason": "NodeLost", "conditions": [*others, condition]}
                self._pods.observe(await self._client.merge(f"{path}/status", {"status": status}))
            await self._client.delete(path, uid=meta["uid"], grace=0)
        except ApiError as error:
            if error.code != 404:
                raise
        self._counts[NAME, "orphans"] += 1


def silence(node: Object, lease: Object | None, now: dt.datetime) -> float:
    """Seconds since the node was last heard: lease, heartbeat of its Ready condition, or registration."""
    heard = [node["metadata"]["creationTimestamp"]]
    if lease is not None and (renewed := (lease.get("spec") or {}).get("renewTime")):
        heard.append(renewed)
    heard += [
        c["lastHeartbeatTime"]
        for c in (node.get("status") or {}).get("conditions") or ()
        if c["type"] == "Ready" and c.get("lastHeartbeatTime")
    ]
    return (now - max(parse_time(stamp) for stamp in heard)).total_seconds()


def by_conditions(node: Object) -> list[Object] | None:
    """The taints that a node should have for its pressure conditions, None when it has them."""
    present: list[Object] = (node.get("spec") or {}).get("taints") or []
    conditions = (node.get("status") or {}).get("conditions") or ()
    short = {PRESSURE[c["type"]] for c in conditions if c["type"] in PRESSURE and c["status"] == "True"}
    kept = [t for t in present if t["key"] not in PRESSURE.values() or t["key"] in short]
    missing = sorted(short - {taint["key"] for taint in kept})
    if not missing and len(kept) == len(present):
        return None
    return [*kept, *({"key": key, "effect": "NoSchedule"} for key in missing)]


def taint_of(node: Object) -> Object | None:
    taints: list[Object] = (node.get("spec") or {}).get("taints") or []
    return next((taint for taint in taints if taint["key"] == UNREACHABLE), None)


def unknown(condition: Object) -> Object:
    """A condition that the node wrote, as it is when the node cannot be heard."""
    if condition["status"] == "Unknown":
        return condition
    return {
        **condition,
        "status": "Unknown",
        "reason": "NodeStatusUnknown",
        "message": "Node stopped posting node status.",
        "lastTransitionTime": timestamp(),
    }


def tolerated_seconds(pod: Object, taint: Object) -> float | None:
    """How long the pod tolerates the taint: 0 not at all, None for ever."""
    found = [t for t in pod["spec"].get("tolerations") or () if tolerates(t, taint)]
    if not found:
        return 0.0
    bounds = [t["tolerationSeconds"] for t in found if t.get("tolerationSeconds") is not None]
    return float(min(bounds)) if bounds else None
