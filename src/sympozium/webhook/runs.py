"""Admission of runs: everything that they refer to is there, their policy allows them, and they stay as they are."""

from sympozium.api import unimplemented
from sympozium.api.base import Object
from sympozium.api.config import ConfigSpec
from sympozium.api.instance import SympoziumInstance
from sympozium.api.run import MUTABLE, AgentRun
from sympozium.policy import Violation, admit, sandbox
from sympozium.policy.resolve import MissingReferenceError
from sympozium.webhook import identity, lineage
from sympozium.webhook.access import Access
from sympozium.webhook.references import References
from sympozium.webhook.review import Answer, Request, allow, forbidden, invalid

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
    wrong = [
        *_filled(request),
        *_trigger(request),
        *await lineage.check(request, run, references),
        *_resources(run),
    ]
    if wrong:
        return invalid(wrong)
    refused = [*admit(run, instance, policy, packs), *await _secrets(request, run, instance, config, access)]
    if refused:
        return forbidden(refused)
    return allow(warnings=_warnings(request.object, instance))


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
    return invalid(violations) if violations else allow()


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


def _resources(run: AgentRun) -> list[Violation]:
    box = run.spec.sandbox
    if box is None or box.resources is None:
        return []
    return sandbox.contradictions(box.resources, path="spec.sandbox.resources")


async def _secrets(
    request: Request, run: AgentRun, instance: SympoziumInstance, config: ConfigSpec, access: Access
) -> list[Violation]:
    """The Secret that a run names itself, and where the Secrets go that it gets from its instance.

    Those were checked when the instance was written. But whoever chooses the endpoint of a run (with `baseURL`, or
    with a Secret that holds OPENAI_BASE_URL) gets the key that the agent sends there.
    """
    model = run.spec.model
    if model is None:
        return []
    inherited = [reference.secret for reference in instance.spec.auth_refs or config.auth_refs]
    wanted: list[tuple[str, str, str]] = []
    if model.auth_secret_ref:
        wanted.append(("spec.model.authSecretRef", model.auth_secret_ref, ""))
        why = f", whose values {model.auth_secret_ref} could send elsewhere"
        wanted += [("spec.model.authSecretRef", secret, why) for secret in inherited]
    if model.base_url not in (None, instance.spec.agents.default.base_url, config.base_url):
        why = ", whose values would be sent to this endpoint"
        wanted += [("spec.model.baseURL", secret, why) for secret in inherited]
    if not wanted:
        return []
    names = [secret for _, secret, _ in wanted]
    unreadable = set(await access.unreadable_secrets(request.user, request.namespace, names))
    return [
        Violation(field, f"{request.user.name} may not read the Secret {secret}{why}")
        for field, secret, why in wanted
        if secret in unreadable
    ]


def _warnings(run: Object, instance: SympoziumInstance) -> list[str]:
    document = {"kind": "SympoziumInstance", **instance.to_json()}
    inherited = [f"instance {instance.name}: {line}" for line in unimplemented.warnings(document)]
    return [*unimplemented.warnings({"kind": "AgentRun", **run}), *inherited]
