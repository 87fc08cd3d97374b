"""Teams of agents: enabling one in a namespace, and taking it away.

The catalogue's packs live in the system namespace with `enabled: false`. Enabling one makes a copy with `enabled: true`
in the namespace where the team shall work, and the controller does the rest.
"""

from collections.abc import Mapping
from typing import Any

from sympozium.actions.errors import MissingError, UsageError
from sympozium.api.meta import LABEL_BUILTIN, LABEL_PACK, SYSTEM_NAMESPACE
from sympozium.kube import Client
from sympozium.kube.resources import Object
from sympozium.resources import PERSONA_PACKS


def is_catalogue(obj: Object) -> bool:
    """Whether it is an entry of the catalogue rather than somebody's team."""
    metadata = obj["metadata"]
    return metadata["namespace"] == SYSTEM_NAMESPACE and LABEL_BUILTIN in (metadata.get("labels") or {})


async def enable(
    client: Client, namespace: str, name: str, settings: Mapping[str, Any] | None = None
) -> Object:
    """Enable the namespace's own pack of that name, else a copy of the catalogue's; returns it.

    `settings` are fields of its spec (JSON names) that replace those of the pack; None takes one away. Raises MissingError, UsageError.
    """
    changes = {**(settings or {}), "enabled": True}
    pack = await client.find(PERSONA_PACKS, name, namespace)
    if pack is not None:
        _check_excluded(pack, changes)
        return await client.patch(PERSONA_PACKS, name, namespace, {"spec": changes})
    pack = await client.find(PERSONA_PACKS, name, SYSTEM_NAMESPACE)
    if pack is None:
        raise MissingError(f"no pack {name!r} here or in the catalogue")
    _check_excluded(pack, changes)
    spec = {**pack["spec"], **changes}
    made = {
        "apiVersion": PERSONA_PACKS.api_version,
        "kind": PERSONA_PACKS.kind,
        "metadata": {"name": name, "namespace": namespace, "labels": {LABEL_PACK: name}},
        "spec": {key: value for key, value in spec.items() if value is not None},
    }
    return await client.create(PERSONA_PACKS, made, namespace)


def _check_excluded(pack: Object, changes: Mapping[str, Any]) -> None:
    """A misspelt name would leave a persona at work that somebody wanted away."""
    known = {persona["name"] for persona in pack["spec"].get("personas") or ()}
    if unknown := set(changes.get("excludePersonas") or ()) - known:
        raise UsageError(
            f"excludePersonas: pack {pack['metadata']['name']} has no persona {', '.join(sorted(unknown))};"
            f" it has {', '.join(sorted(known))}"
        )


async def disable(client: Client, namespace: str, name: str) -> Object:
    """Its instances and schedules go, its runs stay. Raises MissingError."""
    if await client.find(PERSONA_PACKS, name, namespace) is None:
        raise MissingError(f"no pack {name!r} in namespace {namespace}")
    return await client.patch(PERSONA_PACKS, name, namespace, {"spec": {"enabled": False}})
