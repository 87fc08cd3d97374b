"""Hold a schedule, let it go on, and have it make a run at once."""

import secrets

from sympozium.actions.errors import MissingError
from sympozium.actions.once import Once
from sympozium.api.schedule import FIRE_ANNOTATION
from sympozium.kube import Client
from sympozium.kube.resources import Object
from sympozium.names import derive
from sympozium.resources import SCHEDULES


async def suspend(client: Client, namespace: str, name: str, *, suspended: bool) -> Object:
    """Ticks that pass while it is suspended make no run, also not afterwards. Raises MissingError."""
    await _find(client, namespace, name)
    return await client.patch(SCHEDULES, name, namespace, {"spec": {"suspend": suspended}})


async def fire(client: Client, namespace: str, name: str, *, once: Once | None = None) -> str:
    """Order a run at once, also of a suspended schedule; the name that it will have. Raises MissingError.

    With `once` the same request orders the same run again, which the controller does not make twice.
    """
    await _find(client, namespace, name)
    token = once.token("fire", namespace, name) if once else secrets.token_hex(8)
    await client.patch(SCHEDULES, name, namespace, {"metadata": {"annotations": {FIRE_ANNOTATION: token}}})
    return derive(name, "fire", token)


async def _find(client: Client, namespace: str, name: str) -> None:
    if await client.find(SCHEDULES, name, namespace) is None:
        raise MissingError(f"no sympoziumschedule {name!r} in namespace {namespace}")
