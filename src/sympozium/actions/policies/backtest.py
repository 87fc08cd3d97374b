"""The calls of past runs, judged by another policy.

The floor of the installation and what narrowed a run itself hold as they did; the candidate takes the place of
the instance's policy. What is on the record is judged, which for long or secret arguments is a part of them: how
often that was so is said.
"""

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from sympozium import durations
from sympozium.actions.errors import MissingError, UsageError
from sympozium.actions.policies import calls
from sympozium.actions.policies.calls import Recorded
from sympozium.api.config import NAME as CONFIG_NAME, ConfigSpec, SympoziumConfig
from sympozium.api.meta import SYSTEM_NAMESPACE
from sympozium.api.policy import SympoziumPolicy
from sympozium.api.run import AgentRun
from sympozium.api.shared import ToolPolicy
from sympozium.bus.history import Stored
from sympozium.bus.subjects import RunRef
from sympozium.kube import Client
from sympozium.kube.conditions import parse_time
from sympozium.kube.resources import Object
from sympozium.policy import Call, Effective, Verdict, gate
from sympozium.policy.context import of_run
from sympozium.policy.resolve import lookup
from sympozium.resources import CONFIGS, POLICIES

Read = Callable[[RunRef], Awaitable[Sequence[Stored]]]
"""The verified messages of a run, in order."""
_DAYS: Final = re.compile(r"^([0-9]+)d(.*)$")


@dataclass(frozen=True, slots=True)
class Judged:
    """A call as it was decided, and as the candidate decides."""

    run: AgentRun
    call: Recorded
    verdict: Verdict

    @property
    def changed(self) -> bool:
        return bool(self.verdict.action != self.call.verdict["action"])


@dataclass(slots=True)
class Result:
    """All that was judged."""

    runs: int = 0
    judged: list[Judged] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)
    """`namespace/name` of the runs that have no transcript (any more)."""

    @property
    def silent(self) -> int:
        return len(self.unread)

    @property
    def partial(self) -> int:
        return sum(j.call.is_partial for j in self.judged)


def since(text: str) -> timedelta:
    """`30d`, `12h`, `1d12h`. Raises UsageError."""
    days = _DAYS.match(text)
    try:
        rest = days[2] if days else text
        return timedelta(
            days=int(days[1]) if days else 0, seconds=durations.parse(rest) if rest or not days else 0
        )
    except (ValueError, OverflowError) as exc:
        raise UsageError(f"{text}: write a time as 30d, 12h or 1d12h") from exc


def newest(
    runs: Iterable[Object], *, begin: datetime, instance: str | None = None, limit: int | None = None
) -> tuple[list[AgentRun], int]:
    """The runs since `begin`, of one instance or of all, the newest first; and how many `limit` leaves out."""
    chosen = [
        run
        for run in runs
        if instance in (None, run["spec"]["instanceRef"])
        and parse_time(run["metadata"]["creationTimestamp"]) >= begin
    ]
    chosen.sort(key=lambda run: str(run["metadata"]["creationTimestamp"]), reverse=True)
    kept = chosen[:limit]
    return [AgentRun.model_validate(run) for run in kept], len(chosen) - len(kept)


async def backtest(
    candidate: SympoziumPolicy, floor: SympoziumPolicy | None, runs: Sequence[AgentRun], read: Read
) -> Result:
    """Judge the calls of runs. `read` gives the transcript of one; what it raises ends the backtest."""
    effective = Effective.of(candidate, floor=floor)
    result = Result()
    for run in runs:
        messages = await read(RunRef(run.namespace, run.name, run.metadata.uid))
        if not messages:
            result.unread.append(f"{run.namespace}/{run.name}")
        result.runs += 1
        result.judged += judge(run, calls.of(messages), effective)
    return result


def judge(run: AgentRun, recorded: Sequence[Recorded], effective: Effective) -> list[Judged]:
    """What the candidate says of the calls of one run. Those that no policy decided (no such tool) are left out."""
    narrowing: list[ToolPolicy] = [run.spec.tool_policy] if run.spec.tool_policy else []
    if run.spec.parent:
        narrowing += run.spec.parent.tool_policies
    context = of_run(run)
    judged = []
    for call in recorded:
        if not call.target:
            continue
        arguments: Mapping[str, Any] = call.args if isinstance(call.args, dict) else {}
        verdict = gate(Call(call.tool, call.target, arguments, context), effective, narrowing)
        judged.append(Judged(run, call, verdict))
    return judged


def as_json(policy: str, result: Result) -> dict[str, Any]:
    """For programs."""
    return {
        "policy": policy,
        "runs": result.runs,
        "runsWithoutTranscript": result.silent,
        "calls": len(result.judged),
        "partialArguments": result.partial,
        "changes": [
            {
                "namespace": j.run.namespace,
                "run": j.run.name,
                "callId": j.call.id,
                "tool": j.call.tool,
                "target": j.call.target,
                "args": j.call.args,
                "was": dict(j.call.verdict),
                "now": {"action": j.verdict.action, "rule": j.verdict.rule, "reason": j.verdict.reason},
            }
            for j in result.judged
            if j.changed
        ],
    }


async def policy_of(client: Client, namespace: str, name: str) -> SympoziumPolicy:
    """As a run of that namespace finds it. Raises MissingError."""
    for where, called in lookup(namespace, name):
        if obj := await client.find(POLICIES, called, where):
            return SympoziumPolicy.model_validate(obj)
    raise MissingError(f"no SympoziumPolicy {name} in {namespace} or {SYSTEM_NAMESPACE}")


async def config_of(client: Client) -> ConfigSpec:
    """The installation's; the defaults where nobody has configured it."""
    config = await client.find(CONFIGS, CONFIG_NAME, SYSTEM_NAMESPACE)
    return SympoziumConfig.model_validate(config).spec if config else ConfigSpec()


async def floor_of(client: Client) -> SympoziumPolicy | None:
    """The policy that holds for every run of the installation."""
    name = (await config_of(client)).floor_policy_ref
    obj = await client.find(POLICIES, name, SYSTEM_NAMESPACE) if name else None
    return SympoziumPolicy.model_validate(obj) if obj else None
