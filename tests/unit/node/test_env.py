"""The environment of a container, on values."""

import base64

import pytest

from sympozium.node import env
from sympozium.node.env import ConfigError, NodeFacts
from sympozium.node.objects import Object

FACTS = NodeFacts("n1", "127.0.0.1", {"cpu": "4", "memory": "8Gi"})
POD: Object = {
    "metadata": {"name": "p", "namespace": "ns", "uid": "u", "labels": {"a": "1", "b/c": 'x"y'}},
    "spec": {"serviceAccountName": "sa", "containers": [
        {"name": "main"}, {"name": "other", "resources": {"limits": {"cpu": "1500m", "memory": "100Mi"}}},
    ]},
}  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), [
    ("plain", "plain"),
    ("$(A)-$(B)", "1-$(B)"),
    ("$$(A)", "$(A)"),
    ("$$$(A)", "$1"),
    ("$A $( $(", "$A $( $("),
    ("$(A", "$(A"),
])  # fmt: skip
def test_expand(text: str, expected: str) -> None:
    assert env.expand(text, {"A": "1"}) == expected


def secret(**data: str) -> Object:
    return {
        "metadata": {"name": "s"},
        "data": {k: base64.b64encode(v.encode()).decode() for k, v in data.items()},
    }


def build(
    container: Object, sources: env.Sources | None = None, base: dict[str, str] | None = None
) -> dict[str, str]:
    return env.build({"name": "main", **container}, POD, sources or {}, base or {}, FACTS)


def test_order_env_wins_later_sources_win() -> None:
    first = {"metadata": {"name": "a"}, "data": {"X": "a", "Y": "a", "Z": "a"}}
    container = {
        "envFrom": [{"configMapRef": {"name": "a"}}, {"secretRef": {"name": "s"}, "prefix": ""}],
        "env": [{"name": "Z", "value": "own"}],
    }
    found = build(
        container, {("ConfigMap", "a"): first, ("Secret", "s"): secret(Y="s")}, {"X": "base", "PATH": "/bin"}
    )
    assert found == {"PATH": "/bin", "X": "a", "Y": "s", "Z": "own"}


def test_prefix() -> None:
    found = build(
        {"envFrom": [{"prefix": "P_", "secretRef": {"name": "s"}}]}, {("Secret", "s"): secret(K="v")}
    )
    assert found == {"P_K": "v"}


def test_optional_and_missing() -> None:
    optional = {"envFrom": [{"configMapRef": {"name": "a", "optional": True}}],
                "env": [{"name": "V", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k", "optional": True}}}]}  # fmt: skip
    assert build(optional, {("ConfigMap", "a"): None, ("Secret", "s"): secret(other="x")}) == {}
    with pytest.raises(ConfigError, match='configmap "a" not found'):
        build({"envFrom": [{"configMapRef": {"name": "a"}}]}, {("ConfigMap", "a"): None})
    ref = {"secretKeyRef": {"name": "s", "key": "k"}}
    with pytest.raises(ConfigError, match="couldn't find key k in Secret ns/s"):
        build({"env": [{"name": "V", "valueFrom": ref}]}, {("Secret", "s"): secret(other="x")})


def test_later_variables_see_earlier_ones_only() -> None:
    variables = [{"name": "A", "value": "$(B)"}, {"name": "B", "value": "b"}, {"name": "C", "value": "$(B)"}]
    assert build({"env": variables}) == {"A": "$(B)", "B": "b", "C": "b"}


@pytest.mark.parametrize(("path", "expected"), [
    ("metadata.name", "p"), ("metadata.uid", "u"), ("spec.nodeName", "n1"), ("spec.serviceAccountName", "sa"),
    ("status.podIP", "127.0.0.1"), ("metadata.labels['a']", "1"), ("metadata.labels['none']", ""),
    ("metadata.labels", 'a="1"\nb/c="x\\"y"'), ("metadata.annotations", ""),
])  # fmt: skip
def test_fields(path: str, expected: str) -> None:
    assert env.field_value(path, POD, FACTS) == expected


def test_unknown_field_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"spec\.nope"):
        env.field_value("spec.nope", POD, FACTS)


@pytest.mark.parametrize(("ref", "expected"), [
    ({"containerName": "other", "resource": "limits.cpu"}, "2"),  # rounded up
    ({"containerName": "other", "resource": "limits.cpu", "divisor": "1m"}, "1500"),
    ({"containerName": "other", "resource": "limits.memory", "divisor": "1Mi"}, "100"),
    ({"resource": "limits.memory", "divisor": "1Gi"}, "8"),  # no limit: what the node can give
    ({"resource": "requests.memory"}, "0"),
])  # fmt: skip
def test_resources(ref: Object, expected: str) -> None:
    assert env.resource_value(ref, POD["spec"]["containers"][0], POD, FACTS) == expected


@pytest.mark.parametrize(("container", "expected"), [
    ({}, ("/entry", "x")),
    ({"args": ["$(A)"]}, ("/entry", "x", "1")),
    ({"command": ["sh"]}, ("sh",)),
    ({"command": ["sh", "$(A)"], "args": ["-c"]}, ("sh", "1", "-c")),
])  # fmt: skip
def test_command(container: Object, expected: tuple[str, ...]) -> None:
    assert env.command(container, ("/entry", "x"), {"A": "1"}) == expected


def test_references_are_found_in_both_places() -> None:
    container = {
        "envFrom": [{"secretRef": {"name": "a"}}, {"configMapRef": {"name": "b"}}],
        "env": [
            {"name": "V", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "k"}}},
            {"name": "W", "value": "x"},
        ],
    }
    assert list(env.references(container)) == [("Secret", "a"), ("ConfigMap", "b"), ("ConfigMap", "c")]


def test_bad_base64_names_the_key() -> None:
    with pytest.raises(ConfigError, match="key k of Secret s"):
        env.data_of("Secret", {"metadata": {"name": "s"}, "data": {"k": "%%"}})
