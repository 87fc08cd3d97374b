"""Writes src/sympozium/localkube/schema/data/shapes.txt.gz: how the API server's Go types write themselves.

    python scripts/go_shapes.py DIR [--check]

DIR is the folder `k8s.io` of a Go module cache (it holds `api@v0.36.3`, `apimachinery@v0.36.3`, ...). What
OpenAPI does not say is read from the struct tags: the order of the fields, which of them are pointers (a zero
value is kept), which are written even when empty, and the Go names that a decoder's messages show. One
definition a line:

    io.k8s.api.core.v1.ConfigMap<TAB>kind::string apiVersion::string metadata:0:v1.ObjectMeta data::map[string]string

After the name: `*` a pointer, `!` written even when empty, `0` a struct that is left out when it is zero. Then the
Go type, and for a field of an embedded struct that struct's name (`VolumeSource.`).
"""

import gzip
import re
import sys
from pathlib import Path

OUT = Path(__file__).parent.parent / "src/sympozium/localkube/schema/data/shapes.txt.gz"
PACKAGES = ("api@*/*/v1/types*.go", "api@*/autoscaling/v2/types.go",
            "apimachinery@*/pkg/apis/meta/v1/types.go",
            "apiextensions-apiserver@*/pkg/apis/apiextensions/v1/types*.go",
            "kube-aggregator@*/pkg/apis/apiregistration/v1/types.go")  # fmt: skip
FIELD = re.compile(r"^\t(?:(\w+)\s+)?((?:map\[[\w.]+\]|[\w.*\[\]])+)\s+`json:\"([^\"]*)\"")
STRUCT = re.compile(r"^type (\w+) struct \{")
IMPORTED = {"metav1": "v1", "corev1": "v1", "apiv1": "v1", "rbacv1": "v1"}
Field = tuple[str, str, list[str]]


def structs(root: Path) -> dict[str, dict[str, list[Field]]]:
    """Package (as OpenAPI names it) -> struct -> (JSON name, Go type, options of the tag)."""
    found: dict[str, dict[str, list[Field]]] = {}
    for pattern in PACKAGES:
        for path in sorted(root.glob(pattern)):
            parts = path.parent.relative_to(root).parts
            package = ".".join(("io.k8s", parts[0].partition("@")[0], *parts[1:]))
            into = found.setdefault(package, {})
            current = ""
            for line in path.read_text().splitlines():
                if match := STRUCT.match(line):
                    current = match.group(1)
                    into[current] = []
                elif line == "}":
                    current = ""
                elif current and (match := FIELD.match(line)):
                    name, *options = match.group(3).split(",")
                    into[current].append((name, match.group(2), options))
    return found


def flat(package: str, name: str, known: dict[str, dict[str, list[Field]]], via: str = "") -> list[str]:
    """The fields as JSON has them: those of embedded structs are the struct's own."""
    out: list[str] = []
    for json_name, go, options in known[package][name]:
        if json_name == "-":
            continue
        if "inline" in options:
            if go.endswith("TypeMeta"):
                out += ["kind::string", "apiVersion::string"]
            else:
                prefix, _, inner = go.lstrip("*").rpartition(".")
                home = next((p for p in known if p.endswith("core.v1")), "") if prefix else package
                out += flat(home, inner, known, f"{via}{inner}.")
            continue
        flags = "*" if go.startswith("*") else ""
        if not {"omitempty", "omitzero"} & set(options):
            flags += "!"
        if "omitzero" in options:
            flags += "0"
        out.append(
            f"{json_name}:{flags}:{shown(go.lstrip('*'), set(known[package]), package)}:{via}".rstrip(":")
        )
    return out


def shown(go: str, local: set[str], package: str) -> str:
    """A type as Go prints it outside its package: `[]v1.FinalizerName`, `map[string][]uint8`."""
    version = package.rpartition(".")[2]

    def word(match: re.Match[str]) -> str:
        text = match.group()
        prefix, dot, name = text.rpartition(".")
        if dot:
            return f"{IMPORTED.get(prefix, prefix)}.{name}"
        if text == "byte":
            return "uint8"
        return f"{version}.{text}" if text[0].isupper() or text in local else text

    return re.sub(r"[\w.]*[A-Za-z]\w*", word, go)


def main() -> int:
    known = structs(Path(sys.argv[1]))
    lines = [
        f"{package}.{name}\t{' '.join(flat(package, name, known))}"
        for package, inside in sorted(known.items())
        for name in sorted(inside)
        if inside[name]
    ]
    text = "\n".join(lines) + "\n"
    if "--check" in sys.argv:
        return int(gzip.decompress(OUT.read_bytes()).decode() != text)
    OUT.write_bytes(gzip.compress(text.encode(), 9, mtime=0))
    return 0


if __name__ == "__main__":
    sys.exit(main())
