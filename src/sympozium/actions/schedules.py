"""Hold a schedule, let it go on, and have it make a run at once."""

import secrets

from sympozium.actions.errors import MissingError, StaleError
from sympozium.actions.once import Once
from sympozium.api.schedule import FIRE_ANNOTATION, FIRED_ANNOTATION
from sympozium.kube import Client, ConflictError
from sympozium.kube.resources import Object
from sympozium.names import derive
from sympozium.resources import SCHEDULES


async def suspend(client: Client, namespace: str, name: str, *, suspended: bool) -> Object:
    """Ticks that pass while it is suspended make no run, also not afterwards. Raises MissingError."""
    await _find(client, namespace, name)
    return await client.patch(SCHEDULES, name, namespace, {"spec": {"suspend": suspended}})


async def fire(client: Client, namespace: str, name: str, *, once: Once | None = None) -> str:
    """Order a run at once, also of a suspended schedule; the name that it will have. Raises MissingError, StaleError.

    With `once` the same request orders the same run again, which the controller does not make twice. An order that the
    controllers have not seen yet is not written over: its run would never be made, and somebody was told that it will.
    """
    token = once.token("fire", namespace, name) if once else secrets.token_hex(8)
    while True:
        metadata = (await _find(client, namespace, name))["metadata"]
        annotations = metadata.get("annotations") or {}
        ordered, done = annotations.get(FIRE_ANNOTATION), annotations.get(FIRED_ANNOTATION)
        if token in (ordered, done):
            break
        if ordered and ordered != done:
            waiting = derive(name, "fire", ordered)
            raise StaleError(
                f"run {waiting} was ordered of schedule {name} a moment ago and is not made yet: try again in a second"
            )
        change = {
            "resourceVersion": metadata["resourceVersion"],
            "annotations": {FIRE_ANNOTATION: token},
        }
        try:
            await client.patch(SCHEDULES, name, namespace, {"metadata": change})
        except ConflictError:  # somebody wrote in between: look again
            continue
        break
    return derive(name, "fire", token)


async def _find(client: Client, namespace: str, name: str) -> Object:
    found = await client.find(SCHEDULES, name, namespace)
    if found is None:
        raise MissingError(f"no sympoziumschedule {name!r} in namespace {namespace}")
    return found
