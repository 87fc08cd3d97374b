"""Admission of agents: SympoziumInstances, and the PersonaPacks that become some.

A pack that is enabled is judged by the very instances that the controller would make of it. An agent that could have
no run because of a skill pack is refused; what keeps single runs away (a tool, an image of its sandbox) is a warning,
since a run may choose otherwise.
"""

import re
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from sympozium.api import cron, memory
from sympozium.api.base import Object
from sympozium.api.config import NAME as CONFIG_NAME, ConfigSpec
from sympozium.api.endpoint import HOSTNAMES, hostname_problem, is_allowed
from sympozium.api.instance import SympoziumInstance, WebEndpoint
from sympozium.api.personapack import PersonaPack, PersonaWebEndpoint
from sympozium.api.run import AgentRun
from sympozium.api.skillpack import SkillPack
from sympozium.policy import Effective, Violation, admit, fill, sandbox
from sympozium.policy.resolve import MissingReferenceError
from sympozium.policy.stamp import stamp
from sympozium.webhook import authority, shapes
from sympozium.webhook.access import Access
from sympozium.webhook.authority import SecretUse
from sympozium.webhook.findings import Findings
from sympozium.webhook.identity import is_controller
from sympozium.webhook.references import References
from sympozium.webhook.review import Request

_LATER: Final = "runs are refused until it is there"
_SKILL: Final = re.compile(r"spec\.skills\[(\d+)\]\.skillPackRef")
_PATHS: Final = (
    ("spec.sandbox", "spec.agents.default.sandbox"),
    ("spec.model.model", "spec.agents.default.model"),
    ("spec.model.provider", "spec.agents.default.provider"),
)
"""Fields of a run, and where an instance has them."""
_PACK: Final = "PersonaPack"


@dataclass(frozen=True, slots=True)
class Agents:
    """Checks of agents, with what they look up."""

    references: References
    access: Access

    async def instance(self, request: Request, found: Findings) -> None:
        instance = SympoziumInstance.model_validate(request.object)
        instance.metadata.namespace = request.namespace
        instance.metadata.name = request.name or instance.name
        found.wrong += _shape(instance)
        kept = instance.spec.memory
        if kept and kept.max_size_kb > memory.LARGEST:
            words = f"{kept.max_size_kb}: notes have {memory.LARGEST} KiB at most, since a ConfigMap holds no more than 1 MiB"
            found.warnings.append(f"spec.memory.maxSizeKB: {words}")
        packs = await self._judge(instance, found)
        if is_controller(request.user) and pack_of(request.object):
            # Whoever wrote the pack was asked when they wrote it, for all that the controller makes of it.
            return
        uses = _secrets(instance, self.references.config())
        found.refused += await authority.secrets(self.access, request.user, request.namespace, uses)
        found.refused += await authority.packs(self.access, request.user, request.namespace, packs)

    async def persona_pack(self, request: Request, found: Findings) -> None:
        pack = PersonaPack.model_validate(request.object)
        pack.metadata.namespace = request.namespace
        pack.metadata.name = request.name or pack.name
        config = self.references.config()
        _personas(pack, found)
        packs: list[tuple[str, SkillPack]] = []
        stamped = stamp(_with_owner_fields(pack), config)
        found.warnings += [f"{_at(pack, name)}: {text}" for name, text in stamped.problems.items()]
        for name, manifest in stamped.instances.items():
            instance, own = SympoziumInstance.model_validate(manifest), Findings()
            path = partial(_of_persona, _at(pack, name))
            packs += [(path(field), used) for field, used in await self._judge(instance, own)]
            if await self._belongs_to_another(instance, pack):
                own.warnings.append(
                    f": SympoziumInstance {instance.name} is there and is not this pack's: rename the persona"
                )
            found.add(own, path)
        uses = _pack_secrets(pack, config)
        found.refused += await authority.secrets(self.access, request.user, request.namespace, uses)
        found.refused += await authority.packs(self.access, request.user, request.namespace, packs)

    async def _judge(self, instance: SympoziumInstance, found: Findings) -> list[tuple[str, SkillPack]]:
        """What its policy says of an agent; returns the packs that it uses, each with its field.

        What is not there yet is a warning here and a condition of the instance.
        """
        used: list[tuple[str, SkillPack]] = []
        for index, skill in enumerate(instance.spec.skills):
            field = f"spec.skills[{index}].skillPackRef"
            try:
                packs = await self.references.packs(instance.namespace, [skill])
            except MissingReferenceError as exc:
                found.warnings.append(f"{field}: {exc.message}: {_LATER}")
            else:
                used += [(field, pack) for pack in packs.values()]
        config = self.references.config()
        found.warnings += _unserved(instance, config)
        try:
            policy = await self.references.policy(instance, config)
        except MissingReferenceError as exc:
            found.warnings.append(f"{exc}: {_LATER}")
            return used
        mistakes = {violation.field for violation in found.wrong}
        for violation in verdicts(instance, config, policy, {pack.name: pack for _, pack in used}):
            if violation.audit or is_of_a_skill(violation):
                found.judged([violation])
            elif violation.field not in mistakes:
                found.warnings.append(f"{violation.field}: runs will be refused: {violation.message}")
        return used

    async def _belongs_to_another(self, instance: SympoziumInstance, pack: PersonaPack) -> bool:
        there = await self.references.instance(instance.namespace, instance.name)
        return there is not None and all(
            (owner.kind, owner.name) != (_PACK, pack.name) for owner in there.metadata.owner_references
        )


def verdicts(
    instance: SympoziumInstance, config: ConfigSpec, policy: Effective, packs: dict[str, SkillPack]
) -> list[Violation]:
    """What `admit` has against a run that leaves everything to its instance, by the fields of the instance."""
    spec = {"instanceRef": instance.name or "any", "task": "any"}
    run = AgentRun.model_validate(
        {"metadata": {"name": "any", "namespace": instance.namespace}, "spec": spec}
    )
    run = run.replaced(spec=fill(run, instance, config, policy))
    return [replace(v, field=_field(v.field)) for v in admit(run, instance, policy, packs)]


def is_of_a_skill(violation: Violation) -> bool:
    """Whether it is a skill pack that breaks the rule."""
    return bool(_SKILL.fullmatch(violation.field))


def pack_of(obj: Object) -> str | None:
    """The PersonaPack that an object says it was made by."""
    for owner in (obj.get("metadata") or {}).get("ownerReferences") or ():
        if owner.get("kind") == _PACK:
            return str(owner.get("name"))
    return None


def ownership(request: Request) -> list[Violation]:
    """Nobody but the controllers makes an agent look like a pack's, or changes one that is.

    The controllers may write what they themselves would not be allowed to use, because the pack's author was. Were
    an agent partly a person's (an endpoint) and partly a pack's (a Secret), nobody would have been asked for the whole.
    """
    if is_controller(request.user):
        return []
    before = (request.old.get("metadata") or {}).get("ownerReferences") or []
    after = (request.object.get("metadata") or {}).get("ownerReferences") or []
    found = [
        Violation(f"metadata.ownerReferences[{index}]", f"only the controllers make agents of a {_PACK}: leave it out")
        for index, owner in enumerate(after)
        if owner.get("kind") == _PACK and owner not in before
    ]  # fmt: skip
    pack = pack_of(request.old)
    if pack and request.old.get("spec") != request.object.get("spec"):
        instead = (
            "change the pack, or leave the persona out with excludePersonas and make an agent of your own"
        )
        found.append(Violation("spec", f"is what {_PACK} {pack} says", instead=instead))
    return found


def _shape(instance: SympoziumInstance) -> list[Violation]:
    agent, path = instance.spec.agents.default, "spec.agents.default"
    box = agent.sandbox.resources if agent.sandbox else None
    found = []
    for field, resources in (("resources", agent.resources), ("sandbox.resources", box)):
        if resources is not None:
            found += sandbox.contradictions(resources, path=f"{path}.{field}")
    return [
        *found,
        *shapes.environment(agent.env, f"{path}.env"),
        *shapes.timeout(agent.run_timeout, f"{path}.runTimeout"),
        *shapes.skills(instance.spec.skills, "spec.skills"),
        *_hostname(instance.spec.web_endpoint, "spec.webEndpoint"),
        *shapes.observability(instance.spec.observability, "spec.observability"),
    ]


def _hostname(endpoint: WebEndpoint | PersonaWebEndpoint | None, path: str) -> list[Violation]:
    problem = hostname_problem(endpoint.hostname) if endpoint and endpoint.hostname else ""
    return [Violation(f"{path}.hostname", problem)] if problem else []


def _unserved(instance: SympoziumInstance, config: ConfigSpec) -> list[str]:
    """A host name that the installation does not let agents have."""
    endpoint = instance.spec.web_endpoint
    name = endpoint.hostname if endpoint else None
    if not name or is_allowed(name, config.endpoints.hostnames if config.endpoints else HOSTNAMES):
        return []
    allowed = f"SympoziumConfig {CONFIG_NAME}, spec.endpoints.hostnames"
    words = f"{name} is none that agents may have ({allowed}): the endpoint is served under its path alone"
    return [f"spec.webEndpoint.hostname: {words}"]


def _personas(pack: PersonaPack, found: Findings) -> None:
    """What a pack says of its personas, whether or not it is enabled."""
    names: dict[str, int] = {}
    for index, persona in enumerate(pack.spec.personas):
        path = f"spec.personas[{index}]"
        if (before := names.setdefault(persona.name, index)) != index:
            found.wrong.append(
                Violation(f"{path}.name", f"{persona.name} is spec.personas[{before}] already")
            )
        found.wrong += _hostname(persona.web_endpoint, f"{path}.webEndpoint")
        schedule = persona.schedule
        if schedule is not None:
            # cron wins over interval, so an interval beside it is not looked at.
            field = "cron" if schedule.cron else "interval"
            if text := cron.problem(schedule.cron or f"@every {schedule.interval}"):
                found.wrong.append(Violation(f"{path}.schedule.{field}", text))
    for index, name in enumerate(pack.spec.exclude_personas):
        if name not in names:
            found.warnings.append(f"spec.excludePersonas[{index}]: the pack has no persona {name}")
    used = {skill for persona in pack.spec.personas for skill in persona.skills}
    for name, values in sorted(pack.spec.skill_params.items()):
        found.wrong += shapes.parameters(values, f"spec.skillParams[{name}]")
        if name not in used:
            found.warnings.append(f"spec.skillParams[{name}]: no persona has this skill")


def _secrets(instance: SympoziumInstance, config: ConfigSpec) -> list[SecretUse]:
    """Every Secret that an agent is given, by the field that gives it."""
    spec, agent = instance.spec, instance.spec.agents.default
    uses = [SecretUse(f"spec.authRefs[{i}].secret", ref.secret) for i, ref in enumerate(spec.auth_refs)]
    uses += [
        SecretUse(f"spec.channels[{i}].configRef.secret", channel.config_ref.secret)
        for i, channel in enumerate(spec.channels)
        if channel.config_ref
    ]
    if spec.observability and spec.observability.headers_secret_ref:
        uses.append(SecretUse("spec.observability.headersSecretRef", spec.observability.headers_secret_ref))
    if spec.web_endpoint and spec.web_endpoint.auth_secret_ref:
        uses.append(SecretUse("spec.webEndpoint.authSecretRef", spec.web_endpoint.auth_secret_ref))
    if not spec.auth_refs:
        chosen = {"baseURL": agent.base_url, "env": agent.env}
        uses += _installation(config, [f"spec.agents.default.{f}" for f, value in chosen.items() if value])
    return uses


def _pack_secrets(pack: PersonaPack, config: ConfigSpec) -> list[SecretUse]:
    spec = pack.spec
    uses = [SecretUse(f"spec.authRefs[{i}].secret", ref.secret) for i, ref in enumerate(spec.auth_refs)]
    uses += [
        SecretUse(f"spec.channelConfigs[{channel}]", secret)
        for channel, secret in spec.channel_configs.items()
    ]
    if not spec.auth_refs:
        chosen = {f"spec.personas[{i}].baseURL": p.base_url for i, p in enumerate(spec.personas)}
        chosen["spec.baseURL"] = spec.base_url
        uses += _installation(config, [field for field, value in chosen.items() if value])
    return uses


def _installation(config: ConfigSpec, fields: list[str]) -> list[SecretUse]:
    """The Secrets that the installation gives to agents without authRefs, by the fields that say where they go.

    Whoever chooses the endpoint, or the environment that leads there, gets the key that is sent to it.
    """
    return [
        SecretUse(f"{field}: SympoziumConfig {CONFIG_NAME}: spec.authRefs[{index}].secret", reference.secret)
        for field in fields
        for index, reference in enumerate(config.auth_refs)
    ]


def _with_owner_fields(pack: PersonaPack) -> PersonaPack:
    """A pack that is being created has no uid yet, and its instances refer to it by one."""
    return pack.replaced(metadata=pack.metadata.replaced(uid=pack.metadata.uid or "-"))


def _at(pack: PersonaPack, persona: str) -> str:
    index = next(i for i, p in enumerate(pack.spec.personas) if p.name == persona)
    return f"spec.personas[{index}]"


def _of_persona(at: str, field: str) -> str:
    """The field of a persona that makes a field of its instance."""
    if match := _SKILL.fullmatch(field):
        return f"{at}.skills[{match.group(1)}]"
    return f"{at}.{field.removeprefix('spec.')}" if field else at


def _field(path: str) -> str:
    """A path of `admit` without the detour over the instance."""
    path = path.rpartition(": ")[2]
    for run, instance in _PATHS:
        if path == run or path.startswith(f"{run}."):
            return instance + path.removeprefix(run)
    return path
