"""How many pods each ReplicaSet of a Deployment is to have. Pure; sizes are by uid.

https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#rolling-update-deployment
"""

import math
from collections.abc import Sequence

from sympozium.localkube.controllers.apps.amounts import is_rolling, max_surge, max_unavailable, wanted
from sympozium.localkube.controllers.apps.revisions import DESIRED, MAXIMUM, annotations_of, by_age
from sympozium.localkube.types import Object

Sizes = dict[str, int]


def uid(obj: Object) -> str:
    return str(obj["metadata"]["uid"])


def count(replica_set: Object, key: str) -> int:
    return int((replica_set.get("status") or {}).get(key) or 0)


def filled(replica_sets: Sequence[Object]) -> list[Object]:
    """Those that have pods or ought to have some."""
    return [one for one in replica_sets if wanted(one)]


def noted(replica_set: Object, key: str) -> int | None:
    """A number that the controller left in an annotation; None for what is none."""
    text = annotations_of(replica_set).get(key, "")
    return int(text) if text.isascii() and text.isdecimal() and int(text) < 2**31 else None


def was_resized(deployment: Object, replica_sets: Sequence[Object]) -> bool:
    """Whether spec.replicas changed since the ReplicaSets were last sized."""
    marks = (noted(one, DESIRED) for one in filled(replica_sets))
    return any(mark is not None and mark != wanted(deployment) for mark in marks)


def rescaled(deployment: Object, new: Object | None, old: Sequence[Object]) -> tuple[Sizes, bool]:
    """Sizes after spec.replicas changed, or while paused; and whether their annotations are renewed in any case.

    One ReplicaSet with pods gets them all; several keep their shares, so that a change of size is not also a
    push of the rollout.
    """
    everything = [*old, *([new] if new else [])]
    size, active = wanted(deployment), filled(everything)
    if len(active) <= 1:
        one = active[0] if active else new or (old[0] if old else None)
        return ({} if one is None else {uid(one): size}), False
    if new is not None and _saturated(deployment, new):
        return {uid(one): 0 for one in filled(old)}, False
    return (_shares(deployment, active), True) if is_rolling(deployment) else ({}, False)


def _saturated(deployment: Object, new: Object) -> bool:
    size = wanted(deployment)
    return wanted(new) == size and noted(new, DESIRED) == size and count(new, "availableReplicas") == size


def _shares(deployment: Object, active: list[Object]) -> Sizes:
    size = wanted(deployment)
    allowed = size + max_surge(deployment) if size else 0
    change = allowed - sum(wanted(one) for one in active)
    # The larger first; of the same size the newer one grows first and the older one shrinks first.
    ordered = sorted(active, key=by_age, reverse=change > 0)
    ordered.sort(key=wanted, reverse=True)
    made: Sizes = {}
    spread = 0
    for one in ordered:
        share = _share(deployment, one, change - spread, change)
        made[uid(one)] = wanted(one) + share
        spread += share
    made[uid(ordered[0])] = max(0, made[uid(ordered[0])] + change - spread)
    return made


def _share(deployment: Object, one: Object, left: int, change: int) -> int:
    if not change or not left:
        return 0
    part = _fraction(deployment, one)
    return min(part, left) if change > 0 else max(part, left)


def _fraction(deployment: Object, one: Object) -> int:
    size, current = wanted(deployment), wanted(one)
    if not size:
        return -current
    before = noted(one, MAXIMUM) or count(deployment, "replicas")
    if not before:
        return 0
    exact = current * (size + max_surge(deployment)) / before
    return math.floor(exact + 0.5) - current


def shrunk(deployment: Object, new: Object, old: Sequence[Object]) -> Sizes:
    """Sizes of the old ones as far as a rolling update may take pods away now: first those that do not work."""
    active = sorted(filled(old), key=by_age)
    least = wanted(deployment) - max_unavailable(deployment)
    missing = wanted(new) - count(new, "availableReplicas")
    total = sum(wanted(one) for one in [*old, new])
    room = total - least - missing
    made = {uid(one): wanted(one) for one in active}
    if not active or room <= 0:
        return made
    for one in active:
        broken = min(room, wanted(one) - count(one, "availableReplicas"))
        if broken > 0:
            made[uid(one)] -= broken
            room -= broken
    working = sum(count(one, "availableReplicas") for one in [*active, new]) - least
    for one in active:
        taken = min(made[uid(one)], max(0, working))
        made[uid(one)] -= taken
        working -= taken
    return made
