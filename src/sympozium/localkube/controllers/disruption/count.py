"""(budget, its pods, scales of their controllers, now) -> status. Pure."""

import datetime as dt
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sympozium.localkube import disruptions
from sympozium.localkube.controllers.job.pods import deleting, parse_time, ready
from sympozium.localkube.types import Object

DELETION_TIMEOUT = 120.0
"""Seconds after which an evicted pod that is still there counts again."""


@dataclass(frozen=True, slots=True)
class Count:
    """`expected` pods there should be, `desired` of them healthy."""

    expected: int
    desired: int


def needs_scale(budget: Object) -> bool:
    """Whether the budget is a share of what the pods' controllers want, and not a plain number."""
    spec = budget["spec"]
    return spec.get("maxUnavailable") is not None or isinstance(spec.get("minAvailable"), str)


def expected(budget: Object, pods: Sequence[Object], scale: int) -> Count:
    """`scale` is the sum over the controllers of the pods."""
    spec = budget["spec"]
    most, least = spec.get("maxUnavailable"), spec.get("minAvailable")
    if most is not None:
        return Count(scale, max(0, scale - share(most, scale)))
    if isinstance(least, str):
        return Count(scale, share(least, scale))
    if least is not None:
        return Count(len(pods), int(least))
    return Count(0, 0)


def share(value: Any, total: int) -> int:
    """A number, or a percentage of `total` rounded up."""
    return (
        int(value) if isinstance(value, int) else math.ceil(int(str(value).removesuffix("%")) * total / 100)
    )


def disrupted(
    budget: Object, pods: Sequence[Object], now: dt.datetime
) -> tuple[dict[str, str], float | None]:
    """Evicted pods that are still to go, and in how many seconds the first of them counts again."""
    listed = (budget.get("status") or {}).get("disruptedPods") or {}
    kept: dict[str, str] = {}
    again: float | None = None
    for pod in pods:
        name = pod["metadata"]["name"]
        if name not in listed or deleting(pod):
            continue
        left = DELETION_TIMEOUT - (now - parse_time(listed[name])).total_seconds()
        if left >= 0:
            kept[name] = listed[name]
            again = left if again is None else min(left, again)
    return kept, again


def status(
    budget: Object, pods: Sequence[Object], count: Count, waiting: dict[str, str], now: dt.datetime
) -> Object:
    """The whole status."""
    healthy = sum(not deleting(pod) and pod["metadata"]["name"] not in waiting and ready(pod) for pod in pods)
    allowed = max(0, healthy - count.desired) if count.expected > 0 else 0
    made: Object = {
        "currentHealthy": healthy,
        "desiredHealthy": count.desired,
        "expectedPods": count.expected,
        "disruptionsAllowed": allowed,
        "conditions": (budget.get("status") or {}).get("conditions") or [],
    }
    if budget["metadata"].get("generation"):
        made["observedGeneration"] = budget["metadata"]["generation"]
    if waiting:
        made["disruptedPods"] = waiting
    known = disruptions.condition(budget)
    value, reason = ("True", "SufficientPods") if allowed else ("False", "InsufficientPods")
    current = (budget.get("status") or {}).get("observedGeneration") == made.get("observedGeneration")
    if not (known and current and (known["status"], known["reason"]) == (value, reason)):
        disruptions.set_condition(made, now)
    return made


def failed(budget: Object, why: str, now: dt.datetime) -> Object:
    """The safe side: what cannot be counted may not be disturbed."""
    made = {**(budget.get("status") or {}), "disruptionsAllowed": 0}
    disruptions.set_condition(made, now, reason=disruptions.SYNC_FAILED, message=why, value="False")
    return made
