"""RBAC rules on values: does a rule allow, what is left uncovered, in Kubernetes' words.

A compiled rule is five frozen sets, so that a decision is a few set look-ups. Source:
https://kubernetes.io/docs/reference/access-authn-authz/rbac/
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sympozium.localkube.types import Attributes, Object

ALL = "*"


@dataclass(frozen=True, slots=True)
class Rule:
    """One PolicyRule."""

    verbs: frozenset[str]
    groups: frozenset[str] = frozenset()
    resources: frozenset[str] = frozenset()
    names: frozenset[str] = frozenset()
    paths: frozenset[str] = frozenset()


def compile_rule(rule: Object) -> Rule:
    def strings(key: str) -> frozenset[str]:
        return frozenset(rule.get(key) or ())

    return Rule(
        verbs=strings("verbs"),
        groups=strings("apiGroups"),
        resources=strings("resources"),
        names=strings("resourceNames"),
        paths=strings("nonResourceURLs"),
    )


def to_object(rule: Rule) -> Object:
    """The PolicyRule (or ResourceRule) with sorted lists; empty ones are left out."""
    out: Object = {"verbs": sorted(rule.verbs)}
    parts = {
        "apiGroups": rule.groups,
        "resources": rule.resources,
        "resourceNames": rule.names,
        "nonResourceURLs": rule.paths,
    }
    out |= {key: sorted(value) for key, value in parts.items() if value}
    return out


def allows(rule: Rule, ask: Attributes) -> bool:
    """Whether one rule allows what is asked."""
    if ask.verb not in rule.verbs and ALL not in rule.verbs:
        return False
    if not ask.resource:
        return any(_path_matches(path, ask.path) for path in rule.paths)
    if ask.group not in rule.groups and ALL not in rule.groups:
        return False
    if not _resource_matches(rule.resources, ask.resource, ask.subresource):
        return False
    return not rule.names or _name(ask) in rule.names


def _name(ask: Attributes) -> str:
    """The name that `resourceNames` are held against.

    A list or watch names an object when its field selector is exactly `metadata.name=x`; a create has no
    name yet, so a rule with resourceNames never allows it.
    """
    if ask.verb in {"list", "watch", "deletecollection"} and not ask.name:
        for part in ask.field_selector.split(","):
            key, separator, value = part.replace("==", "=").partition("=")
            if separator and key.strip() == "metadata.name" and not key.endswith("!"):
                return value.strip()
    return ask.name


def _resource_matches(resources: frozenset[str], resource: str, subresource: str) -> bool:
    if ALL in resources:
        return True
    if not subresource:
        return resource in resources
    return f"{resource}/{subresource}" in resources or f"*/{subresource}" in resources


def _path_matches(pattern: str, path: str) -> bool:
    if pattern == ALL:
        return True
    return path.startswith(pattern[:-1]) if pattern.endswith("*") else path == pattern


def uncovered(held: Sequence[Rule], wanted: Iterable[Rule]) -> list[Rule]:
    """The parts of `wanted` that `held` does not give, each as a rule of single values.

    A part counts as held when one rule gives it alone: like Kubernetes', the check does not add up two
    rules for one part, but takes a rule of many values apart first.
    """
    return [part for rule in wanted for part in _parts(rule) if not any(_covers(have, part) for have in held)]


def _parts(rule: Rule) -> Iterable[Rule]:
    for verb in sorted(rule.verbs):
        verbs = frozenset({verb})
        for path in sorted(rule.paths):
            yield Rule(verbs, paths=frozenset({path}))
        for group in sorted(rule.groups):
            for resource in sorted(rule.resources):
                base = (verbs, frozenset({group}), frozenset({resource}))
                if not rule.names:
                    yield Rule(*base)
                for name in sorted(rule.names):
                    yield Rule(*base, frozenset({name}))


def _covers(have: Rule, part: Rule) -> bool:
    """`part` has one value in each set."""
    if not (part.verbs <= have.verbs or ALL in have.verbs):
        return False
    if part.paths:
        return all(any(_path_covers(own, path) for own in have.paths) for path in part.paths)
    if not (part.groups <= have.groups or ALL in have.groups):
        return False
    (resource,) = part.resources
    _, _, sub = resource.partition("/")
    if not (resource in have.resources or ALL in have.resources or (sub and f"*/{sub}" in have.resources)):
        return False
    return not have.names or (bool(part.names) and part.names <= have.names)


def _path_covers(own: str, path: str) -> bool:
    if own in {ALL, path}:
        return True
    return own.endswith("*") and path.rstrip("*").startswith(own[:-1])


def text(rules: Iterable[Rule]) -> str:
    """Rules as the escalation error prints them, one a line; those that differ by verb alone are one."""
    merged: dict[tuple[frozenset[str], ...], set[str]] = {}
    for rule in rules:
        merged.setdefault((rule.groups, rule.resources, rule.names, rule.paths), set()).update(rule.verbs)
    lines = []
    for (groups, resources, names, paths), verbs in merged.items():
        parts = [
            f"{label}:[{' '.join(json.dumps(value) for value in sorted(values))}]"
            for label, values in (
                ("APIGroups", groups),
                ("Resources", resources),
                ("ResourceNames", names),
                ("NonResourceURLs", paths),
                ("Verbs", verbs),
            )
            if values
        ]
        lines.append("{" + ", ".join(parts) + "}")
    return "\n".join(lines)
