"""The generated schemas are what a Kubernetes API takes, and say what RESOURCES demands."""

import functools
from typing import Any, ClassVar

import pytest
import yaml
from tests.unit.kubernetes_schema import validate

from sympozium.api import KINDS, reference, unimplemented
from sympozium.api.base import Model, Rule
from sympozium.api.crds import build, definition, documents
from sympozium.api.schema import SchemaError, structural


@functools.cache
def schema(kind: str) -> dict[str, Any]:
    return definition(kind)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]


def nodes(node: dict[str, Any], path: str = "") -> list[tuple[str, dict[str, Any]]]:
    found = [(path, node)]
    for name, child in node.get("properties", {}).items():
        found += nodes(child, f"{path}.{name}")
    if "items" in node:
        found += nodes(node["items"], f"{path}[]")
    if isinstance(node.get("additionalProperties"), dict):
        found += nodes(node["additionalProperties"], f"{path}{{}}")
    return found


def at(kind: str, path: str) -> dict[str, Any]:
    return dict(nodes(schema(kind)))[f".{path}"]


@pytest.mark.parametrize("kind", [k.kind for k in KINDS])
def test_schemas_are_structural(kind: str) -> None:
    for path, node in nodes(schema(kind)):
        assert not node.keys() & {"$ref", "$defs", "title", "const", "oneOf", "allOf"}, path
        if node.get("x-kubernetes-int-or-string"):
            assert "type" not in node, path
            continue
        assert "type" in node, path
        assert not ("properties" in node and "additionalProperties" in node), path
        if node["type"] == "array":
            assert "items" in node, path
        if node.get("x-kubernetes-list-type") == "map":
            for key in node["x-kubernetes-list-map-keys"]:
                assert key in node["items"]["required"], path
        assert "default" not in node or node["default"] not in (None, {}, []), path


@pytest.mark.parametrize("kind", [k.kind for k in KINDS])
def test_every_field_is_described(kind: str) -> None:
    undescribed = [
        path
        for path, node in nodes(schema(kind))
        if not node.get("description")
        and path not in ("", ".metadata", ".spec", ".status")
        and not path.endswith(("[]", "{}"))
    ]
    assert undescribed == []


@pytest.mark.parametrize("kind", [k.kind for k in KINDS])
def test_every_kind_has_conditions_status_and_an_age(kind: str) -> None:
    version = definition(kind)["spec"]["versions"][0]
    assert version["subresources"] == {"status": {}}
    assert any(column["name"] == "Age" for column in version["additionalPrinterColumns"])
    assert at(kind, "status.conditions")["x-kubernetes-list-map-keys"] == ["type"]
    assert at(kind, "status.observedGeneration")["type"] == "integer"


@pytest.mark.parametrize("kind", [k.kind for k in KINDS])
def test_kubernetes_own_schema_takes_them(kind: str) -> None:
    validate(definition(kind), "1.37")


def test_the_contract_in_the_schema() -> None:
    assert at("AgentRun", "spec")["required"] == ["instanceRef", "task"]
    assert at("AgentRun", "spec.mode") == {
        "default": "task", "enum": ["task", "server"], "type": "string", "description": at("AgentRun", "spec.mode")["description"],
    }  # fmt: skip
    assert at("SympoziumPolicy", "spec.sandboxPolicy.maxCPU")["x-kubernetes-int-or-string"] is True
    assert at("SympoziumPolicy", "spec.featureGates")["additionalProperties"] == {"type": "boolean"}
    assert at("SympoziumPolicy", "spec.networkPolicy.denyAll")["default"] is True
    assert at("SympoziumSchedule", "spec.concurrencyPolicy")["default"] == "Forbid"
    assert at("SympoziumInstance", "spec.agents.default.maxSteps")["minimum"] == 1
    assert at("ApprovalRequest", "spec.args")["x-kubernetes-preserve-unknown-fields"] is True
    assert "pattern" in at("AgentRun", "spec.timeout")


def test_the_spec_of_a_run_is_immutable_but_for_two_fields() -> None:
    ruled = {rule["fieldPath"].lstrip(".") for rule in at("AgentRun", "spec")["x-kubernetes-validations"]}
    assert ruled == at("AgentRun", "spec")["properties"].keys() - {"cancel", "suspend"}


def test_documents_are_what_the_models_say_now() -> None:
    assert {name: text.rstrip("\n") for name, text in documents().items()} == {
        name: text.rstrip("\n") for name, text in build().items()
    }
    for name, text in documents().items():
        document = yaml.load(text, yaml.CSafeLoader)
        assert name == f"{document['metadata']['name']}.yaml"


def test_the_reference_names_every_field_and_marks_those_without_effect() -> None:
    page = reference.markdown()
    for kind in KINDS:
        section = page.split(f"\n## {kind.kind}\n")[1].split("\n## ")[0]
        for path, _ in nodes(schema(kind.kind)):
            if path.startswith((".spec.", ".status.")) and not path.endswith(("[]", "{}")):
                assert f"`{path[1:]}`" in section, path
        without = [f for f in unimplemented.FIELDS if f.kind == kind.kind]
        assert section.count("*Without effect") == len(without)


class Odd(Model):
    value: int | str = 0
    """Either."""


class Exclusive(Model):
    value: list[tuple[int, int]] = []  # noqa: RUF012  (pydantic copies it)
    """Pairs."""


class Ruled(Model):
    """A thing."""

    cel: ClassVar[tuple[Rule, ...]] = (Rule(rule="self.n > 0", message="too small", field_path=".n"),)

    n: int
    """A number."""


@pytest.mark.parametrize("model", [Odd, Exclusive])
def test_what_a_crd_cannot_say_is_not_generated(model: type[Model]) -> None:
    with pytest.raises(SchemaError, match=f"{model.__name__}.value"):
        structural(model)


def test_rules_and_descriptions_come_from_the_model() -> None:
    assert structural(Ruled) == {
        "type": "object",
        "description": "A thing.",
        "properties": {"n": {"type": "integer", "format": "int64", "description": "A number."}},
        "required": ["n"],
        "x-kubernetes-validations": [{"rule": "self.n > 0", "message": "too small", "fieldPath": ".n"}],
    }
