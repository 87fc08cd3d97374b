"""Admission of runs: everything that they refer to is there, their policy allows them, and they stay as they are."""

from typing import Final

from sympozium.api import unimplemented
from sympozium.api.base import Object
from sympozium.api.config import ConfigSpec
from sympozium.api.instance import SympoziumInstance
from sympozium.api.meta import ANNOTATION_TRACEPARENT
from sympozium.api.run import MUTABLE, AgentRun
from sympozium.api.skillpack import SkillPack
from sympozium.policy import Violation, admit, keys, sandbox
from sympozium.policy.resolve import MissingReferenceError
from sympozium.webhook import authority, endpoints, forks, identity, lineage, shapes
from sympozium.webhook.access import Access
from sympozium.webhook.authority import SecretUse
from sympozium.webhook.findings import Findings
from sympozium.webhook.references import References
from sympozium.webhook.review import Answer, Request, allow, forbidden, invalid

_KEPT: Final = {
    keys.ANNOTATION: "says with which Secrets the run was admitted",
    ANNOTATION_TRACEPARENT: "says which trace the run is part of",
}
_FILLED = ("model", "agentId", "sessionKey", "timeout", "trigger")


async def created(request: Request, references: References, access: Access) -> Answer:
    """A new run, after `mutate` has filled it."""
    run = AgentRun.model_validate(request.object)
    instance = await references.instance(request.namespace, run.spec.instance_ref)
    if instance is None:
        return invalid(
            [
                Violation(
                    "spec.instanceRef",
                    f"SympoziumInstance {run.spec.instance_ref} is not in namespace {request.namespace}",
                )
            ]
        )
    try:
        config = references.config()
        policy = await references.policy(instance, config, run.spec.parent)
        packs = await references.packs(request.namespace, run.spec.skills)
    except MissingReferenceError as exc:
        field = (
            exc.field
            if exc.field.startswith(("spec.skills", "spec.parent"))
            else f"spec.instanceRef: {instance.name}: {exc.field}"
        )
        return invalid([Violation(field, exc.message)])
    found = Findings(
        wrong=[
            *_filled(request),
            *_trigger(request),
            *_given(run, instance, config),
            *await lineage.check(request, run, references),
            *_shape(run),
        ],
        warnings=_warnings(request.object, instance),
    )
    await forks.check(request, run, references, access, found)
    if identity.is_apiserver(request.user):
        found.refused += await endpoints.created(run, instance, config, policy, references)
    found.judged(admit(run, instance, policy, packs))
    uses = _secrets(run, instance, config)
    found.refused += await authority.secrets(access, request.user, request.namespace, uses)
    own = _own_packs(run, instance, packs)
    found.refused += await authority.packs(access, request.user, request.namespace, own)
    return found.answer()


def updated(request: Request) -> Answer:
    """A changed run: the spec stays as it is, and a cancelled run stays cancelled."""
    before: Object = request.old.get("spec") or {}
    after: Object = request.object.get("spec") or {}
    changed = sorted(
        field
        for field in before.keys() | after.keys()
        if field not in MUTABLE and before.get(field) != after.get(field)
    )
    violations = [
        Violation(
            f"spec.{field}",
            "does not change after creation: create a new run (cancel and suspend may change)",
        )
        for field in changed
    ]
    if before.get("cancel") and not after.get("cancel"):
        violations.append(Violation("spec.cancel", "cannot be taken back: the run is being ended"))
    for name, words in _KEPT.items():
        if _annotation(request.old, name) != _annotation(request.object, name):
            violations.append(Violation(f"metadata.annotations[{name}]", f"{words}, and does not change"))
    if violations:
        return invalid(violations)
    refused = endpoints.updated(request) if identity.is_apiserver(request.user) else []
    return forbidden(refused) if refused else allow()


def _annotation(run: Object, name: str) -> object:
    return ((run.get("metadata") or {}).get("annotations") or {}).get(name)


def reported(request: Request) -> Answer:
    """The status is what the controllers saw of a run. By hand it would say that something ran which did not.

    The webhook configuration does not even send us what the controllers write.
    """
    if identity.is_controller(request.user) or request.old.get("status") == request.object.get("status"):
        return allow()
    message = "is written by the controllers, from what the run reports"
    instead = "to end a run set spec.cancel, to keep it from going on set spec.suspend"
    return forbidden([Violation("status", message, instead=instead)])


def _filled(request: Request) -> list[Violation]:
    """Fields that the mutating webhook must have written: without it a run could not be told from its record."""
    absent = [field for field in _FILLED if not request.object["spec"].get(field)]
    if not absent:
        return []
    names = ", ".join(absent)
    return [Violation("spec", f"{names} not filled: is the MutatingWebhookConfiguration sympozium in place?")]


def _trigger(request: Request) -> list[Violation]:
    """The trigger that `mutate` wrote, not what another webhook behind it made of it."""
    expected = identity.trigger(request.user, request.object).to_json()
    if request.object["spec"].get("trigger", expected) == expected:
        return []
    return [Violation("spec.trigger", f"is set from the request, to {expected}")]


def _given(run: AgentRun, instance: SympoziumInstance, config: ConfigSpec) -> list[Violation]:
    """The Secrets that `mutate` wrote down, not what another webhook behind it made of them."""
    expected = keys.annotation(instance, config)
    if run.metadata.annotations.get(keys.ANNOTATION) == expected:
        return []
    path = f"metadata.annotations[{keys.ANNOTATION}]"
    return [Violation(path, f"is set from instance {instance.name}, to {expected!r}; try again")]


def _shape(run: AgentRun) -> list[Violation]:
    spec = run.spec
    resources = spec.sandbox.resources if spec.sandbox else None
    return [
        *(sandbox.contradictions(resources, path="spec.sandbox.resources") if resources else ()),
        *shapes.environment(spec.env, "spec.env"),
        *shapes.timeout(spec.timeout, "spec.timeout"),
        *shapes.skills(spec.skills, "spec.skills"),
    ]


def _own_packs(
    run: AgentRun, instance: SympoziumInstance, packs: dict[str, SkillPack]
) -> list[tuple[str, SkillPack]]:
    """The packs that a run names beside its instance's: the instance's author was not asked about them."""
    given = {skill.skill_pack_ref for skill in instance.spec.skills}
    return [
        (f"spec.skills[{index}].skillPackRef", packs[skill.skill_pack_ref])
        for index, skill in enumerate(run.spec.skills)
        if skill.skill_pack_ref and skill.skill_pack_ref not in given
    ]


def _secrets(run: AgentRun, instance: SympoziumInstance, config: ConfigSpec) -> list[SecretUse]:
    """The Secret that a run names itself, and where the Secrets go that it gets from its instance.

    Those were checked when the instance was written. But whoever chooses the endpoint of a run (with `baseURL`, or
    with a Secret that holds OPENAI_BASE_URL) gets the key that the agent sends there.
    """
    model = run.spec.model
    if model is None:
        return []
    inherited, chosen = keys.inherited(instance, config), keys.chosen(model, instance, config)
    wanted: list[SecretUse] = []
    if model.auth_secret_ref:
        wanted.append(SecretUse("spec.model.authSecretRef", model.auth_secret_ref))
        why = f", whose values {model.auth_secret_ref} could send elsewhere"
        wanted += [SecretUse("spec.model.authSecretRef", secret, why) for secret in inherited]
    if "spec.model.baseURL" in chosen:
        why = ", whose values would be sent to this endpoint"
        wanted += [SecretUse("spec.model.baseURL", secret, why) for secret in inherited]
    return wanted


def _warnings(run: Object, instance: SympoziumInstance) -> list[str]:
    document = {"kind": "SympoziumInstance", **instance.to_json()}
    inherited = [f"instance {instance.name}: {line}" for line in unimplemented.warnings(document)]
    return [*unimplemented.warnings({"kind": "AgentRun", **run}), *inherited]
