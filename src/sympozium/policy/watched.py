"""What the layers of a policy that only watch (`enforcement: Audit`) would take from a run that goes on without them.

What they would refuse stands in `admit` and `gate`, beside what binds. Here is the rest: what is not refused but cut.
"""

from collections.abc import Mapping

from sympozium import durations
from sympozium.api.skillpack import SkillPack
from sympozium.policy import network, sandbox
from sympozium.policy.effective import Effective
from sympozium.policy.packs import CUT_FIELDS, judge_pack


def cuts(policy: Effective, packs: Mapping[str, SkillPack]) -> list[str]:
    """In words, each with its field; empty where no layer only watches."""
    if not policy.audited:
        return []
    rights = [
        str(violation)
        for pack in packs.values()
        for violation in judge_pack(pack, policy)
        if violation.audit and violation.field in CUT_FIELDS
    ]
    return [*_egress(policy), *_sandbox(policy), *_others(policy), *rights]


def _egress(policy: Effective) -> list[str]:
    now, then = network.egress(policy), network.egress(policy.as_enforced)
    if now == then:
        return []
    open_ = [rule.host if rule.port is None else f"{rule.host}:{rule.port}" for rule in then.destinations]
    closed = [
        word for word, on in (("name resolution", then.dns), ("the event bus", then.event_bus)) if not on
    ]
    words = f"networkPolicy: egress would be denied but to the model endpoint{''.join(f', {host}' for host in open_)}"
    return [words + (f"; without {' and '.join(closed)}" if closed else "")]


def _sandbox(policy: Effective) -> list[str]:
    found = []
    for field, resource in (("maxCPU", "cpu"), ("maxMemory", "memory")):
        most = sandbox.maximum(policy.as_enforced, resource)
        if most != sandbox.maximum(policy, resource):
            found.append(f"sandboxPolicy.{field}: a sandbox that sets no limit would have {most}")
    if sandbox.required(policy.as_enforced) and not sandbox.required(policy):
        found.append("sandboxPolicy.required: a run that mentions no sandbox would have one")
    image = sandbox.default_image(policy.as_enforced)
    if image != sandbox.default_image(policy):
        found.append(f"sandboxPolicy.defaultImage: a sandbox that names no image would have {image}")
    profile = sandbox.seccomp(policy.as_enforced)
    if profile != sandbox.seccomp(policy):
        found.append(f"sandboxPolicy.seccompProfile: every container would have {profile}")
    return found


def _others(policy: Effective) -> list[str]:
    found = [
        f"subagentPolicy.maxConcurrent: policy {layer.name} would let {layer.spec.subagent_policy.max_concurrent} child runs go at the same time"
        for layer in policy.audited
        if layer.spec.subagent_policy is not None
    ]
    wait = policy.as_enforced.approval_timeout
    if wait != policy.approval_timeout:
        found.append(f"approvals.timeout: a call would wait {durations.render(wait)} for a person")
    return found
