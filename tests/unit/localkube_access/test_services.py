"""Services, on values: endpoints, slices, the old object, addresses."""

from ipaddress import IPv4Address, IPv4Network

import pytest

from sympozium.localkube.admission.services import NETWORK, ServiceAdmission
from sympozium.localkube.controllers.services import slices, subsets
from sympozium.localkube.controllers.services.backends import backends, trigger_time
from sympozium.localkube.errors import ApiError
from sympozium.localkube.types import AdmissionRequest, UserInfo
from unit.localkube_access.conftest import MemoryObjects


def service(name="s", ports=({"port": 80, "targetPort": "http", "protocol": "TCP"},), **spec):
    base = {"type": "ClusterIP", "selector": {"a": "b"}, "ports": [dict(port) for port in ports]}
    meta = {
        "name": name,
        "namespace": "ns",
        "uid": f"uid-{name}",
        "creationTimestamp": "2026-01-01T00:00:00Z",
    }
    return {"metadata": meta, "spec": base | spec}


def pod(name, ip="10.0.0.1", *, ready=True, deleting=False, port=8080, phase="Running", **spec):
    meta = {"name": name, "namespace": "ns", "uid": name, "labels": {"a": "b"}}
    if deleting:
        meta["deletionTimestamp"] = "2026-01-02T00:00:00Z"
    container = {"name": "c", "ports": [{"name": "http", "containerPort": port, "protocol": "TCP"}]}
    status = {"phase": phase, "conditions": [{"type": "Ready", "status": "True" if ready else "False"}]}
    if ip:
        status["podIP"] = ip
    return {"metadata": meta, "spec": {"nodeName": "n1", "containers": [container]} | spec, "status": status}


def planned(one, pods, present=()):
    found = backends(one, pods)
    return slices.plan(one, found, list(present), {}, trigger_time(one, found))


def test_pods_with_an_address_that_have_not_ended_are_behind_a_service():
    pods = [
        pod("a"),
        pod("b", ip=""),
        pod("c", phase="Succeeded"),
        pod("d", ready=False),
        pod("e", deleting=True),
    ]
    change = planned(service(), pods)
    endpoints = change.create[0]["endpoints"]
    assert {e["targetRef"]["name"]: tuple(e["conditions"].values()) for e in endpoints} == {
        "a": (True, True, False),
        "d": (False, False, False),
        "e": (False, True, True),
    }
    assert change.create[0]["ports"] == [{"name": "", "port": 8080, "protocol": "TCP"}]
    old = subsets.endpoints_object(service(), backends(service(), pods), "t")["subsets"]
    assert [a["targetRef"]["name"] for a in old[0]["addresses"]] == ["a"]
    # One that is going is in a slice, for who drains, and not in the old object.
    assert [a["targetRef"]["name"] for a in old[0]["notReadyAddresses"]] == ["d"]


def test_unready_pods_are_published_where_that_is_asked():
    made = planned(service(publishNotReadyAddresses=True), [pod("d", ready=False)]).create[0]
    assert made["endpoints"][0]["conditions"] == {"ready": True, "serving": False, "terminating": False}


def test_without_pods_there_is_one_empty_slice():
    change = planned(service(), [])
    assert [(one["endpoints"], one["ports"]) for one in change.create] == [(None, None)]


def test_pods_with_other_ports_are_in_another_slice():
    change = planned(service(), [pod("a"), pod("b", port=9090)])
    assert sorted(one["ports"][0]["port"] for one in change.create) == [8080, 9090]


def test_a_hundred_endpoints_in_a_slice():
    change = planned(service(), [pod(f"p{i:03}") for i in range(230)])
    assert [len(one["endpoints"]) for one in change.create] == [100, 100, 30]


def stored(change):
    return [
        {**one, "metadata": {**one["metadata"], "name": f"s-{i}", "uid": str(i)}}
        for i, one in enumerate(change.create)
    ]


def test_what_is_right_is_left_alone_and_what_is_not_is_changed_in_place():
    present = stored(planned(service(), [pod("a")]))
    change = planned(service(), [pod("a")], present)
    assert (change.create, change.update, change.delete) == ([], [], [])
    change = planned(service(), [pod("a"), pod("b")], present)
    assert (change.create, len(change.update), change.delete) == ([], 1, [])
    change = planned(service(), [], present)
    assert (change.create, len(change.update), change.delete) == ([], 1, [])
    labelled = service()
    labelled["metadata"]["labels"] = {"x": "y"}
    assert len(planned(labelled, [pod("a")], present).update) == 1


def test_a_hostname_below_its_service():
    made = planned(
        service(), [pod("a", hostname="web-0", subdomain="s"), pod("b", hostname="x", subdomain="t")]
    )
    assert [one.get("hostname") for one in made.create[0]["endpoints"]] == ["web-0", None]


def test_a_service_without_a_selector_selects_nothing():
    assert backends(service(selector=None), [pod("a")]) == []


def test_endpoints_by_hand_are_mirrored():
    by_hand = {
        "metadata": {"name": "s", "namespace": "ns", "uid": "u"},
        "subsets": [
            {
                "addresses": [{"ip": "10.1.1.1"}, {"ip": "fd00::1"}],
                "notReadyAddresses": [{"ip": "10.1.1.2"}],
                "ports": [{"port": 5432, "protocol": "TCP"}],
            }
        ],
    }
    made = subsets.mirrored(by_hand)
    assert [(one["addressType"], len(one["endpoints"])) for one in made] == [("IPv4", 2), ("IPv6", 1)]
    assert [e["conditions"]["ready"] for e in made[0]["endpoints"]] == [True, False]


# -- addresses


def ask(obj, old=None):
    return AdmissionRequest(
        user=UserInfo(username="u", groups=()),
        operation="UPDATE" if old else "CREATE",
        group="",
        version="v1",
        kind="Service",
        resource="services",
        subresource="",
        namespace="ns",
        name=obj["metadata"]["name"],
        obj=obj,
        old=old,
        options={},
        dry_run=False,
    )


def test_every_service_gets_an_address_of_its_own():
    plugin = ServiceAdmission(MemoryObjects())
    made = []
    for number in range(300):
        one = service(f"s{number}")
        plugin.mutate(ask(one))
        made.append(one["spec"]["clusterIP"])
        assert one["spec"]["clusterIPs"] == [one["spec"]["clusterIP"]]
    assert len(set(made)) == 300
    assert all(IPv4Address(address) in NETWORK for address in made)


def test_a_small_range_is_given_to_its_last_address_and_no_further(monkeypatch):
    monkeypatch.setattr("sympozium.localkube.admission.services.NETWORK", IPv4Network("127.96.0.0/29"))
    monkeypatch.setattr("sympozium.localkube.admission.services.RESERVED", 2)
    objects = MemoryObjects()
    made = []
    for number in range(5):
        one = service(f"s{number}")
        # A plugin anew, as after a restart: only what is stored keeps an address from being given again.
        ServiceAdmission(objects).mutate(ask(one))
        objects.put("", "services", one)
        made.append(one["spec"]["clusterIP"])
    assert sorted(made) == [f"127.96.0.{number}" for number in range(2, 7)]
    with pytest.raises(ApiError, match="range is full"):
        ServiceAdmission(objects).mutate(ask(service("more")))


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        ({"clusterIP": "10.0.0.1"}, "failed to allocate IP 10.0.0.1: the provided network does not match the current range"),
        ({"clusterIP": "127.96.0.9"}, "failed to allocate IP 127.96.0.9: provided IP is already allocated"),
        ({"clusterIP": "127.96.0.1"}, "failed to allocate IP 127.96.0.1: provided IP is already allocated"),
        ({"type": "NodePort", "nodePort": 30080}, "provided port is already allocated"),
        ({"type": "NodePort", "nodePort": 80}, "provided port is not in the valid range. The range of valid ports is 30000-32767"),
    ],
)  # fmt: skip
def test_what_is_taken_or_out_of_range_is_refused(spec, why):
    objects = MemoryObjects()
    plugin = ServiceAdmission(objects)
    ports = [{"port": 1, "protocol": "TCP", "nodePort": 30080}]
    taken = service("taken", ports, type="NodePort", clusterIP="127.96.0.9")
    objects.put("", "services", taken)
    node_port = spec.pop("nodePort", None)
    port = {"port": 80, "protocol": "TCP"} | ({"nodePort": node_port} if node_port else {})
    wanted = service("mine", [port], **spec)
    plugin.mutate(ask(wanted))
    with pytest.raises(ApiError) as refused:
        plugin.validate(ask(wanted))
    assert refused.value.causes[0].message.endswith(why)
    # The one that has it may be written again, and when it is gone another may have it.
    plugin.validate(ask(taken, taken))
    objects.remove("", "services", "ns", "taken")
    if "already" in why and spec.get("clusterIP") != "127.96.0.1":
        plugin.validate(ask(wanted))
