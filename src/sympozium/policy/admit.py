"""The decision about a run as a whole: what in its spec its policy does not allow.

Pure: the webhook calls it when a run is created, the controller again when it plans the pod, since policies and
skill packs may have changed while the run was queued.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase

from sympozium.api.instance import SympoziumInstance
from sympozium.api.policy import ModelPolicy
from sympozium.api.run import AgentRun
from sympozium.api.runconfig import PolicyLayer
from sympozium.api.shared import ToolPolicy
from sympozium.api.skillpack import SkillPack
from sympozium.policy import alternatives, limits, packs as skill_packs, sandbox
from sympozium.policy.effective import Effective
from sympozium.policy.globs import is_glob
from sympozium.policy.rules import LayerRules
from sympozium.policy.verdict import Violation


def admit(
    run: AgentRun, instance: SympoziumInstance, policy: Effective, packs: Mapping[str, SkillPack]
) -> list[Violation]:
    """What keeps a run from being admitted, with the path of each field; empty when nothing does.

    Violations with `audit` are of layers that only watch: they keep nothing, and are recorded. `run` is as it is after
    `fill`; `packs` has the packs of its skills by name.
    """
    bound = _judged(run, instance, packs, policy, policy.enforced, policy.enforced_rules)
    watched = _judged(run, instance, packs, policy, policy.audited, policy.audited_rules)
    found = [
        *bound,
        *(replace(violation, audit=True) for violation in watched),
        *limits.check_depth(run, instance, policy),
        *_contradictions(run, instance),
    ]
    return list(dict.fromkeys(found))  # one policy may be two layers


def tool_policies(run: AgentRun, instance: SympoziumInstance) -> list[ToolPolicy]:
    """What narrows the tools of a run besides its policy: its instance's toolPolicy, its own, those of its parents."""
    own = [p for p in (instance.spec.tool_policy, run.spec.tool_policy) if p is not None]
    return [*own, *(run.spec.parent.tool_policies if run.spec.parent else ())]


def _judged(
    run: AgentRun,
    instance: SympoziumInstance,
    packs: Mapping[str, SkillPack],
    policy: Effective,
    layers: Sequence[PolicyLayer],
    rules: Sequence[LayerRules],
) -> list[Violation]:
    """What some layers of a policy have against a run."""
    own, inherited = run.spec.tool_policy, instance.spec.tool_policy
    return [
        *_tools(own, policy, rules, "spec.toolPolicy"),
        *_tools(inherited, policy, rules, f"spec.instanceRef: {instance.name}: spec.toolPolicy"),
        *sandbox.check(run.spec.sandbox, layers),
        *_model(run, layers),
        *_images(run, layers, packs),
        *_spawned(run, layers),
    ]


def _tools(
    wanted: ToolPolicy | None, policy: Effective, rules: Sequence[LayerRules], path: str
) -> list[Violation]:
    """Tools that are asked for by name and that the policy denies. A glob asks for what there is, and is cut."""
    found = []
    for index, tool in enumerate(wanted.allow if wanted else []):
        if is_glob(tool):
            continue
        for verdict in (layer.possible(tool) for layer in rules):
            if verdict.action != "deny":
                continue
            others = alternatives.same_kind(tool, policy)
            found.append(
                Violation(
                    f"{path}.allow[{index}]",
                    f"{tool} is denied: {verdict.reason} ({verdict.rule})",
                    rule=verdict.rule,
                    instead=others or f"leave {tool} out",
                )
            )
    return found


def _model(run: AgentRun, layers: Sequence[PolicyLayer]) -> list[Violation]:
    spec = run.spec.model
    model, provider = (spec.model, spec.provider) if spec else (None, None)
    found = []
    for layer in layers:
        rules = layer.spec.model_policy or ModelPolicy()
        if rules.allowed_models and not any(fnmatchcase(model or "", glob) for glob in rules.allowed_models):
            found.append(_not_in("model", model, layer.name, "allowedModels", rules.allowed_models))
        if rules.allowed_providers and provider not in rules.allowed_providers:
            found.append(
                _not_in("provider", provider, layer.name, "allowedProviders", rules.allowed_providers)
            )
    return found


def _not_in(part: str, value: str | None, policy: str, field: str, allowed: Sequence[str]) -> Violation:
    choice = ", ".join(allowed)
    return Violation(
        f"spec.model.{part}",
        f"{value or 'no value'}: policy {policy} allows {choice} (modelPolicy.{field})",
        rule=f"{policy}: modelPolicy.{field}",
        instead=f"allowed {part}s: {choice}",
    )


def _images(run: AgentRun, layers: Sequence[PolicyLayer], packs: Mapping[str, SkillPack]) -> list[Violation]:
    """Images of the sandbox and of skills, and access to the node."""
    box = run.spec.sandbox
    found = skill_packs.image_refusals("spec.sandbox.image", box.image, layers) if box and box.image else []
    for index, skill in enumerate(run.spec.skills):
        pack = packs.get(skill.skill_pack_ref or "")
        refused = skill_packs.refusals(pack, layers) if pack else []
        found += [replace(violation, field=f"spec.skills[{index}].skillPackRef") for violation in refused]
    return found


def _spawned(run: AgentRun, layers: Sequence[PolicyLayer]) -> list[Violation]:
    """A run that another one started, where there are to be none."""
    if run.spec.parent is None:
        return []
    return [
        Violation(
            "spec.parent",
            f"policy {layer.name} switches sub-agents off (featureGates[sub-agents])",
            rule=f"{layer.name}: featureGates[sub-agents]",
            instead="a run that a person, a schedule or a trigger starts",
        )
        for layer in layers
        if layer.spec.feature_gates.get("sub-agents") is False
    ]


def _contradictions(run: AgentRun, instance: SympoziumInstance) -> list[Violation]:
    """Amounts that contradict each other; they would fail only in the pod."""
    box, agent = run.spec.sandbox, instance.spec.agents.default.resources
    path = f"spec.instanceRef: instance {instance.name}: spec.agents.default.resources"
    return [
        *(
            sandbox.contradictions(box.resources, path="spec.sandbox.resources")
            if box and box.resources
            else ()
        ),
        *(sandbox.contradictions(agent, path=path) if agent else ()),
    ]
