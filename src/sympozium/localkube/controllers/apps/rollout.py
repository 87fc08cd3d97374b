"""One step of a Deployment: (object, its ReplicaSets, their pods, now) -> what to do. Pure.

A plan has one kind of writes. The caller makes them and asks again with what is stored then, until there is nothing
to do; so being killed between any two requests repeats a step at most, and a step that was done is not
planned again. The order is the one of kube-controller-manager: pause, revision, new ReplicaSet, sizes, history,
status.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field

from sympozium.localkube.controllers.apps import progress, revisions, sizes
from sympozium.localkube.controllers.apps.amounts import is_rolling, wanted
from sympozium.localkube.controllers.apps.pods import deleting, ended
from sympozium.localkube.controllers.apps.sizes import count, uid
from sympozium.localkube.types import Object

NO_LIMIT = progress.NO_LIMIT


@dataclass(slots=True)
class Plan:
    """At most one of: `create` a ReplicaSet, `change` some, `delete` some, write `status`.

    `change` has (old, new). `annotations` go with the status. `created` says that the status is to tell of
    the ReplicaSet in `create`. `again`: look again after that many seconds.
    """

    create: Object | None = None
    change: list[tuple[Object, Object]] = field(default_factory=list)
    delete: list[Object] = field(default_factory=list)
    status: Object | None = None
    annotations: dict[str, str] | None = None
    again: float | None = None

    @property
    def idle(self) -> bool:
        return not (self.create or self.change or self.delete or self.status is not None)


def decide(deployment: Object, every: Sequence[Object], pods: Sequence[Object], now: dt.datetime) -> Plan:
    """`every` are all ReplicaSets that it owns, `pods` all that these own."""
    every = sorted(every, key=revisions.by_age)
    new = revisions.new_of(deployment, every)
    old = [one for one in every if new is None or uid(one) != uid(new)]
    step = _Step(deployment, every, new, old, pods, now)
    return step.plan()


@dataclass(slots=True)
class _Step:
    deployment: Object
    every: list[Object]
    new: Object | None
    old: list[Object]
    pods: Sequence[Object]
    now: dt.datetime

    def plan(self) -> Plan:
        if not deleting(self.deployment):
            noted = progress.pause_noted(self.deployment, self.now)
            if noted != progress.status_of(self.deployment):
                return Plan(status=noted)
        if self.new is not None:
            plan = self._revised(self.new)
            if not plan.idle:
                return plan
        if deleting(self.deployment):
            return self._status(progress.counted(self.deployment, self.new, self.every, self.now))
        if self.deployment["spec"].get("paused") or sizes.was_resized(self.deployment, self.every):
            return self._resized()
        return self._rolling() if is_rolling(self.deployment) else self._recreated()

    def _revised(self, new: Object) -> Plan:
        """Revision, annotations and minReadySeconds of the new ReplicaSet, and what the Deployment says of it."""
        known = revisions.annotations_of(new)
        annotations = revisions.new_annotations(self.deployment, known, revisions.next_revision(self.old))
        seconds = int(self.deployment["spec"].get("minReadySeconds") or 0)
        if annotations != known or seconds != int(new["spec"].get("minReadySeconds") or 0):
            changed = _with(new, annotations=annotations, minReadySeconds=seconds)
            return Plan(change=[(new, changed)])
        own, status = dict(revisions.annotations_of(self.deployment)), progress.status_of(self.deployment)
        told = status
        if progress.deadline(self.deployment) is not None and progress.progressing(status) is None:
            text = f'Found new replica set "{new["metadata"]["name"]}"'
            told = progress.with_condition(
                status, "Progressing", "True", "FoundNewReplicaSet", text, self.now
            )
        revision = known.get(revisions.REVISION, "")
        if own.get(revisions.REVISION) == revision and told is status:
            return Plan()
        return Plan(status=told, annotations={**own, revisions.REVISION: revision})

    # -- the ways of a Deployment ----------------------------------------------------------------

    def _resized(self) -> Plan:
        made, force = sizes.rescaled(self.deployment, self.new, self.old)
        plan = self._sized(made, force=force)
        if plan.idle and self.deployment["spec"].get("paused"):
            plan = self._outdated()
        if not plan.idle:
            return plan
        return self._status(progress.counted(self.deployment, self.new, self.every, self.now))

    def _rolling(self) -> Plan:
        if self.new is None:
            return Plan(create=revisions.build(self.deployment, self.old))
        current, size = wanted(self.new), wanted(self.deployment)
        grown = size if current > size else revisions.new_size(self.deployment, self.every, current)
        plan = self._sized({uid(self.new): grown})
        if plan.idle:
            plan = self._sized(sizes.shrunk(self.deployment, self.new, self.old))
        return self._finished(plan)

    def _recreated(self) -> Plan:
        plan = self._sized({uid(one): 0 for one in self.old})
        if plan.idle and self._old_pods():
            return self._finished(plan)
        if plan.idle and self.new is None:
            return Plan(create=revisions.build(self.deployment, self.old))
        if plan.idle and self.new is not None:
            plan = self._sized({uid(self.new): wanted(self.deployment)})
        return self._finished(plan)

    def _old_pods(self) -> bool:
        """Whether pods of before may still run."""
        if any(count(one, "replicas") for one in self.old):
            return True
        new = uid(self.new) if self.new else ""
        return any(not ended(pod) and _controller(pod) != new for pod in self.pods)

    def _finished(self, plan: Plan) -> Plan:
        if plan.idle and progress.complete(self.deployment, progress.status_of(self.deployment)):
            plan = self._outdated()
        if not plan.idle:
            return plan
        status = progress.rollout_status(self.deployment, self.new, self.every, self.now)
        plan = self._status(status)
        left = progress.time_left(self.deployment, status, self.now)
        plan.again = left or None
        return plan

    # -- writes ----------------------------------------------------------------------------------

    def _status(self, status: Object) -> Plan:
        return Plan(status=None if status == progress.status_of(self.deployment) else status)

    def _sized(self, wished: sizes.Sizes, *, force: bool = False) -> Plan:
        """The changes to these sizes; their annotations change along, or, with `force`, in any case."""
        marks = revisions.sized_annotations(self.deployment)
        plan = Plan()
        for one in self.every:
            size = wished.get(uid(one), wanted(one))
            same = revisions.annotations_of(one).items() >= marks.items()
            if size != wanted(one) or (force and uid(one) in wished and not same):
                annotations = {**revisions.annotations_of(one), **marks}
                plan.change.append((one, _with(one, annotations=annotations, replicas=size)))
        return plan

    def _outdated(self) -> Plan:
        """Old ReplicaSets beyond revisionHistoryLimit, the oldest revisions first."""
        limit = self.deployment["spec"].get("revisionHistoryLimit")
        if limit is None or limit == NO_LIMIT:
            return Plan()
        kept = [one for one in self.old if not deleting(one)]
        surplus = len(kept) - int(limit)
        if surplus <= 0:
            return Plan()
        kept.sort(key=lambda one: revisions.revision_of(one) or 0)
        return Plan(delete=[one for one in kept[:surplus] if _empty(one)])


def _with(replica_set: Object, *, annotations: dict[str, str], **spec: int) -> Object:
    """A copy with other annotations and counts; a count that is 0 and was not there is not written."""
    changed = {key: value for key, value in spec.items() if value or key in replica_set["spec"]}
    return {
        **replica_set,
        "metadata": {**replica_set["metadata"], "annotations": annotations},
        "spec": {**replica_set["spec"], **changed},
    }


def _empty(replica_set: Object) -> bool:
    seen = count(replica_set, "observedGeneration") >= replica_set["metadata"].get("generation", 0)
    return seen and not count(replica_set, "replicas") and not wanted(replica_set)


def _controller(pod: Object) -> str:
    references = pod["metadata"].get("ownerReferences") or ()
    return next((str(r["uid"]) for r in references if r.get("controller")), "")
