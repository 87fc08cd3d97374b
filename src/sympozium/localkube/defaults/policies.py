"""Admission policies and their bindings: defaults, and what the API server refuses to store.

https://kubernetes.io/docs/reference/access-authn-authz/validating-admission-policy/. Expressions are compiled
here, so that one that cannot be evaluated is never accepted.
"""

import re
from typing import Any

from sympozium.cel import requests
from sympozium.cel.environment import Environment
from sympozium.cel.errors import CompileError
from sympozium.cel.library.formats import CHECKS as FORMATS
from sympozium.cel.types import BOOL, DYN, STRING, Type, list_of
from sympozium.localkube.defaults.labels import selector_shape_causes
from sympozium.localkube.defaults.strategy import Strategy, fill
from sympozium.localkube.defaults.webhooks import rule_causes
from sympozium.localkube.schema import gotext
from sympozium.localkube.types import Cause, Object

_FAILURE = ("Fail", "Ignore")
_MATCH = ("Equivalent", "Exact")
_REASONS = ("Forbidden", "Invalid", "RequestEntityTooLarge")
_ACTIONS = ("Audit", "Deny", "Warn")
_REINVOKE = ("IfNeeded", "Never")
_MUTATED = ("*", "CONNECT", "CREATE", "UPDATE")
_PATCHES = ("ApplyConfiguration", "JSONPatch")
_IDENTIFIER = re.compile(r"[_a-zA-Z][_a-zA-Z0-9]*")
_MOST_ANNOTATIONS, _LONGEST_VALUE = 20, 5 * 1024
_NOTHING = "validations or auditAnnotations must contain at least one item"


def _fill_match(match: Object | None) -> None:
    if match is None:
        return
    match.setdefault("namespaceSelector", {})
    match.setdefault("objectSelector", {})
    fill(match, matchPolicy="Equivalent")
    for key in ("resourceRules", "excludeResourceRules"):
        for rule in match.get(key) or ():
            fill(rule, scope="*")


def _default_policy(policy: Object) -> None:
    spec = policy.setdefault("spec", {})
    fill(spec, failurePolicy="Fail")
    _fill_match(spec.get("matchConstraints"))


def _default_validating(policy: Object) -> None:
    _default_policy(policy)
    policy.setdefault("status", {})


def _default_binding(binding: Object) -> None:
    _fill_match((binding.get("spec") or {}).get("matchResources"))


def match_causes(match: Object, at: str) -> list[Cause]:
    """MatchConstraints and matchResources."""
    causes: list[Cause] = []
    if match["matchPolicy"] not in _MATCH:
        causes.append(gotext.unsupported(f"{at}.matchPolicy", match["matchPolicy"], _MATCH))
    for key in ("namespaceSelector", "objectSelector"):
        causes += selector_shape_causes(match[key], f"{at}.{key}")
    for key in ("resourceRules", "excludeResourceRules"):
        for index, rule in enumerate(match.get(key) or ()):
            place = f"{at}.{key}[{index}]"
            causes += _name_causes(rule.get("resourceNames") or [], f"{place}.resourceNames")
            causes += rule_causes(rule, place)
    return causes


def _name_causes(names: list[str], at: str) -> list[Cause]:
    causes: list[Cause] = []
    for index, name in enumerate(names):
        causes += [gotext.invalid(f"{at}[{index}]", name, why) for why in _path_segment(name)]
        if name in names[:index]:
            causes.append(gotext.duplicate(f"{at}[{index}]", name))
    return causes


def _path_segment(name: str) -> list[str]:
    if name in {".", ".."}:
        return [f"may not be '{name}'"]
    return [f"may not contain '{char}'" for char in "/%" if char in name]


class _Expressions:
    """Compiles what a policy has, and collects what is wrong."""

    def __init__(self, spec: Object, *, patches: bool) -> None:
        self.causes: list[Cause] = []
        self.params = spec.get("paramKind") is not None
        self._types: dict[str, Type] | None = {} if patches or spec.get("variables") else None
        self._patches = patches

    def environment(
        self, *, authorizer: bool = True, params: bool | None = None, variables: bool = True
    ) -> Environment:
        known = requests.environment(
            params=self.params if params is None else params, authorizer=authorizer, patches=self._patches
        )
        return known if self._types is None or not variables else requests.with_variables(known, self._types)

    def check(self, at: str, text: str, wanted: tuple[Type, ...], known: Environment | None = None) -> Type:
        try:
            return requests.compile_as(known or self.environment(), text, wanted).type
        except CompileError as error:
            self.causes.append(gotext.invalid(at, text, str(error)))
            return DYN

    def variable(self, variable: Object, at: str) -> None:
        name, text = variable.get("name") or "", variable.get("expression") or ""
        if not name.strip():
            self.causes.append(gotext.required(f"{at}.name", "name is not specified"))
        elif not _IDENTIFIER.fullmatch(name):
            self.causes.append(gotext.invalid(f"{at}.name", name, "must be a valid CEL identifier"))
        if not text.strip():
            self.causes.append(gotext.required(f"{at}.expression", "expression is not specified"))
            return
        kind = self.check(f"{at}.expression", text, ())
        if self._types is not None:
            self._types[name] = kind


def condition_causes(conditions: list[Object], at: str, known: Environment) -> list[Cause]:
    """MatchConditions of policies and of webhooks."""
    causes: list[Cause] = []
    if len(conditions) > 64:
        causes.append(gotext.too_many(at, len(conditions), 64))
    names: set[str] = set()
    for index, condition in enumerate(conditions):
        place, name = f"{at}[{index}]", condition.get("name") or ""
        text = (condition.get("expression") or "").strip()
        if not text:
            causes.append(gotext.required(f"{place}.expression"))
        else:
            try:
                requests.compile_as(known, text, (BOOL,))
            except CompileError as error:
                causes.append(gotext.invalid(f"{place}.expression", text, str(error)))
        if not name:
            causes.append(gotext.required(f"{place}.name"))
        else:
            causes += [gotext.invalid(f"{place}.name", name, why) for why in FORMATS["qualifiedName"](name)]
            if name in names:
                causes.append(gotext.duplicate(f"{place}.name", name))
        names.add(name)
    return causes


def _common(spec: Object, expressions: _Expressions) -> list[Cause]:
    causes: list[Cause] = []
    if spec["failurePolicy"] not in _FAILURE:
        causes.append(gotext.unsupported("spec.failurePolicy", spec["failurePolicy"], _FAILURE))
    if expressions.params:
        causes += _param_kind(spec["paramKind"], "spec.paramKind")
    match = spec.get("matchConstraints")
    if match is None:
        causes.append(gotext.required("spec.matchConstraints"))
    else:
        causes += match_causes(match, "spec.matchConstraints")
        if not match.get("resourceRules"):
            causes.append(gotext.required("spec.matchConstraints.resourceRules"))
    return causes


def _param_kind(kind: Object, at: str) -> list[Cause]:
    causes: list[Cause] = []
    version, name = kind.get("apiVersion") or "", kind.get("kind") or ""
    if not version:
        causes.append(gotext.required(f"{at}.apiVersion"))
    elif version.count("/") > 1:
        causes.append(
            gotext.invalid(f"{at}.apiVersion", version, f"unexpected GroupVersion string: {version}")
        )
    else:
        group, _, plain = version.rpartition("/")
        why = FORMATS["dns1123Subdomain"](group) if group else []
        causes += [gotext.invalid(f"{at}.apiVersion", group, ",".join(why))] if why else []
        why = FORMATS["dns1035Label"](plain)
        causes += [gotext.invalid(f"{at}.apiVersion", plain, ",".join(why))] if why else []
    if not name:
        causes.append(gotext.required(f"{at}.kind"))
    elif why := FORMATS["dns1035Label"](name.lower()):
        words = f"may have mixed case, but should otherwise match: {','.join(why)}"
        causes.append(gotext.invalid(f"{at}.kind", name, words))
    return causes


def _conditions(spec: Object, expressions: _Expressions) -> list[Cause]:
    known = expressions.environment(variables=False)
    return condition_causes(spec.get("matchConditions") or [], "spec.matchConditions", known)


def _check_validating(policy: Object, _old: Object | None, subresource: str) -> list[Cause]:
    if subresource:
        return []
    spec = policy["spec"]
    expressions = _Expressions(spec, patches=False)
    causes = _common(spec, expressions) + _conditions(spec, expressions)
    for index, variable in enumerate(spec.get("variables") or ()):
        expressions.variable(variable, f"spec.variables[{index}]")
    validations, annotations = spec.get("validations") or [], spec.get("auditAnnotations") or []
    if not validations and not annotations:
        return [
            *causes,
            *expressions.causes,
            gotext.required("spec.validations", _NOTHING),
            gotext.required("spec.auditAnnotations", _NOTHING),
        ]
    for index, validation in enumerate(validations):
        _validation(validation, f"spec.validations[{index}]", expressions)
    if len(annotations) > _MOST_ANNOTATIONS:
        why = f"must not have more than {_MOST_ANNOTATIONS} auditAnnotations"
        expressions.causes.append(gotext.invalid("spec.auditAnnotations", annotations, why))
    keys: set[str] = set()
    for index, annotation in enumerate(annotations):
        at = f"spec.auditAnnotations[{index}]"
        _annotation(annotation, policy["metadata"].get("name", ""), at, expressions)
        if annotation.get("key") in keys:
            expressions.causes.append(gotext.duplicate(f"{at}.key", annotation["key"]))
        keys.add(annotation.get("key", ""))
    return causes + expressions.causes


def _validation(validation: Object, at: str, expressions: _Expressions) -> None:
    causes, text = expressions.causes, validation.get("expression") or ""
    if not text.strip():
        causes.append(gotext.required(f"{at}.expression", "expression is not specified"))
    else:
        expressions.check(f"{at}.expression", text, (BOOL,))
    words = validation.get("messageExpression") or ""
    if words and not words.strip():
        causes.append(gotext.invalid(f"{at}.messageExpression", words, "must be non-empty if specified"))
    elif words:
        expressions.check(
            f"{at}.messageExpression", words, (STRING,), expressions.environment(authorizer=False)
        )
    message = validation.get("message") or ""
    if message and not message.strip():
        causes.append(gotext.invalid(f"{at}.message", message, "must be non-empty if specified"))
    elif "\n" in message.strip() or "\r" in message.strip():
        causes.append(gotext.invalid(f"{at}.message", message, "must not contain line breaks"))
    if validation.get("reason") and validation["reason"] not in _REASONS:
        causes.append(gotext.unsupported(f"{at}.reason", validation["reason"], _REASONS))


def _annotation(annotation: Object, policy: str, at: str, expressions: _Expressions) -> None:
    key, text = annotation.get("key") or "", (annotation.get("valueExpression") or "").strip()
    if policy:
        whys = FORMATS["qualifiedName"](f"{policy}/{key}")
        expressions.causes += [gotext.invalid(f"{at}.key", f"{policy}/{key}", why) for why in whys]
    else:
        expressions.causes.append(gotext.invalid(f"{at}.key", key, "requires metadata.name be non-empty"))
    if not text:
        expressions.causes.append(
            gotext.required(f"{at}.valueExpression", "valueExpression is not specified")
        )
    elif len(text) > _LONGEST_VALUE:
        why = f"must not exceed {_LONGEST_VALUE} bytes in length"
        expressions.causes.append(gotext.required(f"{at}.valueExpression", why))
    else:
        expressions.check(f"{at}.valueExpression", text, requests.TEXT_OR_NULL)


def _check_mutating(policy: Object, _old: Object | None, _subresource: str) -> list[Cause]:
    spec = policy["spec"]
    expressions = _Expressions(spec, patches=True)
    causes = _common(spec, expressions)
    causes += _operations(spec.get("matchConstraints"), "spec.matchConstraints")
    causes += _conditions(spec, expressions)
    for index, variable in enumerate(spec.get("variables") or ()):
        expressions.variable(variable, f"spec.variables[{index}]")
    if not spec.get("mutations"):
        expressions.causes.append(
            gotext.required("spec.mutations", "mutations must contain at least one item")
        )
    for index, mutation in enumerate(spec.get("mutations") or ()):
        _mutation(mutation, f"spec.mutations[{index}]", expressions)
    causes += expressions.causes
    again = spec.get("reinvocationPolicy")
    if not again:
        causes.append(gotext.required("spec.reinvocationPolicy"))
    elif again not in _REINVOKE:
        causes.append(gotext.unsupported("spec.reinvocationPolicy", again, _REINVOKE))
    return causes


def _operations(match: Object | None, at: str) -> list[Cause]:
    rules = (match or {}).get("resourceRules") or ()
    wrong = [
        operation for rule in rules for operation in rule.get("operations") or () if operation not in _MUTATED
    ]
    return [gotext.unsupported(f"{at}.resourceRules.operations", operation, _MUTATED) for operation in wrong]


def _mutation(mutation: Object, at: str, expressions: _Expressions) -> None:
    kind, causes = mutation.get("patchType") or "", expressions.causes
    if not kind:
        causes.append(gotext.required(f"{at}.patchType"))
        return
    if kind not in _PATCHES:
        causes.append(gotext.unsupported(f"{at}.patchType", kind, _PATCHES))
        return
    own, other = (
        ("jsonPatch", "applyConfiguration") if kind == "JSONPatch" else ("applyConfiguration", "jsonPatch")
    )
    wanted = (list_of(requests.JSON_PATCH),) if kind == "JSONPatch" else (requests.OBJECT,)
    if mutation.get(own) is None:
        causes.append(gotext.required(f"{at}.{own}", f"must be specified when patchType is {kind}"))
    elif not (mutation[own].get("expression") or "").strip():
        causes.append(gotext.required(f"{at}.{own}.expression"))
    else:
        expressions.check(f"{at}.{own}.expression", mutation[own]["expression"], wanted)
    if mutation.get(other) is not None:
        why = f"must not be specified when patchType is {kind}"
        causes.append(gotext.invalid(f"{at}.{other}", f"{{{other}}}", why))


def _binding(spec: Object) -> list[Cause]:
    causes: list[Cause] = []
    name = spec.get("policyName") or ""
    if not name:
        causes.append(gotext.required("spec.policyName"))
    else:
        causes += [gotext.invalid("spec.policyName", name, why) for why in FORMATS["dns1123Subdomain"](name)]
    if spec.get("paramRef") is not None:
        causes += _param_ref(spec["paramRef"], "spec.paramRef")
    if spec.get("matchResources") is not None:
        causes += match_causes(spec["matchResources"], "spec.matchResources")
    return causes


def _param_ref(ref: Object, at: str) -> list[Cause]:
    causes: list[Cause] = []
    name, selector = ref.get("name") or "", ref.get("selector")
    both = "name and selector are mutually exclusive"
    if name:
        causes += [gotext.invalid(f"{at}.name", name, why) for why in _path_segment(name)]
        if selector is not None:
            causes.append(gotext.forbidden(f"{at}.name", both))
    if selector is not None:
        causes += selector_shape_causes(selector, f"{at}.selector")
        if name:
            causes.append(gotext.forbidden(f"{at}.selector", both))
    if not name and selector is None:
        causes.append(gotext.required(at, "one of name or selector must be specified"))
    action = ref.get("parameterNotFoundAction")
    if not action:
        causes.append(gotext.required(f"{at}.parameterNotFoundAction"))
    elif action not in {"Deny", "Allow"}:
        causes.append(gotext.unsupported(f"{at}.parameterNotFoundAction", action, ("Deny", "Allow")))
    return causes


def _check_validating_binding(binding: Object, _old: Object | None, _subresource: str) -> list[Cause]:
    spec: dict[str, Any] = binding.get("spec") or {}
    causes, at = _binding(spec), "spec.validationActions"
    actions: list[str] = spec.get("validationActions") or []
    for index, action in enumerate(actions):
        if action not in _ACTIONS:
            causes.append(gotext.unsupported(f"{at}[{index}]", action, _ACTIONS))
        if action in actions[:index]:
            causes.append(gotext.duplicate(f"{at}[{index}]", action))
    if {"Deny", "Warn"} <= set(actions):
        why = "must not contain both Deny and Warn (repeating the same validation failure information in the API response and headers serves no purpose)"
        causes.append(gotext.invalid(at, actions, why))
    if not actions:
        causes.append(gotext.required(at, "at least one validation action is required"))
    return causes


def _check_mutating_binding(binding: Object, _old: Object | None, _subresource: str) -> list[Cause]:
    spec = binding.get("spec") or {}
    return _binding(spec) + _operations(spec.get("matchResources"), "spec.matchResources")


VALIDATING_POLICY = Strategy(
    status=True, generation=True, default=_default_validating, check=_check_validating
)
VALIDATING_BINDING = Strategy(generation=True, default=_default_binding, check=_check_validating_binding)
MUTATING_POLICY = Strategy(generation=True, default=_default_policy, check=_check_mutating)
MUTATING_BINDING = Strategy(generation=True, default=_default_binding, check=_check_mutating_binding)
