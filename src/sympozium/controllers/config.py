"""Status of a SympoziumConfig: whether it is the one that counts, and what it refers to is there."""

from sympozium.api import SympoziumConfig
from sympozium.api.config import NAME
from sympozium.controllers.context import Context
from sympozium.kube import Controller, Informer, Request, Result
from sympozium.kube.conditions import condition


class ConfigController:
    """Level-triggered on configurations and policies."""

    def __init__(self, context: Context) -> None:
        self._context = context
        caches = context.caches
        self.controller = Controller("config", self.reconcile, workers=1)
        self.controller.watches(caches.configs)
        self.controller.watches(caches.policies, lambda _: _everyone(caches.configs))

    async def reconcile(self, request: Request) -> Result:
        caches = self._context.caches
        obj = caches.configs.get(request.namespace, request.name)
        if obj is None or obj["metadata"].get("deletionTimestamp"):
            return Result()
        system = self._context.system_namespace
        if (request.namespace, request.name) != (system, NAME):
            words = f"only {NAME} of namespace {system} counts: this one has no effect"
            ready = condition("Ready", False, "NotUsed", words)
        else:
            spec = SympoziumConfig.model_validate(obj).spec
            named = (spec.default_policy_ref, spec.floor_policy_ref)
            missing = [name for name in named if name and caches.policies.get(system, name) is None]
            words = ", ".join(f"SympoziumPolicy {name} is not in namespace {system}" for name in missing)
            ready = (
                condition("Ready", False, "ReferenceMissing", words)
                if missing
                else condition("Ready", True, "Resolved", "its policies are there")
            )
        await self._context.write_status(caches.configs, obj, {}, [ready])
        return Result()


def _everyone(informer: Informer) -> list[Request]:
    return [Request(o["metadata"]["namespace"], o["metadata"]["name"]) for o in informer.list()]
