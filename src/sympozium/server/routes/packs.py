"""Packs: the catalogue, what is at work, and putting a team to work. `/api/v1/packs`."""

from fastapi import APIRouter

from sympozium.actions import packs as actions
from sympozium.kube.resources import without_noise
from sympozium.server.access import CallerOf
from sympozium.server.govern.packs import packs
from sympozium.server.govern.sight import Sight
from sympozium.server.models.base import Items
from sympozium.server.models.govern import EnablePack, PackSummary
from sympozium.server.models.resources import Written
from sympozium.server.names import NamePath, NamespacePath, NamespaceQuery
from sympozium.server.parts import PartsOf

router = APIRouter(tags=["packs"])


@router.get("/packs")
async def list_packs(
    caller: CallerOf, parts: PartsOf, namespace: NamespaceQuery = None
) -> Items[PackSummary]:
    """Packs of the namespaces that the caller may list them in; the catalogue is in the system namespace."""
    return Items(items=await packs(Sight(caller, parts, namespace)))


@router.post("/namespaces/{namespace}/packs/{name}/enable")
async def enable_pack(
    caller: CallerOf, namespace: NamespacePath, name: NamePath, settings: EnablePack | None = None
) -> Written:
    """Enable the namespace's own pack of that name, else a copy of the catalogue's, as the caller."""
    warnings: list[str] = []
    caller.kube.on_warning = warnings.append
    wanted = settings.model_dump(mode="json", by_alias=True, exclude_unset=True) if settings else {}
    made = await actions.enable(caller.kube, namespace, name, wanted)
    return Written(object=without_noise(made), warnings=warnings)


@router.post("/namespaces/{namespace}/packs/{name}/disable")
async def disable_pack(caller: CallerOf, namespace: NamespacePath, name: NamePath) -> Written:
    """Its instances and schedules go; its runs, memory and Secrets stay."""
    warnings: list[str] = []
    caller.kube.on_warning = warnings.append
    changed = await actions.disable(caller.kube, namespace, name)
    return Written(object=without_noise(changed), warnings=warnings)
