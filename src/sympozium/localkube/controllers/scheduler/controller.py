"""Binds pods that have no node, one at a time: the most important first, then in the order in which they came.

One worker: what one pod takes is seen by the next, since the pod as bound is put into the view at
once. A pod that fits nowhere gets the condition PodScheduled False with the reason, and is looked at
again when a node, a claim or another pod changes; one that may push others out does so, and waits for their place.
"""

from collections import Counter

from sympozium.localkube.controllers.api import Client, path_of
from sympozium.localkube.controllers.controller import Controller
from sympozium.localkube.controllers.informer import Informer, Key, key_of
from sympozium.localkube.controllers.job.pods import terminal
from sympozium.localkube.controllers.recorder import record, timestamp
from sympozium.localkube.controllers.scheduler import claims, preemption
from sympozium.localkube.controllers.scheduler.choose import NO_NODES, Choice, choose
from sympozium.localkube.controllers.scheduler.claims import Claims
from sympozium.localkube.controllers.scheduler.fit import Obstacle
from sympozium.localkube.controllers.scheduler.priority import PriorityQueue
from sympozium.localkube.controllers.scheduler.view import View
from sympozium.localkube.controllers.volumes import match
from sympozium.localkube.errors import ApiError
from sympozium.localkube.types import Object

NAME = "default-scheduler"
USER = "system:kube-scheduler"
LOOK_AGAIN = 0.2


class Scheduler:
    """Keys are pods."""

    def __init__(self, client: Client, caches: dict[str, Informer], counts: Counter[tuple[str, str]]) -> None:
        """`caches` has pods, nodes, namespaces, poddisruptionbudgets, and claims, volumes and classes of storage."""
        self._client = client
        self._pods = caches["pods"]
        self._nodes = caches["nodes"]
        self._claims = caches["persistentvolumeclaims"]
        self._volumes = caches["persistentvolumes"]
        self._classes = caches["storageclasses"]
        self._budgets = caches["poddisruptionbudgets"]
        self._unplaced: set[Key] = set()
        self._bound: dict[Key, str] = {}
        """Bound by us, but not yet seen so in the cache: key -> uid."""
        self._view = View(self._pods, self._nodes, caches["namespaces"], self._place_left)
        self.controller: Controller[Key] = Controller(NAME, self.sync, counts)
        self.controller.queue = PriorityQueue(self._rank)
        self._pods.on_change(self._pod_changed)
        self._nodes.on_change(self._node_changed)
        self._claims.on_change(self._claim_changed)

    def _rank(self, key: Key) -> int:
        pod = self._pods.items.get(key)
        return preemption.priority(pod) if pod is not None else 0

    # -- what changes --------------------------------------------------------------------------

    def _pod_changed(self, new: Object | None, old: Object | None) -> None:
        if new is None:
            if old is not None:
                self._unplaced.discard(key_of(old))
                self._bound.pop(key_of(old), None)
                self._view.leave(key_of(old))
            return
        key = key_of(new)
        if node := new["spec"].get("nodeName"):
            self._bound.pop(key, None)
            self._unplaced.discard(key)
            if terminal(new):
                self._view.leave(key)
            else:
                self._view.take(key, node, new)
                if old is None or not old["spec"].get("nodeName"):
                    self._neighbour_came(new)
        elif wanted(new):
            if (new.get("status") or {}).get("nominatedNodeName"):
                self._view.nominate(new, new["status"]["nominatedNodeName"])
            self.controller.queue.add(key)
        else:
            self._view.withdraw(key)
            self._unplaced.discard(key)

    def _neighbour_came(self, _pod: Object) -> None:
        """Whoever waits for a neighbour looks again."""
        for key in self._unplaced:
            waiting = self._pods.items.get(key)
            if waiting is not None and (waiting["spec"].get("affinity") or {}).get("podAffinity"):
                self.controller.queue.add_after(key, LOOK_AGAIN)

    def _place_left(self) -> None:
        """Those that wait look again, once for many places."""
        for key in self._unplaced:
            self.controller.queue.add_after(key, LOOK_AGAIN)

    def _node_changed(self, new: Object | None, old: Object | None) -> None:
        if new is None or old is None or _schedulability(new) != _schedulability(old):
            for key in self._unplaced:
                self.controller.queue.add(key)

    def _claim_changed(self, new: Object | None, old: Object | None) -> None:
        obj = new or old
        if obj is None:
            return
        for key in self._unplaced:
            pod = self._pods.items.get(key)
            same = pod is not None and key[0] == obj["metadata"]["namespace"]
            if pod is not None and same and obj["metadata"]["name"] in match.claims_of(pod):
                self.controller.queue.add(key)

    # -- one pod -------------------------------------------------------------------------------

    async def sync(self, key: Key) -> float | None:
        """Raises ApiError when a request is refused."""
        pod = self._pods.items.get(key)
        if pod is None or not wanted(pod) or self._bound.get(key) == pod["metadata"]["uid"]:
            return None
        storage = claims.look(pod, self._claims.get, lambda name: self._classes.get("", name))
        choice = self._choose(pod, storage)
        if choice.node and storage.waiting:
            self._unplaced.add(key)
            await self._select_node(storage, choice.node)
        elif choice.node:
            await self._bind(pod, choice.node)
        else:
            self._unplaced.add(key)
            await self._refuse(pod, choice, storage)
        return None

    def _choose(self, pod: Object, storage: Claims) -> Choice:
        nodes = self._view.nodes
        if storage.problem and nodes:
            return Choice("", {n["metadata"]["name"]: Obstacle(()) for n in nodes})
        choice = choose(pod, nodes, self._view.loads_for(pod), self._view.world(pod))
        if not choice.node or not (storage.bound or storage.waiting):
            return choice
        problem = self._volume_problem(pod, storage, choice.node)
        return Choice("", {choice.node: problem}) if problem else choice

    def _volume_problem(self, pod: Object, storage: Claims, name: str) -> Obstacle | None:
        """What keeps the pod's volumes from that node. (With several nodes the next try may take another one.)"""
        node = self._nodes.get("", name)
        for claim in storage.bound:
            volume = self._volumes.get("", claim["spec"]["volumeName"])
            if node is not None and not claims.allows(volume, node):
                return Obstacle((claims.NODE_CONFLICT,))
            if "ReadWriteOncePod" in claim["spec"].get("accessModes", ()) and self._used(pod, claim):
                return Obstacle((claims.ONCE,), curable=True)
        for claim in storage.waiting:
            found = self._classes.get("", match.class_of(claim)) or {}
            by_hand = found.get("provisioner") == "kubernetes.io/no-provisioner"
            if by_hand and match.choose(claim, self._volumes.items.values()) is None:
                return Obstacle((claims.NO_VOLUME,))
        return None

    def _used(self, pod: Object, claim: Object) -> bool:
        others = match.users(claim, self._pods.items.values())
        return any(
            other["spec"].get("nodeName") and not terminal(other)
            for other in others
            if other["metadata"]["uid"] != pod["metadata"]["uid"]
        )

    async def _select_node(self, storage: Claims, node: str) -> None:
        """The binder makes the volumes now; the pod is bound when all of its claims are."""
        for claim in storage.waiting:
            if match.annotation(claim, match.SELECTED_NODE) == node:
                continue
            meta = claim["metadata"]
            path = path_of("v1", "persistentvolumeclaims", meta["namespace"], meta["name"])
            patch = {"metadata": {"annotations": {match.SELECTED_NODE: node}}}
            self._claims.observe(await self._client.merge(path, patch))

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
        self._view.take(key, node, pod)
        message = f"Successfully assigned {meta['namespace']}/{meta['name']} to {node}"
        await record(self._client, NAME, pod, "Scheduled", message)

    async def _refuse(self, pod: Object, choice: Choice, storage: Claims) -> None:
        if not choice.obstacles:
            await self._unschedulable(pod, NO_NODES)
            return
        count = len(choice.obstacles)
        text = f"0/{count} nodes are available: {storage.problem}." if storage.problem else choice.message
        world = self._view.whole_world()
        budgets = list(self._budgets.items.values())
        result = preemption.preempt(pod, choice, self._view.loads_for(pod), world, budgets)
        if not result.node:
            await self._unschedulable(pod, f"{text} {preemption.NO_CLAIMS}{result.why}")
            return
        for victim in result.victims:
            await self._push_out(pod, victim, result.node)
        await self._unschedulable(pod, text, nominated=result.node)

    async def _push_out(self, pod: Object, victim: Object, node: str) -> None:
        meta = victim["metadata"]
        path = path_of("v1", "pods", meta["namespace"], meta["name"])
        if meta.get("deletionTimestamp"):
            return
        condition = {
            "type": "DisruptionTarget",
            "status": "True",
            "reason": "PreemptionByScheduler",
            "message": f"{NAME}: preempting to accommodate a higher priority pod",
            "lastTransitionTime": timestamp(),
        }
        conditions = (victim.get("status") or {}).get("conditions") or ()
        others = [c for c in conditions if c["type"] != "DisruptionTarget"]
        try:
            await self._client.merge(f"{path}/status", {"status": {"conditions": [*others, condition]}})
        except ApiError as error:
            if error.code != 404:
                raise
        await self._client.delete(path, uid=meta["uid"])
        text = f"Preempted by pod {pod['metadata']['uid']} on node {node}"
        await record(self._client, NAME, victim, "Preempted", text)

    async def _unschedulable(self, pod: Object, message: str, *, nominated: str = "") -> None:
        meta = pod["metadata"]
        status: Object = pod.get("status") or {}
        conditions: list[Object] = status.get("conditions") or []
        old: Object = next((c for c in conditions if c["type"] == "PodScheduled"), {})
        nominated = nominated or status.get("nominatedNodeName") or ""
        said = (old.get("status"), old.get("message")) == ("False", message)
        if said and nominated == (status.get("nominatedNodeName") or ""):
            return
        made = {
            "type": "PodScheduled",
            "status": "False",
            "reason": "Unschedulable",
            "message": message,
            "lastProbeTime": None,
            "lastTransitionTime": old.get("lastTransitionTime") or timestamp(),
        }
        if meta.get("generation"):
            made["observedGeneration"] = meta["generation"]
        rest = [c for c in conditions if c["type"] != "PodScheduled"]
        patch: Object = {
            "metadata": {"resourceVersion": meta["resourceVersion"]},
            "status": {"conditions": [*rest, made]},
        }
        if nominated:
            patch["status"]["nominatedNodeName"] = nominated
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
