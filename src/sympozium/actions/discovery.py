"""From what a person types (`po`, `sinst`, `agentruns.sympozium.ai`, a category) to resources."""

from dataclasses import dataclass

from sympozium.actions.errors import MissingError, UsageError
from sympozium.kube import Client, NotFoundError, Resource
from sympozium.names import is_subdomain


@dataclass(frozen=True, slots=True)
class Served:
    """A resource and all the names that it answers to."""

    resource: Resource
    singular: str
    short_names: tuple[str, ...]
    categories: tuple[str, ...]

    def is_called(self, word: str) -> bool:
        plain, _, group = word.partition(".")
        names = {self.resource.plural, self.singular, *self.short_names, self.resource.kind.lower()}
        return plain in names and (not group or group == self.resource.group)


async def served(client: Client) -> list[Served]:
    """All resources of the server, each in its preferred version; the core group first."""
    found = await _of_version(client, "", "v1", "/api/v1")
    groups = (await client.request("GET", "/apis")).get("groups") or []
    for group in groups:
        version = group["preferredVersion"]["version"]
        found += await _of_version(client, group["name"], version, f"/apis/{group['name']}/{version}")
    return found


async def _of_version(client: Client, group: str, version: str, path: str) -> list[Served]:
    listed = await client.request("GET", path)
    return [
        Served(
            Resource(group, version, entry["name"], entry["kind"], bool(entry["namespaced"])),
            entry.get("singularName") or entry["kind"].lower(),
            tuple(entry.get("shortNames") or ()),
            tuple(entry.get("categories") or ()),
        )
        for entry in listed.get("resources") or []
        if "/" not in entry["name"] and "list" in entry["verbs"]
    ]


async def resolve(client: Client, words: str) -> list[Resource]:
    """The resources for `a,b,c`; a category gives all of its own. Raises MissingError for an unknown word."""
    everything = await served(client)
    chosen: list[Resource] = []
    for word in words.lower().split(","):
        by_name = [s.resource for s in everything if s.is_called(word)][:1]
        matches = by_name or [s.resource for s in everything if word in s.categories]
        if not matches:
            raise MissingError(f"the server has no resource {word!r}; `kubectl api-resources` lists them")
        chosen += [m for m in matches if m not in chosen]
    return chosen


async def resolve_one(client: Client, word: str) -> Resource:
    """The one resource for a word. Raises MissingError, UsageError."""
    found = await resolve(client, word)
    if len(found) != 1:
        names = ", ".join(resource.plural for resource in found)
        raise UsageError(f"{word!r} means {len(found)} resources ({names}); name one")
    return found[0]


async def by_kind(client: Client, api_version: str, kind: str) -> Resource:
    """The resource of a manifest. Raises MissingError for a kind that is not served, KubeError."""
    group, _, version = api_version.rpartition("/")
    if not is_subdomain(version) or (group and not is_subdomain(group)):
        raise MissingError(f"{api_version!r} is no apiVersion; one looks like sympozium.ai/v1alpha1")
    path = f"/apis/{group}/{version}" if group else f"/api/{version}"
    try:
        entries = await _of_version(client, group, version, path)
    except NotFoundError:
        entries = []
    for entry in entries:
        if entry.resource.kind == kind:
            return entry.resource
    near = next((e.resource.kind for e in entries if e.resource.kind.lower() == kind.lower()), "")
    hint = f"; did you mean {near}?" if near else "; is its CRD installed? (kubectl api-resources)"
    raise MissingError(f"the server knows no kind {kind!r} in {api_version!r}{hint}")
