"""Events live an hour after they were last seen.

A kube-apiserver gives each a lease in etcd; here a pass every few minutes deletes what is over, in pages,
so that ten thousand events do not hold the loop.
"""

import asyncio
import datetime as dt
import logging
from collections import Counter

from sympozium.localkube.controllers.api import Client, path_of
from sympozium.localkube.controllers.job.pods import parse_time
from sympozium.localkube.errors import ApiError
from sympozium.localkube.types import Object

log = logging.getLogger(__name__)

NAME = "event-ttl-controller"
LIFE = 3600.0
PERIOD = 300.0
PAGE = 200


def last_seen(event: Object) -> dt.datetime:
    """The latest of its times."""
    series = event.get("series") or {}
    stamps = [
        event["metadata"]["creationTimestamp"],
        event.get("lastTimestamp"),
        event.get("eventTime"),
        series.get("lastObservedTime"),
    ]
    return max(parse_time(stamp) for stamp in stamps if stamp)


async def expire(client: Client, now: dt.datetime) -> int:
    """Delete what was last seen more than `LIFE` seconds before `now`; how many. Raises ApiError."""
    path, token, deleted = path_of("v1", "events"), "", 0
    while True:
        query = {"limit": str(PAGE), **({"continue": token} if token else {})}
        page = await client.call("GET", path, query=query)
        for event in page.get("items") or ():
            if (now - last_seen(event)).total_seconds() > LIFE:
                meta = event["metadata"]
                await client.delete(path_of("v1", "events", meta["namespace"], meta["name"]), uid=meta["uid"])
                deleted += 1
        token = page["metadata"].get("continue", "")
        if not token:
            return deleted
        await asyncio.sleep(0)


async def run(client: Client, counts: Counter[tuple[str, str]]) -> None:
    """A pass every `PERIOD` seconds, until cancelled."""
    while True:
        await asyncio.sleep(PERIOD)
        try:
            counts[NAME, "deleted"] += await expire(client, dt.datetime.now(dt.UTC))
        except ApiError as error:
            counts[NAME, "errors"] += 1
            log.warning("events could not be expired: %s; again in %.0f s", error, PERIOD)
