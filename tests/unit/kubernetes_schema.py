"""Whether Kubernetes takes an object: its published schemas in a compiled validator.

`kubernetes_validate.validate` reads all of them again for each object, 25 ms.
"""

import functools
import json
import re
from importlib.resources import files
from typing import Any

import jsonschema_rs

SCHEMAS = files("kubernetes_validate") / "kubernetes-json-schema"


@functools.cache
def _registry(version: str) -> jsonschema_rs.Registry:
    definitions = json.loads((SCHEMAS / f"v{version}.0-local-strict" / "_definitions.json").read_text())
    return jsonschema_rs.Registry([(definitions["$id"], definitions)])


@functools.cache
def _validator(version: str, kind: str, api_version: str) -> jsonschema_rs.Draft202012Validator:
    # rbac.authorization.k8s.io/v1 is rbac-v1
    group = re.sub(r"^([^./]*)(?:\.[^/]*)?/", r"\1-", api_version)
    path = SCHEMAS / f"v{version}.0-local-strict" / f"{kind.lower()}-{group}.json"
    schema = json.loads(path.read_text())
    return jsonschema_rs.Draft202012Validator(schema, registry=_registry(version))


def validate(obj: dict[str, Any], version: str) -> None:
    """Strictly: an unknown field is an error. Raises jsonschema_rs.ValidationError; FileNotFoundError for an unknown kind."""
    _validator(version, obj["kind"], obj["apiVersion"]).validate(obj)
