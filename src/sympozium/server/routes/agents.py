"""Agents: instances and their skills. `/api/v1/instances`, `/api/v1/skills`."""

from typing import Any

from fastapi import APIRouter

from sympozium.api.meta import LABEL_PACK
from sympozium.kube.resources import Object, key_of
from sympozium.server.access import CallerOf
from sympozium.server.copies import INSTANCES
from sympozium.server.govern.sight import Sight
from sympozium.server.govern.skills import skills
from sympozium.server.models.base import Items
from sympozium.server.models.govern import Endpoint, InstanceSummary, SkillSummary
from sympozium.server.models.runs import RunSummary
from sympozium.server.names import NamespaceQuery
from sympozium.server.parts import PartsOf

router = APIRouter(tags=["agents"])


@router.get("/instances")
async def list_instances(
    caller: CallerOf, parts: PartsOf, namespace: NamespaceQuery = None
) -> Items[InstanceSummary]:
    """Instances of the namespaces that the caller may list them in."""
    sight = Sight(caller, parts, namespace)
    found = sorted(await sight.of(INSTANCES), key=key_of)
    runs = await sight.last_runs()
    return Items(items=[_instance(obj, sight.summary(runs.get(key_of(obj)))) for obj in found])


@router.get("/skills")
async def list_skills(
    caller: CallerOf, parts: PartsOf, namespace: NamespaceQuery = None
) -> Items[SkillSummary]:
    """Skill packs of the namespaces that the caller may list them in."""
    return Items(items=await skills(Sight(caller, parts, namespace)))


def _instance(obj: Object, last: RunSummary | None) -> InstanceSummary:
    metadata, spec, status = obj["metadata"], obj["spec"], obj.get("status") or {}
    agent: dict[str, Any] = spec["agents"]["default"]
    endpoint = status.get("webEndpoint")
    return InstanceSummary(
        namespace=metadata["namespace"],
        name=metadata["name"],
        display_name=spec.get("displayName"),
        model=agent["model"],
        provider=agent.get("provider"),
        baseURL=agent.get("baseURL"),
        policy=spec.get("policyRef"),
        skills=[
            reference.get("skillPackRef") or f"ConfigMap {reference.get('configMapRef')}"
            for reference in spec.get("skills") or ()
        ],
        pack=(metadata.get("labels") or {}).get(LABEL_PACK),
        phase=status.get("phase"),
        conditions=status.get("conditions") or [],
        active=status.get("activeAgentPods") or 0,
        total=status.get("totalAgentRuns") or 0,
        last_run=last,
        endpoint=Endpoint(
            status=endpoint.get("status"),
            url=endpoint.get("url"),
            auth_secret_name=endpoint.get("authSecretName"),
        )
        if endpoint
        else None,
    )
