"""What a run may begin with: a history in words, or the conversation of another run (`spec.forkFrom`).

Whoever forks a run reads it through the fork, so they must be allowed to read it; and when it is a fork itself, the runs whose
words it began with too, which are not on its own record. The fork is a run of theirs like any other:
its policy is that of the instance as it is now, whatever the source's was, so nothing of the source's authority comes along. The
identities of runs fork nothing: what a run starts, it starts beneath itself.
"""

from typing import Final

from sympozium.api.base import Object
from sympozium.api.conversation import HISTORY_LIMIT, size
from sympozium.api.meta import GROUP
from sympozium.api.run import AgentRun
from sympozium.policy import Violation
from sympozium.webhook import identity
from sympozium.webhook.access import Access
from sympozium.webhook.findings import Findings
from sympozium.webhook.references import References
from sympozium.webhook.review import Request

_FIELD: Final = "spec.forkFrom"
_READS: Final = ("agentruns", "agentruns/log")
"""That it exists, and what it said (docs/decisions/0012): two rights."""
_FORKS: Final = 32
"""Forks of forks that the controllers follow when they plan a run; a longer line ends there."""


async def pinned(request: Request, references: References) -> Object | None:
    """The `forkFrom` that a new run must have: with the uid of the run that it names now. None when it names none."""
    spec = request.object.get("spec")
    fork = spec.get("forkFrom") if isinstance(spec, dict) else None
    name = fork.get("runName") if isinstance(fork, dict) else None
    if not isinstance(fork, dict) or not isinstance(name, str) or not name:
        return None  # the schema says what is wrong with it
    source = await references.run(request.namespace, name)
    without = {key: value for key, value in fork.items() if key != "uid"}
    return {**without, "uid": source.metadata.uid} if source else without


async def check(
    request: Request, run: AgentRun, references: References, access: Access, found: Findings
) -> None:
    """What speaks against the beginning of a new run, after `mutate` has written the uid."""
    if (said := size(run.spec.history)) > HISTORY_LIMIT:
        words = f"has {said} bytes, {HISTORY_LIMIT} at most: leave out the oldest messages"
        found.wrong.append(Violation("spec.history", words))
    fork = run.spec.fork_from
    if fork is None:
        return
    user, name = request.user, fork.run_name
    if identity.is_controller(user) or await identity.is_of_a_run(user, references.client):
        words = f"{user.name} starts runs beneath runs and from schedules, and forks none"
        found.refused.append(Violation(_FIELD, words, instead="fork the run as a person"))
        return
    # Before anything is said about the run: whether it exists is no secret to those alone who may read it.
    if refused := await _unread(request, name, references, access):
        found.refused.append(refused)
        return
    found.wrong += _against(run, await references.run(request.namespace, name))


async def _unread(request: Request, name: str, references: References, access: Access) -> Violation | None:
    """What speaks against reading the whole conversation of run `name`: each run that it goes back to is asked for."""
    user, asked_for, line = request.user, name, ""
    for _ in range(_FORKS):
        for resource in _READS:
            if not await access.may(
                user, "get", resource, group=GROUP, namespace=request.namespace, name=name
            ):
                words = (
                    f"{user.name} may not get {resource} {name}{line}, so no run of theirs may go on from it"
                )
                return Violation(f"{_FIELD}.runName", words, instead="fork a run that you may read")
        source = await references.run(request.namespace, name)
        if source is None or source.spec.fork_from is None:
            break
        name = source.spec.fork_from.run_name
        line = f", with whose conversation {asked_for} begins"
    return None


def _against(run: AgentRun, source: AgentRun | None) -> list[Violation]:
    fork = run.spec.fork_from
    assert fork is not None, "asked for forks alone"
    if source is None:
        return [Violation(f"{_FIELD}.runName", f"AgentRun {fork.run_name} is not in this namespace")]
    found = []
    if fork.uid != source.metadata.uid:
        words = f"is set from AgentRun {source.name}, to {source.metadata.uid!r}; try again"
        found.append(Violation(f"{_FIELD}.uid", words))
    if source.spec.instance_ref != run.spec.instance_ref:
        words = f"AgentRun {source.name} is of instance {source.spec.instance_ref}: a fork is of the same"
        found.append(Violation(f"{_FIELD}.runName", words))
    if run.spec.history:
        words = "a fork begins with what its source said: leave the history out"
        found.append(Violation("spec.history", words))
    made = source.status.steps or 0
    if fork.step > made:
        words = f"AgentRun {source.name} has made {made} steps" + (
            "" if made else ": start a run of your own"
        )
        found.append(Violation(f"{_FIELD}.step", words))
    elif _is_answer(fork.step, source) and run.spec.task == source.spec.task:
        words = f"step {fork.step} is the answer of AgentRun {source.name}: give another task, or take an earlier step"
        found.append(Violation(f"{_FIELD}.step", words))
    return found


def _is_answer(step: int, source: AgentRun) -> bool:
    return source.status.phase == "Succeeded" and step == source.status.steps
