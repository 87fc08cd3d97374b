"""Controllers against an API in miniature: what they write, and what they leave alone."""

import datetime as dt
from collections import Counter

import pytest

from sympozium.localkube.controllers import nodes
from sympozium.localkube.controllers.api import Client
from sympozium.localkube.controllers.discovery import Served
from sympozium.localkube.controllers.garbage.collector import Collector
from sympozium.localkube.controllers.garbage.graph import Graph
from sympozium.localkube.controllers.informer import Informer
from sympozium.localkube.controllers.scheduler.controller import Scheduler
from sympozium.localkube.errors import conflict, not_found

NOW = dt.datetime(2026, 11, 26, 12, 0, 0, tzinfo=dt.UTC)


class Api:
    """Objects by path; merge patches, deletions and creations are noted and done."""

    def __init__(self):
        self.objects, self.calls, self.revision, self.refuse = {}, [], 100, {}

    def put(self, path, obj):
        self.revision += 1
        stored = obj | {"metadata": obj["metadata"] | {"resourceVersion": str(self.revision)}}
        self.objects[path] = stored
        return stored

    async def request(self, method, path, body=None, *, query=None, content_type="", user=None):
        if "/events" in path:
            return 404, not_found("", "events", "x").status()
        if method != "GET":
            self.calls.append((method, path, body))
        if error := self.refuse.pop((method, path), None):
            return error.code, error.status()
        if method == "POST":
            return 201, {"metadata": {}}
        base = path.removesuffix("/status")
        if base not in self.objects:
            return 404, not_found("", "x", base).status()
        if method == "DELETE":
            return 200, self.objects.pop(base)
        if method == "PATCH":
            return 200, self.put(base, merged(self.objects[base], body))
        return 200, self.objects[base]

    def wrote(self):
        return [(method, path) for method, path, _ in self.calls]


def merged(old, patch):
    if not isinstance(patch, dict):
        return patch
    out = dict(old) if isinstance(old, dict) else {}
    for key, value in patch.items():
        if value is None:
            out.pop(key, None)
        elif key != "resourceVersion":
            out[key] = merged(out.get(key), value)
    return out


@pytest.fixture
def api():
    return Api()


def informer(api, *objects):
    made = Informer(Client(api, "x"), "")
    for obj in objects:
        made.observe(obj)
    return made


# -- nodes


def node(api, name="n", *, lease_age=0.0, taint_age=None):
    taints = [] if taint_age is None else [taint(taint_age)]
    conditions = [{"type": "Ready", "status": "True"}]
    meta = {"name": name, "uid": name, "creationTimestamp": "2026-01-01T00:00:00Z"}
    made = api.put(
        f"/api/v1/nodes/{name}",
        {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": meta,
            "spec": {"taints": taints},
            "status": {"conditions": conditions},
        },
    )
    renewed = (NOW - dt.timedelta(seconds=lease_age)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    lease_meta = {"name": name, "namespace": "kube-node-lease", "uid": "l", "resourceVersion": "1"}
    return made, {"metadata": lease_meta, "spec": {"renewTime": renewed}}


def taint(age):
    added = (NOW - dt.timedelta(seconds=age)).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"key": nodes.UNREACHABLE, "effect": "NoExecute", "timeAdded": added}


def pod(api, name, node_name, *, phase="Running", seconds=300):
    tolerations = [
        {"key": nodes.UNREACHABLE, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": seconds}
    ]
    meta = {"name": name, "namespace": "ns", "uid": name}
    return api.put(
        f"/api/v1/namespaces/ns/pods/{name}",
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": meta,
            "spec": {"nodeName": node_name, "tolerations": tolerations},
            "status": {"phase": phase},
        },
    )


def controller(api, found, pods=()):
    held, leases = zip(*found, strict=True) if found else ((), ())
    return nodes.NodeController(
        Client(api, "node-controller"),
        informer(api, *held),
        informer(api, *leases),
        informer(api, *pods),
        Counter(),
    )


async def test_a_node_that_renews_is_left_alone(api):
    await controller(api, [node(api, lease_age=40)]).look(NOW)
    assert api.calls == []


async def test_a_silent_node_is_unknown_and_tainted_once(api):
    looking = controller(api, [node(api, lease_age=60)])
    await looking.look(NOW)
    current = api.objects["/api/v1/nodes/n"]
    assert current["status"]["conditions"][0]["status"] == "Unknown"
    assert [t["key"] for t in current["spec"]["taints"]] == [nodes.UNREACHABLE]
    written = len(api.calls)
    await looking.look(NOW)
    assert len(api.calls) == written


async def test_a_node_that_is_back_loses_the_taint(api):
    await controller(api, [node(api, lease_age=1, taint_age=100)]).look(NOW)
    assert "taints" not in api.objects["/api/v1/nodes/n"]["spec"]


async def test_pods_leave_a_silent_node_when_their_toleration_is_over(api):
    pods = [
        pod(api, "patient", "n"),
        pod(api, "hasty", "n", seconds=30),
        pod(api, "done", "n", phase="Failed", seconds=0),
        pod(api, "other", "m"),
    ]
    await controller(api, [node(api, lease_age=200, taint_age=100), node(api, "m")], pods).look(NOW)
    assert api.wrote() == [("DELETE", "/api/v1/namespaces/ns/pods/hasty")]


async def test_pods_of_a_node_that_is_no_more_are_ended_at_the_second_look(api):
    pods = [pod(api, "p", "gone"), pod(api, "q", "n")]
    looking = controller(api, [node(api)], pods)
    await looking.look(NOW)
    assert api.calls == []
    await looking.look(NOW)
    (_, _, status), (method, path, options) = api.calls
    assert status["status"]["phase"] == "Failed"
    assert status["status"]["reason"] == "NodeLost"
    assert (method, path, options["gracePeriodSeconds"]) == ("DELETE", "/api/v1/namespaces/ns/pods/p", 0)


# -- garbage

CM = Served("v1", "configmaps", "ConfigMap", namespaced=True, verbs=frozenset())
NODES = Served("v1", "nodes", "Node", namespaced=False, verbs=frozenset())


def owned(name, *owners, namespace="ns", kind="ConfigMap"):
    meta = {
        "name": name,
        "uid": name,
        "ownerReferences": [{"apiVersion": "v1", "kind": kind, "name": o, "uid": o} for o in owners],
    }
    return {"metadata": meta | ({"namespace": namespace} if namespace else {})}


def collector(api, *known, kinds=(CM, NODES)):
    made = Collector(
        Client(api, "gc"), Graph(), lambda: {(k.api_version, k.kind): k for k in kinds}, Counter()
    )
    for served, obj in known:
        path = served.path(obj["metadata"].get("namespace", ""), obj["metadata"]["name"])
        made.changed(served, api.put(path, obj), None)
    return made


async def test_garbage_is_deleted_with_uid_and_revision(api):
    await collector(api, (CM, owned("child", "gone"))).sync("child")
    ((method, path, options),) = api.calls
    assert (method, path) == ("DELETE", "/api/v1/namespaces/ns/configmaps/child")
    assert options["preconditions"] == {
        "uid": "child",
        "resourceVersion": "101",
    }


async def test_an_owner_that_the_watch_has_not_shown_yet_is_asked_for(api):
    collecting = collector(api, (CM, owned("child", "owner")))
    api.put("/api/v1/namespaces/ns/configmaps/owner", owned("owner"))
    await collecting.sync("child")
    assert api.calls == []


async def test_an_owner_in_another_namespace_is_none(api):
    await collector(api, (CM, owned("owner", namespace="other")), (CM, owned("child", "owner"))).sync("child")
    assert api.wrote() == [("DELETE", "/api/v1/namespaces/ns/configmaps/child")]


@pytest.mark.parametrize(("kind", "known"), [("ConfigMap", True), ("ConfigMap", False), ("Unheard", False)])
async def test_an_owner_that_cannot_be_told_costs_nothing(api, kind, known):
    things = [(NODES, owned("n", "owner", namespace="", kind=kind))]
    if known:
        things.append((CM, owned("owner")))
    assert await collector(api, *things).sync("n") == 60
    assert api.calls == []


# -- scheduler


def scheduler_caches(api, ready):
    empty = ("pods", "namespaces", "poddisruptionbudgets", "persistentvolumeclaims", "persistentvolumes")
    return {name: informer(api) for name in (*empty, "storageclasses")} | {"nodes": informer(api, ready)}


async def test_a_pod_is_bound_once_even_before_the_watch_says_so(api):
    ready, _ = node(api)
    ready["status"]["allocatable"] = {"cpu": "1", "memory": "1Gi", "pods": "1"}
    first, second = pod(api, "a", ""), pod(api, "b", "")
    scheduling = Scheduler(Client(api, "", user=None), scheduler_caches(api, ready), Counter())
    for obj in (first, second):
        scheduling._pods.observe(obj)
    await scheduling.sync(("ns", "a"))
    await scheduling.sync(("ns", "a"))
    assert api.wrote() == [("POST", "/api/v1/namespaces/ns/pods/a/binding")]
    # The place is taken by what was bound, though the cache does not show it yet.
    await scheduling.sync(("ns", "b"))
    assert (
        "Too many pods" in api.objects["/api/v1/namespaces/ns/pods/b"]["status"]["conditions"][0]["message"]
    )


async def test_a_pod_that_was_bound_by_another_is_left_to_the_watch(api):
    ready, _ = node(api)
    scheduling = Scheduler(Client(api, ""), scheduler_caches(api, ready), Counter())
    scheduling._pods.observe(pod(api, "a", ""))
    api.refuse["POST", "/api/v1/namespaces/ns/pods/a/binding"] = conflict("", "pods/binding", "a")
    await scheduling.sync(("ns", "a"))
    assert scheduling._bound == {}
