"""From a model to a structural schema (`openAPIV3Schema` of a CRD).

Structural schemas are a small part of JSON Schema: no references, no unions, no `additionalProperties: false`.
https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#specifying-a-structural-schema
pydantic writes the JSON Schema, and this module takes it apart: references are replaced by what they refer to,
`X | None` becomes X (absent is how Kubernetes says none), and what a CRD knows beyond JSON Schema comes from
`json_schema_extra` and from the models' CEL rules. Whatever is left over that a CRD does not know is an error.
"""

from typing import Any, Final, get_args

from pydantic.fields import FieldInfo

from sympozium.api import docstrings
from sympozium.api.base import Model

Schema = dict[str, Any]

_KEPT: Final = frozenset(
    {
        "type", "enum", "pattern", "format", "default", "minimum", "maximum", "minLength", "maxLength", "minItems",
        "maxItems", "minProperties", "maxProperties",
    }
)  # fmt: skip
_DROPPED: Final = frozenset({"title", "description", "$ref", "anyOf", "items", "additionalProperties"})
_INT_OR_STRING: Final = "x-kubernetes-int-or-string"


class SchemaError(Exception):
    """A model says something that a structural schema cannot; the text says where."""


def structural(model: type[Model]) -> Schema:
    """The schema of a model, with everything it refers to in place. Raises SchemaError."""
    document = model.model_json_schema(by_alias=True, mode="validation")
    schema = _Builder(document.get("$defs", {})).model(model, document)
    _undefault_lists(schema, listed=False)
    return schema


def _undefault_lists(node: Schema, *, listed: bool) -> None:
    """Take out defaults of fields in items of lists: our readers know them, and who compares manifests does not.

    A merge of JSON, as Argo CD makes one, replaces lists whole: what the API server puts into an item is drift for ever.
    """
    if listed:
        node.pop("default", None)
    for child in node.get("properties", {}).values():
        _undefault_lists(child, listed=listed)
    if "items" in node:
        _undefault_lists(node["items"], listed=True)
    if isinstance(values := node.get("additionalProperties"), dict):
        _undefault_lists(values, listed=listed)


class _Builder:
    def __init__(self, definitions: dict[str, Schema]) -> None:
        self.definitions = definitions

    def model(self, model: type[Model], node: Schema) -> Schema:
        """A schema of type object, whose properties are the fields of a model."""
        names = {str(field.alias): name for name, field in model.model_fields.items()}
        properties = {}
        for alias, child in node.get("properties", {}).items():
            name = names[alias]
            schema = self.node(child, model.model_fields[name], f"{model.__name__}.{name}")
            text = docstrings.of_field(model, name)
            if text:
                schema["description"] = text
            properties[alias] = schema
        schema = {"type": "object"}
        text = docstrings.of_class(model)
        if text:
            schema["description"] = text
        if properties:
            schema["properties"] = properties
        if node.get("required"):
            schema["required"] = node["required"]
        if model.cel:
            schema["x-kubernetes-validations"] = [
                rule.model_dump(by_alias=True, exclude_none=True) for rule in model.cel
            ]
        return schema

    def node(
        self, node: Schema, field: FieldInfo | None, place: str, models: tuple[type, ...] = ()
    ) -> Schema:
        """The schema of a field, of its items or of its values."""
        if field is not None:
            models = tuple(_models(field.annotation))
        node = self._one(node, place)
        if "$ref" in node:
            name = node["$ref"].removeprefix("#/$defs/")
            model = next((m for m in models if m.__name__ == name), None)
            if model is None:
                raise SchemaError(f"{place}: {name} is not a model of the field's type")
            found = self.model(model, self.definitions[name])
        else:
            found = {}
            if "items" in node:
                found["items"] = self.node(node["items"], None, f"{place}[]", models)
            values = node.get("additionalProperties")
            if isinstance(values, dict):
                found["additionalProperties"] = self.node(values, None, f"{place}{{}}", models)
        for key, value in node.items():
            if key == "const":
                found["enum"] = [value]
            elif key == "default" and value in (None, [], {}):
                continue  # absent and empty are the same to every reader of ours
            elif key in _KEPT or key.startswith("x-kubernetes-"):
                found[key] = value
            elif key not in _DROPPED:
                raise SchemaError(f"{place}: a structural schema has no {key}")
        if found.get(_INT_OR_STRING):
            found.pop("type", None)
            found["anyOf"] = [{"type": "integer"}, {"type": "string"}]
        if found.get("type") == "integer":
            found["format"] = "int64"
        return found

    def _one(self, node: Schema, place: str) -> Schema:
        """A node without its union with null. Keys beside the union stay."""
        if "anyOf" not in node:
            return node
        choices = [choice for choice in node["anyOf"] if choice != {"type": "null"}]
        if len(choices) != 1:
            raise SchemaError(f"{place}: a structural schema has no union of types")
        beside = {key: value for key, value in node.items() if key != "anyOf"}
        return {**choices[0], **beside}


def _models(annotation: Any) -> list[type]:
    """The models that a type annotation mentions, at any depth of lists, maps and unions."""
    if isinstance(annotation, type) and issubclass(annotation, Model):
        return [annotation]
    return [model for argument in get_args(annotation) for model in _models(argument)]
