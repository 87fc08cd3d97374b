"""The cells of a Pod: the status column tells why a pod is not running, as kubectl users expect it."""

from datetime import datetime
from typing import Any

from sympozium.localkube.tables.age import age
from sympozium.localkube.types import Object


def cells(obj: Object, now: datetime) -> list[Any]:
    """Name, Ready, Status, Restarts, Age, IP, Node, Nominated Node, Readiness Gates."""
    spec, status = obj.get("spec", {}), obj.get("status", {})
    containers = spec.get("containers", [])
    main = status.get("containerStatuses", [])
    init = status.get("initContainerStatuses", [])
    sidecars = {c["name"] for c in spec.get("initContainers", []) if c.get("restartPolicy") == "Always"}
    total = len(containers) + len(sidecars)
    ready = sum(bool(c.get("ready")) for c in main)
    ready += sum(bool(c.get("ready")) for c in init if c["name"] in sidecars)
    restarts = sum(c.get("restartCount", 0) for c in [*main, *(c for c in init if c["name"] in sidecars)])
    ips = status.get("podIPs") or []
    return [
        obj["metadata"]["name"],
        f"{ready}/{total}",
        reason(obj),
        str(restarts),
        age(obj["metadata"].get("creationTimestamp"), now),
        (ips[0]["ip"] if ips else status.get("podIP")) or "<none>",
        spec.get("nodeName") or "<none>",
        status.get("nominatedNodeName") or "<none>",
        _gates(spec, status),
    ]


def _gates(spec: Object, status: Object) -> str:
    gates = spec.get("readinessGates") or []
    if not gates:
        return "<none>"
    true = {c["type"] for c in status.get("conditions") or [] if c["status"] == "True"}
    return f"{sum(gate['conditionType'] in true for gate in gates)}/{len(gates)}"


def reason(obj: Object) -> str:
    """The Status column."""
    spec, status = obj.get("spec", {}), obj.get("status", {})
    text: str = status.get("reason") or status.get("phase", "")
    scheduled: Object = next((c for c in status.get("conditions") or [] if c["type"] == "PodScheduled"), {})
    if scheduled.get("reason") == "SchedulingGated":
        text = "SchedulingGated"
    initializing = _init_reason(spec, status)
    text = initializing or _main_reason(status, text)
    if obj["metadata"].get("deletionTimestamp"):
        return "Unknown" if status.get("reason") == "NodeLost" else "Terminating"
    return text


def _init_reason(spec: Object, status: Object) -> str:
    """`Init:...` while an init container is not through, else the empty string."""
    sidecars = {c["name"] for c in spec.get("initContainers", []) if c.get("restartPolicy") == "Always"}
    count = len(spec.get("initContainers", []))
    for index, container in enumerate(status.get("initContainerStatuses", [])):
        state = container.get("state", {})
        ended, waiting = state.get("terminated"), state.get("waiting", {})
        if ended and ended.get("exitCode") == 0:
            continue
        if container["name"] in sidecars and container.get("started"):
            continue
        if ended:
            return f"Init:{ended.get('reason') or _exit(ended)}"
        if waiting.get("reason") and waiting["reason"] != "PodInitializing":
            return f"Init:{waiting['reason']}"
        return f"Init:{index}/{count}"
    return ""


def _exit(ended: Object) -> str:
    return f"Signal:{ended['signal']}" if ended.get("signal") else f"ExitCode:{ended.get('exitCode', 0)}"


def _main_reason(status: Object, text: str) -> str:
    running = False
    for container in reversed(status.get("containerStatuses", [])):
        state = container.get("state", {})
        if state.get("waiting", {}).get("reason"):
            text = state["waiting"]["reason"]
        elif ended := state.get("terminated"):
            text = ended.get("reason") or _exit(ended)
        elif container.get("ready") and state.get("running") is not None:
            running = True
    if text == "Completed" and running:
        ready = any(c["type"] == "Ready" and c["status"] == "True" for c in status.get("conditions") or [])
        return "Running" if ready else "NotReady"
    return text
