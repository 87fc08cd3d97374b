"""`sympozium apply` and `sympozium delete`: server-side apply of manifests, and their removal."""

from sympozium.actions import apply as action
from sympozium.actions.discovery import by_kind, resolve_one
from sympozium.actions.errors import ActionError, UsageError
from sympozium.cli.failures import CommandError, one_line
from sympozium.cli.manifests import Manifest, read
from sympozium.cli.output import full_name, say
from sympozium.cli.session import Session
from sympozium.kube import ApiError, NotFoundError, Resource


async def apply(session: Session, paths: list[str], *, force: bool) -> None:
    """Apply each object; the first that is refused ends it, naming what was applied before it."""
    manifests = read(paths)
    for number, manifest in enumerate(manifests):
        try:
            await _apply_one(session, manifest, force=force)
        except ApiError as exc:
            before = f" ({number} of {len(manifests)} objects applied before it)" if number else ""
            raise CommandError(f"{manifest.source}: {one_line(str(exc))}{before}") from exc


async def _apply_one(session: Session, manifest: Manifest, *, force: bool) -> None:
    try:
        applied = await action.apply(session.client, manifest.obj, namespace=session.namespace, force=force)
    except ActionError as exc:
        raise ActionError(f"{manifest.source}: {exc}") from exc
    say(f"{full_name(applied.obj)} {applied.what}")


def _scope(session: Session, resource: Resource, manifest: Manifest) -> str | None:
    try:
        return action.scope_of(resource, action.metadata(manifest.obj), session.namespace)
    except UsageError as exc:
        raise ActionError(f"{manifest.source}: {exc}") from exc


async def delete(session: Session, words: str | None, names: list[str], paths: list[str]) -> None:
    """Delete named objects, or the objects of manifests."""
    targets: list[tuple[Resource, str, str | None]] = []
    if paths:
        for manifest in read(paths):
            if "name" not in manifest.obj["metadata"]:
                raise CommandError(
                    f"{manifest.source}: no metadata.name: what was generated is not known here"
                )
            resource = await by_kind(session.client, manifest.obj["apiVersion"], manifest.obj["kind"])
            targets.append((resource, manifest.obj["metadata"]["name"], _scope(session, resource, manifest)))
    elif words:
        kind, _, name = words.partition("/")
        wanted = [name, *names] if name else names
        if not wanted:
            raise CommandError("name what to delete: sympozium delete TYPE NAME", 2)
        resource = await resolve_one(session.client, kind)
        targets = [(resource, n, session.namespace if resource.namespaced else None) for n in wanted]
    else:
        raise CommandError("name what to delete: sympozium delete TYPE NAME, or -f FILE", 2)
    for resource, name, scope in targets:
        if not await session.client.delete(resource, name, scope):
            raise CommandError(str(_not_found(resource, name)))
        say(f"{resource.kind.lower()}{'.' + resource.group if resource.group else ''}/{name} deleted")


def _not_found(resource: Resource, name: str) -> NotFoundError:
    return NotFoundError(404, "NotFound", f'{resource.title} "{name}" not found')
