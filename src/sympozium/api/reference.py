"""The field reference (`docs/reference.md`), generated from the same schemas as the CRDs."""

from collections.abc import Iterator
from typing import Any

from sympozium.api import unimplemented
from sympozium.api.crds import definition
from sympozium.api.registry import KINDS, Kind

_INTRODUCTION = """# Field reference

Generated from `sympozium.api` by `make generate`. `kubectl explain agentrun.spec` shows the same texts.

All kinds are `sympozium.ai/v1alpha1`, namespaced, in the category `sympozium`, and have a status subresource.
Durations are Go durations (`10m`, `1h30m`), quantities are Kubernetes quantities (`500m`, `4Gi`). **Bold**
fields are required. A field marked *without effect* is accepted for manifests that were written for v0.1.3; setting
it is answered with a warning and shown in the condition `Unimplemented`.
"""


def markdown() -> str:
    """The page."""
    index = "\n".join(f"- [{kind.kind}](#{kind.singular}) (`{kind.short_name}`)" for kind in KINDS)
    return "\n".join([_INTRODUCTION, index, *(_section(kind) for kind in KINDS)])


def _section(kind: Kind) -> str:
    schema = definition(kind.kind)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    lines = [f"\n## {kind.kind}\n", schema["description"], f"\n`kubectl get {kind.short_name}`\n"]
    without = {field.path: field for field in unimplemented.FIELDS if field.kind == kind.kind}
    lines += ["| field | type | default | |", "|---|---|---|---|"]
    for part in ("spec", "status"):
        for path, required, node in _fields(schema["properties"][part], part):
            lines.append(_row(path, required, node, without.get(path)))
    rules = list(_rules(schema, kind.kind))
    if rules:
        lines += ["\nRules:\n", *rules]
    return "\n".join(lines)


def _row(path: str, required: bool, node: dict[str, Any], field: unimplemented.Field | None) -> str:
    name = f"**`{path}`**" if required else f"`{path}`"
    default = f"`{_literal(node['default'])}`" if "default" in node else ""
    text = node.get("description", "")
    if field:
        which = f" (`{'`, `'.join(field.values)}`)" if field.values else ""
        text = f"*Without effect{which}: {field.effect}.* {text}"
    return f"| {name} | {_type(node)} | {default} | {text.replace('|', chr(92) + '|').strip()} |"


def _fields(node: dict[str, Any], path: str) -> Iterator[tuple[str, bool, dict[str, Any]]]:
    """Every field below a node: path with `[]` for lists and `{}` for maps, whether required, schema."""
    required = set(node.get("required", ()))
    for name, child in node.get("properties", {}).items():
        where = f"{path}.{name}"
        yield where, name in required, child
        inner, mark = child, ""
        while "items" in inner or isinstance(inner.get("additionalProperties"), dict):
            mark += "[]" if "items" in inner else "{}"
            inner = inner.get("items") or inner["additionalProperties"]
        yield from _fields(inner, where + mark)


def _type(node: dict[str, Any]) -> str:
    if node.get("x-kubernetes-int-or-string"):
        return "quantity"
    if "enum" in node:
        return " \\| ".join(f"`{value}`" for value in node["enum"])
    if "items" in node:
        return f"list of {_type(node['items'])}"
    if isinstance(node.get("additionalProperties"), dict):
        return f"map of {_type(node['additionalProperties'])}"
    limits = [f"≥ {node['minimum']}"] if "minimum" in node else []
    limits += [f"≤ {node['maximum']}"] if "maximum" in node else []
    return " ".join([str(node.get("type", "any")), *limits])


def _literal(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _rules(node: dict[str, Any], path: str) -> Iterator[str]:
    for rule in node.get("x-kubernetes-validations", ()):
        yield f"- `{path}{rule.get('fieldPath', '')}`: {rule['message']}"
    for name, child in node.get("properties", {}).items():
        yield from _rules(child, f"{path}.{name}" if path else name)
    if "items" in node:
        yield from _rules(node["items"], f"{path}[]")
