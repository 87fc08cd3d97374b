"""The RBAC authorizer: an index of roles and bindings that follows the store.

For each (user, namespace) the rules that apply are put together once and kept until any role or
binding changes, so a decision is a walk over some compiled rules: microseconds. ClusterRoles with an
aggregationRule are put together from the roles that they select, here and not only by the controller
that writes their `rules`, so that a new aggregated role holds at once.
https://kubernetes.io/docs/reference/access-authn-authz/rbac/
"""

from collections.abc import Iterator
from dataclasses import dataclass

from sympozium.localkube.access.labels import matches
from sympozium.localkube.access.objects import Objects
from sympozium.localkube.access.rules import Rule, allows, compile_rule
from sympozium.localkube.types import Attributes, Decision, Object, UserInfo

GROUP = "rbac.authorization.k8s.io"
CACHE_LIMIT = 2048
DENIED = Decision(False)


@dataclass(frozen=True, slots=True)
class RoleRef:
    """`namespace` is empty for a ClusterRole."""

    namespace: str
    name: str


@dataclass(frozen=True, slots=True)
class _Binding:
    role: RoleRef
    reason: str


@dataclass(frozen=True, slots=True)
class _Held:
    rule: Rule
    reason: str


_Subject = tuple[str, str]


class RBAC:
    """Implements `types.Authorizer`, and answers what a user holds."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._roles: dict[RoleRef, Object] = {}
        self._bindings: dict[tuple[str, str], Object] = {}
        self._by_subject: dict[str, dict[_Subject, list[_Binding]]] | None = None
        self._rules: dict[RoleRef, list[Rule]] = {}
        self._applies: dict[tuple[str, tuple[str, ...], str], list[_Held]] = {}
        for resource in ("roles", "clusterroles"):
            for obj in objects.list(GROUP, resource):
                self._roles[_ref_of(obj)] = obj
            objects.subscribe(GROUP, resource, self._role_changed)
        for resource in ("rolebindings", "clusterrolebindings"):
            for obj in objects.list(GROUP, resource):
                self._bindings[_key(obj)] = obj
            objects.subscribe(GROUP, resource, self._binding_changed)

    def authorize(self, attributes: Attributes) -> Decision:
        for held in self._held(attributes.user, attributes.namespace):
            if allows(held.rule, attributes):
                return Decision(True, held.reason)
        return DENIED

    def rules_for(self, user: UserInfo, namespace: str) -> list[Rule]:
        """All rules that hold for the user in a namespace ("" = at the cluster scope)."""
        return [held.rule for held in self._held(user, namespace)]

    def role_rules(self, ref: RoleRef) -> list[Rule] | None:
        """The rules of a role, aggregated ones included; None when it does not exist."""
        if ref not in self._roles:
            return None
        known = self._rules.get(ref)
        if known is None:
            known = self._rules[ref] = list(self._compile(ref, frozenset()))
        return known

    def _compile(self, ref: RoleRef, seen: frozenset[RoleRef]) -> Iterator[Rule]:
        role = self._roles[ref]
        aggregation = None if ref.namespace else role.get("aggregationRule")
        if not aggregation:
            for rule in role.get("rules") or ():
                yield compile_rule(rule)
            return
        yielded: set[Rule] = set()
        for other in self._selected(aggregation):
            if other in seen or other == ref:
                continue
            for compiled in self._compile(other, seen | {ref}):
                if compiled not in yielded:
                    yielded.add(compiled)
                    yield compiled

    def _selected(self, aggregation: Object) -> Iterator[RoleRef]:
        selectors = aggregation.get("clusterRoleSelectors") or ()
        for ref in sorted((r for r in self._roles if not r.namespace), key=lambda r: r.name):
            labels = self._roles[ref]["metadata"].get("labels") or {}
            if any(matches(selector, labels) for selector in selectors):
                yield ref

    def _held(self, user: UserInfo, namespace: str) -> list[_Held]:
        key = (user.username, user.groups, namespace)
        known = self._applies.get(key)
        if known is None:
            if len(self._applies) >= CACHE_LIMIT:
                self._applies.clear()
            known = self._applies[key] = list(self._collect(user, namespace))
        return known

    def _collect(self, user: UserInfo, namespace: str) -> Iterator[_Held]:
        index = self._index()
        subjects: list[_Subject] = [("User", user.username), *(("Group", group) for group in user.groups)]
        for scope in ("", namespace) if namespace else ("",):
            bound = index.get(scope, {})
            for subject in subjects:
                for binding in bound.get(subject, ()):
                    for rule in self.role_rules(binding.role) or ():
                        yield _Held(rule, binding.reason)

    def _index(self) -> dict[str, dict[_Subject, list[_Binding]]]:
        if self._by_subject is None:
            self._by_subject = {}
            for (namespace, _), obj in sorted(self._bindings.items()):
                for subject in obj.get("subjects") or ():
                    bound = _subject(subject, namespace)
                    if bound is not None:
                        found = self._by_subject.setdefault(namespace, {}).setdefault(bound, [])
                        found.append(_Binding(role_of_binding(obj), _reason(obj, subject)))
        return self._by_subject

    def _role_changed(self, new: Object | None, old: Object | None) -> None:
        obj = new or old
        if obj is None:
            return
        if new is None:
            self._roles.pop(_ref_of(obj), None)
        else:
            self._roles[_ref_of(new)] = new
        self._rules.clear()
        self._applies.clear()

    def _binding_changed(self, new: Object | None, old: Object | None) -> None:
        obj = new or old
        if obj is None:
            return
        if new is None:
            self._bindings.pop(_key(obj), None)
        else:
            self._bindings[_key(new)] = new
        self._by_subject = None
        self._applies.clear()


def role_of_binding(binding: Object) -> RoleRef:
    """The role that a RoleBinding or ClusterRoleBinding refers to."""
    ref = binding["roleRef"]
    namespace = binding["metadata"].get("namespace", "") if ref["kind"] == "Role" else ""
    return RoleRef(namespace, ref["name"])


def _key(obj: Object) -> tuple[str, str]:
    meta = obj["metadata"]
    return meta.get("namespace", ""), meta["name"]


def _ref_of(role: Object) -> RoleRef:
    return RoleRef(*_key(role))


def _subject(subject: Object, namespace: str) -> _Subject | None:
    """A ServiceAccount is the user of that name; an unknown kind of subject matches nobody."""
    kind, name = subject.get("kind"), str(subject.get("name", ""))
    if kind == "ServiceAccount":
        return "User", f"system:serviceaccount:{subject.get('namespace') or namespace}:{name}"
    return (str(kind), name) if kind in {"User", "Group"} else None


def _reason(binding: Object, subject: Object) -> str:
    namespace, name = _key(binding)
    ref = binding["roleRef"]
    bound = f'RoleBinding "{name}/{namespace}"' if namespace else f'ClusterRoleBinding "{name}"'
    who = f'{subject.get("kind")} "{subject.get("name", "")}"'
    if subject.get("kind") == "ServiceAccount":
        who = f'ServiceAccount "{subject.get("name", "")}/{subject.get("namespace") or namespace}"'
    return f'RBAC: allowed by {bound} of {ref["kind"]} "{ref["name"]}" to {who}'
