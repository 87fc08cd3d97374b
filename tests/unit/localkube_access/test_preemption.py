"""Neighbours and preemption, on values."""

import pytest

from sympozium.localkube.controllers.scheduler import neighbours, preemption
from sympozium.localkube.controllers.scheduler.choose import choose
from sympozium.localkube.controllers.scheduler.neighbours import World
from sympozium.localkube.controllers.scheduler.priority import PriorityQueue
from sympozium.localkube.controllers.scheduler.resources import Load, conflicts, host_ports, requests
from unit.localkube_access.test_scheduler import node


def pod(name, cpu="1", *, priority=0, labels=None, ports=(), created="2026-01-01T00:00:00Z", **spec):
    container = {
        "name": "c",
        "resources": {"requests": {"cpu": cpu}},
        "ports": [{"hostPort": port, "containerPort": port, "protocol": "TCP"} for port in ports],
    }
    meta = {
        "name": name,
        "namespace": "ns",
        "uid": name,
        "labels": labels or {},
        "creationTimestamp": created,
    }
    return {"metadata": meta, "spec": {"priority": priority, "containers": [container]} | spec, "status": {}}


def cluster(nodes, placed):
    loads = {}
    for one, where in placed:
        loads.setdefault(where, Load()).add(requests(one), host_ports(one))
    return loads, World(nodes, placed, {"ns": {}, "other": {"team": "x"}})


def tried(one, nodes, placed, budgets=()):
    loads, world = cluster(nodes, placed)
    choice = choose(one, nodes, loads, world)
    assert not choice.node
    return choice, preemption.preempt(one, choice, loads, world, budgets)


def names(result):
    return [victim["metadata"]["name"] for victim in result.victims]


def test_the_least_important_go_and_no_more_than_have_to():
    nodes = [node("n1", cpu="3")]
    placed = [
        (pod("low", priority=1), "n1"),
        (pod("lower", priority=0), "n1"),
        (pod("old", priority=0, created="2025-01-01T00:00:00Z"), "n1"),
    ]
    _, result = tried(pod("vip", priority=10), nodes, placed)
    assert (result.node, names(result)) == ("n1", ["lower"])
    _, result = tried(pod("vip", "2", priority=10), nodes, placed)
    assert sorted(names(result)) == ["lower", "old"]


def test_the_node_where_least_is_lost():
    nodes = [node("n1", cpu="1"), node("n2", cpu="1")]
    placed = [(pod("a", priority=5), "n1"), (pod("b", priority=1), "n2")]
    _, result = tried(pod("vip", priority=10), nodes, placed)
    assert (result.node, names(result)) == ("n2", ["b"])


def test_a_budget_is_kept_where_that_is_possible():
    nodes = [node("n1", cpu="2")]
    placed = [(pod("guarded", labels={"a": "b"}), "n1"), (pod("free", created="2025-01-01T00:00:00Z"), "n1")]
    budget = {
        "metadata": {"name": "b", "namespace": "ns"},
        "spec": {"selector": {"matchLabels": {"a": "b"}}},
        "status": {"disruptionsAllowed": 0},
    }
    _, result = tried(pod("vip", priority=10), nodes, placed, [budget])
    assert names(result) == ["free"]
    _, result = tried(pod("vip", "2", priority=10), nodes, placed, [budget])
    assert sorted(names(result)) == ["free", "guarded"]


def test_the_sentences():
    nodes = [node("n1", cpu="1")]
    equal = [(pod("a", priority=10), "n1")]
    choice, result = tried(pod("vip", priority=10), nodes, equal)
    assert choice.message == "0/1 nodes are available: 1 Insufficient cpu."
    assert result.why == "0/1 nodes are available: 1 No preemption victims found for incoming pod."
    _, result = tried(pod("vip", "5", priority=10), nodes, [(pod("a"), "n1")])
    assert result.why == "0/1 nodes are available: 1 Preemption is not helpful for scheduling."
    _, result = tried(pod("vip", priority=10, preemptionPolicy="Never"), nodes, [(pod("a"), "n1")])
    assert result.why == "not eligible due to preemptionPolicy=Never."


def test_one_preemption_is_not_followed_by_another():
    leaving = pod("a")
    leaving["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    vip = pod("vip", priority=10)
    vip["status"]["nominatedNodeName"] = "n1"
    _, result = tried(vip, [node("n1", cpu="1")], [(leaving, "n1")])
    assert result.why == "not eligible due to a terminating pod on the nominated node."


def test_ports_of_the_host_are_given_once():
    loads, _ = cluster([], [(pod("a", ports=[80]), "n1")])
    taken = loads["n1"].ports
    assert conflicts((("0.0.0.0", "TCP", 80),), taken)
    assert conflicts((("10.0.0.1", "TCP", 80),), taken)
    assert not conflicts((("10.0.0.1", "UDP", 80),), taken)
    choice = choose(pod("b", ports=[80]), [node("n1")], loads)
    assert choice.message.endswith("1 node(s) didn't have free ports for the requested pod ports.")
    loads["n1"].remove(requests(pod("a")), host_ports(pod("a", ports=[80])))
    assert choose(pod("b", ports=[80]), [node("n1")], loads).node == "n1"


def term(key="zone", namespaces=None, **selector):
    made = {"topologyKey": key, "labelSelector": {"matchLabels": selector}}
    return made | ({"namespaces": namespaces} if namespaces else {})


def affinity(kind, *terms):
    return {kind: {"requiredDuringSchedulingIgnoredDuringExecution": list(terms)}}


A, B = node("a", labels={"zone": "za"}), node("b", labels={"zone": "zb"})
WEB = pod("web", labels={"app": "web"})


@pytest.mark.parametrize(
    ("one", "placed", "where"),
    [
        (pod("p", affinity=affinity("podAffinity", term(app="web"))), [(WEB, "b")], "b"),
        (pod("p", affinity=affinity("podAffinity", term(app="db"))), [(WEB, "b")], neighbours.AFFINITY),
        (pod("p", affinity=affinity("podAffinity", term(app="web", namespaces=["other"]))), [(WEB, "b")], neighbours.AFFINITY),
        # The first of a group that wants to be together.
        (pod("p", labels={"app": "db"}, affinity=affinity("podAffinity", term(app="db"))), [], "a"),
        (pod("p", affinity=affinity("podAntiAffinity", term(app="web"))), [(WEB, "a")], "b"),
        (pod("p", affinity=affinity("podAntiAffinity", term(app="web"))), [(WEB, "a"), (pod("w2", labels={"app": "web"}), "b")], neighbours.ANTI_AFFINITY),
        # What the others do not want holds too.
        (pod("p", labels={"app": "x"}), [(pod("q", affinity=affinity("podAntiAffinity", term(app="x"))), "a")], "b"),
    ],
)  # fmt: skip
def test_affinity_between_pods(one, placed, where):
    loads, world = cluster([A, B], placed)
    choice = choose(one, [A, B], loads, world)
    assert choice.node == where or f" {where}." in choice.message


@pytest.mark.parametrize(
    ("more", "placed", "where"),
    [
        ({}, [(WEB, "a")], "b"),
        ({"maxSkew": 2}, [(WEB, "a")], "b"),
        ({"topologyKey": "rack"}, [], neighbours.NO_LABEL),
        ({"minDomains": 3}, [(WEB, "a"), (WEB, "b")], neighbours.SPREAD),
    ],
)
def test_pods_are_spread(more, placed, where):
    constraint = {
        "maxSkew": 1,
        "topologyKey": "zone",
        "whenUnsatisfiable": "DoNotSchedule",
        "labelSelector": {"matchLabels": {"app": "web"}},
    }
    one = pod("p", labels={"app": "web"}, topologySpreadConstraints=[constraint | more])
    loads, world = cluster([A, B], placed)
    choice = choose(one, [A, B], loads, world)
    assert choice.node == where or f" {where}." in choice.message


async def test_the_most_important_key_is_handed_out_first():
    ranks = {("", "a"): 1, ("", "b"): 5, ("", "c"): 5}
    queue = PriorityQueue(ranks.__getitem__)
    for key in ranks:
        queue.add(key)
    assert [(await queue.get())[1] for _ in ranks] == ["b", "c", "a"]
