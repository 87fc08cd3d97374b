"""Schedules: past and next ticks, holding one, and a run at once. `/api/v1/schedules`."""

from typing import Annotated

from fastapi import APIRouter, Query

from sympozium.actions import schedules as actions
from sympozium.kube.resources import without_noise
from sympozium.server.access import Caller, CallerOf
from sympozium.server.govern.schedules import schedules
from sympozium.server.govern.sight import Sight
from sympozium.server.models.base import Items
from sympozium.server.models.govern import Fired, ScheduleSummary
from sympozium.server.models.resources import Written
from sympozium.server.names import NamePath, NamespacePath, NamespaceQuery
from sympozium.server.once import OnceOf
from sympozium.server.parts import PartsOf

router = APIRouter(tags=["schedules"])


@router.get("/schedules")
async def list_schedules(
    caller: CallerOf,
    parts: PartsOf,
    namespace: NamespaceQuery = None,
    past: Annotated[int, Query(ge=0, le=100)] = 10,
    next_: Annotated[int, Query(alias="next", ge=0, le=100)] = 5,
) -> Items[ScheduleSummary]:
    """Schedules of the namespaces that the caller may list them in."""
    return Items(items=await schedules(Sight(caller, parts, namespace), past=past, next_=next_))


@router.post("/namespaces/{namespace}/schedules/{name}/suspend")
async def suspend_schedule(caller: CallerOf, namespace: NamespacePath, name: NamePath) -> Written:
    """It makes no more runs; those that go on go on."""
    return await _turn(caller, namespace, name, suspended=True)


@router.post("/namespaces/{namespace}/schedules/{name}/resume")
async def resume_schedule(caller: CallerOf, namespace: NamespacePath, name: NamePath) -> Written:
    """It makes runs again, from its next tick."""
    return await _turn(caller, namespace, name, suspended=False)


@router.post("/namespaces/{namespace}/schedules/{name}/fire", status_code=202)
async def fire_schedule(caller: CallerOf, once: OnceOf, namespace: NamespacePath, name: NamePath) -> Fired:
    """Order a run at once; its name, which the controller gives it when it has seen the order."""
    warnings: list[str] = []
    caller.kube.on_warning = warnings.append
    run = await actions.fire(caller.kube, namespace, name, once=once)
    return Fired(namespace=namespace, name=run, warnings=warnings)


async def _turn(caller: Caller, namespace: str, name: str, *, suspended: bool) -> Written:
    warnings: list[str] = []
    caller.kube.on_warning = warnings.append
    changed = await actions.suspend(caller.kube, namespace, name, suspended=suspended)
    return Written(object=without_noise(changed), warnings=warnings)
