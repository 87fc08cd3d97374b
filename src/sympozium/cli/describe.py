"""`sympozium describe`: an object, what its conditions say, and what happened to it."""

from typing import Any

from sympozium import yamlio
from sympozium.actions.discovery import resolve_one
from sympozium.cli.failures import CommandError
from sympozium.cli.output import paint, print_rows, say
from sympozium.cli.session import Session
from sympozium.kube.resources import EVENTS, without_noise

_DROPPED = ("conditions", "observedGeneration")


async def describe(session: Session, words: str, names: list[str]) -> None:
    kind, _, name = words.partition("/")
    wanted = [name, *names] if name else names
    if not wanted:
        raise CommandError("name what to describe: sympozium describe TYPE NAME", 2)
    resource = await resolve_one(session.client, kind)
    for number, one in enumerate(wanted):
        if number:
            say()
        obj = await session.client.get(resource, one, session.namespace if resource.namespaced else None)
        _print(without_noise(obj))
        await _print_events(session, obj)


def _print(obj: dict[str, Any]) -> None:
    metadata, status = obj["metadata"], obj.get("status") or {}
    say(
        f"{paint('1', obj['kind'])} {metadata['name']}"
        + (f" in {metadata['namespace']}" if "namespace" in metadata else "")
    )
    facts = {
        k: metadata[k]
        for k in ("labels", "annotations", "creationTimestamp", "deletionTimestamp")
        if metadata.get(k)
    }
    _section("Metadata", facts)
    for part in sorted(k for k in obj if k not in ("apiVersion", "kind", "metadata", "status")):
        _section(part.capitalize(), obj[part])
    _section("Status", {k: v for k, v in status.items() if k not in _DROPPED})
    conditions = status.get("conditions") or []
    if conditions:
        say(paint("1", "Conditions:"))
        lines = [["  TYPE", "STATUS", "REASON", "MESSAGE"]]
        lines += [
            [f"  {c['type']}", c["status"], c.get("reason") or "", c.get("message") or ""] for c in conditions
        ]
        print_rows(lines)


def _section(title: str, content: Any) -> None:
    if content in (None, {}, []):
        return
    say(paint("1", f"{title}:"))
    for line in yamlio.dump(content).rstrip().splitlines():
        say(f"  {line}")


async def _print_events(session: Session, obj: dict[str, Any]) -> None:
    metadata = obj["metadata"]
    fields = f"involvedObject.name={metadata['name']},involvedObject.uid={metadata['uid']}"
    events = await session.client.list(EVENTS, metadata.get("namespace"), fields=fields)
    say(paint("1", "Events:") + ("" if events else " none"))
    if events:
        lines = [["  LAST SEEN", "TYPE", "REASON", "COUNT", "MESSAGE"]]
        for event in sorted(events, key=lambda e: str(e.get("lastTimestamp") or e.get("eventTime"))):
            when = event.get("lastTimestamp") or event.get("eventTime") or ""
            count = str(event.get("count") or 1)
            lines.append(
                [
                    f"  {when}",
                    event.get("type") or "",
                    event.get("reason") or "",
                    count,
                    event.get("message") or "",
                ]
            )
        print_rows(lines)
