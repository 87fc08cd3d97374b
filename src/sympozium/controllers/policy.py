"""Status of a SympoziumPolicy: how many instances it governs."""

from collections.abc import Iterable

from sympozium.api import SympoziumPolicy
from sympozium.api.base import Object
from sympozium.controllers.context import Context
from sympozium.kube import Controller, Request, Result
from sympozium.kube.conditions import condition
from sympozium.policy.check import problems


class PolicyController:
    """Level-triggered on policies, instances and the installation's default."""

    def __init__(self, context: Context) -> None:
        self._context = context
        caches = context.caches
        self.controller = Controller("policy", self.reconcile, workers=1)
        self.controller.watches(caches.policies)
        self.controller.watches(caches.instances, self._policy_of)
        self.controller.watches(caches.configs, lambda _: self._everyone())

    async def reconcile(self, request: Request) -> Result:
        caches = self._context.caches
        obj = caches.policies.get(request.namespace, request.name)
        if obj is None or obj["metadata"].get("deletionTimestamp"):
            return Result()
        bound = sum(1 for instance in caches.instances.list() if request in self._policy_of(instance))
        ready = _readiness(obj)
        notes, drop = self._context.unimplemented(obj)
        fields = {"boundInstances": bound}
        await self._context.write_status(caches.policies, obj, fields, [ready, *notes], drop=drop)
        return Result()

    def _policy_of(self, instance: Object) -> Iterable[Request]:
        """The policy that governs an instance; empty when there is none."""
        system = self._context.system_namespace
        name = instance["spec"].get("policyRef")
        namespace = instance["metadata"]["namespace"] if name else system
        name = name or self._context.config().default_policy_ref
        for place in (namespace, system):
            if self._context.caches.policies.get(place, name):
                return [Request(place, name)]
        return []

    def _everyone(self) -> Iterable[Request]:
        return [
            Request(o["metadata"]["namespace"], o["metadata"]["name"])
            for o in self._context.caches.policies.list()
        ]


def _readiness(obj: Object) -> Object:
    """Admission refuses what cannot be enforced; an object from before there was one may hold it all the same."""
    wrong = problems(SympoziumPolicy.model_validate(obj).spec)
    if wrong:
        words = "; ".join(f"{found.field}: {found.message}" for found in wrong)
        return condition("Ready", False, "InvalidPolicy", words)
    return condition("Ready", True, "Valid", "the policy is enforced for runs of the instances bound to it")
