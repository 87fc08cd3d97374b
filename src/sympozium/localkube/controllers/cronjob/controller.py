"""Does what `decide` says, under the identity of the cronjob-controller. One key is one CronJob."""

import datetime as dt
import logging
from collections import Counter

from sympozium.localkube.controllers.api import Client, path_of
from sympozium.localkube.controllers.controller import Controller
from sympozium.localkube.controllers.cronjob.decide import Plan, build, decide, reference_to, stamp
from sympozium.localkube.controllers.informer import Informer, Key, key_of
from sympozium.localkube.controllers.mergepatch import difference
from sympozium.localkube.controllers.owners import controller_of
from sympozium.localkube.controllers.recorder import record
from sympozium.localkube.errors import ApiError
from sympozium.localkube.types import Object

log = logging.getLogger(__name__)

NAME = "cronjob-controller"


class CronJobController:
    """Starts Jobs on time. `controller.run()` does the work."""

    def __init__(
        self, client: Client, crons: Informer, jobs: Informer, counts: Counter[tuple[str, str]]
    ) -> None:
        self._client = client
        self._crons = crons
        self._jobs = jobs
        self._owned: dict[Key, set[Key]] = {}
        self.controller: Controller[Key] = Controller(NAME, self.sync, counts)
        crons.on_change(self._cron_changed)
        jobs.on_change(self._job_changed)

    def _cron_changed(self, new: Object | None, old: Object | None) -> None:
        obj = new or old
        if obj is not None:
            self.controller.queue.add(key_of(obj))

    def _job_changed(self, new: Object | None, old: Object | None) -> None:
        for obj in (old, new):
            owner = controller_of(obj) if obj is not None else None
            if obj is None or owner is None or owner["kind"] != "CronJob":
                continue
            cron = (obj["metadata"]["namespace"], owner["name"])
            jobs = self._owned.setdefault(cron, set())
            if obj is new:
                jobs.add(key_of(obj))
            else:
                jobs.discard(key_of(obj))
                if not jobs:
                    del self._owned[cron]
            self.controller.queue.add(cron)

    async def sync(self, key: Key) -> float | None:
        """Raises ApiError when a request is refused."""
        cron = self._crons.items.get(key)
        if cron is None:
            return None
        uid = cron["metadata"]["uid"]
        known = [self._jobs.items[job] for job in self._owned.get(key, ()) if job in self._jobs.items]
        jobs = [job for job in known if (controller_of(job) or {}).get("uid") == uid]
        plan = decide(cron, jobs, dt.datetime.now(dt.UTC))
        for kind, reason, message in plan.events:
            await record(self._client, NAME, cron, reason, message, warning=kind == "Warning")
        for job in (*plan.replaced, *plan.expired):
            await self._delete(cron, job)
        if plan.start is not None:
            await self._start(cron, plan, plan.start)
        await self._write(cron, plan)
        return plan.again

    async def _start(self, cron: Object, plan: Plan, due: dt.datetime) -> None:
        wanted = build(cron, due)
        meta = wanted["metadata"]
        path = path_of("batch/v1", "jobs", meta["namespace"])
        try:
            job = await self._client.create(path, wanted)
        except ApiError as error:
            found = await self._client.find(f"{path}/{meta['name']}") if error.code == 409 else None
            if found is None:
                message = f"Error creating job: {error}"
                await record(self._client, NAME, cron, "FailedCreate", message, warning=True)
                raise
            if (controller_of(found) or {}).get("uid") != cron["metadata"]["uid"]:
                return  # somebody else's Job has the name of this time
            job = found  # ours, from before a crash: what is missing is that we write it down
        else:
            message = f"Created job {meta['name']}"
            await record(self._client, NAME, cron, "SuccessfulCreate", message)
        self._jobs.observe(job)
        plan.status["active"] = [*(plan.status.get("active") or ()), reference_to(job)]
        plan.status["lastScheduleTime"] = stamp(due)

    async def _delete(self, cron: Object, job: Object) -> None:
        meta = job["metadata"]
        path = path_of("batch/v1", "jobs", meta["namespace"], meta["name"])
        await self._client.delete(path, uid=meta["uid"])
        self._jobs.forget(job)
        await record(self._client, NAME, cron, "SuccessfulDelete", f"Deleted job {meta['name']}")

    async def _write(self, cron: Object, plan: Plan) -> None:
        changed = difference(cron.get("status") or {}, plan.status)
        if not changed:
            return
        meta = cron["metadata"]
        path = path_of("batch/v1", "cronjobs", meta["namespace"], meta["name"], "status")
        try:
            # No resourceVersion: the status is ours alone, and a start must be written down.
            self._crons.observe(await self._client.merge(path, {"status": changed}))
        except ApiError as error:
            if error.code != 404:
                raise
            self._crons.forget(cron)
