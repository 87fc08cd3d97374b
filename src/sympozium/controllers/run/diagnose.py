"""What a Job and its pods say about a run. Pure.

A pod that cannot start is named: which of its containers, why, and the words of the kubelet. Where no retry can
help the run fails at once; where something may still arrive (a Secret, a free node, a registry) it gets time.
https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sympozium.api.base import Object
from sympozium.kube.conditions import find, is_true, parse_time

AGENT: Final = "agent"
_OWN: Final = ("tools", "shell")
_PATIENCE: Final = {
    "ImageUnavailable": 300.0,
    "ConfigError": 120.0,
    # Others end and make room; what no node can ever take is seen here and ends with the run's own timeout.
    "Unschedulable": 900.0,
    "SandboxUnavailable": 30.0,
    "ToolServerLost": 0.0,
}
"""Reason -> seconds that a pod may be stuck before its run fails."""
_WAITING: Final = {
    "ErrImagePull": "ImageUnavailable",
    "ImagePullBackOff": "ImageUnavailable",
    "ErrImageNeverPull": "ImageUnavailable",
    "InvalidImageName": "ImageUnavailable",
    "ImageInspectError": "ImageUnavailable",
    "CreateContainerConfigError": "ConfigError",
    "CreateContainerError": "SandboxUnavailable",
    "RunContainerError": "SandboxUnavailable",
}
_HOPELESS: Final = frozenset({"ErrImageNeverPull", "InvalidImageName"})
_CRASHES: Final = 3


@dataclass(frozen=True, slots=True)
class Stuck:
    """Why a pod does not get on. `patience` is the number of seconds left before the run fails."""

    reason: str
    message: str
    patience: float


@dataclass(frozen=True, slots=True)
class Termination:
    """How the agent container ended, and what it left in its termination message."""

    exit_code: int
    reason: str
    phase: str = ""
    why: str = ""
    result: str = ""


@dataclass(frozen=True, slots=True)
class Finished:
    """The end of a Job. `ok` is its Complete condition."""

    ok: bool
    reason: str
    message: str
    at: datetime


def finished(job: Object) -> Finished | None:
    """None while the Job goes on."""
    conditions = (job.get("status") or {}).get("conditions") or []
    for kind, ok in (("Complete", True), ("Failed", False)):
        if is_true(conditions, kind):
            found = find(conditions, kind) or {}
            at = parse_time(found["lastTransitionTime"])
            return Finished(ok, found.get("reason") or "", found.get("message") or "", at)
    return None


def newest(pods: Sequence[Object]) -> Object | None:
    """The pod of the latest attempt."""
    return max(
        pods, key=lambda p: (p["metadata"].get("creationTimestamp", ""), p["metadata"]["name"]), default=None
    )


def is_running(pod: Object) -> bool:
    """Whether the agent of the pod runs, or has run."""
    status = _status(pod, AGENT)
    state = status.get("state") or {}
    return "running" in state or "terminated" in state


def started_at(pod: Object) -> str | None:
    """When the kubelet took the pod, in RFC 3339."""
    started: str | None = (pod.get("status") or {}).get("startTime")
    return started


def termination(pod: Object) -> Termination | None:
    """How the agent ended; None while it has not."""
    ended = (_status(pod, AGENT).get("state") or {}).get("terminated")
    if not ended:
        return None
    said = _message(ended.get("message") or "")
    return Termination(
        exit_code=int(ended.get("exitCode", -1)),
        reason=ended.get("reason") or "",
        phase=str(said.get("phase") or ""),
        why=str(said.get("reason") or ""),
        result=str(said.get("result") or ""),
    )


def lost(pod: Object) -> str | None:
    """Why a failed pod ended by something other than its agent, in words; None when it did not."""
    status = pod.get("status") or {}
    if status.get("phase") == "Failed" and status.get("reason"):
        return f"pod {pod['metadata']['name']} failed: {status['reason']}: {status.get('message') or 'no message'}"
    return None


def stuck(pod: Object, *, now: datetime) -> Stuck | None:
    """Why a pod that has not started its agent does not get on; None when it does."""
    if is_running(pod):
        return _lost_tools(pod)
    found = _unscheduled(pod) or _container(pod) or _lost_tools(pod)
    if found is None:
        return None
    reason, message, hopeless = found.reason, found.message, found.patience == 0
    waited = (now - parse_time(pod["metadata"]["creationTimestamp"])).total_seconds()
    left = 0.0 if hopeless else max(_PATIENCE[reason] - waited, 0.0)
    return Stuck(reason, message, left)


def _unscheduled(pod: Object) -> Stuck | None:
    found = find((pod.get("status") or {}).get("conditions"), "PodScheduled")
    if found is None or found["status"] != "False" or found.get("reason") == "SchedulingGated":
        return None
    return Stuck("Unschedulable", found.get("message") or "no node takes the pod", 1)


def _container(pod: Object) -> Stuck | None:
    for status in _statuses(pod):
        waiting = (status.get("state") or {}).get("waiting") or {}
        word = waiting.get("reason") or ""
        if reason := _WAITING.get(word):
            message = f"container {status['name']}: {word}: {waiting.get('message') or 'no message'}"
            return Stuck(reason, message, 0 if word in _HOPELESS else 1)
    return None


def _lost_tools(pod: Object) -> Stuck | None:
    """The tool server or the shell, without which the agent can do nothing, crashes again and again."""
    for status in _statuses(pod):
        word = ((status.get("state") or {}).get("waiting") or {}).get("reason")
        if (
            status["name"] in _OWN
            and word == "CrashLoopBackOff"
            and int(status.get("restartCount") or 0) >= _CRASHES
        ):
            ended = (status.get("lastState") or {}).get("terminated") or {}
            words = ended.get("message") or ended.get("reason") or "see its log"
            message = f"container {status['name']} ended {status['restartCount']} times, exit code {ended.get('exitCode')}: {words}"
            return Stuck("ToolServerLost", message, 0)
    return None


def _statuses(pod: Object) -> Iterator[Object]:
    status = pod.get("status") or {}
    yield from status.get("initContainerStatuses") or ()
    yield from status.get("containerStatuses") or ()


def _status(pod: Object, container: str) -> Object:
    return next((s for s in _statuses(pod) if s["name"] == container), {})


def _message(text: str) -> dict[str, Any]:
    """The JSON that an agent leaves; anything else (an image of somebody's own, cut text) says nothing."""
    try:
        said = json.loads(text)
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}
