"""Columns and cells of the built-in kinds (KUBE-API.md 1.3)."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from sympozium.localkube.resources import Column
from sympozium.localkube.tables import cluster, pods, workloads
from sympozium.localkube.tables.age import age, duration, parse_time
from sympozium.localkube.types import Object

Cells = Callable[[Object, datetime], list[Any]]

DESCRIPTIONS = {
    "Name": "Name must be unique within its scope; it cannot be changed.",
    "Age": "The time since the object was created.",
}


def _columns(text: str) -> tuple[Column, ...]:
    """`Name Age` with `:integer` for another type and a trailing `*` for wide output only."""
    made: list[Column] = []
    for item in text.split("|"):
        name, _, kind = item.rstrip("*").partition(":")
        made.append(
            Column(
                name=name,
                type=kind or "string",
                format="name" if name == "Name" else "",
                description=DESCRIPTIONS.get(name, f"{name} of the object."),
                priority=1 if item.endswith("*") else 0,
            )
        )
    return tuple(made)


def _name(obj: Object) -> str:
    return str(obj["metadata"]["name"])


def _age(obj: Object, now: datetime) -> str:
    return age(obj["metadata"].get("creationTimestamp"), now)


def _none(values: list[str]) -> str:
    return ",".join(values) if values else "<none>"


def _labels(selector: Any) -> str:
    chosen = selector.get("matchLabels", selector) if isinstance(selector, dict) else {}
    return _none(
        [f"{key}={value}" for key, value in sorted((chosen or {}).items()) if isinstance(value, str)]
    )


def _containers(template: Object) -> tuple[str, str]:
    found = template.get("spec", {}).get("containers", [])
    return _none([c["name"] for c in found]), _none([c.get("image", "") for c in found])


def default_cells(obj: Object, now: datetime) -> list[Any]:
    return [_name(obj), _age(obj, now)]


def _namespace(obj: Object, now: datetime) -> list[Any]:
    return [_name(obj), obj.get("status", {}).get("phase", ""), _age(obj, now)]


def _secret(obj: Object, now: datetime) -> list[Any]:
    return [_name(obj), obj.get("type", ""), len(obj.get("data") or {}), _age(obj, now)]


def _configmap(obj: Object, now: datetime) -> list[Any]:
    return [_name(obj), len(obj.get("data") or {}) + len(obj.get("binaryData") or {}), _age(obj, now)]


def _created_at(obj: Object, _: datetime) -> list[Any]:
    return [_name(obj), obj["metadata"].get("creationTimestamp")]


def _lease(obj: Object, now: datetime) -> list[Any]:
    return [_name(obj), obj.get("spec", {}).get("holderIdentity") or "", _age(obj, now)]


def _binding(obj: Object, now: datetime) -> list[Any]:
    role = obj["roleRef"]
    subjects = obj.get("subjects") or []
    names = {kind: [s["name"] for s in subjects if s["kind"] == kind] for kind in ("User", "Group")}
    accounts = [f"{s.get('namespace', '')}/{s['name']}" for s in subjects if s["kind"] == "ServiceAccount"]
    return [
        _name(obj),
        f"{role['kind']}/{role['name']}",
        _age(obj, now),
        ", ".join(names["User"]),
        ", ".join(names["Group"]),
        ", ".join(accounts),
    ]


def _job(obj: Object, now: datetime) -> list[Any]:
    spec, status = obj.get("spec", {}), obj.get("status", {})
    conditions = {c["type"] for c in status.get("conditions") or [] if c["status"] == "True"}
    state = next((name for name in ("Complete", "Failed", "Suspended") if name in conditions), "")
    if not state:
        state = "Terminating" if obj["metadata"].get("deletionTimestamp") else "Running"
        if "FailureTarget" in conditions:
            state = "FailureTarget"
        elif "SuccessCriteriaMet" in conditions and state == "Running":
            state = "SuccessCriteriaMet"
    wanted = spec.get("completions")
    done = status.get("succeeded", 0)
    completions = f"{done}/{wanted}" if wanted is not None else f"{done}/1"
    if wanted is None and spec.get("parallelism", 1) > 1:
        completions = f"{done}/1 of {spec['parallelism']}"
    names, images = _containers(spec.get("template", {}))
    started, ended = parse_time(status.get("startTime", "")), parse_time(status.get("completionTime", ""))
    took = duration(((ended or now) - started).total_seconds()) if started else ""
    return [
        _name(obj),
        state,
        completions,
        took,
        _age(obj, now),
        names,
        images,
        _labels(spec.get("selector")),
    ]


def _cronjob(obj: Object, now: datetime) -> list[Any]:
    spec, status = obj.get("spec", {}), obj.get("status", {})
    last = status.get("lastScheduleTime")
    names, images = _containers(spec.get("jobTemplate", {}).get("spec", {}).get("template", {}))
    return [
        _name(obj),
        spec.get("schedule", ""),
        spec.get("timeZone") or "<none>",
        "True" if spec.get("suspend") else "False",
        len(status.get("active") or []),
        age(last, now) if last else "<none>",
        _age(obj, now),
        names,
        images,
        _labels(spec.get("jobTemplate", {}).get("spec", {}).get("selector")),
    ]


def _event(obj: Object, now: datetime) -> list[Any]:
    about = obj.get("involvedObject", {})
    source = obj.get("source") or {}
    first = obj.get("firstTimestamp") or obj.get("eventTime")
    last = (obj.get("series") or {}).get("lastObservedTime") or obj.get("lastTimestamp") or first
    count = (obj.get("series") or {}).get("count") or obj.get("count") or 1
    who = ", ".join(part for part in (source.get("component") or obj.get("reportingComponent"),
                                      source.get("host") or obj.get("reportingInstance")) if part)  # fmt: skip
    return [
        age(last, now),
        obj.get("type", ""),
        obj.get("reason", ""),
        f"{about.get('kind', '').lower()}/{about.get('name', '')}",
        about.get("fieldPath", ""),
        who,
        obj.get("message", "").strip(),
        age(first, now),
        count,
        _name(obj),
    ]


def _service(obj: Object, now: datetime) -> list[Any]:
    spec = obj.get("spec", {})
    ports = [
        f"{p['port']}{':' + str(p['nodePort']) if p.get('nodePort') else ''}/{p.get('protocol', 'TCP')}"
        for p in spec.get("ports") or []
    ]
    return [
        _name(obj),
        spec.get("type", ""),
        spec.get("clusterIP") or "<none>",
        cluster.external_ip(obj),
        _none(ports),
        _age(obj, now),
        _labels(spec.get("selector")),
    ]


def _node(obj: Object, now: datetime) -> list[Any]:
    status = obj.get("status", {})
    conditions = {c["type"]: c["status"] for c in status.get("conditions") or []}
    state = {"True": "Ready", "False": "NotReady"}.get(conditions.get("Ready", ""), "Unknown")
    if obj.get("spec", {}).get("unschedulable"):
        state += ",SchedulingDisabled"
    prefix = "node-role.kubernetes.io/"
    roles = sorted(
        key.removeprefix(prefix) for key in obj["metadata"].get("labels") or {} if key.startswith(prefix)
    )
    addresses = {a["type"]: a["address"] for a in status.get("addresses") or []}
    info = status.get("nodeInfo", {})
    return [
        _name(obj),
        state,
        _none(roles),
        _age(obj, now),
        info.get("kubeletVersion", ""),
        addresses.get("InternalIP", "<none>"),
        addresses.get("ExternalIP", "<none>"),
        info.get("osImage") or "<unknown>",
        info.get("kernelVersion") or "<unknown>",
        info.get("containerRuntimeVersion") or "<unknown>",
    ]


def _webhooks(obj: Object, now: datetime) -> list[Any]:
    return [_name(obj), len(obj.get("webhooks") or []), _age(obj, now)]


def _network_policy(obj: Object, now: datetime) -> list[Any]:
    return [_name(obj), _labels(obj.get("spec", {}).get("podSelector")), _age(obj, now)]


BINDING = "Name|Role|Age|Users*|Groups*|ServiceAccounts*"
_TABLES: dict[str, tuple[str, Cells]] = {
    "pods": ("Name|Ready|Status|Restarts|Age|IP*|Node*|Nominated Node*|Readiness Gates*", pods.cells),
    "jobs": ("Name|Status|Completions|Duration|Age|Containers*|Images*|Selector*", _job),
    "cronjobs": (
        "Name|Schedule|Timezone|Suspend:boolean|Active:integer|Last Schedule|Age|Containers*|Images*|Selector*",
        _cronjob,
    ),
    "namespaces": ("Name|Status|Age", _namespace),
    "secrets": ("Name|Type|Data|Age", _secret),
    "configmaps": ("Name|Data|Age", _configmap),
    "events": (
        "Last Seen|Type|Reason|Object|Subobject*|Source*|Message|First Seen*|Count*|Name*",
        _event,
    ),
    "services": ("Name|Type|Cluster-IP|External-IP|Port(s)|Age|Selector*", _service),
    "leases": ("Name|Holder|Age", _lease),
    "nodes": (
        "Name|Status|Roles|Age|Version|Internal-IP*|External-IP*|OS-Image*|Kernel-Version*|Container-Runtime*",
        _node,
    ),
    "roles": ("Name|Created At:date", _created_at),
    "clusterroles": ("Name|Created At:date", _created_at),
    "customresourcedefinitions": ("Name|Created At:date", _created_at),
    "rolebindings": (BINDING, _binding),
    "clusterrolebindings": (BINDING, _binding),
    **workloads.TABLES,
    "mutatingwebhookconfigurations": ("Name|Webhooks:integer|Age", _webhooks),
    "validatingwebhookconfigurations": ("Name|Webhooks:integer|Age", _webhooks),
    "networkpolicies": ("Name|Pod-Selector|Age", _network_policy),
    **cluster.TABLES,
}
DEFAULT = (_columns("Name|Age"), default_cells)
TABLES: dict[str, tuple[tuple[Column, ...], Cells]] = {
    plural: (_columns(text), cells) for plural, (text, cells) in _TABLES.items()
}
