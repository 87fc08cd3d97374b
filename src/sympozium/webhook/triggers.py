"""Admission of triggers: expressions that compile, and an author who may see what the trigger sees.

A trigger carries what it hears into a task, which whoever reads the run reads too. So its author must be able to list
Events wherever it listens, and to read the Secret that senders are known by.
"""

import asyncio
from dataclasses import dataclass
from typing import Final

from sympozium.api.trigger import SympoziumTrigger
from sympozium.policy import Violation
from sympozium.policy.triggers import problems
from sympozium.webhook import authority, shapes
from sympozium.webhook.access import Access
from sympozium.webhook.authority import SecretUse
from sympozium.webhook.findings import Findings
from sympozium.webhook.references import References
from sympozium.webhook.review import Request

_LONGEST: Final = 63
"""Characters of a label: the runs of a trigger carry its name."""


@dataclass(frozen=True, slots=True)
class Triggers:
    references: References
    access: Access

    async def check(self, request: Request, found: Findings) -> None:
        spec = SympoziumTrigger.model_validate(request.object).spec
        if len(request.name) > _LONGEST:
            found.wrong.append(
                Violation("metadata.name", f"has {len(request.name)} characters, {_LONGEST} fit on runs")
            )
        found.wrong += [Violation(field, text) for field, text in problems(spec)]
        found.wrong += shapes.cooldown(spec.cooldown, "spec.cooldown")
        if await self.references.instance(request.namespace, spec.instance_ref) is None:
            found.warnings.append(
                f"spec.instanceRef: SympoziumInstance {spec.instance_ref} is not there yet: nothing runs until it is"
            )
        if spec.source.webhook is not None:
            uses = [SecretUse("spec.source.webhook.secretRef", spec.source.webhook.secret_ref)]
            found.refused += await authority.secrets(self.access, request.user, request.namespace, uses)
        if spec.source.kubernetes_event is not None:
            found.refused += await self._events(request, spec.source.kubernetes_event.namespaces)

    async def _events(self, request: Request, named: list[str]) -> list[Violation]:
        namespaces = list(dict.fromkeys(named or [request.namespace]))
        allowed = await asyncio.gather(
            *(self.access.may(request.user, "list", "events", namespace=name) for name in namespaces)
        )
        field = "spec.source.kubernetesEvent.namespaces"
        return [
            Violation(field, f"{request.user.name} may not list events in namespace {name}, so no trigger of theirs may hear them")
            for name, yes in zip(namespaces, allowed, strict=True)
            if not yes
        ]  # fmt: skip
