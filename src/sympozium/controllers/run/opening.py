"""How the conversation of a run begins: what its author gave as history, or another run's words up to a step.

A fork is read from the source's verified messages when it is planned, and from nothing else. What the record keeps is less
than what the source's model saw: secrets are masked, long results shortened. Each place where something is missing says so,
in the words of the record or here, since a model that goes on from a gap must be able to see it.

The source may be a fork itself, then its own beginning is read the same way.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from sympozium import resources
from sympozium.api import AgentRun
from sympozium.api.conversation import Call, Turn, turns
from sympozium.controllers.run.fold import Event
from sympozium.controllers.run.plan import PlanError
from sympozium.controllers.run.port import Bus, Ref
from sympozium.kube import Client
from sympozium.shortening import is_shortened

_FORKS: Final = 32
"""Forks of forks that are followed."""
_EARLIER: Final = "was-"
"""Before the ids of calls of the source: the run's own begin anew, and must not be taken for them."""


class SourceGoneError(PlanError):
    """The run to fork from, or what it said, is not there any more."""

    reason: ClassVar[str] = "ForkSourceGone"


@dataclass(frozen=True, slots=True)
class Opening:
    """`task` None: it is in the history already."""

    history: Sequence[Turn]
    task: str | None


class Openings:
    """For one installation."""

    def __init__(self, client: Client, bus: Bus) -> None:
        self._client = client
        self._bus = bus

    async def of(self, run: AgentRun, *, forks: int = _FORKS) -> Opening:
        """Raises PlanError for what cannot be a beginning, BusError when the source cannot be read now."""
        fork = run.spec.fork_from
        if fork is None:
            return Opening(turns(run.spec.history), run.spec.task)
        if not forks:
            raise PlanError(f"spec.forkFrom: more than {_FORKS} forks of forks: fork from an earlier one")
        found = await self._client.find(resources.RUNS, fork.run_name, run.namespace)
        source = AgentRun.model_validate(found) if found else None
        if source is None or (fork.uid and source.metadata.uid != fork.uid):
            words = "is not there any more" if source is None else "is another run of that name now"
            raise SourceGoneError(f"spec.forkFrom: AgentRun {fork.run_name} {words}")
        if source.spec.instance_ref != run.spec.instance_ref:
            raise PlanError(
                f"spec.forkFrom: AgentRun {source.name} is of instance {source.spec.instance_ref}, this one of {run.spec.instance_ref}"
            )
        begun = await self.of(source, forks=forks - 1)
        said = await self._bus.transcript(Ref(source.namespace, source.name, source.metadata.uid))
        history = [*begun.history, *([Turn(role="user", content=begun.task)] if begun.task else ())]
        history += replayed([item.event for item in said], fork.step, source.name)
        task = run.spec.task if run.spec.task != source.spec.task else None
        if task is None and history[-1].role == "assistant":
            raise PlanError(
                f"spec.forkFrom: step {fork.step} of AgentRun {source.name} is its answer: give a task of its own, or take an earlier step"
            )
        return Opening(history, task)


def replayed(events: Sequence[Event], steps: int, name: str) -> list[Turn]:
    """What the model of run `name` said in the first steps of its last attempt, and what its calls came to.

    Raises PlanError, SourceGoneError.
    """
    begins = [index for index, event in enumerate(events) if event.type == "run.started"]
    attempt = events[begins[-1] :] if begins else events
    said = {int(e.data["step"]): e.data for e in attempt if e.type == "model.message"}
    outcomes = {str(e.data["callId"]): e.data for e in attempt if e.type == "tool.outcome"}
    if said and steps > max(said):
        raise PlanError(
            f"spec.forkFrom.step: AgentRun {name} has said something in {max(said)} steps of its last attempt, and not in step {steps}"
        )
    if missing := [step for step in range(1, steps + 1) if step not in said]:
        raise SourceGoneError(
            f"spec.forkFrom: what AgentRun {name} said in step {missing[0]} is not in its history any more"
        )
    found: list[Turn] = []
    for step in range(1, steps + 1):
        calls = [_call(call) for call in said[step]["toolCalls"]]
        found.append(Turn(role="assistant", content=said[step]["text"], calls=calls))
        found += [
            Turn(role="tool", content=_outcome(outcomes.get(call["id"])), call_id=made.id)
            for call, made in zip(said[step]["toolCalls"], calls, strict=True)
        ]
    return found


def _call(call: Mapping[str, Any]) -> Call:
    """As it is on the record. What is no JSON object (any more) is put into one: no endpoint takes it otherwise."""
    arguments = call["arguments"]
    try:
        whole = isinstance(json.loads(arguments or "{}"), dict)
    except (ValueError, RecursionError):
        whole = False
    if not whole:
        key = "shortened" if is_shortened(arguments) else "malformed"
        arguments = json.dumps({key: arguments}, ensure_ascii=False)
    return Call(id=f"{_EARLIER}{call['id']}", name=call["name"], arguments=arguments or "{}")


def _outcome(data: Mapping[str, Any] | None) -> str:
    if data is None:
        return "error: no outcome of this call is on the record: it had not ended"
    text = f"error: {data['summary']}" if data["isError"] else str(data["summary"])
    if data["truncated"] or is_shortened(text):
        text += f"\n[shortened: the record keeps this of {data['bytes']} bytes]"
    return text
