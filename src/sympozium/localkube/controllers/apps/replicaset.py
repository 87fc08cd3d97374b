"""ReplicaSets and ReplicationControllers: does what `replicas` says."""

import datetime as dt
from collections import Counter
from collections.abc import Sequence

from sympozium.localkube.controllers.api import Client
from sympozium.localkube.controllers.apps.children import Children, claim
from sympozium.localkube.controllers.apps.hands import Hands
from sympozium.localkube.controllers.apps.loop import STEPS, loop, terminating_namespace
from sympozium.localkube.controllers.apps.pods import active, from_template
from sympozium.localkube.controllers.apps.replicas import Plan, decide, status
from sympozium.localkube.controllers.informer import Informer, Key
from sympozium.localkube.controllers.owners import controller_of
from sympozium.localkube.errors import ApiError
from sympozium.localkube.types import Object

REPLICA_SET = "replicaset-controller"
REPLICATION = "replication-controller"


class ReplicaSetController:
    """Keeps as many pods as it is told to. `controller.run()` does the work."""

    def __init__(
        self,
        client: Client,
        name: str,
        kind: str,
        owners: Informer,
        pods: Children,
        counts: Counter[tuple[str, str]],
    ) -> None:
        """`kind` is ReplicaSet or ReplicationController, `owners` the cache of that kind."""
        self._owners = owners
        self._family = Children(owners) if kind == "ReplicaSet" else None
        self._pods = pods
        self._hands = Hands(client, name, {kind: owners, "Pod": pods.cache})
        self.controller = loop(name, kind, owners, (pods.cache,), self.sync, counts)

    async def sync(self, key: Key) -> float | None:
        """One key. Raises ApiError when a request is refused; what pods were refused for is in the status."""
        for _ in range(STEPS):
            owner = self._owners.items.get(key)
            if owner is None:
                return None
            owned = self._pods.of(owner)
            loose = [pod for pod in self._pods.loose(key[0]) if active(pod)]
            claims = claim(owner, owned, loose)
            claims.release = [pod for pod in claims.release if active(pod)]
            if await self._hands.settle(owner, claims):
                continue
            now = dt.datetime.now(dt.UTC)
            plan = decide(owner, claims.mine, self._siblings(owner), now)
            if not (plan.create or plan.delete):
                if plan.status is not None:
                    await self._hands.status(owner, plan.status)
                return plan.again
            await self._replicas(owner, claims.mine, plan, now)
        return 0.0

    def _siblings(self, owner: Object) -> Sequence[Object]:
        parent = controller_of(owner)
        if self._family is None or parent is None:
            return ()
        sets = self._family.of({"metadata": {"uid": parent["uid"]}})
        return [pod for one in sets for pod in self._pods.of(one)]

    async def _replicas(self, owner: Object, mine: Sequence[Object], plan: Plan, now: dt.datetime) -> None:
        try:
            for _ in range(plan.create):
                await self._create(owner)
            for pod in plan.delete:
                await self._delete(owner, pod)
        except ApiError as error:
            if terminating_namespace(error):
                raise
            refused = str(error) if plan.create else f"unable to delete pods: {error}"
            # Pods that were made before the refusal are in the cache by now; `mine` may lack them.
            mine = self._pods.of(owner) or mine
            await self._hands.status(owner, status(owner, mine, refused, now))
            raise

    async def _create(self, owner: Object) -> None:
        """One at a time, and none after a refusal: the next would be refused for the same reason."""
        try:
            pod = await self._hands.create(from_template(owner, owner["spec"]["template"]))
        except ApiError as error:
            if not terminating_namespace(error):
                await self._hands.tell(owner, [("Warning", "FailedCreate", f"Error creating: {error}")])
            raise
        await self._hands.tell(
            owner, [("Normal", "SuccessfulCreate", f"Created pod: {pod['metadata']['name']}")]
        )

    async def _delete(self, owner: Object, pod: Object) -> None:
        try:
            done = await self._hands.delete(pod)
        except ApiError as error:
            await self._hands.tell(owner, [("Warning", "FailedDelete", f"Error deleting: {error}")])
            raise
        if done:
            name = pod["metadata"]["name"]
            await self._hands.tell(owner, [("Normal", "SuccessfulDelete", f"Deleted pod: {name}")])
