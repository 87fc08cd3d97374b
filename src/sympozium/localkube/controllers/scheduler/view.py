"""What the scheduler knows of pods and nodes: kept from change to change, asked for at each decision.

Loads are counted up and down as pods come and go, since they are needed for every pod; the list of placed
pods is made only for pods that care about their neighbours, and for preemption.
"""

from collections.abc import Callable
from dataclasses import dataclass

from sympozium.localkube.controllers.informer import Informer, Key, key_of
from sympozium.localkube.controllers.job.pods import terminal
from sympozium.localkube.controllers.scheduler import neighbours
from sympozium.localkube.controllers.scheduler.neighbours import World
from sympozium.localkube.controllers.scheduler.resources import (
    Amounts,
    HostPort,
    Load,
    host_ports,
    requests,
)
from sympozium.localkube.types import Object


@dataclass(frozen=True, slots=True)
class _Place:
    node: str
    asked: Amounts
    ports: tuple[HostPort, ...]
    uid: str


class View:
    """`left` is called when a place has become free."""

    def __init__(
        self, pods: Informer, nodes: Informer, namespaces: Informer, left: Callable[[], None]
    ) -> None:
        self._pods = pods
        self._nodes = nodes
        self._namespaces = namespaces
        self._left = left
        self._placed: dict[Key, _Place] = {}
        self._picky: set[Key] = set()
        """Placed pods that want no neighbours of some sort."""
        self._nominated: dict[Key, tuple[str, Object]] = {}
        self.loads: dict[str, Load] = {}

    @property
    def nodes(self) -> list[Object]:
        return list(self._nodes.items.values())

    def take(self, key: Key, node: str, pod: Object) -> None:
        """The pod has its place on a node."""
        uid = pod["metadata"]["uid"]
        known = self._placed.get(key)
        if known is not None and known.uid == uid:
            return
        if known is not None:
            self.leave(key)
        place = _Place(node, requests(pod), host_ports(pod), uid)
        self._placed[key] = place
        self.loads.setdefault(node, Load()).add(place.asked, place.ports)
        if neighbours.terms(pod, "podAntiAffinity"):
            self._picky.add(key)
        self._nominated.pop(key, None)

    def leave(self, key: Key) -> None:
        """The pod's place is free."""
        self._nominated.pop(key, None)
        place = self._placed.pop(key, None)
        if place is not None:
            self._picky.discard(key)
            self.loads[place.node].remove(place.asked, place.ports)
            self._left()

    def nominate(self, pod: Object, node: str) -> None:
        """The pod waits for others to leave that node, and nobody less important may take the place."""
        self._nominated[key_of(pod)] = (node, pod)

    def withdraw(self, key: Key) -> None:
        self._nominated.pop(key, None)

    def loads_for(self, pod: Object) -> dict[str, Load]:
        """The loads with those who are nominated and not less important than the pod."""
        mine, rank = key_of(pod), int(pod["spec"].get("priority") or 0)
        others = [
            (node, other)
            for key, (node, other) in self._nominated.items()
            if key != mine and int(other["spec"].get("priority") or 0) >= rank
        ]
        if not others:
            return self.loads
        loads = dict(self.loads)
        for node, other in others:
            loads[node] = (loads.get(node) or Load()).copy()
            loads[node].add(requests(other), host_ports(other))
        return loads

    def world(self, pod: Object) -> World:
        """The neighbourhood, as far as this pod or the placed ones care."""
        if neighbours.concerned(pod) or self._picky:
            return self.whole_world()
        return World(self.nodes)

    def whole_world(self) -> World:
        """All placed pods; those that were bound a moment ago included."""
        placed = [
            (pod, place.node)
            for key, place in self._placed.items()
            if (pod := self._pods.items.get(key)) is not None and not terminal(pod)
        ]
        labels = {
            name: namespace["metadata"].get("labels") or {}
            for (_, name), namespace in self._namespaces.items.items()
        }
        return World(self.nodes, placed, labels)
