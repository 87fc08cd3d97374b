"""One step of a StatefulSet: (object, pods, revisions, claims, now) -> what to do. Pure.

OrderedReady: a pod is only made, updated or deleted when all that it has to wait for are available. Parallel: all at
once. In both, a rolling update takes the highest ordinals first, one at a time.

https://kubernetes.io/docs/concepts/workloads/controllers/statefulset/
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field

from sympozium.localkube.controllers.apps import claims, history, identity
from sympozium.localkube.controllers.apps.amounts import wanted
from sympozium.localkube.controllers.apps.claims import Known
from sympozium.localkube.controllers.apps.pods import available, deleting, ended, next_check, phase, ready
from sympozium.localkube.types import Object


@dataclass(slots=True)
class Plan:
    """In this order: revisions, claims, pods; `status` only when there is nothing else to do (None: it is right).

    `record`: a ControllerRevision to create. `renumber`, `change`: (old, new). `claims` with the pod they are for.
    `updated`: pods whose claims or labels are in `change`.
    `contested`: claims that somebody else controls. `blocked`: (pod name, why it cannot be made yet).
    """

    record: Object | None = None
    renumber: tuple[Object, Object] | None = None
    forget: list[Object] = field(default_factory=list)
    claims: list[tuple[str, Object]] = field(default_factory=list)
    change: list[tuple[Object, Object]] = field(default_factory=list)
    updated: list[str] = field(default_factory=list)
    contested: list[str] = field(default_factory=list)
    create: list[Object] = field(default_factory=list)
    delete: list[Object] = field(default_factory=list)
    blocked: list[tuple[str, str]] = field(default_factory=list)
    status: Object | None = None
    again: float | None = None

    @property
    def acts(self) -> bool:
        return bool(
            self.record or self.renumber or self.forget or self.claims or self.change or self.create
        ) or bool(self.delete)


def decide(
    stateful_set: Object,
    pods: Sequence[Object],
    revisions: Sequence[Object],
    known: Known,
    now: dt.datetime,
) -> Plan:
    """`pods` and `revisions` are all that it owns, `known` the claims of its namespace by name."""
    revisions = history.in_order(revisions)
    plan = _recorded(stateful_set, revisions)
    if plan.acts:
        return plan
    update = revisions[-1]
    name = (stateful_set.get("status") or {}).get("currentRevision")
    current = next((one for one in revisions if one["metadata"]["name"] == name), update)
    step = _Step(stateful_set, pods, current, update, known, now)
    if not deleting(stateful_set):
        step.replicas()
        live = {current["metadata"]["name"], update["metadata"]["name"]}
        live |= {identity.revision_of(pod) for pod in pods}
        limit = stateful_set["spec"].get("revisionHistoryLimit")
        if limit is not None and limit >= 0:
            step.plan.forget = history.outdated(revisions, live, int(limit))
    if not step.plan.acts:
        made = step.status()
        step.plan.status = None if made == stateful_set.get("status") else made
    step.plan.again = next_check(pods, step.seconds, now) if step.seconds else None
    return step.plan


def _recorded(stateful_set: Object, revisions: Sequence[Object]) -> Plan:
    """The template of now is the last revision; if it is not yet, what makes it so."""
    data = history.data_of(stateful_set)
    if revisions and revisions[-1]["data"] == data:
        return Plan()
    if deleting(stateful_set) and revisions:
        return Plan()
    number = history.highest(revisions) + 1
    same = [one for one in revisions if one["data"] == data]
    if same:
        return Plan(renumber=(same[-1], {**same[-1], "revision": number}))
    collisions = int((stateful_set.get("status") or {}).get("collisionCount") or 0)
    mark = history.hashed(stateful_set, collisions)
    return Plan(record=history.build(stateful_set, number, history.LEGACY, mark))


class _Step:
    """The working state of one decision."""

    def __init__(
        self,
        stateful_set: Object,
        pods: Sequence[Object],
        current: Object,
        update: Object,
        known: Known,
        now: dt.datetime,
    ) -> None:
        self.set = stateful_set
        self.pods = pods
        self.current, self.update = current, update
        self.known = known
        self.now = now
        self.seconds = int(stateful_set["spec"].get("minReadySeconds") or 0)
        self.plan = Plan()
        self.strategy: Object = stateful_set["spec"].get("updateStrategy") or {}
        self.ordered = stateful_set["spec"].get("podManagementPolicy") != "Parallel"
        numbers = identity.ordinals(stateful_set)
        self.slots: dict[int, Object | None] = dict.fromkeys(numbers)
        self.condemned: list[Object] = []
        for pod in pods:
            ordinal = identity.ordinal_of(pod)
            if ordinal in self.slots:
                self.slots[ordinal] = pod
            elif ordinal >= 0:
                self.condemned.append(pod)
        self.condemned.sort(key=identity.ordinal_of, reverse=True)

    # -- pods ----------------------------------------------------------------------------------

    def replicas(self) -> None:
        for ordinal, pod in self.slots.items():
            if self._replica(ordinal, pod) and self.ordered:
                return
        for pod in self.condemned:
            self.plan.change += self._reowned(pod)
        if self.plan.change:
            return  # a claim that goes with its pod must be the pod's before the pod is deleted
        if self._condemn() or self.plan.acts:
            return
        if self.strategy.get("type") != "OnDelete":
            self._roll()

    def _replica(self, ordinal: int, pod: Object | None) -> bool:
        """Whether the ordinals after it have to wait."""
        if pod is None:
            self._make(ordinal)
            return True
        if ended(pod):
            if not deleting(pod):
                self.plan.delete.append(pod)
            return True
        name = pod["metadata"]["name"]
        if phase(pod) == "Pending":
            lacking = claims.missing(self.set, ordinal, self.known)
            self.plan.claims += [(name, claim) for claim in lacking]
        if self.ordered and not self._usable(pod):
            return True
        changes = self._reowned(pod)
        corrected = identity.corrected(self.set, pod)
        if corrected is not None and not deleting(pod):
            changes.append((pod, corrected))
        if changes:
            self.plan.change += changes
            self.plan.updated.append(name)
        return False

    def _reowned(self, pod: Object) -> list[tuple[Object, Object]]:
        changes = claims.reowned(self.set, pod, self.known)
        for claim, _ in changes:
            if claims.contested(self.set, pod, claim):
                self.plan.contested.append(claim["metadata"]["name"])
        return changes

    def _usable(self, pod: Object) -> bool:
        running = phase(pod) == "Running"
        return running and not deleting(pod) and available(pod, self.seconds, self.now)

    def _make(self, ordinal: int) -> None:
        name = f"{self.set['metadata']['name']}-{ordinal}"
        if claims.stale(self.set, name, ordinal, self.known):
            return
        going = claims.blocked(self.set, ordinal, self.known)
        if going:
            self.plan.blocked.append((name, f"pvc {going} is being deleted"))
            return
        revision = self.current if self._holds_back(ordinal) else self.update
        template = history.template_of(revision)
        pod = identity.build(self.set, template, revision["metadata"]["name"], ordinal)
        lacking = claims.missing(self.set, ordinal, self.known)
        self.plan.claims += [(name, claim) for claim in lacking]
        self.plan.create.append(pod)

    def _holds_back(self, ordinal: int) -> bool:
        """Whether a new pod of the ordinal is to be of the revision before."""
        if self.strategy.get("type") != "RollingUpdate":
            return False
        return ordinal < identity.first(self.set) + self._partition(ordinal)

    def _partition(self, _ordinal: int) -> int:
        rolling = self.strategy.get("rollingUpdate")
        if rolling is None:
            return int((self.set.get("status") or {}).get("currentReplicas") or 0)
        return int(rolling.get("partition") or 0)

    def _condemn(self) -> bool:
        """Delete what is beyond the replicas; whether that holds up the rolling update."""
        lowest = next((pod for pod in self.slots.values() if pod and not self._usable(pod)), None)
        if lowest is None:
            lowest = next((pod for pod in reversed(self.condemned) if not self._usable(pod)), None)
        for pod in self.condemned:
            if deleting(pod):
                if self.ordered:
                    return True
                continue
            if self.ordered and not self._usable(pod) and pod is not lowest:
                return True
            self.plan.delete.append(pod)
            if self.ordered:
                return True
        return False

    def _roll(self) -> None:
        rolling = self.strategy.get("rollingUpdate") or {}
        least = int(rolling.get("partition") or 0)
        for index in range(len(self.slots) - 1, least - 1, -1):
            pod = self.slots[identity.first(self.set) + index]
            if pod is None:
                return
            if identity.revision_of(pod) != self.update["metadata"]["name"] and not deleting(pod):
                self.plan.delete.append(pod)
                return
            if deleting(pod) or not available(pod, self.seconds, self.now):
                return

    # -- status --------------------------------------------------------------------------------

    def status(self) -> Object:
        """The whole status."""
        current, update = self.current["metadata"]["name"], self.update["metadata"]["name"]
        running = [pod for pod in self.pods if phase(pod) == "Running" and ready(pod)]
        kept = [identity.revision_of(pod) for pod in self.pods if not deleting(pod)]
        counts = {
            "replicas": len(self.pods),
            "readyReplicas": len(running),
            "currentReplicas": kept.count(current),
            "updatedReplicas": kept.count(update),
            "availableReplicas": sum(available(pod, self.seconds, self.now) for pod in running),
        }
        size = wanted(self.set)
        keys = ("updatedReplicas", "readyReplicas", "replicas")
        if self.strategy.get("type") == "RollingUpdate" and all(counts[key] == size for key in keys):
            current, counts["currentReplicas"] = update, counts["updatedReplicas"]
        old = self.set.get("status") or {}
        always = ("replicas", "availableReplicas")
        made: Object = {key: value for key, value in counts.items() if value or key in always}
        made |= {
            "observedGeneration": self.set["metadata"].get("generation", 0),
            "currentRevision": current,
            "updateRevision": update,
            "collisionCount": int(old.get("collisionCount") or 0),
        }
        if old.get("conditions"):
            made["conditions"] = old["conditions"]
        return made
