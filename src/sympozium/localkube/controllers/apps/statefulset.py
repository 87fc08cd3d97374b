"""StatefulSets: does what `ordinals` says."""

import datetime as dt
import functools
from collections import Counter
from collections.abc import Sequence

from sympozium.localkube.controllers.api import Client
from sympozium.localkube.controllers.apps import identity
from sympozium.localkube.controllers.apps.children import Children, claim
from sympozium.localkube.controllers.apps.hands import Hands, path
from sympozium.localkube.controllers.apps.loop import STEPS, already_there, loop, terminating_namespace
from sympozium.localkube.controllers.apps.ordinals import Plan, decide
from sympozium.localkube.controllers.informer import Informer, Key
from sympozium.localkube.controllers.owners import controller_of
from sympozium.localkube.errors import ApiError
from sympozium.localkube.types import Object

NAME = "statefulset-controller"
BLOCKED_RETRY = 1.0


class StatefulSetController:
    """Keeps the pods, claims and revisions of StatefulSets. `controller.run()` does the work."""

    def __init__(
        self,
        client: Client,
        sets: Informer,
        pods: Children,
        revisions: Children,
        volume_claims: Informer,
        counts: Counter[tuple[str, str]],
    ) -> None:
        self._sets = sets
        self._pods = pods
        self._revisions = revisions
        self._claims = volume_claims
        caches = {
            "StatefulSet": sets,
            "Pod": pods.cache,
            "ControllerRevision": revisions.cache,
            "PersistentVolumeClaim": volume_claims,
        }
        self._hands = Hands(client, NAME, caches)
        self.controller = loop(NAME, "StatefulSet", sets, (pods.cache, revisions.cache), self.sync, counts)

    async def sync(self, key: Key) -> float | None:
        """One key. Raises ApiError when a request is refused."""
        for _ in range(STEPS):
            found = self._sets.items.get(key)
            if found is None:
                return None
            pods = claim(
                found,
                self._pods.of(found),
                self._pods.loose(key[0]),
                functools.partial(identity.belongs, found),
            )
            revisions = claim(found, self._revisions.of(found), self._revisions.loose(key[0]))
            revisions.release = []
            if await self._hands.settle(found, pods) or await self._hands.settle(found, revisions):
                continue
            known = self._known(found, pods.mine)
            plan = decide(found, pods.mine, revisions.mine, known, dt.datetime.now(dt.UTC))
            if plan.acts:
                await self._carry_out(found, plan)
                continue
            if plan.status is not None:
                await self._hands.status(found, plan.status)
            return await self._rest(found, plan)
        return 0.0

    async def _rest(self, found: Object, plan: Plan) -> float | None:
        """When to look again, after telling what holds up a pod."""
        for name, why in plan.blocked:
            await self._tell(found, "Create", name, why)
        return BLOCKED_RETRY if plan.blocked else plan.again

    def _known(self, found: Object, pods: Sequence[Object]) -> dict[str, Object]:
        """The claims of the set's pods, present and to come, by name."""
        namespace = found["metadata"]["namespace"]
        numbers = {*identity.ordinals(found), *(identity.ordinal_of(pod) for pod in pods)}
        known = {}
        for template in identity.templates_of(found):
            for ordinal in numbers:
                name = identity.claim_name(found, template, ordinal)
                one = self._claims.get(namespace, name)
                if one is not None:
                    known[name] = one
        return known

    async def _carry_out(self, found: Object, plan: Plan) -> None:
        if plan.record is not None:
            await self._record(found, plan.record)
        if plan.renumber is not None:
            await self._hands.change(*plan.renumber)
        for name, wished in plan.claims:
            await self._claim(found, name, wished)
        for old, new in plan.change:
            await self._hands.change(old, new)
        for name in plan.contested:
            text = (
                f"PersistentVolumeClaim {name} has a conflicting OwnerReference that acts as a manging controller,"
                " the retention policy is ignored for this claim"
            )
            await self._hands.tell(found, [("Warning", "ConflictingController", text)])
        for name in plan.updated:
            await self._tell(found, "Update", name)
        for pod in plan.create:
            await self._create(found, pod)
        for pod in plan.delete:
            await self._delete(found, pod)
        for revision in plan.forget:
            await self._hands.delete(revision)

    async def _create(self, found: Object, pod: Object) -> None:
        name = pod["metadata"]["name"]
        try:
            await self._hands.create(pod)
        except ApiError as error:
            if not already_there(error) and not terminating_namespace(error):
                await self._tell(found, "Create", name, str(error))
            raise
        await self._tell(found, "Create", name)

    async def _delete(self, found: Object, pod: Object) -> None:
        name = pod["metadata"]["name"]
        try:
            await self._hands.delete(pod)
        except ApiError as error:
            await self._tell(found, "Delete", name, str(error))
            raise
        await self._tell(found, "Delete", name)

    async def _claim(self, found: Object, pod: str, wished: Object) -> None:
        name, owner = wished["metadata"]["name"], found["metadata"]["name"]
        try:
            await self._hands.create(wished)
        except ApiError as error:
            if already_there(error):
                known = await self._hands.client.find(path(wished))
                if known is not None:
                    self._claims.observe(known)
                return
            text = f"Create Claim {name} for Pod {pod} in StatefulSet {owner} failed error: {error}"
            await self._hands.tell(found, [("Warning", "FailedCreate", text)])
            raise
        text = f"Create Claim {name} Pod {pod} in StatefulSet {owner} success"
        await self._hands.tell(found, [("Normal", "SuccessfulCreate", text)])

    async def _tell(self, found: Object, verb: str, pod: str, error: str = "") -> None:
        text = f"{verb} Pod {pod} in StatefulSet {found['metadata']['name']}"
        if error:
            event = ("Warning", f"Failed{verb}", f"{text} failed error: {error}")
        else:
            event = ("Normal", f"Successful{verb}", f"{text} successful")
        await self._hands.tell(found, [event])

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
        await self._hands.status(found, {"replicas": 0, **status, "collisionCount": collisions})
