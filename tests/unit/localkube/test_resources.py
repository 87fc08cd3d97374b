"""The registry: versions, custom resources that come and go; continue tokens."""

import pytest

from sympozium.localkube.builtin import BUILTIN
from sympozium.localkube.errors import ApiError
from sympozium.localkube.handlers.listing import decode_token, encode_token
from sympozium.localkube.resources import Registry, custom_resources, version_priority
from sympozium.localkube.routes import Target


def crd(*versions, established="True", **spec):
    return {
        "metadata": {"name": "things.g.io"},
        "spec": {
            "group": "g.io",
            "scope": "Namespaced",
            "names": {"plural": "things", "kind": "Thing"},
            "versions": [
                {"name": name, "served": served, "storage": index == 0, "schema": {}}
                for index, (name, served) in enumerate(versions)
            ],
            **spec,
        },
        "status": {"conditions": [{"type": "Established", "status": established}]},
    }


def test_versions_are_in_kubernetes_order():
    names = ["v1alpha1", "v10", "v1", "foo", "v2beta1", "v1beta2", "v2", "bar"]
    assert sorted(names, key=version_priority, reverse=True) == [
        "v10", "v2", "v1", "v2beta1", "v1beta2", "v1alpha1", "bar", "foo",
    ]  # fmt: skip


def test_a_definition_serves_its_served_versions_in_one_bucket():
    resources = custom_resources(crd(("v1", True), ("v2", False), ("v1beta1", True)))
    assert [(r.version, r.storage_version, r.bucket) for r in resources] == [
        ("v1", "v1", "g.io/things"), ("v1beta1", "v1", "g.io/things"),
    ]  # fmt: skip
    assert resources[0].singular == "thing"
    assert resources[0].list_kind == "ThingList"
    assert [column.name for column in resources[0].columns] == ["Age"]
    assert custom_resources(crd(("v1", True), established="False")) == []


def test_custom_resources_come_and_go():
    registry = Registry(BUILTIN)
    before = registry.groups()
    registry.set_custom("things.g.io", custom_resources(crd(("v1beta1", True), ("v1", True))))
    assert registry.lookup("g.io", "v1", "things").kind == "Thing"
    assert [version.name for version in registry.versions("g.io")] == ["v1", "v1beta1"]
    generation = registry.generation
    registry.set_custom("things.g.io", custom_resources(crd(("v1beta1", True), ("v1", True))))
    assert registry.generation == generation
    registry.set_custom("things.g.io", [])
    assert registry.groups() == before
    assert registry.lookup("g.io", "v1", "things") is None
    assert registry.generation > generation


def test_builtin_resources_are_unique_and_say_what_discovery_needs():
    keys = [(r.group, r.version, r.plural) for r in BUILTIN]
    assert len(keys) == len(set(keys))
    registry = Registry(BUILTIN)
    assert registry.groups()[0] == ""
    assert registry.by_kind("batch", "v1", "Job").plural == "jobs"
    for resource in BUILTIN:
        for sub in resource.subresources:
            assert resource.subresource(sub.name) is sub


INSIDE = Target(group="", version="v1", plural="pods", namespace="n")
EVERYWHERE = Target(group="", version="v1", plural="pods")


def test_continue_tokens_round_trip():
    assert decode_token(encode_token(7, ("n", "x"), INSIDE), INSIDE) == (7, ("n", "x"))
    assert decode_token(encode_token(7, ("n", "x"), EVERYWHERE), EVERYWHERE) == (7, ("n", "x"))
    assert decode_token(encode_token(-1, ("", "x"), EVERYWHERE), EVERYWHERE) == (-1, ("", "x"))


@pytest.mark.parametrize("token", ["abc", "!!!", "e30", "eyJ2IjoieCIsInJ2IjoxLCJzdGFydCI6ImEifQ"])
def test_garbage_is_no_token(token):
    with pytest.raises(ApiError, match="continue key is not valid") as caught:
        decode_token(token, INSIDE)
    assert caught.value.code == 400
