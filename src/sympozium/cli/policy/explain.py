"""`sympozium policy explain RUN`: what was decided about a run, by which rule, and where that rule stands."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sympozium.actions.bus import open_reader
from sympozium.api.run import TERMINAL, AgentRun
from sympozium.bus.history import Stored
from sympozium.bus.messages import POLICY_APPLIED
from sympozium.bus.subjects import RunRef
from sympozium.cli import runs
from sympozium.cli.output import paint, plain, say
from sympozium.cli.policy import calls, rules, sources
from sympozium.cli.policy.calls import Recorded
from sympozium.cli.policy.rules import Place
from sympozium.cli.policy.sources import KIND, Sourced
from sympozium.cli.session import Session
from sympozium.policy.resolve import lookup
from sympozium.resources import POLICIES

_ARGUMENTS = 200
_COLOURS = {"allow": "32", "ask": "33", "deny": "31"}


@dataclass(slots=True)
class Explanation:
    """Everything that `explain` prints."""

    run: AgentRun
    applied: list[Mapping[str, Any]]
    """Each policy that the tool server took, in order: {name, generation, digest}."""
    calls: list[Recorded]
    policies: dict[str, Sourced] = field(default_factory=dict)
    """By name: those that a verdict names and that are there."""
    generations: dict[str, int] = field(default_factory=dict)
    """Of the policies in the cluster, now."""


async def explain(session: Session, name: str, *, files: list[Path], output: str | None) -> None:
    """Print it. `files` are where policies are kept, for their lines. Raises CommandError, ActionError, KubeError, BusError."""
    found = AgentRun.model_validate(await runs.find(session, name))
    async with open_reader(session.client) as reader:
        messages = await reader.transcript(RunRef(session.namespace, name, found.metadata.uid))
    explanation = Explanation(found, _applied(messages), calls.of(messages))
    await _find_policies(session, explanation, files)
    if output == "json":
        say(json.dumps(_as_json(explanation), indent=2, ensure_ascii=False))
    else:
        _print(explanation)


async def _find_policies(session: Session, explanation: Explanation, files: list[Path]) -> None:
    kept = {d.obj["metadata"]["name"]: d for d in sources.read(files) if d.obj.get("kind") == KIND}
    recorded = [call.verdict for call in explanation.calls]
    verdicts = [*recorded, *(v["audited"] for v in recorded if v.get("audited"))]
    wanted = {reference[0] for v in verdicts if (reference := rules.named(v["rule"]))}
    if explanation.run.status.policy:
        wanted.add(explanation.run.status.policy.name)
    for name in sorted(wanted):
        for namespace, _ in lookup(session.namespace, name):
            if policy := await session.client.find(POLICIES, name, namespace):
                explanation.policies[name] = rules.from_cluster(policy)
                explanation.generations[name] = policy["metadata"]["generation"]
                break
        if name in kept:
            explanation.policies[name] = kept[name]


def _applied(messages: list[Stored]) -> list[Mapping[str, Any]]:
    return [dict(stored.message.data) for stored in messages if stored.message.type == POLICY_APPLIED]


def _print(explanation: Explanation) -> None:
    run = explanation.run
    trigger = run.spec.trigger
    by = f", {trigger.kind} by {trigger.user or trigger.name}" if trigger else ""
    say(f"run {run.namespace}/{run.name} of {run.spec.instance_ref}: {run.status.phase or 'Pending'}{by}")
    for line in _under(explanation):
        say(line)
    for condition in run.status.conditions:
        if condition.type in (
            "RightsCut",
            "EgressByName",
            "NetworkUnenforced",
            "Planned",
            "PolicyCurrent",
            "Frozen",
            "PolicyAudit",
        ):
            say(f"  {condition.type}={condition.status}: {plain(condition.message)}")
    if not explanation.calls:
        say("no tool was called" if run.status.phase else "nothing was decided yet")
    for number, call in enumerate(explanation.calls, 1):
        _print_call(number, call, explanation)


def _under(explanation: Explanation) -> list[str]:
    enforced = explanation.run.status.policy
    if enforced is None:
        return ["  no policy is on its record: it has not been planned"]
    lines = [f"  under policy {enforced.name}, generation {enforced.generation}"]
    now = explanation.generations.get(enforced.name)
    if now is None:
        lines.append(f"  policy {enforced.name} is gone, so no line of it can be shown")
    elif now != enforced.generation:
        lines.append(
            f"  policy {enforced.name} has changed since: it is at generation {now}, and lines are of that"
        )
    lines += [
        f"  while it ran: {change['name']}, generation {change['generation']}"
        for change in explanation.applied
    ]
    return lines


def _print_call(number: int, call: Recorded, explanation: Explanation) -> None:
    arguments = json.dumps(call.args, ensure_ascii=False)
    shown = (
        arguments
        if len(arguments) <= _ARGUMENTS
        else f"{arguments[:_ARGUMENTS]}… ({len(arguments)} characters)"
    )
    target = f" in {call.target}" if call.target else ""
    say(f"{number:>3}  {call.time[11:19]}  {paint('1', plain(call.tool))}{plain(target)} {plain(shown)}")
    _print_verdict(call.verdict, explanation)
    if audited := call.verdict.get("audited"):
        say("     a policy that only watches would have decided:")
        _print_verdict(audited, explanation)
    for decision in call.decisions:
        by = f" by {decision['decidedBy']}" if decision.get("decidedBy") else ""
        comment = f": {decision['comment']}" if decision.get("comment") else ""
        say(f"     {plain(decision['state'] + by + comment)}")
    if call.outcome is None:
        waits = call.waits and explanation.run.status.phase not in TERMINAL
        say(
            "     waits for a person (sympozium approvals list)"
            if waits
            else "     no outcome is on the record"
        )
    else:
        word = "done" if call.outcome["ok"] else "denied" if call.outcome.get("denied") else "failed"
        say(f"     {word} ({call.outcome['durationMs']} ms)")


def _print_verdict(verdict: Mapping[str, Any], explanation: Explanation) -> None:
    action = verdict["action"]
    say(f"     {paint(_COLOURS[action], action)}  {plain(verdict['rule'])}")
    if verdict["reason"]:
        say(f"          {plain(verdict['reason'])}")
    if place := rules.find(verdict["rule"], explanation.policies):
        say(
            f"          {place.where}:{place.line}"
            if place.from_file
            else f"          line {place.line} of `{place.where}`"
        )
        say(f"          {paint('2', plain(place.text))}")
    if verdict.get("instead"):
        say(f"          instead: {plain(verdict['instead'])}")


def _as_json(explanation: Explanation) -> dict[str, Any]:
    run = explanation.run
    return {
        "run": {
            "namespace": run.namespace,
            "name": run.name,
            "uid": run.metadata.uid,
            "instance": run.spec.instance_ref,
        },
        "trigger": run.spec.trigger.to_json() if run.spec.trigger else None,
        "policy": run.status.policy.to_json() if run.status.policy else None,
        "policyNow": explanation.generations,
        "applied": explanation.applied,
        "decisions": [
            {
                "callId": call.id,
                "time": call.time,
                "tool": call.tool,
                "target": call.target,
                "args": call.args,
                "verdict": dict(call.verdict),
                "place": _place(rules.find(call.verdict["rule"], explanation.policies)),
                "decisions": [dict(decision) for decision in call.decisions],
                "outcome": dict(call.outcome) if call.outcome else None,
            }
            for call in explanation.calls
        ],
    }


def _place(place: Place | None) -> dict[str, Any] | None:
    return {"where": place.where, "line": place.line, "text": place.text} if place else None
