"""The sandbox of a run: the container in which commands of the model run.

A policy that requires a sandbox switches it on where nobody spoke of it, and gives it the policy's image and
limits where the run has none; it refuses a run that switches it off or wants more. So a persona, which has no
field for a sandbox, runs under a restrictive policy without being told about it.
"""

from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Final

from sympozium import quantities
from sympozium.api.instance import InstanceSandbox
from sympozium.api.policy import SandboxPolicy
from sympozium.api.run import RunSandbox
from sympozium.api.shared import ResourceRequirements
from sympozium.policy.effective import Effective
from sympozium.policy.verdict import Violation

Picker = Callable[[SandboxPolicy], str | None]
_LIMITS: Final[tuple[tuple[str, str, Picker], ...]] = (
    ("cpu", "maxCPU", lambda sandbox: sandbox.max_cpu),
    ("memory", "maxMemory", lambda sandbox: sandbox.max_memory),
)
_SECCOMP: Final = {"Unconfined": 0, "Localhost": 1, "RuntimeDefault": 1}


def required(policy: Effective) -> bool:
    return any(sandbox.required for _, sandbox in _layers(policy))


def maximum(policy: Effective, resource: str) -> str | None:
    """The most `cpu` or `memory` that any layer lets a sandbox have, or None without a limit."""
    found = [value for _, _, value in _maxima(policy, resource)]
    return min(found, key=quantities.parse) if found else None


def host_mounts_refused_by(policy: Effective) -> str | None:
    """The policy that refuses skill packs with access to the node, or None. Without a word, it is refused."""
    for layer in policy:
        if layer.spec.sandbox_policy is None or not layer.spec.sandbox_policy.allow_host_mounts:
            return layer.name
    return None


def seccomp(policy: Effective) -> str | None:
    """The profile that a layer asks for: the first that is not `Unconfined`, or `Unconfined`, or None."""
    found = [sandbox.seccomp_profile.type for _, sandbox in _layers(policy) if sandbox.seccomp_profile]
    return max(found, key=_SECCOMP.__getitem__, default=None)


def fill(run: RunSandbox | None, instance: InstanceSandbox | None, policy: Effective) -> RunSandbox | None:
    """The sandbox that a run gets: its own, else its instance's, else the one that the policy requires.

    Limits that it does not set become the policy's. A limit that is too high stays, for `check` to refuse.
    """
    sandbox = run
    if sandbox is None and instance is not None:
        sandbox = RunSandbox(enabled=instance.enabled, image=instance.image, resources=instance.resources)
    if sandbox is None and required(policy):
        sandbox = RunSandbox(enabled=True)
    if sandbox is None or not sandbox.enabled:
        return sandbox
    changes: dict[str, object] = {}
    image = next((s.default_image for _, s in _layers(policy) if s.default_image), None)
    if sandbox.image is None and image is not None:
        changes["image"] = image
    limits = dict(sandbox.resources.limits) if sandbox.resources else {}
    for resource, _, _ in _LIMITS:
        most = maximum(policy, resource)
        if most is not None:
            limits.setdefault(resource, most)
    if limits:
        requests = sandbox.resources.requests if sandbox.resources else {}
        changes["resources"] = ResourceRequirements(limits=limits, requests=requests)
    return sandbox.model_copy(update=changes) if changes else sandbox


def check(sandbox: RunSandbox | None, policy: Effective, *, path: str = "spec.sandbox") -> list[Violation]:
    """What a policy has against a sandbox, as it is after `fill`."""
    found: list[Violation] = []
    off = sandbox is None or not sandbox.enabled
    for name, layer in _layers(policy):
        if layer.required and off:
            found.append(
                Violation(f"{path}.enabled", f"policy {name} requires a sandbox (sandboxPolicy.required)")
            )
    if sandbox is None:
        return found
    if sandbox.resources is not None:
        found += check_resources(sandbox.resources, policy, path=f"{path}.resources")
    profile = sandbox.security_context.seccomp_profile if sandbox.security_context else None
    wanted = seccomp(policy)
    if profile and wanted and _SECCOMP[profile.type] < _SECCOMP[wanted]:
        found.append(
            Violation(
                f"{path}.securityContext.seccompProfile.type",
                f"policy asks for {wanted} (sandboxPolicy.seccompProfile)",
            )
        )
    return found


def check_resources(resources: ResourceRequirements, policy: Effective, *, path: str) -> list[Violation]:
    """Amounts above the policy's, and requests above their own limits."""
    found = []
    for resource, _, _ in _LIMITS:
        for kind, amounts in (("limits", resources.limits), ("requests", resources.requests)):
            if resource not in amounts:
                continue
            for name, field, most in _maxima(policy, resource):
                if quantities.parse(amounts[resource]) > quantities.parse(most):
                    found.append(
                        Violation(
                            f"{path}.{kind}.{resource}",
                            f"{amounts[resource]} is more than policy {name} allows (sandboxPolicy.{field}: {most})",
                        )
                    )
    return found + contradictions(resources, path=path)


def contradictions(resources: ResourceRequirements, *, path: str) -> list[Violation]:
    """Negative amounts, and requests above their own limits."""
    found = [
        Violation(f"{path}.{kind}.{resource}", f"{amount} is negative")
        for kind, amounts in (("limits", resources.limits), ("requests", resources.requests))
        for resource, amount in amounts.items()
        if quantities.parse(amount) < Decimal(0)
    ]
    for resource, asked in resources.requests.items():
        limit = resources.limits.get(resource)
        if limit is not None and quantities.parse(asked) > quantities.parse(limit):
            found.append(
                Violation(f"{path}.requests.{resource}", f"{asked} is more than its limit of {limit}")
            )
    return found


def _layers(policy: Effective) -> Iterable[tuple[str, SandboxPolicy]]:
    return ((layer.name, layer.spec.sandbox_policy) for layer in policy if layer.spec.sandbox_policy)


def _maxima(policy: Effective, resource: str) -> list[tuple[str, str, str]]:
    field, pick = next((field, pick) for name, field, pick in _LIMITS if name == resource)
    return [(name, field, most) for name, sandbox in _layers(policy) if (most := pick(sandbox)) is not None]
