"""Makes a PersonaPack's instances and schedules what `policy.stamp` says, and removes those that it no longer says.

What is removed takes nothing along: runs, Secrets and ConfigMaps are not owned by instances or schedules.
"""

from sympozium.api import PersonaPack
from sympozium.api.base import Object
from sympozium.controllers.context import BY_OWNER, Context
from sympozium.kube import Controller, Informer, Request, Result
from sympozium.kube.conditions import condition
from sympozium.kube.errors import ForbiddenError, InvalidError
from sympozium.kube.reconcile import owner
from sympozium.policy.stamp import Stamped, stamp

_LOOK_AGAIN = 60.0
"""Seconds after which what was refused is tried again: what it refers to may have come."""


class PackController:
    """Level-triggered on the pack, what it owns, and the installation's defaults."""

    def __init__(self, context: Context) -> None:
        self._context = context
        caches = context.caches
        self.controller = Controller("pack", self.reconcile)
        self.controller.watches(caches.packs)
        self.controller.watches(caches.instances, owner("PersonaPack"))
        self.controller.watches(caches.schedules, owner("PersonaPack"))
        self.controller.watches(caches.configs, lambda _: [Request(*_key(o)) for o in caches.packs.list()])

    async def reconcile(self, request: Request) -> Result:
        caches = self._context.caches
        obj = caches.packs.get(request.namespace, request.name)
        if obj is None or obj["metadata"].get("deletionTimestamp"):
            return Result()
        pack = PersonaPack.model_validate(obj)
        stamped = stamp(pack, self._context.config())
        refused: dict[str, str] = {}
        for informer, wanted in (
            (caches.instances, stamped.instances),
            (caches.schedules, stamped.schedules),
        ):
            for persona, manifest in wanted.items():
                if problem := await self._apply(informer, pack, manifest):
                    refused[persona] = problem
            await self._prune(informer, pack, {m["metadata"]["name"] for m in wanted.values()})
        await self._report(obj, pack, stamped, refused)
        return Result(_LOOK_AGAIN if refused else None)

    async def _apply(self, informer: Informer, pack: PersonaPack, manifest: Object) -> str | None:
        """Apply one object; returns why it was refused, in words."""
        name = manifest["metadata"]["name"]
        there = informer.get(pack.namespace, name)
        if there is not None and not _owned(there, pack):
            return f"{manifest['kind']} {name} is there and is not this pack's: rename one of them"
        try:
            informer.mutation(await self._context.client.apply(informer.resource, manifest))
        except (InvalidError, ForbiddenError) as error:
            return str(error)
        return None

    async def _prune(self, informer: Informer, pack: PersonaPack, keep: set[str]) -> None:
        for obj in informer.by_index(BY_OWNER, f"{pack.namespace}/PersonaPack/{pack.name}"):
            name = obj["metadata"]["name"]
            if name in keep or not _owned(obj, pack) or obj["metadata"].get("deletionTimestamp"):
                continue
            await self._context.client.delete(
                informer.resource, name, pack.namespace, uid=obj["metadata"]["uid"]
            )
            self._context.recorder.event(pack.to_json(), "Normal", "Pruned", f"{obj['kind']} {name}")

    async def _report(
        self, obj: Object, pack: PersonaPack, stamped: Stamped, refused: dict[str, str]
    ) -> None:
        installed = [_installed(name, stamped) for name in stamped.instances if name not in refused]
        problems = {**stamped.problems, **refused}
        if not pack.spec.enabled:
            phase = "Inactive"
            # As its author wants it: who waits for everything to be ready (helm, Flux) does not wait for this.
            ready = condition(
                "Ready", True, "NotEnabled", "an entry of the catalogue: set spec.enabled to true"
            )
        elif problems:
            phase = "Error"
            words = "; ".join(f"{persona}: {problem}" for persona, problem in problems.items())
            ready = condition("Ready", False, "PersonasNotInstalled", words)
            self._context.recorder.event(obj, "Warning", "PersonasNotInstalled", words)
        else:
            phase = "Ready"
            ready = condition("Ready", True, "Installed", f"{len(installed)} personas are installed")
        notes, drop = self._context.unimplemented(obj)
        fields = {
            "phase": phase,
            "personaCount": len(pack.spec.personas),
            "installedCount": len(installed),
            "installedPersonas": installed,
        }
        await self._context.write_status(self._context.caches.packs, obj, fields, [ready, *notes], drop=drop)


def _installed(persona: str, stamped: Stamped) -> Object:
    entry = {"name": persona, "instanceName": stamped.instances[persona]["metadata"]["name"]}
    if schedule := stamped.schedules.get(persona):
        entry["scheduleName"] = schedule["metadata"]["name"]
    return entry


def _owned(obj: Object, pack: PersonaPack) -> bool:
    return any(r["uid"] == pack.metadata.uid for r in obj["metadata"].get("ownerReferences") or ())


def _key(obj: Object) -> tuple[str, str]:
    return obj["metadata"]["namespace"], obj["metadata"]["name"]
