"""PodDisruptionBudgets on values: what both the eviction handler and the disruption controller know of them.

The handler takes one disruption off the budget before it deletes a pod and names the pod in `disruptedPods`;
the controller counts anew when it has seen the pod go.
https://kubernetes.io/docs/concepts/scheduling-eviction/api-eviction/
"""

import datetime as dt

from sympozium.localkube.defaults.labels import matches
from sympozium.localkube.types import Object

ALLOWED = "DisruptionAllowed"
SYNC_FAILED = "SyncFailed"
MAX_DISRUPTED = 2000


def selects(budget: Object, pod: Object) -> bool:
    """Whether the budget is about the pod; one without a selector is about none, an empty one about all."""
    selector = budget["spec"].get("selector")
    if selector is None or budget["metadata"].get("namespace") != pod["metadata"].get("namespace"):
        return False
    return matches(selector, pod["metadata"].get("labels") or {})


def condition(budget: Object) -> Object | None:
    conditions: list[Object] = (budget.get("status") or {}).get("conditions") or []
    return next((c for c in conditions if c["type"] == ALLOWED), None)


def set_condition(
    status: Object, now: dt.datetime, *, reason: str = "", message: str = "", value: str = ""
) -> None:
    """Writes DisruptionAllowed as `disruptionsAllowed` has it, or as given when the sync failed."""
    allowed = (status.get("disruptionsAllowed") or 0) > 0
    value = value or ("True" if allowed else "False")
    old: Object = next((c for c in status.get("conditions") or () if c["type"] == ALLOWED), {})
    stamp = now.strftime("%Y-%m-%dT%H:%M:%SZ")
    made: Object = {
        "type": ALLOWED,
        "status": value,
        "reason": reason or ("SufficientPods" if allowed else "InsufficientPods"),
        "message": message,
        "lastTransitionTime": old["lastTransitionTime"] if old.get("status") == value else stamp,
    }
    if status.get("observedGeneration"):
        made["observedGeneration"] = status["observedGeneration"]
    others = [c for c in status.get("conditions") or () if c["type"] != ALLOWED]
    status["conditions"] = [*others, made]


def refusal(budget: Object) -> str:
    """Why the budget allows no eviction now, as the cause of the 429 says it; "" when it allows one."""
    status = budget.get("status") or {}
    name = budget["metadata"]["name"]
    if (status.get("disruptionsAllowed") or 0) > 0:
        return ""
    known = condition(budget) or {}
    told = known.get("message", "") if known.get("status") == "False" else ""
    current, desired = status.get("currentHealthy") or 0, status.get("desiredHealthy") or 0
    if told and known.get("reason") == SYNC_FAILED:
        return f"The disruption budget {name} does not allow evicting pods currently because it failed sync: {told}"
    if current <= desired:
        return f"The disruption budget {name} needs {desired} healthy pods and has {current} currently"
    if told:
        return (
            f"The disruption budget {name} does not allow evicting pods currently ({known['reason']}): {told}"
        )
    return f"The disruption budget {name} does not allow evicting pods currently"


def spend(status: Object, pod: str, now: dt.datetime) -> Object:
    """The status after one more disruption, of that pod."""
    spent = {**status, "disruptionsAllowed": int(status["disruptionsAllowed"]) - 1}
    stamp = now.strftime("%Y-%m-%dT%H:%M:%SZ")
    spent["disruptedPods"] = {**(status.get("disruptedPods") or {}), pod: stamp}
    if not spent["disruptionsAllowed"]:
        set_condition(spent, now)
    return spent


def tolerates_unready(budget: Object) -> bool:
    """Whether a pod that is not ready may go without being counted."""
    status = budget.get("status") or {}
    if budget["spec"].get("unhealthyPodEvictionPolicy") == "AlwaysAllow":
        return True
    desired = status.get("desiredHealthy") or 0
    return desired > 0 and (status.get("currentHealthy") or 0) >= desired
