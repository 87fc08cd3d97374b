"""Applies what the chart brings: the built-in policies, skills and packs, and the installation's defaults.

Helm holds none of these objects. It could not: it maps kinds before their CRDs are there, and the webhook that judges
them starts with the same release (docs/decisions/0013-the-chart.md). The chart writes ConfigMap `sympozium-catalog`
instead, and whoever leads applies it at its start, again and again until it is done.

What is built in gives way: fields that somebody changed stay theirs, and an Event says so. The installation's defaults
do not: what stands in the values wins, and an Event says from whom it was taken.
"""

import json
import logging
from typing import Final

from sympozium import catalog
from sympozium.api.base import Object
from sympozium.api.config import NAME as CONFIG_NAME
from sympozium.controllers.context import Context
from sympozium.kube import ApiError, ConflictError, Controller, Request, Resource, Result
from sympozium.kube.resources import CONFIG_MAPS
from sympozium.resources import CONFIGS, PERSONA_PACKS, POLICIES, SKILL_PACKS

log = logging.getLogger(__name__)

CONFIG_MAP: Final = "sympozium-catalog"
MANAGER: Final = "sympozium-catalog"
_PARTS: Final = {
    "policies": POLICIES,
    "skills": SKILL_PACKS,
    "packs": PERSONA_PACKS,
}
"""Keys of the ConfigMap, and what each brings. In this order they refer to each other."""
_CONFIG: Final = "config.json"
_AGAIN: Final = 5.0
"""Seconds after which what was refused is tried again."""
_LATER: Final = 60.0
"""Seconds after which what could not be read is read again."""
_OF_KIND: Final[dict[str, Resource]] = {r.kind: r for r in (*_PARTS.values(), CONFIGS)}


class CatalogueController:
    """One request for each object, so that one that is refused keeps none of the others."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self.controller = Controller("catalog", self.reconcile, workers=1)
        self.controller.enqueue(Request(context.system_namespace, CONFIG_MAP))

    async def reconcile(self, request: Request) -> Result:
        """Of the ConfigMap: enqueue its objects. Of `Kind/name`: apply that one."""
        client = self._context.client
        brought = await client.find(CONFIG_MAPS, CONFIG_MAP, self._context.system_namespace)
        if brought is None:
            return Result()
        try:
            wanted = documents(brought.get("data") or {}, self._context.system_namespace)
        except ValueError as error:
            # Somebody edited what the chart writes; nothing else of the installation waits for it.
            words = (
                f"{_CONFIG} of ConfigMap {CONFIG_MAP} is no JSON object, so nothing of it is applied: {error}"
            )
            log.warning("%s", words)
            self._context.recorder.event(brought, "Warning", "CatalogUnreadable", words)
            return Result(_LATER)
        if request.name == CONFIG_MAP:
            for key in wanted:
                self.controller.enqueue(Request(request.namespace, key))
        elif request.name in wanted:
            try:
                await self._apply(wanted[request.name])
            except ApiError as error:
                # The webhook may not be there yet; a policy of the cluster may forbid it for good.
                words = f"{request.name} is not applied yet: {error}"
                log.warning("%s", words)
                self._context.recorder.event(brought, "Warning", "CatalogNotApplied", words)
                # Not backed off: it is minutes until a first webhook is there, and then it should be seconds.
                return Result(_AGAIN)
        return Result()

    async def _apply(self, obj: Object) -> None:
        """Server-side apply. Raises ApiError."""
        client, resource = self._context.client, _OF_KIND[obj["kind"]]
        try:
            await client.apply(resource, obj, force=False, manager=MANAGER)
        except ConflictError as conflict:
            there = await client.get(resource, obj["metadata"]["name"], obj["metadata"]["namespace"])
            if resource is not CONFIGS:
                self._say(there, "CatalogKept", f"left as it is, since somebody changed it: {conflict}")
                return
            await client.apply(resource, obj, force=True, manager=MANAGER)
            self._say(there, "ValuesWin", f"set again to what the values of the chart say: {conflict}")

    def _say(self, obj: Object, reason: str, words: str) -> None:
        log.warning("%s %s: %s", obj["kind"], obj["metadata"]["name"], words)
        self._context.recorder.event(obj, "Warning", reason, words)


def documents(brought: dict[str, str], namespace: str) -> dict[str, Object]:
    """What the ConfigMap's data ask for, by `Kind/name`, in the order in which it can be applied. Raises ValueError for a
    configuration that is no JSON object.
    """
    kinds = {resource.kind for part, resource in _PARTS.items() if brought.get(part) == "true"}
    wanted = [obj for obj in catalog.documents(namespace=namespace) if obj["kind"] in kinds]
    if _CONFIG in brought:
        spec = json.loads(brought[_CONFIG])
        if not isinstance(spec, dict):
            raise ValueError(f"it is a {type(spec).__name__}")
        wanted.append(
            {
                "apiVersion": CONFIGS.api_version,
                "kind": CONFIGS.kind,
                "metadata": {"name": CONFIG_NAME, "namespace": namespace},
                "spec": spec,
            }
        )
    return {f"{obj['kind']}/{obj['metadata']['name']}": obj for obj in wanted}
