"""The order of admission, as kube-apiserver has it.

Mutating: NamespaceLifecycle, ServiceAccount, DefaultTolerationSeconds, Priority, RuntimeClass,
DefaultStorageClass, addresses of Services, then mutating policies and webhooks, and the plugins once more on what those changed. Validating: escalation checks,
NodeRestriction, then validating policies and webhooks: they see the object that is stored.
"""

from collections import Counter

from sympozium.localkube.access.access import Access
from sympozium.localkube.access.objects import Objects
from sympozium.localkube.admission import (
    escalation,
    namespaces,
    noderestriction,
    pods,
    priorityclasses,
    runtimeclasses,
    storage,
)
from sympozium.localkube.admission.limitranges import LimitRanges
from sympozium.localkube.admission.podsecurity.plugin import PodSecurity
from sympozium.localkube.admission.policies.mutating import MutatingPolicies, NodeOf
from sympozium.localkube.admission.policies.validating import ValidatingPolicies
from sympozium.localkube.admission.quota.plugin import QuotaPlugin
from sympozium.localkube.admission.serviceaccounts import ServiceAccountAdmission
from sympozium.localkube.admission.services import ServiceAdmission
from sympozium.localkube.admission.webhooks.dispatch import JsonPatch, Webhooks
from sympozium.localkube.types import AdmissionRequest, AdmissionResult


class AdmissionChain:
    """Implements `types.Admission`. `close()` ends the webhook connections."""

    def __init__(
        self, objects: Objects, access: Access, *, json_patch: JsonPatch, node_of: NodeOf, quotas: QuotaPlugin
    ) -> None:
        """`json_patch(obj, operations)` gives the patched object and raises ApiError; `node_of(group, version,
        kind)` the schema of a kind; `quotas` the plugin of ResourceQuotas.
        """
        self._objects = objects
        self._access = access
        self._accounts = ServiceAccountAdmission(objects)
        self._services = ServiceAdmission(objects)
        authorizer = access.authorizer
        self._mutating = MutatingPolicies(objects, authorizer, json_patch=json_patch, node_of=node_of)
        self._limits = LimitRanges(objects)
        self._quota = quotas
        self._security = PodSecurity(objects)
        self._validating = ValidatingPolicies(objects, authorizer)
        self._webhooks = Webhooks(objects, authorizer, json_patch=json_patch)

    @property
    def counts(self) -> Counter[tuple[str, str]]:
        """(webhook name, calls / denials / failures) -> how often."""
        return self._webhooks.counts

    async def mutate(self, request: AdmissionRequest) -> AdmissionResult:
        """Returns the object as plugins and webhooks left it; `request.obj` may be changed in place."""
        namespaces.check(request, self._objects)
        await self._plugins(request)
        request = await self._mutating.mutate(request)
        return await self._webhooks.mutate(request, self._again)

    async def _again(self, request: AdmissionRequest) -> AdmissionRequest:
        """After a webhook has changed the object: the plugins, and the policies that want to see it again."""
        await self._plugins(request)
        return await self._mutating.mutate(request, again=True)

    async def _plugins(self, request: AdmissionRequest) -> None:
        """The built-in mutating plugins: run again after a webhook has changed the object."""
        await self._accounts.mutate(request)
        self._limits.mutate(request)
        pods.mutate(request, self._objects)
        runtimeclasses.mutate(request, self._objects)
        storage.mutate(request, self._objects)
        self._services.mutate(request)

    async def validate(self, request: AdmissionRequest) -> list[str]:
        """Returns warnings. Raises ApiError to refuse."""
        escalation.check(request, self._access.rbac, self._access.authorizer)
        noderestriction.check(request, self._objects)
        priorityclasses.check(request, self._objects)
        storage.validate(request, self._objects)
        self._services.validate(request)
        self._limits.validate(request)
        warnings = self._security.validate(request)
        warnings += await self._validating.validate(request)
        warnings += await self._webhooks.validate(request)
        await self._quota.validate(request)
        return warnings

    async def close(self) -> None:
        await self._webhooks.close()
