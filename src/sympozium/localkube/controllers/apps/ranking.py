"""Which pods of a ReplicaSet go first when it has too many.

The first rule that tells two pods apart decides: no node; pending; not ready; a lower
controller.kubernetes.io/pod-deletion-cost; more siblings on the same node; ready for a shorter time; restarted more
often; younger. Times are compared by their order of magnitude (powers of two of the age), so that among
pods of about the same age the choice is by uid and thus no pattern.

https://kubernetes.io/docs/concepts/workloads/controllers/replicaset/#scaling-a-replicaset
"""

import datetime as dt
import functools
import math
from collections import Counter
from collections.abc import Iterable, Sequence

from sympozium.localkube.controllers.apps.pods import active, moment, phase, ready_since
from sympozium.localkube.types import Object

COST = "controller.kubernetes.io/pod-deletion-cost"
_PHASES = {"Pending": 0, "Unknown": 1, "Running": 2}


def victims(pods: Sequence[Object], count: int, siblings: Iterable[Object], now: dt.datetime) -> list[Object]:
    """`count` of the pods. `siblings` are all pods of the ReplicaSets of the same owner, these among them."""
    if count >= len(pods):
        return list(pods)
    crowd = Counter(node_of(pod) for pod in siblings if active(pod))

    def order(left: Object, right: Object) -> int:
        first, second = _urgency(left, crowd), _urgency(right, crowd)
        if first != second:
            return -1 if first < second else 1
        return _by_time(left, right, now)

    return sorted(pods, key=functools.cmp_to_key(order))[:count]


def node_of(pod: Object) -> str:
    return str(pod["spec"].get("nodeName") or "")


def cost(pod: Object) -> int:
    """The annotation; what is no 32-bit integer counts as 0."""
    text = (pod["metadata"].get("annotations") or {}).get(COST, "0")
    try:
        value = int(text)
    except ValueError:
        return 0
    return value if -(2**31) <= value < 2**31 and not text.startswith("+") else 0


def _urgency(pod: Object, crowd: Counter[str]) -> tuple[bool, int, bool, int, int]:
    node = node_of(pod)
    is_ready = ready_since(pod) is not None
    return bool(node), _PHASES.get(phase(pod), 0), is_ready, cost(pod), -crowd[node]


def _by_time(left: Object, right: Object, now: dt.datetime) -> int:
    since_left, since_right = ready_since(left), ready_since(right)
    if since_left is not None and since_right is not None and since_left != since_right:
        return _shorter_first(left, since_left, right, since_right, now)
    restarts = _restarts(right), _restarts(left)
    if restarts[0] != restarts[1]:
        return -1 if restarts[0] < restarts[1] else 1
    born_left, born_right = _born(left), _born(right)
    if born_left == born_right:
        return 0
    return _shorter_first(left, born_left, right, born_right, now)


def _shorter_first(
    left: Object, since_left: dt.datetime, right: Object, since_right: dt.datetime, now: dt.datetime
) -> int:
    magnitude = _magnitude(since_left, now) - _magnitude(since_right, now)
    if magnitude:
        return magnitude
    return -1 if left["metadata"]["uid"] < right["metadata"]["uid"] else 1


def _magnitude(since: dt.datetime, now: dt.datetime) -> int:
    age = (now - since).total_seconds() * 1e9
    return int(math.log2(age)) if age > 0 else -1


def _born(pod: Object) -> dt.datetime:
    return moment(pod["metadata"]["creationTimestamp"])


def _restarts(pod: Object) -> tuple[int, int]:
    """The most restarts of an ordinary container, and of a sidecar."""
    status, spec = pod.get("status") or {}, pod["spec"]
    sidecars = {c["name"] for c in spec.get("initContainers") or () if c.get("restartPolicy") == "Always"}
    main = [c.get("restartCount", 0) for c in status.get("containerStatuses") or ()]
    beside = [
        c.get("restartCount", 0) for c in status.get("initContainerStatuses") or () if c["name"] in sidecars
    ]
    return max(main, default=0), max(beside, default=0)
