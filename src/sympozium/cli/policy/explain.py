"""`sympozium policy explain RUN`: what was decided about a run, by which rule, and where that rule stands."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sympozium.actions.errors import MissingError
from sympozium.actions.policies import explain as action, rules, sources
from sympozium.actions.policies.calls import Recorded
from sympozium.actions.policies.explain import Explanation
from sympozium.api.run import TERMINAL
from sympozium.cli import runs
from sympozium.cli.output import paint, plain, print_value, say
from sympozium.cli.session import Session

_ARGUMENTS = 200
_COLOURS = {"allow": "32", "ask": "33", "deny": "31"}


async def explain(session: Session, name: str, *, files: list[Path], output: str | None) -> None:
    """Print it. `files` are where policies are kept, for their lines. Raises ActionError, KubeError, BusError."""
    kept = sources.read(files)
    try:
        explanation = await action.explain(session.client, session.namespace, name, kept=kept)
    except MissingError as exc:
        raise runs.with_cure(exc) from None
    if output:
        print_value(action.as_json(explanation), output)
    else:
        _print(explanation)


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
