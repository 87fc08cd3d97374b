"""Events of the built-in controllers (core/v1 Event), the same one counted up instead of repeated."""

import datetime as dt
import hashlib
import logging

from sympozium.localkube.controllers.api import Client, path_of
from sympozium.localkube.errors import ApiError
from sympozium.localkube.types import Object

log = logging.getLogger(__name__)


def timestamp(at: dt.datetime | None = None) -> str:
    """RFC 3339 in seconds, as metav1.Time has it."""
    return (at or dt.datetime.now(dt.UTC)).strftime("%Y-%m-%dT%H:%M:%SZ")


async def record(
    client: Client, component: str, obj: Object, reason: str, message: str, *, warning: bool = False
) -> None:
    """Record an event about `obj` (apiVersion and kind must be there).

    Its name derives from what it says, so that the second one is a count. Never raises for a refusal:
    an event that cannot be written is a log line.
    """
    meta = obj["metadata"]
    namespace = meta.get("namespace") or "default"
    involved = {
        "apiVersion": obj["apiVersion"],
        "kind": obj["kind"],
        "name": meta["name"],
        "uid": meta["uid"],
        "resourceVersion": meta.get("resourceVersion", ""),
    }
    if meta.get("namespace"):
        involved["namespace"] = namespace
    said = f"{component}\0{meta['uid']}\0{reason}\0{message}"
    name = f"{meta['name']}.{hashlib.sha256(said.encode()).hexdigest()[:16]}"
    path, now = path_of("v1", "events", namespace), timestamp()
    try:
        known = await client.find(f"{path}/{name}")
        if known is not None:
            count = int(known.get("count") or 1) + 1
            await client.merge(f"{path}/{name}", {"count": count, "lastTimestamp": now})
            return
        await client.create(
            path,
            {
                "apiVersion": "v1",
                "kind": "Event",
                "metadata": {"name": name, "namespace": namespace},
                "involvedObject": involved,
                "reason": reason,
                "message": message[:1024],
                "type": "Warning" if warning else "Normal",
                "source": {"component": component},
                "reportingComponent": component,
                "reportingInstance": "",
                "firstTimestamp": now,
                "lastTimestamp": now,
                "count": 1,
            },
        )
    except ApiError as error:
        log.warning("event %s about %s %s not recorded: %s", reason, obj["kind"], meta["name"], error)
