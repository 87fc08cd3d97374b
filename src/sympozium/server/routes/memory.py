"""Notes of agents, read and corrected by people: ConfigMaps, each request as the caller."""

from typing import Any

from fastapi import APIRouter

from sympozium.api import memory
from sympozium.api.instance import SympoziumInstance
from sympozium.api.meta import LABEL_COMPONENT, LABEL_INSTANCE
from sympozium.kube import ForbiddenError, NotFoundError
from sympozium.kube.resources import CONFIG_MAPS, Object, selector
from sympozium.resources import INSTANCES
from sympozium.server.access import Caller, CallerOf
from sympozium.server.models.base import Items
from sympozium.server.models.memory import Notes, NotesWritten
from sympozium.server.names import NamePath, NamespacePath, NamespaceQuery
from sympozium.server.problems import Problem

router = APIRouter(tags=["memory"])


@router.get("/memory")
async def list_notes(caller: CallerOf, namespace: NamespaceQuery = None) -> Items[Notes]:
    """The notes of a namespace, or of all: of agents that keep some, and what agents have left."""
    instances = {_key(obj): obj for obj in await caller.kube.list(INSTANCES, namespace)}
    labels = selector({LABEL_COMPONENT: memory.COMPONENT})
    found: dict[tuple[str, str], Object] = {}
    for config_map in await caller.kube.list(CONFIG_MAPS, namespace, labels=labels):
        where = config_map["metadata"]["namespace"]
        owner = _instance_of(config_map, instances)
        if memory.is_memory(config_map, owner) and config_map["metadata"]["name"] == memory.config_map_name(
            owner
        ):
            found[where, owner] = config_map
    keeping = {key for key, obj in instances.items() if _enabled(obj)}
    return Items(
        items=[_notes(key, instances.get(key), found.get(key)) for key in sorted(keeping | found.keys())]
    )


@router.get("/namespaces/{namespace}/memory/{instance}")
async def get_notes(caller: CallerOf, namespace: NamespacePath, instance: NamePath) -> Notes:
    """The notes of one agent. 404 for one that has none and is not there."""
    obj = await _instance(caller, namespace, instance)
    config_map = await caller.kube.find(CONFIG_MAPS, memory.config_map_name(instance), namespace)
    if config_map is not None and not memory.is_memory(config_map, instance):
        raise Problem(
            409, f"ConfigMap {memory.config_map_name(instance)} is there and is not this agent's notes"
        )
    if obj is None and config_map is None:
        raise Problem(
            404, f"SympoziumInstance {instance} is not in namespace {namespace}, and has left no notes"
        )
    return _notes((namespace, instance), obj, config_map)


@router.put("/namespaces/{namespace}/memory/{instance}")
async def put_notes(
    caller: CallerOf, namespace: NamespacePath, instance: NamePath, written: NotesWritten
) -> Notes:
    """Write the notes anew. 409 when they have changed since they were read."""
    now = await get_notes(caller, namespace, instance)
    if now.max_bytes is not None and len(written.text.encode()) > now.max_bytes:
        raise Problem(
            422,
            f"the notes have {len(written.text.encode())} bytes, {now.max_bytes} are the most (maxSizeKB)",
        )
    if now.resource_version is None:
        made = await caller.kube.create(CONFIG_MAPS, memory.manifest(instance, namespace, written.text))
    elif written.resource_version is None:
        raise Problem(409, "there are notes by now: read them, and give their resourceVersion")
    else:
        patch = {
            "metadata": {"resourceVersion": written.resource_version},
            "data": {memory.KEY: written.text},
        }
        name = memory.config_map_name(instance)
        made = await caller.kube.patch(CONFIG_MAPS, name, namespace, patch)
    return _notes((namespace, instance), await _instance(caller, namespace, instance), made)


async def _instance(caller: Caller, namespace: str, name: str) -> Object | None:
    """None also for whoever may read ConfigMaps there and no instances."""
    try:
        return await caller.kube.get(INSTANCES, name, namespace)
    except (NotFoundError, ForbiddenError):
        return None


def _notes(key: tuple[str, str], obj: Object | None, config_map: Object | None) -> Notes:
    settings = SympoziumInstance.model_validate(obj).spec.memory if obj else None
    text = memory.text_of(config_map, settings) if settings else _text(config_map)
    meta = (config_map or {}).get("metadata") or {}
    return Notes(
        namespace=key[0],
        instance=key[1],
        enabled=bool(settings and settings.enabled),
        text=text,
        bytes=len(text.encode()),
        max_bytes=memory.most(settings) if settings else None,
        resource_version=meta.get("resourceVersion"),
        changed_at=max((f["time"] for f in meta.get("managedFields") or () if f.get("time")), default=None),
    )


def _text(config_map: Object | None) -> str:
    return str(((config_map or {}).get("data") or {}).get(memory.KEY) or "")


def _enabled(obj: Object) -> bool:
    settings: dict[str, Any] | None = obj["spec"].get("memory")
    return settings is not None and settings.get("enabled", True) is True


def _instance_of(config_map: Object, instances: dict[tuple[str, str], Object]) -> str:
    """The full name of the instance: the label is shortened where it is long, and then the instance says it."""
    meta = config_map["metadata"]
    label = str((meta.get("labels") or {}).get(LABEL_INSTANCE) or "")
    if (meta["namespace"], label) in instances:
        return label
    named = [
        name for where, name in instances if where == meta["namespace"] and memory.is_memory(config_map, name)
    ]
    return named[0] if named else label


def _key(obj: Object) -> tuple[str, str]:
    return obj["metadata"]["namespace"], obj["metadata"]["name"]
