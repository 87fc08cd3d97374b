"""Wait on one object, with a bound, by a watch."""

import asyncio
from collections.abc import Callable

from sympozium.cli.session import Session
from sympozium.kube import Resource
from sympozium.kube.resources import Object


async def until(
    session: Session, resource: Resource, name: str, condition: Callable[[Object], bool], *, seconds: float
) -> Object | None:
    """The object as soon as `condition` holds; None when it does not within the time, or the object is not there."""
    fields = f"metadata.name={name}"
    try:
        async with asyncio.timeout(seconds):
            while True:
                found, version = await session.client.list_at(resource, session.namespace, fields=fields)
                if not found or condition(found[0]):
                    return found[0] if found else None
                query = {"fieldSelector": fields, "resourceVersion": version, "timeoutSeconds": "300"}
                async with session.client.watch(resource, session.namespace, query=query, idle=330) as events:
                    async for event in events:
                        if event["type"] == "DELETED" or condition(event["object"]):
                            break
    except TimeoutError:
        return None
