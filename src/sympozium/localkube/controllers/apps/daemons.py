"""One step of a DaemonSet: (object, pods, nodes, revisions, now) -> what to do. Pure."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field

from sympozium.localkube.controllers.apps import hashes, history, nodes
from sympozium.localkube.controllers.apps.amounts import scaled
from sympozium.localkube.controllers.apps.history import HASH
from sympozium.localkube.controllers.apps.pods import available, deleting, ended, next_check, phase, ready
from sympozium.localkube.types import Object

Event = tuple[str, str, str]


@dataclass(slots=True)
class Plan:
    """Revisions first, then pods, the status when nothing else is to be done (None: it is right).

    `create` are node names; `events` are (type, reason, message), told before the pods are deleted.
    """

    record: Object | None = None
    change: list[tuple[Object, Object]] = field(default_factory=list)
    forget: list[Object] = field(default_factory=list)
    create: list[str] = field(default_factory=list)
    delete: list[Object] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    mark: str = ""
    status: Object | None = None
    again: float | None = None

    @property
    def acts(self) -> bool:
        return bool(self.record or self.change or self.forget or self.create or self.delete)


def decide(
    daemon_set: Object,
    pods: Sequence[Object],
    every_node: Sequence[Object],
    revisions: Sequence[Object],
    now: dt.datetime,
) -> Plan:
    """`pods` and `revisions` are all that it owns."""
    if deleting(daemon_set):
        return Plan()
    data = history.data_of(daemon_set)
    current = [one for one in history.in_order(revisions) if one["data"] == data]
    old = [one for one in history.in_order(revisions) if one["data"] != data]
    number = history.highest(old) + 1
    if not current:
        return Plan(record=record(daemon_set, number))
    kept = current[-1]
    if len(current) > 1:
        return _merged(current, pods)
    if history.number(kept) < number:
        return Plan(change=[(kept, {**kept, "revision": number})])
    step = _Step(daemon_set, pods, every_node, mark_of(kept), now)
    step.places()
    if not step.plan.acts:
        step.roll()
    if not step.plan.acts:
        step.plan.forget = _outdated(daemon_set, old, pods)
    if not step.plan.acts:
        made = step.status()
        step.plan.status = None if made == daemon_set.get("status") else made
    if step.seconds:
        step.plan.again = next_check(pods, step.seconds, now)
    return step.plan


def record(daemon_set: Object, number: int) -> Object:
    collisions = (daemon_set.get("status") or {}).get("collisionCount")
    mark = hashes.of_template(daemon_set["spec"]["template"], collisions)
    return history.build(daemon_set, number, HASH, mark)


def mark_of(revision: Object) -> str:
    """The hash that the pods of a revision are labelled with."""
    labels = revision["metadata"].get("labels") or {}
    return str(labels.get(HASH) or revision["metadata"]["name"])


def _marked(pod: Object) -> str:
    return str((pod["metadata"].get("labels") or {}).get(HASH) or "")


def _merged(current: Sequence[Object], pods: Sequence[Object]) -> Plan:
    """Several revisions of one template: their pods become the last one's, and then the others go."""
    mark = mark_of(current[-1])
    marks = {mark_of(one) for one in current[:-1]}
    changes = []
    for pod in pods:
        if _marked(pod) in marks - {mark}:
            labels = {**pod["metadata"]["labels"], HASH: mark}
            changes.append((pod, {**pod, "metadata": {**pod["metadata"], "labels": labels}}))
    return Plan(change=changes) if changes else Plan(forget=list(current[:-1]))


def _outdated(daemon_set: Object, old: Sequence[Object], pods: Sequence[Object]) -> list[Object]:
    limit = daemon_set["spec"].get("revisionHistoryLimit")
    if limit is None:
        return []
    used = {_marked(pod) for pod in pods}
    idle = [one for one in old if mark_of(one) not in used]
    return idle[: max(0, len(old) - int(limit))]


class _Step:
    """The working state of one decision."""

    def __init__(
        self,
        daemon_set: Object,
        pods: Sequence[Object],
        every_node: Sequence[Object],
        mark: str,
        now: dt.datetime,
    ) -> None:
        self.set = daemon_set
        self.mark = mark
        self.now = now
        self.seconds = int(daemon_set["spec"].get("minReadySeconds") or 0)
        self.plan = Plan(mark=mark)
        self.nodes = {node["metadata"]["name"]: node for node in every_node}
        self.fits = {name: nodes.fit(daemon_set, node) for name, node in self.nodes.items()}
        self.placed: dict[str, list[Object]] = {}
        for pod in pods:
            if ended(pod) and deleting(pod):
                continue
            name = nodes.node_of(pod)
            if name:
                self.placed.setdefault(name, []).append(pod)
        strategy = daemon_set["spec"].get("updateStrategy") or {}
        self.rolling = strategy.get("type") == "RollingUpdate"
        limits = (strategy.get("rollingUpdate") or {}) if self.rolling else {}
        desired = sum(fit.runs for fit in self.fits.values())
        self.desired = desired
        self.surge = scaled(limits.get("maxSurge"), desired, up=True)
        self.surges = scaled(limits.get("maxSurge"), 1, up=True) > 0
        self.missing = scaled(limits.get("maxUnavailable"), desired, up=True)
        if desired and not self.surge and not self.missing:
            self.missing = 1

    def _available(self, pod: Object) -> bool:
        return available(pod, self.seconds, self.now)

    def _updated(self, pod: Object) -> bool:
        generation = nodes.generation_of(self.set)
        labelled = (pod["metadata"].get("labels") or {}).get(nodes.GENERATION)
        return _marked(pod) == self.mark or (generation is not None and labelled == generation)

    # -- a pod on each node ---------------------------------------------------------------------

    def places(self) -> None:
        for name, fit in self.fits.items():
            here = self.placed.get(name)
            if fit.runs and not here:
                self.plan.create.append(name)
            elif fit.stays:
                self._prune(name, here or [], runs=fit.runs)
            elif here:
                self.plan.delete += [pod for pod in here if not deleting(pod)]
        for name, here in self.placed.items():
            if name not in self.nodes:
                self.plan.delete += [
                    pod for pod in here if not pod["spec"].get("nodeName") and not deleting(pod)
                ]

    def _prune(self, node: str, here: list[Object], *, runs: bool) -> None:
        running = [pod for pod in here if not deleting(pod) and not ended(pod)]
        for pod in here:
            if ended(pod) and not deleting(pod):
                self._replace(pod, node)
        running.sort(key=_oldest_first)
        if not self.surges:
            self.plan.delete += running[1:]
            return
        if not running and runs and not any(ended(pod) for pod in here):
            self.plan.create.append(node)
        new = [pod for pod in running if _marked(pod) == self.mark]
        old = [pod for pod in running if _marked(pod) != self.mark]
        self.plan.delete += [*new[1:], *old[1:]]
        if new and old and (not ready(old[0]) or self._available(new[0])):
            self.plan.delete.append(old[0])

    def _replace(self, pod: Object, node: str) -> None:
        meta = pod["metadata"]
        where = f"daemon pod {meta['namespace']}/{meta['name']} on node {node}"
        if phase(pod) == "Failed":
            text = f"Found failed {where}, will try to kill it"
            self.plan.events.append(("Warning", "FailedDaemonPod", text))
        else:
            text = f"Found succeeded {where}, will try to delete it"
            self.plan.events.append(("Normal", "SucceededDaemonPod", text))
        self.plan.delete.append(pod)

    # -- rolling update --------------------------------------------------------------------------

    def roll(self) -> None:
        if not self.rolling:
            return
        pairs = {
            name: self._pair(self.placed.get(name, ()))
            for name in {*self.placed, *(name for name, fit in self.fits.items() if fit.runs)}
        }
        if self.surge:
            self._roll_surging(pairs)
        else:
            self._roll_deleting(pairs)

    def _pair(self, here: Sequence[Object]) -> tuple[Object | None, Object | None]:
        """(new, old) pod of a node; `places` has seen to it that there is no more than one of each."""
        alive = [pod for pod in here if not deleting(pod)]
        new = next((pod for pod in alive if self._updated(pod)), None)
        return new, next((pod for pod in alive if not self._updated(pod)), None)

    def _roll_deleting(self, pairs: dict[str, tuple[Object | None, Object | None]]) -> None:
        down = 0
        candidates: list[Object] = []
        for new, old in (pairs[name] for name in sorted(pairs)):
            if old is None or new is not None:
                down += new is None or old is not None or not self._available(new)
            elif self._available(old):
                candidates.append(old)
            else:
                down += 1
                self.plan.delete.append(old)
        self.plan.delete += candidates[: max(0, self.missing - down)]

    def _roll_surging(self, pairs: dict[str, tuple[Object | None, Object | None]]) -> None:
        surging = up = 0
        candidates: list[str] = []
        leaving: list[Object] = []
        for name in sorted(pairs):
            new, old = pairs[name]
            shown = old or new
            up += shown is not None and self._available(shown)
            if old is None:
                continue
            runs = name in self.fits and self.fits[name].runs
            if new is not None:
                if self._available(new):
                    self.plan.delete.append(old)
                else:
                    surging += 1
            elif not self._available(old):
                if runs:
                    self.plan.create.append(name)
                else:
                    self.plan.delete.append(old)
            elif runs:
                candidates.append(name)
            else:
                leaving.append(old)
        self.plan.delete += leaving[: max(0, up - self.desired)]
        self.plan.create += candidates[: max(0, self.surge - surging)]

    # -- status ----------------------------------------------------------------------------------

    def status(self) -> Object:
        """The whole status."""
        scheduled = misplaced = is_ready = updated = up = 0
        for name, fit in self.fits.items():
            here = sorted(self.placed.get(name, ()), key=_oldest_first)
            if not fit.runs or not here:
                misplaced += bool(here) and not fit.runs
                continue
            scheduled += 1
            is_ready += ready(here[0])
            up += self._available(here[0])
            updated += self._updated(here[0])
        old = self.set.get("status") or {}
        made: Object = {
            "currentNumberScheduled": scheduled,
            "desiredNumberScheduled": self.desired,
            "numberMisscheduled": misplaced,
            "numberReady": is_ready,
            "observedGeneration": self.set["metadata"].get("generation", 0),
        }
        optional = {
            "updatedNumberScheduled": updated,
            "numberAvailable": up,
            "numberUnavailable": self.desired - up,
        }
        made |= {key: value for key, value in optional.items() if value}
        return made | {key: old[key] for key in ("collisionCount", "conditions") if old.get(key)}


def _oldest_first(pod: Object) -> tuple[bool, str, str]:
    meta = pod["metadata"]
    return not pod["spec"].get("nodeName"), meta["creationTimestamp"], meta["name"]
