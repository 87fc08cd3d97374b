"""What is wrong with where a pod wants to run: affinity, tolerations, spreading. In the API server's words."""

from typing import Any

from sympozium.localkube.defaults.checks import Causes, optional_word
from sympozium.localkube.defaults.labels import key_causes, name_causes, selector_shape_causes, value_causes
from sympozium.localkube.metadata import label_value_errors
from sympozium.localkube.schema import gotext
from sympozium.localkube.types import Object

_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"
_EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
_ACTIONS = ("DoNotSchedule", "ScheduleAnyway")
_NODES = ("Honor", "Ignore")


def affinity_causes(affinity: Object | None, at: str) -> Causes:
    if affinity is None:
        return []
    causes: Causes = []
    nodes = affinity.get("nodeAffinity")
    if nodes is not None:
        causes += _node_affinity(nodes, f"{at}.nodeAffinity")
    for kind in ("podAffinity", "podAntiAffinity"):
        found = affinity.get(kind) or {}
        for index, term in enumerate(found.get(_REQUIRED) or ()):
            causes += _pod_term(term, f"{at}.{kind}.{_REQUIRED}[{index}]")
        for index, weighted in enumerate(found.get(_PREFERRED) or ()):
            place = f"{at}.{kind}.{_PREFERRED}[{index}]"
            causes += _weight(weighted, place)
            causes += _pod_term(weighted.get("podAffinityTerm") or {}, f"{place}.podAffinityTerm")
    return causes


def _weight(weighted: Object, at: str) -> Causes:
    weight = weighted.get("weight") or 0
    return (
        [] if 1 <= weight <= 100 else [gotext.invalid(f"{at}.weight", weight, "must be in the range 1-100")]
    )


def _node_affinity(affinity: Object, at: str) -> Causes:
    causes: Causes = []
    required = affinity.get(_REQUIRED)
    if required is not None:
        terms = required.get("nodeSelectorTerms") or []
        place = f"{at}.{_REQUIRED}.nodeSelectorTerms"
        if not terms:
            causes.append(gotext.required(place, "must have at least one node selector term"))
        for index, term in enumerate(terms):
            causes += node_term_causes(term, f"{place}[{index}]")
    for index, weighted in enumerate(affinity.get(_PREFERRED) or ()):
        place = f"{at}.{_PREFERRED}[{index}]"
        causes += _weight(weighted, place)
        causes += node_term_causes(weighted.get("preference") or {}, f"{place}.preference")
    return causes


def node_term_causes(term: Object, at: str) -> Causes:
    causes: Causes = []
    for index, rule in enumerate(term.get("matchExpressions") or ()):
        causes += _node_rule(rule, f"{at}.matchExpressions[{index}]")
    for index, rule in enumerate(term.get("matchFields") or ()):
        causes += _node_field(rule, f"{at}.matchFields[{index}]")
    return causes


def _node_rule(rule: Object, at: str) -> Causes:
    operator, values = rule.get("operator") or "", rule.get("values") or []
    causes: Causes = []
    if operator in {"In", "NotIn"}:
        if not values:
            why = "must be specified when `operator` is 'In' or 'NotIn'"
            causes.append(gotext.required(f"{at}.values", why))
    elif operator in {"Exists", "DoesNotExist"}:
        if values:
            why = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
            causes.append(gotext.forbidden(f"{at}.values", why))
    elif operator in {"Gt", "Lt"}:
        if len(values) != 1:
            why = "must be specified single value when `operator` is 'Lt' or 'Gt'"
            causes.append(gotext.required(f"{at}.values", why))
    else:
        causes.append(gotext.invalid(f"{at}.operator", operator, "not a valid selector operator"))
    causes += key_causes(rule.get("key") or "", f"{at}.key")
    for index, value in enumerate(values):
        causes += value_causes(value, f"{at}.values[{index}]")
    return causes


def _node_field(rule: Object, at: str) -> Causes:
    operator, values, key = rule.get("operator") or "", rule.get("values") or [], rule.get("key") or ""
    causes: Causes = []
    if operator not in {"In", "NotIn"}:
        causes.append(gotext.invalid(f"{at}.operator", operator, "not a valid selector operator"))
    elif len(values) != 1:
        why = "must be only one value when `operator` is 'In' or 'NotIn' for node field selector"
        causes.append(gotext.required(f"{at}.values", why))
    if key != "metadata.name":
        return [*causes, gotext.invalid(f"{at}.key", key, "not a valid field selector key")]
    for index, value in enumerate(values):
        causes += name_causes(value, f"{at}.values[{index}]")
    return causes


def _pod_term(term: Object, at: str) -> Causes:
    causes = selector_shape_causes(term.get("labelSelector"), f"{at}.labelSelector")
    causes += selector_shape_causes(term.get("namespaceSelector"), f"{at}.namespaceSelector")
    for namespace in term.get("namespaces") or ():
        causes += name_causes(namespace, f"{at}.namespace", "label")
    causes += _label_keys(term, at)
    key = term.get("topologyKey") or ""
    if not key:
        causes.append(gotext.required(f"{at}.topologyKey", "can not be empty"))
    return causes + key_causes(key, f"{at}.topologyKey")


def _label_keys(term: Object, at: str) -> Causes:
    causes: Causes = []
    for name in ("matchLabelKeys", "mismatchLabelKeys"):
        keys = term.get(name) or []
        if keys and term.get("labelSelector") is None:
            why = "must not be specified when labelSelector is not set"
            causes.append(gotext.forbidden(f"{at}.{name}", why))
            continue
        for index, key in enumerate(keys):
            causes += key_causes(key, f"{at}.{name}[{index}]")
    for index, key in enumerate(term.get("matchLabelKeys") or ()):
        if key in (term.get("mismatchLabelKeys") or ()):
            why = "exists in both matchLabelKeys and mismatchLabelKeys"
            causes.append(gotext.invalid(f"{at}.matchLabelKeys[{index}]", key, why))
    return causes


def toleration_causes(tolerations: Any, path: str) -> Causes:
    causes: Causes = []
    for index, toleration in enumerate(tolerations or ()):
        causes += _toleration(toleration, f"{path}[{index}]")
    return causes


def _toleration(toleration: Object, at: str) -> Causes:
    key, value, effect = (toleration.get(name) or "" for name in ("key", "value", "effect"))
    operator = toleration.get("operator") or ""
    causes = key_causes(key, f"{at}.key") if key else []
    if not key and operator != "Exists":
        why = 'operator must be Exists when `key` is empty, which means "match all values and all keys"'
        causes.append(gotext.invalid(f"{at}.operator", operator, why))
    if toleration.get("tolerationSeconds") is not None and effect != "NoExecute":
        why = "effect must be 'NoExecute' when `tolerationSeconds` is set"
        causes.append(gotext.invalid(f"{at}.effect", effect, why))
    if operator in {"", "Equal"}:
        errors = label_value_errors(value)
        if errors:
            causes.append(gotext.invalid(f"{at}.operator", value, ";".join(errors)))
    elif operator == "Exists":
        if value:
            why = "value must be empty when `operator` is 'Exists'"
            causes.append(gotext.invalid(f"{at}.operator", value, why))
    elif operator in {"Lt", "Gt"}:
        supported: tuple[str, ...] = ("Equal", "Exists", "Lt", "Gt")
        causes.append(gotext.unsupported(f"{at}.operator", operator, supported))
    else:
        causes.append(gotext.unsupported(f"{at}.operator", operator, ("Equal", "Exists")))
    if effect and effect not in _EFFECTS:
        causes.append(gotext.unsupported(f"{at}.effect", effect, _EFFECTS))
    return causes


def spread_causes(constraints: Any, path: str) -> Causes:
    """TopologySpreadConstraints."""
    causes: Causes = []
    for index, constraint in enumerate(constraints or ()):
        at = f"{path}[{index}]"
        causes += _positive(constraint.get("maxSkew") or 0, f"{at}.maxSkew")
        key, action = constraint.get("topologyKey") or "", constraint.get("whenUnsatisfiable") or ""
        if not key:
            causes.append(gotext.required(f"{at}.topologyKey", "can not be empty"))
        if action not in _ACTIONS:
            causes.append(gotext.unsupported(f"{at}.whenUnsatisfiable", action, _ACTIONS))
        later = constraints[index + 1 :]
        if any(
            (c.get("topologyKey") or "", c.get("whenUnsatisfiable") or "") == (key, action) for c in later
        ):
            causes.append(
                gotext.duplicate(f"{at}.{{topologyKey, whenUnsatisfiable}}", f"{{{key}, {action}}}")
            )
        domains = constraint.get("minDomains")
        if domains is not None:
            causes += _positive(domains, f"{at}.minDomains")
            if action != "DoNotSchedule":
                why = f"can only use minDomains if whenUnsatisfiable=DoNotSchedule, not {action}"
                causes.append(gotext.invalid(f"{at}.minDomains", domains, why))
        for name in ("nodeAffinityPolicy", "nodeTaintsPolicy"):
            causes += optional_word(constraint.get(name), _NODES, f"{at}.{name}")
        causes += _label_keys({**constraint, "mismatchLabelKeys": None}, at)
        causes += selector_shape_causes(constraint.get("labelSelector"), f"{at}.labelSelector")
    return causes


def _positive(value: int, path: str) -> Causes:
    return [] if value > 0 else [gotext.invalid(path, value, "must be greater than zero")]
