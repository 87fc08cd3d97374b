"""What a real kube-apiserver answered, and how it is compared: without what differs from run to run.

The files in `recorded/` are answers of kube-apiserver 1.36 to thousands of small mistakes and odd requests, one
for each text that it has for them. `objects-*.json`: one kind each, an object with every field, and what
came of changing one place in it. `steps.json`: sequences of requests, in order.
"""

import json
import re
from pathlib import Path
from typing import Any

RECORDED = Path(__file__).with_name("recorded")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
_UID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_TOKEN_VOLUME = re.compile(r"kube-api-access-[a-z0-9]{5}")
_REVISION = "deployment.kubernetes.io/revision"
_CONTROLLED = ("Deployment", "ReplicaSet", "StatefulSet", "DaemonSet", "Job", "Pod", "ReplicationController")


def load(name: str) -> Any:
    return json.loads((RECORDED / name).read_text())


def changed(obj: Any, path: list[Any], value: Any, *, delete: bool) -> Any:
    """A copy of `obj` with one place set, or deleted."""
    made = json.loads(json.dumps(obj))
    place = made
    for part in path[:-1]:
        place = place[part]
    if delete:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return made


def plain(value: Any, namespace: str) -> Any:
    """`value` without times, uids, revisions and what controllers write in their own time."""
    if isinstance(value, list):
        return [plain(item, namespace) for item in value]
    if isinstance(value, str):
        text = _UID.sub("<uid>", _TIME.sub("<time>", value.replace(namespace, "{ns}")))
        return _TOKEN_VOLUME.sub("kube-api-access-<5>", text)
    if not isinstance(value, dict):
        return value
    out = {}
    for key, inner in value.items():
        if key == "managedFields" and isinstance(inner, list):
            out[key] = _writers(inner, namespace)
        elif key == "metadata" and isinstance(inner, dict):
            out[key] = _metadata(inner, namespace)
        elif key != "status" or value.get("kind") not in _CONTROLLED:
            out[key] = plain(inner, namespace)
    return out


def _metadata(meta: dict[str, Any], namespace: str) -> dict[str, Any]:
    out = plain({key: value for key, value in meta.items() if key != "resourceVersion"}, namespace)
    if isinstance(out.get("annotations"), dict):
        out["annotations"].pop(_REVISION, None)
        if not out["annotations"]:
            del out["annotations"]
    if not out.get("managedFields", True):
        del out["managedFields"]
    return out


def _writers(entries: list[Any], namespace: str) -> list[Any]:
    """Without controllers and times; the order hangs on the second of the clock."""
    kept = [
        plain({key: value for key, value in entry.items() if key != "time"}, namespace)
        for entry in entries
        if isinstance(entry, dict) and entry.get("manager") not in {"kube-controller-manager", "localkube"}
    ]
    return sorted(
        kept, key=lambda e: json.dumps([e.get("operation"), e.get("manager"), e.get("subresource", "")])
    )


def answer(code: int, warnings: list[str], body: Any, namespace: str) -> dict[str, Any]:
    """What is recorded of an answer: of a refusal its words, else the object."""
    out: dict[str, Any] = {"code": code}
    if warnings:
        out["warnings"] = [plain(text, namespace) for text in warnings]
    if code >= 400 and isinstance(body, dict):
        out["message"] = plain(body.get("message"), namespace)
        out["reason"] = body.get("reason", "")
    else:
        out["body"] = plain(body, namespace)
    return out
