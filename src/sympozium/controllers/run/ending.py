"""What is taken away when a run has ended, and when it is deleted.

Ended: its users of the bus, its tokens, accounts and roles, in any case, after which its record is closed; with `cleanup: delete` also its Job (and so
its pods), ConfigMaps and NetworkPolicy. The status and the transcript stay. Deleted: everything, the transcript
too, and not the record. Every step may be done again; `CleanedUp` on the run says that none is left.
"""

from collections.abc import Sequence
from typing import Final

from sympozium import resources
from sympozium.api.base import Object
from sympozium.api.run import FINALIZER, AgentRun
from sympozium.controllers.context import BY_LABEL, Context
from sympozium.controllers.run import audit, own
from sympozium.controllers.run.plan import names
from sympozium.controllers.run.port import Bus, Ref
from sympozium.kube import Informer, NotFoundError, Resource
from sympozium.kube.conditions import condition, is_true
from sympozium.kube.resources import (
    CLUSTER_ROLE_BINDINGS,
    CLUSTER_ROLES,
    CONFIG_MAPS,
    JOBS,
    NETWORK_POLICIES,
    ROLE_BINDINGS,
    ROLES,
    SECRETS,
    SERVICE_ACCOUNTS,
    selector,
)
from sympozium.names import label_value

CLEANED: Final = "CleanedUp"


class Ending:
    """For one controller."""

    def __init__(self, context: Context, bus: Bus) -> None:
        self._context = context
        self._bus = bus

    async def hold(self, obj: Object) -> Object:
        """Put our finalizer on a run before it gets anything that must be taken away again."""
        meta = obj["metadata"]
        if FINALIZER in (meta.get("finalizers") or ()):
            return obj
        patch = {
            "metadata": {
                "resourceVersion": meta["resourceVersion"],
                "finalizers": [*(meta.get("finalizers") or ()), FINALIZER],
            }
        }
        return await self._patch_run(meta, patch)

    async def stop(self, job: Object) -> None:
        """End the pods of a Job and keep it: a suspended Job has none. Does nothing to one that has ended."""
        if job["spec"].get("suspend"):
            return
        meta = job["metadata"]
        try:
            stopped = await self._context.client.patch(
                JOBS, meta["name"], meta["namespace"], {"spec": {"suspend": True}}
            )
        except NotFoundError:
            return
        self._context.caches.jobs.mutation(stopped)

    async def clean(self, obj: Object, run: AgentRun) -> None:
        """Take away what an ended run must not keep."""
        if is_true((obj.get("status") or {}).get("conditions"), CLEANED):
            return
        await self._identities(run)
        end = await audit.end(self._bus, obj, run)
        if run.spec.cleanup == "delete":
            await self._objects(run)
        words = (
            "identities, pod and files are gone"
            if run.spec.cleanup == "delete"
            else "identities are gone, the pod is kept"
        )
        done = condition(CLEANED, True, run.spec.cleanup.capitalize(), words)
        await self._context.write_status(self._context.caches.runs, obj, {"audit": audit.status(end)}, [done])

    async def finalize(self, obj: Object, run: AgentRun) -> bool:
        """Take everything away and let a deleted run go. False when its pods are not gone yet."""
        if FINALIZER not in run.metadata.finalizers:
            return True
        await self._delete(JOBS, [names.job(run.name)], run)
        if self._pods(run):
            return False
        await self._identities(run)
        await audit.end(self._bus, obj, run)
        await self._objects(run)
        await self._bus.purge(Ref(run.namespace, run.name, run.metadata.uid))
        meta = obj["metadata"]
        left = [f for f in meta["finalizers"] if f != FINALIZER]
        patch = {"metadata": {"resourceVersion": meta["resourceVersion"], "finalizers": left}}
        try:
            await self._context.client.patch(resources.RUNS, run.name, run.namespace, patch)
        except NotFoundError:
            return True
        return True

    def _pods(self, run: AgentRun) -> Sequence[Object]:
        label = f"{run.namespace}/{label_value(run.name)}"
        return self._context.caches.pods.by_index(BY_LABEL, label)

    async def _identities(self, run: AgentRun) -> None:
        await self._bus.revoke(Ref(run.namespace, run.name, run.metadata.uid))
        # Found by label, and deleted last: what was made must not depend on what the spec says today.
        found = await self._context.client.list(
            SERVICE_ACCOUNTS, run.namespace, labels=selector(names.labels(run))
        )
        accounts = [o["metadata"]["name"] for o in found if o["metadata"]["name"] != run.name]
        bus = [names.owned(run.name, part) for part in ("bus-agent", "bus-tools", "egress")]
        for resource in (ROLE_BINDINGS, ROLES):
            await self._delete(resource, accounts, run)
        await self._cluster_roles(run)
        await self._delete(SECRETS, [*accounts, *bus], run)
        await self._delete(SERVICE_ACCOUNTS, accounts, run)

    async def _cluster_roles(self, run: AgentRun) -> None:
        labels = selector({**names.labels(run), names.LABEL_RUN_NAMESPACE: run.namespace})
        for resource in (CLUSTER_ROLE_BINDINGS, CLUSTER_ROLES):
            for obj in await self._context.client.list(resource, labels=labels):
                await self._context.client.delete(resource, obj["metadata"]["name"])

    async def _objects(self, run: AgentRun) -> None:
        await self._delete(JOBS, [names.job(run.name)], run)
        files = [names.owned(run.name, part) for part in ("agent", "tools")]
        await self._delete(CONFIG_MAPS, files, run)
        await self._delete(NETWORK_POLICIES, [run.name], run)
        await self._delete(SERVICE_ACCOUNTS, [run.name], run)

    async def _delete(self, resource: Resource, wanted: Sequence[str], run: AgentRun) -> None:
        for name in wanted:
            await own.remove(self._context.client, resource, name, run)

    async def _patch_run(self, meta: Object, patch: Object) -> Object:
        runs: Informer = self._context.caches.runs
        written = await self._context.client.patch(resources.RUNS, meta["name"], meta["namespace"], patch)
        runs.mutation(written)
        return written
