"""`sympozium pack`: the catalogue, and enabling a team in a namespace.

The catalogue's packs live in the system namespace with `enabled: false`. Enabling one applies a copy
with `enabled: true` to the namespace where the team shall work, and the controller does the rest.
"""

from typing import Any

from sympozium.cli.failures import CommandError
from sympozium.cli.output import print_rows, say
from sympozium.cli.session import Session
from sympozium.kube import Resource

PACKS = Resource("sympozium.ai", "v1alpha1", "personapacks", "PersonaPack")
SYSTEM_NAMESPACE = "sympozium-system"


async def show_list(session: Session) -> None:
    found = await session.client.list(PACKS)
    lines = [["NAMESPACE", "NAME", "ENABLED", "PHASE", "PERSONAS", "DESCRIPTION"]]
    for obj in found:
        spec, status = obj["spec"], obj.get("status") or {}
        names = ",".join(p["name"] for p in spec.get("personas") or [])
        enabled = "yes" if spec.get("enabled") else "no (catalogue)" if _is_catalogue(obj) else "no"
        description = " ".join((spec.get("description") or "").split())
        lines.append(
            [
                obj["metadata"]["namespace"],
                obj["metadata"]["name"],
                enabled,
                status.get("phase") or "",
                names,
                description[:60],
            ]
        )
    if len(lines) == 1:
        say("no packs: is the catalogue installed in sympozium-system?")
        return
    print_rows(lines)


def _is_catalogue(obj: dict[str, Any]) -> bool:
    metadata = obj["metadata"]
    return metadata["namespace"] == SYSTEM_NAMESPACE and "sympozium.ai/builtin" in (
        metadata.get("labels") or {}
    )


async def enable(session: Session, name: str) -> None:
    """Enable the namespace's own pack of that name, else a copy of the catalogue's."""
    pack = await session.client.find(PACKS, name, session.namespace)
    if pack is not None:
        await session.client.patch(PACKS, name, session.namespace, {"spec": {"enabled": True}})
    else:
        pack = await session.client.find(PACKS, name, SYSTEM_NAMESPACE)
        if pack is None:
            raise CommandError(f"no pack {name!r} here or in the catalogue; `sympozium pack list` shows them")
        await session.client.create(
            PACKS,
            {
                "apiVersion": PACKS.api_version,
                "kind": PACKS.kind,
                "metadata": {
                    "name": name,
                    "namespace": session.namespace,
                    "labels": {"sympozium.ai/pack": name},
                },
                "spec": {**pack["spec"], "enabled": True},
            },
            session.namespace,
        )
    names = ", ".join(p["name"] for p in pack["spec"].get("personas") or [])
    say(f"personapack {name} enabled in namespace {session.namespace}: {names}")


async def disable(session: Session, name: str) -> None:
    if await session.client.find(PACKS, name, session.namespace) is None:
        raise CommandError(f"no pack {name!r} in namespace {session.namespace}")
    await session.client.patch(PACKS, name, session.namespace, {"spec": {"enabled": False}})
    say(
        f"personapack {name} disabled in namespace {session.namespace}: its instances and schedules go, its runs stay"
    )
