"""Which namespaces' runs somebody may see.

What is answered from the copies is answered for these alone: no row, no count and no cursor of another namespace. That
something was left out is said whether or not there is something, since the answer would tell which.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Final

from sympozium.server.access import Attributes, Caller

_AT_ONCE: Final = 16


@dataclass(frozen=True, slots=True)
class Scope:
    """`namespaces` None: all. `partial`: other namespaces were asked about too, and may have something."""

    namespaces: frozenset[str] | None
    partial: bool = False

    def has(self, namespace: str) -> bool:
        return self.namespaces is None or namespace in self.namespaces


async def scope(
    caller: Caller,
    namespace: str | None,
    present: Callable[[], Awaitable[Iterable[str]]],
    *,
    resource: str = "agentruns",
    verb: str = "list",
) -> Scope:
    """Of `namespace` alone, where one is given (raises Problem 403 without the right), else of all those of `present`.

    `present` is asked only when the caller may not list in all namespaces at once.
    """
    if namespace:
        await caller.require(Attributes(verb, resource, namespace))
        return Scope(frozenset({namespace}))
    if await caller.may(Attributes(verb, resource)):
        return Scope(None)
    found = sorted(set(await present()))
    limit = asyncio.Semaphore(_AT_ONCE)

    async def may(name: str) -> bool:
        async with limit:
            return await caller.may(Attributes(verb, resource, name))

    allowed = await asyncio.gather(*(may(name) for name in found))
    return Scope(frozenset(name for name, yes in zip(found, allowed, strict=True) if yes), partial=True)
