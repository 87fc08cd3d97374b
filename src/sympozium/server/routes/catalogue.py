"""What there is to look at: kinds and namespaces. `/api/v1/kinds`, `/api/v1/namespaces`."""

import asyncio
from functools import cache
from typing import Final

from fastapi import APIRouter

from sympozium.api import crds
from sympozium.kube import ForbiddenError
from sympozium.kube.resources import NAMESPACES
from sympozium.server.access import Attributes, Caller, CallerOf
from sympozium.server.models.base import Items
from sympozium.server.models.resources import Kind, Namespace, Namespaces
from sympozium.server.parts import Parts, PartsOf

router = APIRouter(tags=["resources"])
_AT_ONCE: Final = 16
_INSTANCES: Final = "sympoziuminstances"


@router.get("/kinds")
async def list_kinds(caller: CallerOf) -> Items[Kind]:
    """The kinds of ours, each with the schema of its objects."""
    await caller.user()  # for everybody who is somebody
    return Items(items=_kinds())


@router.get("/namespaces")
async def list_namespaces(caller: CallerOf, parts: PartsOf) -> Namespaces:
    """The namespaces that the caller may list; for who may not, those with objects of ours that they may."""
    try:
        found = await caller.kube.list(NAMESPACES)
        names, partial = [obj["metadata"]["name"] for obj in found], False
    except ForbiddenError:
        names, partial = await _seen(caller, _used(parts, *parts.copies), "agentruns"), True
    agents = set(await _seen(caller, _used(parts, _INSTANCES) & set(names), _INSTANCES))
    items = [Namespace(name=name, agents=name in agents) for name in sorted(names)]
    return Namespaces(items=items, partial=partial)


def _used(parts: Parts, *plurals: str) -> set[str]:
    """The namespaces that hold objects of these kinds."""
    return {obj["metadata"]["namespace"] for plural in plurals for obj in parts.copies[plural].list()}


async def _seen(caller: Caller, namespaces: set[str], resource: str) -> list[str]:
    """Those in which the caller may list."""
    if await caller.may(Attributes("list", resource)):
        return list(namespaces)
    limit = asyncio.Semaphore(_AT_ONCE)

    async def one(namespace: str) -> str | None:
        async with limit:
            return namespace if await caller.may(Attributes("list", resource, namespace)) else None

    return [name for name in await asyncio.gather(*map(one, namespaces)) if name]


@cache
def _kinds() -> list[Kind]:
    from sympozium import yamlio

    found = []
    for name, text in crds.documents().items():
        spec = yamlio.load(text, name)["spec"]
        names, (version,) = spec["names"], spec["versions"]
        schema = version["schema"]["openAPIV3Schema"]
        found.append(
            Kind(
                kind=names["kind"],
                plural=names["plural"],
                singular=names["singular"],
                short_names=names["shortNames"],
                namespaced=spec["scope"] == "Namespaced",
                description=schema.get("description", ""),
                schema=schema,
            )
        )
    return found
