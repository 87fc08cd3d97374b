r"""Generates the schemas of built-in kinds that localkube packages.

Source: the release RELEASE in `kubernetes-validate` (a development dependency; it is Kubernetes' published
OpenAPI with x-kubernetes-* kept). What the kinds of stable group-versions reach is taken, so that serving
one kind more needs no new data. Two files, so that a server never loads prose that it does not serve:

- `builtin.jsonl.gz`: one definition a line, `<name>\t<JSON schema without descriptions>`;
- `descriptions.jsonl.gz`: `<name>\t{"": text, "<property>": text}`.

Usage: `python scripts/builtin_schemas.py` writes them, `--check` fails when they are out of date.
"""

import argparse
import gzip
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sympozium.localkube.schema.builtin import RELEASE

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "src/sympozium/localkube/schema/data"
PREFIX = "#/$defs/"
META = "io.k8s.apimachinery.pkg.apis.meta.v1."
EXTRA = (
    "io.k8s.api.autoscaling.v1.Scale",
    "io.k8s.api.policy.v1.Eviction",
    "io.k8s.api.authentication.v1.TokenRequest",
    META + "DeleteOptions",
    META + "Status",
    META + "APIResourceList",
    META + "Patch",
)
Schema = dict[str, Any]


def definitions() -> dict[str, Schema]:
    import kubernetes_validate

    assert kubernetes_validate.__file__
    base = Path(kubernetes_validate.__file__).parent / "kubernetes-json-schema"
    release = base / f"v{RELEASE}-local"
    loaded: dict[str, Schema] = json.loads((release / "_definitions.json").read_text())["$defs"]
    return loaded


def cleaned(schema: Schema, *, top: bool = False) -> Schema:
    """The schema without descriptions and without what the source added (null types, enums of kind)."""
    out: Schema = {}
    for key, value in schema.items():
        if key in {"description", "enum", "oneOf"} or (key == "default" and value in ("", {}, 0, None)):
            continue
        if key == "type" and isinstance(value, list):
            out[key] = next(word for word in value if word != "null")
        elif key == "$ref":
            out[key] = value.removeprefix(PREFIX)
        elif key == "properties":
            out[key] = {name: cleaned(inner) for name, inner in value.items()}
        elif key in {"items", "additionalProperties"} and isinstance(value, dict):
            out[key] = cleaned(value)
        elif key == "x-kubernetes-group-version-kind" and not top:
            continue
        else:
            out[key] = value
    return out


def special(name: str, schema: Schema) -> Schema:
    """Types with a JSON form of their own."""
    if name.endswith(".IntOrString"):
        return {"type": "string", "format": "int-or-string"}
    if name.endswith(".Quantity"):
        return {"type": "string", "format": "quantity"}
    if name.endswith(".MicroTime"):
        return {"type": "string", "format": "micro-time"}
    if name.endswith((".JSON", ".JSONSchemaPropsOrArray", ".JSONSchemaPropsOrBool", "OrStringArray")):
        return {}
    if name.endswith((".RawExtension", ".FieldsV1")):
        return {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    return schema


def references(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        if isinstance(schema.get("$ref"), str):
            yield schema["$ref"].removeprefix(PREFIX)
        for value in schema.values():
            yield from references(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from references(value)


def reachable(every: dict[str, Schema]) -> list[str]:
    todo = [
        name
        for name, schema in every.items()
        for gvk in schema.get("x-kubernetes-group-version-kind", ())
        if "alpha" not in gvk["version"] and "beta" not in gvk["version"]
    ]
    todo += [name for name in EXTRA if name in every]
    found: set[str] = set()
    while todo:
        name = todo.pop()
        if name not in found:
            found.add(name)
            todo += references(every[name])
    return sorted(found)


def lines() -> tuple[str, str]:
    every = definitions()
    schemas, texts = [], []
    for name in reachable(every):
        schema = every[name]
        packed = json.dumps(special(name, cleaned(schema, top=True)), separators=(",", ":"))
        schemas.append(f"{name}\t{packed}\n")
        words = {"": schema.get("description", "")}
        words |= {key: inner.get("description", "") for key, inner in schema.get("properties", {}).items()}
        packed = json.dumps({key: text for key, text in words.items() if text}, separators=(",", ":"))
        texts.append(f"{name}\t{packed}\n")
    return "".join(schemas), "".join(texts)


def main() -> int:
    parser = argparse.ArgumentParser(description="Generate the packaged schemas of built-in kinds.")
    parser.add_argument("--check", action="store_true", help="only compare, exit 1 when out of date")
    check = parser.parse_args().check
    stale = []
    for name, text in zip(("builtin.jsonl.gz", "descriptions.jsonl.gz"), lines(), strict=True):
        path = TARGET / name
        if path.exists() and gzip.decompress(path.read_bytes()).decode() == text:
            continue
        stale.append(name)
        if not check:
            path.write_bytes(gzip.compress(text.encode(), compresslevel=9, mtime=0))
            print(f"wrote {path.relative_to(ROOT)}: {path.stat().st_size} bytes, {len(text)} unpacked")
    if check and stale:
        print(f"out of date: {', '.join(stale)}; run python scripts/builtin_schemas.py", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
