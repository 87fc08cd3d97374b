"""Which pods of lower priority would have to go for a pod that fits nowhere. Pure.

Budgets are kept where that is possible, not where it is not. Of several nodes the one where the least
is lost is taken. https://kubernetes.io/docs/concepts/scheduling-eviction/pod-priority-preemption/
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from sympozium.localkube import disruptions
from sympozium.localkube.controllers.scheduler.choose import Choice, obstacle, sentence
from sympozium.localkube.controllers.scheduler.fit import Obstacle
from sympozium.localkube.controllers.scheduler.neighbours import World
from sympozium.localkube.controllers.scheduler.resources import Load, host_ports, requests
from sympozium.localkube.types import Object

NEVER = "not eligible due to preemptionPolicy=Never."
LEAVING = "not eligible due to a terminating pod on the nominated node."
NO_VICTIMS = "No preemption victims found for incoming pod"
NOT_HELPFUL = "Preemption is not helpful for scheduling"
NO_CLAIMS = "no new claims to deallocate, preemption: "
"""The real sentence begins with what its plugin for device claims has to say, which is this for all pods."""


@dataclass(frozen=True, slots=True)
class Result:
    """`node` and who has to go from it, or `why` there is no such node."""

    node: str = ""
    victims: tuple[Object, ...] = ()
    why: str = ""


def priority(pod: Object) -> int:
    return int(pod["spec"].get("priority") or 0)


def preempt(
    pod: Object,
    choice: Choice,
    loads: Mapping[str, Load],
    world: World,
    budgets: Sequence[Object] = (),
) -> Result:
    """What to delete so that the pod, for which `choice` found no node, would have one."""
    if pod["spec"].get("preemptionPolicy") == "Never":
        return Result(why=NEVER)
    nominated = (pod.get("status") or {}).get("nominatedNodeName")
    if nominated and any(
        name == nominated and other["metadata"].get("deletionTimestamp") and priority(other) < priority(pod)
        for other, name in world.placed
    ):
        return Result(why=LEAVING)
    problems: dict[str, Obstacle] = {}
    candidates: list[tuple[tuple[int, ...], str, tuple[Object, ...]]] = []
    for node in world.nodes:
        name = node["metadata"]["name"]
        if name not in choice.curable:
            problems[name] = Obstacle((NOT_HELPFUL,))
            continue
        found = _victims(pod, node, loads.get(name) or Load(), world, budgets)
        if isinstance(found, Obstacle):
            problems[name] = found
        else:
            victims, violations = found
            candidates.append((_cost(victims, violations), name, victims))
    if not candidates:
        return Result(why=sentence(problems))
    _, name, victims = min(candidates, key=lambda candidate: candidate[:2])
    return Result(node=name, victims=victims)


def _cost(victims: Sequence[Object], violations: int) -> tuple[int, ...]:
    """Fewest broken budgets, then the lowest of the highest priorities, the smallest sum, the fewest pods."""
    priorities = [priority(victim) for victim in victims]
    return violations, max(priorities), sum(value + 2**31 for value in priorities), len(victims)


def _importance(pod: Object) -> tuple[int, str]:
    """Sort key, most important first: high priority, then who has been there longest."""
    started = (pod.get("status") or {}).get("startTime") or pod["metadata"].get("creationTimestamp", "")
    return -priority(pod), str(started)


def _victims(
    pod: Object, node: Object, load: Load, world: World, budgets: Sequence[Object]
) -> tuple[tuple[Object, ...], int] | Obstacle:
    """Take away everybody of lower priority, then let in again whoever fits, budgets first."""
    name = node["metadata"]["name"]
    lower = [other for other, where in world.placed if where == name and priority(other) < priority(pod)]
    if not lower:
        return Obstacle((NO_VICTIMS,))
    lower.sort(key=_importance)
    left = load.copy()
    gone = {other["metadata"]["uid"] for other in lower}
    for other in lower:
        left.remove(requests(other), host_ports(other))
    problem = obstacle(pod, node, left, world.without(gone))
    if problem is not None:
        return problem
    guarded, others = _by_budget(lower, budgets)
    victims: list[Object] = []
    violations = 0
    for group, counted in ((guarded, 1), (others, 0)):
        for other in group:
            if _reprieve(other, left, gone, lambda: obstacle(pod, node, left, world.without(gone))):
                continue
            victims.append(other)
            violations += counted
    return tuple(sorted(victims, key=_importance)), violations


def _reprieve(other: Object, left: Load, gone: set[str], problem: Callable[[], Obstacle | None]) -> bool:
    """Puts a pod back; keeps it there when the new one still fits."""
    uid = other["metadata"]["uid"]
    left.add(requests(other), host_ports(other))
    gone.discard(uid)
    if problem() is None:
        return True
    left.remove(requests(other), host_ports(other))
    gone.add(uid)
    return False


def _by_budget(pods: Sequence[Object], budgets: Sequence[Object]) -> tuple[list[Object], list[Object]]:
    """Those whose going would break a budget, and the others; each budget is spent as it goes."""
    left = {
        id(budget): int((budget.get("status") or {}).get("disruptionsAllowed") or 0) for budget in budgets
    }
    guarded: list[Object] = []
    others: list[Object] = []
    for pod in pods:
        breaks = False
        for budget in budgets:
            listed = (budget.get("status") or {}).get("disruptedPods") or {}
            if not disruptions.selects(budget, pod) or pod["metadata"]["name"] in listed:
                continue
            left[id(budget)] -= 1
            breaks = breaks or left[id(budget)] < 0
        (guarded if breaks else others).append(pod)
    return guarded, others
