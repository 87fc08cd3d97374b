"""The sandbox of a run: the container in which commands of the model run.

A policy that requires a sandbox switches it on where nobody spoke of it, and gives it the policy's image and
limits where the run has none; it refuses a run that switches it off or wants more. So a persona, which has no
field for a sandbox, runs under a restrictive policy without being told about it. A layer that only watches fills in
nothing and limits nothing; `check` of it says what it would refuse.
"""

from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from typing import Final

from sympozium import quantities
from sympozium.api.instance import InstanceSandbox
from sympozium.api.policy import SandboxPolicy
from sympozium.api.run import RunSandbox
from sympozium.api.runconfig import PolicyLayer
from sympozium.api.shared import ResourceRequirements, SeccompProfile
from sympozium.policy.effective import Effective
from sympozium.policy.verdict import Violation

Picker = Callable[[SandboxPolicy], str | None]
_LIMITS: Final[tuple[tuple[str, str, Picker], ...]] = (
    ("cpu", "maxCPU", lambda sandbox: sandbox.max_cpu),
    ("memory", "maxMemory", lambda sandbox: sandbox.max_memory),
)
_SECCOMP: Final = {"Unconfined": 0, "Localhost": 1, "RuntimeDefault": 1}


def required(policy: Effective) -> bool:
    return any(sandbox.required for _, sandbox in _said(policy.enforced))


def maximum(policy: Effective, resource: str) -> str | None:
    """The most `cpu` or `memory` that any layer lets a sandbox have, or None without a limit."""
    found = [value for _, _, value in _maxima(policy.enforced, resource)]
    return min(found, key=quantities.parse) if found else None


def host_mounts_refused_by(layers: Iterable[PolicyLayer]) -> list[str]:
    """The policies that refuse skill packs with access to the node. Without a word, it is refused."""
    return [
        layer.name
        for layer in layers
        if layer.spec.sandbox_policy is None or not layer.spec.sandbox_policy.allow_host_mounts
    ]


def seccomp(policy: Effective) -> str | None:
    """The profile that a layer asks for: the first that is not `Unconfined`, or `Unconfined`, or None."""
    found = [sandbox.seccomp_profile.type for _, sandbox in _said(policy.enforced) if sandbox.seccomp_profile]
    return max(found, key=_SECCOMP.__getitem__, default=None)


def default_image(policy: Effective) -> str | None:
    """The image of sandboxes that name none: of the first layer that says one."""
    return next((said.default_image for _, said in _said(policy.enforced) if said.default_image), None)


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
    image = default_image(policy)
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


def check(
    sandbox: RunSandbox | None, layers: Sequence[PolicyLayer], *, path: str = "spec.sandbox"
) -> list[Violation]:
    """What layers have against a sandbox, as it is after `fill`."""
    off = sandbox is None or not sandbox.enabled
    found = [
        Violation(
            f"{path}.enabled",
            f"policy {name} requires a sandbox (sandboxPolicy.required)",
            rule=f"{name}: sandboxPolicy.required",
            instead="leave spec.sandbox out, or set enabled to true",
        )
        for name, said in _said(layers)
        if said.required and off
    ]
    if sandbox is None:
        return found
    if sandbox.resources is not None:
        found += check_resources(sandbox.resources, layers, path=f"{path}.resources")
    profile = sandbox.security_context.seccomp_profile if sandbox.security_context else None
    return found + (_check_profile(profile, layers, path) if profile else [])


def _check_profile(profile: SeccompProfile, layers: Sequence[PolicyLayer], path: str) -> list[Violation]:
    wanted = [(name, said.seccomp_profile.type) for name, said in _said(layers) if said.seccomp_profile]
    return [
        Violation(
            f"{path}.securityContext.seccompProfile.type",
            f"policy {name} asks for {kind} (sandboxPolicy.seccompProfile)",
            rule=f"{name}: sandboxPolicy.seccompProfile",
            instead=kind,
        )
        for name, kind in wanted
        if _SECCOMP[profile.type] < _SECCOMP[kind]
    ]


def check_resources(
    resources: ResourceRequirements, layers: Sequence[PolicyLayer], *, path: str
) -> list[Violation]:
    """Amounts above the layers'."""
    return [
        Violation(
            f"{path}.{kind}.{resource}",
            f"{amounts[resource]} is more than policy {name} allows (sandboxPolicy.{field}: {most})",
            rule=f"{name}: sandboxPolicy.{field}",
            instead=f"{most} or less",
        )
        for resource, _, _ in _LIMITS
        for kind, amounts in (("limits", resources.limits), ("requests", resources.requests))
        for name, field, most in _maxima(layers, resource)
        if resource in amounts and quantities.parse(amounts[resource]) > quantities.parse(most)
    ]


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


def _said(layers: Iterable[PolicyLayer]) -> Iterable[tuple[str, SandboxPolicy]]:
    return ((layer.name, layer.spec.sandbox_policy) for layer in layers if layer.spec.sandbox_policy)


def _maxima(layers: Iterable[PolicyLayer], resource: str) -> list[tuple[str, str, str]]:
    field, pick = next((field, pick) for name, field, pick in _LIMITS if name == resource)
    return [(name, field, most) for name, said in _said(layers) if (most := pick(said)) is not None]
