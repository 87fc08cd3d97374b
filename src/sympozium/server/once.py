"""The header `Idempotency-Key`, of a route that makes something: `async def route(once: OnceOf)`."""

from typing import Annotated

from fastapi import Depends, Header

from sympozium.actions.once import Once
from sympozium.server.access import CallerOf


async def once(
    caller: CallerOf,
    idempotency_key: Annotated[
        str | None,
        Header(min_length=1, max_length=256, description="Sent again with it, a request makes nothing new."),
    ] = None,
) -> Once | None:
    """None without the header. A key is the caller's own: Kubernetes says who that is."""
    if idempotency_key is None:
        return None
    return Once((await caller.user())["username"], idempotency_key)


OnceOf = Annotated[Once | None, Depends(once)]
