"""A SkillPack's instructions as a ConfigMap, for people and tools that want to read them as files."""

from sympozium.api import SkillPack
from sympozium.api.base import Object
from sympozium.api.meta import API_VERSION, LABEL_SKILL, owner_reference
from sympozium.controllers.context import Context
from sympozium.kube import Controller, Request, Result
from sympozium.kube.conditions import condition
from sympozium.kube.errors import ForbiddenError, InvalidError
from sympozium.kube.resources import CONFIG_MAPS
from sympozium.names import derive, label_value


class SkillPackController:
    """Level-triggered on the pack alone."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self.controller = Controller("skillpack", self.reconcile, workers=1).watches(
            context.caches.skill_packs
        )

    async def reconcile(self, request: Request) -> Result:
        informer = self._context.caches.skill_packs
        obj = informer.get(request.namespace, request.name)
        if obj is None or obj["metadata"].get("deletionTimestamp"):
            return Result()
        pack = SkillPack.model_validate(obj)
        wanted = config_map(pack)
        if problem := await self._apply(wanted, pack):
            # Only a change of the pack helps.
            ready, phase = condition("Ready", False, "ConfigMapRefused", problem), "Error"
        else:
            ready, phase = condition("Ready", True, "Ready", f"{len(pack.spec.skills)} skills"), "Ready"
        notes, drop = self._context.unimplemented(obj)
        fields = {
            "phase": phase,
            "configMapName": wanted["metadata"]["name"],
            "skillCount": len(pack.spec.skills),
        }
        await self._context.write_status(informer, obj, fields, [ready, *notes], drop=drop)
        return Result()

    async def _apply(self, wanted: Object, pack: SkillPack) -> str | None:
        """Write the ConfigMap; returns why it cannot be, in words: somebody else's, too large, forbidden."""
        client, name = self._context.client, wanted["metadata"]["name"]
        there = await client.find(CONFIG_MAPS, name, pack.namespace)
        owners = there["metadata"].get("ownerReferences") or () if there else ()
        if there and all((o["kind"], o["name"]) != ("SkillPack", pack.name) for o in owners):
            return f"ConfigMap {name} is there and is not this pack's: rename one of them"
        try:
            await client.apply(CONFIG_MAPS, wanted)
        except (InvalidError, ForbiddenError) as error:
            return str(error)
        return None


def config_map(pack: SkillPack) -> Object:
    """`skill-<pack>`: one file `<skill>.md` for each skill."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": derive("skill", pack.name),
            "namespace": pack.namespace,
            "labels": {LABEL_SKILL: label_value(pack.name)},
            "ownerReferences": [owner_reference({**pack.to_json(), "apiVersion": API_VERSION})],
        },
        "data": {f"{derive(skill.name)}.md": skill.content for skill in pack.spec.skills},
    }
