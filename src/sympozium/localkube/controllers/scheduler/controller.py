"""Binds pods that have no node, one at a time, in the order in which they came.

One worker: what one pod takes is seen by the next, since the pod as bound is put into the cache at
once. A pod that fits nowhere gets the condition PodScheduled False with the reason, and is looked at
again when a node changes or a pod leaves.
"""

from collections import Counter
from decimal import Decimal

from sympozium.localkube.controllers.api import Client, path_of
from sympozium.localkube.controllers.controller import Controller
from sympozium.localkube.controllers.informer import Informer, Key, key_of
from sympozium.localkube.controllers.job.pods import terminal
from sympozium.localkube.controllers.recorder import record, timestamp
from sympozium.localkube.controllers.scheduler.fit import Load, choose, requests
from sympozium.localkube.errors import ApiError
from sympozium.localkube.types import Object

NAME = "default-scheduler"
USER = "system:kube-scheduler"
LOOK_AGAIN = 0.2


class Scheduler:
    """Keys are pods."""

    def __init__(
        self, client: Client, pods: Informer, nodes: Informer, counts: Counter[tuple[str, str]]
    ) -> None:
        self._client = client
        self._pods = pods
        self._nodes = nodes
        self._unplaced: set[Key] = set()
        self._placed: dict[Key, tuple[str, dict[str, Decimal]]] = {}
        self._loads: dict[str, Load] = {}
        self._bound: dict[Key, str] = {}
        """Bound by us, but not yet seen so in the cache: key -> uid."""
        self.controller: Controller[Key] = Controller(NAME, self.sync, counts)
        pods.on_change(self._pod_changed)
        nodes.on_change(self._node_changed)

    def _pod_changed(self, new: Object | None, old: Object | None) -> None:
        if new is None:
            if old is not None:
                self._unplaced.discard(key_of(old))
                self._bound.pop(key_of(old), None)
                self._leave(key_of(old))
            return
        key = key_of(new)
        if node := new["spec"].get("nodeName"):
            self._bound.pop(key, None)
            self._unplaced.discard(key)
            if terminal(new):
                self._leave(key)
            else:
                self._take(key, node, new)
        elif wanted(new):
            self.controller.queue.add(key)

    def _take(self, key: Key, node: str, pod: Object) -> None:
        """The pod has its place on a node."""
        if key not in self._placed:
            asked = requests(pod)
            self._placed[key] = node, asked
            self._loads.setdefault(node, Load()).add(asked)

    def _leave(self, key: Key) -> None:
        """The pod's place is free; those that wait look again, not for each one of many."""
        placed = self._placed.pop(key, None)
        if placed is not None:
            self._loads[placed[0]].remove(placed[1])
            for waiting in self._unplaced:
                self.controller.queue.add_after(waiting, LOOK_AGAIN)

    def _node_changed(self, new: Object | None, old: Object | None) -> None:
        if new is None or old is None or _schedulability(new) != _schedulability(old):
            for key in self._unplaced:
                self.controller.queue.add(key)

    async def sync(self, key: Key) -> float | None:
        pod = self._pods.items.get(key)
        if pod is None or not wanted(pod) or self._bound.get(key) == pod["metadata"]["uid"]:
            return None
        choice = choose(pod, list(self._nodes.items.values()), self._loads)
        if choice.node:
            await self._bind(pod, choice.node)
        else:
            self._unplaced.add(key)
            await self._unschedulable(pod, choice.message)
        return None

    async def _bind(self, pod: Object, node: str) -> None:
        meta = pod["metadata"]
        binding = {
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": {"name": meta["name"], "namespace": meta["namespace"], "uid": meta["uid"]},
            "target": {"apiVersion": "v1", "kind": "Node", "name": node},
        }
        try:
            await self._client.create(
                path_of("v1", "pods", meta["namespace"], meta["name"], "binding"), binding
            )
        except ApiError as error:
            if error.code in {404, 409}:  # gone, or bound by somebody else: the watch will say
                return
            raise
        key = key_of(pod)
        self._bound[key] = meta["uid"]
        self._unplaced.discard(key)
        self._take(key, node, pod)
        message = f"Successfully assigned {meta['namespace']}/{meta['name']} to {node}"
        await record(self._client, NAME, pod, "Scheduled", message)

    async def _unschedulable(self, pod: Object, message: str) -> None:
        meta = pod["metadata"]
        conditions: list[Object] = (pod.get("status") or {}).get("conditions") or []
        old: Object = next((c for c in conditions if c["type"] == "PodScheduled"), {})
        if (old.get("status"), old.get("message")) == ("False", message):
            return
        made = {
            "type": "PodScheduled",
            "status": "False",
            "reason": "Unschedulable",
            "message": message,
            "lastProbeTime": None,
            "lastTransitionTime": old.get("lastTransitionTime") or timestamp(),
        }
        rest = [c for c in conditions if c["type"] != "PodScheduled"]
        patch = {
            "metadata": {"resourceVersion": meta["resourceVersion"]},
            "status": {"conditions": [*rest, made]},
        }
        path = path_of("v1", "pods", meta["namespace"], meta["name"], "status")
        try:
            self._pods.observe(await self._client.merge(path, patch))
        except ApiError as error:
            if error.code == 404:
                return
            raise
        await record(self._client, NAME, pod, "FailedScheduling", message, warning=True)


def wanted(pod: Object) -> bool:
    """Whether the pod waits for a node from this scheduler."""
    spec = pod["spec"]
    return (
        not spec.get("nodeName")
        and not pod["metadata"].get("deletionTimestamp")
        and not terminal(pod)
        and not spec.get("schedulingGates")
        and (spec.get("schedulerName") or NAME) == NAME
    )


def _schedulability(node: Object) -> tuple[object, ...]:
    """What of a node matters here: heartbeats do not."""
    spec, status = node.get("spec") or {}, node.get("status") or {}
    conditions = [(c["type"], c["status"]) for c in status.get("conditions") or ()]
    return spec, conditions, status.get("allocatable"), node["metadata"].get("labels")
