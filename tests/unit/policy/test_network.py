import pytest
from hypothesis import given, strategies as st
from tests.unit.policy.make import effective, policy

from sympozium.policy import network

DENY = {"denyAll": True, "allowedEgress": [{"host": "api.example.com", "port": 443}, {"host": "10.0.0.0/8"}]}


def test_without_rules_egress_is_free() -> None:
    assert not network.egress(effective()).restricted
    assert not network.egress(
        effective(networkPolicy={"denyAll": False, "allowedEgress": [{"host": "x"}]})
    ).restricted
    assert network.may_connect(effective(), "anything", 1, [])


def test_one_layer_closes_it() -> None:
    found = network.egress(effective(floor=policy(networkPolicy={"allowDNS": False})))
    assert found.restricted
    assert not found.dns
    assert found.event_bus
    assert found.destinations == ()


def test_names_and_networks_are_told_apart() -> None:
    found = network.egress(effective(networkPolicy=DENY))
    assert [rule.host for rule in found.names] == ["api.example.com"]
    assert [rule.host for rule in found.networks] == ["10.0.0.0/8"]


@pytest.mark.parametrize(
    ("host", "port", "addresses", "allowed"),
    [
        ("api.example.com", 443, ["93.184.216.34"], True),
        ("API.example.com.", 443, ["93.184.216.34"], True),
        ("api.example.com", 80, ["93.184.216.34"], False),
        ("evil.com", 443, ["93.184.216.34"], False),
        ("internal", 8080, ["10.1.2.3"], True),
        ("internal", 8080, ["10.1.2.3", "192.168.0.1"], False),
        ("internal", 8080, [], False),
        ("internal", 8080, ["::1"], False),
    ],
)
def test_connections(host: str, port: int, addresses: list[str], allowed: bool) -> None:
    assert network.may_connect(effective(networkPolicy=DENY), host, port, addresses) is allowed


def test_only_what_every_layer_allows_is_open() -> None:
    floor = policy(
        networkPolicy={
            "allowedEgress": [
                {"host": "api.example.com"},
                {"host": "10.1.0.0/16", "port": 22},
                {"host": "other"},
            ]
        }
    )
    found = network.egress(effective(networkPolicy=DENY, floor=floor))
    assert [(rule.host, rule.port) for rule in found.destinations] == [
        ("api.example.com", 443),
        ("10.1.0.0/16", 22),
    ]


HOSTS = st.sampled_from(
    ["a", "b", "10.0.0.0/8", "10.1.0.0/16", "10.1.1.1", "192.168.0.0/16", "::/0", "0.0.0.0/0"]
)
RULES = st.lists(
    st.fixed_dictionaries({"host": HOSTS}, optional={"port": st.sampled_from([22, 443])}), max_size=4
)


@given(
    RULES,
    RULES,
    st.sampled_from([("a", []), ("b", []), ("c", ["10.1.1.1"]), ("c", ["10.2.0.1"]), ("c", ["::2"])]),
    st.sampled_from([22, 443]),
)
def test_layers_are_an_intersection(first, second, target, port) -> None:
    host, addresses = target
    one, other = ({"networkPolicy": {"allowedEgress": rules}} for rules in (first, second))
    both = network.may_connect(effective(**one, floor=policy(**other)), host, port, addresses)
    each = [network.may_connect(effective(**rules), host, port, addresses) for rules in (one, other)]
    assert both == all(each)


def test_what_is_relayed_is_open_to_allowed_names_alone() -> None:
    """Behind the relay is the run's model, too: a name of somebody else's that leads there is refused."""
    relayed = ["127.1.0.1"]
    closed = effective(networkPolicy={"allowedEgress": [{"host": "a.test"}, {"host": "127.0.0.0/8"}]})
    assert network.may_connect(closed, "a.test", 443, relayed)
    assert not network.may_connect(closed, "evil.test", 443, relayed)
    assert not network.may_connect(effective(), "evil.test", 443, relayed)


def test_every_layer_that_closes_the_network_must_agree_to_do_without_enforcement() -> None:
    allow = {"networkPolicy": {"whenUnenforced": "Allow"}}
    assert network.egress(effective(networkPolicy={})).must_hold
    assert not network.egress(effective(**allow)).must_hold
    assert not network.egress(effective(**allow, floor=policy(networkPolicy={"denyAll": False}))).must_hold
    assert network.egress(effective(**allow, floor=policy(networkPolicy={}))).must_hold


def test_an_address_is_open_as_such_when_a_rule_by_address_holds_it() -> None:
    rules = [{"host": "10.0.0.0/8", "port": 443}, {"host": "api.example.com"}, {"host": "127.0.0.0/8"}]
    found = network.egress(effective(networkPolicy={"allowedEgress": rules}))
    assert network.by_address(found, "10.1.2.3", 443)
    assert not network.by_address(found, "10.1.2.3", 80)
    assert not network.by_address(found, "192.168.0.1", 443)
    assert not network.by_address(found, "fd00::1", 443)
    assert network.by_address(found, "127.0.0.1", 1)
    assert not network.by_address(found, "127.1.0.1", 1)
