"""`sympozium get`: the server's own tables, of any kind that it serves."""

from typing import Any

from sympozium.actions.discovery import resolve
from sympozium.cli.failures import CommandError
from sympozium.cli.output import check_format, print_objects, print_rows, rows, say
from sympozium.cli.session import Session
from sympozium.kube import Resource
from sympozium.kube.errors import from_status

_TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"


async def get(
    session: Session,
    words: str,
    names: list[str],
    *,
    everywhere: bool,
    output: str | None,
    selector: str,
    watch: bool,
) -> None:
    """Print objects; raises CommandError and the API's errors."""
    check_format(output)
    words, names = _split(words, names)
    resources = await resolve(session.client, words)
    if names and len(resources) != 1:
        raise CommandError("name one resource type when you name objects: sympozium get TYPE NAME", 2)
    if output in ("json", "yaml", "name"):
        await _objects(session, resources, names, everywhere=everywhere, output=output, selector=selector)
    else:
        await _tables(
            session, resources, names, everywhere=everywhere, wide=output == "wide", selector=selector
        )
    if watch:
        if len(resources) != 1:
            raise CommandError("-w watches one resource type", 2)
        await _watch(session, resources[0], names, everywhere=everywhere, output=output, selector=selector)


def _split(words: str, names: list[str]) -> tuple[str, list[str]]:
    """`TYPE/NAME` is `TYPE NAME`."""
    if "/" in words:
        kind, _, name = words.partition("/")
        return kind, [name, *names]
    return words, names


def _scope(session: Session, resource: Resource, *, everywhere: bool) -> str | None:
    return None if everywhere or not resource.namespaced else session.namespace


async def _objects(
    session: Session,
    resources: list[Resource],
    names: list[str],
    *,
    everywhere: bool,
    output: str,
    selector: str,
) -> None:
    found: list[dict[str, Any]] = []
    for resource in resources:
        scope = _scope(session, resource, everywhere=everywhere)
        if names:
            found += [await session.client.get(resource, name, scope) for name in names]
        else:
            found += await session.client.list(resource, scope, labels=selector)
    if found or output != "name":
        print_objects(found, output, many=len(names) != 1)


async def _tables(
    session: Session,
    resources: list[Resource],
    names: list[str],
    *,
    everywhere: bool,
    wide: bool,
    selector: str,
) -> None:
    shown = 0
    for resource in resources:
        scope = _scope(session, resource, everywhere=everywhere)
        paths = [resource.path(scope, name) for name in names] or [resource.path(scope)]
        lines: list[list[str]] = []
        for path in paths:
            table = await _table(session, path, selector)
            part = rows(table, wide=wide, namespaces=everywhere and resource.namespaced)
            lines += part[1:] if lines else part
        if len(lines) < 2:
            continue
        if shown:
            say()
        shown += 1
        if len(resources) > 1:
            group = f".{resource.group}" if resource.group else ""
            place = 1 if everywhere and resource.namespaced else 0
            for line in lines[1:]:
                line[place] = f"{resource.kind.lower()}{group}/{line[place]}"
        print_rows(lines)
    if not shown:
        say("No resources found" + ("" if everywhere else f" in namespace {session.namespace}"))


async def _table(session: Session, path: str, selector: str) -> dict[str, Any]:
    table = await session.client.request("GET", path, query={"labelSelector": selector}, accept=_TABLE)
    if table.get("kind") != "Table":
        raise from_status(406, None, f"the server gave no table for {path}")
    return table


async def _watch(
    session: Session,
    resource: Resource,
    names: list[str],
    *,
    everywhere: bool,
    output: str | None,
    selector: str,
) -> None:
    """Changes as they come, until the person stops it."""
    scope = _scope(session, resource, everywhere=everywhere)
    fields = f"metadata.name={names[0]}" if names else ""
    _, version = await session.client.list_at(resource, scope, labels=selector, fields=fields)
    query = {"labelSelector": selector, "fieldSelector": fields, "resourceVersion": version}
    async with session.client.watch(
        resource, scope, query={k: v for k, v in query.items() if v}, idle=86400
    ) as events:
        async for event in events:
            if event["type"] == "BOOKMARK":
                continue
            obj = event["object"]
            if output in ("json", "yaml"):
                print_objects([obj], output, many=False)
            elif output == "name":
                print_objects([obj], "name", many=False)
            else:
                table = await _row_of(session, resource, obj, event["type"])
                say("   ".join(table))


async def _row_of(session: Session, resource: Resource, obj: dict[str, Any], kind: str) -> list[str]:
    """One line for a changed object; a deleted one has no table any more."""
    metadata = obj["metadata"]
    if kind == "DELETED":
        return [metadata["name"], "(deleted)"]
    table = await _table(session, resource.path(metadata.get("namespace"), metadata["name"]), "")
    return rows(table, wide=False, namespaces=False)[-1]
