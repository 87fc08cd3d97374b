"""A pod's status as a function of its spec and of what its containers are doing. Pure.

The rules and texts are the kubelet's (getPhase and status/generate.go). Records of containers come from
`Record`, the node's own truth; a record survives the node in the pod's state file.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from sympozium import quantities
from sympozium.node.objects import Object, is_sidecar

PENDING, RUNNING, SUCCEEDED, FAILED = "Pending", "Running", "Succeeded", "Failed"
TERMINAL = frozenset({SUCCEEDED, FAILED})


@dataclass(slots=True)
class Record:
    """One container. `state` and `last` are ContainerState objects of the API, as they are published."""

    name: str
    attempt: int = -1
    """Of the current or last process, counted from 0; -1 before the first."""
    state: Object = field(default_factory=dict)
    last: Object = field(default_factory=dict)
    started: bool = False
    ready: bool = False
    container_id: str = ""
    image_id: str = ""

    @property
    def terminated(self) -> Object | None:
        return self.state.get("terminated")

    @property
    def running(self) -> bool:
        return "running" in self.state

    def to_json(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Record":
        return cls(**data)


@dataclass(frozen=True, slots=True)
class Verdict:
    """A decision about the pod as a whole: it ends Failed with this reason (Evicted, DeadlineExceeded, ...)."""

    reason: str
    message: str


def may_restart(pod: Object, container: Object, exit_code: int) -> bool:
    """Whether a container that ended with `exit_code` is started again."""
    if is_sidecar(pod, container):
        return True
    for rule in container.get("restartPolicyRules") or ():
        codes = rule.get("exitCodes") or {}
        matches = exit_code in (codes.get("values") or ())
        if rule.get("action") == "Restart" and matches == (codes.get("operator") == "In"):
            return True
    policy = container.get("restartPolicy") or pod["spec"].get("restartPolicy") or "Always"
    is_init = any(container["name"] == c["name"] for c in pod["spec"].get("initContainers") or ())
    if exit_code == 0:
        return policy == "Always" and not is_init
    return policy != "Never"


def phase(pod: Object, records: Mapping[str, Record], *, ending: bool, verdict: Verdict | None = None) -> str:
    """The phase; `ending` when the pod's containers are stopped for good (deleted, evicted, past its deadline)."""
    current = (pod.get("status") or {}).get("phase")
    if current in TERMINAL:
        return str(current)
    mains = pod["spec"]["containers"]
    running = any(record.running for record in records.values())
    if verdict is not None:
        return current or PENDING if running else FAILED
    early = _initialising(pod, records, ending=ending, running=running)
    if early:
        return early
    states = [records[c["name"]] for c in mains]
    if any(not r.running and r.terminated is None and not r.last for r in states) and not ending:
        return PENDING
    if running:
        return RUNNING
    ended = [
        (c, r.terminated or (r.last or {}).get("terminated")) for c, r in zip(mains, states, strict=True)
    ]
    if not ending and any(
        r.terminated is None or may_restart(pod, c, r.terminated["exitCode"])
        for c, r in zip(mains, states, strict=True)
    ):
        return RUNNING
    return SUCCEEDED if all(t is not None and t["exitCode"] == 0 for _, t in ended) else FAILED


def _initialising(pod: Object, records: Mapping[str, Record], *, ending: bool, running: bool) -> str | None:
    """The phase as far as the init containers decide it."""
    begun = any(records[c["name"]].attempt >= 0 for c in pod["spec"]["containers"])
    for container in pod["spec"].get("initContainers") or ():
        record = records[container["name"]]
        if is_sidecar(pod, container):
            if not record.started and not begun and not ending:
                return PENDING
            continue
        ended = record.terminated
        if ended is not None and ended["exitCode"] == 0:
            continue
        if (
            ended is not None
            and not running
            and (ending or not may_restart(pod, container, ended["exitCode"]))
        ):
            return FAILED
        if not ending:
            return PENDING
    return None


def _initialised(pod: Object, records: Mapping[str, Record]) -> list[str]:
    """Names of init containers that are not done yet."""
    waiting = []
    for container in pod["spec"].get("initContainers") or ():
        record = records[container["name"]]
        done = record.terminated is not None and record.terminated["exitCode"] == 0
        if not (record.started if is_sidecar(pod, container) else done):
            waiting.append(container["name"])
    return waiting


def _condition(pod: Object, kind: str, value: bool, now: str, reason: str = "", message: str = "") -> Object:
    """A condition, which keeps its transition time while its status stays the same."""
    status = "True" if value else "False"
    old = next((c for c in (pod.get("status") or {}).get("conditions") or () if c["type"] == kind), None)
    same = old is not None and old.get("status") == status
    result: Object = {"type": kind, "status": status, "lastProbeTime": None}
    result["lastTransitionTime"] = old["lastTransitionTime"] if same and old else now
    if reason:
        result |= {"reason": reason, "message": message} if message else {"reason": reason}
    if generation := pod["metadata"].get("generation"):
        result["observedGeneration"] = generation
    return result


def conditions(
    pod: Object,
    records: Mapping[str, Record],
    current: str,
    *,
    now: str,
    sandboxed: bool,
    verdict: Verdict | None,
) -> list[Object]:
    """The conditions that a node owns, in the order in which the kubelet writes them."""
    waiting = _initialised(pod, records)
    mains = [c["name"] for c in pod["spec"]["containers"]]
    sidecars = [c["name"] for c in pod["spec"].get("initContainers") or () if is_sidecar(pod, c)]
    begun = any(records[name].attempt >= 0 for name in mains)
    if current == SUCCEEDED:
        initialised = _condition(pod, "Initialized", True, now, "PodCompleted")
    elif waiting and not begun:
        text = f"containers with incomplete status: [{' '.join(waiting)}]"
        initialised = _condition(pod, "Initialized", False, now, "ContainersNotInitialized", text)
    else:
        initialised = _condition(pod, "Initialized", True, now)
    unready = [name for name in (*mains, *sidecars) if not records[name].ready]
    if current in TERMINAL:
        why = ("PodCompleted" if current == SUCCEEDED else "PodFailed", "")
    elif unready:
        why = ("ContainersNotReady", f"containers with unready status: [{' '.join(unready)}]")
    else:
        why = ("", "")
    containers_ready = _condition(pod, "ContainersReady", not why[0], now, *why)
    gates = [gate["conditionType"] for gate in pod["spec"].get("readinessGates") or ()]
    present = {c["type"]: c["status"] for c in (pod.get("status") or {}).get("conditions") or ()}
    closed = [gate for gate in gates if present.get(gate) != "True"]
    if not why[0] and closed:
        why = (
            "ReadinessGatesNotReady",
            f'the status of pod readiness gate {", ".join(closed)} is not "True"',
        )
    result = [
        _condition(pod, "PodReadyToStartContainers", sandboxed and current not in TERMINAL, now),
        initialised,
        _condition(pod, "Ready", not why[0], now, *why),
        containers_ready,
        _condition(pod, "PodScheduled", True, now),
    ]
    if verdict is not None and verdict.reason == "Evicted":
        result.append(_condition(pod, "DisruptionTarget", True, now, "TerminationByKubelet", verdict.message))
    return result


def container_status(container: Object, record: Record, waiting: tuple[str, str], *, initial: bool) -> Object:
    """A ContainerStatus. `waiting` is the reason and message for one that has no state yet.

    An `initial` container (of `initContainers`, no sidecar) counts as ready once it has completed.
    """
    ended = record.terminated
    done = initial and ended is not None and ended["exitCode"] == 0
    state = record.state or {
        "waiting": {"reason": waiting[0]} | ({"message": waiting[1]} if waiting[1] else {})
    }
    result: Object = {
        "name": record.name,
        "image": container.get("image", ""),
        "imageID": record.image_id,
        "restartCount": max(0, record.attempt),
        "ready": record.ready or done,
        "started": record.started,
        "state": state,
        "lastState": record.last,
    }
    if record.container_id:
        result["containerID"] = record.container_id
    if resources := container.get("resources"):
        result["resources"] = resources
    return result


def qos_class(pod: Object) -> str:
    """Guaranteed, Burstable or BestEffort, from requests and limits of CPU and memory."""
    containers = [*pod["spec"]["containers"], *(pod["spec"].get("initContainers") or ())]
    complete, anything = True, False
    for container in containers:
        resources = container.get("resources") or {}
        limits, requests = resources.get("limits") or {}, resources.get("requests") or {}
        for name in ("cpu", "memory"):
            limit, request = _amount(limits, name), _amount(requests, name)
            anything = anything or bool(limit or request)
            complete = complete and bool(limit) and request in {limit, Decimal(0)}
    return "Guaranteed" if complete else "Burstable" if anything else "BestEffort"


def _amount(amounts: Mapping[str, str], name: str) -> Decimal:
    return quantities.parse(amounts[name]) if name in amounts else Decimal(0)


def build(
    pod: Object,
    records: Mapping[str, Record],
    *,
    now: str,
    host_ip: str,
    start_time: str,
    sandboxed: bool,
    pod_ip: str = "",
    ending: bool = False,
    verdict: Verdict | None = None,
) -> Object:
    """The status to publish."""
    current = phase(pod, records, ending=ending, verdict=verdict)
    inits = pod["spec"].get("initContainers") or ()
    waiting = ("PodInitializing", "") if inits else ("ContainerCreating", "")

    def statuses(containers: Iterable[Object], *, initial: bool) -> list[Object]:
        return [
            container_status(c, records[c["name"]], waiting, initial=initial and not is_sidecar(pod, c))
            for c in containers
        ]

    result: Object = {
        "phase": current,
        "conditions": conditions(pod, records, current, now=now, sandboxed=sandboxed, verdict=verdict),
        "hostIP": host_ip,
        "hostIPs": [{"ip": host_ip}],
        "startTime": start_time,
        "qosClass": qos_class(pod),
        "containerStatuses": statuses(pod["spec"]["containers"], initial=False),
    }
    if inits:
        result["initContainerStatuses"] = statuses(inits, initial=True)
    if sandboxed or any(record.attempt >= 0 for record in records.values()):
        result |= {"podIP": pod_ip or host_ip, "podIPs": [{"ip": pod_ip or host_ip}]}
    if generation := pod["metadata"].get("generation"):
        result["observedGeneration"] = generation
    if verdict is not None and current == FAILED:
        result |= {"reason": verdict.reason, "message": verdict.message}
    return result


def terminated(
    *, code: int, reason: str, message: str, started: str, finished: str, container_id: str, signal: int = 0
) -> Object:
    """A `terminated` state; `reason` is found by the caller, who knows why."""
    result: Object = {"exitCode": code, "reason": reason, "startedAt": started, "finishedAt": finished}
    if signal:
        result["signal"] = signal
    if message:
        result["message"] = message
    if container_id:
        result["containerID"] = container_id
    return {"terminated": result}


MESSAGE_LIMIT = 4096


def termination_message(content: bytes, policy: str, code: int, log_tail: str) -> str:
    """What a container left in its termination message file, 4096 bytes at most.

    The end of its log when the policy is FallbackToLogsOnError, it failed, and the file is empty.
    """
    text = content[:MESSAGE_LIMIT].decode(errors="replace")
    if not text and policy == "FallbackToLogsOnError" and code != 0:
        return log_tail
    return text
