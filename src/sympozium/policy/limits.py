"""How many runs a run may start, and how deep: the least of what its instance and every layer of policy say.

A layer without `subagentPolicy` says nothing; an instance without `subagents` has the defaults of its fields, so that
there always is a limit. Depth counts the runs above: one that a person started has 0, its children have 1. A limit of
0 lets no run start another.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from sympozium.api.instance import SubagentLimits, SympoziumInstance
from sympozium.api.policy import SubagentPolicy
from sympozium.api.run import AgentRun
from sympozium.api.runconfig import PolicyLayer
from sympozium.policy.effective import Effective
from sympozium.policy.verdict import Violation

DEPTH_FIELD = "spec.parent.spawnDepth"


@dataclass(frozen=True, slots=True)
class Limit:
    """The most that is allowed, and who says so: `p: subagentPolicy.maxDepth`."""

    most: int
    rule: str


def depth(policy: Effective, instance: SympoziumInstance) -> Limit:
    """Levels of runs beneath a run that nobody spawned."""
    own = Limit(_own(instance).max_depth, _rule(instance, "maxDepth"))
    return _least(own, _of_layers(policy.enforced, "maxDepth"))


def concurrent(policy: Effective, instance: SympoziumInstance) -> Limit:
    """Child runs at the same time. Those beyond it wait."""
    own = Limit(_own(instance).max_concurrent, _rule(instance, "maxConcurrent"))
    return _least(own, _of_layers(policy.enforced, "maxConcurrent"))


def children(instance: SympoziumInstance) -> Limit:
    """Child runs that one run may start, over its whole life."""
    return Limit(_own(instance).max_children_per_agent, _rule(instance, "maxChildrenPerAgent"))


def check_depth(run: AgentRun, instance: SympoziumInstance, policy: Effective) -> list[Violation]:
    """What admission has against the depth of a run."""
    return _depth(run.spec.parent.spawn_depth, instance, policy) if run.spec.parent else []


def check_spawn(
    run: AgentRun, instance: SympoziumInstance, policy: Effective, *, started: int
) -> list[Violation]:
    """What there is against a run's starting one more; `started` counts those that it has started so far.

    `instance` and `policy` are those of the run that asks: the ones of its child are admission's to ask.
    """
    found = _depth((run.spec.parent.spawn_depth if run.spec.parent else 0) + 1, instance, policy)
    limit = children(instance)
    if started >= limit.most:
        message = f"this run has started {started} runs: {limit.rule} allows {limit.most}"
        found.append(Violation("spawn", message, rule=limit.rule, instead="do the rest in this run"))
    return found


def _depth(deep: int, instance: SympoziumInstance, policy: Effective) -> list[Violation]:
    """The least limit that binds, and every one that watches."""
    least = depth(policy, instance)
    found = [_too_deep(deep, least, audit=False)] if deep > least.most else []
    watched = [limit for limit in _of_layers(policy.audited, "maxDepth") if deep > limit.most]
    return found + [_too_deep(deep, limit, audit=True) for limit in watched]


def _too_deep(deep: int, limit: Limit, *, audit: bool) -> Violation:
    message = f"is {deep}: {limit.rule} allows {limit.most}"
    instead = (
        f"runs at depth {limit.most} or less"
        if limit.most
        else "no run may start another: do the work in one"
    )
    return Violation(DEPTH_FIELD, message, rule=limit.rule, instead=instead, audit=audit)


def _of_layers(layers: Iterable[PolicyLayer], field: str) -> list[Limit]:
    return [
        Limit(_amount(layer.spec.subagent_policy, field), f"{layer.name}: subagentPolicy.{field}")
        for layer in layers
        if layer.spec.subagent_policy is not None
    ]


def _amount(limits: SubagentPolicy, field: str) -> int:
    return limits.max_depth if field == "maxDepth" else limits.max_concurrent


def _least(own: Limit, layers: list[Limit]) -> Limit:
    """The first of equals, the policy's before the instance's: what a policy says cannot be changed by an author."""
    return min([*layers, own], key=lambda limit: limit.most)


def _own(instance: SympoziumInstance) -> SubagentLimits:
    return instance.spec.agents.default.subagents or SubagentLimits()


def _rule(instance: SympoziumInstance, field: str) -> str:
    return f"instance {instance.name}: agents.default.subagents.{field}"
