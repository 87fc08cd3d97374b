import pytest
from tests.unit.api.test_crds import nodes, schema

from sympozium.api import unimplemented
from sympozium.api.unimplemented import FIELDS, find, unimplemented_condition, warnings


def instance(**spec: object) -> dict:
    return {
        "kind": "SympoziumInstance",
        "metadata": {"generation": 3},
        "spec": {"agents": {"default": {"model": "m"}}, **spec},
    }


def test_a_field_without_effect_is_found_with_its_path() -> None:
    document = instance(channels=[{"type": "slack"}], skills=[{"skillPackRef": "a"}, {"configMapRef": "b"}])
    assert [path for path, _ in find(document)] == ["spec.channels", "spec.skills[1].configMapRef"]
    assert warnings(document)[0].startswith("spec.channels has no effect in this version")


@pytest.mark.parametrize("value", [{"enabled": False, "serviceName": "x"}, {}, None])
def test_what_is_switched_off_or_empty_asks_for_nothing(value: object) -> None:
    assert find(instance(channels=value)) == []


def test_only_some_values_may_be_without_effect() -> None:
    assert find({"kind": "AgentRun", "spec": {"mode": "task"}}) == []
    assert [path for path, _ in find({"kind": "AgentRun", "spec": {"mode": "server"}})] == ["spec.mode"]


def test_the_condition_names_the_fields() -> None:
    found = unimplemented_condition(instance(channels=[{"type": "slack"}]), at="2026-01-01T00:00:00Z")
    assert found is not None
    assert (found.type, found.status, found.observed_generation) == ("Unimplemented", "True", 3)
    assert "spec.channels (no chat channel is connected)" in found.message
    assert unimplemented_condition(instance(), at="2026-01-01T00:00:00Z") is None


@pytest.mark.parametrize("field", FIELDS, ids=lambda f: f"{f.kind}.{f.path}")
def test_every_listed_field_is_in_the_schema(field: unimplemented.Field) -> None:
    assert f".{field.path}" in dict(nodes(schema(field.kind)))
