"""Where traces of runs may go."""

from typing import Any

import pytest

from sympozium.api.config import ConfigSpec
from sympozium.policy import Effective
from sympozium.policy.traces import Destination, Refused, contradictions, destination
from unit.controllers.make import instance, policy

OWN = "http://otel.monitoring.svc:4318"


def where(
    own: dict[str, Any] | None,
    config: dict[str, Any] | None = None,
    environment: str | None = None,
    **network: Any,
) -> Destination | Refused | None:
    more = {"observability": own} if own is not None else {}
    installed = ConfigSpec.model_validate({"observability": config} if config is not None else {})
    rules = Effective.of(policy(networkPolicy=network) if network else policy())
    return destination(instance(**more), installed, rules, environment=environment)


def named(host: str = "otel.monitoring.svc", port: int | None = 4318, **more: Any) -> dict[str, Any]:
    return {"allowedEgress": [{"host": host, **({"port": port} if port else {})}], **more}


def test_nobody_wants_any() -> None:
    assert where(None) is None
    assert where(None, {"enabled": False, "otlpEndpoint": OWN}, environment=OWN) is None
    assert where({"enabled": False, "otlpEndpoint": OWN}, {"enabled": True, "otlpEndpoint": OWN}) is None


def test_the_instance_then_the_installation_then_the_controllers() -> None:
    assert where(None, environment=OWN) == Destination(None)
    assert where({"enabled": True}, environment=OWN) == Destination(None)
    installed = where({"enabled": True}, {"otlpEndpoint": "http://i:4318", "headers": {"a": "b"}}, OWN)
    assert installed == Destination("http://i:4318", headers={"a": "b"})
    own = where(
        {"enabled": True, "otlpEndpoint": OWN, "headers": {"c": "d"}}, {"headers": {"a": "b"}}, **named()
    )
    assert own == Destination(OWN, headers={"c": "d"}, of_installation=False)


def test_what_an_instance_says_beside_its_endpoint() -> None:
    own = {
        "enabled": True,
        "serviceName": "s",
        "samplingRatio": "0.5",
        "resourceAttributes": {"a": "2", "c": "3"},
    }
    config = {"enabled": True, "otlpEndpoint": OWN, "resourceAttributes": {"a": "1", "b": "1"}}
    found = where(own, config)
    assert isinstance(found, Destination)
    assert (found.service, found.ratio, dict(found.attributes)) == ("s", 0.5, {"a": "2", "b": "1", "c": "3"})


@pytest.mark.parametrize(
    ("network", "goes"),
    [
        ({}, False),  # free egress of the pod lends nobody the controllers' place
        (named(), True),
        (named(port=None), True),
        (named(denyAll=True), True),
        (named(port=9999), False),
        (named(host="other.svc"), False),
        (named(denyAll=False), True),
    ],
)
def test_an_authors_endpoint_has_to_be_named_by_the_policy(network: dict[str, Any], goes: bool) -> None:
    found = where({"enabled": True, "otlpEndpoint": OWN}, **network)
    assert isinstance(found, Destination if goes else Refused), found
    assert where({"enabled": True, "otlpEndpoint": OWN}, environment=OWN, **network) is not None


def test_addresses_are_named_by_networks() -> None:
    own = {"enabled": True, "otlpEndpoint": "http://10.1.2.3:4318"}
    assert isinstance(where(own, **named(host="10.0.0.0/8")), Destination)
    assert isinstance(where(own, **named(host="10.9.0.0/16")), Refused)


def test_what_cannot_be_sent_is_said() -> None:
    assert "no endpoint" in str(where({"enabled": True}))
    assert "http/protobuf" in str(
        where({"enabled": True, "otlpEndpoint": OWN, "otlpProtocol": "grpc"}, **named())
    )
    policy_of_run = str(where({"enabled": True, "otlpEndpoint": OWN}))
    assert "otel.monitoring.svc:4318" in policy_of_run


def test_contradictions_are_found_before_there_is_a_run() -> None:
    wrong = instance(observability={"enabled": True, "otlpProtocol": "grpc", "headers": {"a": "b"}}).spec
    assert wrong.observability
    assert [field for field, _ in contradictions(wrong.observability, "o")] == ["o.otlpProtocol", "o.headers"]
    headers = {"Host": "x", "a b": "c", "X-Scope-OrgID": "d", "x-two": "a\r\nb: c", "x-ume": "\u00fc"}
    own = instance(
        observability={"enabled": True, "otlpEndpoint": OWN, "headers": headers}
    ).spec.observability
    assert own
    words = "Host, a b, x-two, x-ume: cannot be set (a value is one line of ASCII)"
    assert contradictions(own, "o") == [("o.headers", words)]
    off = wrong.observability.model_copy(update={"enabled": False})
    assert contradictions(off, "o") == []


@pytest.mark.parametrize(
    "host", ["169.254.169.254", "127.0.0.1", "0.0.0.0", "[::1]", "[::ffff:169.254.169.254]"]
)
def test_a_range_lends_nobody_what_is_inside_the_controllers_machine(host: str) -> None:
    """All of the world is not its metadata service; who means that names it."""
    own = {"enabled": True, "otlpEndpoint": f"http://{host}:4318"}
    for wide in ("0.0.0.0/0", "::/0", "169.254.0.0/16", "::ffff:0:0/96"):
        assert isinstance(where(own, **named(host=wide)), Refused)
    assert isinstance(where(own, **named(host=host.strip("[]"))), Destination)
