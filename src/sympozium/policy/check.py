"""What is wrong with a policy: values that can never be right. Admission refuses them, `sympozium policy check` shows them.

What can be right and probably is not, is `lint`'s.
"""

from collections.abc import Iterator
from typing import Final

from sympozium import durations, names, quantities
from sympozium.api.policy import PolicySpec
from sympozium.policy.effective import unknown_gates
from sympozium.policy.network import network_of
from sympozium.policy.tools import FEATURE_GATES
from sympozium.policy.verdict import Violation
from sympozium.policy.when import ConditionError, compiled

MOST_RULES: Final = 1000
_RULES: Final = "spec.toolGating.rules"


def problems(spec: PolicySpec) -> list[Violation]:
    """The mistakes of a policy, with the path of each and what to write instead.

    Of one with too many rules that alone is said: each condition is compiled, while others wait.
    """
    if spec.tool_gating and len(spec.tool_gating.rules) > MOST_RULES:
        return [Violation(_RULES, f"more than {MOST_RULES}: use globs, or a default")]
    return [*_rules(spec), *_sandbox(spec), *_egress(spec), *_gates(spec), *_approvals(spec), *_images(spec)]


def _rules(spec: PolicySpec) -> Iterator[Violation]:
    for index, rule in enumerate(spec.tool_gating.rules if spec.tool_gating else ()):
        if rule.when is None:
            continue
        try:
            compiled(rule.when)
        except ConditionError as error:
            yield Violation(
                f"spec.toolGating.rules[{index}].when",
                str(error),
                instead="an expression over args, tool, target and run that is true or false, such as args.path.startsWith('/workspace/')",
            )


def _sandbox(spec: PolicySpec) -> Iterator[Violation]:
    box = spec.sandbox_policy
    for field, amount in (("maxCPU", box.max_cpu), ("maxMemory", box.max_memory)) if box else ():
        if amount is not None and quantities.parse(amount) <= 0:
            yield Violation(
                f"spec.sandboxPolicy.{field}",
                f"{amount} leaves nothing: it must be more than 0",
                instead=f"an amount, or no {field} for none of this policy",
            )


def _egress(spec: PolicySpec) -> Iterator[Violation]:
    for index, rule in enumerate(spec.network_policy.allowed_egress if spec.network_policy else ()):
        wrong = _host(rule.host)
        if wrong is not None:
            field = f"spec.networkPolicy.allowedEgress[{index}].host"
            yield Violation(field, f"{rule.host!r} {wrong[0]}", instead=wrong[1])


def _host(host: str) -> tuple[str, str] | None:
    """What is wrong with a destination, and the cure."""
    if network_of(host) is not None or names.is_subdomain(host.lower().removesuffix(".")):
        # Four numbers that are no address would be looked up as a name, and never found.
        if host.replace(".", "").isdigit() and network_of(host) is None:
            return "is no IP address", "four numbers up to 255"
        return None
    if "://" in host:
        return "is a URL", "the host alone, and its port in `port`"
    if "*" in host:
        return "has a wildcard: names are compared whole", "each name by itself, or a CIDR"
    if "/" in host:
        return "is no CIDR", "an address and a prefix, such as 10.0.0.0/8"
    if host.count(":") == 1:
        return "has a port", "the host alone, and its port in `port`"
    return "is no DNS name, address or CIDR", "a name such as api.example.com"


def _gates(spec: PolicySpec) -> Iterator[Violation]:
    for gate in unknown_gates(spec):
        yield Violation(
            f"spec.featureGates[{gate}]", "unknown feature gate", instead=", ".join(sorted(FEATURE_GATES))
        )


def _approvals(spec: PolicySpec) -> Iterator[Violation]:
    if spec.approvals and durations.parse(spec.approvals.timeout) <= 0:
        yield Violation(
            "spec.approvals.timeout",
            f"{spec.approvals.timeout} leaves nobody time to decide: it must be more than 0",
            instead="a duration such as 1h, or defaultAction deny",
        )


def _images(spec: PolicySpec) -> Iterator[Violation]:
    for index, registry in enumerate(spec.image_policy.allowed_registries if spec.image_policy else ()):
        first, *path = registry.strip("/").split("/")
        if not first or "://" in registry or any(not part or set(part) & set(":@*") for part in path):
            yield Violation(
                f"spec.imagePolicy.allowedRegistries[{index}]",
                f"{registry!r} is no registry: no image would be in it",
                instead="a registry with leading path segments if wanted, such as ghcr.io/acme, without scheme, tag and wildcard",
            )
