"""Kubernetes rights of a run: none for its pod, and for each skill what policy and administrator grant.

What a pack asks for is cut to what every layer of policy grants, and to ClusterRole `sympozium-grantable`, which the
API server would not let the controller exceed anyway. What was cut is a condition, never silence.
"""

from collections.abc import Sequence

from sympozium.api.base import Object
from sympozium.api.policy import PolicySpec, RBACPolicy
from sympozium.api.runconfig import PolicyLayer
from sympozium.api.shared import RBACRule
from sympozium.controllers.run.plan import names
from sympozium.controllers.run.plan.inputs import Inputs, Plan, Skill
from sympozium.kube.conditions import condition
from sympozium.policy import Effective, rbac
from sympozium.policy.rbac import Cut

_RBAC = "rbac.authorization.k8s.io"


def add_rights(inputs: Inputs, plan: Plan) -> None:
    """The pod's account, and for every skill that asks for rights an account, its roles and their bindings."""
    run = inputs.run
    plan.objects.append(_account(inputs, run.name))
    bound = _bounded(inputs.policy, inputs.grantable)
    cuts: list[str] = []
    for skill in inputs.skills:
        if not (skill.sidecar.rbac or skill.sidecar.cluster_rbac):
            continue
        account = names.skill_account(run.name, skill.pack.name)
        plan.skill_accounts[skill.pack.name] = account
        plan.objects.append(_account(inputs, account))
        for cluster, asked in ((False, skill.sidecar.rbac), (True, skill.sidecar.cluster_rbac)):
            granted = rbac.grant(asked, bound)
            cuts += [_words(skill, cut) for cut in granted.cut]
            if granted.rules:
                plan.objects += _roles(inputs, skill, account, granted.rules, cluster=cluster)
    if cuts:
        shown = "; ".join(cuts[:20]) + (f"; and {len(cuts) - 20} more" if len(cuts) > 20 else "")
        plan.conditions.append(condition("RightsCut", True, "NotGranted", shown))


def _bounded(policy: Effective, grantable: Sequence[RBACRule]) -> Effective:
    """The policy with the administrator's bound as one more layer."""
    bound = RBACPolicy(allow=list(grantable) or [RBACRule(api_groups=[], resources=[], verbs=[])])
    layer = PolicyLayer(name="sympozium-grantable", source="floor", spec=PolicySpec(rbac_policy=bound))
    return Effective((*policy.layers, layer))


def _words(skill: Skill, cut: Cut) -> str:
    return f"{skill.pack.name} may not {cut}"


def _account(inputs: Inputs, name: str) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": _meta(inputs, name),
        "automountServiceAccountToken": False,
    }


def _roles(
    inputs: Inputs, skill: Skill, account: str, rules: Sequence[RBACRule], *, cluster: bool
) -> list[Object]:
    prefix = "Cluster" if cluster else ""
    name = names.cluster_role(inputs.run, skill.pack.name) if cluster else account
    meta = _cluster_meta(inputs, name) if cluster else _meta(inputs, name)
    subject = {"kind": "ServiceAccount", "name": account, "namespace": inputs.run.namespace}
    return [
        {
            "apiVersion": f"{_RBAC}/v1",
            "kind": f"{prefix}Role",
            "metadata": meta,
            "rules": [rule.to_json() for rule in rules],
        },
        {
            "apiVersion": f"{_RBAC}/v1",
            "kind": f"{prefix}RoleBinding",
            "metadata": meta,
            "roleRef": {"apiGroup": _RBAC, "kind": f"{prefix}Role", "name": name},
            "subjects": [subject],
        },
    ]


def _meta(inputs: Inputs, name: str) -> Object:
    return {
        "name": name,
        "namespace": inputs.run.namespace,
        "labels": names.labels(inputs.run),
        "ownerReferences": [inputs.owner],
    }


def _cluster_meta(inputs: Inputs, name: str) -> Object:
    """Without an owner: a namespaced object cannot own a cluster-scoped one. The finalizer removes them."""
    labels = {**names.labels(inputs.run), names.LABEL_RUN_NAMESPACE: inputs.run.namespace}
    return {"name": name, "labels": labels}
