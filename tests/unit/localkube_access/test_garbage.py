"""Who owns whom, nodes that fell silent, what stays in a namespace: on values."""

import datetime as dt

import pytest

from sympozium.localkube.controllers import nodes
from sympozium.localkube.controllers.clusterroles import combined
from sympozium.localkube.controllers.discovery import Served
from sympozium.localkube.controllers.events import last_seen
from sympozium.localkube.controllers.garbage.graph import FOREGROUND, ORPHAN, Graph, node_of
from sympozium.localkube.controllers.mergepatch import difference
from sympozium.localkube.controllers.namespaces import Remains, conditions

CONFIGMAPS = Served("v1", "configmaps", "ConfigMap", namespaced=True, verbs=frozenset())


def obj(name, *owners, deleting=False, finalizers=(), block=True):
    meta = {"name": name, "namespace": "ns", "uid": name, "finalizers": list(finalizers)}
    meta["ownerReferences"] = [
        {"apiVersion": "v1", "kind": "ConfigMap", "name": owner, "uid": owner, "blockOwnerDeletion": block}
        for owner in owners
    ]
    if deleting:
        meta["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    return node_of(CONFIGMAPS, {"metadata": meta})


def test_a_dependent_of_somebody_known_is_not_worth_a_look():
    graph = Graph()
    assert set(graph.put(obj("owner"))) == set()
    assert set(graph.put(obj("child", "owner"))) == set()
    assert set(graph.put(obj("orphan", "nobody"))) == {"orphan"}
    # Nothing new in it: a heartbeat.
    assert set(graph.put(obj("orphan", "nobody"))) == set()


def test_when_an_owner_goes_its_dependents_are_looked_at():
    graph = Graph()
    for node in (obj("owner"), obj("a", "owner"), obj("b", "owner", "other"), obj("c")):
        graph.put(node)
    assert set(graph.remove("owner")) == {"a", "b"}
    assert set(graph.remove("a")) == set()
    assert len(graph) == 2


def test_an_owner_that_waits_is_looked_at_when_a_dependent_goes_or_lets_go():
    graph = Graph()
    graph.put(obj("a", "owner"))
    graph.put(obj("b", "owner"))
    assert set(graph.put(obj("owner", deleting=True, finalizers=[FOREGROUND]))) == {"owner"}
    assert {node.uid for node in graph.blocking("owner")} == {"a", "b"}
    assert set(graph.put(obj("b"))) == {"owner", "b"}
    assert [node.uid for node in graph.blocking("owner")] == ["a"]
    assert set(graph.remove("a")) == {"owner"}
    assert graph.blocking("owner") == []


def test_only_blocking_references_hold_up_a_foreground_deletion():
    graph = Graph()
    graph.put(obj("owner"))
    graph.put(obj("a", "owner", block=False))
    assert [node.uid for node in graph.dependents("owner")] == ["a"]
    assert graph.blocking("owner") == []


def test_an_owner_that_orphans_is_looked_at():
    graph = Graph()
    graph.put(obj("owner"))
    assert set(graph.put(obj("owner", deleting=True, finalizers=[ORPHAN]))) == {"owner"}
    # A dependent that comes while its owner goes.
    assert set(graph.put(obj("late", "owner"))) == {"owner", "late"}


# -- nodes

NOW = dt.datetime(2026, 11, 26, 12, 0, 0, tzinfo=dt.UTC)
NODE = {"metadata": {"name": "n", "creationTimestamp": "2026-11-26T11:00:00Z"}}


@pytest.mark.parametrize(
    ("lease", "heartbeat", "expected"),
    [
        (None, None, 3600),
        ("2026-11-26T11:59:50.500000Z", None, 9.5),
        ("2026-11-26T11:00:00.000000Z", "2026-11-26T11:59:00Z", 60),
    ],
)
def test_a_node_is_heard_by_its_lease_or_its_heartbeat(lease, heartbeat, expected):
    node = dict(NODE)
    if heartbeat:
        node["status"] = {"conditions": [{"type": "Ready", "status": "True", "lastHeartbeatTime": heartbeat}]}
    held = {"spec": {"renewTime": lease}} if lease else None
    assert nodes.silence(node, held, NOW) == expected


@pytest.mark.parametrize(
    ("tolerations", "seconds"),
    [
        ([], 0),
        (
            [
                {
                    "key": nodes.UNREACHABLE,
                    "operator": "Exists",
                    "effect": "NoExecute",
                    "tolerationSeconds": 300,
                }
            ],
            300,
        ),
        ([{"operator": "Exists"}], None),
        ([{"key": "other", "operator": "Exists", "tolerationSeconds": 5}], 0),
    ],
)
def test_pods_stay_on_a_silent_node_as_long_as_they_tolerate_it(tolerations, seconds):
    taint = {"key": nodes.UNREACHABLE, "effect": "NoExecute"}
    assert nodes.tolerated_seconds({"spec": {"tolerations": tolerations}}, taint) == seconds


# -- namespaces, events, roles, patches


def test_what_stays_in_a_namespace_is_named_and_kept_until_it_changes():
    remains = Remains()
    assert conditions(remains, [], "t0") == []
    remains.resources.update({"pods": 2, "tests.x.dev": 1})
    remains.finalizers["x.dev/hold"] = 1
    first = conditions(remains, [], "t1")
    told = {condition["type"]: (condition["status"], condition["message"]) for condition in first}
    assert told["NamespaceContentRemaining"] == (
        "True",
        "Some resources are remaining: pods has 2 resource instances, tests.x.dev has 1 resource instances",
    )
    assert told["NamespaceFinalizersRemaining"][0] == "True"
    assert told["NamespaceDeletionContentFailure"][0] == "False"
    assert conditions(remains, first, "t2") == first
    del remains.resources["pods"]
    second = conditions(remains, first, "t3")
    assert [c["lastTransitionTime"] for c in second] == ["t1", "t1", "t1"]
    assert second != first
    remains.failures.append("secrets: 403")
    assert not remains.empty


def test_an_event_is_as_old_as_it_was_last_seen():
    event = {"metadata": {"creationTimestamp": "2026-11-26T10:00:00Z"}, "lastTimestamp": None}
    assert last_seen(event).hour == 10
    event["lastTimestamp"] = "2026-11-26T11:00:00Z"
    event["series"] = {"lastObservedTime": "2026-11-26T11:30:00.000000Z"}
    assert (last_seen(event).hour, last_seen(event).minute) == (11, 30)


def test_aggregated_rules_are_each_there_once():
    def role(name, *rules, **labels):
        return {"metadata": {"name": name, "labels": labels}, "rules": list(rules)}

    total = {
        "metadata": {"name": "t"},
        "aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {"to": "t"}}]},
    }
    others = [role("b", {"x": 1}, to="t"), role("a", {"x": 2}, {"x": 1}, to="t"), role("c", {"x": 3}), total]
    assert combined(total, others) == [{"x": 2}, {"x": 1}]


@pytest.mark.parametrize(
    ("old", "new", "patch"),
    [
        ({"a": 1}, {"a": 1}, {}),
        ({"a": 1, "b": 2}, {"b": 3}, {"a": None, "b": 3}),
        ({"a": {"x": 1, "y": 2}}, {"a": {"y": 2}}, {"a": {"x": None}}),
        ({"a": {"x": 1}}, {"a": {}}, {"a": {"x": None}}),
        ({}, {"a": {}}, {"a": {}}),
        ({"a": [1, 2]}, {"a": [1]}, {"a": [1]}),
    ],
)
def test_the_patch_that_makes_one_status_into_another(old, new, patch):
    assert difference(old, new) == patch
