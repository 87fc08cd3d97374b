"""Does what `decide` says, under the identity of the job-controller.

One key is one Job by name; its pods come from the shared cache by the uid of their controller. What is
written is told to the caches at once, so the next step of the same key sees it.
"""

import datetime as dt
import logging
from collections import Counter

from sympozium.localkube.controllers.api import Client, path_of
from sympozium.localkube.controllers.controller import Controller
from sympozium.localkube.controllers.informer import Informer, Key, key_of
from sympozium.localkube.controllers.job import perindex
from sympozium.localkube.controllers.job.decide import Plan, decide
from sympozium.localkube.controllers.job.pods import FINALIZER, build, tracked
from sympozium.localkube.controllers.mergepatch import difference
from sympozium.localkube.controllers.owners import controller_of
from sympozium.localkube.controllers.recorder import record
from sympozium.localkube.errors import ApiError
from sympozium.localkube.types import Object

log = logging.getLogger(__name__)

NAME = "job-controller"
OURS = "kubernetes.io/job-controller"
STEPS = 20
"""Steps of one key before others get their turn."""


class JobController:
    """Keeps Jobs and their pods together. `controller.run()` does the work."""

    def __init__(
        self, client: Client, jobs: Informer, pods: Informer, counts: Counter[tuple[str, str]]
    ) -> None:
        self._client = client
        self._jobs = jobs
        self._pods = pods
        self._owned: dict[Key, dict[Key, Object]] = {}
        self.controller: Controller[Key] = Controller(NAME, self.sync, counts, workers=2)
        jobs.on_change(self._job_changed)
        pods.on_change(self._pod_changed)

    def _job_changed(self, new: Object | None, old: Object | None) -> None:
        obj = new or old
        if obj is not None:
            self.controller.queue.add(key_of(obj))

    def _pod_changed(self, new: Object | None, old: Object | None) -> None:
        for obj in (old, new):
            owner = controller_of(obj) if obj is not None else None
            if obj is None or owner is None or owner["kind"] != "Job":
                continue
            job = (obj["metadata"]["namespace"], owner["name"])
            pods = self._owned.setdefault(job, {})
            if obj is new:
                pods[key_of(obj)] = obj
            else:
                pods.pop(key_of(obj), None)
                if not pods:
                    del self._owned[job]
            self.controller.queue.add(job)

    async def sync(self, key: Key) -> float | None:
        """One key. Raises ApiError when a request is refused."""
        for _ in range(STEPS):
            job = self._jobs.items.get(key)
            await self._release_foreign(key, job)
            if job is None or job["spec"].get("managedBy", OURS) != OURS:
                return None
            uid = job["metadata"]["uid"]
            pods = [pod for pod in self._owned.get(key, {}).values() if _owner_uid(pod) == uid]
            plan = decide(job, pods, dt.datetime.now(dt.UTC))
            if not await self._carry_out(job, plan):
                return plan.again
        return 0.0

    async def _release_foreign(self, key: Key, job: Object | None) -> None:
        """Pods of a Job that is gone: nobody will count them, so nothing must hold them."""
        uid = job["metadata"]["uid"] if job is not None else ""
        for pod in list(self._owned.get(key, {}).values()):
            if tracked(pod) and _owner_uid(pod) != uid:
                await self._release(pod)

    async def _carry_out(self, job: Object, plan: Plan) -> bool:
        """Whether anything was done, and so the Job is to be looked at again."""
        if plan.status is not None:
            await self._write_status(job, plan)
            return True
        for pod in plan.discard:
            await self._release(pod)
            await self._delete(job, pod)
        for pod in plan.delete:
            await self._delete(job, pod)
        for index in plan.create:
            await self._create(job, index, plan)
        for pod in plan.release:
            await self._release(pod)
        return bool(plan.discard or plan.delete or plan.create or plan.release)

    async def _write_status(self, job: Object, plan: Plan) -> None:
        meta = job["metadata"]
        patch = {
            "metadata": {"resourceVersion": meta["resourceVersion"]},
            "status": difference(job.get("status") or {}, plan.status or {}),
        }
        path = path_of("batch/v1", "jobs", meta["namespace"], meta["name"], "status")
        try:
            stored = await self._client.merge(path, patch)
        except ApiError as error:
            if error.code == 404:
                self._jobs.forget(job)
                return
            raise
        self._jobs.observe(stored)
        for kind, reason, message in plan.events:
            await record(self._client, NAME, stored, reason, message, warning=kind == "Warning")

    async def _create(self, job: Object, index: int | None, plan: Plan) -> None:
        path = path_of("v1", "pods", job["metadata"]["namespace"])
        carried: dict[str, str] = {}
        if index is not None and perindex.per_index(job):
            carried = perindex.annotations(*plan.failures.get(index, (0, 0)))
        try:
            pod = await self._client.create(path, build(job, index, carried))
        except ApiError as error:
            await record(self._client, NAME, job, "FailedCreate", f"Error creating: {error}", warning=True)
            raise
        self._pods.observe(pod)
        await record(self._client, NAME, job, "SuccessfulCreate", f"Created pod: {pod['metadata']['name']}")

    async def _delete(self, job: Object, pod: Object) -> None:
        meta = pod["metadata"]
        path = path_of("v1", "pods", meta["namespace"], meta["name"])
        options = {"kind": "DeleteOptions", "apiVersion": "v1", "preconditions": {"uid": meta["uid"]}}
        try:
            answer = await self._client.call("DELETE", path, options)
        except ApiError as error:
            if error.code not in {404, 409}:
                raise
            answer = {}
        if answer.get("kind") == "Pod":
            self._pods.observe(answer)
        else:
            self._pods.forget(pod)
        await record(self._client, NAME, job, "SuccessfulDelete", f"Deleted pod: {meta['name']}")

    async def _release(self, pod: Object) -> None:
        """Take our finalizer off; the resourceVersion keeps us from taking off somebody else's."""
        meta = pod["metadata"]
        left = [name for name in meta.get("finalizers") or () if name != FINALIZER]
        patch = {"metadata": {"finalizers": left or None, "resourceVersion": meta["resourceVersion"]}}
        try:
            stored = await self._client.merge(path_of("v1", "pods", meta["namespace"], meta["name"]), patch)
        except ApiError as error:
            if error.code == 404:
                self._pods.forget(pod)
                return
            raise
        if meta.get("deletionTimestamp") and not left:
            self._pods.forget(stored)
        else:
            self._pods.observe(stored)


def _owner_uid(pod: Object) -> str:
    owner = controller_of(pod)
    return str(owner["uid"]) if owner else ""
