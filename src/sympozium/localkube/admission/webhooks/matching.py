"""Does a webhook want to hear of a request: rules, namespaceSelector, objectSelector.

https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/#matching-requests-rules
"""

from collections.abc import Sequence
from typing import Protocol

from sympozium.localkube.access.labels import matches
from sympozium.localkube.access.objects import Objects
from sympozium.localkube.admission.webhooks.hook import HookRule
from sympozium.localkube.types import AdmissionRequest, Object

GROUP = "admissionregistration.k8s.io"
WEBHOOKS = frozenset({"validatingwebhookconfigurations", "mutatingwebhookconfigurations"})
EXEMPT = WEBHOOKS | {
    "validatingadmissionpolicies",
    "validatingadmissionpolicybindings",
    "mutatingadmissionpolicies",
    "mutatingadmissionpolicybindings",
}


def exempt(request: AdmissionRequest) -> bool:
    """What configures admission is never shown to it: a bad webhook or policy must stay removable."""
    return request.group == GROUP and request.resource in EXEMPT


class Match(Protocol):
    """What a webhook and a policy say of the requests that they want."""

    @property
    def rules(self) -> tuple[HookRule, ...]: ...
    @property
    def equivalent(self) -> bool: ...
    @property
    def namespace_selector(self) -> Object: ...
    @property
    def object_selector(self) -> Object: ...


def served_versions(objects: Objects, request: AdmissionRequest) -> list[str]:
    """The versions of a custom resource; none for a built-in one, which has one."""
    name = f"{request.resource}.{request.group}"
    crd = objects.get("apiextensions.k8s.io", "customresourcedefinitions", "", name)
    versions = ((crd or {}).get("spec") or {}).get("versions") or ()
    return [version["name"] for version in versions if version.get("served")]


def namespace_of(objects: Objects, request: AdmissionRequest) -> Object | None:
    """The Namespace object that selectors look at."""
    name = request.name if (request.group, request.resource) == ("", "namespaces") else request.namespace
    return objects.get("", "namespaces", "", name) if name else None


def matched_version(hook: Match, request: AdmissionRequest, served: Sequence[str]) -> str | None:
    """The version in which the hook wants this request, or None.

    `served` are the other versions of the same resource: with matchPolicy Equivalent a rule for one of
    them matches too, and the objects are shown in that version.
    """
    candidates = [request.version]
    if hook.equivalent:
        candidates += [version for version in served if version != request.version]
    for version in candidates:
        if any(rule_matches(rule, request, version) for rule in hook.rules):
            return version
    return None


def rule_matches(rule: HookRule, request: AdmissionRequest, version: str) -> bool:
    if request.operation not in rule.operations and "*" not in rule.operations:
        return False
    if request.group not in rule.groups and "*" not in rule.groups:
        return False
    if version not in rule.versions and "*" not in rule.versions:
        return False
    # A Namespace is cluster-scoped although requests for one carry its name as their namespace.
    namespaced = bool(request.namespace) and (request.group, request.resource) != ("", "namespaces")
    if rule.scope not in {"*", "Namespaced" if namespaced else "Cluster"}:
        return False
    if rule.names and request.name not in rule.names:
        return False
    return resource_matches(rule.resources, request.resource, request.subresource)


def resource_matches(patterns: frozenset[str], resource: str, subresource: str) -> bool:
    """`*` is every resource without subresources, `*/*` all, `pods/*` one with all its subresources."""
    if "*/*" in patterns or f"{resource}/*" in patterns:
        return True
    if subresource:
        return f"{resource}/{subresource}" in patterns or f"*/{subresource}" in patterns
    return "*" in patterns or resource in patterns


def selectors_match(hook: Match, request: AdmissionRequest, namespace: Object | None) -> bool:
    """`namespace` is the Namespace object of the request, None for a cluster-scoped one."""
    if hook.namespace_selector:
        if (request.group, request.resource) == ("", "namespaces"):
            own = request.obj if request.obj is not None and not request.subresource else request.old
            if not matches(hook.namespace_selector, _labels(own or namespace)):
                return False
        elif request.namespace and not matches(hook.namespace_selector, _labels(namespace)):
            return False
    if not hook.object_selector:
        return True
    return any(
        obj is not None and matches(hook.object_selector, _labels(obj)) for obj in (request.obj, request.old)
    )


def _labels(obj: Object | None) -> dict[str, str]:
    return ((obj or {}).get("metadata") or {}).get("labels") or {}
