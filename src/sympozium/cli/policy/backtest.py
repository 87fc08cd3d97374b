"""`sympozium policy backtest POLICY`: the calls of past runs, judged by another policy.

The floor of the installation and what narrowed a run itself hold as they did; the candidate takes the place of
the instance's policy. What is on the record is judged, which for long or secret arguments is a part of them: how
often that was so is said.
"""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sympozium import durations
from sympozium.actions.bus import open_reader
from sympozium.api.config import NAME as CONFIG_NAME, SympoziumConfig
from sympozium.api.meta import SYSTEM_NAMESPACE
from sympozium.api.policy import SympoziumPolicy
from sympozium.api.run import AgentRun
from sympozium.api.shared import ToolPolicy
from sympozium.bus.subjects import RunRef
from sympozium.cli.failures import EXIT_USAGE, CommandError
from sympozium.cli.output import paint, plain, print_rows, say
from sympozium.cli.policy import calls, sources
from sympozium.cli.policy.calls import Recorded
from sympozium.cli.policy.sources import KIND
from sympozium.cli.session import Session
from sympozium.kube.conditions import parse_time
from sympozium.policy import Call, Effective, Verdict, gate
from sympozium.policy.context import of_run
from sympozium.policy.resolve import lookup
from sympozium.resources import CONFIGS, POLICIES, RUNS

_DAYS = re.compile(r"^([0-9]+)d(.*)$")
_CHANGES = {"deny": "newly denied", "ask": "newly asked", "allow": "newly allowed"}
_COLOURS = {"deny": "31", "ask": "33", "allow": "32"}
_ARGUMENTS = 80


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
    silent: int = 0
    """Runs of the time that have no transcript (any more)."""

    @property
    def partial(self) -> int:
        return sum(j.call.is_partial for j in self.judged)


def since(text: str) -> timedelta:
    """`30d`, `12h`, `1d12h`. Raises CommandError."""
    days = _DAYS.match(text)
    try:
        rest = days[2] if days else text
        return timedelta(
            days=int(days[1]) if days else 0, seconds=durations.parse(rest) if rest or not days else 0
        )
    except (ValueError, OverflowError) as exc:
        raise CommandError(f"--since {text}: write a time as 30d, 12h or 1d12h", EXIT_USAGE) from exc


async def backtest(
    session: Session,
    policy: SympoziumPolicy | str,
    *,
    age: timedelta,
    everywhere: bool,
    instance: str | None,
    output: str | None,
) -> None:
    """Judge and print. `policy` is one, or the name of one in the cluster. Raises CommandError."""
    candidate = await _from_cluster(session, policy) if isinstance(policy, str) else policy
    floor = await _floor(session)
    effective = Effective.of(candidate, floor=floor)
    begin = datetime.now(UTC) - age
    namespace = None if everywhere else session.namespace
    found = [AgentRun.model_validate(run) for run in await session.client.list(RUNS, namespace)]
    chosen = [
        run
        for run in found
        if run.metadata.creation_timestamp
        and parse_time(run.metadata.creation_timestamp) >= begin
        and instance in (None, run.spec.instance_ref)
    ]
    result = Result()
    async with open_reader(session.client) as reader:
        for run in chosen:
            messages = await reader.transcript(RunRef(run.namespace, run.name, run.metadata.uid))
            result.silent += not messages
            result.runs += 1
            result.judged += judge(run, calls.of(messages), effective)
    where = "all namespaces" if everywhere else f"namespace {session.namespace}"
    if output == "json":
        say(json.dumps(as_json(candidate.name, result), indent=2, ensure_ascii=False))
    else:
        show(candidate.name, result, f"since {begin:%Y-%m-%d %H:%M} UTC in {where}")


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


def show(policy: str, result: Result, scope: str) -> None:
    """For people: how many of each change, then each change with how often and one example."""
    say(f"{len(result.judged)} calls of {result.runs} runs {scope}, judged by {policy}")
    changed = [j for j in result.judged if j.changed]
    counts = Counter[str](j.verdict.action for j in changed)
    for action, words in _CHANGES.items():
        say(f"  {paint(_COLOURS[action], f'{words:<14}')} {counts[action]:>5}")
    say(f"  {'unchanged':<14} {len(result.judged) - len(changed):>5}")
    for action, words in _CHANGES.items():
        groups: dict[tuple[str, str, str], list[Judged]] = defaultdict(list)
        for j in changed:
            if j.verdict.action == action:
                groups[(f"{j.call.tool} in {j.call.target}", j.call.verdict["rule"], j.verdict.rule)].append(
                    j
                )
        if groups:
            say(f"\n{words}")
            print_rows(_rows(groups))
    if result.partial:
        say(
            f"\n{result.partial} calls have long or secret arguments, of which the record has a part: `when` may decide otherwise on the whole"
        )
    if result.silent:
        say(f"{result.silent} runs have no transcript (any more): nothing of them was judged")


def as_json(policy: str, result: Result) -> dict[str, Any]:
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


def _rows(groups: Mapping[tuple[str, str, str], Sequence[Judged]]) -> list[list[str]]:
    rows = [["  CALLS", "TOOL", "DECIDED BY", "WOULD BE DECIDED BY", "SUCH AS"]]
    for (tool, was, now), found in sorted(groups.items(), key=lambda item: -len(item[1])):
        first = found[0]
        arguments = json.dumps(first.call.args, ensure_ascii=False)
        shown = arguments if len(arguments) <= _ARGUMENTS else arguments[:_ARGUMENTS] + "…"
        rows.append([f"  {len(found)}", tool, was, now, f"{first.run.name}: {shown}"])
    return [[str(plain(cell)) for cell in row] for row in rows]


def from_file(policy: str) -> SympoziumPolicy | None:
    """The policy of a file; None when there is no such file, so that it is a name. Raises CommandError."""
    if not Path(policy).exists():
        return None
    found = [d for d in sources.read([Path(policy)]) if d.obj.get("kind") == KIND]
    if len(found) != 1:
        raise CommandError(f"{policy}: holds {len(found)} SympoziumPolicies where one is expected")
    return sources.parse(SympoziumPolicy, found[0])


async def _from_cluster(session: Session, policy: str) -> SympoziumPolicy:
    for namespace, name in lookup(session.namespace, policy):
        if obj := await session.client.find(POLICIES, name, namespace):
            return SympoziumPolicy.model_validate(obj)
    raise CommandError(
        f"{policy} is no file, and no SympoziumPolicy in {session.namespace} or {SYSTEM_NAMESPACE}"
    )


async def _floor(session: Session) -> SympoziumPolicy | None:
    config = await session.client.find(CONFIGS, CONFIG_NAME, SYSTEM_NAMESPACE)
    name = SympoziumConfig.model_validate(config).spec.floor_policy_ref if config else None
    obj = await session.client.find(POLICIES, name, SYSTEM_NAMESPACE) if name else None
    return SympoziumPolicy.model_validate(obj) if obj else None
