"""Admission of everything but runs and approvals: mistakes are found where they are made.

A reference to an object that may arrive later (GitOps applies in any order) is a warning here and a condition on
its holder; a value that can never be right is refused with its path. Fields that this version does not act on
are warnings too.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from sympozium import durations
from sympozium.api import cron, unimplemented
from sympozium.api.config import NAME as CONFIG_NAME, SympoziumConfig
from sympozium.api.instance import SympoziumInstance
from sympozium.api.meta import SYSTEM_NAMESPACE
from sympozium.api.personapack import PersonaPack
from sympozium.api.policy import SympoziumPolicy
from sympozium.api.schedule import SympoziumSchedule
from sympozium.api.shared import RBACRule, Resource, SecretRef
from sympozium.api.skillpack import SkillPack
from sympozium.policy import Violation, refusal, sandbox, unknown_gates
from sympozium.policy.network import network_of
from sympozium.policy.resolve import RESERVED_POLICIES, MissingReferenceError
from sympozium.quantities import parse as amount
from sympozium.webhook import lineage
from sympozium.webhook.access import Access
from sympozium.webhook.references import References
from sympozium.webhook.review import Answer, Request, allow, forbidden, invalid

_NAMED_RIGHTS: Final = 5
"""Rights that a message lists before it counts the rest."""


class Specs:
    """Checks of the specs, by kind."""

    def __init__(self, references: References, access: Access) -> None:
        self._references = references
        self._access = access
        self._checks: dict[str, Callable[[Request, _Findings], Awaitable[None]]] = {
            "SympoziumInstance": self._instance,
            "SympoziumPolicy": self._policy,
            "SympoziumSchedule": self._schedule,
            "SkillPack": self._skill_pack,
            "PersonaPack": self._persona_pack,
            "SympoziumConfig": self._config,
        }

    async def check(self, request: Request) -> Answer:
        """An object that is created or changed. One whose spec stays as it was is not checked again.

        Otherwise a controller could not finish an object whose author has lost a right meanwhile.
        """
        if request.operation == "UPDATE" and request.old.get("spec") == request.object.get("spec"):
            return allow()
        check = self._checks.get(request.kind)
        if check is None:
            return invalid(
                [Violation("kind", f"this webhook knows no {request.kind}: is it older than the CRDs?")]
            )
        found = _Findings()
        await check(request, found)
        if found.wrong:
            return invalid(found.wrong)
        if found.refused:
            return forbidden(found.refused)
        return allow(
            warnings=[*unimplemented.warnings({"kind": request.kind, **request.object}), *found.warnings]
        )

    async def _instance(self, request: Request, found: "_Findings") -> None:
        instance = SympoziumInstance.model_validate(request.object)
        _place(instance, request)
        agent = instance.spec.agents.default
        for path, resources in (
            ("spec.agents.default.resources", agent.resources),
            ("spec.agents.default.sandbox.resources", agent.sandbox.resources if agent.sandbox else None),
        ):
            if resources is not None:
                found.wrong += sandbox.contradictions(resources, path=path)
        secrets = _auth_refs(instance.spec.auth_refs)
        if not secrets:
            # Whoever chooses the endpoint, or the environment that leads there, gets the key that is sent to it.
            chosen = {"baseURL": agent.base_url, "env": agent.env}
            secrets = self._installation_secrets(
                [f"spec.agents.default.{field}" for field, value in chosen.items() if value]
            )
        await self._secrets(request, secrets, found)
        await self._instance_references(instance, found)

    async def _instance_references(self, instance: SympoziumInstance, found: "_Findings") -> None:
        """What is not there yet, and what runs would be refused for."""
        try:
            await self._references.packs(instance.namespace, instance.spec.skills)
            policy = await self._references.policy(instance, self._references.config())
        except MissingReferenceError as exc:
            found.warnings.append(f"{exc}: runs are refused until it is there")
            return
        for index, tool in enumerate(instance.spec.tool_policy.allow if instance.spec.tool_policy else []):
            verdict = refusal(tool, policy) if not set(tool) & set("*?[") else None
            if verdict is not None:
                found.warnings.append(
                    f"spec.toolPolicy.allow[{index}]: runs will be refused: {verdict.reason} ({verdict.rule})"
                )

    async def _policy(self, request: Request, found: "_Findings") -> None:
        policy = SympoziumPolicy.model_validate(request.object)
        if request.name in RESERVED_POLICIES and request.namespace != SYSTEM_NAMESPACE:
            found.wrong.append(
                Violation(
                    "metadata.name",
                    f"{request.name} is reserved for the built-in policy: choose another name",
                )
            )
        found.wrong += [
            Violation(f"spec.featureGates[{gate}]", "unknown feature gate")
            for gate in unknown_gates(policy.spec)
        ]
        box = policy.spec.sandbox_policy
        for field, quantity in (("maxCPU", box and box.max_cpu), ("maxMemory", box and box.max_memory)):
            if quantity and amount(quantity) <= 0:
                found.wrong.append(
                    Violation(
                        f"spec.sandboxPolicy.{field}", f"{quantity} leaves nothing: it must be more than 0"
                    )
                )
        if policy.spec.approvals and durations.parse(policy.spec.approvals.timeout) <= 0:
            found.wrong.append(Violation("spec.approvals.timeout", "must be more than 0"))
        rules = policy.spec.network_policy.allowed_egress if policy.spec.network_policy else []
        for index, rule in enumerate(rules):
            if "/" in rule.host and network_of(rule.host) is None:
                found.wrong.append(
                    Violation(
                        f"spec.networkPolicy.allowedEgress[{index}].host",
                        f"{rule.host!r} is no CIDR and no name",
                    )
                )

    async def _schedule(self, request: Request, found: "_Findings") -> None:
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

    async def _skill_pack(self, request: Request, found: "_Findings") -> None:
        sidecar = SkillPack.model_validate(request.object).spec.sidecar
        if sidecar is None:
            return
        if sidecar.secret_ref:
            await self._secrets(request, {"spec.sidecar.secretRef": sidecar.secret_ref}, found)
        if sidecar.resources:
            for field, quantity in (("cpu", sidecar.resources.cpu), ("memory", sidecar.resources.memory)):
                if quantity and amount(quantity) <= 0:
                    found.wrong.append(
                        Violation(f"spec.sidecar.resources.{field}", f"{quantity} must be more than 0")
                    )
        await self._rights(request, "spec.sidecar.rbac", sidecar.rbac, request.namespace, found)
        await self._rights(request, "spec.sidecar.clusterRBAC", sidecar.cluster_rbac, "", found)

    async def _rights(
        self, request: Request, path: str, rules: list[RBACRule], namespace: str, found: "_Findings"
    ) -> None:
        lacking = await self._access.lacking(request.user, rules, namespace)
        if lacking:
            named = ", ".join(str(atom) for atom in lacking[:_NAMED_RIGHTS])
            more = f" and {len(lacking) - _NAMED_RIGHTS} more" if len(lacking) > _NAMED_RIGHTS else ""
            found.refused.append(
                Violation(
                    path, f"{request.user.name} may not do what the skill would be granted: {named}{more}"
                )
            )

    async def _persona_pack(self, request: Request, found: "_Findings") -> None:
        pack = PersonaPack.model_validate(request.object)
        for index, persona in enumerate(pack.spec.personas):
            schedule = persona.schedule
            if schedule is None:
                continue
            # cron wins over interval, so an interval beside it is not looked at.
            field = "cron" if schedule.cron else "interval"
            expression = schedule.cron or f"@every {schedule.interval}"
            if text := cron.problem(expression):
                found.wrong.append(Violation(f"spec.personas[{index}].schedule.{field}", text))
        names = {persona.name for persona in pack.spec.personas}
        for index, name in enumerate(pack.spec.exclude_personas):
            if name not in names:
                found.warnings.append(f"spec.excludePersonas[{index}]: the pack has no persona {name}")
        used = {skill for persona in pack.spec.personas for skill in persona.skills}
        found.warnings += [
            f"spec.skillParams[{name}]: no persona has this skill"
            for name in sorted(pack.spec.skill_params.keys() - used)
        ]
        secrets = _auth_refs(pack.spec.auth_refs)
        if not secrets:
            chosen = {f"spec.personas[{i}].baseURL": p.base_url for i, p in enumerate(pack.spec.personas)}
            chosen["spec.baseURL"] = pack.spec.base_url
            secrets = self._installation_secrets([field for field, value in chosen.items() if value])
        await self._secrets(request, secrets, found)

    async def _config(self, request: Request, found: "_Findings") -> None:
        config = SympoziumConfig.model_validate(request.object)
        if (request.namespace, request.name) != (SYSTEM_NAMESPACE, CONFIG_NAME):
            found.wrong.append(
                Violation(
                    "metadata.name",
                    f"there is one SympoziumConfig: {CONFIG_NAME} in namespace {SYSTEM_NAMESPACE}",
                )
            )
        if durations.parse(config.spec.run_timeout) <= 0:
            found.wrong.append(Violation("spec.runTimeout", "must be more than 0"))

    def _installation_secrets(self, fields: list[str]) -> dict[str, str]:
        """The Secrets that the installation gives to agents without authRefs, by the fields that say where they go."""
        return {
            f"{field}: SympoziumConfig {CONFIG_NAME}: {path}": secret
            for field in fields
            for path, secret in _auth_refs(self._references.config().auth_refs).items()
        }

    async def _secrets(self, request: Request, named: dict[str, str], found: "_Findings") -> None:
        """Nobody gets to a Secret through an agent that they could not read themselves."""
        unreadable = set(
            await self._access.unreadable_secrets(request.user, request.namespace, named.values())
        )
        found.refused += [
            Violation(
                path, f"{request.user.name} may not read the Secret {secret}, so no agent may be given it"
            )
            for path, secret in named.items()
            if secret in unreadable
        ]


class _Findings:
    """What a check found: mistakes, what is not allowed, what people should know."""

    def __init__(self) -> None:
        self.wrong: list[Violation] = []
        self.refused: list[Violation] = []
        self.warnings: list[str] = []


def _auth_refs(references: Sequence[SecretRef]) -> dict[str, str]:
    return {f"spec.authRefs[{index}].secret": reference.secret for index, reference in enumerate(references)}


def _place(resource: Resource, request: Request) -> None:
    """The namespace of an object that is being created may be known from its URL alone."""
    resource.metadata.namespace = resource.metadata.namespace or request.namespace
