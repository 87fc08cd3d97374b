r"""Records what a real kube-apiserver's OpenAPI says beside types: defaults, enumerations, unions.

The published schemas (`builtin_schemas.py`) leave them out, and `kubectl explain` shows them. Writes
`published.jsonl.gz`: `<definition>\t{"" or "<property>[/items|/additionalProperties]": {default, enum, oneOf, text}}`.
Run by hand against a server of the release in `schema/builtin.py`:

    python scripts/published_schemas.py https://127.0.0.1:6443 TOKEN CA_FILE
"""

import gzip
import json
import ssl
import sys
import urllib.request
from pathlib import Path
from typing import Any

TARGET = Path(__file__).resolve().parent.parent / "src/sympozium/localkube/schema/data/published.jsonl.gz"
ENUM = "Possible enum values:"
Schema = dict[str, Any]


def documents(url: str, token: str, authority: str) -> list[Schema]:
    context = ssl.create_default_context(cafile=authority)

    def get(path: str) -> Schema:
        request = urllib.request.Request(url + path, headers={"Authorization": f"Bearer {token}"})
        with urllib.request.urlopen(request, context=context) as answer:
            loaded: Schema = json.load(answer)
        return loaded

    index = get("/openapi/v3")["paths"]
    return [get(entry["serverRelativeURL"]) for entry in index.values()]


def said(schema: Schema) -> Schema:
    """What is kept of one place."""
    found: Schema = {key: schema[key] for key in ("default", "enum", "oneOf") if key in schema}
    if "oneOf" in found:
        found["description"] = schema["description"]
    if "enum" in found and ENUM in schema.get("description", ""):
        text: str = schema["description"]
        start = len(text[: text.index(ENUM)].rstrip("\n"))
        found["text"] = text[start:]
    return found


def walk(schema: Schema, path: str, out: Schema) -> None:
    if kept := said(schema):
        out[path] = kept
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            walk(schema[key], f"{path}/{key}", out)


def main() -> int:
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    lines: dict[str, str] = {}
    for document in documents(*sys.argv[1:]):
        for name, schema in document.get("components", {}).get("schemas", {}).items():
            out: Schema = {}
            if name.startswith("io.k8s.") and (top := said(schema)):
                out[""] = top
            for key, inner in schema.get("properties", {}).items():
                walk(inner, key, out)
            if out and name.startswith("io.k8s."):
                lines[name] = json.dumps(out, separators=(",", ":"), sort_keys=True)
    text = "".join(f"{name}\t{line}\n" for name, line in sorted(lines.items()))
    TARGET.write_bytes(gzip.compress(text.encode(), compresslevel=9, mtime=0))
    print(f"wrote {TARGET.name}: {TARGET.stat().st_size} bytes, {len(text)} unpacked")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
