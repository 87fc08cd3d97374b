"""Which Kubernetes rights a skill pack gets: those it asks for, cut to what every layer of policy grants.

Rights are compared atom by atom: one API group, one resource, one verb. A layer without `rbacPolicy.allow` grants
reads. What is sensitive (Secrets, tokens, RBAC, verbs that hand on authority, ways into other pods, writes to our
own kinds, by which a run could decide about itself) is never covered by a wildcard or by the reads: a policy must
name it.
What a pack asks for with a wildcard is granted only as a whole, since we cannot know what it will come to mean.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Final

from sympozium.api.meta import GROUP
from sympozium.api.policy import RBACPolicy
from sympozium.api.runconfig import PolicyLayer
from sympozium.api.shared import RBACRule
from sympozium.policy.effective import Effective

READS: Final = frozenset({"get", "list", "watch"})
_HAND_ON: Final = frozenset({"escalate", "bind", "impersonate", "approve", "sign"})
_RBAC_GROUP: Final = "rbac.authorization.k8s.io"
_WAYS_IN: Final = frozenset(
    {
        "pods/exec", "pods/attach", "pods/portforward", "pods/proxy", "pods/ephemeralcontainers",
        "services/proxy", "nodes/proxy", "nodes/log",
    }
)  # fmt: skip
"""Whoever has these is inside another pod or node, with what it holds. `get` is enough for most of them, since a
connection that is upgraded is a GET: they are no reads.
https://kubernetes.io/docs/concepts/security/rbac-good-practices/#access-to-proxy-subresource-of-nodes"""
_SENSITIVE: Final = frozenset(
    {("", "secrets"), ("", "serviceaccounts/token"), *(("", resource) for resource in _WAYS_IN)}
)
_IMPERSONATED: Final = frozenset({("", "serviceaccounts"), ("", "users"), ("", "groups")})
_SENSITIVE_GROUPS: Final = frozenset(
    {_RBAC_GROUP, "authentication.k8s.io", "authorization.k8s.io", "admissionregistration.k8s.io", "certificates.k8s.io"}
)  # fmt: skip


@dataclass(frozen=True, slots=True, order=True)
class Atom:
    """One verb on one resource of one API group; each may be `*`."""

    group: str
    resource: str
    verb: str

    def __str__(self) -> str:
        return f"{self.verb} {self.resource}{'.' + self.group if self.group else ''}"


@dataclass(frozen=True, slots=True)
class Cut:
    """A right that was asked for and is not granted, and the policy that did not."""

    atom: Atom
    reason: str
    rule: str = ""
    """Policy and place; empty for what no policy grants."""

    def __str__(self) -> str:
        return f"{self.atom}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Grant:
    """What a pack gets, and what was cut."""

    rules: tuple[RBACRule, ...]
    cut: tuple[Cut, ...]


def grant(rules: Sequence[RBACRule], policy: Effective) -> Grant:
    """The part of `rules` that the layers that bind let a skill have; of `policy.as_enforced`, if all did."""
    granted: list[RBACRule] = []
    cuts: list[Cut] = []
    for rule in rules:
        kept = []
        for atom in _atoms(rule):
            cut = _too_wide_cut(atom) or next(
                (c for layer in policy.enforced if (c := _cut(atom, layer)) is not None), None
            )
            if cut is None:
                kept.append(atom)
            else:
                cuts.append(cut)
        granted += _rules(rule, kept)
    return Grant(tuple(granted), tuple(cuts))


def sensitive(atom: Atom) -> bool:
    """Whether an atom must be named by a policy to be granted, or includes one that must."""
    return (
        (atom.group, atom.resource) in _SENSITIVE
        or atom.group in _SENSITIVE_GROUPS
        or atom.verb in _HAND_ON
        or (atom.group == GROUP and atom.verb not in READS)
        or _too_wide(atom)
    )


def _too_wide(atom: Atom) -> bool:
    """Whether a wildcard of the atom includes something sensitive: no policy can grant it."""
    if atom.group == "*" or (atom.group in {"", *_SENSITIVE_GROUPS} and atom.resource.startswith("*")):
        return True
    return atom.verb == "*" and (
        (atom.group, atom.resource) in _IMPERSONATED or atom.group in {GROUP, *_SENSITIVE_GROUPS}
    )


def _too_wide_cut(atom: Atom) -> Cut | None:
    """What no policy grants, and none is asked about."""
    if not _too_wide(atom):
        return None
    return Cut(atom, "a wildcard here includes Secrets or what hands on authority: name what is needed")


def _cut(atom: Atom, layer: PolicyLayer) -> Cut | None:
    """Why a layer does not grant an atom, or None when it does."""
    rules = layer.spec.rbac_policy or RBACPolicy()
    if any(_meets(atom, denied) for rule in rules.deny for denied in _atoms(rule)):
        return Cut(atom, f"policy {layer.name} denies it (rbacPolicy.deny)", f"{layer.name}: rbacPolicy.deny")
    if rules.allow:
        if any(_covers(allowed, atom) for rule in rules.allow for allowed in _atoms(rule)):
            return None
        return Cut(
            atom,
            f"policy {layer.name} does not allow it (rbacPolicy.allow)",
            f"{layer.name}: rbacPolicy.allow",
        )
    if atom.verb in READS and not sensitive(atom):
        return None
    return Cut(
        atom,
        f"policy {layer.name} grants reads of what is not sensitive, and names nothing more (rbacPolicy.allow)",
        f"{layer.name}: rbacPolicy.allow",
    )


def _atoms(rule: RBACRule) -> list[Atom]:
    return [Atom(*parts) for parts in product(rule.api_groups, rule.resources, rule.verbs)]


def _covers(allowed: Atom, asked: Atom) -> bool:
    """Whether an allowed atom includes an asked one. Sensitive atoms must be named exactly."""
    if sensitive(asked):
        return allowed == asked
    pairs = ((allowed.group, asked.group), (allowed.resource, asked.resource), (allowed.verb, asked.verb))
    return all(own in ("*", other) for own, other in pairs)


def _meets(first: Atom, second: Atom) -> bool:
    """Whether two atoms have anything in common."""
    pairs = ((first.group, second.group), (first.resource, second.resource), (first.verb, second.verb))
    return all(one == other or "*" in (one, other) for one, other in pairs)


def _rules(asked: RBACRule, kept: Iterable[Atom]) -> list[RBACRule]:
    """Rules for the atoms that were kept, as few as keep the shape of the rule that was asked for."""
    atoms = set(kept)
    if len(atoms) == len(set(_atoms(asked))):
        return [asked] if atoms else []
    by_verbs: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for group, resource in product(asked.api_groups, asked.resources):
        verbs = tuple(verb for verb in asked.verbs if Atom(group, resource, verb) in atoms)
        if verbs:
            by_verbs.setdefault((group, verbs), []).append(resource)
    return [
        RBACRule(api_groups=[group], resources=resources, verbs=list(verbs))
        for (group, verbs), resources in by_verbs.items()
    ]
