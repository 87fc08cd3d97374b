"""The scheduler over HTTP, with a Node that nobody runs."""

import pytest

from conformance import fakenode

PREEMPTION = "no new claims to deallocate, preemption: 0/1 nodes are available: 1 {}."
HELPLESS = PREEMPTION.format("Preemption is not helpful for scheduling")
VICTIMLESS = PREEMPTION.format("No preemption victims found for incoming pod")


@pytest.fixture(scope="module")
def machine(tmp_path_factory):
    made = fakenode.started(tmp_path_factory.mktemp("scheduling"))
    yield made
    made.stop()


@pytest.fixture(scope="module")
def api(machine):
    found = machine.api("admin-token")
    yield found
    found.close()


@pytest.fixture
def node(api):
    """A node for this test alone."""
    api.delete("/api/v1/nodes/n1")
    fakenode.register(api)
    yield "/api/v1/nodes/n1"
    api.delete("/api/v1/nodes/n1")


@pytest.fixture
def pods(api, node):
    space = fakenode.namespace(api)
    yield f"/api/v1/namespaces/{space}/pods"
    fakenode.clear(api, space)


def scheduled(answer):
    conditions = answer.json["status"].get("conditions") or ()
    return next((c for c in conditions if c["type"] == "PodScheduled"), {})


def placed(api, path):
    return api.eventually(path, lambda a: a.json["spec"].get("nodeName")).json


def refused(api, path):
    found = api.eventually(path, lambda a: scheduled(a).get("status") == "False")
    assert scheduled(found)["reason"] == "Unschedulable"
    return scheduled(found)["message"]


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"nodeSelector": {"a": "b"}}, f"1 node(s) didn't match Pod's node affinity/selector. {HELPLESS}"),
        ({"volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "x"}}]}, f'persistentvolumeclaim "x" not found. {HELPLESS}'),
        ({"cpu": "64"}, f"1 Insufficient cpu. {HELPLESS}"),
        ({"topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "rack", "whenUnsatisfiable": "DoNotSchedule", "labelSelector": {}}]}, f"1 node(s) didn't match pod topology spread constraints (missing required label). {HELPLESS}"),
    ],
)  # fmt: skip
def test_why_a_pod_waits(api, pods, spec, message):
    assert api.post(pods, fakenode.pod("p", spec.pop("cpu", ""), **spec)).status == 201
    assert refused(api, f"{pods}/p") == f"0/1 nodes are available: {message}"
    events = pods.removesuffix("/pods") + "/events?fieldSelector=reason=FailedScheduling"
    assert api.eventually(events, lambda a: a.json["items"]).json["items"][0]["type"] == "Warning"


def test_a_cordoned_node_takes_nobody_until_it_is_free_again(api, pods, node):
    assert api.patch(node, {"spec": {"unschedulable": True}}).status == 200
    assert api.post(pods, fakenode.pod("p")).status == 201
    assert refused(api, f"{pods}/p") == f"0/1 nodes are available: 1 node(s) were unschedulable. {HELPLESS}"
    assert api.patch(node, {"spec": {"unschedulable": None}}).status == 200
    placed(api, f"{pods}/p")


def test_a_taint_keeps_away_who_does_not_tolerate_it(api, pods, node):
    taint = {"key": "gpu", "value": "yes", "effect": "NoSchedule"}
    assert api.patch(node, {"spec": {"taints": [taint]}}).status == 200
    assert api.post(pods, fakenode.pod("p")).status == 201
    assert refused(api, f"{pods}/p").startswith(
        "0/1 nodes are available: 1 node(s) had untolerated taint(s)."
    )
    tolerant = fakenode.pod("q", tolerations=[{"key": "gpu", "operator": "Exists"}])
    assert api.post(pods, tolerant).status == 201
    placed(api, f"{pods}/q")


def test_room_is_given_once_and_again(api, pods):
    assert api.post(pods, fakenode.pod("a", "1500m")).status == 201
    placed(api, f"{pods}/a")
    assert api.post(pods, fakenode.pod("b", "1500m")).status == 201
    assert refused(api, f"{pods}/b") == f"0/1 nodes are available: 1 Insufficient cpu. {VICTIMLESS}"
    api.delete(f"{pods}/a?gracePeriodSeconds=0")
    placed(api, f"{pods}/b")


def test_gates_and_other_schedulers(api, pods):
    assert api.post(pods, fakenode.pod("gated", schedulingGates=[{"name": "x.dev/g"}])).status == 201
    assert api.post(pods, fakenode.pod("theirs", schedulerName="mine")).status == 201
    assert api.post(pods, fakenode.pod("ours")).status == 201
    placed(api, f"{pods}/ours")
    assert scheduled(api.get(f"{pods}/gated"))["reason"] == "SchedulingGated"
    assert not scheduled(api.get(f"{pods}/theirs"))
    assert api.patch(f"{pods}/gated", {"spec": {"schedulingGates": []}}).status == 200
    placed(api, f"{pods}/gated")


def test_the_more_important_pod_takes_the_place(api, pods):
    classes = "/apis/scheduling.k8s.io/v1/priorityclasses"
    assert api.post(classes, {"metadata": {"name": "vip"}, "value": 1000}).status in {201, 409}
    low = fakenode.pod("low", "1500m")
    assert api.post(pods, low).status == 201
    placed(api, f"{pods}/low")
    assert api.post(pods, fakenode.pod("vip", "1500m", priorityClassName="vip")).status == 201
    waits = api.eventually(f"{pods}/vip", lambda a: a.json["status"].get("nominatedNodeName")).json
    assert waits["spec"]["priority"] == 1000
    leaving = api.eventually(f"{pods}/low", lambda a: a.json["metadata"].get("deletionTimestamp")).json
    target = next(c for c in leaving["status"]["conditions"] if c["type"] == "DisruptionTarget")
    assert (target["reason"], target["message"]) == (
        "PreemptionByScheduler",
        "default-scheduler: preempting to accommodate a higher priority pod",
    )
    # A later one of no importance does not slip into the place.
    assert api.post(pods, fakenode.pod("late", "1500m")).status == 201
    refused(api, f"{pods}/late")
    api.delete(f"{pods}/low?gracePeriodSeconds=0")
    placed(api, f"{pods}/vip")
    assert "nominatedNodeName" not in api.get(f"{pods}/vip").json["status"]
    events = pods.removesuffix("/pods") + "/events?fieldSelector=reason=Preempted"
    text = api.eventually(events, lambda a: a.json["items"]).json["items"][0]["message"]
    assert text == f"Preempted by pod {waits['metadata']['uid']} on node n1"


def test_classes_of_priority(api, pods):
    classes = "/apis/scheduling.k8s.io/v1/priorityclasses"
    assert api.get(f"{classes}/system-node-critical").json["value"] == 2_000_001_000
    api.post(classes, {"metadata": {"name": "system-mine"}, "value": 1}).refused(
        422, "Invalid", "priority class names with 'system-' prefix are reserved for system use only"
    )
    api.post(classes, {"metadata": {"name": "huge"}, "value": 2_000_000_000}).refused(
        422, "Invalid", "maximum allowed value of a user defined priority is 1000000000"
    )
    api.post(pods, fakenode.pod("p", priorityClassName="none")).refused(
        403, "Forbidden", "no PriorityClass with name none was found"
    )


def test_runtime_classes(api, pods):
    path = "/apis/node.k8s.io/v1/runtimeclasses"
    made = {
        "metadata": {"name": "small"},
        "handler": "bwrap",
        "overhead": {"podFixed": {"cpu": "100m"}},
        "scheduling": {"nodeSelector": {"sandbox": "yes"}},
    }
    assert api.post(path, made).status in {201, 409}
    api.post(pods, fakenode.pod("p", runtimeClassName="nope")).refused(
        403, "Forbidden", 'pods "p" is forbidden: pod rejected: RuntimeClass "nope" not found'
    )
    got = api.post(pods, fakenode.pod("p", runtimeClassName="small")).json["spec"]
    assert (got["overhead"], got["nodeSelector"]) == ({"cpu": "100m"}, {"sandbox": "yes"})
    clash = fakenode.pod("q", runtimeClassName="small", nodeSelector={"sandbox": "no"})
    api.post(pods, clash).refused(403, "Forbidden", "conflict: runtimeClass.scheduling.nodeSelector[sandbox]")
    api.patch(f"{path}/small", {"handler": "other"}).refused(422, "Invalid", "field is immutable")
