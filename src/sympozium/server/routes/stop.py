"""Hold runs, or the whole installation, and let them go on: `/api/v1/stop`, `/api/v1/resume`. As the caller."""

from collections.abc import Iterable

from fastapi import APIRouter

from sympozium.actions import stop as actions
from sympozium.actions.runs import has_ended
from sympozium.actions.stop import Outcome, Which
from sympozium.kube.resources import Object
from sympozium.server.access import CallerOf
from sympozium.server.models.stop import State, Stop as Wanted, StopOrKill, StoppedRun, StopResult
from sympozium.server.parts import PartsOf

router = APIRouter(tags=["runs"])


@router.post("/stop")
async def stop_runs(caller: CallerOf, parts: PartsOf, wanted: StopOrKill) -> StopResult:
    """Freeze runs, or cancel them with `kill`; the answer comes when they stand, or the time is over."""
    outcome = await actions.stop(caller.kube, _which(wanted), kill=wanted.kill, seconds=wanted.seconds)
    known = parts.listing.stopped
    return _result(outcome, stopped=not outcome.refused if wanted.all else known)


@router.post("/resume")
async def resume_runs(caller: CallerOf, parts: PartsOf, wanted: Wanted) -> StopResult:
    """Let runs go on. Of the installation: those that somebody held by name stay held."""
    outcome = await actions.resume(caller.kube, _which(wanted), seconds=wanted.seconds)
    return _result(outcome, stopped=False if wanted.all else parts.listing.stopped)


def _which(wanted: Wanted) -> Which:
    return Which(wanted.namespace, wanted.names, wanted.labels, everything=wanted.all)


def _result(outcome: Outcome, *, stopped: bool) -> StopResult:
    problems = [f"the installation is not stopped: {outcome.refused}"] if outcome.refused else []
    problems += [f"the runs could not be watched: {outcome.blind}"] if outcome.blind else []
    problems += [
        f"{namespace}/{name} stays held: somebody held it by name" for namespace, name in outcome.own
    ]
    items = [_item(key, run, outcome.failed.get(key)) for key, run in _in_order(outcome)]
    return StopResult(items=items, stopped=stopped, problems=problems)


def _in_order(outcome: Outcome) -> Iterable[tuple[tuple[str, str], Object]]:
    return sorted(outcome.runs.items(), key=lambda item: item[0])


def _item(key: tuple[str, str], run: Object, problem: str | None) -> StoppedRun:
    namespace, name = key
    flight = actions.in_flight(run) or None
    return StoppedRun(namespace=namespace, name=name, state=_state(run), in_flight=flight, problem=problem)


def _state(run: Object) -> State:
    if has_ended(run):
        return "Ended"
    if actions.is_frozen(run):
        return "Frozen"
    if actions.stands(run):
        return "Held"
    # What was told to stand, and has not said that it does, may still begin something.
    return "Told" if run["spec"].get("suspend") or run["spec"].get("cancel") else "Running"
