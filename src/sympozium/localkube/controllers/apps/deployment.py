"""Deployments: does what `rollout` says."""

import datetime as dt
from collections import Counter

from sympozium.localkube.controllers.api import Client
from sympozium.localkube.controllers.apps import progress, revisions
from sympozium.localkube.controllers.apps.amounts import wanted
from sympozium.localkube.controllers.apps.children import Children, claim
from sympozium.localkube.controllers.apps.hands import Hands, path
from sympozium.localkube.controllers.apps.loop import STEPS, already_there, loop, terminating_namespace
from sympozium.localkube.controllers.apps.rollout import Plan, decide
from sympozium.localkube.controllers.informer import Informer, Key, key_of
from sympozium.localkube.controllers.owners import controller_of
from sympozium.localkube.errors import ApiError
from sympozium.localkube.types import Object

NAME = "deployment-controller"
UP_OR_DOWN = "ScalingReplicaSet"


class DeploymentController:
    """Keeps the ReplicaSets of Deployments. `controller.run()` does the work."""

    def __init__(
        self,
        client: Client,
        deployments: Informer,
        replica_sets: Children,
        pods: Children,
        counts: Counter[tuple[str, str]],
    ) -> None:
        self._deployments = deployments
        self._sets = replica_sets
        self._pods = pods
        caches = {"Deployment": deployments, "ReplicaSet": replica_sets.cache}
        self._hands = Hands(client, NAME, caches)
        self.controller = loop(NAME, "Deployment", deployments, (replica_sets.cache,), self.sync, counts)
        pods.cache.on_change(self._pod_changed)

    def _pod_changed(self, new: Object | None, old: Object | None) -> None:
        """A Recreate waits for the last pod of before to be gone; no other change of a pod concerns us."""
        if new is not None or old is None or not self._deployments.items:
            return
        owner = controller_of(old)
        if owner is None or owner["kind"] != "ReplicaSet":
            return
        one = self._sets.cache.get(old["metadata"]["namespace"], owner["name"])
        parent = controller_of(one) if one is not None else None
        if one is not None and parent is not None and parent["kind"] == "Deployment":
            self.controller.queue.add((key_of(one)[0], parent["name"]))

    async def sync(self, key: Key) -> float | None:
        """One key. Raises ApiError when a request is refused."""
        for _ in range(STEPS):
            deployment = self._deployments.items.get(key)
            if deployment is None:
                return None
            claims = claim(deployment, self._sets.of(deployment), self._sets.loose(key[0]))
            if await self._hands.settle(deployment, claims):
                continue
            pods = [pod for one in claims.mine for pod in self._pods.of(one)]
            plan = decide(deployment, claims.mine, pods, dt.datetime.now(dt.UTC))
            if plan.idle:
                return plan.again
            await self._carry_out(deployment, plan)
        return 0.0

    async def _carry_out(self, deployment: Object, plan: Plan) -> None:
        if plan.create is not None:
            await self._create(deployment, plan.create)
        for old, new in plan.change:
            await self._change(deployment, old, new)
        for one in plan.delete:
            await self._hands.delete(one)
        if plan.status is not None:
            await self._hands.status(deployment, plan.status, plan.annotations)

    async def _change(self, deployment: Object, old: Object, new: Object) -> None:
        stored = await self._hands.change(old, new)
        before, after = wanted(old), wanted(new)
        if stored is None or before == after:
            return
        way = "up" if after > before else "down"
        name = old["metadata"]["name"]
        text = f"Scaled {way} replica set {name} from {before} to {after}"
        await self._hands.tell(deployment, [("Normal", UP_OR_DOWN, text)])

    async def _create(self, deployment: Object, wished: Object) -> None:
        """Make the new ReplicaSet, and say so in the status: at a crash in between it is found again."""
        name, now = wished["metadata"]["name"], dt.datetime.now(dt.UTC)
        try:
            made = await self._hands.create(wished)
        except ApiError as error:
            if already_there(error):
                await self._collided(deployment, wished)
                return
            if not terminating_namespace(error):
                await self._refused(deployment, name, error, now)
            raise
        size = wanted(made)
        if size:
            text = f"Scaled up replica set {name} from 0 to {size}"
            await self._hands.tell(deployment, [("Normal", UP_OR_DOWN, text)])
        status = progress.status_of(deployment)
        if progress.deadline(deployment) is not None:
            text = f'Created new replica set "{name}"'
            status = progress.with_condition(status, "Progressing", "True", "NewReplicaSetCreated", text, now)
        revision = revisions.annotations_of(made)[revisions.REVISION]
        annotations = {**revisions.annotations_of(deployment), revisions.REVISION: revision}
        await self._hands.status(deployment, status, annotations)

    async def _refused(self, deployment: Object, name: str, error: ApiError, now: dt.datetime) -> None:
        text = f'Failed to create new replica set "{name}": {error}'
        await self._hands.tell(deployment, [("Warning", "ReplicaSetCreateError", text)])
        if progress.deadline(deployment) is not None:
            status = progress.with_condition(
                progress.status_of(deployment), "Progressing", "False", "ReplicaSetCreateError", text, now
            )
            await self._hands.status(deployment, status)

    async def _collided(self, deployment: Object, wished: Object) -> None:
        """The name is taken. Unless it is our own set after all, the next try makes another name."""
        found = await self._hands.client.find(path(wished))
        if found is None:
            return
        self._sets.cache.observe(found)
        owner = controller_of(found)
        ours = owner is not None and owner["uid"] == deployment["metadata"]["uid"]
        if ours and revisions.new_of(deployment, [found]) is not None:
            return
        status = progress.status_of(deployment)
        collisions = int(status.get("collisionCount") or 0) + 1
        await self._hands.status(deployment, {**status, "collisionCount": collisions})
