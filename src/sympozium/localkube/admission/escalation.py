"""RBAC: nobody grants what they do not hold.

A role may be written by who holds all that it gives, or has `escalate` on it; a binding by who holds
all that its role gives, or has `bind` on that role.
https://kubernetes.io/docs/reference/access-authn-authz/rbac/#privilege-escalation-prevention-and-bootstrapping
"""

import json
from collections.abc import Iterable

from sympozium.localkube.access.rbac import GROUP, RBAC, role_of_binding
from sympozium.localkube.access.rules import Rule, compile_rule, text, uncovered
from sympozium.localkube.access.union import MASTERS
from sympozium.localkube.errors import forbidden, not_found
from sympozium.localkube.types import AdmissionRequest, Attributes, Authorizer, Object, UserInfo

ROLES = {"roles", "clusterroles"}
BINDINGS = {"rolebindings", "clusterrolebindings"}


def check(request: AdmissionRequest, rbac: RBAC, authorizer: Authorizer) -> None:
    """Raises ApiError 403 when the user would give more than they have, 404 for a role that is not."""
    if request.group != GROUP or request.operation not in {"CREATE", "UPDATE"} or request.obj is None:
        return
    if MASTERS in request.user.groups:
        return
    if request.resource in ROLES:
        _check_role(request, request.obj, rbac, authorizer)
    elif request.resource in BINDINGS:
        _check_binding(request, request.obj, rbac, authorizer)


def _check_role(request: AdmissionRequest, role: Object, rbac: RBAC, authorizer: Authorizer) -> None:
    old = request.old or {}
    same = (role.get("rules") or []) == (old.get("rules") or [])
    if same and request.old is not None and role.get("aggregationRule") == old.get("aggregationRule"):
        return
    if _may(request.user, "escalate", request.resource, request.namespace, request.name, authorizer):
        return
    if role.get("aggregationRule"):
        everything = [
            Rule(frozenset("*"), groups=frozenset("*"), resources=frozenset("*")),
            Rule(frozenset("*"), paths=frozenset("*")),
        ]
        if uncovered(rbac.rules_for(request.user, ""), everything):
            why = "must have cluster-admin privileges to use an aggregationRule"
            raise forbidden(GROUP, request.resource, request.name, why)
    _confirm(request, rbac, [compile_rule(rule) for rule in role.get("rules") or ()])


def _check_binding(request: AdmissionRequest, binding: Object, rbac: RBAC, authorizer: Authorizer) -> None:
    old = request.old
    if old is not None and (binding.get("roleRef"), binding.get("subjects")) == (
        old.get("roleRef"),
        old.get("subjects"),
    ):
        return
    binding = {**binding, "metadata": {**binding["metadata"], "namespace": request.namespace}}
    ref = role_of_binding(binding)
    resource = "roles" if binding["roleRef"]["kind"] == "Role" else "clusterroles"
    if _may(request.user, "bind", resource, request.namespace, ref.name, authorizer):
        return
    rules = rbac.role_rules(ref)
    if rules is None:
        raise not_found(GROUP, resource, ref.name)
    _confirm(request, rbac, rules)


def _may(user: UserInfo, verb: str, resource: str, namespace: str, name: str, authorizer: Authorizer) -> bool:
    ask = Attributes(
        user=user, verb=verb, group=GROUP, version="v1", resource=resource, namespace=namespace, name=name
    )
    return authorizer.authorize(ask).allowed


def _confirm(request: AdmissionRequest, rbac: RBAC, wanted: Iterable[Rule]) -> None:
    missing = uncovered(rbac.rules_for(request.user, request.namespace), wanted)
    if not missing:
        return
    groups = " ".join(json.dumps(group) for group in request.user.groups)
    why = (
        f'user "{request.user.username}" (groups=[{groups}]) is attempting to grant RBAC permissions'
        f" not currently held:\n{text(missing)}"
    )
    raise forbidden(GROUP, request.resource, request.name, why)
