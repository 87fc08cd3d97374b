"""Admission of everything but runs and approvals: mistakes are found where they are made.

A reference to an object that may arrive later (GitOps applies in any order) is a warning here and a condition on
its holder; a value that can never be right is refused with its path. Fields that this version does not act on
are warnings too.
"""

from collections.abc import Awaitable, Callable

from sympozium.api import cron, unimplemented
from sympozium.api.config import NAME as CONFIG_NAME, SympoziumConfig
from sympozium.api.meta import SYSTEM_NAMESPACE
from sympozium.api.policy import SympoziumPolicy
from sympozium.api.schedule import SympoziumSchedule
from sympozium.policy import Violation
from sympozium.policy.check import problems
from sympozium.policy.resolve import RESERVED_POLICIES
from sympozium.webhook import agents, lineage, shapes
from sympozium.webhook.access import Access
from sympozium.webhook.findings import Findings
from sympozium.webhook.references import References
from sympozium.webhook.review import Answer, Request, allow, forbidden, unknown
from sympozium.webhook.skillpacks import SkillPacks
from sympozium.webhook.triggers import Triggers

_Check = Callable[[Request, Findings], Awaitable[None]]


class Specs:
    """Checks of the specs, by kind."""

    def __init__(self, references: References, access: Access) -> None:
        self._references = references
        self._skill_packs = SkillPacks(references, access)
        agent_checks = agents.Agents(references, access)
        self._checks: dict[str, _Check] = {
            "SympoziumInstance": agent_checks.instance,
            "PersonaPack": agent_checks.persona_pack,
            "SkillPack": self._skill_packs.check,
            "SympoziumPolicy": self._policy,
            "SympoziumSchedule": self._schedule,
            "SympoziumTrigger": Triggers(references, access).check,
            "SympoziumConfig": self._config,
        }

    async def check(self, request: Request) -> Answer:
        """An object that is created or changed. One whose spec stays as it was is not checked again.

        Otherwise a controller could not finish an object whose author has lost a right meanwhile.
        """
        check = self._checks.get(request.kind)
        if check is None:
            return unknown(request)
        if request.kind == "SympoziumInstance" and (forged := agents.ownership(request)):
            return forbidden(forged)
        if request.operation == "UPDATE" and request.old.get("spec") == request.object.get("spec"):
            # Labels, finalizers and owners are free, but for what hands on authority.
            return await self._skill_packs.metadata(request) if request.kind == "SkillPack" else allow()
        found = Findings(warnings=unimplemented.warnings({**request.object, "kind": request.kind}))
        await check(request, found)
        return found.answer()

    async def _policy(self, request: Request, found: Findings) -> None:
        policy = SympoziumPolicy.model_validate(request.object)
        if request.name in RESERVED_POLICIES and request.namespace != SYSTEM_NAMESPACE:
            found.wrong.append(
                Violation(
                    "metadata.name",
                    f"{request.name} is reserved for the built-in policy: choose another name",
                )
            )
        found.wrong += problems(policy.spec)

    async def _schedule(self, request: Request, found: Findings) -> None:
        schedule = SympoziumSchedule.model_validate(request.object)
        found.refused += lineage.schedule(request)
        if text := cron.problem(schedule.spec.schedule):
            found.wrong.append(Violation("spec.schedule", text))
        if schedule.spec.time_zone and (text := cron.zone_problem(schedule.spec.time_zone)):
            found.wrong.append(Violation("spec.timeZone", text))
        if await self._references.instance(request.namespace, schedule.spec.instance_ref) is None:
            found.warnings.append(
                f"spec.instanceRef: SympoziumInstance {schedule.spec.instance_ref} is not there yet: nothing runs until it is"
            )

    async def _config(self, request: Request, found: Findings) -> None:
        spec = SympoziumConfig.model_validate(request.object).spec
        if (request.namespace, request.name) != (SYSTEM_NAMESPACE, CONFIG_NAME):
            found.wrong.append(
                Violation(
                    "metadata.name",
                    f"there is one SympoziumConfig: {CONFIG_NAME} in namespace {SYSTEM_NAMESPACE}",
                )
            )
        found.wrong += shapes.timeout(spec.run_timeout, "spec.runTimeout")
        found.wrong += shapes.observability(spec.observability, "spec.observability")
        for field, name in (("defaultPolicyRef", spec.default_policy_ref), ("floorPolicyRef", spec.floor_policy_ref)):  # fmt: skip
            if name and await self._references.get(SympoziumPolicy, [(SYSTEM_NAMESPACE, name)]) is None:
                words = f"SympoziumPolicy {name} is not in {SYSTEM_NAMESPACE}"
                found.warnings.append(f"spec.{field}: {words}: runs that need it are refused until it is")
