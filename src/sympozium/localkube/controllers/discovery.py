"""Which resources there are, as any client learns it: from the discovery endpoints."""

from dataclasses import dataclass

from sympozium.localkube.controllers.api import Client, path_of
from sympozium.localkube.errors import ApiError


@dataclass(frozen=True, slots=True)
class Served:
    """One resource in the preferred version of its group."""

    api_version: str
    resource: str
    kind: str
    namespaced: bool
    verbs: frozenset[str]

    @property
    def group(self) -> str:
        return self.api_version.rpartition("/")[0]

    def path(self, namespace: str = "", name: str = "", sub: str = "") -> str:
        return path_of(self.api_version, self.resource, namespace, name, sub)


async def preferred(client: Client) -> list[Served]:
    """All resources, each once; subresources are left out. Raises ApiError."""
    found = await _group_version(client, "v1")
    groups = await client.get("/apis")
    for group in groups.get("groups") or ():
        found += await _group_version(client, group["preferredVersion"]["groupVersion"])
    return found


async def versions(client: Client) -> dict[tuple[str, str], Served]:
    """(apiVersion, kind) -> resource, in every served version: for owner references."""
    served = await _group_version(client, "v1")
    groups = await client.get("/apis")
    for group in groups.get("groups") or ():
        for version in group["versions"]:
            served += await _group_version(client, version["groupVersion"])
    return {(entry.api_version, entry.kind): entry for entry in served}


async def _group_version(client: Client, api_version: str) -> list[Served]:
    try:
        answer = await client.get(f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}")
    except ApiError as error:
        if error.code == 404:
            return []  # the last CRD of this group went in between
        raise
    return [
        Served(api_version, entry["name"], entry["kind"], entry["namespaced"], frozenset(entry["verbs"]))
        for entry in answer.get("resources") or ()
        if "/" not in entry["name"]
    ]
