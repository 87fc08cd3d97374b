"""`sympozium pack`: the catalogue, and enabling a team in a namespace."""

from sympozium.actions import packs
from sympozium.actions.errors import MissingError
from sympozium.cli.output import print_rows, say
from sympozium.cli.session import Session
from sympozium.resources import PERSONA_PACKS


async def show_list(session: Session) -> None:
    found = await session.client.list(PERSONA_PACKS)
    lines = [["NAMESPACE", "NAME", "ENABLED", "PHASE", "PERSONAS", "DESCRIPTION"]]
    for obj in found:
        spec, status = obj["spec"], obj.get("status") or {}
        names = ",".join(p["name"] for p in spec.get("personas") or [])
        enabled = "yes" if spec.get("enabled") else "no (catalogue)" if packs.is_catalogue(obj) else "no"
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


async def enable(session: Session, name: str) -> None:
    """Enable the namespace's own pack of that name, else a copy of the catalogue's."""
    try:
        pack = await packs.enable(session.client, session.namespace, name)
    except MissingError as exc:
        raise MissingError(f"{exc}; `sympozium pack list` shows them") from None
    names = ", ".join(p["name"] for p in pack["spec"].get("personas") or [])
    say(f"personapack {name} enabled in namespace {session.namespace}: {names}")


async def disable(session: Session, name: str) -> None:
    await packs.disable(session.client, session.namespace, name)
    say(
        f"personapack {name} disabled in namespace {session.namespace}: its instances and schedules go, its runs stay"
    )
