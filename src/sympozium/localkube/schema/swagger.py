"""/openapi/v2: the OpenAPI 3.0 documents of all group-versions as one Swagger 2.0 document.

For tools that read nothing else: Argo CD, and kubectl where v3 is refused. What the older language cannot say
is left out the way kube-apiserver leaves it out: junctors, defaults, and under a nullable or
unknown-preserving place everything, because kubectl's reader takes what it does not find there for forbidden.
https://swagger.io/specification/v2/
"""

from collections.abc import Iterable
from typing import Any

Schema = dict[str, Any]
_V3, _V2 = "#/components/schemas/", "#/definitions/"
_MEDIA = ["application/json", "application/yaml"]
_INT_OR_STRING = "io.k8s.apimachinery.pkg.util.intstr.IntOrString"
_DROPPED = {"anyOf", "oneOf", "not", "allOf", "default", "nullable"}
_DATA = {"enum", "example"}


def swagger(documents: Iterable[Schema], version: str) -> Schema:
    """The whole document; `documents` are those of /openapi/v3."""
    paths: Schema = {}
    definitions: Schema = {}
    for document in documents:
        for path, item in document["paths"].items():
            paths[path] = {
                method: _parameters(part) if method == "parameters" else _operation(part)
                for method, part in item.items()
            }
        for name, schema in document["components"]["schemas"].items():
            if name not in definitions:
                definitions[name] = _definition(name, schema)
            elif name.endswith(".DeleteOptions"):
                # A kind of every group; each document names its own.
                kinds = definitions[name]["x-kubernetes-group-version-kind"]
                more = schema["x-kubernetes-group-version-kind"]
                kinds += [kind for kind in more if kind not in kinds]
    return {
        "swagger": "2.0",
        "info": {"title": "Kubernetes", "version": version},
        "paths": dict(sorted(paths.items())),
        "definitions": dict(sorted(definitions.items())),
        "securityDefinitions": {
            "BearerToken": {
                "type": "apiKey",
                "name": "authorization",
                "in": "header",
                "description": "Bearer Token authentication",
            }
        },
        "security": [{"BearerToken": []}],
    }


def _definition(name: str, schema: Schema) -> Schema:
    if name == _INT_OR_STRING:
        return {"description": schema.get("description", ""), "type": "string", "format": "int-or-string"}
    if name.endswith(".Quantity"):
        return {"description": schema.get("description", ""), "type": "string"}
    converted = _schema(schema)
    if schema.get("x-kubernetes-preserve-unknown-fields") and schema.get("x-kubernetes-group-version-kind"):
        kept = {key: schema[key] for key in schema if key == "x-kubernetes-group-version-kind"}
        return {"type": "object", **kept}
    return converted


def _schema(schema: Schema) -> Schema:
    alone = _reference(schema)
    if alone is not None:
        return alone
    open_ = bool(schema.get("x-kubernetes-preserve-unknown-fields"))
    nullable = bool(schema.get("nullable"))
    out: Schema = {}
    for key, value in schema.items():
        if key in _DROPPED or (key in {"items", "properties"} and (open_ or nullable)):
            continue
        if key == "properties":
            out[key] = {name: _schema(inner) for name, inner in value.items()}
        elif key in {"items", "additionalProperties"} and isinstance(value, dict):
            out[key] = _schema(value)
        else:
            out[key] = value
    if nullable or (open_ and out.get("type") == "object"):
        out.pop("type", None)
    if out.get("type") == "array" and "items" not in out:
        del out["type"]
    absent = {name for name, inner in (schema.get("properties") or {}).items() if inner.get("nullable")}
    if absent & set(out.get("required", ())):
        left = [name for name in out.pop("required") if name not in absent]
        out |= {"required": left} if left else {}
    return out


def _reference(schema: Schema) -> Schema | None:
    """A reference, which Swagger may have beside a description."""
    target = schema.get("$ref")
    if target is None and len(schema.get("allOf", ())) == 1:
        target = schema["allOf"][0].get("$ref")
    if target is None:
        return None
    kept = {key: value for key, value in schema.items() if key == "description" or key.startswith("x-")}
    return {**kept, "$ref": target.replace(_V3, _V2)}


def _operation(operation: Schema) -> Schema:
    body = operation.get("requestBody")
    consumes = list(body["content"]) if body else ["*/*"]
    parameters = _parameters(operation.get("parameters", []))
    if body:
        schema = next(iter(body["content"].values()))["schema"]
        parameter: Schema = {"name": "body", "in": "body", "schema": _schema(schema)}
        parameters.insert(0, {**parameter, **({"required": True} if body.get("required") else {})})
    produces = dict.fromkeys(
        media for response in operation["responses"].values() for media in response.get("content", ())
    )
    kept = {key: value for key, value in operation.items() if key not in {"requestBody", "parameters"}}
    return {
        **kept,
        "consumes": consumes,
        "produces": list(produces) or _MEDIA,
        "schemes": ["https"],
        "parameters": parameters,
        "responses": {code: _response(response) for code, response in operation["responses"].items()},
    }


def _response(response: Schema) -> Schema:
    out = {"description": response["description"]}
    for content in response.get("content", {}).values():
        return {**out, "schema": _schema(content["schema"])}
    return out


def _parameters(parameters: list[Schema]) -> list[Schema]:
    return [{**{k: v for k, v in p.items() if k != "schema"}, **p["schema"]} for p in parameters]
