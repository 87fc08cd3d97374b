"""ReplicaSets, StatefulSets and DaemonSets as decisions on values."""

import datetime as dt

import pytest

from sympozium.localkube.controllers.apps import (
    claims,
    daemons,
    hashes,
    history,
    nodes,
    ordinals,
    ranking,
    replicas,
)
from sympozium.localkube.controllers.apps.children import claim

NOW = dt.datetime(2026, 1, 1, 12, tzinfo=dt.UTC)
OLD = "2026-01-01T11:00:00Z"


def pod(name, *, ready=True, phase="Running", node="n1", labels=None, since=OLD, **meta):
    conditions = [{"type": "Ready", "status": "True", "lastTransitionTime": since}] if ready else []
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": "n",
            "uid": f"uid-{name}",
            "creationTimestamp": OLD,
            "labels": labels or {"app": "x"},
            **meta,
        },
        "spec": {"nodeName": node} if node else {},
        "status": {"phase": phase, "conditions": conditions},
    }


def workload(kind, size=2, **spec):
    template = {"metadata": {"labels": {"app": "x"}}, "spec": {"containers": [{"name": "c", "image": "1"}]}}
    base = {"replicas": size, "selector": {"matchLabels": {"app": "x"}}, "template": template}
    meta = {"name": "w", "namespace": "n", "uid": "w", "generation": 1}
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": meta, "spec": base | spec}


# -- ReplicaSet ---------------------------------------------------------------------------------


def test_pods_that_ended_or_go_are_replaced():
    pods = [pod("a"), pod("b", phase="Failed"), pod("c", deletionTimestamp=OLD)]
    assert replicas.decide(workload("ReplicaSet"), pods, (), NOW).create == 1


def test_a_replica_set_that_is_deleted_makes_no_pods():
    owner = workload("ReplicaSet")
    owner["metadata"]["deletionTimestamp"] = OLD
    plan = replicas.decide(owner, [], (), NOW)
    assert (plan.create, plan.delete, plan.status["replicas"]) == (0, [], 0)


def test_minimum_ready_seconds_are_waited_for():
    fresh = (NOW - dt.timedelta(seconds=3)).isoformat()
    owner = workload("ReplicaSet", 1, minReadySeconds=10)
    plan = replicas.decide(owner, [pod("a", since=fresh)], (), NOW)
    assert plan.status["readyReplicas"] == 1
    assert "availableReplicas" not in plan.status
    assert 7 <= plan.again <= 7.1


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (pod("a", node=""), pod("b")),
        (pod("a", phase="Pending"), pod("b")),
        (pod("a", ready=False), pod("b")),
        (pod("a", annotations={ranking.COST: "-5"}), pod("b")),
        (pod("a"), pod("b", annotations={ranking.COST: "5"})),
        (pod("a", node="full"), pod("b", node="empty")),
        (pod("a", since="2026-01-01T11:59:00Z"), pod("b", since="2025-01-01T00:00:00Z")),
        (
            pod("a", creationTimestamp="2026-01-01T11:59:00Z"),
            pod("b", creationTimestamp="2020-01-01T00:00:00Z"),
        ),
    ],
)
def test_who_goes_first(first, second):
    others = [first, second, pod("sibling", node="full")]
    for order in ([first, second], [second, first]):
        assert ranking.victims(order, 1, others, NOW) == [first]


def test_adoption_and_release():
    owner = workload("ReplicaSet")
    mine, strayed = pod("a"), pod("b", labels={"app": "other"})
    loose, going = pod("c"), pod("d", deletionTimestamp=OLD)
    found = claim(owner, [mine, strayed], [loose, going, pod("e", labels={"app": "other"})])
    assert (found.mine, found.release, found.adopt) == ([mine], [strayed], [loose])
    owner["metadata"]["deletionTimestamp"] = OLD
    found = claim(owner, [mine, strayed], [loose])
    assert (found.mine, found.release, found.adopt) == ([mine], [], [])


# -- StatefulSet --------------------------------------------------------------------------------


class Set:
    """A StatefulSet with its revisions, claims and pods; `step` carries out one plan."""

    def __init__(self, size=2, **spec):
        base = {"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}}}
        self.set = workload("StatefulSet", size, **(base | {"revisionHistoryLimit": 1} | spec))
        self.pods, self.revisions, self.claims = [], [], {}

    def step(self):
        plan = ordinals.decide(self.set, self.pods, self.revisions, self.claims, NOW)
        if plan.record:
            self.revisions.append(plan.record)
            plan.record["metadata"] |= {"creationTimestamp": OLD, "uid": str(len(self.revisions))}
        if plan.renumber:
            self.revisions = [r for r in self.revisions if r is not plan.renumber[0]] + [plan.renumber[1]]
        for _, wished in plan.claims:
            self.claims[wished["metadata"]["name"]] = wished
        for made in plan.create:
            made["metadata"] |= {"uid": made["metadata"]["name"], "creationTimestamp": OLD}
            self.pods.append({**made, "status": {"phase": "Pending"}})
        self.pods = [p for p in self.pods if p not in plan.delete]
        self.revisions = [r for r in self.revisions if r not in plan.forget]
        if plan.status:
            self.set["status"] = plan.status
        return plan

    def settle(self):
        for _ in range(30):
            plan = self.step()
            if not plan.acts and plan.status is None:
                return plan
        pytest.fail("no end of plans")

    def up(self):
        for one in self.pods:
            condition = {"type": "Ready", "status": "True", "lastTransitionTime": OLD}
            one["status"] = {"phase": "Running", "conditions": [condition]}

    def run(self):
        for _ in range(20):
            self.settle()
            self.up()
        self.settle()

    def names(self):
        return sorted(p["metadata"]["name"] for p in self.pods)

    def images(self):
        ordered = sorted(self.pods, key=lambda p: p["metadata"]["name"])
        return [p["spec"]["containers"][0]["image"] for p in ordered]

    def image(self, value):
        self.set["spec"]["template"] = {
            "metadata": {"labels": {"app": "x"}},
            "spec": {"containers": [{"name": "c", "image": value}]},
        }


def test_ordered_pods_wait_for_each_other_and_parallel_ones_do_not():
    one, all_at_once = Set(3), Set(3, podManagementPolicy="Parallel")
    one.settle()
    all_at_once.settle()
    assert one.names() == ["w-0"]
    assert all_at_once.names() == ["w-0", "w-1", "w-2"]
    one.up()
    one.settle()
    assert one.names() == ["w-0", "w-1"]


def test_a_pod_has_the_identity_of_its_ordinal():
    world = Set(1, serviceName="svc", ordinals={"start": 5})
    world.settle()
    (made,) = world.pods
    labels = made["metadata"]["labels"]
    assert made["metadata"]["name"] == made["spec"]["hostname"] == "w-5"
    assert made["spec"]["subdomain"] == "svc"
    assert labels["statefulset.kubernetes.io/pod-name"] == "w-5"
    assert labels["apps.kubernetes.io/pod-index"] == "5"
    assert labels["controller-revision-hash"] == world.revisions[0]["metadata"]["name"]


def test_an_update_begins_at_the_end_and_stops_at_the_partition():
    world = Set(3)
    world.run()
    world.set["spec"]["updateStrategy"]["rollingUpdate"]["partition"] = 1
    world.image("2")
    plans = [world.step() for _ in range(2)]
    assert [p["metadata"]["name"] for p in plans[1].delete] == ["w-2"]
    world.run()
    assert world.images() == ["1", "2", "2"]
    status = world.set["status"]
    assert (status["currentReplicas"], status["updatedReplicas"]) == (1, 2)
    assert status["currentRevision"] != status["updateRevision"]
    world.set["spec"]["updateStrategy"]["rollingUpdate"]["partition"] = 0
    world.run()
    assert world.images() == ["2", "2", "2"]
    assert world.set["status"]["currentRevision"] == world.set["status"]["updateRevision"]


def test_on_delete_leaves_pods_alone():
    world = Set(2, updateStrategy={"type": "OnDelete"})
    world.run()
    world.image("2")
    world.run()
    assert world.images() == ["1", "1"]
    world.pods.pop()
    world.run()
    assert sorted(world.images()) == ["1", "2"]


def test_scaling_down_takes_the_highest_one_at_a_time():
    world = Set(3)
    world.run()
    world.set["spec"]["replicas"] = 1
    assert [p["metadata"]["name"] for p in world.step().delete] == ["w-2"]
    world.run()
    assert world.names() == ["w-0"]


def test_revisions_are_kept_to_the_limit_and_undo_uses_the_old_one():
    world = Set(1)
    for image in ("1", "2", "3", "2"):
        world.image(image)
        world.run()
    numbers = {
        history.template_of(r)["spec"]["containers"][0]["image"]: history.number(r) for r in world.revisions
    }
    assert numbers == {"3": 3, "2": 4}


CLAIM = {"metadata": {"name": "data"}, "spec": {"resources": {}}}


def test_claims_are_made_before_their_pod_and_stay():
    world = Set(1, volumeClaimTemplates=[CLAIM])
    world.settle()
    assert list(world.claims) == ["data-w-0"]
    assert world.claims["data-w-0"]["metadata"]["labels"] == {"app": "x"}
    volume = {"name": "data", "persistentVolumeClaim": {"claimName": "data-w-0"}}
    assert world.pods[0]["spec"]["volumes"] == [volume]
    assert "ownerReferences" not in world.claims["data-w-0"]["metadata"]


@pytest.mark.parametrize(
    ("deleted", "scaled", "inside", "outside"),
    [
        ("Retain", "Retain", None, None),
        ("Delete", "Retain", "StatefulSet", "StatefulSet"),
        ("Retain", "Delete", None, "Pod"),
        ("Delete", "Delete", "StatefulSet", "Pod"),
    ],
)
def test_the_retention_policy_says_who_owns_a_claim(deleted, scaled, inside, outside):
    policy = {"whenDeleted": deleted, "whenScaled": scaled}
    owner = workload(
        "StatefulSet", 1, volumeClaimTemplates=[CLAIM], persistentVolumeClaimRetentionPolicy=policy
    )
    for name, kind in (("w-0", inside), ("w-1", outside)):
        one = {"metadata": {"name": f"data-{name}", "namespace": "n"}}
        changes = claims.reowned(owner, pod(name), {f"data-{name}": one})
        owners = [r["kind"] for _, new in changes for r in new["metadata"]["ownerReferences"]]
        assert owners == ([kind] if kind else [])
        for _, new in changes:
            assert claims.reowned(owner, pod(name), {f"data-{name}": new}) == []


def test_a_revision_is_named_as_a_real_controller_names_it():
    """The name that a kube-controller-manager 1.36 gave to this data."""
    container = {
        "image": "nginx",
        "imagePullPolicy": "Always",
        "name": "c",
        "resources": {},
        "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "File",
        "volumeMounts": [{"mountPath": "/data", "name": "data"}],
    }
    spec = {
        "containers": [container],
        "dnsPolicy": "ClusterFirst",
        "restartPolicy": "Always",
        "schedulerName": "default-scheduler",
        "securityContext": {},
        "terminationGracePeriodSeconds": 30,
    }
    data = {"spec": {"template": {"$patch": "replace", "metadata": {"labels": {"app": "db"}}, "spec": spec}}}
    assert hashes.of_revision(data, 0) == "868c85f95b"


# -- DaemonSet ----------------------------------------------------------------------------------


def node(name, **spec):
    return {"metadata": {"name": name, "labels": {"disk": "ssd"}}, "spec": spec, "status": {}}


class Daemons:
    def __init__(self, *every_node, **limits):
        strategy = {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1, "maxSurge": 0} | limits}
        self.set = workload("DaemonSet", updateStrategy=strategy, revisionHistoryLimit=10)
        self.nodes = list(every_node)
        self.pods, self.revisions, self.count = [], [], 0

    def step(self):
        plan = daemons.decide(self.set, self.pods, self.nodes, self.revisions, NOW)
        if plan.record:
            plan.record["metadata"]["creationTimestamp"] = OLD
            self.revisions.append(plan.record)
        for name in plan.create:
            self.count += 1
            made = nodes.build(self.set, plan.mark, name)
            made["metadata"] |= {"name": f"p{self.count}", "uid": f"p{self.count}", "creationTimestamp": OLD}
            self.pods.append({**made, "status": {"phase": "Pending"}})
        self.pods = [p for p in self.pods if p not in plan.delete]
        if plan.status:
            self.set["status"] = plan.status
        return plan

    def settle(self):
        for _ in range(30):
            plan = self.step()
            if not plan.acts and plan.status is None:
                return
        pytest.fail("no end of plans")

    up = Set.up

    def image(self, value):
        Set.image(self, value)


def test_one_pod_for_each_node_that_takes_it():
    tainted = node("b", taints=[{"key": "k", "effect": "NoSchedule"}])
    world = Daemons(node("a"), tainted, node("c", unschedulable=True))
    world.settle()
    assert sorted(nodes.node_of(p) for p in world.pods) == ["a", "c"]
    world.up()
    world.settle()
    status = world.set["status"]
    assert (status["desiredNumberScheduled"], status["numberAvailable"]) == (2, 2)
    world.nodes[0]["spec"]["taints"] = [{"key": "k", "effect": "NoExecute"}]
    world.settle()
    assert [nodes.node_of(p) for p in world.pods] == ["c"]


def test_a_rolling_update_takes_no_more_nodes_than_allowed():
    world = Daemons(node("a"), node("b"), node("c"))
    world.settle()
    world.up()
    world.settle()
    world.image("2")
    for _ in range(3):
        world.settle()
        assert sum(p["status"]["phase"] == "Pending" for p in world.pods) == 1
        world.up()
    world.settle()
    assert world.set["status"]["updatedNumberScheduled"] == 3


def test_surging_makes_the_new_pod_before_the_old_one_goes():
    world = Daemons(node("a"), maxUnavailable=0, maxSurge=1)
    world.settle()
    world.up()
    world.settle()
    world.image("2")
    world.settle()
    assert len(world.pods) == 2
    world.up()
    world.settle()
    assert [p["spec"]["containers"][0]["image"] for p in world.pods] == ["2"]


def test_a_failed_daemon_is_replaced_and_told_of():
    world = Daemons(node("a"))
    world.settle()
    world.pods[0]["status"] = {"phase": "Failed"}
    plan = world.step()
    assert [e[1] for e in plan.events] == ["FailedDaemonPod"]
    world.settle()
    assert len(world.pods) == 1
