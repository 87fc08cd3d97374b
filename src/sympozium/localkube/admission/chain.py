"""The order of admission, as kube-apiserver has it.

Mutating: NamespaceLifecycle, ServiceAccount, DefaultTolerationSeconds, Priority, then mutating
webhooks. Validating: escalation checks, NodeRestriction, then validating webhooks. A built-in plugin
that refuses does it before a webhook is asked, so that a webhook never hears of what cannot be.
"""

from sympozium.localkube.access.access import Access
from sympozium.localkube.access.objects import Objects
from sympozium.localkube.admission import (
    escalation,
    namespaces,
    noderestriction,
    pods,
    serviceaccounts,
)
from sympozium.localkube.admission.webhooks.dispatch import Webhooks
from sympozium.localkube.types import AdmissionRequest, AdmissionResult


class AdmissionChain:
    """Implements `types.Admission`. `close()` ends the webhook connections."""

    def __init__(self, objects: Objects, access: Access) -> None:
        self._objects = objects
        self._access = access
        self._webhooks = Webhooks(objects, access.authorizer)

    async def mutate(self, request: AdmissionRequest) -> AdmissionResult:
        """Returns the object as plugins and webhooks left it; `request.obj` may be changed in place."""
        namespaces.check(request, self._objects)
        serviceaccounts.mutate(request, self._objects)
        pods.mutate(request, self._objects)
        return await self._webhooks.mutate(request)

    async def validate(self, request: AdmissionRequest) -> list[str]:
        escalation.check(request, self._access.rbac, self._access.authorizer)
        noderestriction.check(request, self._objects)
        return await self._webhooks.validate(request)

    async def close(self) -> None:
        await self._webhooks.close()
