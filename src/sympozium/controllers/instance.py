"""Status of a SympoziumInstance: whether what it refers to is there, and what its runs do."""

import asyncio
import contextlib
from collections.abc import Iterable

from sympozium.api import SympoziumInstance, memory
from sympozium.api.base import Object
from sympozium.api.run import TERMINAL
from sympozium.controllers.context import BY_INSTANCE, Context
from sympozium.controllers.endpoint import CONDITION, LOOK_AGAIN, Endpoints
from sympozium.controllers.run import notes, podsecurity
from sympozium.kube import AlreadyExistsError, Controller, Informer, Request, Result
from sympozium.kube.conditions import condition
from sympozium.kube.resources import CONFIG_MAPS, SECRETS
from sympozium.policy import hostaccess
from sympozium.policy.resolve import MissingReferenceError

_BELIEVE = 300.0
"""Seconds for which a Secret that was seen counts as being there."""
_LOOK_AGAIN = 60.0
"""Seconds after which missing Secrets and refusing namespaces are looked at again: they are not watched."""


class InstanceController:
    """Level-triggered on the instance, its runs, policies and skill packs."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._endpoints = Endpoints(context)
        self._seen: dict[tuple[str, str], float] = {}
        caches = context.caches
        self.controller = Controller("instance", self.reconcile)
        self.controller.watches(caches.instances)
        self.controller.watches(caches.runs, _instance_of)
        # A reference may be served from another namespace, so all instances look again: there are few.
        for informer in (caches.policies, caches.skill_packs, caches.configs):
            self.controller.watches(informer, lambda _: _everyone(caches.instances))

    async def reconcile(self, request: Request) -> Result:
        caches = self._context.caches
        obj = caches.instances.get(request.namespace, request.name)
        if obj is None or obj["metadata"].get("deletionTimestamp"):
            return Result()
        instance = SympoziumInstance.model_validate(obj)
        missing = self._missing(instance)
        secrets = await self._missing_secrets(instance)
        runs = caches.runs.by_index(BY_INSTANCE, f"{request.namespace}/{request.name}")
        active = sum(1 for run in runs if _has_pod(run))
        problems = [*missing, *secrets, *await self._memory(instance)]
        barred = "" if problems else await self._barred(instance)
        if problems:
            ready = condition("Ready", False, "ReferenceMissing", "; ".join(problems))
        elif barred:
            ready = condition("Ready", False, "PodSecurity", barred)
        else:
            ready = condition("Ready", True, "Resolved", "policy, skills and Secrets are there")
        notes, drop = self._context.unimplemented(obj)
        endpoint, served = await self._endpoints.status(obj, instance)
        await self._endpoints.prune(runs)
        fields = {
            # In service, whether or not a run is under way: `activeAgentPods` says how many are.
            "phase": "Error" if problems or barred else "Running",
            "activeAgentPods": active,
            "totalAgentRuns": len(runs),
            "webEndpoint": _replacing(obj, endpoint),
        }
        conditions = [ready, *notes, *([served] if served else [])]
        drop = drop if served else [*drop, CONDITION]
        await self._context.write_status(caches.instances, obj, fields, conditions, drop=drop)
        return Result(LOOK_AGAIN if served else _LOOK_AGAIN if secrets or barred else None)

    def _missing(self, instance: SympoziumInstance) -> list[str]:
        problems = []
        try:
            self._context.effective(instance)
        except MissingReferenceError as error:
            problems.append(str(error))
        for skill in instance.spec.skills:
            try:
                self._context.skill_packs(instance.namespace, [skill])
            except MissingReferenceError as error:
                problems.append(error.message)
        return problems

    async def _barred(self, instance: SympoziumInstance) -> str:
        """Why the pods of the agent would not be let into its namespace, in words; empty when they are."""
        packs = self._context.skill_packs(instance.namespace, instance.spec.skills).values()
        wanting = [pack for pack in packs if hostaccess.of(pack)]
        if not wanting:
            return ""
        return await podsecurity.of_namespace(self._context.client, instance.namespace, wanting)

    async def _memory(self, instance: SympoziumInstance) -> list[str]:
        """Begin the notes with their seeds; what is there is left as it is. Returns what is in the way, in words."""
        settings, key = instance.spec.memory, (instance.namespace, f"memory/{instance.name}")
        now = asyncio.get_running_loop().time()
        if settings is None or not settings.enabled or not settings.seeds or self._believed(key, now):
            return []
        name = memory.config_map_name(instance.name)
        found = await self._context.client.find(CONFIG_MAPS, name, instance.namespace)
        if found is None:
            made = memory.manifest(instance.name, instance.namespace, memory.seeded(settings))
            with contextlib.suppress(AlreadyExistsError):
                await self._context.client.create(CONFIG_MAPS, made)
        elif not memory.is_memory(found, instance.name):
            return [notes.foreign(name)]
        self._seen[key] = now
        return []

    def _believed(self, key: tuple[str, str], now: float) -> bool:
        return now - self._seen.get(key, float("-inf")) < _BELIEVE

    async def _missing_secrets(self, instance: SympoziumInstance) -> list[str]:
        missing = []
        now = asyncio.get_running_loop().time()
        for name in dict.fromkeys(reference.secret for reference in instance.spec.auth_refs):
            key = (instance.namespace, name)
            # Every step of every run brings us here: a Secret that was there a moment ago is not asked for again.
            if self._believed(key, now):
                continue
            if await self._context.client.find(SECRETS, name, instance.namespace) is None:
                self._seen.pop(key, None)
                missing.append(f"Secret {name} is not in namespace {instance.namespace}")
            else:
                self._seen[key] = now
        return missing


def _replacing(obj: Object, endpoint: Object | None) -> Object | None:
    """For a merge patch, which would keep the fields that are gone."""
    old = (obj.get("status") or {}).get("webEndpoint") or {}
    return endpoint and {**{key: None for key in old if key not in endpoint}, **endpoint}


def _has_pod(run: Object) -> bool:
    status = run.get("status") or {}
    return bool(status.get("jobName")) and status.get("phase") not in TERMINAL


def _instance_of(run: Object) -> Iterable[Request]:
    return [Request(run["metadata"]["namespace"], run["spec"]["instanceRef"])]


def _everyone(informer: Informer) -> Iterable[Request]:
    return [Request(o["metadata"]["namespace"], o["metadata"]["name"]) for o in informer.list()]
