"""Objects for tests of the controllers' decisions."""

from datetime import UTC, datetime, timedelta
from typing import Any

from sympozium.api import AgentRun, PersonaPack, SkillPack, SympoziumInstance, SympoziumPolicy

NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)


def after(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def text(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def meta(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "namespace": "team", "uid": f"uid-{name}", "generation": 1, **more}


def run(name: str = "r", status: dict[str, Any] | None = None, **spec: Any) -> AgentRun:
    filled = {
        "instanceRef": "sre", "task": "look at the pods", "agentId": "default", "sessionKey": "sre:r", "timeout": "10m",
        "model": {"provider": "openai", "model": "m1"},
    }  # fmt: skip
    return AgentRun.model_validate(
        {"metadata": meta(name), "spec": {**filled, **spec}, "status": status or {}}
    )


def instance(**spec: Any) -> SympoziumInstance:
    agent = {"model": "m1", **spec.pop("agent", {})}
    base = {"agents": {"default": agent}, "systemPrompt": "You look after clusters."}
    return SympoziumInstance.model_validate({"metadata": meta("sre"), "spec": {**base, **spec}})


def policy(name: str = "p", **spec: Any) -> SympoziumPolicy:
    return SympoziumPolicy.model_validate({"metadata": meta(name, generation=3), "spec": spec})


def skill_pack(name: str = "k8s-ops", **sidecar: Any) -> SkillPack:
    spec: dict[str, Any] = {
        "skills": [{"name": "kubectl", "description": "Looks.", "content": "# Use it\nwell\n"}]
    }
    if sidecar:
        spec["sidecar"] = {"image": "example.org/k8s:1", **sidecar}
    return SkillPack.model_validate({"metadata": meta(name), "spec": spec})


def persona_pack(*personas: dict[str, Any], **spec: Any) -> PersonaPack:
    base = {"enabled": True, "personas": list(personas), **spec}
    return PersonaPack.model_validate({"metadata": meta("ops"), "spec": base})


def job(*conditions: tuple[str, str], at: datetime = NOON) -> dict[str, Any]:
    """A Job; `conditions` are (type, reason) that hold."""
    found = [
        {"type": t, "status": "True", "reason": reason, "message": "", "lastTransitionTime": text(at)}
        for t, reason in conditions
    ]
    return {"metadata": meta("r"), "spec": {}, "status": {"conditions": found}}


def pod(
    *,
    created: datetime = NOON,
    phase: str = "Running",
    conditions: list[dict[str, Any]] | None = None,
    **states: Any,
) -> dict[str, Any]:
    """A pod; keywords are states of its containers: `agent={"running": {}}`."""
    statuses = [
        {
            "name": name,
            "restartCount": state.pop("restarts", 0),
            "lastState": state.pop("last", {}),
            "state": state,
        }
        for name, state in states.items()
    ]
    return {
        "metadata": meta("r-abcde", creationTimestamp=text(created)),
        "status": {
            "phase": phase, "startTime": text(created), "conditions": conditions or [],
            "initContainerStatuses": [s for s in statuses if s["name"] != "agent"],
            "containerStatuses": [s for s in statuses if s["name"] == "agent"],
        },
    }  # fmt: skip


def waiting(reason: str, message: str = "words") -> dict[str, Any]:
    return {"waiting": {"reason": reason, "message": message}}


def terminated(code: int, message: str = "", reason: str = "") -> dict[str, Any]:
    return {
        "terminated": {
            "exitCode": code,
            "message": message,
            "reason": reason or ("Error" if code else "Completed"),
        }
    }
