"""Policies and runs for tests, from the JSON that people would write."""

from typing import Any

from sympozium.api import AgentRun, SkillPack, SympoziumInstance, SympoziumPolicy
from sympozium.policy import Effective


def policy(name: str = "p", generation: int = 1, **spec: Any) -> SympoziumPolicy:
    return SympoziumPolicy.model_validate(
        {"metadata": {"name": name, "generation": generation}, "spec": spec}
    )


def effective(*, floor: SympoziumPolicy | None = None, parents: tuple = (), **spec: Any) -> Effective:
    return Effective.of(policy(**spec), floor=floor, parents=parents)


def gating(*rules: dict[str, Any], default: str = "allow") -> dict[str, Any]:
    return {"defaultAction": default, "rules": list(rules)}


def instance(name: str = "i", default: dict[str, Any] | None = None, **spec: Any) -> SympoziumInstance:
    agents = {"default": {"model": "m", **(default or {})}}
    return SympoziumInstance.model_validate(
        {"metadata": {"name": name, "namespace": "ns"}, "spec": {"agents": agents, **spec}}
    )


def run(**spec: Any) -> AgentRun:
    return AgentRun.model_validate(
        {"metadata": {"name": "r", "namespace": "ns"}, "spec": {"instanceRef": "i", "task": "t", **spec}}
    )


def pack(name: str, **sidecar: Any) -> SkillPack:
    spec: dict[str, Any] = {"skills": [{"name": name, "content": "text"}]}
    if sidecar:
        spec["sidecar"] = {"image": "ghcr.io/acme/skill:v1", **sidecar}
    return SkillPack.model_validate({"metadata": {"name": name, "namespace": "ns"}, "spec": spec})
