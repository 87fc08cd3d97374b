"""What binds a run that goes on: its policy as it is now, and whether it is held. Pure.

A run whose policy is not there is held, not ended: nothing may happen ungoverned, and what is missing may come back.
What a changed policy forbids at the gate is left to the gate. What is fixed with the pod (model, images, sandbox,
access to the host) cannot be taken from it: such a run is ended.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Self

from sympozium import quantities
from sympozium.api.base import Object
from sympozium.api.config import ConfigSpec
from sympozium.api.instance import SympoziumInstance
from sympozium.api.run import AgentRun
from sympozium.api.shared import ToolPolicy
from sympozium.api.skillpack import SkillPack
from sympozium.controllers.run.fold import Progress
from sympozium.controllers.run.plan.files import changeable, fingerprint
from sympozium.kube.conditions import condition
from sympozium.policy import Effective, admit, fill, sandbox

FROZEN: Final = "Frozen"
CURRENT: Final = "PolicyCurrent"
_GATE: Final = ("spec.toolPolicy", "spec.instanceRef")
"""Fields whose violations the gate answers call by call, or that concern later runs."""


@dataclass(frozen=True, slots=True)
class Hold:
    """Why a run is held. `reason` is a word for the condition."""

    reason: str
    message: str


@dataclass(frozen=True)
class Rules:
    """What the tool server of a run shall judge by."""

    policy: Effective
    data: Object
    """Data of `policy.changed`."""

    @classmethod
    def of(cls, policy: Effective, narrowing: Sequence[ToolPolicy]) -> Self:
        return cls(policy, changeable(policy, narrowing))

    @cached_property
    def fingerprint(self) -> str:
        return fingerprint(self.data)

    @property
    def digest(self) -> str:
        return str(self.data["policy"]["digest"])

    def __str__(self) -> str:
        return f"policy {self.policy.name}, generation {self.policy.generation}"


def hold(run: AgentRun, config: ConfigSpec, missing: str) -> Hold | None:
    """Why a run must stand still; `missing` says in words which of its policies is not there."""
    if missing:
        return Hold("PolicyMissing", f"{missing}: the run is held until it is there, or until spec.cancel")
    if config.suspend:
        return Hold("Stopped", "the installation is stopped (SympoziumConfig default: spec.suspend)")
    if run.spec.suspend:
        return Hold("Suspended", "spec.suspend is true")
    return None


def refused(
    run: AgentRun,
    instance: SympoziumInstance,
    config: ConfigSpec,
    policy: Effective,
    packs: Mapping[str, SkillPack],
) -> list[str]:
    """What the run has that the policy forbids and that cannot be taken from it while it goes on.

    The sandbox is judged as it was made: what this policy would
    supply to a new run, this one does not have.
    """
    made = fill(run, instance, config, policy).model_copy(update={"sandbox": run.spec.sandbox})
    violations = admit(run.model_copy(update={"spec": made}), instance, policy, packs)
    found = [str(v) for v in violations if not v.audit and not v.field.startswith(_GATE)]
    found += _unlimited(run, policy)
    return found


def _unlimited(run: AgentRun, policy: Effective) -> list[str]:
    """Limits that the sandbox was made without."""
    box = run.spec.sandbox
    if box is None or not box.enabled:
        return []
    limits = box.resources.limits if box.resources else {}
    return [
        f"spec.sandbox.resources.limits.{resource}: the pod was made without a limit, {quantities.parse(most):f} is allowed now"
        for resource in ("cpu", "memory")
        if resource not in limits and (most := sandbox.maximum(policy, resource)) is not None
    ]


def frozen_condition(wanted: Hold | None, progress: Progress, *, known: bool) -> Object | None:
    """The condition `Frozen`; None where there is nothing to say. `known`: the run has the condition already."""
    held = progress.held is not None and progress.held.frozen
    if wanted is None:
        if held:
            return condition(
                FROZEN, None, "Resuming", "the tool server was told to go on and has not answered"
            )
        return condition(FROZEN, False, "Resumed", "calls and steps go on") if known else None
    if not held:
        words = f"{wanted.message}; the tool server has not answered yet"
        return condition(FROZEN, None, wanted.reason, words)
    calls = progress.held.calls if progress.held else ()
    flight = f"in flight: {', '.join(calls)}" if calls else "nothing in flight"
    return condition(FROZEN, True, wanted.reason, f"{wanted.message}; no call and no step begins; {flight}")


def current_condition(
    rules: Rules | None, wanted: Hold | None, progress: Progress, *, answered: bool, known: bool
) -> Object | None:
    """The condition `PolicyCurrent`: whether what is enforced is what is written."""
    if rules is None:
        return condition(CURRENT, False, "PolicyMissing", wanted.message if wanted else "no policy")
    if answered:
        return condition(CURRENT, True, "Applied", f"{rules} is enforced") if known else None
    before = progress.applied
    still = f"generation {before.generation} of {before.name}" if before else "what it was started with"
    return condition(
        CURRENT, False, "Sent", f"{rules} is sent; the tool server has not answered and judges by {still}"
    )
