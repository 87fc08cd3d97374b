"""An object with thousands of owners must not keep the server from everything else."""

import asyncio
from types import SimpleNamespace

from sympozium.localkube.controllers.garbage import collector

OWNERS = 500


async def test_others_have_their_turn_while_owners_are_looked_for():
    (kind,) = [found for found in vars(collector).values() if hasattr(found, "_collect")]
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async def find(_owner, _node):
        return SimpleNamespace(waits_for_dependents=False)

    other = asyncio.create_task(others())
    node = SimpleNamespace(owners=[SimpleNamespace(uid=str(n), blocks=False) for n in range(OWNERS)])
    await kind._collect(SimpleNamespace(_find=find), node, {})
    other.cancel()
    assert turns >= OWNERS
