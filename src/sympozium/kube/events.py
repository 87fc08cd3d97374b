"""Kubernetes Events about objects, repeated ones counted instead of piled up.

An Event's name derives from what it says, so a restart goes on counting in the same object. Events are
news, not state: they go through a bounded queue, and what does not fit or fails is counted and logged.
https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/event-v1/
"""

import asyncio
import hashlib
import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Literal

from sympozium.kube import metrics
from sympozium.kube.client import Client
from sympozium.kube.conditions import rfc3339
from sympozium.kube.errors import AlreadyExistsError, ForbiddenError, KubeError, NotFoundError
from sympozium.kube.resources import EVENTS, Object

log = logging.getLogger(__name__)

_QUEUE: Final = 1000
_MESSAGE: Final = 1024
_QUIET: Final = 60.0
_REMEMBERED: Final = 2000


@dataclass(frozen=True, slots=True)
class _Item:
    obj: Object
    kind: str
    reason: str
    message: str
    at: datetime


class Recorder:
    """Records Events as one component. `run` writes them; `event` never waits."""

    def __init__(self, client: Client, component: str) -> None:
        self._client = client
        self._component = component
        self._queue: asyncio.Queue[_Item] = asyncio.Queue(_QUEUE)
        self._recent: dict[str, float] = {}

    def event(self, obj: Object, kind: Literal["Normal", "Warning"], reason: str, message: str) -> None:
        """Say something about an object. The same words within a minute are one Event, counted once."""
        item = _Item(_reference(obj), kind, reason, _shortened(message), datetime.now(UTC))
        name = self._name(item)
        now = asyncio.get_running_loop().time()
        if now - self._recent.get(name, float("-inf")) < _QUIET:
            metrics.EVENTS.labels("repeated").inc()
            return
        self._recent.pop(name, None)
        self._recent[name] = now
        if len(self._recent) > _REMEMBERED:
            del self._recent[next(iter(self._recent))]
        try:
            self._queue.put_nowait(item)
        except asyncio.QueueFull:
            metrics.EVENTS.labels("dropped").inc()
            log.warning("event dropped, too many wait: %s %s: %s", reason, obj["metadata"]["name"], message)

    async def run(self) -> None:
        """Write until cancelled."""
        while True:
            item = await self._queue.get()
            try:
                await self._write(item)
                metrics.EVENTS.labels("written").inc()
            except KubeError as error:
                metrics.EVENTS.labels("failed").inc()
                log.warning("event %s about %s not written: %s", item.reason, item.obj["name"], error)

    async def _write(self, item: _Item) -> None:
        namespace = item.obj.get("namespace") or "default"
        name, at = self._name(item), rfc3339(item.at)
        event = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": name, "namespace": namespace},
            "involvedObject": item.obj,
            "type": item.kind,
            "reason": item.reason,
            "message": item.message,
            "count": 1,
            "firstTimestamp": at,
            "lastTimestamp": at,
            "source": {"component": self._component},
            "reportingComponent": self._component,
            "reportingInstance": "",
        }
        try:
            await self._client.create(EVENTS, event)
        except AlreadyExistsError:
            patch = {"lastTimestamp": at, **await self._counted(name, namespace)}
            await self._client.patch(EVENTS, name, namespace, patch)
        except NotFoundError:
            log.info("event %s about %s: its namespace is gone", item.reason, item.obj["name"])

    async def _counted(self, name: str, namespace: str) -> Object:
        """One more than there were; nothing for a component that may write Events and not read them, as a node."""
        try:
            old = await self._client.get(EVENTS, name, namespace)
        except ForbiddenError:
            return {}
        return {"count": int(old.get("count") or 1) + 1}

    def _name(self, item: _Item) -> str:
        words = "\0".join((item.obj.get("uid", ""), self._component, item.kind, item.reason, item.message))
        return f"{item.obj['name'][:200]}.{hashlib.sha256(words.encode()).hexdigest()[:16]}"


def _reference(obj: Object) -> Object:
    meta = obj["metadata"]
    reference = {
        "apiVersion": obj["apiVersion"],
        "kind": obj["kind"],
        "name": meta["name"],
        "namespace": meta.get("namespace"),
        "uid": meta.get("uid"),
    }
    return {key: value for key, value in reference.items() if value}


def _shortened(message: str) -> str:
    return message if len(message) <= _MESSAGE else f"{message[: _MESSAGE - 14]} [shortened]"
