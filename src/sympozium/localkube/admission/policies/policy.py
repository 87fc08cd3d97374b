"""A policy, its bindings and its expressions, compiled when the first request matches."""

from dataclasses import dataclass, field
from functools import cached_property

from sympozium.cel import requests
from sympozium.cel.environment import Environment, Program
from sympozium.cel.errors import CompileError
from sympozium.cel.types import Type
from sympozium.localkube.admission.webhooks.hook import HookRule, parse_rule
from sympozium.localkube.types import Object


@dataclass(frozen=True, slots=True, kw_only=True)
class Matching:
    """matchConstraints or matchResources. No rules at all match everything."""

    rules: tuple[HookRule, ...] = ()
    excluded: tuple[HookRule, ...] = ()
    equivalent: bool = True
    namespace_selector: Object = field(default_factory=dict)
    object_selector: Object = field(default_factory=dict)


def parse_matching(match: Object | None) -> Matching:
    match = match or {}
    return Matching(
        rules=tuple(parse_rule(rule) for rule in match.get("resourceRules") or ()),
        excluded=tuple(parse_rule(rule) for rule in match.get("excludeResourceRules") or ()),
        equivalent=match.get("matchPolicy", "Equivalent") == "Equivalent",
        namespace_selector=match.get("namespaceSelector") or {},
        object_selector=match.get("objectSelector") or {},
    )


class Binding:
    """A binding of either kind; `actions` is empty for a mutating one."""

    def __init__(self, stored: Object) -> None:
        spec = stored["spec"]
        self.name: str = stored["metadata"]["name"]
        self.param_ref: Object | None = spec.get("paramRef")
        self.matching = parse_matching(spec.get("matchResources"))
        self.actions: tuple[str, ...] = tuple(spec.get("validationActions") or ())


class Policy:
    """A policy of either kind. `broken` is why its expressions do not compile, "" as a rule."""

    def __init__(self, stored: Object, bindings: list[Binding], *, mutating: bool) -> None:
        self.spec: Object = stored["spec"]
        self.name: str = stored["metadata"]["name"]
        self.bindings = bindings
        self.mutating = mutating
        self.fail = self.spec.get("failurePolicy", "Fail") != "Ignore"
        self.param_kind: Object | None = self.spec.get("paramKind")
        self.matching = parse_matching(self.spec.get("matchConstraints"))
        self.reinvoke = self.spec.get("reinvocationPolicy") == "IfNeeded"

    @cached_property
    def compiled(self) -> "Compiled":
        return Compiled(self)


@dataclass(frozen=True, slots=True)
class Validation:
    program: Program
    message_program: Program | None
    raw: Object


class Compiled:
    """The programs of a policy. What was stored compiled once, so an error here is the server's own."""

    def __init__(self, policy: Policy) -> None:
        self.broken = ""
        self.conditions: list[tuple[str, Program]] = []
        self.variables: dict[str, Program] = {}
        self.validations: list[Validation] = []
        self.annotations: list[tuple[str, Program]] = []
        self.mutations: list[tuple[str, Program]] = []
        try:
            self._compile(policy)
        except CompileError as error:
            self.broken = f"compilation error: {error}"

    def _compile(self, policy: Policy) -> None:
        spec, params = policy.spec, policy.param_kind is not None
        plain = requests.environment(params=params, authorizer=True, patches=policy.mutating)
        for condition in spec.get("matchConditions") or ():
            program = requests.compile_as(plain, condition["expression"].strip())
            self.conditions.append((condition["name"], program))
        types: dict[str, Type] = {}
        for variable in spec.get("variables") or ():
            program = requests.compile_as(requests.with_variables(plain, types), variable["expression"])
            self.variables[variable["name"]] = program
            types[variable["name"]] = program.type
        known = requests.with_variables(plain, types)
        words = requests.with_variables(requests.environment(params=params, authorizer=False), types)
        for raw in spec.get("validations") or ():
            message = self._message(raw, words)
            self.validations.append(Validation(requests.compile_as(known, raw["expression"]), message, raw))
        for raw in spec.get("auditAnnotations") or ():
            self.annotations.append((raw["key"], requests.compile_as(known, raw["valueExpression"])))
        for raw in spec.get("mutations") or ():
            part = raw["jsonPatch"] if raw["patchType"] == "JSONPatch" else raw["applyConfiguration"]
            self.mutations.append((raw["patchType"], requests.compile_as(known, part["expression"])))

    @staticmethod
    def _message(raw: Object, known: Environment) -> Program | None:
        text = raw.get("messageExpression") or ""
        return requests.compile_as(known, text) if text.strip() else None
