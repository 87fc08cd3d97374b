"""Pure decisions about what agents may do. The webhook, the controllers and the tool server ask the same functions.

    policy = resolve.effective(instance, config, find)   which policies hold for an instance's runs, as layers
    fill(run, instance, config, policy)                what a run gets that its author left out
    admit(run, instance, policy, packs)                violations of a run's spec
    gate(Call(tool, target, args, run), policy, tool_policies)   allow, deny or ask, with the rule, for one tool call
    judge_pack(pack, policy)                           what a policy has against a skill pack
    offered(tool, targets, policy, tool_policies)      whether a model is told of a tool
    network.egress(policy), network.may_connect(...)   where a run may connect to
    rbac.grant(rules, policy)                          the Kubernetes rights of a skill, and what was cut
    context.of_run(run)                                what `when` sees of a run
    check.problems(spec), lint.lint(policy)            what is wrong with a policy, and what is probably not meant
    limits.depth, concurrent, children                 how many runs a run may start
    sandbox.fill, sandbox.check                        the container in which commands run

No clock, no I/O, no state: the same arguments give the same answer on every side.
"""

from sympozium.policy import check, context, limits, network, rbac, resolve, sandbox, watched
from sympozium.policy.admit import admit, tool_policies
from sympozium.policy.effective import Effective, unknown_gates
from sympozium.policy.fill import fill
from sympozium.policy.gate import Call, gate, offered, refusal
from sympozium.policy.packs import judge_pack
from sympozium.policy.tools import BUILTIN, EXECUTE_COMMAND, GATE_OF, SHELL, TOOL_SERVER, target_of
from sympozium.policy.verdict import Verdict, Violation

__all__ = [
    "BUILTIN",
    "EXECUTE_COMMAND",
    "GATE_OF",
    "SHELL",
    "TOOL_SERVER",
    "Call",
    "Effective",
    "Verdict",
    "Violation",
    "admit",
    "check",
    "context",
    "fill",
    "gate",
    "judge_pack",
    "limits",
    "network",
    "offered",
    "rbac",
    "refusal",
    "resolve",
    "sandbox",
    "target_of",
    "tool_policies",
    "unknown_gates",
    "watched",
]
