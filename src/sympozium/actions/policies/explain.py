"""What was decided about a run, by which rule, and where that rule stands."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sympozium.actions import runs
from sympozium.actions.bus import open_reader
from sympozium.actions.policies import calls, rules
from sympozium.actions.policies.calls import Recorded
from sympozium.actions.policies.rules import Place
from sympozium.actions.policies.sources import KIND, Sourced
from sympozium.api.run import AgentRun
from sympozium.bus.history import Stored
from sympozium.bus.messages import POLICY_APPLIED
from sympozium.bus.subjects import RunRef
from sympozium.kube import Client, ForbiddenError
from sympozium.kube.resources import Object
from sympozium.policy.resolve import lookup
from sympozium.resources import POLICIES


@dataclass(slots=True)
class Explanation:
    """Everything that is known of the decisions about a run."""

    run: AgentRun
    applied: list[Mapping[str, Any]]
    """Each policy that the tool server took, in order: {name, generation, digest}."""
    calls: list[Recorded]
    policies: dict[str, Sourced] = field(default_factory=dict)
    """By name: those that a verdict names and that are there."""
    generations: dict[str, int] = field(default_factory=dict)
    """Of the policies in the cluster, now."""
    unseen: set[str] = field(default_factory=set)
    """Policies that whoever asks may not read: the rules of a verdict have no place then."""


async def explain(client: Client, namespace: str, name: str, *, kept: Sequence[Sourced] = ()) -> Explanation:
    """`kept` are documents of the files where policies are kept, for their lines.

    Raises MissingError, KubeError, BusError.
    """
    found = AgentRun.model_validate(await runs.find(client, namespace, name))
    async with open_reader(client) as reader:
        messages = await reader.transcript(RunRef(namespace, name, found.metadata.uid))
    return await of_messages(client, found, messages, kept=kept)


async def of_messages(
    client: Client, run: AgentRun, messages: list[Stored], *, kept: Sequence[Sourced] = ()
) -> Explanation:
    """From a transcript that was read already. `client` looks up the policies as they are now."""
    explanation = Explanation(run, _applied(messages), calls.of(messages))
    await _find_policies(client, explanation, kept)
    return explanation


async def _find_policies(client: Client, explanation: Explanation, kept: Sequence[Sourced]) -> None:
    in_files = {d.obj["metadata"]["name"]: d for d in kept if d.obj.get("kind") == KIND}
    recorded = [call.verdict for call in explanation.calls]
    verdicts = [*recorded, *(v["audited"] for v in recorded if v.get("audited"))]
    wanted = {reference[0] for v in verdicts if (reference := rules.named(v["rule"]))}
    if explanation.run.status.policy:
        wanted.add(explanation.run.status.policy.name)
    for name in sorted(wanted):
        try:
            policy = await _find(client, explanation.run.namespace, name)
        except ForbiddenError:
            explanation.unseen.add(name)
            continue
        if policy:
            explanation.policies[name] = rules.from_cluster(policy)
            explanation.generations[name] = policy["metadata"]["generation"]
    explanation.policies |= {name: kept for name, kept in in_files.items() if name in wanted}


async def _find(client: Client, run_namespace: str, name: str) -> Object | None:
    for namespace, _ in lookup(run_namespace, name):
        if policy := await client.find(POLICIES, name, namespace):
            return policy
    return None


def _applied(messages: list[Stored]) -> list[Mapping[str, Any]]:
    return [dict(stored.message.data) for stored in messages if stored.message.type == POLICY_APPLIED]


def as_json(explanation: Explanation) -> dict[str, Any]:
    """For programs; names as in the custom resources."""
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
