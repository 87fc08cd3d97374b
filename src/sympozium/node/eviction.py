"""Ends pods when the disk runs full, the one first that has taken most beyond what it asked for.

Every few seconds the node looks (`capacity.look`); short of disk, it measures all pods, ends one with the
kubelet's words, and looks again once its files are gone. Memory needs no such thing: the kernel ends who
exceeds a limit, and all pods together have one (`cgroups.Cgroups.bound`).
https://kubernetes.io/docs/concepts/scheduling-eviction/node-pressure-eviction/#pod-selection-for-kubelet-eviction
"""

import asyncio
import logging
from collections.abc import Callable, Iterable
from typing import Protocol

from sympozium.node import capacity, storage
from sympozium.node.capacity import Shortage
from sympozium.node.machine import Settings
from sympozium.node.objects import Object, key
from sympozium.node.status import Verdict
from sympozium.node.storage import Usage

_log = logging.getLogger(__name__)

CRITICAL = 2_000_000_000  # priority of system-cluster-critical


class Evictable(Protocol):
    """A pod that runs here."""

    @property
    def object(self) -> Object: ...
    @property
    def ending(self) -> bool: ...
    async def measure(self) -> Usage: ...
    def event(self, kind: str, reason: str, message: str) -> None: ...
    def end(self, grace: float, verdict: Verdict | None = None) -> None: ...


class Evictor:
    """`run` looks until it is cancelled; `short` is what was found last."""

    def __init__(
        self,
        settings: Settings,
        pods: Callable[[], Iterable[Evictable]],
        told: Callable[[list[Shortage]], None],
    ) -> None:
        self._settings = settings
        self._pods = pods
        self._told = told
        self.short: list[Shortage] = []

    async def run(self) -> None:
        while True:
            try:
                self.short = capacity.look(self._settings.data_dir)
            except OSError as exc:
                _log.error("the data directory %s cannot be looked at: %s", self._settings.data_dir, exc)
            self._told(self.short)
            for shortage in self.short:
                if shortage.condition == "DiskPressure":
                    await self._relieve(shortage)
            await asyncio.sleep(self._settings.eviction_period)

    async def _relieve(self, shortage: Shortage) -> None:
        pods = list(self._pods())
        if any(pod.ending for pod in pods):
            return  # what it has will be free soon
        measured = [(pod, await pod.measure()) for pod in pods if not critical(pod.object)]
        for pod, used in sorted(measured, key=lambda pair: rank(pair[0].object, pair[1])):
            if pod.ending or not used.total:
                continue
            message = words(shortage, pod.object, used)
            _log.warning("short of disk: ending pod %s, which uses %d bytes", key(pod.object), used.total)
            pod.event("Warning", "Evicted", message)
            pod.end(0, Verdict("Evicted", message))
            return


def critical(pod: Object) -> bool:
    """Whether the pod is one that a machine cannot do without."""
    return int(pod["spec"].get("priority") or 0) >= CRITICAL


def refusal(pod: Object, short: list[Shortage]) -> str | None:
    """Why a new pod may not start now, or None."""
    names = sorted({s.condition for s in short} & {"DiskPressure", "PIDPressure"})
    return None if critical(pod) or not names else f"The node had condition: [{' '.join(names)}]. "


def rank(pod: Object, used: Usage) -> tuple[bool, int, int]:
    """Smallest first to go: those above their request, then low priority, then by how far they are above it."""
    above = used.total - storage.requested(pod)
    return above <= 0, int(pod["spec"].get("priority") or 0), -above


def words(shortage: Shortage, pod: Object, used: Usage) -> str:
    """The message of the eviction, as a kubelet puts it."""
    text = f"The node was low on resource: {shortage.resource}. "
    text += f"Threshold quantity: {shortage.threshold}, available: {shortage.available}. "
    if shortage.resource == storage.RESOURCE:
        for container in pod["spec"]["containers"]:
            share = used.logs.get(container["name"], 0)
            asked = ((container.get("resources") or {}).get("requests") or {}).get(storage.RESOURCE, "0")
            text += (
                f"Container {container['name']} was using {capacity.render(share)}, request is {asked}, "
                f"has larger consumption of {shortage.resource}. "
            )
    return text
