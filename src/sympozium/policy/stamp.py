"""The instances and schedules of a pack, as manifests. Pure.

The controller applies them, and admission judges a pack by them: both see the same instances.

A persona's own value wins over the pack's, and the pack's over the installation's. What an instance needs and
nobody gave (a model) is a problem that the pack's status names; the other personas are installed all the same.
"""

from dataclasses import dataclass, field

from sympozium.api.base import Object
from sympozium.api.config import ConfigSpec
from sympozium.api.meta import API_VERSION, LABEL_INSTANCE, LABEL_PACK, LABEL_PERSONA, owner_reference
from sympozium.api.personapack import Persona, PersonaPack
from sympozium.names import derive, is_label


@dataclass(slots=True)
class Stamped:
    """What a pack consists of now."""

    instances: dict[str, Object] = field(default_factory=dict)
    """Persona -> its instance."""
    schedules: dict[str, Object] = field(default_factory=dict)
    """Persona -> its schedule, for personas that have one."""
    problems: dict[str, str] = field(default_factory=dict)
    """Persona -> why it cannot be installed."""


def instance_name(pack: str, persona: str) -> str:
    """`<pack>-<persona>`; shortened with a hash where that is no label (63 characters)."""
    return derive(pack, persona)


def schedule_name(pack: str, persona: str) -> str:
    """`<pack>-<persona>-schedule`, in the same way."""
    return derive(pack, persona, "schedule")


def stamp(pack: PersonaPack, config: ConfigSpec) -> Stamped:
    """Nothing, for a pack that is not enabled or is being deleted."""
    stamped = Stamped()
    if not pack.spec.enabled or pack.metadata.deletion_timestamp:
        return stamped
    for persona in pack.spec.personas:
        if persona.name in pack.spec.exclude_personas:
            continue
        model = persona.model or pack.spec.model or config.model
        if not model:
            stamped.problems[persona.name] = (
                "no model: set spec.model of the pack, the persona's model, or the model of SympoziumConfig default"
            )
            continue
        stamped.instances[persona.name] = _instance(pack, persona, model, config)
        if persona.schedule:
            if not (persona.schedule.cron or persona.schedule.interval):
                stamped.problems[persona.name] = (
                    "its schedule has neither cron nor interval: it runs on demand only"
                )
                continue
            stamped.schedules[persona.name] = _schedule(pack, persona)
    return stamped


def _instance(pack: PersonaPack, persona: Persona, model: str, config: ConfigSpec) -> Object:
    own_endpoint = persona.base_url or pack.spec.base_url
    agent: Object = {"model": model}
    if provider := persona.provider or pack.spec.provider or config.provider:
        agent["provider"] = provider
    if own_endpoint:
        agent["baseURL"] = own_endpoint
    references = [reference.to_json() for reference in pack.spec.auth_refs or config.auth_refs]
    spec: Object = {
        "agents": {"default": agent},
        "systemPrompt": persona.system_prompt,
        "skills": [_skill(pack, name) for name in persona.skills],
        "authRefs": references,
    }
    if not references and not own_endpoint and config.base_url:
        agent["baseURL"] = config.base_url
    optional = {
        "displayName": persona.display_name,
        "policyRef": persona.policy_ref or pack.spec.policy_ref,
        "toolPolicy": persona.tool_policy.to_json() if persona.tool_policy else None,
        "memory": persona.memory.to_json() if persona.memory else None,
        # Not acted on yet: passed on, so that the instance says so as it would for anybody's.
        "webEndpoint": persona.web_endpoint.to_json() if persona.web_endpoint else None,
        "channels": [_channel(pack, name) for name in persona.channels] or None,
    }
    spec.update({key: value for key, value in optional.items() if value is not None})
    return _object("SympoziumInstance", instance_name(pack.name, persona.name), pack, persona, spec)


def _skill(pack: PersonaPack, name: str) -> Object:
    params = pack.spec.skill_params.get(name)
    return {"skillPackRef": name, **({"params": params} if params else {})}


def _channel(pack: PersonaPack, name: str) -> Object:
    secret = pack.spec.channel_configs.get(name)
    return {"type": name, **({"configRef": {"secret": secret}} if secret else {})}


def _schedule(pack: PersonaPack, persona: Persona) -> Object:
    assert persona.schedule
    spec = {
        "instanceRef": instance_name(pack.name, persona.name),
        "schedule": persona.schedule.cron or f"@every {persona.schedule.interval}",
        "task": pack.spec.task_override or persona.schedule.task,
        "type": persona.schedule.type,
    }
    return _object("SympoziumSchedule", schedule_name(pack.name, persona.name), pack, persona, spec)


def _object(kind: str, name: str, pack: PersonaPack, persona: Persona, spec: Object) -> Object:
    labels = {LABEL_PERSONA: persona.name, LABEL_INSTANCE: instance_name(pack.name, persona.name)}
    if is_label(pack.name):
        labels[LABEL_PACK] = pack.name
    return {
        "apiVersion": API_VERSION,
        "kind": kind,
        "metadata": {
            "name": name,
            "namespace": pack.namespace,
            "labels": labels,
            "ownerReferences": [owner_reference(pack.to_json())],
        },
        "spec": spec,
    }
