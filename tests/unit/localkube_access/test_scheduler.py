"""Which node a pod can be on, and the sentence when there is none."""

import pytest

from sympozium.localkube.controllers.scheduler.choose import choose
from sympozium.localkube.controllers.scheduler.controller import wanted
from sympozium.localkube.controllers.scheduler.resources import Load, requests


def node(name="n1", *, ready=True, unschedulable=False, taints=(), labels=None, **allocatable):
    conditions = [{"type": "Ready", "status": "True" if ready else "Unknown"}]
    allocatable = {"cpu": "2", "memory": "1Gi", "pods": "10"} | allocatable
    spec = {"taints": list(taints)} | ({"unschedulable": True} if unschedulable else {})
    return {
        "metadata": {"name": name, "labels": labels or {}},
        "spec": spec,
        "status": {"conditions": conditions, "allocatable": allocatable},
    }


def pod(cpu=None, memory=None, **spec):
    asked = {key: value for key, value in (("cpu", cpu), ("memory", memory)) if value}
    return {
        "metadata": {"name": "p", "namespace": "n", "uid": "u"},
        "spec": {"containers": [{"name": "c", "resources": {"requests": asked}}]} | spec,
    }


def affinity(**expression):
    term = {"matchExpressions": [{"key": "zone", **expression}]}
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}}


TAINT = {"key": "gpu", "value": "yes", "effect": "NoSchedule"}


@pytest.mark.parametrize(
    ("asked", "there", "message"),
    [
        (pod(), node(), ""),
        (pod(), node(ready=False), "0/1 nodes are available: 1 node(s) had untolerated taint(s)."),
        (pod(), node(unschedulable=True), "0/1 nodes are available: 1 node(s) were unschedulable."),
        (pod(nodeSelector={"disk": "ssd"}), node(labels={"disk": "ssd"}), ""),
        (pod(nodeSelector={"disk": "ssd"}), node(), "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector."),
        (pod(), node(taints=[TAINT]), "0/1 nodes are available: 1 node(s) had untolerated taint(s)."),
        (pod(tolerations=[{"key": "gpu", "operator": "Exists"}]), node(taints=[TAINT]), ""),
        (pod(tolerations=[{"key": "gpu", "value": "no"}]), node(taints=[TAINT]), "0/1 nodes are available: 1 node(s) had untolerated taint(s)."),
        (pod(tolerations=[{"operator": "Exists"}]), node(taints=[TAINT]), ""),
        (pod(), node(taints=[TAINT | {"effect": "PreferNoSchedule"}]), ""),
        (pod(affinity=affinity(operator="In", values=["a"])), node(labels={"zone": "a"}), ""),
        (pod(affinity=affinity(operator="NotIn", values=["a"])), node(), ""),
        (pod(affinity=affinity(operator="Gt", values=["3"])), node(labels={"zone": "5"}), ""),
        (pod(affinity=affinity(operator="Exists")), node(), "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector."),
        (pod(cpu="1500m", memory="512Mi"), node(), ""),
        (pod(cpu="3"), node(), "0/1 nodes are available: 1 Insufficient cpu."),
        (pod(cpu="3", memory="2Gi"), node(), "0/1 nodes are available: 1 Insufficient cpu, 1 Insufficient memory."),
        (pod(), node(pods="0"), "0/1 nodes are available: 1 Too many pods."),
        (pod(topologySpreadConstraints=[{"whenUnsatisfiable": "ScheduleAnyway"}]), node(), ""),
    ],
)  # fmt: skip
def test_each_obstacle_is_named(asked, there, message):
    choice = choose(asked, [there], {})
    assert (choice.message if choice.obstacles else "") == message
    assert choice.node == ("" if message else "n1")


def test_the_emptiest_node_is_taken_and_reasons_are_counted():
    busy = Load()
    busy.add({})
    assert choose(pod(), [node("a"), node("b")], {"a": busy}).node == "b"
    choice = choose(
        pod(cpu="2"), [node("a", ready=False), node("b", ready=False), node("c")], {"c": full(pod(cpu="1"))}
    )
    assert (
        choice.message == "0/3 nodes are available: 1 Insufficient cpu, 2 node(s) had untolerated taint(s)."
    )
    assert choose(pod(), [], {}).message == "no nodes available to schedule pods"


def full(*pods):
    load = Load()
    for one in pods:
        load.add(requests(one))
    return load


def test_a_pod_asks_for_its_greediest_moment():
    asked = pod(cpu="1")
    asked["spec"]["initContainers"] = [
        {"name": "side", "restartPolicy": "Always", "resources": {"requests": {"cpu": "500m"}}},
        {"name": "init", "resources": {"limits": {"cpu": "2"}}},
    ]
    # Main and sidecar are 1.5; the init container beside the sidecar is 2.5.
    assert {name: float(amount) for name, amount in requests(asked).items()} == {"cpu": 2.5}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, True),
        ({"nodeName": "n"}, False),
        ({"schedulerName": "mine"}, False),
        ({"schedulingGates": [{"name": "g"}]}, False),
    ],
)
def test_only_pods_that_wait_for_this_scheduler_are_its_business(changes, expected):
    assert wanted(pod(**changes)) is expected
