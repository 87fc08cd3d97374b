"""One webhook of a configuration, parsed."""

from dataclasses import dataclass

from sympozium.localkube.types import Object


@dataclass(frozen=True, slots=True)
class HookRule:
    """RuleWithOperations. `scope` is Cluster, Namespaced or *; `names` of a policy's rule limit it to them."""

    operations: frozenset[str]
    groups: frozenset[str]
    versions: frozenset[str]
    resources: frozenset[str]
    scope: str
    names: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Hook:
    """A webhook and the configuration that it is in."""

    name: str
    configuration: str
    client: Object
    rules: tuple[HookRule, ...]
    fail: bool
    equivalent: bool
    namespace_selector: Object
    object_selector: Object
    timeout: float
    reinvoke: bool
    conditions: tuple[tuple[str, str], ...] = ()
    """(name, CEL expression)."""


def parse(configuration: Object) -> list[Hook]:
    """The webhooks of a configuration as stored, defaults filled in where the object lacks them."""
    name = configuration["metadata"]["name"]
    return [_hook(name, webhook) for webhook in configuration.get("webhooks") or ()]


def _hook(configuration: str, webhook: Object) -> Hook:
    conditions = tuple((c["name"], c["expression"]) for c in webhook.get("matchConditions") or ())
    return Hook(
        name=webhook["name"],
        configuration=configuration,
        client=webhook["clientConfig"],
        rules=tuple(parse_rule(rule) for rule in webhook.get("rules") or ()),
        fail=webhook.get("failurePolicy", "Fail") != "Ignore",
        equivalent=webhook.get("matchPolicy", "Equivalent") == "Equivalent",
        namespace_selector=webhook.get("namespaceSelector") or {},
        object_selector=webhook.get("objectSelector") or {},
        timeout=float(webhook.get("timeoutSeconds") or 10),
        reinvoke=webhook.get("reinvocationPolicy", "Never") == "IfNeeded",
        conditions=conditions,
    )


def parse_rule(rule: Object) -> HookRule:
    return HookRule(
        frozenset(rule.get("operations") or ()),
        frozenset(rule.get("apiGroups") or ()),
        frozenset(rule.get("apiVersions") or ()),
        frozenset(rule.get("resources") or ()),
        rule.get("scope") or "*",
        frozenset(rule.get("resourceNames") or ()),
    )
