"""Writes src/sympozium/localkube/protobuf_fields.txt: the field numbers of Kubernetes' protobuf messages.

    python scripts/protobuf_fields.py DIR [--check]

DIR holds `<group>/<version>/types.go` of the Kubernetes API (`meta/v1` from apimachinery). The struct
tags carry number and JSON name; whether a Go field is a pointer decides if a zero value is kept. Field
numbers never change, so this is run only when a release brings new fields. One message a line:

    core/v1.ConfigMap 1:metadata:meta/v1.ObjectMeta 2:data:{}s 3:binaryData:{}y 4:immutable:*b

Types: s text, i integer, b bool, y bytes, d double, else a message; before it `*` pointer, `[]` list,
`{}` map, `~` a message whose fields are the parent's in JSON.
"""

import re
import sys
from pathlib import Path

OUT = Path(__file__).parent.parent / "src/sympozium/localkube/protobuf_fields.txt"
ROOTS = [
    "apps/v1.ControllerRevision apps/v1.DaemonSet apps/v1.Deployment apps/v1.ReplicaSet apps/v1.StatefulSet",
    "authentication/v1.SelfSubjectReview authentication/v1.TokenRequest authentication/v1.TokenReview",
    "authorization/v1.LocalSubjectAccessReview authorization/v1.SelfSubjectAccessReview",
    "authorization/v1.SelfSubjectRulesReview authorization/v1.SubjectAccessReview",
    "autoscaling/v1.Scale batch/v1.CronJob batch/v1.Job coordination/v1.Lease",
    "core/v1.Binding core/v1.ConfigMap core/v1.Endpoints core/v1.Event core/v1.LimitRange core/v1.Namespace",
    "core/v1.PersistentVolume discovery/v1.EndpointSlice node/v1.RuntimeClass",
    "core/v1.Node core/v1.PersistentVolumeClaim core/v1.Pod core/v1.PodTemplate core/v1.ReplicationController",
    "core/v1.ResourceQuota core/v1.Secret core/v1.Service core/v1.ServiceAccount",
    "events/v1.Event meta/v1.DeleteOptions meta/v1.Status networking/v1.Ingress networking/v1.NetworkPolicy",
    "policy/v1.Eviction policy/v1.PodDisruptionBudget rbac/v1.ClusterRole rbac/v1.ClusterRoleBinding",
    "rbac/v1.Role rbac/v1.RoleBinding scheduling/v1.PriorityClass storage/v1.StorageClass",
    "admissionregistration/v1.MutatingAdmissionPolicy",
    "admissionregistration/v1.MutatingAdmissionPolicyBinding",
    "admissionregistration/v1.MutatingWebhookConfiguration",
    "admissionregistration/v1.ValidatingAdmissionPolicy",
    "admissionregistration/v1.ValidatingAdmissionPolicyBinding",
    "admissionregistration/v1.ValidatingWebhookConfiguration",
]
SPECIAL = {
    "metav1.Time": "Time", "metav1.MicroTime": "MicroTime", "metav1.Duration": "Duration",
    "metav1.FieldsV1": "FieldsV1", "resource.Quantity": "Quantity", "intstr.IntOrString": "IntOrString",
    "runtime.RawExtension": "RawExtension", "Time": "Time", "MicroTime": "MicroTime", "FieldsV1": "FieldsV1",
}  # fmt: skip
SCALARS = {"string": "s", "bool": "b", "int32": "i", "int64": "i", "int": "i", "uint32": "i", "uint64": "i",
           "uint8": "i", "float64": "d", "types.UID": "s", "[]byte": "y", "byte": "i"}  # fmt: skip
PACKAGES = {
    "metav1": "meta/v1",
    "v1": "core/v1",
    "corev1": "core/v1",
    "apiv1": "core/v1",
    "rbacv1": "rbac/v1",
}
FIELD = re.compile(
    r"^\t(?:(\w+)\s+)?([\w.*\[\]]+(?:\[\w+\][\w.\[\]*]+)?)\s+`json:\"([^\"]*)\"[^`]*?protobuf:\"\w+,(\d+),(\w+)"
)


def parse(
    root: Path,
) -> tuple[dict[str, dict[str, list[tuple[str, str, str, bool]]]], dict[str, dict[str, str]]]:
    structs: dict[str, dict[str, list[tuple[str, str, str, bool]]]] = {}
    aliases: dict[str, dict[str, str]] = {}
    for path in sorted(root.glob("*/*/types.go")):
        package = str(path.parent.relative_to(root))
        found = structs.setdefault(package, {})
        current = ""
        for line in path.read_text().splitlines():
            if match := re.match(r"^type (\w+) struct \{", line):
                current = match.group(1)
                found[current] = []
            elif match := re.match(r"^type (\w+) ([^\s{]+)$", line):
                aliases.setdefault(package, {})[match.group(1)] = match.group(2)
            elif line == "}":
                current = ""
            elif current and (match := FIELD.match(line)):
                _, go, json_tag, number, _ = match.groups()
                name = json_tag.split(",")[0]
                found[current].append((number, name, go, "inline" in json_tag))
    return structs, aliases


class Types:
    def __init__(self, root: Path) -> None:
        self.structs, self.aliases = parse(root)
        self.lines: dict[str, str] = {}

    def encode(self, package: str, go: str) -> str:
        """The type code; puts messages that it names on the list."""
        if go in SCALARS:
            return SCALARS[go]
        if go.startswith("*"):
            return "*" + self.encode(package, go[1:])
        if go.startswith("map["):
            return "{}" + self.encode(package, go[go.index("]") + 1 :])
        if go.startswith("[]"):
            return "[]" + self.encode(package, go[2:])
        if go in SPECIAL and (package == "meta/v1" or "." in go):
            return SPECIAL[go]
        prefix, _, name = go.rpartition(".")
        home = PACKAGES[prefix] if prefix else package
        alias = self.aliases.get(home, {}).get(name)
        if alias is not None:
            if alias.startswith("[]") and alias != "[]byte":
                # A named slice is a message with its items in field 1.
                key = f"{home}.{name}"
                self.lines.setdefault(key, f"{key} 1:!:{self.encode(home, alias)}")
                return key
            return self.encode(home, alias)
        self.message(f"{home}.{name}")
        return f"{home}.{name}"

    def message(self, key: str) -> None:
        if key in self.lines:
            return
        self.lines[key] = key
        package, _, name = key.rpartition(".")
        for number, json_name, go, inline in self.structs[package][name]:
            if (
                (prefix := go.lstrip("*[]").rpartition(".")[0])
                and go.lstrip("*[]") not in SPECIAL | SCALARS
                and prefix not in PACKAGES
                and not go.startswith("map")
            ):
                sys.stderr.write(
                    f"{key}.{json_name}: {go} is of a package that is not known here, left out\n"
                )
                continue
            code = self.encode(package, go)
            self.lines[key] += f" {number}:{json_name}:{'~' if inline else ''}{code}"


def main() -> int:
    types = Types(Path(sys.argv[1]))
    for key in " ".join(ROOTS).split():
        types.message(key)
    text = "\n".join(sorted(types.lines.values())) + "\n"
    if "--check" in sys.argv:
        return int(OUT.read_text() != text)
    OUT.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
