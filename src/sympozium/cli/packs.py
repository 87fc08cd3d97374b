"""`sympozium pack`: the catalogue, and enabling a team in a namespace."""

from sympozium.actions import packs
from sympozium.actions.errors import MissingError
from sympozium.cli.output import check_format, print_objects, print_rows, say
from sympozium.cli.session import Session
from sympozium.installation import SYSTEM_NAMESPACE
from sympozium.resources import PERSONA_PACKS


async def show_list(session: Session, *, output: str | None = None) -> None:
    check_format(output)
    found = await session.client.list(PERSONA_PACKS)
    if output in ("json", "yaml", "name"):
        print_objects(found, output, many=True)
        return
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
                description if output == "wide" else description[:60],
            ]
        )
    if len(lines) == 1:
        say(f"no packs: is the catalogue installed in {SYSTEM_NAMESPACE}?")
        return
    print_rows(lines)


async def enable(session: Session, name: str, *, output: str | None = None) -> None:
    """Enable the namespace's own pack of that name, else a copy of the catalogue's."""
    check_format(output)
    try:
        pack = await packs.enable(session.client, session.namespace, name)
    except MissingError as exc:
        raise MissingError(f"{exc}; `sympozium pack list` shows them") from None
    if output in ("json", "yaml", "name"):
        print_objects([pack], output, many=False)
        return
    names = ", ".join(p["name"] for p in pack["spec"].get("personas") or [])
    say(f"personapack {name} enabled in namespace {session.namespace}: {names}")


async def disable(session: Session, name: str, *, output: str | None = None) -> None:
    check_format(output)
    pack = await packs.disable(session.client, session.namespace, name)
    if output in ("json", "yaml", "name"):
        print_objects([pack], output, many=False)
        return
    say(
        f"personapack {name} disabled in namespace {session.namespace}: its instances and schedules go, its runs stay"
    )
