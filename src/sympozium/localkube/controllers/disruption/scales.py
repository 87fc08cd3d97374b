"""How many pods the controllers of some pods want, by the scale subresource that they have."""

from collections.abc import Iterable

from sympozium.localkube.controllers.api import Client, path_of
from sympozium.localkube.controllers.owners import controller_of
from sympozium.localkube.errors import ApiError
from sympozium.localkube.types import Object

Owner = tuple[str, str, str]
"""apiVersion, kind, name."""


class UnknownScaleError(Exception):
    """A pod's controller has no scale; the text is the event's."""


async def total(client: Client, namespace: str, pods: Iterable[Object]) -> tuple[int, list[str]]:
    """The sum, and the names of pods without a controller. Raises UnknownScaleError, ApiError."""
    sums: dict[str, int] = {}
    unmanaged: list[str] = []
    for pod in pods:
        owner = controller_of(pod)
        if owner is None:
            unmanaged.append(str(pod["metadata"]["name"]))
            continue
        if owner["uid"] in sums:
            continue
        found = await _scale(client, namespace, owner)
        if found is None:
            raise UnknownScaleError(f'found no controllers for pod "{pod["metadata"]["name"]}"')
        uid, scale = found
        sums[owner["uid"]] = 0
        sums[uid] = scale
    return sum(sums.values()), unmanaged


async def _scale(client: Client, namespace: str, owner: Object) -> tuple[str, int] | None:
    """(uid of whoever decides, replicas): a ReplicaSet of a Deployment is the Deployment's."""
    plural = await _scalable(client, owner["apiVersion"], owner["kind"])
    if not plural:
        return None
    item = path_of(owner["apiVersion"], plural, namespace, owner["name"])
    obj = await client.find(item)
    if obj is None or obj["metadata"]["uid"] != owner["uid"]:
        return None
    above = controller_of(obj) if owner["kind"] == "ReplicaSet" else None
    if above is not None and above["kind"] == "Deployment":
        return await _scale(client, namespace, above)
    scale = await client.get(f"{item}/scale")
    return str(owner["uid"]), int((scale.get("spec") or {}).get("replicas") or 0)


async def _scalable(client: Client, api_version: str, kind: str) -> str:
    """The plural of a kind that has a scale subresource, else ""."""
    root = f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"
    try:
        served = (await client.get(root)).get("resources") or []
    except ApiError as error:
        if error.code == 404:
            return ""
        raise
    names = {entry["name"] for entry in served}
    plurals = [entry["name"] for entry in served if entry["kind"] == kind and "/" not in entry["name"]]
    return next((plural for plural in plurals if f"{plural}/scale" in names), "")
