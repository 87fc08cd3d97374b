"""`sympozium policy backtest POLICY`: the calls of past runs, judged by another policy."""

import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sympozium.actions.bus import open_reader
from sympozium.actions.errors import ActionError, MissingError, UsageError
from sympozium.actions.policies import backtest as judging, sources
from sympozium.actions.policies.backtest import Judged, Result
from sympozium.actions.policies.sources import KIND
from sympozium.api.policy import SympoziumPolicy
from sympozium.cli.output import paint, plain, print_rows, print_value, say
from sympozium.cli.session import Session
from sympozium.resources import RUNS

_CHANGES = {"deny": "newly denied", "ask": "newly asked", "allow": "newly allowed"}
_COLOURS = {"deny": "31", "ask": "33", "allow": "32"}
_ARGUMENTS = 80


def since(text: str) -> timedelta:
    """`30d`, `12h`, `1d12h`. Raises UsageError."""
    try:
        return judging.since(text)
    except UsageError as exc:
        raise UsageError(f"--since {exc}") from exc


async def backtest(
    session: Session,
    policy: SympoziumPolicy | str,
    *,
    age: timedelta,
    everywhere: bool,
    instance: str | None,
    output: str | None,
) -> None:
    """Judge and print. `policy` is one, or the name of one in the cluster. Raises ActionError, KubeError, BusError."""
    candidate = await _named(session, policy) if isinstance(policy, str) else policy
    begin = datetime.now(UTC) - age
    namespace = None if everywhere else session.namespace
    floor = await judging.floor_of(session.client)
    runs, _ = judging.newest(await session.client.list(RUNS, namespace), begin=begin, instance=instance)
    async with open_reader(session.client) as reader:
        result = await judging.backtest(candidate, floor, runs, reader.transcript)
    where = "all namespaces" if everywhere else f"namespace {session.namespace}"
    if output:
        print_value(judging.as_json(candidate.name, result), output)
    else:
        show(candidate.name, result, f"since {begin:%Y-%m-%d %H:%M} UTC in {where}")


async def _named(session: Session, name: str) -> SympoziumPolicy:
    try:
        return await judging.policy_of(session.client, session.namespace, name)
    except MissingError as exc:
        raise MissingError(f"{name} is no file, and there is {exc}") from None


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


def _rows(groups: Mapping[tuple[str, str, str], Sequence[Judged]]) -> list[list[str]]:
    rows = [["  CALLS", "TOOL", "DECIDED BY", "WOULD BE DECIDED BY", "SUCH AS"]]
    for (tool, was, now), found in sorted(groups.items(), key=lambda item: -len(item[1])):
        first = found[0]
        arguments = json.dumps(first.call.args, ensure_ascii=False)
        shown = arguments if len(arguments) <= _ARGUMENTS else arguments[:_ARGUMENTS] + "…"
        rows.append([f"  {len(found)}", tool, was, now, f"{first.run.name}: {shown}"])
    return [[str(plain(cell)) for cell in row] for row in rows]


def from_file(policy: str) -> SympoziumPolicy | None:
    """The policy of a file; None when there is no such file, so that it is a name. Raises ActionError."""
    if not Path(policy).exists():
        return None
    found = [d for d in sources.read([Path(policy)]) if d.obj.get("kind") == KIND]
    if len(found) != 1:
        raise ActionError(f"{policy}: holds {len(found)} SympoziumPolicies where one is expected")
    return sources.parse(SympoziumPolicy, found[0])
