"""ttlSecondsAfterFinished: a finished Job goes, and its pods with it.

https://kubernetes.io/docs/concepts/workloads/controllers/ttlafterfinished/
"""

import datetime as dt
from collections import Counter

from sympozium.localkube.controllers.api import Client, path_of
from sympozium.localkube.controllers.controller import Controller
from sympozium.localkube.controllers.informer import Informer, Key, key_of
from sympozium.localkube.controllers.job.decide import condition
from sympozium.localkube.controllers.job.pods import parse_time
from sympozium.localkube.types import Object

NAME = "ttl-after-finished-controller"


def remaining(job: Object, now: dt.datetime) -> float | None:
    """Seconds until the Job is to go (0 or less: now), None when it is not to go."""
    ttl = job["spec"].get("ttlSecondsAfterFinished")
    done = condition(job, "Complete") or condition(job, "Failed")
    if ttl is None or done is None or job["metadata"].get("deletionTimestamp"):
        return None
    return float(ttl - (now - parse_time(done["lastTransitionTime"])).total_seconds())


class TTLAfterFinished:
    """Keys are Jobs."""

    def __init__(self, client: Client, jobs: Informer, counts: Counter[tuple[str, str]]) -> None:
        self._client = client
        self._jobs = jobs
        self.controller: Controller[Key] = Controller(NAME, self.sync, counts)
        jobs.on_change(self._changed)

    def _changed(self, new: Object | None, _old: Object | None) -> None:
        if new is not None and new["spec"].get("ttlSecondsAfterFinished") is not None:
            self.controller.queue.add(key_of(new))

    async def sync(self, key: Key) -> float | None:
        job = self._jobs.items.get(key)
        left = remaining(job, dt.datetime.now(dt.UTC)) if job is not None else None
        if job is None or left is None or left > 0:
            return left
        meta = job["metadata"]
        path = path_of("batch/v1", "jobs", meta["namespace"], meta["name"])
        await self._client.delete(path, uid=meta["uid"], policy="Foreground")
        return None
