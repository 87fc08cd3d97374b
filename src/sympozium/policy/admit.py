"""The decision about a run as a whole: what in its spec its policy does not allow.

Pure: the webhook calls it when a run is created, the controller again when it plans the pod, since policies and
skill packs may have changed while the run was queued.
"""

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase

from sympozium.api.instance import SympoziumInstance
from sympozium.api.run import AgentRun
from sympozium.api.shared import ToolPolicy
from sympozium.api.skillpack import SkillPack
from sympozium.policy import images, sandbox
from sympozium.policy.effective import Effective
from sympozium.policy.gate import refusal
from sympozium.policy.verdict import Violation


def admit(
    run: AgentRun, instance: SympoziumInstance, policy: Effective, packs: Mapping[str, SkillPack]
) -> list[Violation]:
    """What keeps a run from being admitted, with the path of each field; empty when nothing does.

    `run` is as it is after `fill`; `packs` has the packs of its skills by name.
    """
    return [
        *_tools(run.spec.tool_policy, policy, "spec.toolPolicy"),
        *_tools(instance.spec.tool_policy, policy, f"spec.instanceRef: {instance.name}: spec.toolPolicy"),
        *sandbox.check(run.spec.sandbox, policy),
        *_model(run, policy),
        *_images(run, policy, packs),
        *_host_access(run, policy, packs),
        *_resources(instance),
    ]


def tool_policies(run: AgentRun, instance: SympoziumInstance) -> list[ToolPolicy]:
    """What narrows the tools of a run besides its policy: its instance's toolPolicy, its own, those of its parents."""
    own = [p for p in (instance.spec.tool_policy, run.spec.tool_policy) if p is not None]
    return [*own, *(run.spec.parent.tool_policies if run.spec.parent else ())]


def _tools(wanted: ToolPolicy | None, policy: Effective, path: str) -> list[Violation]:
    """Tools that are asked for by name and that the policy denies. A glob asks for what there is, and is cut."""
    found = []
    for index, tool in enumerate(wanted.allow if wanted else []):
        if any(character in tool for character in "*?["):
            continue
        verdict = refusal(tool, policy)
        if verdict is not None:
            found.append(
                Violation(f"{path}.allow[{index}]", f"{tool} is denied: {verdict.reason} ({verdict.rule})")
            )
    return found


def _model(run: AgentRun, policy: Effective) -> list[Violation]:
    found = []
    model = run.spec.model
    for layer in policy:
        rules = layer.spec.model_policy
        if rules is None:
            continue
        name = (model.model if model else None) or ""
        if rules.allowed_models and not any(fnmatchcase(name, glob) for glob in rules.allowed_models):
            found.append(
                Violation(
                    "spec.model.model", _not_in(name, layer.name, "allowedModels", rules.allowed_models)
                )
            )
        provider = (model.provider if model else None) or ""
        if rules.allowed_providers and provider not in rules.allowed_providers:
            found.append(
                Violation("spec.model.provider", _not_in(provider, layer.name, "allowedProviders", rules.allowed_providers))
            )  # fmt: skip
    return found


def _not_in(value: str, policy: str, field: str, allowed: Sequence[str]) -> str:
    return f"{value or 'no value'}: policy {policy} allows {', '.join(allowed)} (modelPolicy.{field})"


def _images(run: AgentRun, policy: Effective, packs: Mapping[str, SkillPack]) -> list[Violation]:
    used: list[tuple[str, str]] = []
    if run.spec.sandbox and run.spec.sandbox.image:
        used.append(("spec.sandbox.image", run.spec.sandbox.image))
    for index, skill in enumerate(run.spec.skills):
        pack = packs.get(skill.skill_pack_ref or "")
        if pack and pack.spec.sidecar:
            used.append((f"spec.skills[{index}].skillPackRef", pack.spec.sidecar.image))
    return [
        Violation(field, f"image {image} is in no registry that policy {name} allows (imagePolicy)")
        for field, image in used
        if (name := images.refused_by(image, policy)) is not None
    ]


def _host_access(run: AgentRun, policy: Effective, packs: Mapping[str, SkillPack]) -> list[Violation]:
    refused = sandbox.host_mounts_refused_by(policy)
    found = []
    for index, skill in enumerate(run.spec.skills):
        pack = packs.get(skill.skill_pack_ref or "")
        access = pack.spec.sidecar.host_access if pack and pack.spec.sidecar else None
        if refused and access and access.enabled:
            message = f"skill pack {skill.skill_pack_ref} wants access to the node, which policy {refused} does not allow (sandboxPolicy.allowHostMounts)"
            found.append(Violation(f"spec.skills[{index}].skillPackRef", message))
    return found


def _resources(instance: SympoziumInstance) -> list[Violation]:
    """Amounts of the agent container that contradict each other; they would fail only in the pod."""
    resources = instance.spec.agents.default.resources
    if resources is None:
        return []
    path = f"spec.instanceRef: instance {instance.name}: spec.agents.default.resources"
    return sandbox.contradictions(resources, path=path)
