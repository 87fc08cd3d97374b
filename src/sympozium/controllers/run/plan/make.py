"""The plan itself."""

from collections.abc import Sequence

from sympozium.api.base import Model, Object
from sympozium.api.runconfig import AGENT_FILE, TOOLS_FILE
from sympozium.controllers.run.compose import deadline
from sympozium.controllers.run.plan import files, names, network, pod, rights
from sympozium.controllers.run.plan.inputs import Inputs, Plan, PlanError
from sympozium.kube.conditions import condition
from sympozium.policy import SHELL, Violation, admit, hostaccess, keys, tool_policies, watched

_CONFIG_MAP_LIMIT = 1024 * 1024
_SHOWN = 20
"""Findings that a condition lists before it counts the rest."""


def plan(inputs: Inputs) -> Plan:
    """The manifests of a run. Raises PlanError, also when its policy does not admit it (any more)."""
    judged = admit(inputs.run, inputs.instance, inputs.policy, inputs.packs)
    if violations := [violation for violation in judged if not violation.audit]:
        raise PlanError(f"policy {inputs.policy.name}: " + "; ".join(str(v) for v in violations))
    if text := keys.unasked(inputs.run, inputs.instance, inputs.config):
        raise PlanError(text)
    return manifests(inputs, judged)


def manifests(inputs: Inputs, judged: Sequence[Violation] = ()) -> Plan:
    """The same for a run that was admitted. Raises PlanError for what cannot be expressed.

    `judged`: what policies that only watch would have refused.
    """
    made = Plan()
    _add_watched(inputs, [str(violation) for violation in judged], made)
    _add_host_access(inputs, made)
    rights.add_rights(inputs, made)
    made.objects += [
        _config_map(inputs, "agent", AGENT_FILE, files.agent_file(inputs)),
        _config_map(inputs, "tools", TOOLS_FILE, files.tools_file(inputs)),
    ]
    annotations = {
        network.OFFLINE: SHELL,
        **network.add_network(inputs, made),
        names.ANNOTATION_POLICY: files.fingerprint(
            files.changeable(inputs.policy, tool_policies(inputs.run, inputs.instance))
        ),
    }
    made.job = pod.job(
        inputs, deadline=deadline(inputs.run), annotations=annotations, accounts=made.skill_accounts
    )
    return made


def _add_host_access(inputs: Inputs, plan: Plan) -> None:
    """A condition that says what of the node the run has."""
    found = [
        f"{skill.pack.name}: {', '.join(hostaccess.asked(access))}"
        for skill in inputs.skills
        if (access := hostaccess.of(skill.pack))
    ]
    if found:
        words = f"containers of this run have access to their node: {'; '.join(found)}"
        plan.conditions.append(condition("HostAccess", True, "Granted", words))


def _add_watched(inputs: Inputs, refused: list[str], plan: Plan) -> None:
    """A condition with what policies under `enforcement: Audit` would have refused or cut."""
    found = [*refused, *watched.cuts(inputs.policy, inputs.packs)]
    if not found:
        return
    more = f"; and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    words = f"a policy that only watches (enforcement: Audit) would have it otherwise: {'; '.join(found[:_SHOWN])}{more}"
    plan.conditions.append(condition("PolicyAudit", True, "NotEnforced", words))


def _config_map(inputs: Inputs, part: str, file: str, content: Model) -> Object:
    text = content.model_dump_json(by_alias=True, exclude_none=True)
    if (size := len(text.encode())) > _CONFIG_MAP_LIMIT:
        raise PlanError(
            f"{file} would have {size} bytes, a ConfigMap holds {_CONFIG_MAP_LIMIT}: shorten the task, what was said before it, the prompt or the skills"
        )
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": names.owned(inputs.run.name, part),
            "namespace": inputs.run.namespace,
            "labels": names.labels(inputs.run),
            "ownerReferences": [inputs.owner],
        },
        "data": {file: text},
    }
