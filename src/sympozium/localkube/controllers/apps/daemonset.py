"""DaemonSets: does what `daemons` says."""

import datetime as dt
from collections import Counter

from sympozium.localkube.controllers.api import Client
from sympozium.localkube.controllers.apps import nodes
from sympozium.localkube.controllers.apps.children import Children, claim
from sympozium.localkube.controllers.apps.daemons import Plan, decide
from sympozium.localkube.controllers.apps.hands import Hands, path
from sympozium.localkube.controllers.apps.loop import STEPS, already_there, loop, terminating_namespace
from sympozium.localkube.controllers.informer import Informer, Key
from sympozium.localkube.controllers.owners import controller_of
from sympozium.localkube.errors import ApiError
from sympozium.localkube.types import Object

NAME = "daemon-set-controller"
COMPONENT = "daemonset-controller"
FIRST_WAIT, LONGEST_WAIT = 1.0, 900.0


class DaemonSetController:
    """Keeps a pod of each DaemonSet on each of its nodes. `controller.run()` does the work."""

    def __init__(
        self,
        client: Client,
        sets: Informer,
        pods: Children,
        revisions: Children,
        every_node: Informer,
        counts: Counter[tuple[str, str]],
    ) -> None:
        self._sets = sets
        self._pods = pods
        self._revisions = revisions
        self._nodes = every_node
        self._waits: dict[tuple[Key, str], tuple[float, dt.datetime]] = {}
        caches = {"DaemonSet": sets, "Pod": pods.cache, "ControllerRevision": revisions.cache}
        self._hands = Hands(client, COMPONENT, caches)
        children = (pods.cache, revisions.cache)
        self.controller = loop(NAME, "DaemonSet", sets, children, self.sync, counts)
        every_node.on_change(self._node_changed)

    def _node_changed(self, new: Object | None, old: Object | None) -> None:
        """Heartbeats change nothing here; names, labels and taints do."""
        if new is not None and old is not None:
            same = new["metadata"].get("labels") == old["metadata"].get("labels")
            if same and (new.get("spec") or {}) == (old.get("spec") or {}):
                return
        for key in self._sets.items:
            self.controller.queue.add(key)

    async def sync(self, key: Key) -> float | None:
        """One key. Raises ApiError when a request is refused."""
        for _ in range(STEPS):
            found = self._sets.items.get(key)
            if found is None:
                self._waits = {at: wait for at, wait in self._waits.items() if at[0] != key}
                return None
            pods = claim(found, self._pods.of(found), self._pods.loose(key[0]))
            revisions = claim(found, self._revisions.of(found), self._revisions.loose(key[0]))
            if await self._hands.settle(found, pods) or await self._hands.settle(found, revisions):
                continue
            now = dt.datetime.now(dt.UTC)
            every_node = list(self._nodes.items.values())
            plan = decide(found, pods.mine, every_node, revisions.mine, now)
            if not plan.acts:
                if plan.status is not None:
                    await self._hands.status(found, plan.status)
                return plan.again
            wait = self._failed_too_often(key, plan, now)
            if wait is not None:
                return wait
            await self._carry_out(found, plan)
        return 0.0

    def _failed_too_often(self, key: Key, plan: Plan, now: dt.datetime) -> float | None:
        """Seconds to wait before failed pods are replaced again: 1 s, doubled while they go on failing."""
        if not plan.events:
            return None
        wait, last = self._waits.get((key, plan.mark), (0.0, now))
        left = wait - (now - last).total_seconds()
        if left > 0:
            return left
        fresh = (now - last).total_seconds() > 2 * LONGEST_WAIT
        longer = FIRST_WAIT if fresh or not wait else min(wait * 2, LONGEST_WAIT)
        self._waits[key, plan.mark] = (longer, now)
        return None

    async def _carry_out(self, found: Object, plan: Plan) -> None:
        if plan.record is not None:
            await self._record(found, plan.record)
        for old, new in plan.change:
            await self._hands.change(old, new)
        for revision in plan.forget:
            await self._hands.delete(revision)
        await self._hands.tell(found, plan.events)
        for name in plan.create:
            await self._create(found, nodes.build(found, plan.mark, name))
        for pod in plan.delete:
            if await self._hands.delete(pod):
                text = f"Deleted pod: {pod['metadata']['name']}"
                await self._hands.tell(found, [("Normal", "SuccessfulDelete", text)])

    async def _create(self, found: Object, wished: Object) -> None:
        try:
            pod = await self._hands.create(wished)
        except ApiError as error:
            if not terminating_namespace(error):
                event = ("Warning", "FailedCreate", f"Error creating: {error}")
                await self._hands.tell(found, [event])
            raise
        text = f"Created pod: {pod['metadata']['name']}"
        await self._hands.tell(found, [("Normal", "SuccessfulCreate", text)])

    async def _record(self, found: Object, wished: Object) -> None:
        """Store a revision. When its name is taken by another, the next try has another name."""
        try:
            await self._hands.create(wished)
        except ApiError as error:
            if not already_there(error):
                raise
        else:
            return
        known = await self._hands.client.find(path(wished))
        if known is None:
            return
        self._revisions.cache.observe(known)
        owner = controller_of(known)
        if known["data"] == wished["data"] and owner and owner["uid"] == found["metadata"]["uid"]:
            return
        status = found.get("status") or {}
        collisions = int(status.get("collisionCount") or 0) + 1
        await self._hands.status(found, {**status, "collisionCount": collisions})
