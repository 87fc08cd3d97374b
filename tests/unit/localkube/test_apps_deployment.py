"""Deployments as decisions: a small world in which plans are carried out, and what must hold all the way."""

import copy
import datetime as dt

import pytest
from hypothesis import given, strategies as st

from sympozium.localkube.controllers.apps import progress, revisions, rollout, sizes
from sympozium.localkube.controllers.apps.amounts import max_surge, max_unavailable, scaled, wanted

START = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


class World:
    """A Deployment, its ReplicaSets, and time. `broken` images never become available."""

    def __init__(self, replicas=3, surge="25%", missing="25%", **spec):
        strategy = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": surge, "maxUnavailable": missing}}
        self.now = START
        self.broken = set()
        self.sets = []
        self.pods = []
        self.seen = []
        self.deployment = {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "web", "namespace": "n", "uid": "d", "generation": 1},
            "spec": {
                "replicas": replicas,
                "strategy": strategy,
                "selector": {"matchLabels": {"app": "web"}},
                "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"image": "1"}},
                "progressDeadlineSeconds": 600,
                "revisionHistoryLimit": 10,
                **spec,
            },
        }

    def edit(self, **spec):
        image = spec.pop("image", None)
        self.deployment = copy.deepcopy(self.deployment)
        self.deployment["spec"] |= spec
        if image:
            self.deployment["spec"]["template"]["spec"]["image"] = image
        self.deployment["metadata"]["generation"] += 1

    def decide(self):
        return rollout.decide(self.deployment, self.sets, self.pods, self.now)

    def settle(self):
        """Carry out plans until there is nothing to do; the ReplicaSets themselves stand still."""
        for _ in range(50):
            plan = self.decide()
            if plan.idle:
                return plan
            self.apply(plan)
        pytest.fail(f"no end of plans: {plan}")

    def apply(self, plan):
        self.seen.append(plan)
        if plan.create:
            number = len(self.sets) + len(self.seen)
            stamp = (START + dt.timedelta(seconds=number)).strftime("%Y-%m-%dT%H:%M:%SZ")
            made = copy.deepcopy(plan.create)
            made["metadata"] |= {"uid": f"rs{number}", "creationTimestamp": stamp, "generation": 1}
            self.sets.append(made)
        for old, new in plan.change:
            index = next(i for i, one in enumerate(self.sets) if sizes.uid(one) == sizes.uid(old))
            self.sets[index] = copy.deepcopy(new)
            self.sets[index]["metadata"]["generation"] = old["metadata"]["generation"] + 1
        self.sets = [one for one in self.sets if one not in plan.delete]
        if plan.status is not None:
            self.deployment = {**self.deployment, "status": plan.status}
        if plan.annotations is not None:
            self.deployment["metadata"]["annotations"] = plan.annotations

    def run_pods(self, limit=1000):
        """All ReplicaSets do what they are told; at most `limit` pods become available. Whether anything moved."""
        before = copy.deepcopy(self.sets)
        for one in self.sets:
            size = wanted(one)
            old = one.get("status") or {}
            up = min(old.get("availableReplicas", 0), size)
            if one["spec"]["template"]["spec"]["image"] not in self.broken:
                grown = min(size - up, limit)
                up, limit = up + grown, limit - grown
            one["status"] = {
                "replicas": size,
                "readyReplicas": up,
                "availableReplicas": up,
                "terminatingReplicas": 0,
                "observedGeneration": one["metadata"]["generation"],
            }
        return self.sets != before

    def rollout(self, limit=1000):
        for _ in range(200):
            self.settle()
            if not self.run_pods(limit):
                self.settle()
                return
        pytest.fail("the rollout has no end")

    def sizes(self):
        return {one["spec"]["template"]["spec"]["image"]: wanted(one) for one in self.sets}

    def condition(self, kind):
        found = [c for c in self.deployment["status"]["conditions"] if c["type"] == kind]
        return (found[0]["status"], found[0]["reason"], found[0]["message"]) if found else None


def test_a_new_deployment_gets_one_replica_set():
    world = World()
    world.settle()
    (made,) = world.sets
    mark = made["metadata"]["labels"]["pod-template-hash"]
    assert made["metadata"]["name"] == f"web-{mark}"
    assert made["spec"]["selector"]["matchLabels"] == {"app": "web", "pod-template-hash": mark}
    assert made["metadata"]["annotations"] == {
        "deployment.kubernetes.io/revision": "1",
        "deployment.kubernetes.io/desired-replicas": "3",
        "deployment.kubernetes.io/max-replicas": "4",
    }
    assert world.condition("Available")[:2] == ("False", "MinimumReplicasUnavailable")
    assert world.deployment["status"]["unavailableReplicas"] == 3


def test_a_rollout_ends_with_all_pods_new_and_says_so():
    world = World()
    world.rollout()
    world.edit(image="2")
    world.rollout()
    assert world.sizes() == {"1": 0, "2": 3}
    name = next(one["metadata"]["name"] for one in world.sets if wanted(one))
    text = f'ReplicaSet "{name}" has successfully progressed.'
    assert world.condition("Progressing") == ("True", "NewReplicaSetAvailable", text)
    assert world.deployment["metadata"]["annotations"][revisions.REVISION] == "2"
    assert world.decide().again is None


AMOUNTS = st.one_of(st.integers(0, 5), st.integers(0, 100).map(lambda n: f"{n}%"))


@given(size=st.integers(1, 12), surge=AMOUNTS, missing=AMOUNTS, pace=st.integers(1, 4))
def test_a_rollout_keeps_its_limits_at_every_step(size, surge, missing, pace):
    world = World(size, surge, missing)
    world.rollout()
    world.edit(image="2")
    most = size + max_surge(world.deployment)
    least = size - max_unavailable(world.deployment)
    for _ in range(300):
        plan = world.decide()
        if plan.idle:
            if not world.run_pods(pace):
                break
            continue
        world.apply(plan)
        assert sum(world.sizes().values()) <= most
        up = sum(min(wanted(one), sizes.count(one, "availableReplicas")) for one in world.sets)
        assert up >= least
    assert world.sizes() == {"1": 0, "2": size}


@given(size=st.integers(2, 20), new=st.integers(0, 30), paused=st.booleans())
def test_scaling_in_the_middle_of_a_rollout_keeps_the_total(size, new, paused):
    world = World(size)
    world.rollout()
    world.broken = {"2"}
    world.edit(image="2")
    world.rollout()
    active = [one for one in world.sets if wanted(one)]
    world.edit(replicas=new, paused=paused)
    world.settle()
    total = sum(world.sizes().values())
    assert total == (new + max_surge(world.deployment) if len(active) > 1 and new else new)


def test_shares_are_kept_when_several_replica_sets_have_pods():
    world = World(10, surge=3, missing=2)
    world.rollout()
    world.broken = {"2"}
    world.edit(image="2")
    world.rollout()
    assert world.sizes() == {"1": 8, "2": 5}
    world.edit(replicas=15)
    world.settle()
    assert world.sizes() == {"1": 11, "2": 7}


def test_a_rollout_that_does_not_move_times_out_once():
    world = World()
    world.rollout()
    world.broken = {"2"}
    world.edit(image="2")
    world.rollout()
    assert 600 < world.settle().again <= 601
    world.now += dt.timedelta(seconds=602)
    world.settle()
    status, reason, message = world.condition("Progressing")
    assert (status, reason) == ("False", "ProgressDeadlineExceeded")
    assert message.endswith("has timed out progressing.")
    assert world.settle().again is None
    assert world.sizes() == {"1": 3, "2": 1}


def test_undo_raises_the_revision_of_the_old_replica_set():
    world = World()
    for image in ("1", "2", "1"):
        world.edit(image=image)
        world.rollout()
    first = next(one for one in world.sets if wanted(one))
    assert len(world.sets) == 2
    assert first["metadata"]["annotations"][revisions.REVISION] == "3"
    assert first["metadata"]["annotations"][revisions.HISTORY] == "1"


def test_history_is_cut_to_its_limit_but_never_what_has_pods():
    world = World(revisionHistoryLimit=1)
    for image in ("1", "2", "3", "4"):
        world.edit(image=image)
        world.rollout()
    assert world.sizes() == {"3": 0, "4": 3}


def test_paused_makes_no_new_replica_set_and_resuming_does():
    world = World()
    world.rollout()
    world.edit(paused=True, image="2")
    world.rollout()
    assert world.sizes() == {"1": 3}
    assert world.condition("Progressing") == ("Unknown", "DeploymentPaused", "Deployment is paused")
    world.edit(paused=False)
    world.rollout()
    assert world.sizes() == {"1": 0, "2": 3}


def test_recreate_waits_for_the_last_old_pod():
    world = World()
    world.rollout()
    world.edit(strategy={"type": "Recreate"}, image="2")
    owner = [{"uid": sizes.uid(world.sets[0]), "controller": True}]
    world.pods = [{"metadata": {"ownerReferences": owner}, "status": {"phase": "Running"}}]
    world.rollout()
    assert world.sizes() == {"1": 0}
    world.pods = []
    world.rollout()
    assert world.sizes() == {"1": 0, "2": 3}


def test_a_refusal_of_a_replica_set_is_shown_and_goes_away():
    world = World()
    world.settle()
    refusal = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": "quota"}
    refusal["lastTransitionTime"] = "2026-01-01T00:00:00Z"
    world.sets[0]["status"] = {"observedGeneration": 1, "conditions": [refusal]}
    world.settle()
    assert world.condition("ReplicaFailure") == ("True", "FailedCreate", "quota")
    world.rollout()
    assert world.condition("ReplicaFailure") is None


def test_without_a_deadline_there_is_no_progressing_condition():
    world = World(progressDeadlineSeconds=2**31 - 1)
    world.rollout()
    assert world.condition("Progressing") is None
    assert progress.deadline(world.deployment) is None


@pytest.mark.parametrize(
    ("value", "total", "up", "down"),
    [("25%", 3, 1, 0), ("25%", 4, 1, 1), (2, 100, 2, 2), ("100%", 7, 7, 7), (None, 5, 0, 0)],
)
def test_amounts(value, total, up, down):
    assert (scaled(value, total, up=True), scaled(value, total, up=False)) == (up, down)
