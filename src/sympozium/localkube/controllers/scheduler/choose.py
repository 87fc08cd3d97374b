"""All nodes: the best one for a pod, or kube-scheduler's sentence on why there is none. Pure."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sympozium.localkube.controllers.scheduler import fit, neighbours
from sympozium.localkube.controllers.scheduler.fit import Obstacle
from sympozium.localkube.controllers.scheduler.neighbours import World
from sympozium.localkube.controllers.scheduler.resources import Load
from sympozium.localkube.types import Object

NO_NODES = "no nodes available to schedule pods"


@dataclass(frozen=True, slots=True)
class Choice:
    """`node` is "" when none fits; then `obstacles` has what is in the way, by node."""

    node: str
    obstacles: dict[str, Obstacle] = field(default_factory=dict)

    @property
    def message(self) -> str:
        """The sentence without its part on preemption."""
        return sentence(self.obstacles) if self.obstacles else NO_NODES

    @property
    def curable(self) -> list[str]:
        """Nodes on which the pod would fit if others went."""
        return [name for name, found in self.obstacles.items() if found.curable]


def choose(
    pod: Object, nodes: Sequence[Object], loads: Mapping[str, Load], world: World | None = None
) -> Choice:
    """The fitting node with the fewest pods. `loads` is by node name, of pods that have not ended."""
    world = world or World(nodes)
    found: dict[str, Obstacle] = {}
    fitting: list[tuple[int, str]] = []
    nominated = (pod.get("status") or {}).get("nominatedNodeName")
    for node in nodes:
        name = node["metadata"]["name"]
        load = loads.get(name) or Load()
        problem = obstacle(pod, node, load, world)
        if problem is not None:
            found[name] = problem
        elif name == nominated:
            return Choice(name)
        else:
            fitting.append((load.pods, name))
    return Choice(min(fitting)[1]) if fitting else Choice("", found)


def obstacle(pod: Object, node: Object, load: Load, world: World) -> Obstacle | None:
    """The first thing that keeps the pod off the node."""
    return fit.obstacle(pod, node, load) or neighbours.obstacle(pod, node, world)


def sentence(obstacles: Mapping[str, Obstacle]) -> str:
    """`0/3 nodes are available: 1 Insufficient cpu, 2 node(s) were unschedulable.`"""
    counts = Counter(reason for found in obstacles.values() for reason in found.reasons)
    reasons = ", ".join(sorted(f"{count} {reason}" for reason, count in counts.items()))
    return f"0/{len(obstacles)} nodes are available: {reasons}."
