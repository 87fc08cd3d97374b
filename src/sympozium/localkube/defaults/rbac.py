"""Roles and bindings: https://kubernetes.io/docs/reference/access-authn-authz/rbac/"""

from sympozium.localkube.defaults.labels import name_causes
from sympozium.localkube.defaults.strategy import Strategy
from sympozium.localkube.schema import gotext
from sympozium.localkube.types import Cause, Object

GROUP = "rbac.authorization.k8s.io"


def _rules(role: Object, *, namespaced: bool) -> list[Cause]:
    causes: list[Cause] = []
    for index, rule in enumerate(role.get("rules") or ()):
        at = f"rules[{index}]"
        if not rule.get("verbs"):
            causes.append(gotext.required(f"{at}.verbs", "verbs must contain at least one value"))
        urls = rule.get("nonResourceURLs")
        if urls:
            if namespaced:
                why = "namespaced rules cannot apply to non-resource URLs"
                causes.append(gotext.invalid(f"{at}.nonResourceURLs", urls, why))
            if rule.get("apiGroups") or rule.get("resources") or rule.get("resourceNames"):
                why = "rules cannot apply to both regular resources and non-resource URLs"
                causes.append(gotext.invalid(f"{at}.nonResourceURLs", urls, why))
            continue
        if not rule.get("apiGroups"):
            why = "resource rules must supply at least one api group"
            causes.append(gotext.required(f"{at}.apiGroups", why))
        if not rule.get("resources"):
            why = "resource rules must supply at least one resource"
            causes.append(gotext.required(f"{at}.resources", why))
    return causes


def _check_role(role: Object, _old: Object | None, _subresource: str) -> list[Cause]:
    return _rules(role, namespaced=True)


def _check_cluster_role(role: Object, _old: Object | None, _subresource: str) -> list[Cause]:
    return _rules(role, namespaced=False)


def _default_binding(binding: Object) -> None:
    reference = binding.setdefault("roleRef", {})
    if not reference.get("apiGroup"):
        reference["apiGroup"] = GROUP
    for subject in binding.get("subjects") or ():
        if subject.get("kind") in {"User", "Group"} and not subject.get("apiGroup"):
            subject["apiGroup"] = GROUP
        elif subject.get("apiGroup") == "":
            del subject["apiGroup"]


def _binding(binding: Object, old: Object | None, *, namespaced: bool) -> list[Cause]:
    reference = binding["roleRef"]
    causes: list[Cause] = []
    if reference.get("apiGroup") != GROUP:
        causes.append(gotext.unsupported("roleRef.apiGroup", reference.get("apiGroup", ""), (GROUP,)))
    kinds = ("Role", "ClusterRole") if namespaced else ("ClusterRole",)
    if reference.get("kind") not in kinds:
        causes.append(gotext.unsupported("roleRef.kind", reference.get("kind", ""), kinds))
    if not reference.get("name"):
        causes.append(gotext.required("roleRef.name"))
    else:
        causes += name_causes(reference["name"], "roleRef.name", "path")
    for index, subject in enumerate(binding.get("subjects") or ()):
        causes += _subject(subject, f"subjects[{index}]", namespaced=namespaced)
    if old is not None and old["roleRef"] != reference:
        causes.append(gotext.invalid("roleRef", _shown(reference), "cannot change roleRef"))
    return causes


def _shown(reference: Object) -> Object:
    """A reference as the API server's own type prints itself."""
    names = {"APIGroup": "apiGroup", "Kind": "kind", "Name": "name"}
    return {go: reference.get(name) or "" for go, name in names.items()}


def _subject(subject: Object, at: str, *, namespaced: bool) -> list[Cause]:
    causes = [] if subject.get("name") else [gotext.required(f"{at}.name")]
    kind, group = subject.get("kind", ""), subject.get("apiGroup", "")
    if kind == "ServiceAccount":
        if group:
            causes.append(gotext.unsupported(f"{at}.apiGroup", group, ("",)))
        if subject.get("name"):
            causes += name_causes(subject["name"], f"{at}.name")
        if not namespaced and not subject.get("namespace"):
            causes.append(gotext.required(f"{at}.namespace"))
    elif kind in {"User", "Group"}:
        if group != GROUP:
            causes.append(gotext.unsupported(f"{at}.apiGroup", group, (GROUP,)))
    else:
        causes.append(gotext.unsupported(f"{at}.kind", kind, ("ServiceAccount", "User", "Group")))
    return causes


def _check_role_binding(binding: Object, old: Object | None, _subresource: str) -> list[Cause]:
    return _binding(binding, old, namespaced=True)


def _check_cluster_role_binding(binding: Object, old: Object | None, _subresource: str) -> list[Cause]:
    return _binding(binding, old, namespaced=False)


ROLE = Strategy(check=_check_role)
CLUSTER_ROLE = Strategy(check=_check_cluster_role)
ROLE_BINDING = Strategy(default=_default_binding, check=_check_role_binding)
CLUSTER_ROLE_BINDING = Strategy(default=_default_binding, check=_check_cluster_role_binding)
