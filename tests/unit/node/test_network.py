"""Egress policies, as values."""

from typing import Any

import pytest

from sympozium.node import network, peers
from sympozium.node.objects import Object


def pod(annotation: str = "", **labels: str) -> Object:
    return {"metadata": {"name": "p", "labels": labels, "annotations": {network.ANNOTATION: annotation}}}


def policy(egress: list[Object] | None = None, selector: Object | None = None, **spec: Any) -> Object:
    return {
        "metadata": {"name": "pol"},
        "spec": {"podSelector": selector or {}, "egress": egress or [], **spec},
    }


def block(cidr: str, port: int, **more: Any) -> Object:
    return {"to": [{"ipBlock": {"cidr": cidr, **more}}], "ports": [{"port": port}]}


@pytest.mark.parametrize(("selector", "labels", "expected"), [
    ({}, {}, True),
    ({"matchLabels": {"a": "1"}}, {"a": "1", "b": "2"}, True),
    ({"matchLabels": {"a": "1"}}, {"a": "2"}, False),
    ({"matchExpressions": [{"key": "a", "operator": "In", "values": ["1", "2"]}]}, {"a": "2"}, True),
    ({"matchExpressions": [{"key": "a", "operator": "NotIn", "values": ["1"]}]}, {}, True),
    ({"matchExpressions": [{"key": "a", "operator": "Exists"}]}, {"a": ""}, True),
    ({"matchExpressions": [{"key": "a", "operator": "DoesNotExist"}]}, {"a": ""}, False),
    ({"matchExpressions": [{"key": "a", "operator": "Unknown"}]}, {"a": ""}, False),
])  # fmt: skip
def test_selectors(selector: Object, labels: dict[str, str], expected: bool) -> None:
    assert peers.matches(selector, labels) is expected


def test_only_egress_policies_restrict() -> None:
    ingress = {"metadata": {"name": "i"}, "spec": {"podSelector": {}, "policyTypes": ["Ingress"]}}
    assert network.egress(pod(), [ingress], {}) is None
    assert network.egress(pod(a="1"), [policy(selector={"matchLabels": {"a": "2"}})], {}) is None
    assert network.egress(pod("somewhere:1"), [], {}) is None  # the annotation alone restricts nothing
    denied = network.egress(pod(), [policy(policyTypes=["Egress"])], {})
    assert denied is not None
    assert denied.rules == []


def test_policies_add_up() -> None:
    found = network.egress(
        pod(), [policy([block("10.0.0.1/32", 80)]), policy([block("10.0.0.2/32", 81)])], {}
    )
    assert found is not None
    assert found.allows("10.0.0.1", 80)
    assert found.allows("10.0.0.2", 81)
    assert not found.allows("10.0.0.1", 81)


def test_except_and_loopback() -> None:
    found = network.egress(pod(), [policy([block("0.0.0.0/0", 443, **{"except": ["10.0.0.0/8"]})])], {})
    assert found is not None
    assert found.allows("93.184.216.34", 443)
    assert not found.allows("10.1.2.3", 443)
    assert not found.allows("127.0.0.1", 443)  # the world is not this machine


def test_annotation_gives_names_addresses_of_their_own() -> None:
    found = network.egress(
        pod("a.test:443, b.test:80,a.test:80, 127.0.0.1:4222, localhost:1"), [policy()], {}
    )
    assert found is not None
    assert found.names == {
        ("a.test", 443): "127.1.0.1", ("b.test", 80): "127.1.0.2", ("a.test", 80): "127.1.0.1",
    }  # fmt: skip
    assert found.aliases() == {"127.1.0.1": ["a.test"], "127.1.0.2": ["b.test"]}
    assert found.allows("127.0.0.1", 4222)
    assert found.allows("127.0.0.1", 1)


@pytest.mark.parametrize(("rule", "word"), [
    ({"to": [{"podSelector": {}}], "ports": [{"port": 1}]}, "peers by pod or namespace"),
    ({"to": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]}, "names no ports"),
    ({"to": [{"ipBlock": {"cidr": "10.0.0.0/8"}}], "ports": [{"port": 53, "protocol": "UDP"}]}, "UDP"),
    ({"to": [{"ipBlock": {"cidr": "fd00::/8"}}], "ports": [{"port": 1}]}, "IPv6"),
    ({"to": [{"ipBlock": {"cidr": "10.0.0.0/8"}}], "ports": [{"port": "http"}]}, "must be a number"),
    ({"to": [{"ipBlock": {"cidr": "10.0.0.0/8"}}], "ports": [{"port": 1, "endPort": 60000}]}, "1024 ports"),
])  # fmt: skip
def test_what_is_not_possible_allows_nothing_and_is_said(rule: Object, word: str) -> None:
    found = network.egress(pod(), [policy([rule])], {})
    assert found is not None
    assert found.rules == []
    assert any(word in warning for warning in found.warnings)


def test_a_name_keeps_its_address_when_others_come_and_go() -> None:
    known: dict[str, str] = {}
    network.egress(pod("a.test:443,b.test:80"), [policy()], known)
    found = network.egress(pod("c.test:1, b.test:80"), [policy()], known)
    assert found is not None
    assert found.names == {("c.test", 1): "127.1.0.3", ("b.test", 80): "127.1.0.2"}
    assert found.name_at("127.1.0.2", 80) == ("b.test", 80)
    assert found.name_at("127.1.0.2", 81) is None
    assert found.name_at("127.1.0.1", 443) is None


def test_every_port_of_a_name_and_names_next_door() -> None:
    found = network.egress(pod("A.test.:*, b.test:80/private"), [policy()], {}, steered=True)
    assert found is not None
    assert found.name_at("127.1.0.1", 7) == ("a.test", network.ANY_PORT)
    assert found.private == {("b.test", 80)}
    unsteered = network.egress(pod("a.test:*"), [policy()], {})
    assert unsteered is not None
    assert not unsteered.names
    assert "needs a port" in unsteered.warnings[0]


@pytest.mark.parametrize("special", ["127.0.0.1", "169.254.169.254", "0.0.0.0", "224.0.0.1"])
def test_everything_is_the_world(special: str) -> None:
    everything = [policy([{"to": [{"ipBlock": {"cidr": "0.0.0.0/0"}}], "ports": [{"port": 80}]}])]
    free = network.unrestricted(pod(), ("10.0.0.1", 443), {})
    restricted = network.egress(pod(), everything, {})
    assert restricted is not None
    for found in (free, restricted):
        assert found.allows("93.184.216.34", 80)
        assert found.allows("10.1.2.3", 80)
        assert not found.allows(special, 80)
    named = network.egress(pod(f"{special}:80"), everything, {})
    assert named is not None
    assert named.allows(special, 80)
    assert not named.allows(special, 81)


@pytest.mark.parametrize("text", ["host", "host:", ":80", "host:0", "host:99999", "a:b:c", "a:1/open", "a:²"])
def test_bad_destinations_are_named(text: str) -> None:
    warnings: list[str] = []
    assert list(network.destinations(text, warnings)) == []
    assert text in warnings[0]


def test_port_ranges() -> None:
    rule = {"to": [{"ipBlock": {"cidr": "10.0.0.1/32"}}], "ports": [{"port": 80, "endPort": 82}]}
    found = network.egress(pod(), [policy([rule])], {})
    assert found is not None
    assert sorted(r.port for r in found.rules) == [80, 81, 82]
